"""Forwarding: an observer's transactions go to a validator, which puts them in its batches.

One validator gets a group; if no block holds it after a while, the next one does. The host ends a
group (`Mempool.decided`) when it finds its receipts; one that expired ends like everywhere else.
"""

import zlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from bubi.mempool import Entry, Mempool
from bubi.replica.events import Action, Peer, SendTransactions

RETRY_TICKS = 2
"""Seconds after which a group goes to another validator."""
GROUPS_MAX = 1_024
"""Groups under way."""


@dataclass(slots=True, eq=False)
class _OnItsWay:
    entry: Entry[Any]
    sent: int
    turn: int


class Forwarding:
    """See the module. `out` receives the actions."""

    def __init__(self, out: list[Action], pool: Mempool[Any], node: bytes) -> None:
        self._out = out
        self._pool = pool
        self._start = zlib.crc32(node)
        self._ticks = 0
        self._groups: OrderedDict[int, _OnItsWay] = OrderedDict()

    def send(self, validators: tuple[Peer, ...]) -> None:
        """Sends new groups, as far as there is room."""
        room = GROUPS_MAX - len(self._groups)
        if not validators or not self._pool.waiting or room <= 0:
            return
        entries = self._pool.select(self._pool.transactions, self._pool.bytes)
        self._pool.give_back(entries[room:])
        for entry in entries[:room]:
            self._groups[entry.number] = _OnItsWay(entry, self._ticks, 0)
        self._give(tuple(entries[:room]), 0, validators)

    def tick(self, validators: tuple[Peer, ...], time: int) -> tuple[Entry[Any], ...]:
        """Once a second: sends again what waits too long; returns what expired by `time`."""
        self._ticks += 1
        again: dict[int, list[Entry[Any]]] = {}
        expired: list[Entry[Any]] = []
        for number in list(self._groups):
            group = self._groups[number]
            if not self._pool.holds(group.entry):
                del self._groups[number]
            elif group.entry.latest_expiry < time:
                del self._groups[number]
                expired.append(group.entry)
            elif self._ticks - group.sent >= RETRY_TICKS:
                group.sent = self._ticks
                group.turn += 1
                again.setdefault(group.turn, []).append(group.entry)
        for turn, entries in again.items():
            self._give(tuple(entries), turn, validators)
        self._pool.decided(expired)
        return tuple(expired)

    def stop(self) -> None:
        """This node has a vote now: what it forwarded goes into its own batches as well.

        A transaction that a validator has put into a batch already is executed once all the same.
        """
        self._pool.give_back(group.entry for group in self._groups.values())
        self._groups.clear()

    def _give(
        self, entries: tuple[Entry[Any], ...], turn: int, validators: tuple[Peer, ...]
    ) -> None:
        if validators:
            peer = validators[(self._start + turn) % len(validators)]
            self._out.append(SendTransactions(peer, entries))
