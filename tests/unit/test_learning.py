"""Keys are decoded ahead: all of them, and slowly while there is something else to do."""

import asyncio

import pytest

from bubi.node import learning
from bubi.node.ports import Threads


class Table:
    """A ledger with this many slices of accounts; during some of them signatures come in."""

    def __init__(self, slices: int, busy: set[int]) -> None:
        self.slices, self.busy = slices, busy
        self.signatures_verified = 0
        self.asked: list[int] = []

    def learn_keys(self, position: int, /) -> int | None:
        self.asked.append(position)
        if position in self.busy:
            self.signatures_verified += 1
        return position + 1 if position + 1 < self.slices else None


def pauses(table: Table, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await real(0)

    monkeypatch.setattr(learning.asyncio, "sleep", sleep)
    threads = Threads()
    try:
        asyncio.run(learning.learn_keys(table, threads))
    finally:
        threads.close()
    return slept


def test_it_goes_through_everything_once_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(5, set())
    assert pauses(table, monkeypatch) == [0] * 5
    assert table.asked == [0, 1, 2, 3, 4]


def test_it_rests_while_signatures_are_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = pauses(Table(4, {1, 2}), monkeypatch)
    assert [pause > 0 for pause in slept] == [False, True, True, False]
