"""What leaders of Raft and Paxos lie: every lie is one, and each kind is told."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from bubi.consensus import paxos_bytes, raft_bytes
from bubi.consensus.engine import (
    Configuration,
    ConsensusMessage,
    EngineMessage,
    Message,
    ProposalMessage,
    VoteMessage,
)
from bubi.consensus.guard import VoteRequest
from bubi.simulation import lies, lies_paxos, lies_raft, lying_leaders, twins
from bubi.simulation.lying_leaders import Liar
from bubi.simulation.new_rounds import new_round_fault, quorum_fault

TELLS = {"raft": lies_raft.elected, "paxos": lies_paxos.safe}
LATE = {"raft": lies_raft.elected_by_its_answers, "paxos": lies_paxos.safe_by_its_answers}


class Heard:
    """A scenario of twins, what was said in it, and what leaders of later rounds proposed."""

    def __init__(self, engine: str, number: int) -> None:
        self.run = twins.Run(twins.draw(5, number), engine)
        self.engine = engine
        self.messages: list[ConsensusMessage] = []
        self.run.listeners.append(self._take)
        assert self.run.run().violations == ()

    @property
    def configuration(self) -> Configuration:
        return self.run.configurations[0]

    def _take(self, event: Message) -> None:
        self.messages.append(event.message)

    def proposals(self) -> list[ProposalMessage]:
        """Of later rounds, each once."""
        decode = {"raft": raft_bytes.decode_proof, "paxos": paxos_bytes.decode_proof}[self.engine]
        kinds = raft_bytes.Election, paxos_bytes.Phase1
        found: dict[VoteRequest, ProposalMessage] = {}
        for one in self.messages:
            if (
                isinstance(one, ProposalMessage)
                and one.proposal
                and one.justification[:1] == b"\2"
            ):
                if one.signed.request.phase.name == "GRANT":
                    continue
                proof = decode(one.justification, self.configuration, one.height)
                if isinstance(proof, kinds):
                    found.setdefault(one.signed.request, one)
        return list(found.values())

    def liar(self, message: ProposalMessage, seed: int) -> Liar:
        """The author of a proposal, who turns out to be one."""
        number = message.signed.validator

        def other(said: ProposalMessage) -> ProposalMessage:
            digest = self.run.table.hash(b"another block")
            request = replace(said.signed.request, digest=digest)
            return replace(said, signed=liar.sign(request), proposal=b"another block")

        liar = Liar(
            Random(seed),
            number,
            self.configuration,
            self.messages,
            lambda request: VoteMessage(number, request, self.run.table.sign(number, request)),
            self.run.table.hash,
            other,
        )
        return liar

    def fault(self, message: ProposalMessage) -> str | None:
        return new_round_fault(self.run.table, self.configuration, message)


@pytest.mark.parametrize("engine", ["raft", "paxos"])
def test_every_lie_of_a_leader_is_one_and_each_kind_is_told(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: Counter[str] = Counter()

    def counted(make: lying_leaders.Make) -> lying_leaders.Make:
        def wrapped(*given: object) -> lying_leaders.Lie | None:
            lie = make(*given)  # type: ignore[arg-type]
            told[make.__name__] += lie is not None
            return lie

        return wrapped

    kinds = lying_leaders.LIES
    monkeypatch.setattr(lying_leaders, "LIES", tuple(counted(make) for make in kinds))
    lies = 0
    for number in range(40):
        heard = Heard(engine, number)
        for seed, message in enumerate(heard.proposals()):
            made = TELLS[engine](heard.liar(message, seed), message)
            lies += len(made)
            assert len(made) <= lying_leaders.TOLD_MAX
            # One block only: a member looks at the first that it hears of.
            assert len({one.signed.request.digest for one in made}) <= 1
            assert [one for one in made if heard.fault(one) is None] == []
        if lies > 200 and len(told) == len(kinds) and all(told.values()):
            return
    pytest.fail(f"{lies} lies: {told}")


@pytest.mark.parametrize("engine", ["raft", "paxos"])
def test_answers_to_a_proposal_do_not_justify_it(engine: str) -> None:
    proven = 0
    for number in range(40):
        heard = Heard(engine, number)
        for message in heard.proposals():
            late = LATE[engine](heard.liar(message, 0), message)
            if late is not None:
                proven += 1
                assert heard.fault(late) is not None
    assert proven


def test_a_member_of_raft_passes_on_what_nobody_appended() -> None:
    passed = 0
    for number in range(40):
        heard = Heard("raft", number)
        for asked in heard.messages:
            if not isinstance(asked, EngineMessage):
                continue
            example = heard.proposals()
            if not example:
                break
            liar = heard.liar(example[0], number)
            early = replace(
                liar, heard=[one for one in heard.messages if isinstance(one, ProposalMessage)]
            )
            made = lies_raft.passed_on(early, asked)
            if made is not None:
                passed += 1
                assert made.signed.request.round < asked.signed.request.round
                assert quorum_fault(heard.run.table, heard.configuration, made) is not None
        if passed > 20:
            return
    pytest.fail("nothing was passed on")


def test_who_usurps_a_round_leaves_out_whom_the_set_does_not_know() -> None:
    heard = Heard("pbft", 0)
    changes = [one for one in heard.messages if isinstance(one, EngineMessage)]
    heights = {one.height for one in changes}
    assert heights
    strangers = [
        replace(one, signed=replace(one.signed, validator=len(heard.configuration.members)))
        for one in changes
    ]
    heard.messages[:] = strangers
    for height in heights:
        for seed in range(20):
            liar = Liar(
                Random(seed),
                0,
                heard.configuration,
                heard.messages,
                lambda request: VoteMessage(0, request, heard.run.table.sign(0, request)),
                heard.run.table.hash,
                lambda _: None,
            )
            begun = lies.usurped_round(liar, height, None)
            # Nobody whom the set knows asked for a round: only the first of the epoch is left.
            assert begun is not None and begun.round == 0
