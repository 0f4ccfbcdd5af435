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
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

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


def _name_thread(name: str) -> None:
    """Gives the calling thread a name that tools of the operating system show, where it can."""
    with contextlib.suppress(OSError):
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name, "ascii")


class _Job(Generic[Result]):
    """A piece of work, and the promise of its result."""

    __slots__ = ("future", "loop", "work")

    def __init__(self, work: Callable[[], Result]) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Result] = self.loop.create_future()
        self.work = work

    def run(self) -> None:
        """Does it, in a thread."""
        if self.future.cancelled():
            return
        try:
            result = self.work()
        except BaseException as error:
            self._tell(self._failed, error)
        else:
            self._tell(self._succeeded, result)

    def cancel(self) -> None:
        """It will not be done."""
        self._tell(lambda future: future.cancel(), self.future)

    def _tell(self, tell: Callable[[Any], object], outcome: object) -> None:
        # A loop that was closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(tell, outcome)

    def _succeeded(self, result: Result) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def _failed(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class _Group:
    """Threads that take work from one queue, in the order of the calls.

    Not an executor of the standard library: a block takes some ten of these calls, and there each
    one passes through two kinds of futures, a lock, a semaphore and an inspection of its function,
    which costs several times as much Python as handing the work over.
    """

    def __init__(self, count: int, name: str) -> None:
        self._jobs: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, args=(name,), name=f"{name}_{one}", daemon=True)
            for one in range(count)
        ]
        self._started = self._closed = False

    def run(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        """Has one of the threads do it.

        Raises:
            RuntimeError: after `close`.
        """
        if self._closed:
            msg = "this process is stopping"
            raise RuntimeError(msg)
        if not self._started:
            self._started = True
            for thread in self._threads:
                thread.start()
        job = _Job(work)
        self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Waits for the work under way; what waits is cancelled."""
        self._closed = True
        while not self._jobs.empty():
            job = self._jobs.get()
            if job is not None:
                job.cancel()
        for _ in self._threads:
            self._jobs.put(None)
        if self._started:
            for thread in self._threads:
                thread.join()

    def _work(self, name: str) -> None:
        _name_thread(name)
        while (job := self._jobs.get()) is not None:
            job.run()
            # While nothing comes, the last result must not stay alive.
            del job


class Threads:
    """Named groups of threads: one writer, one that executes, two that admit, a few readers."""

    def __init__(self, readers: int = 4) -> None:
        self._writer = _Group(1, "write")
        self._executor = _Group(1, "execute")
        self._admission = _Group(2, "admit")
        self._readers = _Group(readers, "read")

    async def write(self, work: Callable[[], Result]) -> Result:
        """Runs in the one thread that may change the ledger, in the order of the calls."""
        return await self._writer.run(work)

    async def execute(self, work: Callable[[], Result]) -> Result:
        """Proposes, checks or executes while the writer may wait for the disk."""
        return await self._executor.run(work)

    async def admit(self, work: Callable[[], Result]) -> Result:
        """Runs a check of incoming transactions."""
        return await self._admission.run(work)

    async def read(self, work: Callable[[], Result]) -> Result:
        """Runs a read."""
        return await self._readers.run(work)

    def close(self) -> None:
        """Waits for the work under way."""
        for group in (self._admission, self._readers, self._executor, self._writer):
            group.close()
