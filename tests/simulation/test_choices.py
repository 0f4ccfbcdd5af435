"""What may be decided, judged from votes alone; each rule is shown a vote that breaks it."""

from dataclasses import replace

import pytest

from bubi.consensus import paxos_bytes, pbft_bytes, raft_bytes
from bubi.consensus.engine import (
    Configuration,
    ConsensusMessage,
    EngineMessage,
    Member,
    ProposalMessage,
    VoteMessage,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.simulation.choices import Choices

MEMBERS = tuple(Member(index, f"node-{index + 1}", "o", bytes([index]), 1) for index in range(4))
LIAR = 3
ONE, TWO = b"\1" * 32, b"\2" * 32


class World:
    def __init__(self, engine: str = "pbft", liars: int = 1, turn_blocks: int = 100) -> None:
        self.configuration = Configuration(
            0, engine, MEMBERS, quorum=3, own=0, turn_blocks=turn_blocks
        )
        self.choices = Choices(lambda _configuration, member: member <= LIAR - liars)

    def request(self, phase: Phase, round_: int, digest: bytes, height: int = 7) -> VoteRequest:
        outcome = bytes(32) if phase is Phase.COMMIT else b""
        engine = self.configuration.engine
        return VoteRequest(0, engine, height, round_, phase, digest, outcome)

    def sign(self, member: int, request: VoteRequest) -> VoteMessage:
        self.choices.signed(self.configuration, member, request)
        return VoteMessage(member, request, b"")

    def send(
        self, member: int, message: ConsensusMessage, leader: int | None = None
    ) -> str | None:
        return self.choices.sent(self.configuration, member, message, leader)

    def vote(
        self, member: int, phase: Phase, round_: int, digest: bytes, height: int = 7
    ) -> str | None:
        return self.send(member, self.sign(member, self.request(phase, round_, digest, height)))

    def support(self, round_: int, digest: bytes, *members: int) -> None:
        for member in members:
            assert self.vote(member, Phase.FIRST, round_, digest) is None

    def leave(self, round_: int, *members: int) -> None:
        for member in members:
            self.sign(member, self.request(Phase.CHANGE, round_, bytes(32)))


def test_the_ordinary_course_breaks_no_rule() -> None:
    world = World(turn_blocks=1)
    for height in range(1, 5):
        for phase in (Phase.FIRST, Phase.COMMIT):
            for member in (0, 1, 2):
                # The leader changes with each height: so does the round.
                assert world.vote(member, phase, height - 1, ONE, height) is None
    assert world.choices.carried == 0


def test_nothing_else_is_supported_once_a_block_may_be_decided() -> None:
    world = World()
    world.support(0, ONE, 0, 1, 2)
    assert world.vote(0, Phase.COMMIT, 0, ONE) is None
    assert world.vote(1, Phase.COMMIT, 0, ONE) is None
    world.leave(1, 0, 1, 2)
    fault = world.vote(2, Phase.FIRST, 1, TWO)
    assert fault is not None
    assert "may be decided in round 0" in fault


def test_the_same_block_is_carried_on_and_what_few_committed_may_go() -> None:
    world = World()
    world.support(0, ONE, 0, 1, 2)
    assert world.vote(0, Phase.COMMIT, 0, ONE) is None
    world.leave(1, 0, 1, 2)
    # One commit vote and one liar are no quorum, and the others have left.
    world.support(1, TWO, 1, 2)
    assert world.vote(0, Phase.FIRST, 1, ONE) is None
    assert world.choices.carried == 3


def test_rounds_below_are_left_by_a_quorum_first() -> None:
    world = World()
    world.leave(1, 0)
    fault = world.vote(0, Phase.FIRST, 1, ONE)
    assert fault == "no quorum has left the rounds below 1"


def test_who_committed_the_parent_in_a_later_round_has_left_the_earlier_ones() -> None:
    world = World()
    for member in (0, 1, 2):
        world.sign(member, world.request(Phase.COMMIT, 5, ONE, height=6))
    assert world.vote(0, Phase.FIRST, 5, ONE) is None
    turning = World(turn_blocks=6)
    for member in (0, 1, 2):
        turning.sign(member, turning.request(Phase.COMMIT, 5, ONE, height=6))
    assert turning.vote(0, Phase.FIRST, 6, ONE) is None


def test_a_commit_vote_stands_on_a_quorum() -> None:
    world = World()
    world.support(0, ONE, 0)
    fault = world.vote(0, Phase.COMMIT, 0, ONE)
    assert fault is not None
    assert "only [0, 3]" in fault


def test_more_liars_than_the_quorum_bears_break_every_promise() -> None:
    world = World(liars=2)
    assert world.vote(0, Phase.COMMIT, 0, ONE) is None
    assert world.vote(0, Phase.FIRST, 3, TWO) is None


def test_engines_of_others_have_rules_of_their_own() -> None:
    assert World("example.engine").vote(0, Phase.COMMIT, 0, ONE) is None


def changes(engine: str, place: tuple[int, bytes] | None) -> tuple[Phase, str, bytes]:
    """How an engine tells with a request for a round what its author gave a commit vote for."""
    votes = tuple((member, b"s") for member in range(3))
    match engine:
        case "pbft":
            shown = pbft_bytes.Prepared(*place, b"p", (), votes) if place is not None else None
            return Phase.CHANGE, pbft_bytes.VIEW_CHANGE, pbft_bytes.encode_change(shown)
        case "raft":
            claim = raft_bytes.Claim(*place) if place is not None else None
            return Phase.CHANGE, raft_bytes.REQUEST_VOTE, raft_bytes.encode_claim(claim)
        case _:
            told = (
                paxos_bytes.Shown(paxos_bytes.Claim(*place), votes) if place is not None else None
            )
            return Phase.GRANT, "", paxos_bytes.encode_shown(told)


@pytest.mark.parametrize("engine", ["pbft", "raft", "paxos"])
@pytest.mark.parametrize(
    ("told", "hides"),
    [(None, True), ((0, ONE), True), ((1, ONE), False), ((2, TWO), False)],
)
def test_a_request_for_a_round_tells_of_the_commit_vote(
    engine: str, told: tuple[int, bytes] | None, hides: bool
) -> None:
    world = World(engine)
    world.leave(1, 0, 1, 2)
    world.support(1, ONE, 0, 1, 2)
    assert world.vote(0, Phase.COMMIT, 1, ONE) is None
    phase, kind, body = changes(engine, told)
    signed = world.sign(0, world.request(phase, 3, bytes(32)))
    message: ConsensusMessage = EngineMessage(signed, kind, body)
    if phase is Phase.GRANT:
        message = ProposalMessage(signed, b"", (), body)
    fault = world.send(0, message)
    assert (fault is not None) == hides
    if hides:
        assert "does not tell of its commit vote in 1" in str(fault)
    # Nothing is hidden by asking for the round in which the commit vote was given.
    early = replace(signed, request=replace(signed.request, round=1))
    assert world.send(0, replace(message, signed=early)) is None


@pytest.mark.parametrize(
    ("leader", "shown", "fails"),
    [(2, None, True), (2, ONE, False), (2, TWO, True), (0, None, False), (None, None, False)],
)
def test_what_a_member_of_raft_claims_it_shows_to_the_next_leader(
    leader: int | None, shown: bytes | None, fails: bool
) -> None:
    world = World("raft")
    world.leave(1, 0, 1, 2)
    world.support(1, ONE, 0, 1, 2)
    assert world.vote(0, Phase.COMMIT, 1, ONE) is None
    phase, kind, body = changes("raft", (1, ONE))
    asked = EngineMessage(world.sign(0, world.request(phase, 3, bytes(32))), kind, body)
    assert world.send(0, asked, leader) is None
    if shown is not None:
        votes = raft_bytes.encode_proof(raft_bytes.Appended(((1, b"s"),)))
        entry = VoteMessage(1, world.request(Phase.FIRST, 1, shown), b"")
        passed = ProposalMessage(entry, b"p", (), votes)
        # What proves nothing pays nothing, even if a liar made it.
        noise = replace(passed, justification=b"\x09")
        world.choices.passed_on(world.configuration, 0, noise)
        world.choices.passed_on(world.configuration, 0, passed)
    world.leave(4, 1, 2)
    _, _, again = changes("raft", (1, ONE))
    later = EngineMessage(world.sign(0, world.request(phase, 4, bytes(32))), kind, again)
    fault = world.send(0, later, leader)
    assert (fault is not None) == fails
    assert fault in {None, "it claimed a block and did not show it to the next leader"}
