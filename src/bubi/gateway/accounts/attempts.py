"""How often somebody may try to log in. Pure.

Failures are counted per name and per address in a window; a success forgets those of the name.
Names that do not exist count as well, so that the limit tells nothing about them.
"""

from collections import OrderedDict, deque

WINDOW_MS = 300_000
FAILURES_OF_NAME = 5
FAILURES_OF_ADDRESS = 20
KEPT_MAX = 10_000


class Attempts:
    """See the module. Times in ms."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[int]] = OrderedDict()

    def wait_ms(self, name: str, address: str, now: int) -> int:
        """How long to wait before the next try; 0: go on."""
        return max(
            self._wait(f"name {name}", FAILURES_OF_NAME, now),
            self._wait(f"address {address}", FAILURES_OF_ADDRESS, now),
        )

    def failed(self, name: str, address: str, now: int) -> None:
        """A try failed."""
        for key, most in (
            (f"name {name}", FAILURES_OF_NAME),
            (f"address {address}", FAILURES_OF_ADDRESS),
        ):
            self._failures.setdefault(key, deque(maxlen=most)).append(now)
            self._failures.move_to_end(key)
        while len(self._failures) > KEPT_MAX:
            self._failures.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        """The newest try succeeded: it is none of the failures of its address."""
        self._failures.pop(f"name {name}", None)
        of_address = self._failures.get(f"address {address}")
        if of_address:
            of_address.pop()

    def _wait(self, key: str, most: int, now: int) -> int:
        times = self._failures.get(key)
        if times is None or len(times) < most:
            return 0
        return max(0, times[0] + WINDOW_MS - now)
