"""Dissemination: who gets which batch, what a leader names, and what is bounded.

protocol.md 4, Batches: "A leader names only batches it has verified and prefers those acknowledged
by weight >= N - q + 1. A proposal naming a batch already ordered within max_lifetime, or exceeding
one author's share, is invalid."
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bubi import dissemination as module
from bubi.dissemination import (
    FETCH_TIMER,
    HAVE_TIMER,
    OWN_UNORDERED_MAX,
    RIPE_TIMER,
    SEAL_TIMER,
    BatchLimits,
    Dissemination,
)
from bubi.mempool import Limits as PoolLimits
from bubi.mempool import Mempool
from bubi.messages import BatchBody, BatchHave, BatchWant
from bubi.replica.events import (
    Action,
    CheckBatch,
    Dropped,
    Limits,
    PenalisePeer,
    SealBatch,
    SendTo,
    SetTimer,
)
from tests.replica.cluster import Batch, Group, configuration_of, key_of, node_of

ROOM = Limits(100, 10_000, 50, 5_000, 600_000)
TIME = 1_000
PEERS = (node_of(1), node_of(2), node_of(3))
MEMBERS = {node_of(index): index for index in range(4)}


class Bench:
    """Member 0 of four, its actions taken apart."""

    def __init__(self, limits: Limits = ROOM, count: int = 4) -> None:
        self.out: list[Action] = []
        self.pool: Mempool[Group] = Mempool(PoolLimits(100_000, 10_000_000))
        self.d = Dissemination(self.out, self.pool, BatchLimits(20_000, 1_000_000), 0)
        self.d.configure(configuration_of(count, 0, "pbft"), limits, MEMBERS.get)
        self.d.restore(TIME, (), ())

    def taken(self) -> list[Action]:
        actions = self.out.copy()
        self.out.clear()
        return actions

    def submit(self, *ids: int, expiry: int = TIME + 1_000) -> None:
        self.pool.add(Group(ids), expiry)
        self.d.seal()

    def seal_all(self) -> list[Batch]:
        """Answers what is being sealed."""
        batches = []
        for action in self.taken():
            if isinstance(action, SealBatch):
                ids = tuple(one for entry in action.entries for one in entry.group.ids)
                latest = max(entry.latest_expiry for entry in action.entries)
                size = sum(entry.group.bytes for entry in action.entries)
                made = Batch(key_of(0), action.number, ids, latest, size)
                batches.append(made)
                self.d.sealed(action.number, made, PEERS)
        return batches

    def arrives(
        self, author: int, number: int, count: int = 1, *, expiry: int = TIME + 1_000, **kw: int
    ) -> Batch:
        """A batch of another author comes from its author and is verified."""
        ids = tuple(range(number * 1_000, number * 1_000 + count))
        made = Batch(key_of(author), number, ids, expiry, kw.get("size", 10 * count))
        peer = node_of(kw.get("peer", author))
        self.d.received_body(peer, BatchBody(made.digest, made.header, made.body))
        self.d.checked(made.digest, made, "", PEERS)
        return made


def sends(actions: list[Action], kind: type) -> list[tuple[tuple[bytes, ...], object]]:
    return [
        (a.peers, a.message)
        for a in actions
        if isinstance(a, SendTo) and isinstance(a.message, kind)
    ]


def test_announcements_of_what_is_verified_soon_after_another_go_together() -> None:
    bench = Bench()
    first = bench.arrives(1, 1)
    actions = bench.taken()
    assert sends(actions, BatchHave) == [(PEERS, BatchHave((first.digest,)))]
    assert SetTimer(HAVE_TIMER, module.HAVE_MS) in actions
    second, third, fourth = (bench.arrives(1, number) for number in (2, 3, 4))
    bench.d.decided(TIME + 1, (third.digest,))
    assert sends(bench.taken(), BatchHave) == []
    bench.d.have_elapsed(PEERS)
    together = BatchHave((second.digest, fourth.digest))
    assert bench.taken() == [SendTo(PEERS, together), SetTimer(HAVE_TIMER, module.HAVE_MS)]
    bench.d.have_elapsed(PEERS)
    assert bench.taken() == []
    fifth = bench.arrives(2, 5)
    assert sends(bench.taken(), BatchHave) == [(PEERS, BatchHave((fifth.digest,)))]


def test_the_first_groups_are_sealed_at_once_the_next_wait_fifty_milliseconds() -> None:
    bench = Bench()
    for number in range(module.SEALED_AT_ONCE):
        bench.submit(number)
        assert [type(a) for a in bench.out] == [SealBatch]
        bench.seal_all()
        bench.taken()
    bench.submit(12)
    bench.submit(13)
    assert bench.taken() == [SetTimer(SEAL_TIMER, module.SEAL_MS)]
    bench.d.seal_elapsed()
    (made,) = bench.seal_all()
    assert made.ids == (12, 13)


@pytest.mark.parametrize("ordered", [False, True])
def test_a_batch_that_a_twin_made_before_is_not_held_again(ordered: bool) -> None:
    bench = Bench()
    bench.submit(1)
    (action,) = bench.taken()
    assert isinstance(action, SealBatch)
    made = Batch(key_of(0), action.number, (1,), TIME + 1_000, 10)
    bench.d.received_body(node_of(2), BatchBody(made.digest, made.header, made.body))
    bench.d.checked(made.digest, made, "", PEERS)
    if ordered:
        bench.d.decided(TIME + 1, (made.digest,))
    bench.taken()
    bench.d.sealed(action.number, made, PEERS)
    assert bench.d.select(urgent=True) == (() if ordered else (made,))
    if ordered:
        assert [one.entries for one in bench.taken() if isinstance(one, Dropped)] == [
            action.entries
        ]
    else:
        assert bench.d.decided(TIME + 1, (made.digest,)) == ((0, action.entries),)
    assert bench.d.own_unordered == 0
    assert not bench.d.has_work()


def test_a_full_batch_does_not_wait() -> None:
    bench = Bench()
    for number in range(module.SEALED_AT_ONCE):
        bench.submit(number)
        bench.seal_all()
    bench.taken()
    bench.submit(*range(10, 59))
    assert [type(a) for a in bench.taken()] == [SetTimer]
    bench.submit(60)
    (made,) = bench.seal_all()
    assert len(made) == ROOM.author_transactions


def test_own_unordered_batches_are_bounded_and_go_on_when_one_is_ordered() -> None:
    bench = Bench()
    for one in range(12):
        bench.submit(*range(one * 50, one * 50 + 50))
    batches = bench.seal_all()
    assert bench.d.own_unordered == OWN_UNORDERED_MAX == len(batches)
    bench.taken()
    own = bench.d.decided(TIME + 1, (batches[0].digest,))
    assert [(place, len(entries)) for place, entries in own] == [(0, 1)]
    bench.d.seal()
    assert len(bench.seal_all()) == 1


def test_a_sealed_batch_goes_to_all_and_is_acknowledged_by_announcements() -> None:
    bench = Bench()
    bench.submit(1)
    (made,) = bench.seal_all()
    bodies = sends(bench.taken(), BatchBody)
    assert bodies == [(PEERS, BatchBody(made.digest, made.header, made.body))]
    assert bench.d.has_work() and not bench.d.is_ready()
    assert bench.d.received_have(node_of(2), BatchHave((made.digest,)))
    assert bench.d.is_ready()
    assert bench.d.select() == (made,)


def test_what_too_few_acknowledge_is_named_later_or_when_urgent() -> None:
    bench = Bench()
    bench.submit(1)
    (made,) = bench.seal_all()
    assert SetTimer(RIPE_TIMER, module.RIPE_MS) in bench.taken()
    assert bench.d.select() == ()
    assert bench.d.select(urgent=True) == (made,)
    assert bench.d.ripe_elapsed()
    assert bench.d.select() == (made,)


def test_one_announcement_of_one_member_counts_once() -> None:
    bench = Bench(count=7)
    bench.submit(1)
    (made,) = bench.seal_all()
    # N - q + 1 = 3 of 7: this node, and two others.
    assert not bench.d.received_have(node_of(1), BatchHave((made.digest, made.digest)))
    assert not bench.d.received_have(node_of(1), BatchHave((made.digest,)))
    assert not bench.d.received_have(b"?" * 32, BatchHave((made.digest,)))
    assert bench.d.received_have(node_of(2), BatchHave((made.digest,)))


def test_a_verified_batch_is_announced_to_all() -> None:
    bench = Bench()
    made = Batch(key_of(1), 1, (5,), TIME + 9, 10)
    bench.d.received_body(node_of(1), BatchBody(made.digest, made.header, made.body))
    assert bench.taken() == [CheckBatch(made.digest, made.header, made.body)]
    assert not bench.d.has_work()
    assert bench.d.checked(made.digest, made, "", PEERS)
    assert sends(bench.taken(), BatchHave) == [(PEERS, BatchHave((made.digest,)))]
    # A second copy is neither checked nor announced.
    bench.d.received_body(node_of(2), BatchBody(made.digest, made.header, made.body))
    assert bench.taken() == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "bad signature"),
        (Batch(key_of(1), 2, (1,), TIME + 9, 10), "another batch than its message names"),
        (Batch(key_of(9), 1, (1,), TIME + 9, 10), "no member"),
    ],
)
def test_a_bad_batch_is_blamed_on_its_giver(answer: Batch | None, reason: str) -> None:
    bench = Bench()
    named = Batch(key_of(9 if reason == "no member" else 1), 1, (1,), TIME + 9, 10)
    bench.d.received_body(node_of(2), BatchBody(named.digest, b"h", b"b"))
    bench.taken()
    assert not bench.d.checked(named.digest, answer, reason, PEERS)
    assert [(a.peer) for a in bench.taken() if isinstance(a, PenalisePeer)] == [node_of(2)]
    assert bench.d.unordered == 0


@pytest.mark.parametrize("urgent", [True, False])
def test_garbage_under_a_digest_does_not_shadow_the_right_body(urgent: bool) -> None:
    bench = Bench()
    made = Batch(key_of(1), 1, (5,), TIME + 9, 10)
    right = BatchBody(made.digest, made.header, made.body)
    if urgent:
        bench.d.need([made.digest], (node_of(3),))
    for liar in (3, 2):
        bench.d.received_body(node_of(liar), BatchBody(made.digest, b"x", bytes([liar])))
    bench.d.received_body(node_of(1), right)
    # Who lied cannot fill the places of others with more of it.
    for _ in range(2 * module.SPARES_MAX):
        bench.d.received_body(node_of(3), BatchBody(made.digest, b"x", b"again"))
    bodies = []
    while bench.d.find(made.digest) is None:
        checks = [action for action in bench.taken() if isinstance(action, CheckBatch)]
        assert len(checks) == 1, "one body under a digest is verified at a time, the next at once"
        bodies.append(checks[0].body)
        found = made if checks[0].body == made.body else None
        bench.d.checked(made.digest, found, "bad", PEERS)
    assert bodies == [b"\3", b"\2", made.body]
    # Nothing of it is charged to anyone any more.
    loads = [bench.d._loads[node_of(index)] for index in (1, 2, 3)]
    assert [(load.checks, load.check_bytes) for load in loads] == [(0, 0)] * 3


def test_an_announced_batch_is_asked_for_after_a_grace_in_turn() -> None:
    bench = Bench()
    digest = b"x" * 32
    bench.d.received_have(node_of(1), BatchHave((digest,)))
    bench.d.received_have(node_of(2), BatchHave((digest,)))
    assert bench.taken() == [SetTimer(FETCH_TIMER, module.FETCH_MS)]
    asked: list[bytes] = []
    for _ in range(2 * module.ASK_BEATS + 1):
        bench.d.fetch_elapsed(PEERS)
        for peers, message in sends(bench.taken(), BatchWant):
            assert message == BatchWant((digest,))
            asked += peers
    assert asked == [node_of(1), node_of(2), node_of(1)]
    for _ in range(module.FORGET_BEATS):
        bench.d.fetch_elapsed(PEERS)
    assert bench.d.wanted == 0


def test_what_a_proposal_names_is_asked_for_of_its_leader_then_of_everyone() -> None:
    bench = Bench()
    digest = b"x" * 32
    bench.d.need([digest], (node_of(3),))
    assert bench.d.missing == 1
    # It may be on its way: one beat of grace.
    assert bench.taken() == [SetTimer(FETCH_TIMER, module.FETCH_MS)]
    asked: list[bytes] = []
    for _ in range(20):
        bench.d.fetch_elapsed(PEERS)
        asked += [peers[0] for peers, _ in sends(bench.taken(), BatchWant)]
    assert asked[0] == node_of(3)
    assert set(asked) == set(PEERS)
    # A later proposal that names it again need not wait.
    bench.d.need([digest], (node_of(3),))
    assert len(sends(bench.taken(), BatchWant)) == 1
    bench.d.release()
    assert bench.d.missing == 0


def test_a_named_batch_is_taken_beyond_the_bounds_of_its_author() -> None:
    bench = Bench()
    for number in range(module.AUTHOR_BATCHES_MAX):
        bench.arrives(1, number)
    bench.taken()
    over = bench.arrives(1, 500)
    assert bench.d.find(over.digest) is None
    bench.d.need([over.digest], (node_of(1),))
    bench.arrives(1, 500)
    assert bench.d.find(over.digest) == over


def test_a_flood_of_one_author_is_bounded_and_reported_once_a_second() -> None:
    bench = Bench()
    for number in range(10 * module.AUTHOR_BATCHES_MAX):
        bench.arrives(2, number)
    assert bench.d.unordered == module.AUTHOR_BATCHES_MAX
    assert sum(isinstance(a, PenalisePeer) for a in bench.taken()) == 1
    # The others still have their place.
    assert bench.d.find(bench.arrives(1, 1).digest) is not None


def test_a_node_that_is_behind_blames_nobody() -> None:
    bench = Bench()
    bench.d.behind = True
    for number in range(2 * module.AUTHOR_BATCHES_MAX):
        bench.arrives(2, number)
    assert not any(isinstance(a, PenalisePeer) for a in bench.taken())


def test_checks_of_one_peer_are_bounded() -> None:
    bench = Bench()
    for number in range(100):
        made = Batch(key_of(1), number, (number,), TIME + 9, 10)
        bench.d.received_body(node_of(1), BatchBody(made.digest, made.header, made.body))
    checks = sum(isinstance(a, CheckBatch) for a in bench.taken())
    assert checks == module.CHECKS_PER_PEER_MAX


def test_announcements_of_one_peer_are_bounded() -> None:
    bench = Bench()
    for start in range(4):
        digests = tuple(bytes([start]) + n.to_bytes(31, "big") for n in range(1_000))
        bench.d.received_have(node_of(1), BatchHave(digests))
    assert bench.d.wanted == module.WANTS_PER_PEER_MAX
    bench.d.received_have(node_of(2), BatchHave((b"z" * 32,)))
    assert bench.d.wanted == module.WANTS_PER_PEER_MAX + 1
    bench.d.peer_down(node_of(1))
    assert bench.d.wanted == 1


def test_too_many_digests_in_one_message_are_refused() -> None:
    bench = Bench()
    digests = tuple(n.to_bytes(32, "big") for n in range(module.DIGESTS_PER_MESSAGE_MAX + 1))
    for call in (
        lambda: bench.d.received_have(node_of(1), BatchHave(digests)),
        lambda: bench.d.received_want(node_of(1), BatchWant(digests)),
    ):
        call()  # type: ignore[no-untyped-call]
        assert [type(a) for a in bench.taken()] == [PenalisePeer]
    assert bench.d.wanted == 0


def test_bodies_are_served_within_an_allowance() -> None:
    bench = Bench(Limits(10_000, 10_000_000, 5_000, 5_000_000, 600_000))
    made = bench.arrives(1, 1)
    bench.taken()
    for _ in range(module.BODIES_PER_PEER_MAX + 5):
        bench.d.received_want(node_of(2), BatchWant((made.digest, b"unknown" * 4)))
    actions = bench.taken()
    assert len(sends(actions, BatchBody)) == module.BODIES_PER_PEER_MAX
    assert sum(isinstance(a, PenalisePeer) for a in actions) == 1
    bench.d.tick(())
    bench.d.received_want(node_of(2), BatchWant((made.digest,)))
    assert len(sends(bench.taken(), BatchBody)) == 1


def test_a_batch_of_the_newest_block_is_still_served() -> None:
    bench = Bench()
    made = bench.arrives(1, 1)
    bench.d.decided(TIME + 1, (made.digest,))
    bench.taken()
    bench.d.received_want(node_of(2), BatchWant((made.digest,)))
    assert len(sends(bench.taken(), BatchBody)) == 1
    bench.d.decided(TIME + 2, ())
    bench.d.received_want(node_of(2), BatchWant((made.digest,)))
    assert bench.taken() == []


def test_own_batches_are_announced_again_until_acknowledged() -> None:
    bench = Bench()
    bench.submit(1)
    (made,) = bench.seal_all()
    bench.d.received_have(node_of(1), BatchHave((made.digest,)))
    bench.taken()
    bench.d.tick(PEERS)
    assert [peers for peers, _ in sends(bench.taken(), BatchHave)] == [
        (node_of(2),),
        (node_of(3),),
    ]


def test_the_author_gets_an_answer_when_it_asks_again() -> None:
    bench = Bench()
    made = bench.arrives(1, 1)
    bench.taken()
    bench.d.received_have(node_of(1), BatchHave((made.digest,)))
    assert bench.taken() == [SendTo((node_of(1),), BatchHave((made.digest,)))]
    bench.d.received_have(node_of(2), BatchHave((made.digest,)))
    assert bench.taken() == []


def test_a_batch_whose_author_is_gone_is_announced_by_who_has_it() -> None:
    bench = Bench()
    made = bench.arrives(1, 1)
    bench.taken()
    for _ in range(module.SETTLED_TICKS):
        bench.d.tick(PEERS)
    told = [peers[0] for peers, _ in sends(bench.taken(), BatchHave)]
    assert told == [node_of(2), node_of(3)]
    bench.d.peer_up(node_of(2))
    assert sends(bench.taken(), BatchHave) == [((node_of(2),), BatchHave((made.digest,)))]


def test_expired_own_groups_are_dropped_and_a_named_batch_is_not() -> None:
    bench = Bench()
    bench.submit(1, expiry=TIME + 5)
    (own,) = bench.seal_all()
    pinned = bench.arrives(1, 1, expiry=TIME + 5)
    bench.d.pin([pinned.digest])
    bench.pool.add(Group((2,)), TIME + 5)
    bench.taken()
    bench.d.decided(TIME + 5, ())
    bench.d.expire()
    assert bench.taken() == []
    bench.d.decided(TIME + 6, ())
    bench.d.expire()
    (dropped,) = [a for a in bench.taken() if isinstance(a, Dropped)]
    assert [entry.group.ids for entry in dropped.entries] == [(1,), (2,)]
    assert bench.d.find(own.digest) is None
    assert bench.d.find(pinned.digest) == pinned
    assert bench.pool.transactions == 0


def test_recovered_bodies_are_known_and_ordered_digests_are_not_taken_again() -> None:
    bench = Bench()
    recovered = Batch(key_of(2), 1, (1,), TIME + 9, 10)
    old = Batch(key_of(2), 2, (2,), TIME + 9, 10)
    bench.d.restore(TIME, (old.digest,), (recovered, old))
    assert bench.d.find(recovered.digest) == recovered
    assert bench.d.is_ordered(old.digest) and bench.d.find(old.digest) is None
    bench.d.received_body(node_of(2), BatchBody(old.digest, old.header, old.body))
    assert not any(isinstance(a, CheckBatch) for a in bench.taken())


def test_ordered_digests_are_forgotten_after_the_longest_lifetime() -> None:
    bench = Bench()
    made = bench.arrives(1, 1)
    bench.d.decided(TIME + 1, (made.digest,))
    bench.d.decided(TIME + 1 + ROOM.max_lifetime_ms, ())
    assert bench.d.is_ordered(made.digest)
    bench.d.decided(TIME + 2 + ROOM.max_lifetime_ms, ())
    assert not bench.d.is_ordered(made.digest)


def test_a_batch_that_no_block_can_hold_any_more_is_no_work() -> None:
    """Governance lowered the limits: nobody must be suspected for not naming it."""
    bench = Bench()
    made = bench.arrives(1, 1, 40)
    bench.d.received_have(node_of(2), BatchHave((made.digest,)))
    assert bench.d.has_work() and bench.d.is_ready()
    bench.d.configure(
        configuration_of(4, 0, "pbft"), Limits(60, 10_000, 30, 5_000, 1), MEMBERS.get
    )
    assert not bench.d.has_work() and not bench.d.is_ready()
    assert bench.d.select(urgent=True) == ()


# --- H10 (protocol.md 5: "suspicion of a leader is by overtaking, not by age") ------------------


def settled(bench: Bench, author: int = 1, number: int = 1, count: int = 1, **kw: int) -> Batch:
    """A batch that all have had for a while."""
    made = bench.arrives(author, number, count, **kw)
    for _ in range(module.SETTLED_TICKS):
        bench.d.tick(PEERS)
    return made


def verdicts(
    bench: Bench,
    leader: Callable[[int], int] = lambda _: 3,
    named: Callable[[], tuple[bytes, ...]] = lambda: (),
    blocks: int = module.STARVED_BLOCKS,
    ticks: int = module.STARVED_TICKS,
) -> list[str | None]:
    """What is said of blocks, of which the last comes after the ticks."""
    found = []
    for number in range(blocks):
        if number == blocks - 1:
            for _ in range(ticks):
                bench.d.tick(PEERS)
        digests = named()
        found.append(bench.d.overtaken(leader(number), digests))
        bench.d.decided(TIME, digests)
    return found


def one_batch(bench: Bench, author: int = 2, count: int = 1, **kw: int) -> tuple[bytes, ...]:
    """Names a batch that has just come, and so nothing that waits."""
    return (bench.arrives(author, 100 + bench.d.unordered + len(bench.out), count, **kw).digest,)


@pytest.mark.parametrize("busy", [False, True], ids=["empty blocks", "one batch at a time"])
def test_h10_a_leader_that_passes_over_batches_for_a_second_is_suspected(busy: bool) -> None:
    bench = Bench()
    passed = settled(bench)
    found = verdicts(bench, named=lambda: one_batch(bench) if busy else ())
    assert found[:-1] == [None] * (module.STARVED_BLOCKS - 1)
    assert found[-1] is not None and passed.digest.hex()[:16] in found[-1]
    # As long as it goes on: only several members together can replace it.
    assert verdicts(bench, blocks=1, ticks=0) != [None]


def test_h10_a_leader_that_names_the_oldest_batch_only_is_suspected() -> None:
    bench = Bench()
    older = [bench.arrives(2, 100 + number).digest for number in range(5)]
    settled(bench)
    assert verdicts(bench, named=lambda: (older.pop(0),))[-1] is not None


def test_h10_few_blocks_or_a_short_time_are_not_suspicious() -> None:
    bench = Bench()
    settled(bench)
    assert verdicts(bench, blocks=module.STARVED_BLOCKS - 1) == [None, None]
    bench = Bench()
    settled(bench)
    assert verdicts(bench, blocks=30, ticks=module.STARVED_TICKS - 1) == [None] * 30


def test_h10_a_batch_counts_only_when_all_had_time_to_get_it() -> None:
    bench = Bench()
    bench.arrives(1, 1)
    for _ in range(module.SETTLED_TICKS - 1):
        bench.d.tick(PEERS)
    assert verdicts(bench, blocks=30, ticks=0) == [None] * 30
    # Nobody else has this one, as far as is known.
    bench = Bench(count=7)
    settled(bench)
    assert verdicts(bench, blocks=30) == [None] * 30


def test_h10_blocks_of_different_leaders_are_not_added_up() -> None:
    bench = Bench()
    settled(bench)
    assert verdicts(bench, lambda number: 2 + number % 2, blocks=9) == [None] * 9


def test_h10_a_block_that_leaves_nothing_out_ends_the_row() -> None:
    bench = Bench()
    first = settled(bench)
    assert verdicts(bench, blocks=5, ticks=0) == [None] * 5
    bench.d.overtaken(3, (first.digest,))
    bench.d.decided(TIME, (first.digest,))
    settled(bench, number=2)
    assert verdicts(bench, blocks=2) == [None, None]


ROOMS = {
    "transactions": (Limits(50, 10_000, 50, 5_000, 600_000), 2, {"count": 50}),
    "bytes": (Limits(100, 1_000, 50, 1_000, 600_000), 2, {"size": 995}),
    "transactions of the author": (ROOM, 1, {"count": 50}),
    "bytes of the author": (ROOM, 1, {"size": 4_995}),
}


@pytest.mark.parametrize("case", ROOMS)
def test_h10_a_full_block_passes_over_nobody(case: str) -> None:
    limits, author, filling = ROOMS[case]
    bench = Bench(limits)
    settled(bench)
    fine = verdicts(bench, named=lambda: one_batch(bench, author, **filling), blocks=9)
    assert fine == [None] * 9
    smaller = {name: value // 2 for name, value in filling.items()}
    assert verdicts(bench, named=lambda: one_batch(bench, author, **smaller))[-1] is not None


def test_h10_a_block_of_the_most_batches_passes_over_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BLOCK_BATCHES_MAX", 1)
    bench = Bench()
    settled(bench)
    assert verdicts(bench, named=lambda: one_batch(bench), blocks=9) == [None] * 9


def test_h10_what_waits_behind_a_batch_that_does_not_fit_is_not_passed_over() -> None:
    """A leader lets no later batch of an author overtake the one that does not fit."""
    bench = Bench()
    bench.arrives(1, 1, 45)
    settled(bench, number=2)
    assert verdicts(bench, named=lambda: one_batch(bench, 1, 10), blocks=9) == [None] * 9
    settled(bench, author=3)
    assert verdicts(bench, named=lambda: one_batch(bench, 1, 10))[-1] is not None


def test_h10_batches_that_a_correct_leader_may_lack_or_leave_out_do_not_count() -> None:
    # Void in the next block.
    bench = Bench()
    settled(bench, expiry=TIME)
    assert verdicts(bench, blocks=9) == [None] * 9
    # Larger than blocks are by now.
    bench = Bench()
    settled(bench, count=40)
    bench.d.configure(
        configuration_of(4, 0, "pbft"), Limits(60, 10_000, 30, 5_000, 1), MEMBERS.get
    )
    assert verdicts(bench, blocks=9) == [None] * 9
    # Of an author with more than a correct one ever has: it may have filled the leader's table.
    bench = Bench()
    for number in range(2 * OWN_UNORDERED_MAX):
        bench.arrives(1, 100 + number)
    settled(bench)
    assert verdicts(bench, blocks=9) == [None] * 9
    # Of an author that left the set.
    bench = Bench()
    settled(bench, author=3)
    bench.d.configure(replace(configuration_of(3, 0, "pbft"), epoch=1), ROOM, MEMBERS.get)
    bench.d.epoch_changed()
    for _ in range(module.SETTLED_TICKS):
        bench.d.tick(PEERS)
    assert verdicts(bench, lambda _: 2, blocks=9) == [None] * 9


def test_h10_nothing_is_said_of_a_block_whose_batches_are_unknown() -> None:
    bench = Bench()
    settled(bench)
    assert verdicts(bench, named=lambda: (b"?" * 32,), blocks=9) == [None] * 9


def test_h10_who_was_behind_waits_until_the_others_may_know_its_batches() -> None:
    bench = Bench()
    settled(bench)
    verdicts(bench, blocks=2, ticks=0)
    bench.d.behind = True
    bench.d.tick(PEERS)
    bench.d.behind = False
    bench.d.tick(PEERS)
    assert verdicts(bench, blocks=9, ticks=0) == [None] * 9
    assert verdicts(bench, ticks=module.STARVED_TICKS) == [None] * 3
    assert verdicts(bench)[-1] is not None


def test_h10_a_new_epoch_begins_without_blame() -> None:
    bench = Bench()
    settled(bench)
    verdicts(bench, blocks=2)
    bench.d.configure(replace(configuration_of(4, 0, "pbft"), epoch=1), ROOM, MEMBERS.get)
    bench.d.epoch_changed()
    assert verdicts(bench, blocks=9, ticks=0) == [None] * 9


def test_h10_no_more_leaders_are_blamed_than_can_be_faulty_and_one() -> None:
    """What no leader names is no leader's fault: members must not replace one after another."""
    bench = Bench()
    settled(bench)
    assert verdicts(bench, lambda _: 1)[-1] is not None
    assert verdicts(bench, lambda _: 2)[-1] is not None
    assert verdicts(bench, lambda _: 3, blocks=30) == [None] * 30
    assert verdicts(bench, lambda _: 2)[-1] is not None
    for _ in range(module.BLAME_BLOCKS + 1):
        bench.d.decided(TIME, ())
    assert verdicts(bench, lambda _: 3)[-1] is not None


