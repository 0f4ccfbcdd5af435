"""Justifications of later rounds, taken from real runs and then bent."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bubi.consensus import paxos, paxos_bytes, pbft_bytes, raft, raft_bytes
from bubi.consensus.engine import Configuration, Message, ProposalMessage
from bubi.simulation import faults, twins
from bubi.simulation.cluster import Cluster
from bubi.simulation.new_rounds import new_round_fault

Bend = Callable[[Any], Any]


class Seen:
    """Proposals of later rounds in scenarios of twins: with nothing claimed, and with a block."""

    def __init__(self, engine: str) -> None:
        self.table: twins.Table | None = None
        self.engine = engine
        for number in range(200):
            run = twins.Run(twins.draw(5, number), engine)
            self.run, self.carrying = run, list[ProposalMessage]()
            run.listeners.append(self._heard)
            assert run.run().violations == ()
            if self.carrying:
                break
        assert self.carrying

    @property
    def configuration(self) -> Configuration:
        return self.run.configurations[0]

    def _heard(self, event: Message) -> None:
        message = event.message
        if (
            isinstance(message, ProposalMessage)
            and message.proposal
            and message.signed.validator >= self.run.scenario.twins
        ):
            proof = self.decode(message)
            shown = getattr(proof, "high", None) or getattr(proof, "evidence", None)
            if shown is None and isinstance(proof, pbft_bytes.NewView):
                shown = any(pbft_bytes.decode_change(one.body) for one in proof.changes)
            if shown:
                self.carrying.append(message)

    def decode(self, message: ProposalMessage) -> Any:
        """The justification; None for what is none, as the votes that raft's leader shows."""
        decoders: dict[str, Callable[..., Any]] = {
            "pbft": pbft_bytes.decode_justification,
            "raft": raft_bytes.decode_proof,
            "paxos": paxos_bytes.decode_proof,
        }
        if self.engine == "paxos" and message.signed.request.phase.name == "GRANT":
            return None
        decode = decoders[self.engine]
        return decode(message.justification, self.configuration, message.height)

    def fault(self, message: ProposalMessage) -> str | None:
        return new_round_fault(self.run.table, self.configuration, message)

    def bent(self, bend: Bend) -> str | None:
        encoders: dict[str, Callable[[Any], bytes]] = {
            "pbft": pbft_bytes.encode_justification,
            "raft": raft_bytes.encode_proof,
            "paxos": paxos_bytes.encode_proof,
        }
        message = self.carrying[0]
        proof = bend(self.decode(message))
        encode = encoders[self.engine]
        return self.fault(replace(message, justification=encode(proof)))


@pytest.fixture(scope="module", params=["pbft", "raft", "paxos"])
def seen(request: pytest.FixtureRequest) -> Seen:
    return Seen(request.param)


FIELDS = {"pbft": "changes", "raft": "ballots", "paxos": "promises"}


def test_what_correct_leaders_show_holds(seen: Seen) -> None:
    assert [seen.fault(message) for message in seen.carrying] == [None] * len(seen.carrying)


def test_a_minority_that_asked_is_a_fault(seen: Seen) -> None:
    field = FIELDS[seen.engine]
    for cut in (lambda all_: all_[:1], lambda all_: (all_[0], *all_[:-1])):
        fault = seen.bent(
            lambda proof, cut=cut: replace(proof, **{field: cut(getattr(proof, field))})
        )
        assert fault is not None


def test_another_block_than_what_was_carried_is_a_fault(seen: Seen) -> None:
    message = seen.carrying[0]
    request = replace(message.signed.request, digest=b"\x07" * 32)
    other = replace(message, signed=replace(message.signed, request=request))
    assert seen.fault(other) is not None


def test_what_is_claimed_and_not_shown_is_a_fault(seen: Seen) -> None:
    if seen.engine == "pbft":
        silent = pbft_bytes.encode_change(None)
        # Its view changes carry the certificates themselves: left out, nothing is claimed.
        assert (
            seen.bent(
                lambda view: replace(
                    view, changes=tuple(replace(one, body=silent) for one in view.changes)
                )
            )
            is None
        )
        return
    field = "high" if seen.engine == "raft" else "evidence"
    fault = seen.bent(lambda proof: replace(proof, **{field: None}))
    assert fault is not None
    assert "is not shown" in fault
    silenced = seen.bent(
        lambda proof: replace(
            proof,
            **{
                FIELDS[seen.engine]: tuple(
                    replace(one, claim=None) for one in getattr(proof, FIELDS[seen.engine])
                )
            },
        )
    )
    assert silenced is not None
    assert "is not signed by it" in silenced


# --- planted in the engines ----------------------------------------------------------------------


class _HidingRaft(raft._Rules):
    """A member keeps its lock to itself when it asks for a term."""

    __slots__ = ()

    def _request_body(self, round_: int) -> bytes:
        return raft_bytes.encode_claim(None)


class HidingRaft(raft.RaftEngine):
    def _rules(self, state: Any) -> Any:
        return _HidingRaft(self._signatures, state)


class _TrustingRaft(raft._Rules):
    """A member believes every leader that it was elected."""

    __slots__ = ()

    def _is_elected(self, election: Any, request: Any) -> bool:
        return True


class TrustingRaft(raft.RaftEngine):
    def _rules(self, state: Any) -> Any:
        return _TrustingRaft(self._signatures, state)


class _HidingPaxos(paxos._Rules):
    """An acceptor forgets its 2b in its 1b."""

    __slots__ = ()

    def _claim(self) -> None:
        return None

    def _promise_made(self, vote: Any) -> None:
        kept, self.state.voted = self.state.voted, None
        super()._promise_made(vote)
        self.state.voted = kept


class HidingPaxos(paxos.PaxosEngine):
    def _rules(self, state: Any) -> Any:
        return _HidingPaxos(self._signatures, state)


class _TrustingPaxos(paxos._Rules):
    """An acceptor takes every value for safe."""

    __slots__ = ()

    def _knows_safe_at(self, proof: Any, request: Any) -> bool:
        return True


class TrustingPaxos(paxos.PaxosEngine):
    def _rules(self, state: Any) -> Any:
        return _TrustingPaxos(self._signatures, state)


@pytest.mark.parametrize(
    ("engine", "factory", "checker"),
    [
        ("raft", HidingRaft, "votes_are_safe"),
        ("raft", TrustingRaft, "accepted_proposals_hold"),
        ("paxos", HidingPaxos, "votes_are_safe"),
        ("paxos", TrustingPaxos, "accepted_proposals_hold"),
    ],
)
def test_a_bug_in_an_engine_is_seen_before_a_fork(
    engine: str, factory: Callable[[Any], Any], checker: str
) -> None:
    classes = faults.classes_named(("lie_view_change", "leader_cut"))
    for seed in range(60):
        result = Cluster(seed, 4, engine=engine, classes=classes, engine_factory=factory).run()
        if result.violations:
            assert result.violations[0].checker == checker
            return
    pytest.fail("no seed met the bug")
