"""What a replica shows of itself: for `bubi why`, the node's status and metrics. Frozen."""

from dataclasses import dataclass

from bubi.consensus.engine import Progress
from bubi.messages import Status
from bubi.sync import SyncCounters


@dataclass(frozen=True, slots=True)
class HeardStatus:
    """The newest status of a node and how many seconds (ticks) ago it was heard."""

    status: Status
    seconds_ago: int


@dataclass(frozen=True, slots=True)
class MemberView:
    """One validator of the set in force.

    `connected` means a direct link. `heard` is None before its first status.
    """

    index: int
    name: str
    organisation: str
    weight: int
    own: bool
    connected: bool
    heard: HeardStatus | None


@dataclass(frozen=True, slots=True)
class PeerView:
    """One direct connection. `height` is -1 before its first status."""

    peer: bytes
    name: str
    organisation: str
    observer: bool
    member: int | None
    height: int
    believed: bool


@dataclass(frozen=True, slots=True)
class ReplicaView:
    """A moment of a replica.

    `node` is the id of its node.
    `height` is the one in work, `tip` the newest decided. `quiet_seconds` counts since a block was
    decided here, `work` says whether anything waits to be decided. `missing` are batches of the
    current proposal that nobody has delivered yet. `halted` is the reason for which it decides
    nothing more.
    """

    height: int
    tip: int
    round: int
    leader: int | None
    phase: str
    progress: Progress | None
    members: tuple[MemberView, ...]
    quorum: int
    peers: tuple[PeerView, ...]
    observers: tuple[HeardStatus, ...]
    unordered: int
    own_unordered: int
    missing: int
    work: bool
    in_sync: bool
    target: int
    counters: SyncCounters
    quiet_seconds: int
    silent: str | None
    halted: str | None
    node: bytes = b""
