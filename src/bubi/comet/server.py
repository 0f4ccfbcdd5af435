"""The server side of ABCI over a local socket.

CometBFT opens four connections and waits on each for answers in the order of its requests. A
request that fails is answered with an exception and the connection is closed: CometBFT then
stops, and asks again from the start when it is started again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from bubi.comet import abci
from bubi.comet.abci import Request
from bubi.comet.protobuf import ProtobufError, bytes_field

log = logging.getLogger("bubi.comet")

REQUEST_BYTES_MAX: Final = 128 * 1_048_576
"""Longest request; CometBFT's largest block has 100 MiB."""
SOCKET_PATH_BYTES_MAX: Final = 100
CONNECTIONS_MAX: Final = 16

Handler = Callable[[Request], Awaitable[bytes]]


class Server:
    """See the module."""

    def __init__(self, path: Path, handle: Handler, failed: Callable[[Exception], None]) -> None:
        """`handle` gives the encoded answer; `failed` is told what it raised."""
        self._path = path
        self._handle = handle
        self._failed = failed
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._connections)

    async def start(self) -> None:
        """Listens.

        Raises:
            OSError: the socket cannot be made.
        """
        # What an earlier process left would refuse the new one.
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        self._path.chmod(0o600)

    async def stop(self) -> None:
        """Closes everything; CometBFT stops then."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._connections):
            writer.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= CONNECTIONS_MAX:
            writer.close()
            return
        self._connections.add(writer)
        try:
            while (data := await _read(reader)) is not None:
                writer.write(await self._answer(data))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, ProtobufError) as error:
            log.info("a connection of CometBFT ended: %s", error)
        except Exception as error:
            # Whatever it is: CometBFT hears it and stops, the node says it.
            text = str(error) or repr(error)
            writer.write(abci.encode_response("exception", bytes_field(1, text.encode())))
            self._failed(error)
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _answer(self, data: bytes) -> bytes:
        request = abci.decode_request(data)
        if request.name == "flush":
            return abci.encode_response("flush")
        if request.name == "echo":
            return abci.encode_response("echo", bytes_field(1, request.fields.data(1)))
        return abci.encode_response(request.name, await self._handle(request))


async def _read(reader: asyncio.StreamReader) -> bytes | None:
    """The next request; None at the end.

    Raises:
        ProtobufError, IncompleteReadError: its length is none, or it is cut.
    """
    length = 0
    for count in range(5):
        byte = await reader.read(1)
        if not byte:
            if count:
                raise ProtobufError("a request is cut")
            return None
        length |= (byte[0] & 0x7F) << (7 * count)
        if byte[0] < 0x80:
            break
    else:
        raise ProtobufError("the length of a request is too long")
    if length > REQUEST_BYTES_MAX:
        raise ProtobufError(f"a request of {length} bytes")
    return await reader.readexactly(length)
