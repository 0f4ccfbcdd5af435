"""Canonical bytes (BCS) for what Python encodes itself: peer messages and records of an engine.

A value has one byte string and a decoder refuses every second form (spec/encoding.md, section 1).
Pure. Whatever is wrong with bytes, `Reader` raises `EncodingError` with one of the texts below;
`Writer` raises it for values that have no encoding.
"""

import struct
from collections.abc import Callable, Iterable
from typing import TypeVar

ULEB_MAX = 2**31 - 1
"""Largest length and variant."""

TRUNCATED = "truncated"
TRAILING = "trailing bytes"
OVERLONG = "a length is not in its shortest form"
LIMIT = "a length is above its limit"
OPTION = "an option byte is neither 0 nor 1"
VARIANT = "unknown variant"
TEXT = "text is not UTF-8"
RANGE = "a number is out of range"
RULE = "the fields contradict each other"

_U64 = struct.Struct("<Q")
_SHORT = tuple(bytes((value,)) for value in range(0x80))
"""The short lengths, which are nearly all of them, encoded beforehand."""

T = TypeVar("T")


class EncodingError(ValueError):
    """Bytes that are not the canonical form of a value, or a value without one."""


class Writer:
    """Collects the parts of a value in order."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def done(self) -> bytes:
        """Everything written."""
        return b"".join(self._parts)

    def raw(self, data: bytes) -> None:
        """Bytes that are encoded already."""
        self._parts.append(data)

    def _unsigned(self, value: int, size: int) -> None:
        try:
            self._parts.append(value.to_bytes(size, "little"))
        except OverflowError as error:
            raise EncodingError(RANGE) from error

    def u8(self, value: int) -> None:
        """One byte."""
        self._unsigned(value, 1)

    def u32(self, value: int) -> None:
        """Four bytes, little-endian."""
        self._unsigned(value, 4)

    def u64(self, value: int) -> None:
        """Eight bytes, little-endian."""
        self._unsigned(value, 8)

    def u128(self, value: int) -> None:
        """Sixteen bytes, little-endian."""
        self._unsigned(value, 16)

    def uleb(self, value: int) -> None:
        """A length or variant in its shortest form."""
        if 0 <= value < 0x80:
            self._parts.append(_SHORT[value])
            return
        if not 0 <= value <= ULEB_MAX:
            raise EncodingError(RANGE)
        out = bytearray()
        while value >= 0x80:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
        self._parts.append(bytes(out))

    def fixed(self, data: bytes, size: int) -> None:
        """Exactly `size` bytes without a length."""
        if len(data) != size:
            raise EncodingError(RANGE)
        self._parts.append(data)

    def bytes(self, data: bytes, limit: int = ULEB_MAX) -> None:
        """A byte string with its length."""
        size = len(data)
        if size > limit:
            raise EncodingError(LIMIT)
        if size < 0x80:
            self._parts.append(_SHORT[size])
        else:
            self.uleb(size)
        self._parts.append(data)

    def text(self, value: str, limit: int) -> None:
        """Text of at most `limit` bytes of UTF-8."""
        try:
            data = value.encode()
        except UnicodeEncodeError as error:
            raise EncodingError(TEXT) from error
        self.bytes(data, limit)

    def option(self, value: T | None, write: Callable[[T], None]) -> None:
        """One byte 0, or 1 and the value."""
        if value is None:
            self._parts.append(b"\0")
            return
        self._parts.append(b"\1")
        write(value)

    def list(self, values: Iterable[T], write: Callable[[T], None], limit: int) -> None:
        """A number of elements, then the elements."""
        elements = tuple(values)
        if len(elements) > limit:
            raise EncodingError(LIMIT)
        self.uleb(len(elements))
        for element in elements:
            write(element)


class Reader:
    """Reads the parts of a value in order. `finish` must be the last call."""

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._end = len(data)

    def finish(self) -> None:
        """Checks that nothing is left."""
        if self._at != self._end:
            raise EncodingError(TRAILING)

    def fixed(self, size: int) -> bytes:
        """The next `size` bytes."""
        at = self._at
        after = at + size
        if after > self._end:
            raise EncodingError(TRUNCATED)
        self._at = after
        return self._data[at:after]

    def u8(self) -> int:
        """One byte."""
        return self.fixed(1)[0]

    def u32(self) -> int:
        """Four bytes, little-endian."""
        return int.from_bytes(self.fixed(4), "little")

    def u64(self) -> int:
        """Eight bytes, little-endian."""
        at = self._at
        after = at + 8
        if after > self._end:
            raise EncodingError(TRUNCATED)
        self._at = after
        return _U64.unpack_from(self._data, at)[0]  # type: ignore[no-any-return]

    def u128(self) -> int:
        """Sixteen bytes, little-endian."""
        return int.from_bytes(self.fixed(16), "little")

    def uleb(self, limit: int = ULEB_MAX) -> int:
        """A length or variant of at most `limit`."""
        at = self._at
        if at < self._end:
            value = self._data[at]
            if value < 0x80 and value <= limit:
                self._at = at + 1
                return value
        value = shift = 0
        while True:
            byte = self.fixed(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 28:
                raise EncodingError(OVERLONG)
        if byte == 0 and shift:
            raise EncodingError(OVERLONG)
        if value > limit:
            raise EncodingError(LIMIT)
        return value

    def variant(self, count: int) -> int:
        """A variant below `count`."""
        value = self.uleb()
        if value >= count:
            raise EncodingError(VARIANT)
        return value

    def bytes(self, limit: int = ULEB_MAX) -> bytes:
        """A byte string of at most `limit` bytes."""
        return self.fixed(self.uleb(limit))

    def text(self, limit: int) -> str:
        """Text of at most `limit` bytes of UTF-8."""
        try:
            return self.bytes(limit).decode()
        except UnicodeDecodeError as error:
            raise EncodingError(TEXT) from error

    def option(self, read: Callable[[], T]) -> T | None:
        """None after a byte 0, a value after 1."""
        match self.u8():
            case 0:
                return None
            case 1:
                return read()
            case _:
                raise EncodingError(OPTION)

    def list(self, read: Callable[[], T], limit: int) -> tuple[T, ...]:
        """At most `limit` elements."""
        return tuple([read() for _ in range(self.uleb(limit))])
