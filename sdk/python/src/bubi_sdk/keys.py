"""Keys and signatures of the four algorithms (spec/encoding.md, section 3)."""

from __future__ import annotations

import enum
import secrets
from typing import ClassVar, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from bubi_sdk import accelerator, sm2
from bubi_sdk.codec import Codec, Json, Reader
from bubi_sdk.errors import KeyInvalid, Malformed, MalformedJson, NotCanonical


class Algorithm(enum.Enum):
    """Signature algorithm. The order is the number on the wire."""

    ED25519 = "ed25519"
    SECP256K1 = "secp256k1"
    P256 = "p256"
    SM2 = "sm2"

    @property
    def number(self) -> int:
        """The byte in front of a key."""
        return _ALGORITHMS.index(self)

    @property
    def key_length(self) -> int:
        """Bytes of a public key."""
        return 32 if self is Algorithm.ED25519 else 33


_ALGORITHMS: Final = list(Algorithm)
_CURVES: Final[dict[Algorithm, ec.EllipticCurve]] = {
    Algorithm.SECP256K1: ec.SECP256K1(),
    Algorithm.P256: ec.SECP256R1(),
}
_ORDERS: Final = {
    Algorithm.SECP256K1: 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
    Algorithm.P256: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    Algorithm.SM2: sm2.N - 1,  # d = n - 1 cannot sign
}

_ED25519_PRIME: Final = 2**255 - 19
_ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
# The y of a point of order 8, and its negative.
_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER: Final = {0, 1, _ED25519_PRIME - 1, _ORDER_8, _ED25519_PRIME - _ORDER_8}


class _Key(NamedTuple):
    number: int
    raw: bytes


