"""A link that can be slow, frozen or cut, and a small HTTP proxy that knows CONNECT."""

import asyncio
import contextlib
import socket
from typing import Self

from bubi.network import Address
from tests.ports import free_port

PIECE = 16_384


class Relay:
    """Passes bytes on to an address, at most `rate` bytes per second in each direction.

    It connects from the IP address `source`, so that who is reached sees whom it came through.
    """

    def __init__(
        self, target: Address | None, rate: float | None = None, source: str = "127.0.0.1"
    ) -> None:
        self._target = target
        self._rate = rate
        self._source = source
        self.came_from: set[str] = set()
        """IP addresses of those who connected."""
        self.passed = 0
        """Bytes, in both directions."""
        self.address = Address("127.0.0.1", free_port())
        self.open = asyncio.Event()
        self.open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self.loop = asyncio.get_running_loop()
        # Small buffers: what stands in them would not stand in a link.
        listener = socket.create_server((self.address.host, self.address.port))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * PIECE)
        self._server = await asyncio.start_server(self._serve, sock=listener, limit=PIECE)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Ends all connections."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.came_from.add(writer.get_extra_info("peername")[0])
        with contextlib.suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            target = await self.meet(reader, writer)
            if target is not None:
                far = await asyncio.open_connection(
                    target.host, target.port, limit=PIECE, local_addr=(self._source, 0)
                )
                self._writers.add(far[1])
                near = far[1].get_extra_info("socket")
                near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * PIECE)
                await asyncio.gather(self._pump(reader, far[1]), self._pump(far[0], writer))
        writer.transport.abort()
        self._tasks.discard(task)

    async def meet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Address | None:
        """Where a new connection goes."""
        del reader, writer
        return self._target

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=PIECE)
        while data := await reader.read(PIECE):
            await self.open.wait()
            if self._rate:
                await asyncio.sleep(len(data) / self._rate)
            writer.write(data)
            self.passed += len(data)
            await writer.drain()
        writer.transport.abort()


class Proxy(Relay):
    """Goes where CONNECT says, if it is permitted.

    With `failure`, a status line, it says that it reached nobody, and keeps the connection open.
    """

    def __init__(self, permitted: set[str], source: str = "127.0.0.1") -> None:
        super().__init__(None, source=source)
        self.permitted = permitted
        self.failure = ""
        self.refused: list[str] = []
        self.asked: list[str] = []

    async def meet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Address | None:
        """Reads the request and answers it."""
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, place, _ = request.split("\r\n")[0].split(" ")
        if method != "CONNECT" or place not in self.permitted:
            writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            await writer.drain()
            return None
        if self.failure:
            self.refused.append(place)
            body = b"<html>nobody is there</html>"
            head = f"HTTP/1.1 {self.failure}\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await reader.read(1)
            return None
        self.asked.append(place)
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
        return Address.parse(place)
