"""Sync: peers lie, stall and come and go; blocks are applied in order and once.

protocol.md 4 and research/reliability.md 2.0 rule 7: sync peers are never trusted, one that
lowers or inflates its height is dropped.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bubi import sync as module
from bubi.messages import BlockParts, Blocks, BlocksRequest
from bubi.replica.events import (
    Action,
    ApplyBlock,
    BlocksRead,
    PenalisePeer,
    ReadBlocks,
    SendTo,
    SetTimer,
)
from bubi.sync import CHUNK, READS_PER_PEER_MAX, REQUEST_BEATS, WINDOW, Sync

ONE, TWO, THREE = b"1" * 32, b"2" * 32, b"3" * 32


def parts(height: int, body: bytes = b"good") -> BlockParts:
    return BlockParts(height, body, b"certificate", (), ())


@dataclass
class Bench:
    """A sync with its actions taken apart."""

    tip: int = 0
    out: list[Action] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sync = Sync(self.out)
        self.sync.opened(self.tip)

    def taken(self) -> list[Action]:
        actions = self.out.copy()
        self.out.clear()
        return actions

    def requests(self) -> list[tuple[bytes, BlocksRequest]]:
        return [
            (action.peers[0], action.message)
            for action in self.taken()
            if isinstance(action, SendTo) and isinstance(action.message, BlocksRequest)
        ]

    def applied(self) -> list[int]:
        return [a.parts.height for a in self.taken() if isinstance(a, ApplyBlock)]

    def bans(self) -> list[bytes]:
        return [a.peer for a in self.taken() if isinstance(a, PenalisePeer) and a.ban]

    def give(self, peer: bytes, request: BlocksRequest, body: bytes = b"good") -> None:
        blocks = tuple(parts(h, body) for h in range(request.first, request.last + 1))
        self.sync.received(peer, Blocks(request.number, blocks))

    def up(self, *claims: tuple[bytes, int]) -> None:
        for peer, _ in claims:
            self.sync.peer_up(peer)
        for peer, height in claims:
            self.sync.claimed(peer, height)


def test_one_block_behind_waits_a_second_then_fetches() -> None:
    bench = Bench(tip=9)
    bench.up((ONE, 10))
    assert bench.requests() == []
    bench.sync.tick()
    assert bench.requests() == []
    bench.sync.tick()
    assert bench.requests() == [(ONE, BlocksRequest(1, 10, 10))]


def test_two_behind_fetches_at_once_and_level_never() -> None:
    bench = Bench(tip=9)
    bench.up((ONE, 9))
    for _ in range(5):
        bench.sync.tick()
    assert bench.requests() == []
    bench.sync.claimed(ONE, 11)
    assert bench.requests() == [(ONE, BlocksRequest(1, 10, 11))]


def test_several_peers_are_asked_in_parallel_within_the_window() -> None:
    bench = Bench()
    bench.up((ONE, 1_000), (TWO, 1_000), (THREE, 1_000))
    asked = bench.requests()
    assert {peer for peer, _ in asked} == {ONE, TWO, THREE}
    per_peer = [sum(peer == one for peer, _ in asked) for one in (ONE, TWO, THREE)]
    assert max(per_peer) <= module.REQUESTS_PER_PEER_MAX
    heights = [h for _, r in asked for h in range(r.first, r.last + 1)]
    assert heights == list(range(1, len(heights) + 1))
    assert max(heights) <= WINDOW
    assert all(r.last - r.first < CHUNK for _, r in asked)


def test_blocks_are_applied_in_order_whatever_comes_first() -> None:
    bench = Bench()
    bench.up((ONE, 16), (TWO, 16))
    (first, low), (second, high) = bench.requests()
    bench.give(second, high)
    assert bench.applied() == []
    bench.give(first, low)
    assert bench.applied() == [1]
    for height in range(1, 16):
        bench.sync.tip_moved(height)
        assert bench.applied() == [height + 1]
    bench.sync.tip_moved(16)
    assert bench.applied() == []
    assert not bench.sync.active


def test_a_block_decided_here_is_not_applied_again() -> None:
    bench = Bench()
    bench.up((ONE, 3))
    ((peer, request),) = bench.requests()
    bench.sync.block(blocked=True)
    bench.give(peer, request)
    assert bench.applied() == []
    bench.sync.tip_moved(1)
    bench.sync.block(blocked=False)
    assert bench.applied() == [2]


def test_a_wrong_block_bans_its_giver_and_is_fetched_from_another() -> None:
    bench = Bench()
    bench.up((ONE, 4), (TWO, 4))
    ((liar, request),) = bench.requests()
    bench.give(liar, request, b"bad")
    assert bench.applied() == [1]
    bench.sync.failed(1, "wrong body")
    actions = bench.taken()
    assert any(isinstance(a, PenalisePeer) and a.ban and a.peer == liar for a in actions)
    again = [a for a in actions if isinstance(a, SendTo)]
    assert [a.peers[0] for a in again] == [TWO if liar == ONE else ONE]
    assert isinstance(again[0].message, BlocksRequest) and again[0].message.first == 1
    # Nothing of the liar's other blocks is used.
    assert not any(isinstance(a, ApplyBlock) for a in actions)


def test_a_falling_height_is_not_believed() -> None:
    bench = Bench()
    bench.up((ONE, 100))
    bench.taken()
    bench.sync.claimed(ONE, 50)
    assert bench.bans() == [ONE]
    assert bench.sync.target == 0
    assert not bench.sync.active or bench.requests() == []


def test_an_inflated_height_is_not_believed_for_long() -> None:
    bench = Bench()
    bench.up((ONE, 10**9))
    for _ in range(2):
        for peer, request in bench.requests():
            bench.sync.received(peer, Blocks(request.number, ()))
        bench.sync.elapsed()
    assert bench.sync.target == 0
    assert bench.bans() == []  # taken with the requests above
    assert bench.sync.counters.bans == 1


def test_one_that_does_not_answer_is_not_believed_for_a_while_but_not_banned() -> None:
    """It may only be cut off; an inflated height must not keep a node from being in sync."""
    bench = Bench()
    bench.up((ONE, 10**9))
    bench.taken()
    for _ in range(2 * REQUEST_BEATS):
        bench.sync.elapsed()
    assert [a.ban for a in bench.taken() if isinstance(a, PenalisePeer)] == [False]
    assert bench.sync.target == 0
    for _ in range(module.DISTRUST_TICKS):
        bench.sync.tick()
    assert bench.sync.target == 10**9
    assert bench.requests()


def stall(bench: Bench) -> list[bool]:
    """The peer answers nothing until it is not believed; what it gets for that."""
    bench.taken()
    for _ in range(2 * REQUEST_BEATS):
        bench.sync.elapsed()
    return [a.ban for a in bench.taken() if isinstance(a, PenalisePeer)]


def forgive(bench: Bench) -> list[tuple[bytes, BlocksRequest]]:
    """Time passes until it is believed again; what it is asked then."""
    for _ in range(module.DISTRUST_TICKS_MAX):
        bench.sync.tick()
    return bench.requests()


def test_one_that_never_answers_is_banned_in_the_end() -> None:
    bench = Bench()
    bench.up((ONE, 10**9))
    for _ in range(module.STALLS_MAX - 1):
        assert stall(bench) == [False]
        assert forgive(bench)
    assert stall(bench) == [True]
    assert bench.sync.counters.bans == 1
    # A ban lasts, whatever it says.
    bench.sync.claimed(ONE, 10**9 + 1)
    assert bench.sync.target == 0
    assert forgive(bench) == []


def test_one_that_is_slow_and_delivers_is_not_banned() -> None:
    bench = Bench()
    bench.up((ONE, 10**9))
    for _ in range(2 * module.STALLS_MAX):
        assert stall(bench) == [False]
        peer, request = forgive(bench)[0]
        bench.give(peer, request)
    assert bench.sync.counters.bans == 0


def test_a_slow_peer_loses_its_chunk_to_another() -> None:
    bench = Bench()
    bench.up((ONE, 32), (TWO, 32))
    asked = bench.requests()
    slow = [request for peer, request in asked if peer == ONE]
    for peer, request in asked:
        if peer == TWO:
            bench.give(peer, request)
    bench.taken()
    for _ in range(REQUEST_BEATS):
        bench.sync.elapsed()
    again = bench.requests()
    assert [(peer, r.first, r.last) for peer, r in again] == [(TWO, r.first, r.last) for r in slow]
    # What the slow one sends late is taken, once.
    assert bench.sync.counters.blocks == 16
    bench.give(ONE, slow[0])
    assert bench.sync.counters.blocks == 16 + CHUNK
    bench.give(ONE, slow[0])
    assert bench.sync.counters.blocks == 16 + CHUNK


def test_one_whose_answers_are_all_late_is_not_banned() -> None:
    """Its link is thin: each answer comes after the time is over, and brings blocks."""
    bench = Bench()
    bench.up((ONE, 10**9))
    for _ in range(2 * module.STALLS_MAX):
        asked = bench.requests()
        assert asked
        for _ in range(REQUEST_BEATS):
            bench.sync.elapsed()
        for peer, request in asked:
            bench.give(peer, request)
    assert bench.sync.counters.bans == 0
    assert bench.sync.counters.blocks >= 2 * module.STALLS_MAX * CHUNK


def test_answers_that_come_much_too_late_are_nobodys() -> None:
    """Only the newest requests that ran out are remembered."""
    bench = Bench()
    bench.up((ONE, 10**9))
    asked = bench.requests()
    stall(bench)
    forgive(bench)
    stall(bench)
    bench.give(*asked[0])
    assert bench.sync.counters.blocks == 0


def test_a_peer_that_goes_takes_nothing_with_it() -> None:
    bench = Bench()
    bench.up((ONE, 8), (TWO, 8))
    ((peer, request),) = bench.requests()
    bench.sync.peer_down(peer)
    other = TWO if peer == ONE else ONE
    assert [(p, r.first, r.last) for p, r in bench.requests()] == [(other, 1, 8)]
    bench.give(peer, request)
    assert bench.applied() == []


@pytest.mark.parametrize("heights", [(2, 3), (1, 3), (1, 2, 3, 4, 5, 6, 7, 8, 9), (0,)])
def test_blocks_that_were_not_asked_for_ban(heights: tuple[int, ...]) -> None:
    bench = Bench()
    bench.up((ONE, 8))
    ((_, request),) = bench.requests()
    bench.sync.received(ONE, Blocks(request.number, tuple(parts(h) for h in heights)))
    assert bench.bans() == [ONE]


def test_an_answer_to_another_peers_request_is_dropped() -> None:
    bench = Bench()
    bench.up((ONE, 8), (TWO, 8))
    ((peer, request),) = bench.requests()
    bench.give(TWO if peer == ONE else ONE, request)
    assert bench.applied() == []
    bench.give(peer, request)
    assert bench.applied() == [1]


def test_consensus_asks_for_a_height_that_no_peer_claims() -> None:
    bench = Bench(tip=4)
    bench.up((ONE, 4), (TWO, 4))
    bench.sync.wanted(5)
    ((peer, request),) = bench.requests()
    # Not blamed for what it never claimed, and not asked again in the same beat.
    bench.sync.received(peer, Blocks(request.number, ()))
    ((other, second),) = bench.requests()
    assert other != peer
    bench.sync.received(other, Blocks(second.number, ()))
    assert bench.requests() == []
    bench.sync.elapsed()
    ((_, third),) = bench.requests()
    assert (third.first, third.last) == (5, 5)
    assert bench.sync.counters.bans == 0


def test_serving_is_bounded_per_peer_and_clipped() -> None:
    bench = Bench(tip=500)
    bench.up((ONE, 0))
    for number in range(READS_PER_PEER_MAX + 3):
        bench.sync.requested(ONE, BlocksRequest(number, 1, 10**12))
    actions = bench.taken()
    reads = [a for a in actions if isinstance(a, ReadBlocks)]
    assert len(reads) == READS_PER_PEER_MAX
    assert {(r.first, r.last) for r in reads} == {(1, WINDOW)}
    # The excess is reported once, not once per message.
    assert sum(isinstance(a, PenalisePeer) for a in actions) == 1
    bench.sync.read(BlocksRead(ONE, 0, (parts(1),)))
    assert bench.taken() == [SendTo((ONE,), Blocks(0, (parts(1),)))]
    bench.sync.requested(ONE, BlocksRequest(9, 501, 600))
    assert bench.taken() == [SendTo((ONE,), Blocks(9, ()))]
    bench.sync.requested(ONE, BlocksRequest(10, 0, 5))
    assert [type(a) for a in bench.taken()] == [PenalisePeer]


def test_many_who_ask_at_once_are_all_answered_in_turn() -> None:
    """Silence would make this node look like one that stalls."""
    bench = Bench(tip=500)
    peers = [bytes([number]) * 32 for number in range(module.READS_MAX // READS_PER_PEER_MAX + 1)]
    bench.up(*((peer, 500) for peer in peers))
    bench.taken()
    for peer in peers:
        for number in range(READS_PER_PEER_MAX):
            bench.sync.requested(peer, BlocksRequest(number, 1, 8))
    reads = [a for a in bench.taken() if isinstance(a, ReadBlocks)]
    assert len(reads) == module.READS_MAX
    assert all(read.peer != peers[-1] for read in reads)
    # Who leaves is not read for; the others get their turn, one for each that ends.
    bench.sync.read(BlocksRead(peers[0], 0, ()))
    assert [a.peer for a in bench.taken() if isinstance(a, ReadBlocks)] == [peers[-1]]
    bench.sync.peer_down(peers[-1])
    bench.sync.read(BlocksRead(peers[0], 1, ()))
    assert not any(isinstance(a, ReadBlocks) for a in bench.taken())


@st.composite
def behaviours(draw: st.DrawFn) -> list[str]:
    kinds = st.sampled_from(["honest", "liar", "staller", "empty", "falling", "partial", "gone"])
    others = draw(st.lists(kinds, max_size=5))
    return draw(st.permutations(["honest", *others]))


class Play:
    """A sync among peers of different kinds, until the ledger is level."""

    def __init__(self, kinds: list[str], height: int, random: Random) -> None:
        self.bench = Bench()
        self.random = random
        self.height = height
        self.peers = {bytes([65 + place]) * 32: kind for place, kind in enumerate(kinds)}
        self.tip = 0
        self.banned: set[bytes] = set()
        self.waiting: list[tuple[bytes, BlocksRequest]] = []
        self.timer = False
        for peer in self.peers:
            self.bench.sync.peer_up(peer)
        for peer, kind in self.peers.items():
            far = kind in {"empty", "staller"}
            self.bench.sync.claimed(peer, height * 10 if far else height)

    def perform(self, action: Action) -> None:
        match action:
            case SetTimer():
                self.timer = True
            case PenalisePeer():
                assert self.peers[action.peer] != "honest"
                if action.ban:
                    self.banned.add(action.peer)
            case SendTo():
                assert action.peers[0] not in self.banned
                assert isinstance(action.message, BlocksRequest)
                self.waiting.append((action.peers[0], action.message))
            case ApplyBlock():
                self.apply(action.parts)
            case _:
                pass

    def apply(self, block: BlockParts) -> None:
        assert block.height == self.tip + 1
        if block.proposal == b"bad":
            self.bench.sync.failed(block.height, "bad")
        else:
            self.tip += 1
            self.bench.sync.tip_moved(self.tip)

    def move(self) -> None:
        if self.waiting:
            place = self.random.randrange(len(self.waiting))
            peer, request = self.waiting.pop(place)
            _answer(self.bench, peer, self.peers[peer], request, self.height)
        elif self.timer:
            self.timer = False
            self.bench.sync.elapsed()
        else:
            self.bench.sync.tick()


@given(behaviours(), st.integers(2, 200), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_one_honest_peer_is_enough(kinds: list[str], height: int, random: Random) -> None:
    """Whatever the others do, every block is applied in order, once, and the honest keeps."""
    play = Play(kinds, height, random)
    for _ in range(3_000):
        for action in play.bench.taken():
            play.perform(action)
        if play.tip == height:
            break
        if not play.bench.out:
            play.move()
    assert play.tip == height


def _answer(bench: Bench, peer: bytes, kind: str, request: BlocksRequest, height: int) -> None:
    last = min(request.last, height)
    span = range(request.first, last + 1)
    match kind:
        case "honest":
            bench.sync.received(peer, Blocks(request.number, tuple(map(parts, span))))
        case "partial":
            bench.sync.received(peer, Blocks(request.number, tuple(map(parts, list(span)[:1]))))
        case "liar":
            lies = tuple(parts(h, b"bad") for h in span)
            bench.sync.received(peer, Blocks(request.number, lies))
        case "empty":
            bench.sync.received(peer, Blocks(request.number, ()))
        case "falling":
            bench.sync.claimed(peer, 0)
        case "gone":
            bench.sync.peer_down(peer)
        case _:
            pass


def test_blocks_that_nobody_asked_for_are_a_flood() -> None:
    bench = Bench()
    bench.up((ONE, 0))
    for number in range(50):
        bench.sync.received(ONE, Blocks(number, (parts(1),)))
    assert [type(a) for a in bench.taken()] == [PenalisePeer]


def test_an_observer_fetches_each_block_at_once() -> None:
    bench = Bench(tip=9)
    bench.sync.eager = True
    bench.up((ONE, 10))
    assert [(r.first, r.last) for _, r in bench.requests()] == [(10, 10)]


def test_a_stopped_node_fetches_nothing_and_still_serves() -> None:
    bench = Bench(tip=9)
    bench.sync.stop()
    bench.up((ONE, 100))
    assert bench.taken() == []
    bench.sync.requested(ONE, BlocksRequest(1, 1, 1))
    assert [type(a) for a in bench.taken()] == [ReadBlocks]


def test_the_buffer_is_bounded() -> None:
    bench = Bench()
    bench.up((ONE, 10_000), (TWO, 10_000))
    seen: set[int] = set()

    def pump() -> Iterator[tuple[bytes, BlocksRequest]]:
        while asked := bench.requests():
            yield from asked

    for peer, request in pump():
        if request.first == 1:
            continue
        seen |= set(range(request.first, request.last + 1))
        bench.give(peer, request)
    assert max(seen) <= WINDOW


def test_a_vote_that_overtakes_a_status_does_not_make_a_liar() -> None:
    bench = Bench(tip=9)
    bench.up((ONE, 10))
    bench.sync.shown(ONE, 12)
    bench.sync.claimed(ONE, 11)
    assert bench.bans() == []
    bench.sync.claimed(ONE, 10)
    assert bench.bans() == [ONE]
