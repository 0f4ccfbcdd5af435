"""Everything that writes the ledger, one after the other, in the order it was asked for.

A full disk stops the queue: the work at its head is tried again until there is room, and nothing
behind it happens meanwhile, so that nothing is signed or sent that the log does not hold. A failed
write or sync ends the process.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from bubi import core
from bubi.node.fatal import exit_at_once
from bubi.node.ports import Threads

FULL_RETRY_SECONDS = 1.0

Result = TypeVar("Result")
Job = Callable[[], Awaitable[None]]


class Writer:
    """See the module. Belongs to the event loop's thread."""

    def __init__(
        self,
        chain: core.Chain,
        threads: Threads,
        paused: Callable[[core.StorageFull | None], None],
    ) -> None:
        """`paused` is told about a full disk, and with None that there is room again."""
        self._chain = chain
        self._threads = threads
        self._paused = paused
        self._jobs: asyncio.Queue[Job | None] = asyncio.Queue()
        self._appends: list[tuple[int, int, bytes]] = []
        self.full = False

    def append(self, kind: int, height: int, data: bytes) -> None:
        """Appends a record before the next piece of work."""
        self._appends.append((kind, height, data))

    def put(self, job: Job) -> None:
        """Queues work; it calls `write` for each step that touches the ledger."""
        self._jobs.put_nowait(job)

    async def run(self) -> None:
        """Works until `close`."""
        while (job := await self._jobs.get()) is not None:
            await job()

    def close(self) -> None:
        """Ends `run` after what is queued."""
        self._jobs.put_nowait(None)

    async def write(self, step: Callable[[], Result]) -> Result:
        """Runs one step in the writer thread, behind the buffered appends; waits out a full disk.

        The log keeps in memory what it could not write, so that trying again is enough.
        """
        while True:
            try:
                result = await self._threads.write(partial(self._all_of_it, step))
            except core.StorageFull as error:
                self.full = True
                self._paused(error)
                await asyncio.sleep(FULL_RETRY_SECONDS)
            except (core.StorageFatal, core.Damaged) as error:
                exit_at_once(error)
            else:
                if self.full:
                    self.full = False
                    self._paused(None)
                return result

    def _all_of_it(self, step: Callable[[], Result]) -> Result:
        while self._appends:
            self._chain.append(*self._appends[0])
            self._appends.pop(0)
        return step()
