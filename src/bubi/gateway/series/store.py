"""Series of measurements in rings of three steps. See the README beside."""

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SERIES_MAX = 4_000
POINTS_MAX = 1_500
"""Most points of one series in an answer."""


@dataclass(frozen=True, slots=True)
class Level:
    """A ring: seconds per slot, and how many slots."""

    step: int
    slots: int

    @property
    def span(self) -> int:
        """Seconds that it reaches back."""
        return self.step * self.slots


LEVELS = (Level(5, 720), Level(60, 1_440), Level(900, 1_440))
KEPT_SECONDS = LEVELS[-1].span


@dataclass(frozen=True, slots=True)
class Key:
    """A series: what is measured, at which node, and of which peer, route or the like."""

    name: str
    node: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One slot. `time` is its begin in ms since 1970."""

    time: int
    low: float
    mean: float
    high: float


@dataclass(frozen=True, slots=True)
class Series:
    """A series with points, oldest first, `step` seconds apart; empty slots are left out."""

    key: Key
    step: int
    points: tuple[Point, ...]


SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, node TEXT NOT NULL, label TEXT NOT NULL,
  newest INTEGER NOT NULL, UNIQUE (name, node, label)
);
CREATE TABLE IF NOT EXISTS points (
  series INTEGER NOT NULL, level INTEGER NOT NULL, place INTEGER NOT NULL, slot INTEGER NOT NULL,
  low REAL NOT NULL, high REAL NOT NULL, total REAL NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (series, level, place)
) WITHOUT ROWID;
"""

UPSERT = """
INSERT INTO points VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?5, 1)
ON CONFLICT (series, level, place) DO UPDATE SET
  low = iif(slot = excluded.slot, min(low, excluded.low), excluded.low),
  high = iif(slot = excluded.slot, max(high, excluded.high), excluded.high),
  total = iif(slot = excluded.slot, total, 0) + excluded.total,
  count = iif(slot = excluded.slot, count, 0) + 1,
  slot = excluded.slot
WHERE excluded.slot >= slot
"""


class SeriesStore:
    """See the module. Its methods block; any thread may call them."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._base = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = NORMAL")
        self._base.executescript(SCHEMA)
        self._ids = {
            Key(name, node, label): number
            for number, name, node, label in self._base.execute(
                "SELECT id, name, node, label FROM series"
            )
        }
        self.refused = 0

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._base.close()

    def add(self, samples: Iterable[tuple[Key, float]], now_ms: int) -> None:
        """Adds what was measured at one moment, in one transaction."""
        second = now_ms // 1000
        with self._lock, self._base:
            self._base.execute("BEGIN")
            for key, value in samples:
                number = self._number(key, second)
                if number is None:
                    continue
                for level, one in enumerate(LEVELS):
                    slot = second // one.step
                    row = (number, level, slot % one.slots, slot, value)
                    self._base.execute(UPSERT, row)
            self._base.execute("COMMIT")

    def _number(self, key: Key, second: int) -> int | None:
        number = self._ids.get(key)
        if number is None:
            if len(self._ids) >= SERIES_MAX:
                self.refused += 1
                return None
            names = (key.name, key.node, key.label, second)
            found = self._base.execute(
                "INSERT INTO series (name, node, label, newest) VALUES (?, ?, ?, ?)", names
            )
            number = self._ids[key] = int(found.lastrowid or 0)
        else:
            self._base.execute("UPDATE series SET newest = ? WHERE id = ?", (second, number))
        return number

    def forget_old(self, now_ms: int) -> int:
        """Removes series that nobody wrote for as long as anything is kept; how many."""
        before = now_ms // 1000 - KEPT_SECONDS
        with self._lock, self._base:
            self._base.execute("BEGIN")
            old = self._base.execute("SELECT id FROM series WHERE newest < ?", (before,))
            numbers = {number for (number,) in old.fetchall()}
            for number in numbers:
                self._base.execute("DELETE FROM points WHERE series = ?", (number,))
                self._base.execute("DELETE FROM series WHERE id = ?", (number,))
            self._base.execute("COMMIT")
            self._ids = {key: one for key, one in self._ids.items() if one not in numbers}
        return len(numbers)

    def names(self) -> list[Key]:
        """All series, in order."""
        with self._lock:
            keys = list(self._ids)
        return sorted(keys, key=lambda key: (key.name, key.node, key.label))

    def read(
        self, keys: Iterable[Key], start_ms: int, end_ms: int, now_ms: int, step: int = 0
    ) -> list[Series]:
        """Points of these series from `start_ms` to before `end_ms`.

        Takes the finest level that reaches back so far, and no finer than `step` (s) asks for or
        than gives too many points; coarser steps are multiples of it.
        """
        level, wide = choose(start_ms, end_ms, now_ms, step)
        ring = LEVELS[level]
        first, last = start_ms // 1000 // ring.step, -(-end_ms // 1000 // ring.step)
        # What the ring has not overwritten yet may still be older than it reaches.
        first = max(first, now_ms // 1000 // ring.step - ring.slots + 1)
        found = []
        with self._lock:
            for key in keys:
                number = self._ids.get(key)
                if number is not None:
                    rows = self._base.execute(
                        "SELECT slot, low, high, total, count FROM points WHERE series = ? AND "
                        "level = ? AND slot >= ? AND slot < ? ORDER BY slot",
                        (number, level, first, last),
                    ).fetchall()
                    found.append(Series(key, wide, merged(rows, ring.step, wide)))
        return found


def choose(start_ms: int, end_ms: int, now_ms: int, step: int) -> tuple[int, int]:
    """The level to read, and the step (s) of the answer."""
    back = (now_ms - start_ms) / 1000
    level = next((place for place, one in enumerate(LEVELS) if one.span >= back), len(LEVELS) - 1)
    span = max(0, end_ms - start_ms) // 1000
    wanted = max(step, LEVELS[level].step, -(-span // POINTS_MAX))
    while level + 1 < len(LEVELS) and LEVELS[level + 1].step <= wanted:
        level += 1
    base = LEVELS[level].step
    return level, -(-wanted // base) * base


def merged(
    rows: Sequence[tuple[int, float, float, float, int]], base: int, step: int
) -> tuple[Point, ...]:
    """Slots of `base` seconds as points of `step` seconds."""
    points: dict[int, list[tuple[float, float, float, int]]] = {}
    for slot, low, high, total, count in rows:
        points.setdefault(slot * base // step, []).append((low, high, total, count))
    return tuple(
        Point(
            place * step * 1000,
            min(low for low, _, _, _ in parts),
            sum(total for _, _, total, _ in parts) / sum(count for _, _, _, count in parts),
            max(high for _, high, _, _ in parts),
        )
        for place, parts in sorted(points.items())
    )
