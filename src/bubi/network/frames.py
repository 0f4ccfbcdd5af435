"""Frames: how bytes on a connection are cut into pieces with a kind. Pure.

A frame is a length (u32, little-endian: bytes of the payload), a kind (u8) and the payload. Every
kind has a hard limit, checked when the five bytes of the header are there, before anything is
stored. Messages of the host above one chunk travel in several frames, so that a long one never
delays a vote (`channels.py`). The page is spec/network.md.
"""

import struct
from collections.abc import Iterator, Mapping
from enum import IntEnum

HEADER = struct.Struct("<IB")
HEADER_BYTES = HEADER.size

CHUNK_BYTES_MAX = 65_536
"""Largest payload of a frame that carries (part of) a message."""


class FrameKind(IntEnum):
    """What a frame is."""

    HELLO = 1
    ACCEPT = 2
    CLOSE = 3
    PING = 4
    PONG = 5
    NEIGHBOURS = 6
    WINDOW = 7
    WHOLE = 8
    FIRST = 9
    NEXT = 10


HANDSHAKE_LIMITS: Mapping[int, int] = {
    FrameKind.HELLO: 1_024,
    FrameKind.ACCEPT: 4,
    FrameKind.CLOSE: 65,
}
"""Largest payloads before both sides have accepted; other kinds are refused."""

ESTABLISHED_LIMITS: Mapping[int, int] = {
    FrameKind.CLOSE: 65,
    FrameKind.PING: 8,
    FrameKind.PONG: 8,
    FrameKind.NEIGHBOURS: 16_384,
    FrameKind.WINDOW: 5,
    FrameKind.WHOLE: CHUNK_BYTES_MAX,
    FrameKind.FIRST: CHUNK_BYTES_MAX,
    FrameKind.NEXT: CHUNK_BYTES_MAX,
}
"""Largest payloads afterwards; a second HELLO is refused."""


class ViolationError(Exception):
    """The peer broke the protocol; `reason` is a stable code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def encode(kind: FrameKind, payload: bytes) -> bytes:
    """One frame."""
    return HEADER.pack(len(payload), kind) + payload


class Decoder:
    """Takes bytes as they come and gives back frames.

    It never holds more than one incomplete frame beside the bytes of one call. `limits` may be
    changed between two frames: the next one is checked against the new ones.
    """

    def __init__(self, limits: Mapping[int, int] = HANDSHAKE_LIMITS) -> None:
        self.limits = limits
        self._buffer = b""
        self._rest = bytearray()
        self._at = 0
        self._needed = HEADER_BYTES

    @property
    def pending(self) -> int:
        """Bytes held that are not given back yet."""
        return len(self._rest) + len(self._buffer) - self._at

    def push(self, data: bytes) -> None:
        """Adds received bytes."""
        if not self._rest:
            self._buffer = self._buffer[self._at :] + data if self._buffer else data
            self._at = 0
            return
        self._rest += data
        # Joined only when a frame is complete: a peer that sends byte by byte costs no copies.
        if len(self._rest) >= self._needed:
            self._buffer = bytes(self._rest)
            self._at = 0
            self._rest.clear()

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """(kind, payload) of every complete frame.

        Raises:
            ViolationError: `frame_kind` for a kind that is not allowed now, `frame_length`.
        """
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> tuple[int, bytes] | None:
        buffer = self._buffer if self._buffer else bytes(self._rest[:HEADER_BYTES])
        start = self._at + HEADER_BYTES
        if len(buffer) < start:
            self._keep(HEADER_BYTES)
            return None
        length, kind = HEADER.unpack_from(buffer, self._at)
        limit = self.limits.get(kind)
        if limit is None:
            raise ViolationError("frame_kind")
        if length > limit:
            raise ViolationError("frame_length")
        end = start + length
        if len(self._buffer) < end:
            self._keep(HEADER_BYTES + length)
            return None
        self._at = end
        return kind, self._buffer[start:end]

    def _keep(self, needed: int) -> None:
        self._needed = needed
        if self._buffer:
            self._rest += self._buffer[self._at :]
            self._buffer = b""
            self._at = 0
