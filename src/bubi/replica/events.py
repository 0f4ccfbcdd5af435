"""What goes into a replica and what it asks of its host.

The node answers actions with threads, sockets and a disk, the simulator with virtual ones. A host
performs actions in the order given; `Append`, `SyncLog`, `MirrorGuard`, `CheckProposal`,
`Commit` and `ApplyBlock` must also finish in that order (they write), the others may overlap.
"""

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from bubi.consensus.engine import Certificate, Configuration, ReportEvidence, TimerId
from bubi.consensus.guard import VoteRequest
from bubi.mempool import Entry
from bubi.messages import BlockParts, PeerMessage, Status


class BatchHandle(Protocol):
    """A verified batch; its transactions stay in the core."""

    def __len__(self) -> int:
        """How many transactions."""
        ...

    @property
    def digest(self) -> bytes:
        """Digest of its header."""
        ...

    @property
    def header(self) -> bytes:
        """Encoded SignedBatch."""
        ...

    @property
    def body(self) -> bytes:
        """Its transactions as a bulk body."""
        ...

    @property
    def author(self) -> bytes:
        """Vote key (tagged bytes) of the validator that made it."""
        ...

    @property
    def bytes(self) -> int:
        """Bytes of its transactions."""
        ...

    @property
    def latest_expiry(self) -> int:
        """Block time (ms) after which all of it is void."""
        ...


B = TypeVar("B", bound=BatchHandle)
G = TypeVar("G")

Peer = bytes
"""Id of a connected node: hash of its certificate's public key."""

# --- inputs --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tip:
    """The newest block of this node.

    `batches` are the digests it ordered, `certificate` is None at height 0. Blocks up to `barrier`
    are wanted even with nothing in them: there a change of the configuration that was voted for
    takes effect.
    """

    height: int
    time: int
    digest: bytes
    state_root: bytes
    certificate: Certificate | None
    batches: tuple[bytes, ...] = ()
    barrier: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a block under the parameters in force."""

    transactions: int
    bytes: int
    author_transactions: int
    author_bytes: int
    max_lifetime_ms: int


@dataclass(frozen=True, slots=True)
class Opened(Generic[B]):
    """The ledger is open: the replica starts at the height above its tip.

    `records` are (kind, data) that the log holds above the tip, oldest first; `batches` are
    bodies found there; `ordered` are the digests of batches in decided blocks within the longest
    lifetime, oldest first.
    """

    tip: Tip
    configuration: Configuration
    limits: Limits
    records: tuple[tuple[int, bytes], ...] = ()
    batches: tuple[B, ...] = ()
    ordered: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class PeerUp:
    """A connection was accepted on both sides."""

    peer: Peer
    name: str
    organisation: str
    observer: bool = False


@dataclass(frozen=True, slots=True)
class PeerDown:
    """A connection ended."""

    peer: Peer


@dataclass(frozen=True, slots=True)
class Received:
    """A decoded message of a connected peer."""

    peer: Peer
    message: PeerMessage


@dataclass(frozen=True, slots=True)
class PoolChanged:
    """Groups were added to the pool."""


@dataclass(frozen=True, slots=True)
class BlockNeeded:
    """A block later than `time` (ms) is needed here, or an idle interval ended."""

    time: int


@dataclass(frozen=True, slots=True)
class Sealed(Generic[B]):
    """The answer to `SealBatch`."""

    number: int
    batch: B


@dataclass(frozen=True, slots=True)
class BatchChecked(Generic[B]):
    """The answer to `CheckBatch`; `batch` is None if it is invalid, for `reason`."""

    digest: bytes
    batch: B | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Proposed:
    """The answer to `MakeProposal`."""

    height: int
    round: int
    digest: bytes
    proposal: bytes
    payload: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ProposalChecked:
    """The answer to `CheckProposal`: `valid`, or why not (fields as in `Validated`)."""

    height: int
    digest: bytes
    valid: bool
    untimely: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ProposalExecuted:
    """The answer to `ExecuteProposal`."""

    height: int
    digest: bytes
    outcome: bytes | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """The answer to `Sign`."""

    request: VoteRequest
    signature: bytes


@dataclass(frozen=True, slots=True)
class StatusSigned:
    """The answer to `SignStatus`."""

    status: Status


@dataclass(frozen=True, slots=True)
class LogSynced:
    """The answer to `SyncLog`."""

    number: int


@dataclass(frozen=True, slots=True)
class Committed:
    """The answer to `Commit` and to an `ApplyBlock` that succeeded: the block is durable."""

    tip: Tip
    configuration: Configuration
    limits: Limits


@dataclass(frozen=True, slots=True)
class ApplyFailed:
    """The answer to `ApplyBlock` if the parts are not the decided block of that height.

    `diverged`: the certificate is valid, but this node computed another outcome.
    """

    height: int
    reason: str
    diverged: bool = False


@dataclass(frozen=True, slots=True)
class BlocksRead:
    """The answer to `ReadBlocks`."""

    peer: Peer
    number: int
    blocks: tuple[BlockParts, ...]


@dataclass(frozen=True, slots=True)
class Elapsed:
    """A timer ran out."""

    timer: TimerId


ReplicaInput = (
    Opened[Any]
    | PeerUp
    | PeerDown
    | Received
    | PoolChanged
    | BlockNeeded
    | Sealed[Any]
    | BatchChecked[Any]
    | Proposed
    | ProposalChecked
    | ProposalExecuted
    | Signed
    | StatusSigned
    | LogSynced
    | Committed
    | ApplyFailed
    | BlocksRead
    | Elapsed
)

# --- actions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendTo:
    """Send a message to these connected peers, in this order."""

    peers: tuple[Peer, ...]
    message: PeerMessage


@dataclass(frozen=True, slots=True)
class SendTransactions(Generic[G]):
    """Send the transactions of these groups to a peer, as `Transactions` messages."""

    peer: Peer
    entries: tuple[Entry[Any], ...]


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Answer with `Elapsed` after so many milliseconds; the same id again replaces it."""

    timer: TimerId
    delay_ms: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget a timer."""

    timer: TimerId


@dataclass(frozen=True, slots=True)
class SealBatch(Generic[G]):
    """Make and sign a batch of these groups."""

    number: int
    entries: tuple[Entry[Any], ...]


@dataclass(frozen=True, slots=True)
class CheckBatch:
    """Decode and verify a batch of another author (everything in it)."""

    digest: bytes
    header: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class MakeProposal(Generic[B]):
    """Make the proposal of these batches on top of the newest block, at the host's time."""

    height: int
    round: int
    parent_round: int
    batches: tuple[B, ...]


