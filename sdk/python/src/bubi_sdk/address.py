"""Addresses: 32 bytes, shown as Bech32m (BIP-350; spec/encoding.md, section 4)."""

from __future__ import annotations

from typing import ClassVar, Final, NamedTuple

from bubi_sdk import hashes
from bubi_sdk.codec import Codec, Json, Reader
from bubi_sdk.errors import AddressInvalid, Malformed, MalformedJson
from bubi_sdk.hashes import HashSuite

PREFIXES: Final = {"main": "bubi", "test": "bubitest", "development": "bubidev"}
"""Prefix by kind of network."""

_SYMBOLS: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32M: Final = 0x2BC830A3
_VERSION: Final = 0
_DATA_SYMBOLS: Final = 53  # 33 bytes of 8 bits in groups of 5


def _checksum(prefix: str, values: list[int]) -> int:
    state = 1
    expanded = [ord(one) >> 5 for one in prefix] + [0] + [ord(one) & 31 for one in prefix]
    for value in expanded + values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATORS):
            if top >> bit & 1:
                state ^= generator
    return state ^ _BECH32M


def _encode(prefix: str, data: bytes) -> str:
    padding = -8 * len(data) % 5
    number = int.from_bytes(data, "big") << padding
    count = (8 * len(data) + padding) // 5
    values = [number >> 5 * at & 31 for at in range(count - 1, -1, -1)]
    check = _checksum(prefix, [*values, 0, 0, 0, 0, 0, 0])
    values += [check >> 5 * at & 31 for at in range(5, -1, -1)]
    return f"{prefix}1{''.join(_SYMBOLS[value] for value in values)}"


def _decode(prefix: str, text: str) -> bytes:
    if any(one.isupper() for one in text):
        raise AddressInvalid("write it in lower case")
    found, separator, symbols = text.rpartition("1")
    if not separator or any(one not in _SYMBOLS for one in symbols):
        raise AddressInvalid("it holds characters that no address has")
    values = [_SYMBOLS.index(one) for one in symbols]
    if len(text) > 90 or len(values) < 6 or not found.isascii() or _checksum(found, values):
        raise AddressInvalid("the check symbols do not fit; it was mistyped or cut")
    if found != prefix:
        raise AddressInvalid(f"it belongs to another network; here addresses begin with {prefix}1")
    if len(values) != _DATA_SYMBOLS + 6:
        raise AddressInvalid("it must hold 32 bytes")
    number = 0
    for value in values[:-6]:
        number = number << 5 | value
    if number & 1:
        raise AddressInvalid("its padding bits are not zero")
    return (number >> 1).to_bytes(33, "big")


class _Address(NamedTuple):
    raw: bytes


class Address(_Address):
    """An account. Fixed at creation; key rotation keeps it. Sorts by its bytes."""

    __slots__ = ()
    CODEC: ClassVar[Codec[Address]]

    def __new__(cls, raw: bytes) -> Address:
        """Takes the 32 bytes."""
        if not isinstance(raw, bytes) or len(raw) != 32:
            raise AddressInvalid("an address has 32 bytes")
        return super().__new__(cls, raw)

    def text(self, prefix: str) -> str:
        """The address as people see it on the network that uses `prefix`."""
        return _encode(prefix, bytes([_VERSION]) + self.raw)

    @classmethod
    def parse(cls, text: str, prefix: str) -> Address:
        """Reads an address of the network that uses `prefix`."""
        data = _decode(prefix, text)
        if data[0] != _VERSION:
            raise AddressInvalid("its version is unknown")
        return cls(data[1:])

    @classmethod
    def of_key(cls, suite: HashSuite, tagged_key: bytes) -> Address:
        """The account that a key owns from the start; needs no network."""
        return cls(suite.hash(hashes.KEY_ADDRESS, tagged_key))

    def __repr__(self) -> str:
        return f"Address({self.raw.hex()})"


class _AddressCodec(Codec[Address]):
    def write(self, out: bytearray, value: Address) -> None:
        if not isinstance(value, Address):
            raise Malformed(f"{value!r} is not an Address")
        out += value.raw

    def read(self, reader: Reader) -> Address:
        return Address(reader.take(32))

    def to_json(self, value: Address, prefix: str) -> Json:
        return value.text(prefix)

    def from_json(self, value: Json, prefix: str) -> Address:
        if type(value) is not str:
            raise MalformedJson("expected an address")
        try:
            return Address.parse(value, prefix)
        except AddressInvalid as error:
            raise MalformedJson(error.detail) from error


Address.CODEC = _AddressCodec()
