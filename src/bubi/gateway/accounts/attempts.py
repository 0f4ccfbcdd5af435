"""How often somebody may try to log in. Pure.

Failures are counted in a window per name at an address, per address, and per site: an IPv6 prefix
whose holder has as many networks as he likes. A success forgets those of the name there. What
fails elsewhere does not count: else anybody who knows a name could keep its owner out from
anywhere. Names that do not exist count as well, so that the limit tells nothing about them.

Room is bounded, and the oldest give way. What somebody can make many of (names, networks of one
site) takes no room from what he cannot: the counts of IPv4 addresses and of sites, which bound
the others.
"""

import ipaddress
from collections import OrderedDict

WINDOW_MS = 300_000
FAILURES_OF_NAME = 5
FAILURES_OF_ADDRESS = 20
FAILURES_OF_SITE = 100
NARROW_MAX = 50_000
"""Names at addresses, and IPv6 networks, that are counted at a time."""
WIDE_MAX = 100_000
"""IPv4 addresses and sites: more than there are sites in a /32, which is what a provider has."""
NETWORK_BITS = 64
"""Of an IPv6 address: whoever has one has all that begin like it (RFC 6177)."""
SITE_BITS = 48
"""Of an IPv6 address: who has a site has 65,536 networks (RFC 6177)."""

Key = tuple[str, str | None]


class _Failures:
    """When something failed, by key; which key failed last stands last. Times in ms."""

    def __init__(self, kept_max: int) -> None:
        self._kept_max = kept_max
        self._times: OrderedDict[Key, list[int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._times)

    def add(self, key: Key, most: int, now: int) -> None:
        """One more; only the newest `most` count."""
        times = self._times.setdefault(key, [])
        times.append(now)
        del times[:-most]
        self._times.move_to_end(key)
        self._make_room(now)

    def _make_room(self, now: int) -> None:
        while self._times:
            newest = next(iter(self._times.values()))[-1]
            if len(self._times) <= self._kept_max and newest + WINDOW_MS > now:
                return
            self._times.popitem(last=False)

    def take_back(self, key: Key) -> None:
        """The newest was none."""
        times = self._times.get(key)
        if times is None:
            return
        times.pop()
        if not times:
            del self._times[key]

    def forget(self, key: Key) -> None:
        """None of them counts any more."""
        self._times.pop(key, None)

    def wait_ms(self, key: Key, most: int, now: int) -> int:
        """How long until one more may be tried."""
        times = self._times.get(key)
        if times is None or len(times) < most:
            return 0
        return max(0, times[0] + WINDOW_MS - now)


Count = tuple[_Failures, Key, int]
"""Where a failure counts, as what, and how many there may be."""


class Attempts:
    """See the module. Times in ms."""

    def __init__(self) -> None:
        self._narrow = _Failures(NARROW_MAX)
        self._wide = _Failures(WIDE_MAX)

    def wait_ms(self, name: str, address: str, now: int) -> int:
        """How long to wait before the next try; 0: go on."""
        return max(
            failures.wait_ms(key, most, now) for failures, key, most in self._counts(name, address)
        )

    def failed(self, name: str, address: str, now: int) -> None:
        """A try failed."""
        for failures, key, most in self._counts(name, address):
            failures.add(key, most, now)

    def succeeded(self, name: str, address: str) -> None:
        """The newest try succeeded: it is none of the failures of its address."""
        of_name, *others = self._counts(name, address)
        of_name[0].forget(of_name[1])
        for failures, key, _ in others:
            failures.take_back(key)

    def _counts(self, name: str, address: str) -> list[Count]:
        """What a try counts for; that of its name first."""
        network, site = origin(address)
        of_name = (self._narrow, (network, name), FAILURES_OF_NAME)
        if site is None:
            return [of_name, (self._wide, (network, None), FAILURES_OF_ADDRESS)]
        return [
            of_name,
            (self._narrow, (network, None), FAILURES_OF_ADDRESS),
            (self._wide, (site, None), FAILURES_OF_SITE),
        ]


def origin(address: str) -> tuple[str, str | None]:
    """What one owner of addresses cannot change at will; of IPv6, network and site."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address, None
    if not isinstance(found, ipaddress.IPv6Address):
        return str(found), None
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped), None
    network, site = (
        str(ipaddress.ip_network((found, bits), strict=False))
        for bits in (NETWORK_BITS, SITE_BITS)
    )
    return network, site