# --- selection ----------------------------------------------------------------------------------

ARRIVAL = st.tuples(
    st.integers(1, 3),
    st.integers(1, 60),
    st.integers(1, 6_000),
    st.booleans(),
    st.integers(-5, 50),
)


@given(st.lists(ARRIVAL, max_size=40), st.integers(1, 120), st.integers(1, 12_000), st.booleans())
@settings(max_examples=200, deadline=None)
def test_selection_keeps_every_limit_and_names_nothing_twice(
    arrivals: list[tuple[int, int, int, bool, int]], transactions: int, size: int, urgent: bool
) -> None:
    limits = Limits(transactions, size, max(1, transactions // 2), max(1, size // 2), 600_000)
    bench = Bench(limits, count=7)
    known: dict[bytes, tuple[int, Batch, bool]] = {}
    for number, (author, count, weight, acknowledged, expiry) in enumerate(arrivals):
        made = bench.arrives(author, number, count, expiry=TIME + expiry, size=weight)
        if acknowledged:
            bench.d.received_have(node_of((author % 3) + 1), BatchHave((made.digest,)))
        known[made.digest] = (number, made, acknowledged)
    time = TIME
    ordered: set[bytes] = set()
    for _ in range(60):
        chosen = bench.d.select(urgent=urgent)
        digests = [batch.digest for batch in chosen]
        assert len(set(digests)) == len(digests)
        assert not ordered & set(digests)
        assert sum(map(len, chosen)) <= limits.transactions
        assert sum(batch.bytes for batch in chosen) <= limits.bytes
        for author in range(1, 4):
            own = [batch for batch in chosen if batch.author == key_of(author)]
            assert sum(map(len, own)) <= limits.author_transactions
            assert sum(batch.bytes for batch in own) <= limits.author_bytes
        assert all(batch.latest_expiry > time for batch in chosen)
        # Acknowledged ones first, each kind in order of arrival.
        order = [(not known[digest][2], known[digest][0]) for digest in digests]
        assert order == sorted(order)
        if not urgent:
            assert all(known[digest][2] for digest in digests)
        # The oldest that may be named and fits an empty block is never left out.
        candidates = [
            (not acked, place, made)
            for digest, (place, made, acked) in known.items()
            if digest not in ordered and made.latest_expiry > time and (acked or urgent)
        ]
        if candidates:
            _, _, oldest = min(candidates, key=lambda entry: entry[:2])
            if len(oldest) <= min(
                limits.author_transactions, limits.transactions
            ) and oldest.bytes <= min(limits.author_bytes, limits.bytes):
                assert oldest.digest in digests
        if not chosen:
            break
        ordered |= set(digests)
        time += 1
        bench.d.decided(time, tuple(digests))
        bench.d.expire()
