"""Forms of the answers, for the OpenAPI document. Strict: nothing is converted silently."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Decimal = Field(pattern=r"^(0|[1-9][0-9]*)$")
Hash = Field(pattern=r"^[0-9a-f]{64}$")


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Problem(_Strict):
    """A refusal (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    transaction: str | None = None


class OperationCode(_Strict):
    """How one operation ended."""

    code: str


class Outcome(_Strict):
    """What became of a transaction."""

    schema_: Literal[1] = Field(alias="schema")
    id: str = Hash
    status: Literal["pending", "final", "rejected", "expired"]
    code: str | None
    height: str | None
    index: int | None
    operations: list[OperationCode]
    valid_until: str = Decimal


class FullOutcome(Outcome):
    """An outcome with everything that belongs to it."""

    time: str | None = None
    body: dict[str, Any] | None = None
    events: list[Any] | None = None
    proof: str | None = None


class Refused(_Strict):
    """A transaction of a bulk that was refused."""

    index: int
    code: str


class BulkResult(_Strict):
    """What became of a bulk.

    `codes` is base64 of one u16 (little-endian) per admitted transaction.
    """

    schema_: Literal[1] = Field(alias="schema")
    received: int
    admitted: int
    refused: list[Refused]
    codes: str | None = None
    height: str | None = None


class Encoded(_Strict):
    """A body in canonical bytes."""

    schema_: Literal[1] = Field(alias="schema")
    body: str
    hash: str = Hash
    signing_bytes: str


class Document(BaseModel):
    """An object of the ledger; its members are described in spec/api.md."""

    model_config = ConfigDict(strict=True, extra="allow")
    schema_: Literal[1] = Field(alias="schema")


class Page(_Strict):
    """A page of a list."""

    schema_: Literal[1] = Field(alias="schema")
    height: str = Decimal
    items: list[Any]
    next: str | None


class HealthReason(_Strict):
    """One thing that is wrong."""

    code: str
    text: str


class HealthReport(_Strict):
    """Whether the node does its work."""

    schema_: Literal[1] = Field(alias="schema")
    status: Literal["ready", "unavailable"]
    height: str = Decimal
    reasons: list[HealthReason]
    missing: list[str]


class VoteSeen(_Strict):
    """The newest statement of a validator at the height in work."""

    phase: str
    view: str = Decimal
    outcome: str | None


class ValidatorSeen(_Strict):
    """A validator as this node sees it. Times are ms since 1970."""

    name: str
    organisation: str
    weight: int
    own: bool
    connected: bool
    missing: bool
    last_seen: str | None
    seconds_ago: int | None
    height: str | None
    view: str | None
    vote: VoteSeen | None


class Target(_Strict):
    """The height that a node fetches blocks up to."""

    height: str = Decimal


class EvidenceSeen(_Strict):
    """Two contradicting statements of one validator."""

    validator: str
    height: str = Decimal
    view: str = Decimal
    phase: str


class ConsensusReport(_Strict):
    """Where the height in work stands."""

    schema_: Literal[1] = Field(alias="schema")
    halted: bool
    since: str | None
    height: str = Decimal
    decided: str = Decimal
    view: str = Decimal
    leader: str | None
    phase: str
    work_waiting: bool
    quorum: int
    validators: list[ValidatorSeen]
    missing_batches: int
    catching_up: Target | None
    evidence: list[EvidenceSeen]
    reasons: list[HealthReason]
    warnings: list[HealthReason]


class PeerList(BaseModel):
    """Known nodes: `items` hold at least id, name, organisation, state, rtt_ms, reason."""

    model_config = ConfigDict(strict=True, extra="allow")
    schema_: Literal[1] = Field(alias="schema")
    items: list[dict[str, Any]]
