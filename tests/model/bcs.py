"""BCS (spec/encoding.md section 1), driven by the annotations of the dataclasses in `values`.

A dataclass is a struct: its fields in order. A dataclass that `enumeration` has numbered is a
variant of an enum: its number, then its fields. `X | None` is an option, `tuple[X, ...]` a list.
Input is taken as already checked: the decoder looks for its end only.
"""

import dataclasses
import enum
import functools
import operator
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple


class Width(NamedTuple):
    """Annotation: an unsigned integer or raw bytes of this many bytes."""

    size: int


class TaggedKey(NamedTuple):
    """Annotation: a public key as its tagged bytes (variant byte and key)."""


U8 = Annotated[int, Width(1)]
U16 = Annotated[int, Width(2)]
U32 = Annotated[int, Width(4)]
U64 = Annotated[int, Width(8)]
U128 = Annotated[int, Width(16)]
Id = Annotated[bytes, Width(16)]
Hash = Annotated[bytes, Width(32)]
SignatureBytes = Annotated[bytes, Width(64)]
PublicKey = Annotated[bytes, TaggedKey()]

KEY_LENGTHS = {0: 32, 1: 33, 2: 33, 3: 33}

_variant_numbers: dict[type, int] = {}


def enumeration(union: Any) -> None:
    """Numbers the variants of an enum by position; a class alone is a versioned type."""
    variants = typing.get_args(union) or (union,)
    _variant_numbers.update((variant, number) for number, variant in enumerate(variants))


class Reader:
    """Bytes and a position."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        start, self.position = self.position, self.position + count
        if self.position > len(self.data):
            raise ValueError("truncated")
        return self.data[start : self.position]

    def uleb(self) -> int:
        """The next length or variant number."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value


def uleb(value: int) -> bytes:
    """A length or variant number: 7 bits per byte, lowest first."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Codec(NamedTuple):
    """How a type is written and read."""

    write: Callable[[Any], bytes]
    read: Callable[[Reader], Any]


def encode(value: Any) -> bytes:
    """Canonical bytes of a dataclass value."""
    kind: Any = type(value)
    written: bytes = codec(kind).write(value)
    return written


def decode(kind: Any, data: bytes) -> Any:
    """The value of this type that the bytes encode."""
    reader = Reader(data)
    value = codec(kind).read(reader)
    if reader.position != len(data):
        raise ValueError("trailing bytes")
    return value


@functools.cache
def codec(kind: Any) -> Codec:
    """The codec of a type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _annotated(*arguments)
    if origin in (typing.Union, types.UnionType):
        if type(None) in arguments:
            return _option(codec(functools.reduce(operator.or_, _without_none(arguments))))
        return _union(arguments)
    if origin is tuple:
        return _list(codec(arguments[0]))
    if kind is bool:
        return Codec(lambda value: bytes([value]), lambda reader: reader.take(1) == b"\1")
    if kind is bytes:
        return Codec(
            lambda value: uleb(len(value)) + value, lambda reader: reader.take(reader.uleb())
        )
    if kind is str:
        text = codec(bytes)
        return Codec(
            lambda value: text.write(value.encode()), lambda reader: text.read(reader).decode()
        )
    if issubclass(kind, enum.IntEnum):
        return Codec(uleb, lambda reader: kind(reader.uleb()))
    return _struct(kind)


def _without_none(arguments: tuple[Any, ...]) -> list[Any]:
    return [argument for argument in arguments if argument is not type(None)]


def _annotated(base: Any, mark: Any) -> Codec:
    if isinstance(mark, TaggedKey):
        return Codec(lambda key: key, _read_key)
    if base is int:
        return Codec(
            lambda value: value.to_bytes(mark.size, "little"),
            lambda reader: int.from_bytes(reader.take(mark.size), "little"),
        )
    return Codec(lambda value: value, lambda reader: reader.take(mark.size))


def _read_key(reader: Reader) -> bytes:
    tag = reader.take(1)
    return tag + reader.take(KEY_LENGTHS[tag[0]])


def _option(inner: Codec) -> Codec:
    return Codec(
        lambda value: b"\0" if value is None else b"\1" + inner.write(value),
        lambda reader: inner.read(reader) if reader.take(1) == b"\1" else None,
    )


def _list(inner: Codec) -> Codec:
    return Codec(
        lambda value: uleb(len(value)) + b"".join(map(inner.write, value)),
        lambda reader: tuple(inner.read(reader) for _ in range(reader.uleb())),
    )


def _union(variants: tuple[type, ...]) -> Codec:
    by_number = {_variant_numbers[variant]: variant for variant in variants}
    return Codec(encode, lambda reader: _fields(by_number[reader.uleb()]).read(reader))


def _struct(kind: type) -> Codec:
    fields = _fields(kind)
    if kind not in _variant_numbers:
        return fields
    return Codec(
        lambda value: uleb(_variant_numbers[kind]) + fields.write(value),
        lambda reader: _union((kind,)).read(reader),
    )


@functools.cache
def _fields(kind: type) -> Codec:
    hints = typing.get_type_hints(kind, include_extras=True)
    codecs = [(field.name, codec(hints[field.name])) for field in dataclasses.fields(kind)]
    return Codec(
        lambda value: b"".join(inner.write(getattr(value, name)) for name, inner in codecs),
        lambda reader: kind(*(inner.read(reader) for _, inner in codecs)),
    )
