"""The little of protobuf that ABCI needs: fields of a message by number, bounded. Pure.

Written here because the messages are few, an unknown field must do no harm, and a length from a
socket must be checked before anything is kept.
"""

from collections import defaultdict
from typing import Final

VARINT_BYTES_MAX: Final = 10
FIELDS_MAX: Final = 1_000_000
"""Most fields of one message; a block holds fewer transactions than that."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIGN: Final = 1 << 63


class ProtobufError(ValueError):
    """Bytes that are no message."""


def varint(value: int) -> bytes:
    """An unsigned number, or a negative one of 64 bits, in base 128."""
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """A number and the position behind it.

    Raises:
        ProtobufError: it is cut or too long.
    """
    value = 0
    for count in range(VARINT_BYTES_MAX):
        if position >= len(data):
            raise ProtobufError("a number is cut")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            if value >> 64:
                break
            return value, position
    raise ProtobufError("a number has more than 64 bits")


class Fields:
    """The fields of a decoded message; what is absent has its default."""

    def __init__(self, data: bytes) -> None:
        """Decodes a message.

        Raises:
            ProtobufError: it is none.
        """
        self._fields: defaultdict[int, list[int | bytes]] = defaultdict(list)
        position = count = 0
        while position < len(data):
            count += 1
            if count > FIELDS_MAX:
                raise ProtobufError("too many fields")
            tag, position = read_varint(data, position)
            value, position = self._value(data, position, tag & 7)
            self._fields[tag >> 3].append(value)

    @staticmethod
    def _value(data: bytes, position: int, kind: int) -> tuple[int | bytes, int]:
        if kind == _VARINT:
            return read_varint(data, position)
        if kind == _BYTES:
            length, position = read_varint(data, position)
        elif kind in {_FIXED64, _FIXED32}:
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ProtobufError(f"fields of kind {kind} are not used")
        end = position + length
        if end > len(data):
            raise ProtobufError("a field is cut")
        return data[position:end], end

    @property
    def numbers(self) -> list[int]:
        """Numbers of the fields that are there, in the order received."""
        return list(self._fields)

    def every(self, field: int) -> list[bytes]:
        """All values of a repeated field of bytes."""
        return [self._bytes(field, value) for value in self._fields.get(field, ())]

    def data(self, field: int) -> bytes:
        """A field of bytes; the last one counts."""
        values = self._fields.get(field)
        return self._bytes(field, values[-1]) if values else b""

    def text(self, field: int) -> str:
        """A field of text."""
        try:
            return self.data(field).decode()
        except UnicodeDecodeError as error:
            raise ProtobufError(f"field {field} is no text") from error

    def number(self, field: int) -> int:
        """A field with a signed number of 64 bits."""
        values = self._fields.get(field)
        if not values:
            return 0
        value = values[-1]
        if not isinstance(value, int):
            raise ProtobufError(f"field {field} is no number")
        return value - (1 << 64) if value >= _SIGN else value

    def inside(self, field: int) -> "Fields":
        """A message in a field; an empty one if it is absent."""
        return Fields(self.data(field))

    @staticmethod
    def _bytes(field: int, value: int | bytes) -> bytes:
        if isinstance(value, int):
            raise ProtobufError(f"field {field} holds no bytes")
        return value


def number_field(field: int, value: int) -> bytes:
    """A field with a number; nothing for zero."""
    return varint(field << 3 | _VARINT) + varint(value) if value else b""


def bytes_field(field: int, value: bytes) -> bytes:
    """A field with bytes, a text or a message; nothing if empty."""
    return inside_field(field, value) if value else b""


def inside_field(field: int, value: bytes) -> bytes:
    """A field with a message or an element of a list, written also when it is empty."""
    return varint(field << 3 | _BYTES) + varint(len(value)) + value
