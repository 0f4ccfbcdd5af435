"""What every engine with peers knows about the height in work.

A state is not changed once `step` has returned it: a step works on a copy, and the containers in
it are replaced, never altered.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from bubi.consensus.engine import Certificate, Configuration, Send, VoteMessage
from bubi.consensus.votes import NO_VOTES, VoteKeeper

NOWHERE = Configuration(0, "", (), 1, None)
"""Stands for the configuration before the first height."""

Carried = TypeVar("Carried")
State = TypeVar("State", bound="HeightState[object]")


class Mode(Enum):
    """What a member does with a round."""

    IDLE = "idle"
    NORMAL = "normal"
    CHANGING = "changing"
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
class Change(Generic[Carried]):
    """The newest request of a member for a round, checked; `carried` is what its body holds."""

    vote: VoteMessage
    body: bytes
    carried: Carried | None
    reported: bool = False

    @property
    def round(self) -> int:
        """The round it asks for."""
        return self.vote.request.round


@dataclass
class HeightState(Generic[Carried]):
    """One height, as far as the engines agree on what there is to know.

    Of the height: `parent` (None where rounds begin at 0), `start` (its first round), `work`
    (something waits to be decided), `proposals` by digest, `votes`, `changes` by member.

    Of the round: `mode`, `accepted` (digest, empty if none), `shown` (the round that its proposal
    must record of its parent, None if a quorum has judged it before), `justification` (of the own
    proposal), `own` (what is sent again), `voting` and `committing` (the vote was asked for),
    `armed` (kinds of timers that run).
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
    changes: dict[int, Change[Carried]] = field(default_factory=dict)
    own: tuple[Send, ...] = ()
    armed: frozenset[str] = frozenset()
    resend_ms: int = 0
    ticks: int = 0
    strikes: int = 0
    syncing: bool = False
    verified: frozenset[bytes] = frozenset()


def copied(state: State) -> State:
    """A copy for the next step; the containers are shared."""
    copy = object.__new__(type(state))
    copy.__dict__.update(state.__dict__)
    return copy
