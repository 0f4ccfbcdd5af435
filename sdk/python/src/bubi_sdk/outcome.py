"""What became of a transaction: an object, not an exception."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from bubi_sdk import codes
from bubi_sdk.codec import Json
from bubi_sdk.errors import TransactionExpired, TransactionPending, TransactionRejected


class Status(enum.Enum):
    """The four states of a transaction. All but `pending` are for ever."""

    PENDING = "pending"
    FINAL = "final"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Outcome:
    """State of one transaction as a node reports it."""

    transaction: bytes
    status: Status
    code: str | None = None
    """Result code of the ledger; `final` or why it was rejected."""
    height: int | None = None
    """Block in which it was decided."""
    index: int | None = None
    operations: tuple[str, ...] = ()
    """Result code per operation."""
    valid_until: int | None = None
    """Block time (ms) up to which it may be decided."""
    data: Mapping[str, Json] = field(default_factory=dict)
    """The node's whole answer: body, events, proof where they were asked for."""

    @property
    def final(self) -> bool:
        """Whether everything happened."""
        return self.status is Status.FINAL

    @property
    def decided(self) -> bool:
        """Whether nothing can change any more."""
        return self.status is not Status.PENDING

    def raise_for_status(self) -> Self:
        """Returns itself if final; raises the `OutcomeError` that fits otherwise."""
        if self.status is Status.REJECTED:
            code = self.code or "rejected"
            failed = [
                f"operation {number}: {one}"
                for number, one in enumerate(self.operations)
                if one not in ("final", "not_applied")
            ]
            detail = "; ".join([codes.meaning(code), *failed])
            raise TransactionRejected(detail, code=code, transaction=self.transaction)
        if self.status is Status.EXPIRED:
            raise TransactionExpired(
                "it was never executed and never will be; build a new one to try again",
                transaction=self.transaction,
            )
        if self.status is Status.PENDING:
            raise TransactionPending("it waits for its block", transaction=self.transaction)
        return self


ADMITTED = "admitted"
"""Verdict of the bulk door: taken, outcome not asked for or not known yet."""


@dataclass(frozen=True, slots=True)
class BulkVerdict:
    """What the bulk door says of one transaction."""

    index: int
    transaction: bytes | None
    """Hash, if envelopes (not bytes) were given."""
    code: str
    """`admitted`; with wait `final`, a result code or `skipped` (no receipt); or the refusal."""
    refused: bool = False
    """Refused at the door for certain: it left nothing behind.

    False for `duplicate`, and if an earlier try of the same request got no answer: ask by hash.
    """

    @property
    def final(self) -> bool:
        """Whether everything happened."""
        return self.code == "final"


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """Answer of the bulk door."""

    received: int
    admitted: int
    verdicts: tuple[BulkVerdict, ...]
    """One per transaction, in the order sent."""

    @property
    def refused(self) -> tuple[BulkVerdict, ...]:
        """Those refused at the door."""
        return tuple(one for one in self.verdicts if one.refused)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a question, and the height with which it is consistent."""

    height: int
    data: Mapping[str, Json]

    def __getitem__(self, name: str) -> Json:
        return self.data[name]


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list. All pages that follow one another show the same height."""

    height: int
    items: tuple[Json, ...]
    next: str | None
    """Cursor of the next page; None on the last one."""
