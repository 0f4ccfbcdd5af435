"""Decoding the keys of the accounts before they sign.

Finding the point that a key stands for is a third of what its signature costs. A node that has
just started knows none, and has time while nobody sends anything.
"""

import asyncio
import time
from functools import partial
from typing import Final, Protocol

from bubi.node.ports import Threads

PATIENCE: Final = 50.0
"""How many times as long as it worked it rests while transactions come: those that sign then are
decoded anyway, and what the others will save is not worth making these wait."""


class KeyTable(Protocol):
    """What this needs of the ledger."""

    @property
    def signatures_verified(self) -> int:
        """Signatures verified since the start."""
        ...

    def learn_keys(self, position: int, /) -> int | None:
        """Decodes the keys of some accounts; gives the next position."""
        ...


async def learn_keys(chain: KeyTable, threads: Threads) -> None:
    """Goes through all accounts once, a few milliseconds at a time."""
    position: int | None = 0
    while position is not None:
        before, started = chain.signatures_verified, time.monotonic()
        position = await threads.read(partial(chain.learn_keys, position))
        is_busy = chain.signatures_verified != before
        await asyncio.sleep((time.monotonic() - started) * PATIENCE if is_busy else 0)
