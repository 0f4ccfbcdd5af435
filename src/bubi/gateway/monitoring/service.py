"""The part of the gateway that watches: polls, keeps series, lets the alarms look."""

import asyncio
import logging
import statistics
import time
from collections.abc import Callable, Iterator
from typing import cast

from starlette.requests import Request

from bubi.gateway.alarms.machine import Reading
from bubi.gateway.alarms.readings import KnownClients, readings
from bubi.gateway.alarms.service import Alarms
from bubi.gateway.monitoring.catalogue import samples
from bubi.gateway.monitoring.poller import Poller
from bubi.gateway.series.store import Key, SeriesStore
from bubi.gateway.service import gateway_of

log = logging.getLogger("bubi.gateway.monitoring")

LOOK_SECONDS = 2.0
MEASURE_SECONDS = 5.0
LEDGER_SECONDS = 15.0
"""How often the index is looked at."""
MEDIAN_SECONDS = 900.0
"""How often the usual round trips are worked out anew."""
USUAL_POINTS_MIN = 60
DAY_MS = 86_400_000


class Monitor:
    """See the module. `ledger` tells what the index shows at a node's height; it may block."""

    def __init__(
        self,
        poller: Poller,
        series: SeriesStore,
        alarms: Alarms,
        clock: Callable[[], int],
        ledger: Callable[[int], list[Reading]] = lambda _height: [],
        clients: KnownClients | None = None,
    ) -> None:
        self.poller = poller
        self.series = series
        self.alarms = alarms
        self.clock = clock
        self._ledger = ledger
        self._clients = clients
        self._usual: dict[tuple[str, str], float] = {}

    async def run(self) -> None:
        """Watches for ever."""
        telling = asyncio.create_task(self.alarms.run())
        measured = usual = read = -1e9
        try:
            while True:
                started = time.monotonic()
                await self.poller.look()
                if started - usual >= MEDIAN_SECONDS:
                    usual = started
                    self._usual = await asyncio.to_thread(self._medians)
                    await asyncio.to_thread(self.series.forget_old, self.clock())
                if started - measured >= MEASURE_SECONDS - LOOK_SECONDS / 2:
                    measured = started
                    await self.measure()
                self.alarms.observe(self.readings())
                if started - read >= LEDGER_SECONDS:
                    read = started
                    self.alarms.observe(await asyncio.to_thread(self._ledger, int(self.height())))
                await asyncio.sleep(max(0.0, started + LOOK_SECONDS - time.monotonic()))
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            await self.poller.close()

    def readings(self) -> Iterator[Reading]:
        """What the rules look at now, of the nodes."""
        return readings(self.poller.nodes, self.clock(), self._usual_rtt, self._clients)

    async def measure(self) -> None:
        """Asks for the metrics and keeps them."""
        await self.poller.measure()
        found: list[tuple[Key, float]] = []
        for name, node in self.poller.nodes.items():
            if node.newest is not None:
                found += samples(name, node.before, node.newest)
            found.append((Key("reachable", name), float(node.reachable)))
        await asyncio.to_thread(self.series.add, found, self.clock())

    def height(self) -> str:
        """Newest height that any node told."""
        heights = [int(node.health.get("height") or 0) for node in self.poller.nodes.values()]
        return str(max(heights, default=0))

    def _usual_rtt(self, node: str, peer: str) -> float | None:
        return self._usual.get((node, peer))

    def _medians(self) -> dict[tuple[str, str], float]:
        now = self.clock()
        keys = [key for key in self.series.names() if key.name == "rtt_seconds"]
        found = self.series.read(keys, now - DAY_MS, now, now, 60)
        return {
            (one.key.node, one.key.label): statistics.median(point.mean for point in one.points)
            for one in found
            if len(one.points) >= USUAL_POINTS_MIN
        }


def monitor_of(request: Request) -> Monitor:
    """The monitor behind this request."""
    return cast(Monitor, gateway_of(request).monitor)
