"""Keystore files: one key, encrypted by a password, in a versioned JSON file of mode 0600.

scrypt turns the password into a cipher key and a check value. The check value tells a wrong
password from a damaged
file; a guess costs one scrypt either way. The cipher authenticates every other member of the file
as well.
"""

from __future__ import annotations

import json
import os
import secrets
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from bubi_sdk.cipher import KEY_LENGTHS, TAG_LENGTH, seal, unseal
from bubi_sdk.codec import Json, parse_json
from bubi_sdk.errors import InvalidInput, KeyInvalid, KeystoreDamaged, WrongPassword
from bubi_sdk.keys import Algorithm, SecretKey
from bubi_sdk.operations import CipherSuite
from bubi_sdk.signer import MemorySigner

AES: Final = "aes-256-gcm"
SM4: Final = "sm4-gcm"
_KIND: Final = "bubi-keystore"
_SUITES: Final = {AES: CipherSuite.AES256_GCM, SM4: CipherSuite.SM4_GCM}
# Beyond these a hostile file could exhaust the machine.
_MEMORY_MAX, _P_MAX = 1 << 29, 16


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one guess of the password: memory 128·n·r bytes, p times."""

    n: int = 1 << 15
    r: int = 8
    p: int = 3


def _derive(password: str, salt: bytes, cost: Cost) -> tuple[bytes, bytes]:
    # The same characters typed on another system may come as other code points.
    password = unicodedata.normalize("NFC", password)
    material = Scrypt(salt=salt, length=48, n=cost.n, r=cost.r, p=cost.p).derive(password.encode())
    return material[:32], material[32:]


def _aad(document: dict[str, Json]) -> bytes:
    open_part = {name: value for name, value in document.items() if name != "ciphertext"}
    return json.dumps(open_part, sort_keys=True, separators=(",", ":")).encode()


def encrypt(
    key: SecretKey, password: str, cipher: str = AES, cost: Cost | None = None
) -> dict[str, Json]:
    """The JSON of a keystore."""
    suite = _SUITES.get(cipher)
    if suite is None:
        raise InvalidInput(f"a keystore is sealed with {AES} or {SM4}")
    if not password:
        raise InvalidInput("a keystore needs a password")
    cost = cost or Cost()
    salt, nonce = secrets.token_bytes(32), secrets.token_bytes(12)
    sealing_key, check = _derive(password, salt, cost)
    document: dict[str, Json] = {
        "schema": 1,
        "kind": _KIND,
        "algorithm": key.algorithm.value,
        "public_key": key.public_key.raw.hex(),
        "kdf": {"name": "scrypt", "n": cost.n, "r": cost.r, "p": cost.p, "salt": salt.hex()},
        "check": check.hex(),
        "cipher": {"name": cipher, "nonce": nonce.hex()},
    }
    cipher_key = sealing_key[: KEY_LENGTHS[suite]]
    sealed = seal(suite, cipher_key, nonce, _aad(document), key.secret_bytes)
    document["ciphertext"] = sealed.hex()
    return document


def decrypt(document: Json, password: str) -> SecretKey:
    """The key of a keystore. Raises `WrongPassword` or `KeystoreDamaged`."""
    try:
        fields = _fields(document)
    except (KeyError, TypeError, ValueError) as error:
        raise KeystoreDamaged(f"not a keystore of schema 1: {error}") from error
    cipher_key, check = _derive(password, fields.salt, fields.cost)
    if not bytes_eq(check, fields.check):
        raise WrongPassword("the password does not open this keystore")
    try:
        key = cipher_key[: KEY_LENGTHS[fields.suite]]
        secret = unseal(fields.suite, key, fields.nonce, fields.aad, fields.sealed)
        found = SecretKey(fields.algorithm, secret)
    except (InvalidTag, KeyInvalid) as error:
        raise KeystoreDamaged("the password is right, but the file was changed") from error
    if found.public_key.raw != fields.public_key:
        raise KeystoreDamaged("the key does not belong to the public key beside it")
    return found


@dataclass(frozen=True, slots=True)
class _Fields:
    algorithm: Algorithm
    public_key: bytes
    cost: Cost
    salt: bytes
    check: bytes
    suite: CipherSuite
    nonce: bytes
    sealed: bytes
    aad: bytes


def _fields(document: Json) -> _Fields:
    if not isinstance(document, dict) or document.get("schema") != 1:
        raise ValueError("another schema")
    kdf, cipher = document["kdf"], document["cipher"]
    if document["kind"] != _KIND or not isinstance(kdf, dict) or not isinstance(cipher, dict):
        raise ValueError("another kind of file")
    n, r, p = kdf["n"], kdf["r"], kdf["p"]
    if not (type(n) is int and type(r) is int and type(p) is int and kdf["name"] == "scrypt"):
        raise ValueError("unknown key derivation")
    if not (
        n > 1 and n & (n - 1) == 0 and r > 0 and 128 * n * r <= _MEMORY_MAX and 0 < p <= _P_MAX
    ):
        raise ValueError("cost of the key derivation out of range")
    name, sealed = cipher["name"], _unhex(document["ciphertext"])
    if not isinstance(name, str) or name not in _SUITES or len(sealed) != 32 + TAG_LENGTH:
        raise ValueError("unknown cipher")
    nonce, check = _unhex(cipher["nonce"]), _unhex(document["check"])
    if len(nonce) != 12 or len(check) != 16:
        raise ValueError("nonce or check value has another length")
    return _Fields(
        Algorithm(document["algorithm"]),
        _unhex(document["public_key"]),
        Cost(n, r, p),
        _unhex(kdf["salt"]),
        check,
        _SUITES[name],
        nonce,
        sealed,
        _aad(document),
    )


def _unhex(value: Json) -> bytes:
    if not isinstance(value, str):
        raise TypeError("hex expected")
    return bytes.fromhex(value)


def write_private(path: str | Path, text: str) -> None:
    """Writes a new file that only its owner may read; an existing file is never overwritten."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


class KeystoreSigner(MemorySigner):
    """Signs with the key of a keystore file."""

    @classmethod
    def create(
        cls,
        path: str | Path,
        password: str,
        key: SecretKey | None = None,
        *,
        cipher: str = AES,
        cost: Cost | None = None,
    ) -> KeystoreSigner:
        """Writes a keystore with a key (default: a new Ed25519 key) and opens it."""
        key = key or SecretKey.generate()
        text = json.dumps(encrypt(key, password, cipher, cost), indent=1)
        write_private(path, text + "\n")
        return cls(key)

    @classmethod
    def open(cls, path: str | Path, password: str) -> KeystoreSigner:
        """Opens a keystore. Raises `WrongPassword` or `KeystoreDamaged`."""
        try:
            document = parse_json(Path(path).read_bytes())
        except InvalidInput as error:
            raise KeystoreDamaged(f"{path} is not JSON") from error
        return cls(decrypt(document, password))
