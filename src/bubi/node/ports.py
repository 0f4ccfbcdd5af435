"""What the node takes from the world: the clock, and threads that may block on the core.

The core releases the interpreter lock in every long call, so that verification of the next batch,
execution of the current one and answers to readers overlap although each has few threads. Exactly
one thread writes.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

Result = TypeVar("Result")


class Clock(Protocol):
    """Wall-clock time in ms since 1970."""

    def now_ms(self) -> int:
        """The time."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """The time."""
        return time.time_ns() // 1_000_000


def _group(count: int, name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, name, _name_thread, (name,))


def _name_thread(name: str) -> None:
    """Gives the calling thread a name that tools of the operating system show, where it can."""
    with contextlib.suppress(OSError):
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name, "ascii")


class Threads:
    """Named groups of threads: one writer, one that executes, two that admit, a few readers."""

    def __init__(self, readers: int = 4) -> None:
        self._writer = _group(1, "write")
        self._executor = _group(1, "execute")
        self._admission = _group(2, "admit")
        self._readers = _group(readers, "read")

    async def write(self, work: Callable[[], Result]) -> Result:
        """Runs in the one thread that may change the ledger, in the order of the calls."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)

    async def execute(self, work: Callable[[], Result]) -> Result:
        """Proposes, checks or executes while the writer may wait for the disk."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def admit(self, work: Callable[[], Result]) -> Result:
        """Runs a check of incoming transactions."""
        return await asyncio.get_running_loop().run_in_executor(self._admission, work)

    async def read(self, work: Callable[[], Result]) -> Result:
        """Runs a read."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    def close(self) -> None:
        """Waits for the work under way."""
        for executor in (self._admission, self._readers, self._executor, self._writer):
            executor.shutdown(wait=True, cancel_futures=True)
