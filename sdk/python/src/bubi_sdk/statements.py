"""What votes sign (core/codec/src/block.rs)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bubi_sdk.codec import U8, U64, Hash, Shape
from bubi_sdk.errors import Malformed


@dataclass(frozen=True, slots=True)
class CommitStatement(Shape):
    """What a commit vote signs (after the domain `commit-vote` and the chain id)."""

    VERSION: ClassVar[str] = "v1"
    BYTES_MAX: ClassVar[int] = 512
    epoch: U64
    engine: str
    height: U64
    round: U64
    digest: Hash
    outcome: Hash


@dataclass(frozen=True, slots=True)
class VoteStatement(Shape):
    """What a vote before the commit signs (after the domain `vote` and the chain id).

    `phase`: 0 asks for the round, 1 supports its leader, 2 proposes, 3 is a first-phase vote.
    """

    VERSION: ClassVar[str] = "v1"
    BYTES_MAX: ClassVar[int] = 512
    epoch: U64
    engine: str
    height: U64
    round: U64
    phase: U8
    digest: Hash

    def check(self) -> None:
        """Raises `Malformed` for a statement that can never be valid."""
        if self.phase > 3:
            raise Malformed("phase: a vote before the commit has a phase of 0 to 3")
