"""SM2 signatures (GB/T 32918.2-2016) with SM3, in plain Python.

Python integers do not run in constant time: on a machine where an attacker can measure the signer,
use a hardware key.
Nonces follow RFC 6979 over SM3, so that one key and message give one signature, the same as the
Rust core's.
"""

from __future__ import annotations

from typing import Final

from bubi_sdk.hashes import sm3

IDENTITY: Final = b"1234567812345678"
P: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A: Final = P - 3
B: Final = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G: Final = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)

Point = tuple[int, int]
_Jacobian = tuple[int, int, int]
_INFINITY: Final[_Jacobian] = (1, 1, 0)


def _double(point: _Jacobian) -> _Jacobian:
    x, y, z = point
    if not z or not y:
        return _INFINITY
    zz = z * z % P
    slope = 3 * (x - zz) * (x + zz) % P
    yy = y * y % P
    middle = 4 * x * yy % P
    x3 = (slope * slope - 2 * middle) % P
    return x3, (slope * (middle - x3) - 8 * yy * yy) % P, 2 * y * z % P


def _add(one: _Jacobian, two: _Jacobian) -> _Jacobian:
    if not one[2]:
        return two
    if not two[2]:
        return one
    z1z1, z2z2 = one[2] * one[2] % P, two[2] * two[2] % P
    u1, u2 = one[0] * z2z2 % P, two[0] * z1z1 % P
    s1, s2 = one[1] * two[2] * z2z2 % P, two[1] * one[2] * z1z1 % P
    if u1 == u2:
        return _double(one) if s1 == s2 else _INFINITY
    h, r = u2 - u1, s2 - s1
    hh = h * h % P
    hhh, v = h * hh % P, u1 * hh % P
    x3 = (r * r - hhh - 2 * v) % P
    return x3, (r * (v - x3) - s1 * hhh) % P, h * one[2] * two[2] % P


def _multiply(scalar: int, point: Point) -> _Jacobian:
    base = (point[0], point[1], 1)
    table = [_INFINITY, base]
    for _ in range(14):
        table.append(_add(table[-1], base))
    result = _INFINITY
    for shift in range(252, -1, -4):
        for _ in range(4):
            result = _double(result)
        result = _add(result, table[(scalar >> shift) & 15])
    return result


def _affine(point: _Jacobian) -> Point | None:
    if not point[2]:
        return None
    inverse = pow(point[2], -1, P)
    square = inverse * inverse % P
    return point[0] * square % P, point[1] * square * inverse % P


def compress(point: Point) -> bytes:
    """Compressed SEC 1 form, 33 bytes."""
    return bytes([2 + (point[1] & 1)]) + point[0].to_bytes(32, "big")


def decompress(data: bytes) -> Point | None:
    """The point of a compressed SEC 1 form; None if there is none."""
    if len(data) != 33 or data[0] not in (2, 3):
        return None
    x = int.from_bytes(data[1:], "big")
    if x >= P:
        return None
    square = (x * x * x + A * x + B) % P
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        return None
    if y & 1 != data[0] & 1:
        y = P - y
    return (x, y) if y < P else None


def public_point(secret: int) -> Point:
    """The public point of a secret number in [1, n - 2]."""
    point = _affine(_multiply(secret, G))
    if point is None:
        raise ValueError("the secret is a multiple of the order")
    return point


def _message_number(public: Point, message: bytes, identity: bytes) -> int:
    numbers = (A, B, *G, *public)
    parameters = b"".join(number.to_bytes(32, "big") for number in numbers)
    z = sm3((8 * len(identity)).to_bytes(2, "big") + identity + parameters)
    return int.from_bytes(sm3(z + message), "big")


class _Nonces:
    """RFC 6979 section 3.2 with HMAC-SM3."""

    def __init__(self, secret: int, digest: int) -> None:
        seed = secret.to_bytes(32, "big") + (digest % N).to_bytes(32, "big")
        self._key, self._value = bytes(32), b"\x01" * 32
        self._stir(b"\x00" + seed)
        self._stir(b"\x01" + seed)

    def _mac(self, data: bytes) -> bytes:
        # The hmac module needs hashlib, whose OpenSSL may lack SM3. The key has 32 bytes, less
        # than a block.
        key = self._key.ljust(64, b"\x00")
        inner = sm3(bytes(byte ^ 0x36 for byte in key) + data)
        return sm3(bytes(byte ^ 0x5C for byte in key) + inner)

    def _stir(self, data: bytes) -> None:
        self._key = self._mac(self._value + data)
        self._value = self._mac(self._value)

    def next(self) -> int:
        while True:
            self._value = self._mac(self._value)
            nonce = int.from_bytes(self._value, "big")
            self._stir(b"\x00")
            if 0 < nonce < N:
                return nonce


def sign(secret: int, message: bytes, identity: bytes = IDENTITY) -> bytes:
    """Signature r ‖ s, 64 bytes."""
    digest = _message_number(public_point(secret), message, identity)
    nonces = _Nonces(secret, digest)
    while True:
        signature = sign_with_nonce(secret, digest, nonces.next())
        if signature is not None:
            return signature


def sign_with_nonce(secret: int, digest: int, nonce: int) -> bytes | None:
    """The signature equations for one nonce; None where the standard asks for another one."""
    point = _affine(_multiply(nonce, G))
    r = (digest + (point[0] if point else 0)) % N
    if r == 0 or r + nonce == N:
        return None
    s = pow(1 + secret, -1, N) * (nonce - r * secret) % N
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") if s else None


def verify(
    public_key: bytes, message: bytes, signature: bytes, identity: bytes = IDENTITY
) -> bool:
    """Whether r ‖ s is a signature of `message` by the compressed key."""
    public = decompress(public_key)
    if public is None or len(signature) != 64:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    t = (r + s) % N
    if not 0 < r < N or not 0 < s < N or not t:
        return False
    point = _affine(_add(_multiply(s, G), _multiply(t, public)))
    return point is not None and (_message_number(public, message, identity) + point[0]) % N == r
