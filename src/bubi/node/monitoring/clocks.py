"""Clocks of the peers against this node's, from the time that their statuses carry. Pure.

A status that waited on its way makes the peer's clock look late, never early, so of the last few
readings the largest is taken.
"""

import statistics
from collections import deque
from collections.abc import Mapping

READINGS = 4
"""Newest readings of a peer that are looked at."""


class Clocks:
    """See the module. Times in ms; offsets in seconds, positive where the peer is ahead."""

    def __init__(self) -> None:
        self._readings: dict[bytes, deque[float]] = {}

    def heard(self, peer: bytes, told_ms: int, now_ms: int, round_trip: float | None) -> None:
        """A status came directly from the peer that made it."""
        offset = (told_ms - now_ms) / 1000 + (round_trip or 0.0) / 2
        self._readings.setdefault(peer, deque(maxlen=READINGS)).append(offset)

    def forget(self, peer: bytes) -> None:
        """The connection ended."""
        self._readings.pop(peer, None)

    def offsets(self) -> Mapping[bytes, float]:
        """Offset of each peer that was heard."""
        return {peer: max(readings) for peer, readings in self._readings.items()}

    def median(self) -> float | None:
        """Median offset: far from zero it is this node's clock that is wrong; None: no peer."""
        offsets = self.offsets().values()
        return statistics.median(offsets) if offsets else None
