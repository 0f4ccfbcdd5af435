# ruff: noqa: D102 - the base class says what the methods of a codec do
"""Canonical bytes (BCS) and JSON forms, derived from the types (spec/encoding.md).

A structure is a frozen dataclass that inherits `Shape`; the annotations of its fields say how they
are encoded. An
enumeration with fields is a union of shapes in the order of their numbers; one without fields is
an `enum.Enum`.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import re
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Generic, Self, TypeAlias, TypeVar

from bubi_sdk import limits
from bubi_sdk.errors import Malformed, MalformedJson, NotCanonical, TooLarge

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
T = TypeVar("T")


def at_most(limit: int, what: str, actual: int) -> None:
    """Raises `TooLarge` beyond a limit."""
    if actual > limit:
        raise TooLarge(f"{what} has {actual} bytes or entries, the limit is {limit}")


def parse_json(text: str | bytes) -> Json:
    """Parses JSON; repeated members and anything that is not JSON are refused."""

    def members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise MalformedJson("an object has the same member twice")
        return result

    def constant(name: str) -> Json:
        raise MalformedJson(f"{name} is not JSON")

    try:
        return typing.cast(
            Json, json.loads(text, object_pairs_hook=members, parse_constant=constant)
        )
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedJson(f"not JSON: {error}") from error


class Reader:
    """Reads canonical bytes."""

    __slots__ = ("_data", "_depth", "position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._depth = 0
        self.position = 0

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        end = self.position + length
        if end > len(self._data):
            raise NotCanonical(f"cut short at byte {len(self._data)}")
        taken = self._data[self.position : end]
        self.position = end
        return taken

    def uleb(self) -> int:
        """A length or a variant number: ULEB128 in its shortest form, at most 32 bits."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if shift and not byte:
                    raise NotCanonical("a number is not in its shortest form")
                if value > 0xFFFFFFFF:
                    break
                return value
        raise NotCanonical("a number has more than 32 bits")

    def length(self) -> int:
        """A length."""
        value = self.uleb()
        if value > limits.SEQUENCE_LENGTH_MAX:
            raise NotCanonical("a length exceeds 2^31 - 1")
        return value

    def enter(self) -> None:
        """Goes one container deeper."""
        self._depth += 1
        if self._depth > limits.DEPTH_MAX:
            raise NotCanonical(f"nested deeper than {limits.DEPTH_MAX}")

    def leave(self) -> None:
        """Comes back."""
        self._depth -= 1

    def end(self) -> None:
        """Refuses trailing bytes."""
        if self.position != len(self._data):
            raise NotCanonical(f"{len(self._data) - self.position} bytes too many")


