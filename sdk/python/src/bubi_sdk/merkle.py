"""List trees of RFC 9162 over leaves that carry a tree tag (spec/encoding.md, section 2)."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from bubi_sdk.hashes import HashSuite


class LeafTag(enum.IntEnum):
    """Which tree a leaf belongs to."""

    TRANSACTION = 1
    BATCH = 2
    RECEIPT = 3
    CELL = 4
    ID = 5
    ACCOUNT = 6
    EVENT = 7


def leaf_hash(suite: HashSuite, tag: LeafTag, data: bytes) -> bytes:
    """H(00 ‖ tag ‖ data)."""
    return suite.hash(bytes([0, tag]), data)


def node_hash(suite: HashSuite, left: bytes, right: bytes) -> bytes:
    """H(01 ‖ left ‖ right)."""
    return suite.hash(b"\x01", left, right)


def root(suite: HashSuite, leaves: Sequence[bytes]) -> bytes:
    """Root over leaf hashes in order; the hash of nothing for an empty list."""
    level = list(leaves)
    while len(level) > 1:
        pairs = [node_hash(suite, level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        # An odd node at the end is lifted unchanged.
        level = pairs + level[len(pairs) * 2 :]
    return level[0] if level else suite.hash()


def path(suite: HashSuite, leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Siblings of the leaf at `index`, lowest first."""
    level, siblings = list(leaves), []
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            siblings.append(level[beside])
        pairs = [node_hash(suite, level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
        index >>= 1
    return tuple(siblings)


def verify(
    suite: HashSuite,
    leaf: bytes,
    index: int,
    size: int,
    siblings: Sequence[bytes],
    expected: bytes,
) -> bool:
    """Whether the path proves `leaf` to be number `index` of `size` leaves below a root."""
    if not 0 <= index < size:
        return False
    node, last, current = index, size - 1, leaf
    for sibling in siblings:
        if last == 0:
            return False
        if node & 1 or node == last:
            current = node_hash(suite, sibling, current)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            current = node_hash(suite, current, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and current == expected
