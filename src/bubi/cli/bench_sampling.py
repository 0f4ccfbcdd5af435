"""Figures of `bubi bench network` that are taken while it runs, and those of several runs."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

SAMPLES_SHOWN: Final = 60
SPREAD: Final = (
    "committed_per_second",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "ratio",
    "cpu_s_per_1000_nodes",
    "block_interval_ms",
    "fsyncs_per_block",
    "bytes_per_tx",
)
"""Figures whose least and greatest value of several runs are told."""


@dataclass(frozen=True)
class Sample:
    """Resident memory of every process at a time (ms since 1970; bytes, 0 where it is gone)."""

    at_ms: int
    rss: tuple[int, ...]


class MemorySampler:
    """Reads the resident memory of processes again and again, in a thread of its own."""

    def __init__(self, pids: Sequence[int], interval: float) -> None:
        self._pids = list(pids)
        self._interval = interval
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            rss = tuple(resident(pid) for pid in self._pids)
            self.samples.append(Sample(time.time_ns() // 1_000_000, rss))
            if self._over.wait(self._interval):
                return

    def peaks(self) -> list[int]:
        """The most that each process had."""
        return [max(values) for values in zip(*(one.rss for one in self.samples), strict=True)]


def resident(pid: int) -> int:
    """Resident memory of a process in bytes; 0 if it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1_024
    return 0


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Slope of the straight line with the least squares; 0 for fewer than two different places."""
    if len({place for place, _ in points}) < 2:
        return 0.0
    return statistics.linear_regression(
        [place for place, _ in points], [value for _, value in points]
    ).slope


def growth(samples: Sequence[Sample], from_ms: float, to_ms: float) -> list[float]:
    """Growth of each process's memory within a time, in percent of its mean per hour."""
    window = [one for one in samples if from_ms <= one.at_ms <= to_ms]
    if not window:
        return []
    found = []
    for place in range(len(window[0].rss)):
        points = [(one.at_ms / 3_600_000, float(one.rss[place])) for one in window]
        mean = statistics.fmean(value for _, value in points)
        found.append(round(slope(points) / mean * 100, 3) if mean else 0.0)
    return found


def thinned(samples: Sequence[Sample], from_ms: float) -> list[list[float]]:
    """At most so many samples as can be shown: seconds since a time, then bytes of each."""
    step = max(1, -(-len(samples) // SAMPLES_SHOWN))
    return [[round((one.at_ms - from_ms) / 1_000, 1), *one.rss] for one in samples[::step]]


def summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several runs as one: medians of what is one number; the rest is that of the median run."""
    ordered = sorted(runs, key=lambda one: float(one["committed_per_second"]))
    middle = dict(ordered[(len(ordered) - 1) // 2])
    if len(runs) == 1:
        return middle
    for name, value in middle.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            middle[name] = round(statistics.median(float(one[name]) for one in runs), 4)
    middle["roots_equal"] = all(one["roots_equal"] for one in runs)
    middle["sustained"] = all(one["sustained"] for one in runs)
    middle["repeat"] = len(runs)
    middle["spread"] = {
        name: [min(one[name] for one in runs), max(one[name] for one in runs)] for name in SPREAD
    }
    return middle
