"""What Byzantine Paxos knows about the height in work beside what every engine does."""

from dataclasses import dataclass, field

from bubi.consensus.engine import VoteMessage
from bubi.consensus.height_state import HeightState
from bubi.consensus.parts import Prepared


@dataclass(frozen=True, slots=True)
class Promised:
    """A member's 1b for the own ballot, checked; `value` is what it gave its last 2b for."""

    vote: VoteMessage
    value: Prepared | None


@dataclass
class PaxosState(HeightState[None]):
    """The rules in brackets are those of spec/consensus/paxos.md. maxBal is `round`.

    Of the height: `voted` (maxVBal and maxVVal with the 2av of a quorum: the newest value for
    which this node may have given a 2b, B6).
    Of the ballot: `promising` (the own 1b was asked for, B11), `promises` (1b that the leader
    holds, by member, B12), `opening` (the own 2av waits for the signature of the own 1c, B4),
    `opened` (that signature).
    """

    voted: Prepared | None = None
    promising: bool = False
    promises: dict[int, Promised] = field(default_factory=dict)
    opening: bool = False
    opened: VoteMessage | None = None
