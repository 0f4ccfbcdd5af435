"""How often somebody without a session may ask. Pure.

A bucket per address holds so many requests and fills again within a minute. Addresses of one IPv6
network are one; a site, whose holder has as many networks as he likes, has a bucket of its own.
Room is bounded: the bucket that was asked longest ago gives way, which is the fullest.
"""

from collections import OrderedDict

from bubi.gateway.accounts.attempts import origin

PERIOD_US = 60_000_000
SITE_FACTOR = 10
"""How many networks of one site may ask as much as they like at a time."""
KEPT_MAX = 100_000


class Buckets:
    """See the module. `size`: requests at once, and per minute. Times in ms.

    Kept are whole µs: with fractions a full bucket would now and then hold one request less.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._full_at: OrderedDict[str, int] = OrderedDict()
        """When a bucket will be full again; one that is missing is full."""

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, address: str, now: int) -> int:
        """Takes a request; how long to wait (ms) if there is none, 0 if it was taken."""
        network, site = origin(address)
        sizes = {network: self._size}
        if site is not None:
            sizes[site] = self._size * SITE_FACTOR
        # A request fills in again after its share of the period.
        full_at = {
            key: max(self._full_at.get(key, 0), now * 1_000) + PERIOD_US // size
            for key, size in sizes.items()
        }
        wait = max(full_at.values()) - now * 1_000 - PERIOD_US
        if wait > 0:
            return -(-wait // 1_000)
        for key, time in full_at.items():
            self._full_at[key] = time
            self._full_at.move_to_end(key)
        while len(self._full_at) > KEPT_MAX:
            self._full_at.popitem(last=False)
        return 0
