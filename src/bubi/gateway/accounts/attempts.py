"""How often somebody may try to log in. Pure.

Failures are counted in a window per name at an address, and per address; a success forgets those
of the name there. What fails elsewhere does not count: else anybody who knows a name could keep
its owner out from anywhere. Names that do not exist count as well, so that the limit tells nothing
about them.
"""

import ipaddress
from collections import OrderedDict, deque

WINDOW_MS = 300_000
FAILURES_OF_NAME = 5
FAILURES_OF_ADDRESS = 20
KEPT_MAX = 10_000
NETWORK_BITS = 64
"""Of an IPv6 address: whoever has one has all that begin like it (RFC 6177)."""

Key = tuple[str, str | None]


class Attempts:
    """See the module. Times in ms."""

    def __init__(self) -> None:
        self._failures: OrderedDict[Key, deque[int]] = OrderedDict()

    def wait_ms(self, name: str, address: str, now: int) -> int:
        """How long to wait before the next try; 0: go on."""
        return max(self._wait(key, most, now) for key, most in _counted(name, address))

    def failed(self, name: str, address: str, now: int) -> None:
        """A try failed."""
        for key, most in _counted(name, address):
            self._failures.setdefault(key, deque(maxlen=most)).append(now)
            self._failures.move_to_end(key)
        while len(self._failures) > KEPT_MAX:
            self._failures.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        """The newest try succeeded: it is none of the failures of its address."""
        of_name, of_address = (key for key, _ in _counted(name, address))
        self._failures.pop(of_name, None)
        times = self._failures.get(of_address)
        if times:
            times.pop()

    def _wait(self, key: Key, most: int, now: int) -> int:
        times = self._failures.get(key)
        if times is None or len(times) < most:
            return 0
        return max(0, times[0] + WINDOW_MS - now)


def _counted(name: str, address: str) -> tuple[tuple[Key, int], tuple[Key, int]]:
    """What a try counts for, each with its limit."""
    origin = _origin(address)
    return ((origin, name), FAILURES_OF_NAME), ((origin, None), FAILURES_OF_ADDRESS)


def _origin(address: str) -> str:
    """What one owner of addresses cannot change at will."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, ipaddress.IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, NETWORK_BITS), strict=False))