def uleb(value: int) -> bytes:
    """ULEB128 in its shortest form."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Codec(ABC, Generic[T]):
    """How one type is written and read."""

    @abstractmethod
    def write(self, out: bytearray, value: T) -> None:
        """Appends the canonical bytes."""

    @abstractmethod
    def read(self, reader: Reader) -> T:
        """Reads canonical bytes."""

    @abstractmethod
    def to_json(self, value: T, prefix: str) -> Json:
        """The JSON form, with addresses of the network that uses `prefix`."""

    @abstractmethod
    def from_json(self, value: Json, prefix: str) -> T:
        """Reads the JSON form."""


class Integer(Codec[int]):
    """An unsigned integer of fixed width; wide ones are decimal strings in JSON."""

    def __init__(self, length: int) -> None:
        self.length = length
        self._limit = 1 << (8 * length)

    def _check(self, value: int) -> int:
        if type(value) is not int or not 0 <= value < self._limit:
            raise Malformed(f"{value!r} is not an integer of {8 * self.length} bits without sign")
        return value

    def write(self, out: bytearray, value: int) -> None:
        out += self._check(value).to_bytes(self.length, "little")

    def read(self, reader: Reader) -> int:
        return int.from_bytes(reader.take(self.length), "little")

    def to_json(self, value: int, prefix: str) -> Json:
        return str(self._check(value)) if self.length >= 8 else self._check(value)

    def from_json(self, value: Json, prefix: str) -> int:
        if self.length >= 8:
            # The bound on the length keeps int() from working on megabytes of digits.
            if type(value) is not str or not re.fullmatch("0|[1-9][0-9]{0,38}", value, re.ASCII):
                raise MalformedJson("expected a decimal number in a string, without leading zeros")
            value = int(value)
        if type(value) is not int or not 0 <= value < self._limit:
            raise MalformedJson(f"expected a number of {8 * self.length} bits without sign")
        return value


class Boolean(Codec[bool]):
    """One byte, 0 or 1."""

    def write(self, out: bytearray, value: bool) -> None:
        if type(value) is not bool:
            raise Malformed(f"{value!r} is neither true nor false")
        out.append(value)

    def read(self, reader: Reader) -> bool:
        byte = reader.take(1)[0]
        if byte > 1:
            raise NotCanonical(f"{byte} is neither false (0) nor true (1)")
        return byte == 1

    def to_json(self, value: bool, prefix: str) -> Json:
        return value

    def from_json(self, value: Json, prefix: str) -> bool:
        if type(value) is not bool:
            raise MalformedJson("expected true or false")
        return value


class Text(Codec[str]):
    """UTF-8 with its length."""

    def write(self, out: bytearray, value: str) -> None:
        if not isinstance(value, str):
            raise Malformed(f"{value!r} is not text")
        try:
            data = value.encode()
        except UnicodeEncodeError as error:
            raise Malformed("text with half a surrogate pair is not UTF-8") from error
        out += uleb(len(data)) + data

    def read(self, reader: Reader) -> str:
        try:
            return reader.take(reader.length()).decode()
        except UnicodeDecodeError as error:
            raise NotCanonical("text is not UTF-8") from error

    def to_json(self, value: str, prefix: str) -> Json:
        return value

    def from_json(self, value: Json, prefix: str) -> str:
        if type(value) is not str:
            raise MalformedJson("expected a string")
        return value


class Bytes(Codec[bytes]):
    """Bytes with their length, or a fixed number of raw bytes; lower-case hex in JSON."""

    def __init__(self, length: int | None = None) -> None:
        self.fixed = length

    def _check(self, value: bytes) -> bytes:
        if not isinstance(value, bytes) or self.fixed not in (None, len(value)):
            wanted = "bytes" if self.fixed is None else f"{self.fixed} bytes"
            raise Malformed(f"{value!r} is not {wanted}")
        return value

    def write(self, out: bytearray, value: bytes) -> None:
        self._check(value)
        if self.fixed is None:
            out += uleb(len(value))
        out += value

    def read(self, reader: Reader) -> bytes:
        return reader.take(reader.length() if self.fixed is None else self.fixed)

    def to_json(self, value: bytes, prefix: str) -> Json:
        return self._check(value).hex()

    def from_json(self, value: Json, prefix: str) -> bytes:
        if type(value) is not str or not re.fullmatch("([0-9a-f]{2})*", value, re.ASCII):
            raise MalformedJson("expected lower-case hex")
        data = bytes.fromhex(value)
        if self.fixed not in (None, len(data)):
            raise MalformedJson(f"expected {self.fixed} bytes in hex")
        return data


class Option(Codec[T | None]):
    """One byte 0, or 1 and the value; null or absent in JSON."""

    def __init__(self, inner: Codec[T]) -> None:
        self._inner = inner

    def write(self, out: bytearray, value: T | None) -> None:
        out.append(value is not None)
        if value is not None:
            self._inner.write(out, value)

    def read(self, reader: Reader) -> T | None:
        byte = reader.take(1)[0]
        if byte > 1:
            raise NotCanonical(f"{byte} is neither none (0) nor some (1)")
        return self._inner.read(reader) if byte else None

    def to_json(self, value: T | None, prefix: str) -> Json:
        return None if value is None else self._inner.to_json(value, prefix)

    def from_json(self, value: Json, prefix: str) -> T | None:
        return None if value is None else self._inner.from_json(value, prefix)


class Sequence(Codec[tuple[T, ...]]):
    """A list with its length."""

    def __init__(self, inner: Codec[T]) -> None:
        self._inner = inner

    def write(self, out: bytearray, value: tuple[T, ...]) -> None:
        if not isinstance(value, tuple):
            raise Malformed(f"{value!r} is not a tuple")
        out += uleb(len(value))
        for item in value:
            self._inner.write(out, item)

    def read(self, reader: Reader) -> tuple[T, ...]:
        return tuple(self._inner.read(reader) for _ in range(reader.length()))

    def to_json(self, value: tuple[T, ...], prefix: str) -> Json:
        return [self._inner.to_json(item, prefix) for item in value]

    def from_json(self, value: Json, prefix: str) -> tuple[T, ...]:
        if type(value) is not list:
            raise MalformedJson("expected a list")
        return tuple(self._inner.from_json(item, prefix) for item in value)


class Pair(Codec[tuple[bytes, bytes]]):
    """Two byte strings; a list of two in JSON."""

    _part = Bytes()

    def write(self, out: bytearray, value: tuple[bytes, bytes]) -> None:
        for part in value:
            self._part.write(out, part)

    def read(self, reader: Reader) -> tuple[bytes, bytes]:
        return self._part.read(reader), self._part.read(reader)

    def to_json(self, value: tuple[bytes, bytes], prefix: str) -> Json:
        return [self._part.to_json(part, prefix) for part in value]

    def from_json(self, value: Json, prefix: str) -> tuple[bytes, bytes]:
        if type(value) is not list or len(value) != 2:
            raise MalformedJson("expected a list of two")
        return self._part.from_json(value[0], prefix), self._part.from_json(value[1], prefix)


class NumberMap(Codec[Mapping[int, int]]):
    """A map between integers, sorted by encoded key; an object with decimal keys in JSON."""

    def __init__(self, key: Integer, value: Integer) -> None:
        self._key, self._value = key, value

    def write(self, out: bytearray, value: Mapping[int, int]) -> None:
        entries = []
        for key, item in value.items():
            entry = (bytearray(), bytearray())
            self._key.write(entry[0], key)
            self._value.write(entry[1], item)
            entries.append(entry)
        out += uleb(len(entries))
        for encoded, item_bytes in sorted(entries):
            out += encoded + item_bytes

    def read(self, reader: Reader) -> Mapping[int, int]:
        result: dict[int, int] = {}
        last: bytes | None = None
        for _ in range(reader.length()):
            encoded = reader.take(self._key.length)
            if last is not None and encoded <= last:
                raise NotCanonical("the keys of a map do not ascend")
            last = encoded
            result[int.from_bytes(encoded, "little")] = self._value.read(reader)
        return result

    def to_json(self, value: Mapping[int, int], prefix: str) -> Json:
        return {str(key): self._value.to_json(value[key], prefix) for key in sorted(value)}

    def from_json(self, value: Json, prefix: str) -> Mapping[int, int]:
        if type(value) is not dict:
            raise MalformedJson("expected an object")
        result = {}
        for key, item in value.items():
            if not re.fullmatch("0|[1-9][0-9]{0,9}", key, re.ASCII):
                raise MalformedJson("expected decimal keys")
            result[self._key.from_json(int(key), prefix)] = self._value.from_json(item, prefix)
        return result


class Names(Codec[enum.Enum]):
    """An enumeration without fields: its number; its name in JSON."""

    def __init__(self, kind: type[enum.Enum]) -> None:
        self._kind, self._members = kind, list(kind)

    def write(self, out: bytearray, value: enum.Enum) -> None:
        if not isinstance(value, self._kind):
            raise Malformed(f"{value!r} is not a {self._kind.__name__}")
        out += uleb(self._members.index(value))

    def read(self, reader: Reader) -> enum.Enum:
        number = reader.uleb()
        if number >= len(self._members):
            raise NotCanonical(f"{self._kind.__name__} has no variant {number}")
        return self._members[number]

    def to_json(self, value: enum.Enum, prefix: str) -> Json:
        return typing.cast(str, value.value)

    def from_json(self, value: Json, prefix: str) -> enum.Enum:
        for member in self._members:
            if type(value) is str and value == member.value:
                return member
        raise MalformedJson(
            f"expected one of {', '.join(str(one.value) for one in self._members)}"
        )


class Variants(Codec[Any]):
    """An enumeration with fields: number, then the fields; an object with one member in JSON."""

    def __init__(self, name: str, kinds: tuple[type[Shape], ...]) -> None:
        self._name = name
        self._kinds = kinds
        self._numbers = {kind: number for number, kind in enumerate(kinds)}

    @functools.cached_property
    def _codecs(self) -> tuple[Fields, ...]:
        return tuple(Fields(kind) for kind in self._kinds)

    def _number(self, value: object) -> int:
        number = self._numbers.get(type(value))  # type: ignore[arg-type]
        if number is None:
            raise Malformed(f"{value!r} is not a variant of {self._name}")
        return number

    def write(self, out: bytearray, value: Any) -> None:
        number = self._number(value)
        out += uleb(number)
        self._codecs[number].write(out, value)

    def read(self, reader: Reader) -> Any:
        number = reader.uleb()
        if number >= len(self._kinds):
            raise NotCanonical(f"{self._name} has no variant {number}")
        return self._codecs[number].read(reader)

    def to_json(self, value: Any, prefix: str) -> Json:
        number = self._number(value)
        name = self._kinds[number].variant_name()
        codec = self._codecs[number]
        return {name: codec.to_json(value, prefix)} if codec.names else name

    def from_json(self, value: Json, prefix: str) -> Any:
        for kind, codec in zip(self._kinds, self._codecs, strict=True):
            name = kind.variant_name()
            if not codec.names and value == name:
                return typing.cast(Any, kind)()
            if codec.names and type(value) is dict and list(value) == [name]:
                return codec.from_json(value[name], prefix)
        raise MalformedJson(f"expected one variant of {self._name}")


class Fields(Codec[Any]):
    """The fields of a shape in order, without a variant number."""

    def __init__(self, kind: type[Shape]) -> None:
        self._kind = kind
        self._make: Callable[..., Shape] = kind
        hints = typing.get_type_hints(kind, include_extras=True)
        self.names = [field.name for field in dataclasses.fields(typing.cast(Any, kind))]
        self._codecs = [codec_of(hints[name]) for name in self.names]
        self._transparent = kind.TRANSPARENT

    def write(self, out: bytearray, value: Any) -> None:
        if type(value) is not self._kind:
            raise Malformed(f"{value!r} is not a {self._kind.__name__}")
        for name, codec in zip(self.names, self._codecs, strict=True):
            codec.write(out, getattr(value, name))

    def read(self, reader: Reader) -> Any:
        reader.enter()
        value = self._make(*[codec.read(reader) for codec in self._codecs])
        reader.leave()
        return value

    def to_json(self, value: Any, prefix: str) -> Json:
        if self._transparent:
            return self._codecs[0].to_json(getattr(value, self.names[0]), prefix)
        pairs = zip(self.names, self._codecs, strict=True)
        return {_plain(name): codec.to_json(getattr(value, name), prefix) for name, codec in pairs}

    def from_json(self, value: Json, prefix: str) -> Any:
        if self._transparent:
            return self._make(self._codecs[0].from_json(value, prefix))
        if type(value) is not dict:
            raise MalformedJson(f"expected an object with the fields of {self._kind.__name__}")
        rest = dict(value)
        fields = []
        for name, codec in zip(self.names, self._codecs, strict=True):
            if _plain(name) not in rest and not isinstance(codec, Option):
                raise MalformedJson(f"{self._kind.__name__} needs {_plain(name)}")
            fields.append(codec.from_json(rest.pop(_plain(name), None), prefix))
        if rest:
            raise MalformedJson(f"{self._kind.__name__} has no {', '.join(sorted(rest))}")
        return self._make(*fields)


def _plain(name: str) -> str:
    """Field names that Python reserves end with an underscore."""
    return name.rstrip("_")


class Shape:
    """A structure: one frozen dataclass, one codec."""

    __slots__ = ()
    VERSION: ClassVar[str | None] = None
    """Name of the only variant if the type is an enumeration with one version."""
    VARIANT: ClassVar[str | None] = None
    """Name of this variant in its union, if it is not the name of the class in snake case."""
    TRANSPARENT: ClassVar[bool] = False
    """In JSON, the value of the only field stands for the whole."""
    BYTES_MAX: ClassVar[int] = limits.CELL_VALUE_BYTES_MAX
    """Most bytes of an encoded value, where this is a top-level type."""

    @classmethod
    def variant_name(cls) -> str:
        """Name of this variant in JSON."""
        return cls.VARIANT or re.sub("(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def check(self) -> None:
        """Raises `TooLarge` or `Malformed` for a value that can never be valid."""

    def encode(self) -> bytes:
        """The canonical bytes."""
        return TopLevel.of(type(self)).encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads canonical bytes; every second form is refused."""
        return TopLevel.of(cls).decode(data)

    def to_json(self, prefix: str) -> Json:
        """The JSON form, with addresses of the network that uses `prefix`."""
        return TopLevel.of(type(self)).codec.to_json(self, prefix)

    @classmethod
    def from_json(cls, value: Json, prefix: str) -> Self:
        """Reads the JSON form."""
        return TopLevel.of(cls).from_json(value, prefix)


