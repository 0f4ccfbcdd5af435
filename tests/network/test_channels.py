"""Queues, chunks and credit: everything arrives once and in order, memory stays bounded."""

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bubi.messages import Priority
from bubi.network import channels
from bubi.network.channels import (
    CHUNK_BYTES,
    CHUNK_BYTES_MIN,
    MESSAGE_BYTES_MAX,
    Budget,
    Incoming,
    Item,
    Outgoing,
    QueueLimits,
    charge,
)
from bubi.network.frames import (
    CHUNK_BYTES_MAX,
    ESTABLISHED_LIMITS,
    Decoder,
    FrameKind,
    ViolationError,
    encode,
)

SMALL = dict.fromkeys(Priority, 100_000)


def frames(parts: list[bytes]) -> list[tuple[int, bytes]]:
    decoder = Decoder(ESTABLISHED_LIMITS)
    decoder.push(b"".join(parts))
    return list(decoder.frames())


sizes = st.one_of(
    st.integers(0, 100),
    st.sampled_from([CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES]),
    st.integers(CHUNK_BYTES, 3 * CHUNK_BYTES),
)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(list(Priority)), st.integers(0, 255), sizes), max_size=12),
    st.integers(1, 70_000),
    st.integers(0, 3),
)
def test_all_messages_arrive_once_and_in_order(
    wanted: list[tuple[Priority, int, int]], budget: int, behind: int
) -> None:
    """Whatever the sizes, the budget of a write and how far behind the host is."""
    outgoing, incoming = Outgoing(windows=SMALL), Incoming(SMALL)
    sent, got = defaultdict(list), defaultdict(list)
    for number, (priority, kind, size) in enumerate(wanted):
        payload = bytes((number,)) * size
        assert outgoing.put(Item(priority, kind, payload))
        sent[priority].append((kind, payload))
    unfinished: list[tuple[Priority, int]] = []
    while True:
        parts = outgoing.take(budget)
        for kind, payload in frames(parts):
            if (message := incoming.take(kind, payload)) is not None:
                got[message[0]].append(message[1:])
                unfinished.append((message[0], len(message[2])))
        if not parts and not unfinished:
            break
        while len(unfinished) > (behind if parts else 0):
            window = incoming.release(*unfinished.pop(0))
            if window is not None:
                outgoing.credit(window[5:])
    assert got == sent
    assert outgoing.bytes_waiting == 0
    assert outgoing.messages == incoming.messages == len(wanted)


def test_frames_stay_below_the_limit_and_a_vote_waits_for_one_chunk() -> None:
    outgoing = Outgoing()
    outgoing.put(Item(Priority.BATCHES, 1, bytes(10 * CHUNK_BYTES)))
    first = outgoing.take(1)
    outgoing.put(Item(Priority.VOTES, 2, b"vote"))
    second = frames(outgoing.take(1))
    assert all(len(payload) <= CHUNK_BYTES_MAX for _, payload in frames(first))
    assert [(kind, payload[1:2]) for kind, payload in second] == [(FrameKind.WHOLE, b"\x02")]


def test_control_frames_go_first() -> None:
    outgoing = Outgoing()
    outgoing.put(Item(Priority.VOTES, 2, b"vote"))
    outgoing.put_control(encode(FrameKind.PING, bytes(8)))
    assert [kind for kind, _ in frames(outgoing.take(1_000))] == [FrameKind.PING, FrameKind.WHOLE]


def test_sync_is_not_starved_by_batches() -> None:
    outgoing = Outgoing()
    for _ in range(40):
        outgoing.put(Item(Priority.BATCHES, 1, bytes(CHUNK_BYTES)))
        outgoing.put(Item(Priority.SYNC, 2, bytes(CHUNK_BYTES)))
    order = [payload[0] for _, payload in frames(outgoing.take(20 * CHUNK_BYTES))]
    assert order[:10] == [1, 1, 1, 1, 2, 1, 1, 1, 1, 2]


def test_without_credit_batches_wait_and_votes_do_not() -> None:
    outgoing = Outgoing(windows=SMALL)
    for _ in range(10):
        outgoing.put(Item(Priority.BATCHES, 1, bytes(30_000)))
        outgoing.put(Item(Priority.VOTES, 2, b"vote"))
    kinds = [payload[1] for _, payload in frames(outgoing.take(10_000_000))]
    assert kinds == [2] * 10 + [1] * 4
    assert outgoing.take(10_000_000) == []
    outgoing.credit(channels._WINDOW.pack(Priority.BATCHES, 2 * charge(30_000)))
    assert len(frames(outgoing.take(10_000_000))) == 2


def test_full_queues() -> None:
    limits = {one: QueueLimits(1_000, 3) for one in Priority}
    for priority, taken in (
        (Priority.VOTES, [True] * 3 + [False]),
        (Priority.SYNC, [True] * 3 + [False]),
        (Priority.BATCHES, [True] * 4),
    ):
        outgoing = Outgoing(limits)
        assert [outgoing.put(Item(priority, n, b"x")) for n in range(4)] == taken
        assert outgoing.dropped == 1
        kinds = [payload[1] for _, payload in frames(outgoing.take(1_000))]
        assert kinds == ([1, 2, 3] if priority is Priority.BATCHES else [0, 1, 2])
    outgoing = Outgoing(limits)
    assert outgoing.put(Item(Priority.SYNC, 1, bytes(5_000)))
    assert not outgoing.put(Item(Priority.SYNC, 1, b"x"))
    assert outgoing.bytes_waiting == 5_000


