"""Virtual time: one heap of events, in microseconds.

Two events at the same time run in the order in which they were planned, so that a run depends on
nothing but its seed.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

MILLISECOND = 1_000
SECOND = 1_000_000


class Scheduler:
    """Runs calls at virtual times."""

    __slots__ = ("_heap", "_planned", "now", "ran")

    def __init__(self) -> None:
        self.now = 0
        self.ran = 0
        self._heap: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._planned = 0

    @property
    def planned(self) -> int:
        """Calls that wait."""
        return len(self._heap)

    def at(self, time: int, call: Callable[[Any], None], argument: Any = None) -> None:
        """Plans a call; a time that has passed means now."""
        self._planned += 1
        heappush(
            self._heap, (time if time > self.now else self.now, self._planned, call, argument)
        )

    def after(self, delay: int, call: Callable[[Any], None], argument: Any = None) -> None:
        """Plans a call so many microseconds from now."""
        self._planned += 1
        heappush(self._heap, (self.now + delay, self._planned, call, argument))

    def run(self, until: int, stop: Callable[[], bool], events_max: int) -> bool:
        """Runs calls up to a time, or until `stop` says so; False when there were too many.

        `stop` is asked after every 64 calls.
        """
        heap = self._heap
        ran = 0
        while heap and heap[0][0] <= until:
            time, _, call, argument = heappop(heap)
            self.now = time
            call(argument)
            ran += 1
            if not ran & 63 and (stop() or ran >= events_max):
                break
        else:
            self.now = max(self.now, until)
        self.ran += ran
        return ran < events_max
