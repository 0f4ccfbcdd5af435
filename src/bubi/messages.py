"""What nodes say to each other, beside the frames that carry it. Pure.

Each message is a frozen dataclass; `encode` and `decode` give its canonical bytes
(spec/network.md, section 3). The transport sorts them into three queues by `priority`: votes go
before batches, batches before sync.
"""

from dataclasses import dataclass
from enum import IntEnum

from bubi.consensus.engine import ConsensusMessage

HASH_BYTES = 32


class Priority(IntEnum):
    """Queue of a message; lower numbers are sent first."""

    VOTES = 0
    BATCHES = 1
    SYNC = 2


@dataclass(frozen=True, slots=True)
class Consensus:
    """A signed message of an engine, from its author or relayed once."""

    message: ConsensusMessage


@dataclass(frozen=True, slots=True)
class BatchBody:
    """A batch: the encoded `SignedBatch` and its transactions as a bulk body."""

    digest: bytes
    header: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class BatchHave:
    """The sender holds these batches, verified: an announcement and an acknowledgement."""

    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class BatchWant:
    """The sender asks for these batches."""

    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class BlockWanted:
    """The sender needs a block later than this time (ms), for a transaction that expired."""

    time: int


@dataclass(frozen=True, slots=True)
class Transactions:
    """Transactions that an observer admitted, as a bulk body, for a validator to put in a batch."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Link:
    """One connection in a status: the peer's node id and its round-trip time (µs)."""

    peer: bytes
    round_trip_us: int


@dataclass(frozen=True, slots=True)
class Status:
    """What a node says of itself every 5 s and after it caught up. Relayed once if signed.

    `validator` is its index in the set in force and `signature` that of its vote key over the
    rest; an observer has neither and is heard by its direct peers only. `sequence` ascends with
    every status of a node. `certificate_days` are the days that its certificate is still valid.
    """

    node: bytes
    name: str
    organisation: str
    validator: int | None
    sequence: int
    time: int
    height: int
    digest: bytes
    state_root: bytes
    round: int
    pool: int
    certificate_days: int
    links: tuple[Link, ...]
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class BlocksRequest:
    """Asks for decided blocks `first` to `last`; the answer may stop earlier."""

    number: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class BlockParts:
    """A decided block as a peer gives it: nothing in it is trusted."""

    height: int
    proposal: bytes
    certificate: bytes
    headers: tuple[bytes, ...]
    bodies: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Answer to a request, in order from its first height; empty if the peer has none."""

    number: int
    blocks: tuple[BlockParts, ...]


PeerMessage = (
    Consensus
    | BatchBody
    | BatchHave
    | BatchWant
    | BlockWanted
    | Transactions
    | Status
    | BlocksRequest
    | Blocks
)