def test_what_waits_for_all_peers_together_is_bounded() -> None:
    budget = Budget(10_000)
    one, other = Outgoing(budget=budget), Outgoing(budget=budget)
    shared = Item(Priority.BATCHES, 1, bytes(4_000))
    assert one.put(shared)
    assert other.put(shared)
    assert budget.used == shared.charge, "a message that waits for two is held once"
    large = Item(Priority.SYNC, 1, bytes(5_000))
    assert one.put(large)
    assert not other.put(Item(Priority.SYNC, 2, bytes(5_000))), "there is no room for a second"
    # Batches make room of their own queue only as far as that helps.
    assert not one.put(Item(Priority.BATCHES, 2, bytes(6_000)))
    assert one.waiting()["batches"] == (0, 0)
    # Votes pass, a few of them at least.
    vote = Item(Priority.VOTES, 1, bytes(3_000))
    assert other.put(vote)
    assert budget.used == shared.charge + large.charge + vote.charge
    assert len(frames(one.take(100_000))) == 1
    other.discard()
    assert budget.used == 0
    assert other.bytes_waiting == 0


def test_a_long_message_counts_until_its_last_chunk_is_written() -> None:
    budget = Budget()
    outgoing = Outgoing(budget=budget)
    item = Item(Priority.SYNC, 1, bytes(3 * CHUNK_BYTES))
    assert outgoing.put(item)
    outgoing.take(1)
    assert budget.used == item.charge
    outgoing.take(4 * CHUNK_BYTES)
    assert budget.used == 0


def test_a_message_above_its_limit_is_not_made() -> None:
    with pytest.raises(ValueError, match="too long"):
        Item(Priority.VOTES, 1, bytes(MESSAGE_BYTES_MAX[Priority.VOTES] + 1))


FIRST, NEXT, WHOLE = FrameKind.FIRST, FrameKind.NEXT, FrameKind.WHOLE
CHUNK = bytes(CHUNK_BYTES_MIN)


def first(total: int, chunk: bytes = CHUNK, priority: int = 1) -> tuple[int, bytes]:
    return FIRST, channels._FIRST.pack(priority, 9, total) + chunk


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ([(WHOLE, b"")], "message"),
        ([(WHOLE, b"\x01")], "message"),
        ([(WHOLE, b"\x03\x01")], "message"),
        ([(NEXT, b"\x01" + CHUNK)], "message"),
        ([first(CHUNK_BYTES_MIN)], "message"),
        ([first(9_000, CHUNK[1:])], "message"),
        ([first(2**32 - 1)], "message_length"),
        ([first(MESSAGE_BYTES_MAX[Priority.BATCHES] + 1)], "message_length"),
        ([first(90_000), first(90_000)], "message"),
        ([first(90_000), (WHOLE, b"\x01\x01")], "message"),
        ([first(90_000), (NEXT, b"\x01" + CHUNK[1:])], "message"),
        ([first(90_000), (NEXT, b"\x01")], "message"),
        ([first(4_097), (NEXT, b"\x01" + CHUNK)], "message"),
        ([first(4_097), (NEXT, b"\x01")], "message"),
        ([(WHOLE, b"\x01\x01" + bytes(65_000))] * 3, "window"),
        ([first(149_998), *[(NEXT, b"\x01" + bytes(48_634))] * 3, first(90_000)], "window"),
    ],
)
def test_violations(sent: list[tuple[int, bytes]], reason: str) -> None:
    incoming = Incoming(SMALL)
    for kind, payload in sent[:-1]:
        incoming.take(kind, payload)
    with pytest.raises(ViolationError, match=f"^{reason}$"):
        incoming.take(*sent[-1])


def test_what_a_peer_can_make_us_hold_is_bounded() -> None:
    """A peer that takes all it is given holds at most window + longest message per priority."""
    incoming = Incoming()
    for priority in Priority:
        with pytest.raises(ViolationError, match="window"):
            while True:
                incoming.take(WHOLE, bytes((priority, 1)) + bytes(60_000))
    most = sum(channels.WINDOW_BYTES[one] + charge(60_000) for one in Priority)
    assert incoming.bytes_outstanding <= most


def test_credit_that_was_not_owed_is_a_violation() -> None:
    outgoing = Outgoing()
    outgoing.put(Item(Priority.BATCHES, 1, bytes(100)))
    outgoing.take(1_000)
    pack = channels._WINDOW.pack
    for payload in (
        pack(Priority.BATCHES, 0),
        pack(Priority.BATCHES, charge(100) + 1),
        pack(Priority.VOTES, 1),
        pack(3, 1),
        b"\0",
    ):
        with pytest.raises(ViolationError, match="window"):
            outgoing.credit(payload)
    outgoing.credit(pack(Priority.BATCHES, charge(100)))


def test_one_item_serves_all_peers() -> None:
    item = Item(Priority.VOTES, 1, b"vote")
    written = []
    for _ in range(3):
        outgoing = Outgoing()
        outgoing.put(item)
        written.append(outgoing.take(100))
    assert all(one[0] is written[0][0] for one in written)