class PublicKey(_Key):
    """A public key with its algorithm. Sorts by its tagged bytes."""

    __slots__ = ()
    CODEC: ClassVar[Codec[PublicKey]]

    def __new__(cls, number: int, raw: bytes) -> PublicKey:
        """Takes the number of the algorithm and the raw bytes; checks only the length."""
        if not 0 <= number < len(_ALGORITHMS):
            raise KeyInvalid(f"there is no algorithm {number}")
        if not isinstance(raw, bytes) or len(raw) != _ALGORITHMS[number].key_length:
            raise KeyInvalid(f"a key of {_ALGORITHMS[number].value} has another length")
        return super().__new__(cls, number, raw)

    @classmethod
    def of(cls, algorithm: Algorithm, raw: bytes) -> PublicKey:
        """Takes the algorithm and the raw bytes."""
        return cls(algorithm.number, raw)

    @classmethod
    def from_tagged(cls, data: bytes) -> PublicKey:
        """Takes tagged bytes: number of the algorithm, key."""
        if not data:
            raise KeyInvalid("a key without bytes")
        return cls(data[0], data[1:])

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm."""
        return _ALGORITHMS[self.number]

    @property
    def tagged(self) -> bytes:
        """Number of the algorithm and key; what a key's address is the hash of."""
        return bytes([self.number]) + self.raw

    def check(self) -> None:
        """Raises `KeyInvalid` unless the key may be registered.

        A point, canonical, not of small order.
        """
        if self.algorithm is Algorithm.ED25519:
            if not _strict_point(self.raw):
                raise KeyInvalid("not a canonical point of edwards25519, or one of small order")
        elif self.algorithm is Algorithm.SM2:
            if sm2.decompress(self.raw) is None:
                raise KeyInvalid("not a compressed point of the SM2 curve")
        else:
            self._elliptic()

    def _elliptic(self) -> ec.EllipticCurvePublicKey:
        if self.raw[0] not in (2, 3):
            raise KeyInvalid("not a compressed point")
        try:
            return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[self.algorithm], self.raw)
        except ValueError as error:
            raise KeyInvalid(f"not a point of {self.algorithm.value}") from error

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether an honest signer with this key made the signature.

        For votes and proofs (the strict rule) and for checking a signature before it is sent.
        Nodes judge Ed25519
        signatures of transactions by ZIP-215, which accepts everything that this accepts, and a
        few crafted encodings.
        """
        if len(signature) != 64:
            return False
        if self.algorithm is Algorithm.ED25519:
            return _verify_ed25519(self.raw, message, signature)
        if self.algorithm is Algorithm.SM2:
            verdict = accelerator.verify(self.tagged, message, signature)
            return sm2.verify(self.raw, message, signature) if verdict is None else verdict
        return self._verify_ecdsa(message, signature)

    def _verify_ecdsa(self, message: bytes, signature: bytes) -> bool:
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        if not r or not 0 < s <= _ORDERS[self.algorithm] // 2:
            return False
        try:
            self._elliptic().verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, KeyInvalid):
            return False
        return True

    def __repr__(self) -> str:
        return f"PublicKey({self.algorithm.value}, {self.raw.hex()})"


def _strict_encoding(data: bytes) -> bool:
    """Canonical and not of small order.

    Both x of a small y are small, so the sign does not matter.
    """
    y = int.from_bytes(data, "little") & (1 << 255) - 1
    return y < _ED25519_PRIME and y not in _SMALL_ORDER


def _strict_point(data: bytes) -> bool:
    if not _strict_encoding(data):
        return False
    y = int.from_bytes(data, "little") & (1 << 255) - 1
    p = _ED25519_PRIME
    d = -121665 * pow(121666, -1, p) % p
    x_squared = (y * y - 1) * pow(d * y * y + 1, -1, p) % p
    return pow(x_squared, (p - 1) // 2, p) == 1


def _verify_ed25519(key: bytes, message: bytes, signature: bytes) -> bool:
    # OpenSSL compares encodings of R without cofactor and refuses S >= L; what it lets pass is
    # refused here first.
    response = int.from_bytes(signature[32:], "little")
    if not (
        _strict_encoding(key) and _strict_encoding(signature[:32]) and response < _ED25519_ORDER
    ):
        return False
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class _PublicKeyCodec(Codec[PublicKey]):
    def write(self, out: bytearray, value: PublicKey) -> None:
        if not isinstance(value, PublicKey):
            raise Malformed(f"{value!r} is not a PublicKey")
        out += value.tagged

    def read(self, reader: Reader) -> PublicKey:
        number = reader.uleb()
        if number >= len(_ALGORITHMS):
            raise NotCanonical(f"there is no algorithm {number}")
        return PublicKey(number, reader.take(_ALGORITHMS[number].key_length))

    def to_json(self, value: PublicKey, prefix: str) -> Json:
        return {value.algorithm.value: value.raw.hex()}

    def from_json(self, value: Json, prefix: str) -> PublicKey:
        if type(value) is dict and len(value) == 1:
            ((name, text),) = value.items()
            for algorithm in _ALGORITHMS:
                if name == algorithm.value and type(text) is str and text == text.lower():
                    return _key_from_hex(algorithm, text)
        raise MalformedJson('expected a key such as {"ed25519": "hex"}')


def _key_from_hex(algorithm: Algorithm, text: str) -> PublicKey:
    if len(text) != 2 * algorithm.key_length or not text.isalnum():
        raise MalformedJson(f"expected {algorithm.key_length} bytes in hex")
    try:
        return PublicKey.of(algorithm, bytes.fromhex(text))
    except ValueError as error:
        raise MalformedJson("expected lower-case hex") from error


PublicKey.CODEC = _PublicKeyCodec()


class SecretKey:
    """A secret key in memory. It never prints itself."""

    __slots__ = ("_ecdsa", "_ed25519", "_secret", "algorithm", "public_key")

    def __init__(self, algorithm: Algorithm, secret: bytes) -> None:
        if len(secret) != 32:
            raise KeyInvalid("a secret key has 32 bytes")
        self.algorithm = algorithm
        self._secret = secret
        self._ed25519: ed25519.Ed25519PrivateKey | None = None
        self._ecdsa: ec.EllipticCurvePrivateKey | None = None
        number = int.from_bytes(secret, "big")
        if algorithm is not Algorithm.ED25519 and not 0 < number < _ORDERS[algorithm]:
            raise KeyInvalid("the secret key is out of range")
        if algorithm is Algorithm.ED25519:
            self._ed25519 = ed25519.Ed25519PrivateKey.from_private_bytes(secret)
            raw = self._ed25519.public_key().public_bytes_raw()
        elif algorithm is Algorithm.SM2:
            raw = sm2.compress(sm2.public_point(number))
        else:
            self._ecdsa = ec.derive_private_key(number, _CURVES[algorithm])
            raw = self._ecdsa.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
            )
        self.public_key = PublicKey.of(algorithm, raw)

    @classmethod
    def generate(cls, algorithm: Algorithm = Algorithm.ED25519) -> SecretKey:
        """A new key from the operating system's randomness."""
        while True:
            secret = secrets.token_bytes(32)
            if (
                algorithm is Algorithm.ED25519
                or 0 < int.from_bytes(secret, "big") < _ORDERS[algorithm]
            ):
                return cls(algorithm, secret)

    @property
    def secret_bytes(self) -> bytes:
        """The 32 secret bytes: the seed of Ed25519, else the big-endian number."""
        return self._secret

    def sign(self, message: bytes) -> bytes:
        """Signature of 64 bytes; the same key and message always give the same one."""
        if self._ed25519 is not None:
            return self._ed25519.sign(message)
        if self._ecdsa is not None:
            return self._sign_ecdsa(self._ecdsa, message)
        fast = accelerator.sign(self.algorithm.number, self._secret, message)
        return fast or sm2.sign(int.from_bytes(self._secret, "big"), message)

    def _sign_ecdsa(self, key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
        rule = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = decode_dss_signature(key.sign(message, rule))
        s = min(s, _ORDERS[self.algorithm] - s)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def __repr__(self) -> str:
        return f"SecretKey({self.public_key!r}, secret)"
