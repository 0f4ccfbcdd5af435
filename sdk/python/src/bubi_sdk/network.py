"""What a client must know of a network to make and check things without it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from bubi_sdk import hashes
from bubi_sdk.address import PREFIXES, Address
from bubi_sdk.codec import Json, parse_json
from bubi_sdk.errors import InvalidInput, MalformedJson
from bubi_sdk.hashes import HashSuite
from bubi_sdk.keys import PublicKey
from bubi_sdk.state import ValidatorSet

AddressLike: TypeAlias = Address | str | PublicKey
"""An address, its text, or a key that stands for its own account."""
IdLike: TypeAlias = bytes | str
"""32 bytes or their hex."""


@dataclass(frozen=True, slots=True)
class Network:
    """Identity of a network: enough to build, sign and address, off-line."""

    chain_id: bytes
    prefix: str
    suite: HashSuite = HashSuite.STANDARD
    name: str = ""

    def __post_init__(self) -> None:
        if len(self.chain_id) != 32 or self.prefix not in PREFIXES.values():
            raise InvalidInput("a network has a chain id of 32 bytes and a known prefix")

    def address(self, value: AddressLike) -> Address:
        """Reads an address of this network."""
        if isinstance(value, Address):
            return value
        if isinstance(value, PublicKey):
            return Address.of_key(self.suite, value.tagged)
        return Address.parse(value, self.prefix)

    def text(self, address: AddressLike) -> str:
        """An address as people see it on this network."""
        return self.address(address).text(self.prefix)

    def asset_id(self, issuer: AddressLike, code: str) -> bytes:
        """The asset that `issuer` calls `code`."""
        return self.suite.hash(hashes.ASSET, self.address(issuer).raw, code.encode())

    def namespace_id(self, name: str) -> bytes:
        """The namespace with this name."""
        return self.suite.hash(hashes.NAMESPACE, name.encode())

    def to_json(self) -> dict[str, Json]:
        """As collections and keystores name it."""
        return {
            "chain_id": self.chain_id.hex(),
            "name": self.name,
            "prefix": self.prefix,
            "suite": self.suite.value,
        }

    @classmethod
    def from_json(cls, value: Json) -> Network:
        """Reads the members chain_id, prefix, suite and name; others are ignored."""
        if not isinstance(value, dict):
            raise MalformedJson("a network is an object")
        suites = {suite.value: suite for suite in HashSuite}
        chain, prefix = identifier(_text(value, "chain_id")), _text(value, "prefix")
        if _text(value, "suite") not in suites or prefix not in PREFIXES.values():
            raise MalformedJson("suite or prefix of the network is unknown")
        return cls(chain, prefix, suites[_text(value, "suite")], _text(value, "name"))


def identifier(value: IdLike) -> bytes:
    """32 bytes from bytes or hex."""
    if isinstance(value, str):
        if not re.fullmatch("[0-9a-f]{64}", value, re.ASCII):
            raise InvalidInput(f"{value!r} is not 32 bytes in lower-case hex")
        return bytes.fromhex(value)
    if not isinstance(value, bytes) or len(value) != 32:
        raise InvalidInput(f"{value!r} is not 32 bytes")
    return value


def _text(value: dict[str, Json], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise MalformedJson(f"{name} is missing or not a string")
    return found


@dataclass(frozen=True, slots=True)
class Trust:
    """A trust file.

    All that is needed to check proofs without a network. Get it from somebody you trust.
    """

    network: Network
    kind: str
    validator_set: ValidatorSet

    @classmethod
    def parse(cls, text: str | bytes) -> Trust:
        """Reads the JSON of a trust file."""
        value = parse_json(text)
        if not isinstance(value, dict) or value.get("schema") != 1:
            raise MalformedJson("not a trust file of schema 1")
        network, kind = Network.from_json(value), _text(value, "kind")
        if PREFIXES.get(kind) != network.prefix:
            raise MalformedJson("kind and prefix of the trust file do not fit")
        try:
            encoded = bytes.fromhex(_text(value, "validator_set"))
        except ValueError as error:
            raise MalformedJson("validator_set is not hex") from error
        trust = cls(network, kind, ValidatorSet.decode(encoded))
        for name in ("genesis_hash", "validators", "quorum"):
            # Only for people, who would be misled by something else.
            if name in value and value[name] != trust.to_json()[name]:
                raise MalformedJson(f"{name} of the trust file contradicts its other members")
        return trust

    @classmethod
    def load(cls, path: str | Path) -> Trust:
        """Reads a trust file."""
        return cls.parse(Path(path).read_bytes())

    def to_json(self) -> dict[str, Json]:
        """The trust file's JSON."""
        validators: list[Json] = [
            {
                "name": one.name,
                "organisation": one.organisation,
                "key": {one.key.algorithm.value: one.key.raw.hex()},
                "weight": one.weight,
            }
            for one in self.validator_set.validators
        ]
        return {
            "schema": 1,
            **self.network.to_json(),
            "genesis_hash": self.network.chain_id.hex(),
            "kind": self.kind,
            "validator_set": self.validator_set.encode().hex(),
            "validators": validators,
            "quorum": self.validator_set.quorum,
        }
