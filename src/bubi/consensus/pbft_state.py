"""What PBFT knows about the height in work.

A state is not changed once `step` has returned it: a step works on a copy, and the containers in
it are replaced, never altered.
"""

from dataclasses import dataclass, field
from enum import Enum

from bubi.consensus.engine import (
    Certificate,
    Configuration,
    ConsensusMessage,
    VoteMessage,
)
from bubi.consensus.guard import Phase
from bubi.consensus.pbft_bytes import Prepared
from bubi.consensus.votes import NO_VOTES, VoteKeeper

NOWHERE = Configuration(0, "", (), 1, None)
"""Stands for the configuration before the first height."""


class Mode(Enum):
    """What a member does with a round."""

    IDLE = "idle"
    NORMAL = "normal"
    CHANGING = "view change"
    DECIDED = "decided"
    STOPPED = "stopped"


class Check(Enum):
    """What is known of a proposal's validity."""

    NEW = "new"
    CHECKING = "validation"
    VALID = "valid"
    UNTIMELY = "untimely"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Known:
    """A proposal whose bytes are here.

    `strict` says that the last check looked at the block time and the parent's round too.
    """

    proposal: bytes
    payload: tuple[bytes, ...]
    check: Check = Check.NEW
    strict: bool = False
    executing: bool = False
    outcome: bytes | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """The newest view change of a member, checked."""

    vote: VoteMessage
    body: bytes
    prepared: Prepared | None
    reported: bool = False

    @property
    def round(self) -> int:
        """The round it asks for."""
        return self.vote.request.round


@dataclass(slots=True)
class PbftState:
    """One height. The rules in brackets are those of spec/consensus/pbft.md.

    Of the height: `parent` (None where rounds begin at 0), `start` (P1), `work` (something waits
    to be decided), `proposals` by digest, `votes`, `changes` by member, `prepared` (the newest
    proposal for which this node may have given a commit vote).

    Of the round: `mode`, `accepted` (digest, empty if none), `shown` (the round that its proposal
    must record of its parent, None if it was prepared before), `justification` (of the own
    proposal), `own` (own messages, for resending), `voting` and `committing` (the vote was asked
    for), `armed` (kinds of timers that run).
    """

    configuration: Configuration = NOWHERE
    height: int = 0
    parent: Certificate | None = None
    start: int = 0
    round: int = 0
    mode: Mode = Mode.IDLE
    work: bool = False
    accepted: bytes = b""
    shown: int | None = 0
    justification: bytes = b""
    voting: bool = False
    committing: bool = False
    proposals: dict[bytes, Known] = field(default_factory=dict)
    votes: VoteKeeper = NO_VOTES
    changes: dict[int, Change] = field(default_factory=dict)
    prepared: Prepared | None = None
    own: dict[Phase, ConsensusMessage] = field(default_factory=dict)
    armed: frozenset[str] = frozenset()
    resend_ms: int = 0
    ticks: int = 0
    strikes: int = 0
    syncing: bool = False
    verified: frozenset[bytes] = frozenset()

    def copied(self) -> "PbftState":
        """A copy for the next step; the containers are shared."""
        return PbftState(
            self.configuration,
            self.height,
            self.parent,
            self.start,
            self.round,
            self.mode,
            self.work,
            self.accepted,
            self.shown,
            self.justification,
            self.voting,
            self.committing,
            self.proposals,
            self.votes,
            self.changes,
            self.prepared,
            self.own,
            self.armed,
            self.resend_ms,
            self.ticks,
            self.strikes,
            self.syncing,
            self.verified,
        )
