"""A node with a valid certificate that says to others whatever it likes."""

import asyncio
import contextlib
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network import wait_for

from bubi import messages
from bubi.encoding import EncodingError
from bubi.messages import BlocksRequest, PeerMessage, Status
from bubi.network import certificates as x509
from bubi.network import transport
from bubi.network.channels import Incoming, Item
from bubi.network.frames import ESTABLISHED_LIMITS, Decoder, FrameKind, ViolationError, encode
from bubi.network.handshake import Hello, decode_close, encode_accept, encode_hello
from bubi.node.certificates import issue, read_authority, read_certificate, to_der

PATIENCE = 120.0
MESSAGE_KIND = 0


@dataclass(frozen=True)
class Place:
    """The network to break into: its chain, authorities, and where a node listens."""

    chain: bytes
    authorities: tuple[x509.Authority, ...]
    issuer: Path
    port: int


class Intruder:
    """One identity with one connection."""

    def __init__(
        self,
        place: Place,
        folder: Path,
        name: str,
        look: Callable[[str], dict[str, Any]],
        height: Callable[[], int],
    ) -> None:
        """`look` gives what the victim says of a node of this name, `height` how high it is."""
        self._look, self._height = look, height
        folder.mkdir()
        issue(folder, read_authority(place.issuer), name)
        certificate, key = folder / "cert.pem", folder / "key.pem"
        self._contexts = transport.contexts(
            place.authorities, certificate.read_bytes(), key.read_bytes()
        )
        own = x509.check(to_der(read_certificate(certificate)), place.authorities)
        self.id, self.name, self.organisation = own.node, own.name, own.organisation
        self._place = place
        self._hello = Hello(
            place.chain, own.node, os.urandom(16), 1, 1, own.name, own.organisation, None
        )
        self._decoder = Decoder({**ESTABLISHED_LIMITS, 1: 1_024, 2: 4})
        self._incoming = Incoming()
        self._sequence = 0
        self.accepted = asyncio.Event()
        self.heard: asyncio.Queue[PeerMessage | None] = asyncio.Queue()
        self.closed_with = ""

    async def connect(self) -> None:
        """TLS and the handshake of frames; from then on it answers pings."""
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._place.port, ssl=self._contexts.outside, server_hostname=""
        )
        self.say(FrameKind.HELLO, encode_hello(self._hello))
        self.say(FrameKind.ACCEPT, encode_accept(1))
        self._listening = asyncio.ensure_future(self._listen())
        async with asyncio.timeout(PATIENCE):
            await self.accepted.wait()

    def say(self, kind: int, payload: bytes) -> None:
        """A frame."""
        self.raw(encode(FrameKind(kind), payload))

    def raw(self, data: bytes) -> None:
        """Bytes."""
        with contextlib.suppress(OSError):
            self._writer.write(data)

    def tell(self, message: PeerMessage) -> None:
        """A message as a node would send it."""
        item = Item(messages.priority(message), MESSAGE_KIND, messages.encode(message))
        assert item.frame is not None, "longer than one frame"
        self.raw(item.frame)

    def claim(self, height: int) -> None:
        """Says that it has this height."""
        self._sequence += 1
        self.tell(
            Status(
                self.id, self.name, self.organisation, None, self._sequence,
                time.time_ns() // 1_000_000, height, bytes(32), bytes(32), 0, 0, 100, (),
            )
        )  # fmt: skip

    async def seen(self) -> dict[str, Any]:
        """What the victim's peers say of this node."""
        return await asyncio.to_thread(self._look, self.name)

    async def noticed(self) -> None:
        """Waits until the victim counts a misdeed against this node."""
        await asyncio.to_thread(wait_for, lambda: self._look(self.name)["misdeeds"])

    async def victim_height(self) -> int:
        """The victim's height."""
        return await asyncio.to_thread(self._height)

    async def fetch(self, height: int) -> messages.BlockParts:
        """A decided block, as the victim gives it to everybody."""
        self.tell(BlocksRequest(height, height, height))
        async with asyncio.timeout(PATIENCE):
            while True:
                message = await self._next()
                if isinstance(message, messages.Blocks) and message.blocks:
                    return message.blocks[0]

    async def asked(self) -> BlocksRequest:
        """The next request for blocks.

        Raises:
            ConnectionError: the victim has ended the connection.
        """
        async with asyncio.timeout(PATIENCE):
            while True:
                message = await self._next()
                if isinstance(message, BlocksRequest):
                    return message

    async def _next(self) -> PeerMessage:
        message = await self.heard.get()
        if message is None:
            raise ConnectionError
        return message

    async def gone(self) -> None:
        """Waits until the victim has ended the connection."""
        async with asyncio.timeout(PATIENCE):
            await self._listening

    async def close(self) -> None:
        """Ends it."""
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _listen(self) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            while data := await self._reader.read(65_536):
                self._decoder.push(data)
                for kind, payload in self._decoder.frames():
                    self._frame(kind, payload)
        self.heard.put_nowait(None)

    def _frame(self, kind: int, payload: bytes) -> None:
        if kind == FrameKind.PING:
            self.say(FrameKind.PONG, payload)
        elif kind == FrameKind.CLOSE:
            self.closed_with = decode_close(payload)
        elif kind == FrameKind.ACCEPT:
            self.accepted.set()
        elif kind >= FrameKind.WHOLE:
            with contextlib.suppress(ViolationError, EncodingError):
                self._message(kind, payload)

    def _message(self, kind: int, payload: bytes) -> None:
        taken = self._incoming.take(kind, payload)
        if taken is None:
            return
        priority, _, data = taken
        window = self._incoming.release(priority, len(data))
        if window is not None:
            self.raw(window)
        message = messages.decode(data)
        self.heard.put_nowait(message)
