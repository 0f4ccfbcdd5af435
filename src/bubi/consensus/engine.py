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
    """What a height is decided under. `own` is this node's index, None for an observer.

    `leaders` are the members that lead `first_round`, `first_round` + 1 and so on, from the
    schedule in the ledger's state (spec/consensus/schedule.md); after them each round is led by
    the member after the one before. `epoch_start` is the first height of the epoch.
    """

    epoch: int
    engine: str
    members: tuple[Member, ...]
    quorum: int
    own: int | None
    timeout_ms: int = 2_000
    timeout_ms_max: int = 30_000
    first_round: int = 0
    leaders: tuple[int, ...] = ()
    turn_blocks: int = 128
    epoch_start: int = 1

    @property
    def total(self) -> int:
        """Sum of all weights."""
        return sum(member.weight for member in self.members)

    def leader(self, round_: int) -> int:
        """Index of the member that leads a round; in turn where there is no schedule."""
        ahead = round_ - self.first_round
        if 0 <= ahead < len(self.leaders):
            return self.leaders[ahead]
        after = self.leaders[-1] + 1 - len(self.leaders) if self.leaders else 0
        return (after + ahead) % len(self.members)

    def turn_ends(self, height: int) -> bool:
        """Whether a height begins one round above the one below, with another leader."""
        place = height - self.epoch_start
        return place > 0 and place % self.turn_blocks == 0

    def views_left(self, before: "VoteRequest | None", decided: "VoteRequest") -> int:
        """Rounds of a height that ended without a decision; `before` decided the height below."""
        same = before is not None and before.epoch == decided.epoch
        begun = before.round if before is not None and same else 0
        planned = same and self.turn_ends(decided.height)
        return max(0, decided.round - begun - planned)


class Signatures(Protocol):
    """Checks and hashes that an engine needs: pure functions of their arguments."""

    def verify(self, configuration: Configuration, vote: "VoteMessage") -> bool:
        """Whether the vote is signed by the member that it names."""
        ...

    def hash(self, data: bytes) -> bytes:
        """Hash in the suite of the chain, 32 bytes."""
        ...

    def binds(self, digest: bytes, proposal: bytes, payload: tuple[bytes, ...]) -> bool:
        """Whether these are the bytes that a digest stands for.

        The digest is that of the proposal, and the payload root in the proposal is that of these
        batch digests. A signature covers the digest only: without this check whoever passes a
        message on could replace its body.
        """
        ...


# --- messages between members --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VoteMessage:
    """One member's signed statement. Every message of an engine holds at least one."""

    validator: int
    request: VoteRequest
    signature: bytes

    @property
    def height(self) -> int:
        """The height it is for."""
        return self.request.height

    @property
    def signed(self) -> "VoteMessage":
        """The signature that speaks for the whole message: itself."""
        return self


@dataclass(frozen=True, slots=True)
class ProposalMessage:
    """A leader's proposal, or a proposal with its proof that a member shows to a leader.

    `signed` is the leader's own statement about the digest: its first vote, or a signature in
    phase PROPOSAL where the protocol has it. `payload` are the digests of the batches in order;
    `justification` is what the engine needs to accept it, in its own encoding.
    """

    signed: VoteMessage
    proposal: bytes
    payload: tuple[bytes, ...]
    justification: bytes = b""

    @property
    def height(self) -> int:
        """The height it is for."""
        return self.signed.request.height


@dataclass(frozen=True, slots=True)
class EngineMessage:
    """Anything else an engine says: view changes, elections, ballots.

    `body` is in the engine's own encoding; the digest that `signed` covers is the hash of
    `kind`, a zero byte and `body`.
    """

    signed: VoteMessage
    kind: str
    body: bytes

    @property
    def height(self) -> int:
        """The height it is for."""
        return self.signed.request.height


ConsensusMessage = ProposalMessage | VoteMessage | EngineMessage


@dataclass(frozen=True, slots=True)
class Certificate:
    """Votes of a quorum for one request, ascending by member.

    Phase COMMIT: the block is decided. Phase FIRST: it is prepared.
    """

    request: VoteRequest
    votes: tuple[tuple[int, bytes], ...]


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

    `parent` is this node's certificate of the height below (None at height 1). `votes` are all
    statements that this node has signed for this height before a restart, oldest first;
    `parent_votes` those of the height below that it still remembers. `recovered` are the
    records (kind, data) that the engine persisted for this height before a restart, oldest first.
    """

    height: int
    configuration: Configuration
    parent: Certificate | None = None
    votes: tuple[VoteRequest, ...] = ()
    parent_votes: tuple[VoteRequest, ...] = ()
    recovered: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A message whose own signature (`signed`) was verified; what it carries was not."""

    sender: int
    message: ConsensusMessage


