"""Driver: stands between an engine and the world, and sees to the order of effects.

Its duties, the same for every engine, in the node and in the simulator:

- nothing is sent before everything recorded earlier is durable, in both places of the guard;
- every vote passes the guard, and its record is written before the vote can leave;
- a decision is committed before the next height starts;
- stale timers and messages of other heights never reach the engine; the memory for early ones is
  bounded.

It is pure: `step(engine, state, input)` returns the actions that the host performs in order. The
host answers with inputs: a signature with `VoteSigned`, a sync with `Synchronised`, a commit with
`Committed`. A host may start actions at once and answer later, but appends, syncs, mirrors and
commits must run in the order given.
"""

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from bubi.consensus import guard as guards
from bubi.consensus.engine import (
    CancelTimer,
    Configuration,
    Decide,
    Effect,
    Engine,
    Execute,
    Executed,
    Input,
    Message,
    PayloadReady,
    Penalise,
    Persist,
    Persisted,
    ReportEvidence,
    RequestPayload,
    RequestSync,
    Send,
    SetTimer,
    SignVote,
    Start,
    Synced,
    TimerElapsed,
    VoteRefused,
    VoteSigned,
)

GUARD_RECORD = 3
FUTURE_HEIGHTS = 2
"""Messages up to this many heights ahead are kept."""
FUTURE_MESSAGES_MAX = 4_096

State = TypeVar("State")

# --- what only the host says ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """The node is ready: start the height above the newest decided one."""

    height: int
    configuration: Configuration
    recovered: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Synchronised:
    """The sync with this number returned: everything appended before it is durable."""

    number: int


@dataclass(frozen=True, slots=True)
class Committed:
    """The decided block is durable and visible; the next height belongs to this configuration."""

    height: int
    configuration: Configuration


HostInput = Input | Begin | Synchronised | Committed

# --- what only the driver asks -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Append:
    """Append a record to the log; it need not be durable yet."""

    kind: int
    height: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Sync:
    """Make everything appended durable; answer with `Synchronised`."""

    number: int