class Versioned(Codec[Any]):
    """A shape as the only variant of an enumeration of versions."""

    def __init__(self, kind: type[Shape]) -> None:
        self._variants = Variants(kind.__name__, (kind,))
        self._name, self._fields = kind.VERSION or "", Fields(kind)

    def write(self, out: bytearray, value: Any) -> None:
        self._variants.write(out, value)

    def read(self, reader: Reader) -> Any:
        return self._variants.read(reader)

    def to_json(self, value: Any, prefix: str) -> Json:
        return {self._name: self._fields.to_json(value, prefix)}

    def from_json(self, value: Json, prefix: str) -> Any:
        if type(value) is not dict or list(value) != [self._name]:
            raise MalformedJson(f"expected an object with the member {self._name}")
        return self._fields.from_json(value[self._name], prefix)


@functools.cache
def codec_of(annotation: Any) -> Codec[Any]:
    """The codec of an annotation."""
    if typing.get_origin(annotation) is Annotated:
        for extra in annotation.__metadata__:
            if isinstance(extra, Codec):
                return extra
        return codec_of(annotation.__origin__)
    simple: dict[Any, Codec[Any]] = {bool: Boolean(), str: Text(), bytes: Bytes()}
    own = getattr(annotation, "CODEC", simple.get(annotation))
    if isinstance(own, Codec):
        return own
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return typing.cast(Codec[Any], Names(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        return Versioned(annotation) if annotation.VERSION else Fields(annotation)
    return _codec_of_generic(annotation)


def _codec_of_generic(annotation: Any) -> Codec[Any]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return Sequence(codec_of(arguments[0]))
    if origin in (typing.Union, types.UnionType):
        kinds = tuple(one for one in arguments if one is not types.NoneType)
        inner = codec_of(kinds[0]) if len(kinds) == 1 else Variants("this enumeration", kinds)
        return Option(inner) if len(kinds) < len(arguments) else inner
    raise TypeError(f"{annotation!r} has no encoding")


class TopLevel(Generic[T]):
    """A type with canonical bytes of its own."""

    def __init__(
        self, name: str, codec: Codec[T], bytes_max: int, check: Callable[[T], None] | None = None
    ) -> None:
        self.name, self.codec, self.bytes_max = name, codec, bytes_max
        self._check = check

    @staticmethod
    def of(kind: type[S]) -> TopLevel[S]:
        """That of a shape."""
        return typing.cast(TopLevel[S], _top_level(typing.cast(Any, kind)))

    def encode(self, value: T) -> bytes:
        """The canonical bytes."""
        if self._check:
            self._check(value)
        out = bytearray()
        self.codec.write(out, value)
        at_most(self.bytes_max, self.name, len(out))
        return bytes(out)

    def decode(self, data: bytes) -> T:
        """Reads canonical bytes; every second form is refused."""
        at_most(self.bytes_max, self.name, len(data))
        reader = Reader(data)
        value = self.codec.read(reader)
        reader.end()
        if self._check:
            self._check(value)
        return value

    def to_json(self, value: T, prefix: str) -> Json:
        """The JSON form."""
        return self.codec.to_json(value, prefix)

    def from_json(self, value: Json, prefix: str) -> T:
        """Reads the JSON form."""
        try:
            result = self.codec.from_json(value, prefix)
        except RecursionError as error:
            raise MalformedJson("nested too deep") from error
        if self._check:
            self._check(result)
        return result


S = TypeVar("S", bound=Shape)


@functools.cache
def _top_level(kind: Any) -> TopLevel[Any]:
    return TopLevel(kind.__name__, codec_of(kind), kind.BYTES_MAX, kind.check)


U8: TypeAlias = Annotated[int, Integer(1)]
U16: TypeAlias = Annotated[int, Integer(2)]
U32: TypeAlias = Annotated[int, Integer(4)]
U64: TypeAlias = Annotated[int, Integer(8)]
U128: TypeAlias = Annotated[int, Integer(16)]
Hash: TypeAlias = Annotated[bytes, Bytes(32)]
Bytes16: TypeAlias = Annotated[bytes, Bytes(16)]
Blob: TypeAlias = Annotated[bytes, Bytes()]
SignatureBytes: TypeAlias = Annotated[bytes, Bytes(64)]
