"""Validators and their sets (core/codec/src/state.rs)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bubi_sdk import checks, limits
from bubi_sdk.codec import U32, U64, Shape, at_most
from bubi_sdk.errors import Malformed
from bubi_sdk.keys import PublicKey


@dataclass(frozen=True, slots=True)
class Validator(Shape):
    """A validator."""

    name: str
    organisation: str
    key: PublicKey
    weight: U32


@dataclass(frozen=True, slots=True)
class ValidatorSet(Shape):
    """Validators in force, with the quorum ratio."""

    VERSION: ClassVar[str] = "v1"
    epoch: U64
    engine: str
    validators: tuple[Validator, ...]
    quorum_numerator: U32
    quorum_denominator: U32

    @property
    def total(self) -> int:
        """Sum of all weights."""
        return sum(validator.weight for validator in self.validators)

    @property
    def quorum(self) -> int:
        """Weight that a certificate needs: max(⌊2T/3⌋ + 1, ⌈T·num/den⌉)."""
        safe = self.total * 2 // 3 + 1
        return max(safe, -(-self.total * self.quorum_numerator // self.quorum_denominator))

    def check(self) -> None:
        """Raises `TooLarge` or `Malformed` for a set that can never be valid."""
        checks.text("engine", self.engine, limits.NAME_BYTES_MAX)
        at_most(limits.VALIDATORS_MAX, "validators", len(self.validators))
        if not self.validators or any(not one.weight for one in self.validators):
            raise Malformed("validators: give at least one, each with a weight of at least 1")
        if len({one.key for one in self.validators}) != len(self.validators):
            raise Malformed("validators: each needs a key of its own")
        for validator in self.validators:
            checks.text("validator name", validator.name, limits.NAME_BYTES_MAX)
            checks.text("organisation", validator.organisation, limits.NAME_BYTES_MAX)
        if self.total > 0xFFFFFFFF:
            raise Malformed("weights: their sum must be at most 2^32 - 1")
        if not self.quorum_denominator or self.quorum_numerator > self.quorum_denominator:
            raise Malformed("quorum ratio: it must lie between 0 and 1")