@dataclass(frozen=True, slots=True)
class CheckProposal(Generic[B]):
    """Check a proposal against its digest, payload, parent, settings and time; append its bodies.

    With `parent_round` None the proposal was checked by a quorum: its time and its parent's
    round are not judged. Otherwise one behind the clock by more than the tolerance is refused as
    untimely, and the answer about one ahead of it waits until it no longer is.
    """

    height: int
    digest: bytes
    proposal: bytes
    payload: tuple[bytes, ...]
    batches: tuple[B, ...]
    parent_round: int | None


@dataclass(frozen=True, slots=True)
class ExecuteProposal(Generic[B]):
    """Execute a checked proposal; the result is kept by digest until the height is decided."""

    height: int
    digest: bytes
    proposal: bytes
    batches: tuple[B, ...]


@dataclass(frozen=True, slots=True)
class Append:
    """Append a record to the log; it need not be durable yet."""

    kind: int
    height: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SyncLog:
    """Make everything appended durable."""

    number: int


@dataclass(frozen=True, slots=True)
class MirrorGuard:
    """Write the guard's newest record to its second place."""

    record: bytes


@dataclass(frozen=True, slots=True)
class Sign:
    """Sign a vote that the guard allowed."""

    request: VoteRequest


@dataclass(frozen=True, slots=True)
class SignStatus:
    """Fill in what only the host knows (time, pool, certificate, links) and sign."""

    status: Status


@dataclass(frozen=True, slots=True)
class Commit:
    """Append the block record of an executed proposal, make it durable, merge it."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class ApplyBlock:
    """Verify, execute and commit a block that others decided.

    `known` are batches that were verified here and wait for a block: they are not verified again.
    """

    parts: BlockParts
    known: tuple[BatchHandle, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadBlocks:
    """Read decided blocks for a peer, at most `bytes_max` of them (but one at least)."""

    peer: Peer
    number: int
    first: int
    last: int
    bytes_max: int


@dataclass(frozen=True, slots=True)
class Forwarded:
    """An observer's transactions: admit them like a bulk request of that peer."""

    peer: Peer
    body: bytes


@dataclass(frozen=True, slots=True)
class PenalisePeer:
    """A peer misbehaved: count it; `ban` closes the connection and refuses it for a while."""

    peer: Peer
    reason: str
    ban: bool = False


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person must look at."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Halt:
    """This node must stop deciding and keep its state (divergence)."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A block became part of the ledger; `own` are the groups of this node's batches in it.

    Each own batch gives its place in the block's payload and its groups in order.
    """

    height: int
    own: tuple[tuple[int, tuple[Entry[Any], ...]], ...]
    synced: bool


@dataclass(frozen=True, slots=True)
class Dropped:
    """Groups of this node that expired before any block held them."""

    entries: tuple[Entry[Any], ...]


Action = (
    SendTo
    | SendTransactions[Any]
    | SetTimer
    | CancelTimer
    | SealBatch[Any]
    | CheckBatch
    | MakeProposal[Any]
    | CheckProposal[Any]
    | ExecuteProposal[Any]
    | Append
    | SyncLog
    | MirrorGuard
    | Sign
    | SignStatus
    | Commit
    | ApplyBlock
    | ReadBlocks
    | Forwarded
    | PenalisePeer
    | ReportEvidence
    | Alarm
    | Halt
    | Decided
    | Dropped
)
