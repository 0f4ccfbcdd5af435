"""A peer with a valid certificate that does what it likes, and honest traffic beside it."""

import asyncio
import contextlib
import os
import ssl
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Self

from bubi.messages import Priority
from bubi.network import certificates as x509
from bubi.network import transport
from bubi.network.frames import ESTABLISHED_LIMITS, Decoder, FrameKind, encode
from bubi.network.handshake import Hello, decode_close, encode_accept, encode_hello

from .world import CHAIN, Node, World, until

VOTE = 77
PATIENCE = 60.0
PROCESSOR_MAX = 2.0
"""Seconds of processor that may pass between a vote and its arrival."""


class Hostile:
    """Speaks frames by hand."""

    def __init__(self, world: World, name: str = "hostile") -> None:
        settings = world.settings(name, listening=False)
        certificate, key = settings.certificate.read_bytes(), settings.key.read_bytes()
        self._contexts = transport.contexts(world.authorities, certificate, key)
        own = x509.check(x509.der(certificate), world.authorities)
        self.id = own.node
        self.hello = Hello(CHAIN, own.node, os.urandom(16), 1, 1, own.name, own.organisation, None)
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter
        self._decoder = Decoder({**ESTABLISHED_LIMITS, 1: 1_024, 2: 4})
        self._answering: asyncio.Task[None] | None = None
        self.closed_with = ""

    async def connect(self, victim: Node, source: str = "127.0.0.2") -> Self:
        """TLS, nothing else."""
        assert victim.address is not None
        self._decoder = Decoder({**ESTABLISHED_LIMITS, 1: 1_024, 2: 4})
        self.reader, self.writer = await asyncio.open_connection(
            victim.address.host,
            victim.address.port,
            ssl=self._contexts.outside,
            server_hostname="",
            local_addr=(source, 0),
            limit=2**20,
        )
        return self

    async def greet(self, victim: Node, **changes: Any) -> Self:
        """TLS and the handshake of frames."""
        await self.connect(victim)
        self.hello = replace(self.hello, serial=self.hello.serial + 1)
        self.say(FrameKind.HELLO, encode_hello(replace(self.hello, **changes)))
        self.say(FrameKind.ACCEPT, encode_accept(1))
        await until(lambda: self.id in victim.network.peers)
        return self

    def say(self, kind: int, payload: bytes) -> None:
        """A frame."""
        self.raw(encode(FrameKind(kind), payload))

    def raw(self, data: bytes) -> None:
        """Bytes."""
        with contextlib.suppress(OSError):
            self.writer.write(data)

    def answer(self) -> None:
        """From now on it reads, and answers pings as it should."""
        self._answering = asyncio.ensure_future(self._answer())

    async def _answer(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self.reader.read(65_536):
                self._decoder.push(data)
                for kind, payload in self._decoder.frames():
                    if kind == FrameKind.PING:
                        self.say(FrameKind.PONG, payload)
                    elif kind == FrameKind.CLOSE:
                        self.closed_with = decode_close(payload)

    async def gone(self) -> None:
        """Waits until the victim has ended the connection."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                if self._answering is not None:
                    await self._answering
                else:
                    await self._answer()

    async def close(self) -> None:
        """Ends it."""
        if self._answering is not None:
            self._answering.cancel()
            await asyncio.gather(self._answering, return_exceptions=True)
        if hasattr(self, "writer"):
            self.writer.transport.abort()
            with contextlib.suppress(OSError, ssl.SSLError):
                await self.writer.wait_closed()


class Beacon:
    """A friend that sends the victim a vote every few milliseconds, and measures.

    Friend, victim and attacker share a process: what a vote costs is its processor time until the
    vote is there. Other work on the machine makes that no longer, and the wall clock is asked
    for what no slow machine explains.
    """

    def __init__(self, friend: Node, victim: Node) -> None:
        self._friend, self._victim = friend, victim
        self.sent: list[tuple[float, float]] = []

    async def run(self) -> None:
        """Sends for ever."""
        while True:
            number = len(self.sent).to_bytes(4, "little")
            self.sent.append((time.process_time(), time.perf_counter()))
            self._friend.network.send([self._victim.id], VOTE, number, Priority.VOTES)
            await asyncio.sleep(0.01)

    def delays(self) -> list[tuple[float, float]]:
        """Seconds of processor and wall that each vote took; infinite if it did not come."""
        host = self._victim.host
        never = (float("inf"), float("inf"))
        arrived = {
            int.from_bytes(payload, "little"): (used, when)
            for (peer, kind, payload), (_, _, used, when) in zip(
                host.messages, host.arrivals, strict=True
            )
            if peer == self._friend.id and kind == VOTE
        }
        pairs = [(arrived.get(number, never), start) for number, start in enumerate(self.sent)]
        return [(ended[0] - begun[0], ended[1] - begun[1]) for ended, begun in pairs]


@asynccontextmanager
async def undisturbed(friend: Node, victim: Node) -> AsyncIterator[Beacon]:
    """Whatever happens inside, the friend's votes arrive in time and it stays connected."""
    beacon = Beacon(friend, victim)
    sending = asyncio.ensure_future(beacon.run())
    try:
        await asyncio.sleep(0.05)
        yield beacon
        await asyncio.sleep(0.05)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    await until(lambda: max(beacon.delays())[0] < float("inf"))
    delays = beacon.delays()
    assert max(used for used, _ in delays) < PROCESSOR_MAX, sorted(delays)[-5:]
    assert max(passed for _, passed in delays) < PATIENCE, sorted(delays)[-5:]
    assert friend.host.reasons(victim.id) == []
    assert victim.host.reasons(friend.id) == []


async def several(*work: Coroutine[Any, Any, Any]) -> None:
    """Runs all, ignoring connections that end."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        assert result is None or isinstance(result, OSError | asyncio.TimeoutError), result
