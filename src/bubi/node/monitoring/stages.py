"""Processor time of the node by what it was spent on.

Two sources. The event loop's thread is split among stages by its own CPU clock: whoever begins a
piece of work names the stage, and gives the clock back to the one before; what nobody names is
`loop` (the loop itself, decryption, wake-ups). The other threads do one kind of work each, so that
the operating system's count per thread says enough.
"""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Generator
from pathlib import Path
from typing import Any, TypeVar

LOOP = "loop"
"""What no stage claims."""
DOOR = "door"
"""HTTP and the admission of transactions."""
BATCHES = "batches"
"""Sealing, announcing and taking batches."""
ENGINE = "engine"
"""Engine, driver, guard, intake of consensus messages and everything they ask for."""
NETWORK = "network"
"""Frames and messages to bytes and back, encryption of what is sent."""

EVERY = 7
"""One in so many pieces of work of the event loop is measured."""
_NANOSECONDS = 1_000_000_000

Result = TypeVar("Result")


class LoopClock:
    """Splits the CPU time of the thread that makes it; used by this thread only.

    Reading the CPU clock is a call of the operating system, dearer than many a piece of work: one
    in `EVERY` pieces is measured, with all that it calls, and counts for as many.
    """

    def __init__(self, clock: Callable[[], int] = time.thread_time_ns) -> None:
        self._clock = clock
        self._spent: defaultdict[str, int] = defaultdict(int)
        self._stage = LOOP
        self._pieces = 0
        self._measured = False
        self._since = 0

    def enter(self, stage: str) -> str:
        """From now on time counts for this stage; returns the one before, for `leave`."""
        before, self._stage = self._stage, stage
        if before == LOOP:
            self._pieces += 1
            self._measured = self._pieces % EVERY == 0
            if self._measured:
                self._since = self._clock()
        elif self._measured:
            self._count(before)
        return before

    def leave(self, before: str) -> None:
        """Goes back to what `enter` returned."""
        if self._measured:
            self._count(self._stage)
        self._stage = before

    def _count(self, stage: str) -> None:
        now = self._clock()
        self._spent[stage] += now - self._since
        self._since = now

    def seconds(self) -> dict[str, float]:
        """CPU seconds by stage until now, estimated; together those of the thread."""
        found = {stage: EVERY * spent / _NANOSECONDS for stage, spent in self._spent.items()}
        found[LOOP] = max(0.0, self._clock() / _NANOSECONDS - sum(found.values()))
        return found

    async def run(self, stage: str, work: Coroutine[Any, Any, Result]) -> Result:
        """Awaits a coroutine whose steps count for a stage, however often it waits."""
        return await _Steps(self, stage, work)


class _Steps(Awaitable[Result]):
    """See `LoopClock.run`."""

    def __init__(self, clock: LoopClock, stage: str, work: Coroutine[Any, Any, Result]) -> None:
        self._clock = clock
        self._stage = stage
        self._work = work

    def __await__(self) -> Generator[Any, Any, Result]:
        clock, work = self._clock, self._work
        step: Callable[[Any], Any] = work.send
        given: Any = None
        while True:
            before = clock.enter(self._stage)
            try:
                waited_for = step(given)
            except StopIteration as done:
                result: Result = done.value
                return result
            finally:
                clock.leave(before)
            try:
                given = yield waited_for
                step = work.send
            except GeneratorExit:
                work.close()
                raise
            except BaseException as error:
                step, given = work.throw, error


def thread_seconds(tasks: Path = Path("/proc/self/task")) -> dict[str, float]:
    """CPU seconds of this process's threads by name, numbers at the end left out.

    Empty where the operating system does not tell. Threads that have ended are not counted.
    """
    spent: defaultdict[str, float] = defaultdict(float)
    try:
        folders = list(tasks.iterdir())
    except OSError:
        return {}
    for folder in folders:
        try:
            name = (folder / "comm").read_text("utf-8").strip()
            running = (folder / "schedstat").read_text("ascii").split()[0]
        except OSError:
            continue  # a thread that has just ended, or a kernel without these counts
        spent[name.rstrip("0123456789").rstrip("-_")] += int(running) / _NANOSECONDS
    return dict(spent)
