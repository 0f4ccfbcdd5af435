"""Every checker can fail: each is shown one thing that must not happen."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from bubi.consensus import guard
from bubi.consensus.engine import (
    Certificate,
    Configuration,
    EngineMessage,
    Member,
    ProposalMessage,
    ReportEvidence,
    VoteMessage,
)
from bubi.consensus.guard import GuardRecord, Phase, VoteRequest
from bubi.consensus.parts import EpochStart, Prepared
from bubi.consensus.pbft_bytes import (
    VIEW_CHANGE,
    NewView,
    encode_change,
    encode_justification,
)
from bubi.dissemination import ENTRIES_PER_PEER_MAX
from bubi.messages import BlockParts
from bubi.replica.events import Tip
from bubi.simulation.checkers import Checkers, entries
from bubi.simulation.twins import Table

TABLE = Table()
MEMBERS = tuple(Member(index, f"node-{index + 1}", "o", bytes([index]), 1) for index in range(4))
CONFIGURATION = Configuration(0, "pbft", MEMBERS, 3, 0)
ZERO = b"\0" * 32


def digest(number: int) -> bytes:
    return bytes([number]) * 32


def request(height: int = 1, number: int = 1, phase: Phase = Phase.COMMIT) -> VoteRequest:
    outcome = digest(9) if phase is Phase.COMMIT else b""
    return VoteRequest(0, "pbft", height, 0, phase, digest(number), outcome)


def certificate(wanted: VoteRequest, members: tuple[int, ...] = (0, 1, 2)) -> Certificate:
    return Certificate(wanted, tuple((one, TABLE.sign(one, wanted)) for one in members))


def tip(height: int = 1, number: int = 1, root: int = 5, **other: Any) -> Tip:
    made = certificate(request(height, number))
    return replace(Tip(height, 100 + height, digest(number), digest(root), made), **other)


class Ledger:
    """Just enough of a ledger to be read by checkers."""

    chain_id = ZERO

    def __init__(
        self,
        height: int = 0,
        parent: bytes = ZERO,
        time: int = 101,
        receipts: Sequence[tuple[bytes, str]] = (),
        balances: Mapping[str, int] | None = None,
    ) -> None:
        self.height = height
        self._parent = parent
        self._time = time
        self._receipts = list(receipts)
        self._balances = dict(balances or {})

    def receipts(self, _height: int) -> list[tuple[bytes, str]]:
        return self._receipts

    def holders(self, _asset: bytes) -> dict[str, int]:
        return self._balances

    def read_blocks(self, first: int, _last: int, _size: int) -> tuple[BlockParts, ...]:
        return (BlockParts(first, b"%d" % first, b"", (), ()),)

    def proposal_fields(self, proposal: bytes) -> tuple[int, int, bytes, int]:
        return int(proposal), self._time, self._parent, 0


class Replica:
    """Just enough of a replica."""

    def __init__(self, charged: Mapping[bytes, int]) -> None:
        self._charged = dict(charged)

    def charged(self) -> dict[bytes, int]:
        return self._charged


class World:
    def __init__(self) -> None:
        self.checkers = Checkers(TABLE, Counter())
        owners = {member.key: member.index for member in MEMBERS}
        self.checkers.watch(owners, frozenset(range(4)))
        self.checkers.follow(CONFIGURATION)
        self.host = SimpleNamespace(ledger=Ledger(), applying=False, peers={}, replica=Replica({}))

    def place(self, index: int, **other: Any) -> Any:
        fields = {"index": index, "name": f"node-{index + 1}", "faulty": False, "behaviour": None}
        fields["host"] = None
        fields["key"] = SimpleNamespace(public=MEMBERS[index].key)
        return SimpleNamespace(**{**fields, **other})

    def commit(self, index: int, newest: Tip) -> None:
        self.checkers.committed(self.place(index), self.host, newest, CONFIGURATION)  # type: ignore[arg-type]

    def support(self, *numbers: int) -> None:
        """First votes of all members, on which commit votes stand."""
        for number in numbers:
            for index in range(4):
                place = self.place(index)
                self.checkers.signed(place, request(number=number, phase=Phase.FIRST))

    @property
    def failed(self) -> list[str]:
        return [one.checker for one in self.checkers.violations]


@pytest.fixture
def world() -> World:
    return World()


def test_nothing_fails_when_all_is_well(world: World) -> None:
    world.commit(0, tip())
    world.commit(1, tip())
    world.host.ledger = Ledger(parent=digest(1), time=102)
    world.commit(0, tip(2, 2))
    assert world.failed == []


def test_agreement(world: World) -> None:
    world.commit(0, tip())
    world.commit(1, tip(number=2))
    assert "agreement" in world.failed


def test_equal_outcomes(world: World) -> None:
    world.commit(0, tip())
    world.commit(1, tip(root=6))
    assert world.failed == ["equal_outcomes"]


def test_hash_chain(world: World) -> None:
    world.host.ledger = Ledger(parent=digest(3))
    world.commit(0, tip())
    assert world.failed == ["hash_chain"]


def test_block_time_ascends(world: World) -> None:
    world.commit(0, tip())
    world.host.ledger = Ledger(parent=digest(1), time=101)
    world.commit(0, tip(2, 2))
    assert world.failed == ["block_time_ascends"]


def test_commit_index_is_monotone(world: World) -> None:
    world.commit(0, tip())
    world.commit(0, tip())
    assert world.failed == ["commit_index_monotone"]


def test_a_ledger_may_not_come_back_lower(world: World) -> None:
    world.commit(0, tip())
    world.checkers.opened(world.place(0), Ledger(), guard.GuardState())  # type: ignore[arg-type]
    assert world.failed == ["commit_index_monotone"]


@pytest.mark.parametrize(
    "wrong",
    [
        certificate(request(), (0, 1)),
        Certificate(request(), ((0, TABLE.sign(0, request())),) * 3),
        Certificate(request(), tuple((one, b"forged") for one in range(3))),
        certificate(request(phase=Phase.FIRST)),
        certificate(request(height=2)),
    ],
)
def test_certificates_are_valid(world: World, wrong: Certificate) -> None:
    world.commit(0, tip(certificate=wrong))
    assert "certificates_valid" in world.failed


def vote(member: int, wanted: VoteRequest) -> VoteMessage:
    return VoteMessage(member, wanted, TABLE.sign(member, wanted))


def record(wanted: VoteRequest) -> bytes:
    return guard.encode(GuardRecord(wanted, b"s"))


def test_persisted_before_sent(world: World) -> None:
    world.support(1)
    made = vote(0, request())
    world.checkers.sent(world.place(0), made, made)
    assert world.failed == ["persisted_before_sent", "recorded_before_sent"]


def test_the_prepared_certificate_is_recorded_before_the_vote_is_sent(world: World) -> None:
    world.support(1)
    made = vote(0, request())
    world.checkers.durable(world.place(0), [record(request())], [(2, 1)])
    world.checkers.sent(world.place(0), made, made)
    assert world.failed == ["recorded_before_sent"]


def test_no_double_signing_across_restarts(world: World) -> None:
    world.support(1, 2)
    first, second = request(number=1), request(number=2)
    world.checkers.durable(world.place(0), [record(first), record(second)], [(4, 1)])
    for wanted in (first, second):
        made = vote(0, wanted)
        world.checkers.sent(world.place(0), made, made)
    assert world.failed == ["guard_holds", "no_double_signing"]


def test_what_is_relayed_is_not_ones_own(world: World) -> None:
    made = vote(1, request())
    world.checkers.sent(world.place(0), made, made)
    assert world.failed == []


def test_votes_survive_a_restart(world: World) -> None:
    world.checkers.durable(world.place(0), [record(request())])
    world.checkers.opened(world.place(0), Ledger(), guard.GuardState())  # type: ignore[arg-type]
    assert world.failed == ["votes_survive_restart"]


def test_no_evidence_against_the_correct(world: World) -> None:
    report = ReportEvidence(vote(1, request(number=1)), vote(1, request(number=2)))
    world.checkers.evidence(world.place(0), report)
    assert world.failed == ["no_evidence_against_correct"]


class Recorded(Ledger):
    """A ledger with one piece of evidence."""

    def __init__(self, member: int, action: Any) -> None:
        super().__init__()
        key = {"ed25519": MEMBERS[member].key.hex()}
        self._evidence = [{"member": key, "action": action}]

    def evidence(self) -> list[dict[str, Any]]:
        return self._evidence


def recording(action: Any, *, correct: bool) -> World:
    made = World()
    tagged = {b"\0" + member.key: member.index for member in MEMBERS}
    made.checkers.watch(tagged, frozenset(range(4) if correct else range(3)))
    made.checkers.recorded(Recorded(3, action), 2)  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize("action", ["kept", {"proposed": "07"}])
def test_evidence_on_the_ledger_is_against_liars_only(action: Any) -> None:
    assert recording(action, correct=False).failed == []
    assert recording(action, correct=True).failed == ["no_evidence_against_correct"]


def test_the_policy_for_evidence_is_followed() -> None:
    assert recording("ignored", correct=False).failed == ["policy_followed"]


def test_every_height_is_decided_under_one_set(world: World) -> None:
    world.commit(0, tip())
    heavier = (replace(MEMBERS[0], weight=2), *MEMBERS[1:])
    other = replace(CONFIGURATION, members=heavier)
    world.checkers.committed(world.place(1), world.host, tip(), other)  # type: ignore[arg-type]
    assert world.failed == ["equal_sets"]


def test_a_correct_member_leaves_by_a_vote_only(world: World) -> None:
    left = replace(CONFIGURATION, epoch=1, members=MEMBERS[:3])
    asked = World()
    asked.checkers.asked.add(MEMBERS[3].key)
    assert asked.checkers.follow(left) == {MEMBERS[3].key}
    assert asked.failed == []
    world.checkers.follow(left)
    assert world.failed == ["no_exclusion_of_correct"]


def test_a_guard_that_was_needed_is_a_finding(world: World) -> None:
    world.checkers.refused(world.place(0, faulty=True), "x")
    assert world.failed == []
    world.checkers.refused(world.place(0), "x")
    assert world.failed == ["guard_not_needed"]


def test_a_guard_lets_one_statement_per_slot_pass(world: World) -> None:
    def records(number: int) -> list[bytes]:
        return [guard.encode(GuardRecord(request(number=number), b"s"))]

    for index, faulty in ((0, False), (1, True), (2, True)):
        place = world.place(index, faulty=faulty)
        world.checkers.durable(place, records(1))
        # A restart finds the same.
        world.checkers.durable(place, records(1))
    world.checkers.durable(world.place(3), records(2))
    assert world.failed == []
    world.checkers.durable(world.place(1, faulty=True), records(2))
    assert world.failed == ["guard_holds"]
    # One whose disk loses what was durable proves nothing.
    owners = {member.key: member.index for member in MEMBERS}
    world.checkers.watch(owners, frozenset({0, 1, 3}), frozenset({2}))
    world.checkers.durable(world.place(2, faulty=True), records(2))
    assert world.failed == ["guard_holds"]


def test_what_a_guard_refused_is_never_signed(world: World) -> None:
    speaking = SimpleNamespace(restored=guard.GuardState())
    place = world.place(0, faulty=True, host=speaking)
    world.checkers.refused_again(place, request(number=2))
    assert world.checkers._marks["double_vote_refused"] == 1
    silent = SimpleNamespace(restored=guard.GuardState(silent="lost"))
    world.checkers.refused_again(world.place(1, faulty=True, host=silent), request(number=2))
    assert world.checkers._marks["double_vote_refused"] == 1
    assert world.failed == []
    world.checkers.durable(place, [guard.encode(GuardRecord(request(number=2), b"s"))])
    assert world.failed == ["guard_holds"]
    world.checkers.signed_again(place, request(number=3))
    assert world.failed == ["guard_holds", "guard_holds"]


def test_what_a_member_accepts_is_justified(world: World) -> None:
    supported = request(phase=Phase.FIRST)
    vote_of_leader = vote(1, supported)
    forged = encode_justification(NewView((), None))
    proposal = ProposalMessage(vote_of_leader, b"p", (), forged)
    world.checkers.heard(world.place(0), proposal)
    mine = vote(0, supported)
    world.checkers.durable(world.place(0), [record(supported)], [(2, 1)])
    world.checkers.sent(world.place(0), mine, mine)
    assert world.failed == ["accepted_proposals_hold"]


def proposed_by(member: int, world: World) -> list[str]:
    """What fails when member 0 votes in round 0 for a proposal of a member."""
    supported = request(phase=Phase.FIRST)
    proposal = ProposalMessage(
        vote(member, supported), b"p", (), encode_justification(EpochStart())
    )
    host = SimpleNamespace(ledger=Ledger(), configuration=replace(CONFIGURATION, leaders=(2,)))
    place = world.place(0, host=host)
    world.checkers.heard(place, proposal)
    world.checkers.durable(place, [record(supported)], [(2, 1)])
    mine = vote(0, supported)
    world.checkers.sent(place, mine, mine)
    return world.failed


def test_what_a_member_accepts_came_from_the_leader() -> None:
    assert proposed_by(2, World()) == []
    assert proposed_by(1, World()) == ["accepted_proposals_hold"]


def test_what_a_member_shows_in_a_request_for_a_round_holds(world: World) -> None:
    first = request(phase=Phase.FIRST)
    votes = tuple((one, TABLE.sign(one, first)) for one in range(3))
    for shown, failed in ((votes, []), ((*votes[:2], (2, b"another's")), ["requests_hold"])):
        made = World()
        made.support(1)
        body = encode_change(Prepared(0, digest(1), b"p", (), shown))
        asked = replace(first, round=1, phase=Phase.CHANGE, digest=digest(7))
        made.checkers.durable(made.place(0), [record(asked)], [])
        message = EngineMessage(vote(0, asked), VIEW_CHANGE, body)
        made.checkers.sent(made.place(0), message, message.signed)
        assert made.failed == failed


def test_a_node_proposes_what_its_own_ledger_accepts(world: World) -> None:
    world.checkers.refused_own(world.place(0, faulty=True), 1, "x")
    assert world.failed == []
    world.checkers.refused_own(world.place(0), 1, "x")
    assert world.failed == ["own_proposals_hold"]


def test_a_node_does_not_go_round_in_circles(world: World) -> None:
    world.checkers.repeats(world.place(0, faulty=True), 1, 200)
    assert world.failed == []
    world.checkers.repeats(world.place(0), 1, 200)
    assert world.failed == ["bounded_work"]


def test_the_certificate_of_every_node_is_judged(world: World) -> None:
    world.commit(0, tip())
    world.commit(1, tip(certificate=certificate(request(), (1, 2))))
    assert world.failed == ["certificates_valid"]


def test_a_commit_vote_without_a_quorum_behind_it(world: World) -> None:
    world.checkers.durable(world.place(0), [record(request())], [(4, 1)])
    made = vote(0, request())
    world.checkers.sent(world.place(0), made, made)
    assert world.failed == ["votes_are_safe"]


def test_no_exception_and_no_halt(world: World) -> None:
    world.checkers.raised(world.place(0), ValueError("x"))
    world.checkers.halted(world.place(0), "diverged")
    world.checkers.guard_silent(world.place(0), "x")
    assert world.failed == ["no_exception", "no_halt", "guard_speaks"]


def test_tables_are_counted_each_once() -> None:
    shared = [1, 2, 3]
    assert entries({"a": shared, "b": shared, "c": {4: (5, 6)}}, 4) == 3 + 3 + 1 + 2


TRANSACTION = b"t" * 32


def test_a_transaction_stands_in_one_block_and_as_its_client_was_told(world: World) -> None:
    world.host.ledger = Ledger(receipts=[(TRANSACTION, "ok")])
    world.commit(0, tip())
    world.checkers.acknowledged(TRANSACTION, "ok", 1)
    assert world.failed == []
    world.checkers.acknowledged(TRANSACTION, "ok", 2)
    world.checkers.acknowledged(b"u" * 32, "ok", 1)
    assert world.failed == ["acknowledged_exactly_once"] * 2
    world.host.ledger = Ledger(parent=digest(1), time=102, receipts=[(TRANSACTION, "ok")])
    world.commit(0, tip(2, 2))
    assert world.failed == ["acknowledged_exactly_once"] * 3
    assert world.checkers.violations[-1].height == 2


def test_what_blocks_do_by_themselves_is_no_transaction(world: World) -> None:
    own = [(ZERO, "final")]
    world.host.ledger = Ledger(receipts=own)
    world.commit(0, tip())
    world.host.ledger = Ledger(parent=digest(1), time=102, receipts=own)
    world.commit(0, tip(2, 2))
    assert world.failed == []


def test_what_a_client_was_told_expired_stands_in_no_block(world: World) -> None:
    world.checkers.expired[TRANSACTION] = 0
    world.host.ledger = Ledger(receipts=[(TRANSACTION, "expired")])
    world.commit(0, tip())
    assert world.failed == ["expired_never_final"]


@pytest.mark.parametrize(
    ("balances", "fine"),
    [({}, True), ({"a": 7, "b": 3}, True), ({"a": 7, "b": 4}, False), ({"a": 12, "b": -2}, False)],
)
def test_every_block_conserves_value(world: World, balances: dict[str, int], fine: bool) -> None:
    world.checkers.asset, world.checkers.supply = b"a", 10
    world.host.ledger = Ledger(height=1, balances=balances)
    world.commit(0, tip())
    assert world.failed == ([] if fine else ["value_conserved"])


def test_what_one_peer_makes_a_node_keep_is_bounded_at_each_block(world: World) -> None:
    world.host.replica = Replica({b"p": ENTRIES_PER_PEER_MAX})
    world.commit(0, tip())
    assert world.failed == []
    world.host.replica = Replica({b"p": 1, b"q": ENTRIES_PER_PEER_MAX + 1})
    world.commit(1, tip())
    assert world.failed == ["bounded_memory"]


def test_a_leader_that_starves_the_others_is_a_finding(world: World) -> None:
    world.checkers.starved(world.place(0), 15_001)
    assert world.failed == ["no_starvation"]
