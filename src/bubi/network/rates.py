"""Token buckets: how fast something may happen. Pure; time (s) is given."""

from collections.abc import Hashable
from dataclasses import dataclass

REPEATS_MAX = 1_024
REPEATS_SECONDS = 60.0


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


SAYINGS = Rate(2, 64)


class Repeats:
    """Lets each thing be said once in a while, and all together not too often.

    What is said concerns others, who may do it without end.
    """

    def __init__(self) -> None:
        self._said: dict[Hashable, tuple[float, int]] = {}
        self._bucket: Bucket | None = None

    def say(self, key: Hashable, now: float) -> int | None:
        """Whether to say it now.

        Returns:
            How often it was kept back since it was said last; None: it is kept back now.
        """
        self._bucket = self._bucket or Bucket(SAYINGS, now)
        last, kept_back = self._said.pop(key, (now - REPEATS_SECONDS, 0))
        quiet = now - last < REPEATS_SECONDS or not self._bucket.allow(now)
        self._said[key] = (last, kept_back + 1) if quiet else (now, 0)
        if len(self._said) > REPEATS_MAX:
            del self._said[next(iter(self._said))]
        return None if quiet else kept_back
