"""Fields of the payloads: little-endian numbers, bytes and texts behind a length (ULEB128).

Pure. Readers refuse every second form, and whatever is left over.
"""

from bubi.network.frames import ViolationError


class Reader:
    """Reads a payload from its start; every failure is a violation with the given reason."""

    def __init__(self, data: bytes, reason: str) -> None:
        self._data = data
        self._at = 0
        self._reason = reason

    def fail(self) -> ViolationError:
        """The violation that this payload is."""
        return ViolationError(self._reason)

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self._at + count
        if end > len(self._data):
            raise self.fail()
        result = self._data[self._at : end]
        self._at = end
        return result

    def number(self, size: int) -> int:
        """A number of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def length(self, maximum: int) -> int:
        """A length as ULEB128 in its shortest form, of at most two bytes."""
        first = self.number(1)
        if first < 0x80:
            result = first
        else:
            second = self.number(1)
            if second == 0 or second >= 0x80:
                raise self.fail()
            result = (first & 0x7F) | second << 7
        if result > maximum:
            raise self.fail()
        return result

    def text(self, maximum: int) -> str:
        """A text of at most `maximum` bytes of UTF-8."""
        try:
            return self.take(self.length(maximum)).decode()
        except UnicodeDecodeError:
            raise self.fail() from None

    def end(self) -> None:
        """Refuses trailing bytes."""
        if self._at != len(self._data):
            raise self.fail()


def number(value: int, size: int) -> bytes:
    """A number of `size` bytes."""
    return value.to_bytes(size, "little")


def length(value: int) -> bytes:
    """A length below 16,384 as ULEB128."""
    if value < 0x80:
        return bytes([value])
    return bytes([value & 0x7F | 0x80, value >> 7])


def text(value: str) -> bytes:
    """A text with its length."""
    data = value.encode()
    return length(len(data)) + data
