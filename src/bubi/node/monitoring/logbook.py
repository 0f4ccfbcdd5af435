"""The newest lines of the log, in memory, for the operator listener."""

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bubi.node.metrics import HostMetrics

LINES_KEPT = 5_000
TEXT_MAX = 4_000
LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `number` ascends without gaps since the start of the process."""

    number: int
    time_ms: int
    level: str
    part: str
    text: str

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "number": str(self.number),
            "time": str(self.time_ms),
            "level": self.level,
            "part": self.part,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines are wanted: from a level up, of a part of the node, with a text in them."""

    level: str = "debug"
    part: str = ""
    contains: str = ""
    before: int | None = None
    after: int | None = None

    def takes(self, line: Line) -> bool:
        """Whether a line is wanted."""
        return (
            LEVELS.index(line.level) >= LEVELS.index(self.level)
            and line.part.startswith(self.part)
            and self.contains.lower() in line.text.lower()
            and (self.before is None or line.number < self.before)
            and (self.after is None or line.number > self.after)
        )


class Logbook(logging.Handler):
    """Keeps the newest lines; older ones are in the node's log file."""

    def __init__(self, metrics: HostMetrics, kept: int = LINES_KEPT) -> None:
        super().__init__()
        self._metrics = metrics
        self._lines: deque[Line] = deque(maxlen=kept)
        self._count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a record. The caller holds this handler's lock."""
        level = record.levelname.lower()
        level = level if level in LEVELS else "info"
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f": {record.exc_info[1]!r}"
        self._count += 1
        line = Line(self._count, int(record.created * 1000), level, record.name, text[:TEXT_MAX])
        self._lines.append(line)
        self._metrics.lines.labels(level).inc()

    def tail(self, wanted: Filter, limit: int) -> list[Line]:
        """The newest lines that fit, newest first."""
        self.acquire()
        try:
            lines = list(self._lines)
        finally:
            self.release()
        return list(islice(self._matching(lines, wanted), limit))

    @staticmethod
    def _matching(lines: list[Line], wanted: Filter) -> Iterator[Line]:
        return (line for line in reversed(lines) if wanted.takes(line))