@dataclass(frozen=True, slots=True)
class MirrorGuard:
    """Write the guard's newest record to its second place."""

    record: bytes


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person must look at."""

    code: str
    text: str


Action = (
    Append
    | Sync
    | MirrorGuard
    | Alarm
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


@dataclass(frozen=True, slots=True)
class DriverState(Generic[State]):
    """Engine and guard with what waits for the disk.

    `held` are messages that wait for the next sync, `tokens` the engine's tokens likewise;
    `syncing` is the number of the sync under way with what it releases.
    """

    engine: State
    guard: guards.GuardState
    height: int = 0
    dirty: bool = False
    mirrored: guards.GuardRecord | None = None
    held: tuple[Send, ...] = ()
    tokens: tuple[int, ...] = ()
    syncing: int | None = None
    releasing: tuple[Send, ...] = ()
    releasing_tokens: tuple[int, ...] = ()
    syncs: int = 0
    future: tuple[Message, ...] = ()


def initial(engine: Engine[State], restored: guards.GuardState) -> DriverState[State]:
    """The state of a driver whose guard was restored from its records."""
    return DriverState(engine.initial(), restored, mirrored=restored.newest)


def step(
    engine: Engine[State], state: DriverState[State], event: HostInput
) -> tuple[DriverState[State], tuple[Action, ...]]:
    """Advances by one input."""
    run = _Run(engine, state)
    run.take(event)
    run.request_sync()
    return run.state, tuple(run.actions)


class _Run(Generic[State]):
    """One call of `step`.

    The inputs that follow from each other, and the actions gathered so far.
    """

    def __init__(self, engine: Engine[State], state: DriverState[State]) -> None:
        self.engine = engine
        self.state = state
        self.actions: list[Action] = []
        self.inputs: list[Input] = []

    def take(self, event: HostInput) -> None:
        match event:
            case Begin():
                self._start(event.height, event.configuration, event.recovered)
            case Synchronised():
                self._synchronised(event)
            case Committed():
                self._committed(event)
            case VoteSigned():
                self._record(event)
            case _:
                if self._is_current(event):
                    self.inputs.append(event)
        while self.inputs:
            following = self.inputs.pop(0)
            engine_state, effects = self.engine.step(self.state.engine, following)
            self.state = replace(self.state, engine=engine_state)
            for effect in effects:
                self._effect(effect)

    def request_sync(self) -> None:
        """Asks for a sync if something waits for one and none is under way."""
        state = self.state
        if state.syncing is not None or not (state.held or state.tokens):
            return
        number = state.syncs + 1
        self.actions.append(Sync(number))
        self.state = replace(
            state,
            dirty=False,
            held=(),
            tokens=(),
            syncing=number,
            releasing=state.held,
            releasing_tokens=state.tokens,
            syncs=number,
        )

    def _start(
        self, height: int, configuration: Configuration, recovered: tuple[bytes, ...]
    ) -> None:
        newest = self.state.guard.newest
        last = newest.request if newest is not None and newest.request.height == height else None
        early = [message for message in self.state.future if message.message.height == height]
        later = tuple(message for message in self.state.future if message.message.height > height)
        self.state = replace(self.state, height=height, future=later)
        self.inputs += [Start(height, configuration, last, recovered), *early]

    def _synchronised(self, event: Synchronised) -> None:
        state = self.state
        if event.number != state.syncing:
            return
        self._mirror()
        self.actions += state.releasing
        self.inputs += [Persisted(token) for token in state.releasing_tokens]
        self.state = replace(self.state, syncing=None, releasing=(), releasing_tokens=())

    def _committed(self, event: Committed) -> None:
        if event.height != self.state.height:
            return
        # The block record's sync covers everything appended before it; a sync still under way
        # releases its own.
        self._mirror()
        self.actions += self.state.held
        self.inputs += [Persisted(token) for token in self.state.tokens]
        self.state = replace(self.state, dirty=False, held=(), tokens=())
        self._start(event.height + 1, event.configuration, ())

    def _mirror(self) -> None:
        newest = self.state.guard.newest
        if newest is not None and newest != self.state.mirrored:
            self.actions.append(MirrorGuard(guards.encode(newest)))
            self.state = replace(self.state, mirrored=newest)

    def _record(self, event: VoteSigned) -> None:
        record = guards.GuardRecord(event.request, event.signature)
        self.state = replace(
            self.state, guard=guards.remember(self.state.guard, record), dirty=True
        )
        self.actions.append(Append(GUARD_RECORD, event.request.height, guards.encode(record)))
        self.inputs.append(event)

    def _is_current(self, event: Input) -> bool:
        """Whether an input belongs to the height in work.

        Early messages are kept for their turn.
        """
        height = self.state.height
        match event:
            case TimerElapsed():
                return event.timer.height == height
            case Message():
                ahead = event.message.height - height
                if 0 < ahead <= FUTURE_HEIGHTS and len(self.state.future) < FUTURE_MESSAGES_MAX:
                    self.state = replace(self.state, future=(*self.state.future, event))
                return ahead == 0
            case PayloadReady() | Executed() | Synced():
                return event.height == height
            case Start() | VoteSigned() | VoteRefused() | Persisted():
                return True

    def _effect(self, effect: Effect) -> None:
        match effect:
            case Persist():
                self.actions.append(Append(effect.kind, effect.height, effect.data))
                tokens = self.state.tokens
                if effect.token is not None:
                    tokens = (*tokens, effect.token)
                self.state = replace(self.state, dirty=True, tokens=tokens)
            case SignVote():
                self._sign(effect)
            case Send():
                if self.state.dirty or self.state.held or self.state.syncing is not None:
                    self.state = replace(self.state, held=(*self.state.held, effect))
                else:
                    self.actions.append(effect)
            case _:
                self.actions.append(effect)

    def _sign(self, effect: SignVote) -> None:
        match guards.decide(self.state.guard, effect.request):
            case guards.Sign():
                self.actions.append(effect)
            case guards.Repeat() as repeat:
                self.inputs.append(VoteSigned(effect.request, repeat.record.signature))
            case guards.Refuse() as refusal:
                if not guards.is_recovering(self.state.guard):
                    self.actions.append(Alarm("guard_refused", refusal.reason))
                self.inputs.append(VoteRefused(effect.request, refusal.reason))