@dataclass(frozen=True, slots=True)
class TimerElapsed:
    """A timer set by `SetTimer` ran out. Stale ones are dropped."""

    timer: TimerId


@dataclass(frozen=True, slots=True)
class WorkWaiting:
    """There is something to decide: a batch that no block holds, or an idle interval that ended.

    Said once per height at most. Without it an engine suspects no one.
    """

    height: int


@dataclass(frozen=True, slots=True)
class Suspect:
    """The leader of a round starves batches that all have (H10)."""

    height: int
    round: int
    reason: str


@dataclass(frozen=True, slots=True)
class PayloadReady:
    """The proposal that `RequestPayload` asked for."""

    height: int
    round: int
    digest: bytes
    proposal: bytes
    payload: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Validated:
    """The answer to `Validate`.

    `valid`: the bodies are in the log (not yet durable) and a first vote may be given.
    Otherwise `untimely` says that only the block time was wrong by this node's clock.
    """

    height: int
    digest: bytes
    valid: bool
    untimely: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Executed:
    """A proposal was executed; `outcome` is None if that was impossible, for `reason`."""

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


Input = (
    Start
    | Message
    | TimerElapsed
    | WorkWaiting
    | Suspect
    | PayloadReady
    | Validated
    | Executed
    | VoteSigned
    | VoteRefused
    | Persisted
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
    """Answer with `TimerElapsed` after so many milliseconds; the same id again replaces it."""

    timer: TimerId
    delay_ms: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget a timer."""

    timer: TimerId


@dataclass(frozen=True, slots=True)
class RequestPayload:
    """Ask for a proposal on top of the newest block.

    The answer may wait while there is nothing to decide, unless `urgent`: then an empty block
    is the answer. `parent_round` is the round that the proposal records of its parent.
    A later request for the same height replaces this one.
    """

    height: int
    round: int
    parent_round: int = 0
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Validate:
    """Fetch the batches of a proposal, check it, append its bodies; answer with `Validated`.

    `parent_round` is what the proposal must record, None for a re-proposal that a quorum has
    checked before: then neither it nor the block time is looked at again.
    """

    height: int
    round: int
    digest: bytes
    proposal: bytes
    payload: tuple[bytes, ...]
    parent_round: int | None


@dataclass(frozen=True, slots=True)
class Execute:
    """Execute a validated proposal; answer with `Executed`. Results are kept by digest."""

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
    """The height is decided, and this node has executed it with the outcome of the certificate."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Diverged:
    """A quorum signed another outcome than this node computed: it must stop and keep its state."""

    certificate: Certificate
    outcome: bytes


@dataclass(frozen=True, slots=True)
class ReportEvidence:
    """Two statements of one member that contradict each other."""

    first: VoteMessage
    second: VoteMessage


@dataclass(frozen=True, slots=True)
class RequestSync:
    """Heights that others have decided are missing here."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Penalise:
    """A member broke the protocol in a way that leaves no evidence."""

    member: int
    reason: str


Effect = (
    Persist
    | Send
    | SetTimer
    | CancelTimer
    | RequestPayload
    | Validate
    | Execute
    | SignVote
    | Decide
    | Diverged
    | ReportEvidence
    | RequestSync
    | Penalise
)


@dataclass(frozen=True, slots=True)
class Progress:
    """What an engine can tell a person about the height in work (`bubi why`).

    `seen` has, per member index, the newest phase and round heard from it and, for commit
    votes, the outcome.
    """

    height: int
    round: int
    leader: int | None
    phase: str
    seen: tuple[tuple[int, str, int, bytes], ...] = ()


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

    def progress(self, state: State) -> Progress:
        """Where the height in work stands."""
        ...


def parent_round(configuration: Configuration, parent: Certificate | None) -> int | None:
    """Round of the parent's certificate, None where rounds begin at 0.

    That is at height 1 and at the first height of an epoch.
    """
    if parent is None or (parent.request.epoch, parent.request.engine) != (
        configuration.epoch,
        configuration.engine,
    ):
        return None
    return parent.request.round


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
