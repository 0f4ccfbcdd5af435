"""The interface of a consensus engine: what goes in, what comes out.

An engine is one pure function, `step(state, input) -> (state, effects)`. It reads no clock, opens
no file, knows no socket and draws no random number. Time arrives as `TimerElapsed`, disk as
`Persisted`, the ledger as `Executed`. The driver (`driver.py`) stands between an engine and the
node, and sees to the order of effects.

Every engine ends a height in the same way: commit votes over (digest, outcome), sent only after
execution, become the certificate that `Decide` carries.
"""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from bubi.consensus.guard import Phase, VoteRequest

# --- configuration -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Member:
    """A validator of the set in force; `index` is its place in the set."""

    index: int
    name: str
    organisation: str
    key: bytes
    weight: int


@dataclass(frozen=True, slots=True)
class Configuration:
    """The epoch that a height belongs to. `own` is this node's index, None for an observer."""

    epoch: int
    engine: str
    members: tuple[Member, ...]
    quorum: int
    own: int | None
    timeout_ms: int = 1_000
    timeout_ms_max: int = 30_000

    @property
    def total(self) -> int:
        """Sum of all weights."""
        return sum(member.weight for member in self.members)


# --- messages between members --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProposalMessage:
    """A leader's proposal.

    `justification` is what the engine needs to accept it, in its own encoding.
    """

    height: int
    round: int
    digest: bytes
    proposal: bytes
    justification: bytes = b""


@dataclass(frozen=True, slots=True)
class VoteMessage:
    """One member's signed vote."""

    validator: int
    request: VoteRequest
    signature: bytes

    @property
    def height(self) -> int:
        """The height it is for."""
        return self.request.height


@dataclass(frozen=True, slots=True)
class EngineMessage:
    """Anything else an engine says.

    View changes, elections, ballots; `body` is in the engine's own encoding.
    """

    height: int
    round: int
    kind: str
    body: bytes


ConsensusMessage = ProposalMessage | VoteMessage | EngineMessage


@dataclass(frozen=True, slots=True)
class TimerId:
    """Names a timer so that a stale one can be recognised."""

    height: int
    round: int
    kind: str


# --- inputs --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """A height begins.

    `last_vote` is the newest vote this node has signed for it, before a restart.
    """

    height: int
    configuration: Configuration
    last_vote: VoteRequest | None = None
    recovered: tuple[bytes, ...] = ()
    """Records that the engine persisted for this height before a restart, oldest first."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message whose sender was authenticated."""

    sender: int
    message: ConsensusMessage


@dataclass(frozen=True, slots=True)
class TimerElapsed:
    """A timer set by `SetTimer` ran out. Stale ones are dropped."""

    timer: TimerId


@dataclass(frozen=True, slots=True)
class PayloadReady:
    """The proposal that `RequestPayload` asked for."""

    height: int
    round: int
    digest: bytes
    proposal: bytes


@dataclass(frozen=True, slots=True)
class Executed:
    """A proposal was executed; `outcome` is None if it must be refused, for `reason`."""

    height: int
    digest: bytes
    outcome: bytes | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class VoteSigned:
    """The signature that `SignVote` asked for."""

    request: VoteRequest
    signature: bytes


@dataclass(frozen=True, slots=True)
class VoteRefused:
    """The guard refused a signature; the engine stays silent in that phase."""

    request: VoteRequest
    reason: str


@dataclass(frozen=True, slots=True)
class Persisted:
    """Records up to this token are durable."""

    token: int


@dataclass(frozen=True, slots=True)
class Synced:
    """The height was decided elsewhere; its verified block is in the ledger."""

    height: int


Input = (
    Start
    | Message
    | TimerElapsed
    | PayloadReady
    | Executed
    | VoteSigned
    | VoteRefused
    | Persisted
    | Synced
)

# --- effects -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Persist:
    """Write a record. It is durable before anything that follows is sent.

    With a token the engine waits for `Persisted`; without one it does not need to know.
    """

    kind: int
    height: int
    data: bytes
    token: int | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to one member, or to all others."""

    to: int | None
    message: ConsensusMessage


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Answer with `TimerElapsed` after so many milliseconds."""

    timer: TimerId
    delay_ms: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget a timer."""

    timer: TimerId


@dataclass(frozen=True, slots=True)
class RequestPayload:
    """Ask the node for a proposal; it may take its time while there is nothing to decide."""

    height: int
    round: int


@dataclass(frozen=True, slots=True)
class Execute:
    """Make the bodies of a proposal durable here and execute it."""

    height: int
    round: int
    digest: bytes
    proposal: bytes


@dataclass(frozen=True, slots=True)
class SignVote:
    """Ask the guard, then the key, for a signature."""

    request: VoteRequest


@dataclass(frozen=True, slots=True)
class Decide:
    """The height is decided: `votes` are commit votes of a quorum, ascending by index."""

    epoch: int
    engine: str
    height: int
    round: int
    digest: bytes
    outcome: bytes
    votes: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class ReportEvidence:
    """Two votes of one member that contradict each other."""

    first: VoteMessage
    second: VoteMessage


@dataclass(frozen=True, slots=True)
class RequestSync:
    """Heights that others have decided are missing here."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Penalise:
    """A peer broke the protocol."""

    member: int
    reason: str


Effect = (
    Persist
    | Send
    | SetTimer
    | CancelTimer
    | RequestPayload
    | Execute
    | SignVote
    | Decide
    | ReportEvidence
    | RequestSync
    | Penalise
)

State = TypeVar("State")


class Engine(Protocol[State]):
    """A consensus protocol. Implementations hold no mutable state of their own."""

    name: str

    def initial(self) -> State:
        """The state before the first `Start`."""
        ...

    def step(self, state: State, event: Input) -> tuple[State, tuple[Effect, ...]]:
        """The next state and what must happen, in order."""
        ...


def first_vote(
    configuration: Configuration, height: int, round_: int, digest: bytes
) -> VoteRequest:
    """Request for a first-phase vote."""
    return VoteRequest(
        configuration.epoch, configuration.engine, height, round_, Phase.FIRST, digest
    )


def commit_vote(
    configuration: Configuration, height: int, round_: int, digest: bytes, outcome: bytes
) -> VoteRequest:
    """Request for a commit vote."""
    return VoteRequest(
        configuration.epoch, configuration.engine, height, round_, Phase.COMMIT, digest, outcome
    )
