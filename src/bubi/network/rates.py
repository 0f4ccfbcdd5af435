"""Token buckets: how fast something may happen. Pure; time (s) is given."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """So many per second, and so many at once."""

    per_second: float
    burst: float


class Bucket:
    """Tokens that fill up at a rate."""

    __slots__ = ("_last", "_rate", "_tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = rate.burst
        self._last = now

    def take(self, count: float, now: float) -> float:
        """Takes tokens that are owed if they are not there.

        Returns:
            How long (s) until nothing is owed; 0 if all were there.
        """
        rate = self._rate
        self._tokens = min(rate.burst, self._tokens + (now - self._last) * rate.per_second)
        self._last = now
        self._tokens -= count
        return max(0.0, -self._tokens / rate.per_second)

    def allow(self, now: float) -> bool:
        """Takes a token if there is one."""
        if self.take(0, now) > 0 or self._tokens < 1:
            return False
        self._tokens -= 1
        return True
