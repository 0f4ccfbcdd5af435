"""The pool: order, limits, flight, expiry; and the memory of what passed through."""

from collections import deque
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bubi.mempool import Entry, Limits, Mempool, PoolFullError, Recent


@dataclass(frozen=True)
class Transactions:
    count: int
    bytes: int

    def __len__(self) -> int:
        return self.count


LIMITS = Limits(100, 1_000)


class PoolMachine(RuleBasedStateMachine):
    """Against plain lists."""

    def __init__(self) -> None:
        super().__init__()
        self.pool: Mempool[Transactions] = Mempool(LIMITS)
        self.waiting: deque[Entry[Transactions]] = deque()
        self.flight: list[Entry[Transactions]] = []

    @rule(count=st.integers(1, 30), size=st.integers(1, 300), expiry=st.integers(0, 10))
    def add(self, count: int, size: int, expiry: int) -> None:
        held = [entry.group for entry in (*self.waiting, *self.flight)]
        fits = (
            sum(map(len, held)) + count <= LIMITS.transactions
            and sum(group.bytes for group in held) + size <= LIMITS.bytes
        )
        try:
            self.waiting.append(self.pool.add(Transactions(count, size), expiry))
        except PoolFullError:
            assert not fits
        else:
            assert fits

    @rule(count=st.integers(0, 60), size=st.integers(0, 500))
    def select(self, count: int, size: int) -> None:
        expected = []
        for entry in self.waiting:
            count -= len(entry.group)
            size -= entry.group.bytes
            if count < 0 or size < 0:
                break
            expected.append(entry)
        assert self.pool.select(*self.budget(expected)) == expected
        for _ in expected:
            self.flight.append(self.waiting.popleft())

    def budget(self, expected: list[Entry[Transactions]]) -> tuple[int, int]:
        """Exactly what the expected groups need: one less would lose the last."""
        return (
            sum(len(entry.group) for entry in expected),
            sum(entry.group.bytes for entry in expected),
        )

    @precondition(lambda self: self.flight)
    @rule(decided=st.booleans())
    def end_flight(self, decided: bool) -> None:
        if decided:
            self.pool.decided(self.flight)
        else:
            self.pool.give_back(self.flight)
            self.waiting.extendleft(reversed(self.flight))
        self.flight = []

    @rule(time=st.integers(0, 12))
    def expire(self, time: int) -> None:
        expected = [entry for entry in self.waiting if entry.latest_expiry < time]
        assert self.pool.drop_expired(time) == expected
        self.waiting = deque(entry for entry in self.waiting if entry.latest_expiry >= time)

    @invariant()
    def counts(self) -> None:
        held = [entry.group for entry in (*self.waiting, *self.flight)]
        assert self.pool.transactions == sum(map(len, held))
        assert self.pool.bytes == sum(group.bytes for group in held)
        assert self.pool.waiting == len(self.waiting)


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


def test_a_group_larger_than_all_room_holds_up_nobody() -> None:
    pool: Mempool[Transactions] = Mempool(Limits(100, 1_000))
    large, small = pool.add(Transactions(11, 20), 5), pool.add(Transactions(3, 30), 5)
    heavy, last = pool.add(Transactions(1, 90), 5), pool.add(Transactions(3, 30), 5)
    assert pool.select(10, 80) == [small, last]
    assert pool.drop_expired(6) == [large, heavy]


def hashes(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(32, "little") for number in numbers)


def expiries(*times: int) -> bytes:
    return b"".join(time.to_bytes(8, "little") for time in times)


def test_recent_finds_only_whole_hashes_that_were_admitted() -> None:
    recent = Recent(100, 10)
    assert recent.add(hashes(1, 2, 3), expiries(50, 0, 70)) == 70
    assert recent.find(hashes(1)) == 50
    assert recent.find(hashes(2)) is None
    assert recent.find(hashes(3)) == 70
    # These bytes occur across a border between two hashes.
    assert recent.find(hashes(1, 2)[16:48]) is None


def test_recent_is_bounded_and_forgets() -> None:
    recent = Recent(4, 10)
    for number in range(1, 6):
        recent.add(hashes(number, number + 100), expiries(number * 10, number * 10))
    assert recent.transactions == 4
    assert recent.find(hashes(3)) is None
    assert recent.find(hashes(4)) == 40
    recent.forget(50)
    assert recent.find(hashes(4)) == 40
    recent.forget(51)
    assert recent.find(hashes(4)) is None
    assert recent.find(hashes(5)) == 50


def test_recent_forgets_behind_a_chunk_that_lives_on() -> None:
    recent = Recent(100, 10)
    recent.add(hashes(1), expiries(10_000))
    for number in range(2, 6):
        recent.add(hashes(number), expiries(number * 10))
    recent.forget(41)
    assert (recent.transactions, recent.find(hashes(3)), recent.find(hashes(4))) == (3, None, 40)
    recent.forget(1_000)
    assert (recent.transactions, recent.find(hashes(1))) == (1, 10_000)


def test_recent_remembers_nothing_of_what_it_dropped_for_want_of_room() -> None:
    recent = Recent(4, 10)
    for number in range(1, 1_000):
        recent.add(hashes(number), expiries(10_000_000 + number))
    assert recent.transactions == 4
    assert len(recent._by_expiry) < 100
    recent.forget(20_000_000)
    assert recent.transactions == 0


def test_recent_refuses_uneven_lists() -> None:
    with pytest.raises(ValueError, match="same length"):
        Recent(4, 10).add(hashes(1), expiries(1, 2))
