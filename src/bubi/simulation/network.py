"""The simulated network: links with latency that lose, repeat, reorder, hold up and cut.

Without faults a link keeps the order of its messages, as a connection does.
"""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from bubi.simulation.scheduler import MILLISECOND, Scheduler

Deliver = Callable[[int, int, Any], None]
"""Takes (from, to, what was sent)."""

DELAY_MAX = 3_000 * MILLISECOND
REORDER_MAX = 200 * MILLISECOND


class Network:
    """Carries messages between the places of a cluster."""

    def __init__(
        self,
        scheduler: Scheduler,
        random: Random,
        strength: dict[str, float],
        latency_us: int,
        injected: Counter[str],
        deliver: Deliver,
    ) -> None:
        self._scheduler = scheduler
        self._random = random.random
        self._deliver = deliver
        self._injected = injected
        self._latency = latency_us
        self._strength = dict(strength)
        self._drop = self._duplicate = self._reorder = self._delay = 0.0
        self._newest: dict[tuple[int, int], int] = {}
        self._cut: Counter[tuple[int, int]] = Counter()
        self.delivered = 0
        self.resume()

    def resume(self) -> None:
        """Links are faulty as the plan says."""
        strength = self._strength
        # A faulty link always loses a little; the strongest loses what TCP would give up at.
        self._drop = 0.002 + 0.15 * strength["drop"] if "drop" in strength else 0.0
        self._duplicate = 0.005 + 0.2 * strength["duplicate"] if "duplicate" in strength else 0.0
        self._reorder = 0.01 + 0.3 * strength["reorder"] if "reorder" in strength else 0.0
        self._delay = 0.0005 + 0.01 * strength["delay"] if "delay" in strength else 0.0

    def heal(self) -> None:
        """Every link works."""
        self._drop = self._duplicate = self._reorder = self._delay = 0.0
        self._cut.clear()

    def cut(self, source: int, target: int) -> None:
        """Nothing passes in this direction until it is joined as often as it was cut."""
        self._cut[source, target] += 1

    def join(self, source: int, target: int) -> None:
        """Undoes one cut, if there is one."""
        if self._cut.get((source, target)):
            self._cut[source, target] -= 1
            if not self._cut[source, target]:
                del self._cut[source, target]

    def is_cut(self, source: int, target: int) -> bool:
        """Whether nothing passes."""
        return (source, target) in self._cut

    def send(self, source: int, target: int, message: Any) -> None:
        """Carries a message, or does not."""
        link = (source, target)
        if self._cut and link in self._cut:
            return
        chance = self._random()
        if self._drop:
            if chance < self._drop:
                self._injected["drop"] += 1
                return
            chance = self._random()
        # One draw gives both the jitter and, in its low part, nothing else.
        time = self._scheduler.now + self._latency + int(self._latency * chance)
        if self._delay and self._random() < self._delay:
            self._injected["delay"] += 1
            time += int(DELAY_MAX * self._random())
        if self._reorder and self._random() < self._reorder:
            self._injected["reorder"] += 1
            time += int(REORDER_MAX * self._random())
        else:
            newest = self._newest.get(link, 0)
            time = max(newest, time)
            self._newest[link] = time
        self._scheduler.at(time, self._arrive, (source, target, message))
        if self._duplicate and self._random() < self._duplicate:
            self._injected["duplicate"] += 1
            again = time + int(REORDER_MAX * self._random())
            self._scheduler.at(again, self._arrive, (source, target, message))

    def _arrive(self, sent: tuple[int, int, Any]) -> None:
        source, target, message = sent
        # What was under way when the link was cut is lost as well.
        if self._cut and (source, target) in self._cut:
            return
        self.delivered += 1
        self._deliver(source, target, message)
