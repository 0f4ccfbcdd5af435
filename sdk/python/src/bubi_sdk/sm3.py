"""SM3 (GB/T 32905-2016) in plain Python, for builds of OpenSSL that lack it."""

from __future__ import annotations

from typing import Final

_MASK: Final = 0xFFFFFFFF
_START: Final[tuple[int, ...]] = (
    0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E,
)  # fmt: skip


def _rotate(word: int, bits: int) -> int:
    bits %= 32
    return ((word << bits) | (word >> (32 - bits))) & _MASK


_CONSTANTS: Final = tuple(
    _rotate(0x79CC4519 if round_ < 16 else 0x7A879D8A, round_) for round_ in range(64)
)


def _expand(block: bytes) -> list[int]:
    words = [int.from_bytes(block[at : at + 4], "big") for at in range(0, 64, 4)]
    for at in range(16, 68):
        mixed = words[at - 16] ^ words[at - 9] ^ _rotate(words[at - 3], 15)
        permuted = mixed ^ _rotate(mixed, 15) ^ _rotate(mixed, 23)
        words.append(permuted ^ _rotate(words[at - 13], 7) ^ words[at - 6])
    return words


def _compress(state: tuple[int, ...], block: bytes) -> tuple[int, ...]:
    words = _expand(block)
    a, b, c, d, e, f, g, h = state
    for at in range(64):
        ss1 = _rotate((_rotate(a, 12) + e + _CONSTANTS[at]) & _MASK, 7)
        ss2 = ss1 ^ _rotate(a, 12)
        if at < 16:
            choice, parity = a ^ b ^ c, e ^ f ^ g
        else:
            choice, parity = (a & b) | (a & c) | (b & c), (e & f) | (~e & _MASK & g)
        tt1 = (choice + d + ss2 + (words[at] ^ words[at + 4])) & _MASK
        tt2 = (parity + h + ss1 + words[at]) & _MASK
        a, b, c, d = tt1, a, _rotate(b, 9), c
        e, f, g, h = tt2 ^ _rotate(tt2, 9) ^ _rotate(tt2, 17), e, _rotate(f, 19), g
    return tuple(old ^ new for old, new in zip(state, (a, b, c, d, e, f, g, h), strict=True))


def sm3(data: bytes) -> bytes:
    """The 32-byte SM3 digest of `data`."""
    padded = data + b"\x80" + bytes((55 - len(data)) % 64) + (8 * len(data)).to_bytes(8, "big")
    state = _START
    for at in range(0, len(padded), 64):
        state = _compress(state, padded[at : at + 64])
    return b"".join(word.to_bytes(4, "big") for word in state)
