"""What is promised of a network under load, and whether a measurement keeps it.

Whoever judges a figure (`bubi bench network --page`, `benchmarks/figures.py`) takes floor and goal
from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bubi.cli.messages import _

MET: Final = "floor"
GOAL: Final = "goal"
MISSED: Final = "missed"
UNKNOWN: Final = "unknown"
LIGHT_RATE: Final = 100
"""Transactions per second up to which the promise is that of a network with little to do."""


@dataclass(frozen=True)
class Bound:
    """What a figure must reach, or stay within if not `above`; the goal is a wish."""

    floor: float
    goal: float
    unit: str = ""
    above: bool = True

    def verdict(self, value: float | None) -> str:
        """Whether a value meets the goal, the floor only, or neither."""
        if value is None:
            return UNKNOWN
        if self._meets(value, self.goal):
            return GOAL
        return MET if self._meets(value, self.floor) else MISSED

    def _meets(self, value: float, bound: float) -> bool:
        return value >= bound if self.above else value <= bound


RATE: Final = Bound(7_000, 10_000, "/s")
SHARE: Final = Bound(0.35, 0.6)
"""Of V / 4, by V of the same run."""
SOLO_SHARE: Final = Bound(0.4, 0.7)
"""Of V."""
HALF_LOAD_P99: Final = Bound(1_000, 500, "ms", above=False)
LIGHT_LOAD_P50: Final = Bound(250, 120, "ms", above=False)
GOODPUT: Final = Bound(0.8, 0.95)
VIEW_CHANGES: Final = Bound(0, 0, above=False)
NORMAL_AFTER: Final = Bound(30, 30, "s", above=False)
OVERLOAD_MEMORY: Final = Bound(2, 2, above=False)
"""The most a node holds during an overload / what it held before.

Pools and queues have limits, and what is kept of the newest blocks (64 states, the last records)
does not depend on what is offered. Held only against a measurement with a warm-up: nodes that have
just started hold neither yet, and would grow as much under any load.
"""
SOAK_GROWTH: Final = Bound(2, 0.5, "%/h", above=False)


@dataclass(frozen=True)
class Judged:
    """A promise and the value that was measured for it."""

    text: str
    value: float | None
    bound: Bound


def promises(fields: Mapping[str, Any]) -> list[Judged]:
    """What is promised of a measurement like this one; nothing where no promise fits."""
    if (over := fields.get("overload")) is not None:
        found = [
            Judged(_("goodput / peak"), over["goodput_ratio"], GOODPUT),
            Judged(_("view changes"), over["view_changes"], VIEW_CHANGES),
            Judged(_("normal again after"), over["normal_after_seconds"], NORMAL_AFTER),
        ]
        if fields["warm_up_seconds"]:
            memory = over["rss_peak_ratio"]
            found.append(Judged(_("memory, peak / before"), memory, OVERLOAD_MEMORY))
        return found
    if (soak := fields.get("soak")) is not None:
        worst = soak["worst_percent_per_hour"]
        return [Judged(_("growth of memory, worst node"), worst, SOAK_GROWTH)]
    if fields["workload"] != "transfer" or any(
        fields.get(fault) for fault in ("crash", "slow", "delay_ms")
    ):
        return []
    return _of_rate(fields)


def _of_rate(fields: Mapping[str, Any]) -> list[Judged]:
    rate, share = fields["committed_per_second"], fields["ratio"]
    if fields["nodes"] == 1:
        return [Judged(_("share of V"), share, SOLO_SHARE)] if fields["rate_searched"] else []
    if (fields["nodes"], fields["engine"]) != (4, "pbft"):
        return []
    if fields["rate_searched"]:
        return [
            Judged(_("committed per second"), rate, RATE),
            Judged(_("share of V / 4"), share, SHARE),
        ]
    if fields["offered_per_second"] <= LIGHT_RATE:
        return [Judged(_("p50, promised at 100 per second"), fields["p50_ms"], LIGHT_LOAD_P50)]
    text = _("p99, promised at half of the highest rate")
    return [Judged(text, fields["p99_ms"], HALF_LOAD_P99)]
