"""Justifications of later rounds, taken from real runs and then bent."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bubi.consensus import paxos, paxos_bytes, pbft_bytes, raft, raft_bytes
from bubi.consensus.engine import Configuration, Message, ProposalMessage
from bubi.simulation import twins
from bubi.simulation.cluster import Cluster
from bubi.simulation.new_rounds import new_round_fault, quorum_fault

Bend = Callable[[Any], Any]


class Seen:
    """Proposals of later rounds in scenarios of twins: with nothing claimed, and with a block."""

    def __init__(self, engine: str) -> None:
        self.table: twins.Table | None = None
        self.engine = engine
        for number in range(200):
            run = twins.Run(twins.draw(5, number), engine)
            self.run, self.carrying = run, list[ProposalMessage]()
            self.shown: list[ProposalMessage] = []
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
        if isinstance(message, ProposalMessage) and not message.proposal and self.engine == "raft":
            self.shown.append(message)
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


def test_votes_that_a_leader_of_raft_shows() -> None:
    seen = Seen("raft")
    shown = [one for one in seen.shown if one.signed.validator >= seen.run.scenario.twins]
    assert shown
    assert {quorum_fault(seen.run.table, seen.configuration, one) for one in shown} == {None}
    message = shown[0]
    votes = seen.decode(message).votes
    leader = message.signed.validator
    for other in (
        votes[1:],
        (votes[0], *votes[:-1]),
        tuple((member, votes[0][1]) for member, _ in votes),
        tuple(one for one in votes if one[0] != leader),
    ):
        bent = replace(message, justification=raft_bytes.encode_proof(raft_bytes.Appended(other)))
        assert quorum_fault(seen.run.table, seen.configuration, bent) is not None
    assert quorum_fault(seen.run.table, seen.configuration, seen.carrying[0]) is not None


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


class _CredulousRaft(raft._Rules):
    """A member takes any append votes for those of a quorum."""

    __slots__ = ()

    def _is_quorum(self, request: Any, votes: Any) -> bool:
        return True


class CredulousRaft(raft.RaftEngine):
    def _rules(self, state: Any) -> Any:
        return _CredulousRaft(self._signatures, state)


class _SilentRaft(raft._Rules):
    """A member does not show what it claims."""

    __slots__ = ()

    def _asked(self) -> None:
        pass


class SilentRaft(raft.RaftEngine):
    def _rules(self, state: Any) -> Any:
        return _SilentRaft(self._signatures, state)


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


LED_BY_LIARS = ("lie_view_change", "leader_cut")
DIVIDED = ("drop", "partition", "one_way", "swizzle", "crash", "lie_view_change")
"""Rounds end between commit votes."""


@pytest.mark.parametrize(
    ("engine", "factory", "classes", "checker"),
    [
        ("raft", HidingRaft, LED_BY_LIARS, "votes_are_safe"),
        ("raft", TrustingRaft, LED_BY_LIARS, "accepted_proposals_hold"),
        ("raft", CredulousRaft, LED_BY_LIARS, "commit_votes_hold"),
        ("raft", SilentRaft, DIVIDED, "votes_are_safe"),
        ("paxos", HidingPaxos, DIVIDED, "votes_are_safe"),
        ("paxos", TrustingPaxos, LED_BY_LIARS, "accepted_proposals_hold"),
    ],
)
def test_a_bug_in_an_engine_is_seen_before_a_fork(
    engine: str, factory: Callable[[Any], Any], classes: tuple[str, ...], checker: str
) -> None:
    for seed in range(60):
        result = Cluster(seed, 4, engine=engine, classes=classes, engine_factory=factory).run()
        if result.violations:
            assert result.violations[0].checker == checker
            return
    pytest.fail("no seed met the bug")
