"""A relay that makes links slow, for `bubi bench network --delay`: a process of its own.

Standard input has one JSON object: `delay` (s, each way) and `targets`, ports of loopback. The
relay listens on a port for each of them, prints these as one JSON list, and passes bytes on until
standard input ends. A connection refused behind it is closed in front of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from functools import partial
from typing import Final

LOOPBACK: Final = "127.0.0.1"
QUEUE_BYTES_MAX: Final = 32 * 1_048_576
"""On its way in one direction; above it the sender is stopped."""


class _End(asyncio.Protocol):
    """One end of a connection: what arrives here leaves at the other end when it is due."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.other: _End | None = None
        self.transport: asyncio.Transport | None = None
        self._queue: deque[tuple[float, bytes]] = deque()
        self._bytes = 0
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # uvloop's has no common class

    def data_received(self, data: bytes) -> None:
        self._append(data)
        self._bytes += len(data)
        if self._bytes > QUEUE_BYTES_MAX and not self._paused and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()

    def _append(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._queue.append((loop.time() + self.delay, data))
        if len(self._queue) == 1:
            loop.call_later(self.delay, self._deliver)

    def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._queue and self._queue[0][0] <= now:
            _, data = self._queue.popleft()
            self._bytes -= len(data)
            self._pass_on(data)
        if self._queue:
            loop.call_at(self._queue[0][0], self._deliver)
        if self._paused and self._bytes < QUEUE_BYTES_MAX // 2 and self.transport is not None:
            self._paused = False
            self.transport.resume_reading()

    def _pass_on(self, data: bytes) -> None:
        far = None if self.other is None else self.other.transport
        if far is None or far.is_closing():
            return
        if data:
            far.write(data)
        else:
            far.close()

    def connection_lost(self, exc: Exception | None) -> None:
        # The end is on its way as long as the bytes before it.
        self._paused = False
        self._append(b"")


class _Front(_End):
    """The end towards whoever dials; the connection behind it is opened first."""

    def __init__(self, delay: float, target: int) -> None:
        super().__init__(delay)
        self._target = target
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        self.transport.pause_reading()
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        assert self.transport is not None
        try:
            _, back = await loop.create_connection(
                lambda: _End(self.delay), LOOPBACK, self._target
            )
        except OSError:
            self.transport.abort()
            return
        self.other, back.other = back, self
        self.transport.resume_reading()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    plan = json.loads(sys.stdin.readline())
    ports = []
    servers = []
    for target in plan["targets"]:
        front = partial(_Front, plan["delay"], target)
        server = await loop.create_server(front, LOOPBACK, 0)
        servers.append(server)
        ports.append(server.sockets[0].getsockname()[1])
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    for server in servers:
        server.close()


def main() -> None:
    """Entry of the process."""
    try:
        import uvloop  # noqa: PLC0415 - optional: there are machines without wheels for it
    except ImportError:
        asyncio.run(_serve())
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())


if __name__ == "__main__":
    main()
