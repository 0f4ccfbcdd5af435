"""The machine that a node runs on, and the node's process."""

import asyncio
import contextlib
import logging
import os
import resource
import secrets
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from bubi.node.metrics import HostMetrics

log = logging.getLogger("bubi.host")

LOOK_SECONDS = 5.0
PROBE_EVERY = 3
"""A sync of a few bytes is timed with every third look: an idle node would show none."""
HISTORY_LOOKS = 720
"""Looks at the free space that the pace is taken from: an hour."""
PACE_SECONDS_MIN = 60.0
FILL_SECONDS_MAX = 10 * 365 * 86_400.0
"""Longer than this is shown as this: the disk does not fill."""


@dataclass(frozen=True, slots=True)
class HostFigures:
    """A moment of the machine. Bytes, seconds, shares from 0 to 1; times in ms since 1970."""

    time: int
    cpu_ratio: float
    cores: int
    load1: float
    memory_total: int
    memory_available: int
    disk_total: int
    disk_free: int
    disk_fill_seconds: float
    fsync_seconds: float | None
    network_received: int
    network_sent: int
    process_cpu_seconds: float
    process_resident_bytes: int
    open_files: int
    open_files_limit: int
    started: int

    def document(self) -> dict[str, Any]:
        """As JSON; 64-bit numbers as decimal strings."""
        return {
            name: str(value) if isinstance(value, int) and name != "cores" else value
            for name, value in asdict(self).items()
        }


def fill_seconds(readings: Sequence[tuple[float, int]]) -> float:
    """Seconds until the disk is full at the pace of these (time, free bytes) readings.

    The pace is the slope of a straight line through all of them, so that one big file does not
    decide it.
    """
    span = readings[-1][0] - readings[0][0] if readings else 0.0
    if span < PACE_SECONDS_MIN:
        return FILL_SECONDS_MAX
    middle_time = sum(at for at, _ in readings) / len(readings)
    middle_free = sum(free for _, free in readings) / len(readings)
    spread = sum((at - middle_time) ** 2 for at, _ in readings)
    slope = sum((at - middle_time) * (free - middle_free) for at, free in readings) / spread
    if slope >= 0:
        return FILL_SECONDS_MAX
    return min(FILL_SECONDS_MAX, readings[-1][1] / -slope)


class HostMeter:
    """Looks at the machine every few seconds. `folder` is where the ledger is."""

    def __init__(self, folder: Path, metrics: HostMetrics) -> None:
        self._folder = folder
        self._metrics = metrics
        self._process = psutil.Process()
        self._free: deque[tuple[float, int]] = deque(maxlen=HISTORY_LOOKS)
        self._fsync: float | None = None
        self._figures: HostFigures | None = None
        psutil.cpu_percent()  # the first reading only sets the start

    @property
    def figures(self) -> HostFigures:
        """The newest look."""
        return self._figures or self.look()

    async def run(self) -> None:
        """Looks for ever."""
        looks = 0
        while True:
            if looks % PROBE_EVERY == 0:
                await asyncio.to_thread(self.probe)
            await asyncio.to_thread(self.look)
            looks += 1
            await asyncio.sleep(LOOK_SECONDS)

    def probe(self) -> None:
        """Times a sync of a small file beside the ledger."""
        path = self._folder / f".probe-{os.getpid()}"
        try:
            started = time.perf_counter()
            with path.open("wb") as file:
                file.write(secrets.token_bytes(512))
                file.flush()
                os.fsync(file.fileno())
            self._fsync = time.perf_counter() - started
            self._metrics.fsync.labels("probe").observe(self._fsync)
        except OSError as error:
            # A full or failed disk; the ledger's own writes tell that with the cure.
            log.warning("the disk could not be probed: %s", error)
            self._fsync = None
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def look(self) -> HostFigures:
        """Measures everything and fills the metrics."""
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(str(self._folder))
        traffic = psutil.net_io_counters()
        self._free.append((time.monotonic(), disk.free))
        with self._process.oneshot():
            times = self._process.cpu_times()
            resident = self._process.memory_info().rss
            files = self._process.num_fds()
            started = self._process.create_time()
        self._figures = HostFigures(
            time=time.time_ns() // 1_000_000,
            cpu_ratio=psutil.cpu_percent() / 100,
            cores=psutil.cpu_count() or 1,
            load1=psutil.getloadavg()[0],
            memory_total=memory.total,
            memory_available=memory.available,
            disk_total=disk.total,
            disk_free=disk.free,
            disk_fill_seconds=fill_seconds(self._free),
            fsync_seconds=self._fsync,
            network_received=traffic.bytes_recv if traffic else 0,
            network_sent=traffic.bytes_sent if traffic else 0,
            process_cpu_seconds=times.user + times.system,
            process_resident_bytes=resident,
            open_files=files,
            open_files_limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            started=int(started * 1000),
        )
        self._fill(self._figures)
        return self._figures

    def _fill(self, figures: HostFigures) -> None:
        metrics = self._metrics
        metrics.cpu.set(figures.cpu_ratio)
        metrics.load.set(figures.load1)
        metrics.memory.labels("total").set(figures.memory_total)
        metrics.memory.labels("available").set(figures.memory_available)
        metrics.disk.labels("total").set(figures.disk_total)
        metrics.disk.labels("free").set(figures.disk_free)
        metrics.fill.set(figures.disk_fill_seconds)
        metrics.traffic.labels("in").set(figures.network_received)
        metrics.traffic.labels("out").set(figures.network_sent)
        metrics.process_cpu.set(figures.process_cpu_seconds)
        metrics.resident.set(figures.process_resident_bytes)
        metrics.files.set(figures.open_files)
        metrics.files_limit.set(figures.open_files_limit)
        metrics.started.set(figures.started / 1000)
