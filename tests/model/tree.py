"""Hashes: suites, RFC 9162 lists, the state tree, keys' validity. Naive on purpose."""

import functools
import hashlib
from collections.abc import Mapping, Sequence

from .bcs import KEY_LENGTHS, uleb
from .values import Suite

TRANSACTION, BATCH, RECEIPT, CELL, ID, ACCOUNT, EVENT = range(1, 8)

Cells = Mapping[tuple[bytes, bytes], bytes]


def digest(suite: Suite, *parts: bytes) -> bytes:
    """Hash of the parts one after another."""
    data = b"".join(parts)
    if suite is Suite.STANDARD:
        return hashlib.sha256(data).digest()
    return _sm3(data)


def list_root(suite: Suite, tag: int, items: Sequence[bytes]) -> bytes:
    """RFC 9162 root: the left part is the largest power of two below the length."""
    if not items:
        return digest(suite)
    if len(items) == 1:
        return digest(suite, b"\0", bytes([tag]), items[0])
    split = 1 << (len(items) - 1).bit_length() - 1
    return digest(
        suite, b"\1", list_root(suite, tag, items[:split]), list_root(suite, tag, items[split:])
    )


def state_root(suite: Suite, cells: Cells) -> bytes:
    """Root over all owners, each with the root of its own cells."""
    owners: dict[bytes, dict[bytes, bytes]] = {}
    for (owner, key), value in cells.items():
        owners.setdefault(owner, {})[key] = value
    leaves = {}
    for owner, own in owners.items():
        own_leaves = {path(suite, key): cell_leaf(suite, key, value) for key, value in own.items()}
        leaves[path(suite, owner)] = digest(
            suite, b"\0", bytes([ACCOUNT]), owner, trie(suite, own_leaves)
        )
    return trie(suite, leaves)


@functools.lru_cache(100_000)
def path(suite: Suite, key: bytes) -> int:
    """Place of a key in a trie, as a 256-bit number whose highest bit chooses first."""
    return int.from_bytes(digest(suite, b"\2", key), "big")


@functools.lru_cache(100_000)
def cell_leaf(suite: Suite, key: bytes, value: bytes) -> bytes:
    """Leaf hash of a cell."""
    return digest(suite, b"\0", bytes([CELL]), uleb(len(key)), key, uleb(len(value)), value)


def trie(suite: Suite, leaves: Mapping[int, bytes], bit: int = 255) -> bytes:
    """Binary trie, each leaf at its shortest distinguishing prefix."""
    if not leaves:
        return bytes(32)
    if len(leaves) == 1:
        return next(iter(leaves.values()))
    left = {place: leaf for place, leaf in leaves.items() if not place >> bit & 1}
    right = {place: leaf for place, leaf in leaves.items() if place >> bit & 1}
    return digest(suite, b"\1", trie(suite, left, bit - 1), trie(suite, right, bit - 1))


# Validity of public keys: field prime p and curve y^2 = x^3 + a·x + b per algorithm

_CURVES = {
    1: (2**256 - 2**32 - 977, 0, 7),
    2: (
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        -3,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    ),
    3: (
        2**256 - 2**224 - 2**96 + 2**64 - 1,
        -3,
        0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93,
    ),
}
_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P


@functools.lru_cache(10_000)
def key_valid(key: bytes) -> bool:
    """Whether tagged bytes are the canonical encoding of a point, not of small order."""
    algorithm, encoded = key[0], key[1:]
    if len(encoded) != KEY_LENGTHS[algorithm]:
        return False
    if algorithm == 0:
        return _edwards_valid(int.from_bytes(encoded, "little"))
    p, a, b = _CURVES[algorithm]
    x = int.from_bytes(encoded[1:], "big")
    square = (x**3 + a * x + b) % p
    return encoded[0] in (2, 3) and x < p and pow(square, (p + 1) // 4, p) ** 2 % p == square


def _edwards_valid(encoded: int) -> bool:
    y = encoded % 2**255
    if y >= _P:
        return False
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if x * x % _P != square:
        return False
    for _ in range(3):  # eight times a point of small order is the neutral point (0, 1)
        k = _D * x * x * y * y % _P
        x, y = 2 * x * y * pow(1 + k, -1, _P) % _P, (y * y + x * x) * pow(1 - k, -1, _P) % _P
    return (x, y) != (0, 1)


# SM3 (GB/T 32905), for builds of OpenSSL without it


def _sm3(data: bytes) -> bytes:
    if "sm3" in hashlib.algorithms_available:
        return hashlib.new("sm3", data).digest()
    return sm3_plain(data)


def sm3_plain(data: bytes) -> bytes:
    """SM3 written out."""
    state = [
        0x7380166F,
        0x4914B2B9,
        0x172442D7,
        0xDA8A0600,
        0xA96F30BC,
        0x163138AA,
        0xE38DEE4D,
        0xB0FB0E4E,
    ]
    padded = data + b"\x80" + bytes(-(len(data) + 9) % 64) + (8 * len(data)).to_bytes(8, "big")
    for start in range(0, len(padded), 64):
        state = [
            old ^ new
            for old, new in zip(state, _compress(state, padded[start : start + 64]), strict=True)
        ]
    return b"".join(word.to_bytes(4, "big") for word in state)


def _turn(word: int, count: int) -> int:
    count %= 32
    return (word << count | word >> 32 - count) & 0xFFFFFFFF


def _compress(state: Sequence[int], block: bytes) -> list[int]:
    words = [int.from_bytes(block[i : i + 4], "big") for i in range(0, 64, 4)]
    for i in range(16, 68):
        x = words[i - 16] ^ words[i - 9] ^ _turn(words[i - 3], 15)
        words.append(x ^ _turn(x, 15) ^ _turn(x, 23) ^ _turn(words[i - 13], 7) ^ words[i - 6])
    a, b, c, d, e, f, g, h = state
    for i in range(64):
        first = i < 16
        s1 = _turn(
            _turn(a, 12) + e + _turn(0x79CC4519 if first else 0x7A879D8A, i) & 0xFFFFFFFF, 7
        )
        s2 = s1 ^ _turn(a, 12)
        f1 = a ^ b ^ c if first else a & b | a & c | b & c
        g1 = e ^ f ^ g if first else e & f | ~e & g
        t1 = f1 + d + s2 + (words[i] ^ words[i + 4]) & 0xFFFFFFFF
        t2 = g1 + h + s1 + words[i] & 0xFFFFFFFF
        a, b, c, d = t1, a, _turn(b, 9), c
        e, f, g, h = t2 ^ _turn(t2, 9) ^ _turn(t2, 17), e, _turn(f, 19), g
    return [a, b, c, d, e, f, g, h]
