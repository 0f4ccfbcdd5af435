"""What Byzantine Raft knows about the height in work beside what every engine does."""

from dataclasses import dataclass

from bubi.consensus.height_state import HeightState
from bubi.consensus.parts import Prepared, Votes
from bubi.consensus.raft_bytes import Claim


@dataclass(frozen=True, slots=True)
class Quorum:
    """Append votes of a quorum for one entry of the own term."""

    digest: bytes
    votes: Votes


@dataclass
class RaftState(HeightState[Claim]):
    """The rules in brackets are those of spec/consensus/raft.md.

    Of the height: `lock` (the newest entry for which this node may have given a commit vote, R7),
    `high` (the newest entry with append votes of a quorum whose bytes are here, R12).
    Of the term: `quorum` (the append votes for its entry, R6).
    """

    lock: Prepared | None = None
    high: Prepared | None = None
    quorum: Quorum | None = None
