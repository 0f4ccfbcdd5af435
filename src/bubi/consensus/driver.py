"""Driver: stands between an engine and the world, and sees to the order of effects.

Its duties, the same for every engine, in the node and in the simulator:

- nothing is sent before everything recorded earlier is durable, in both places of the guard;
- every vote passes the guard, and its record is written before the vote can leave;
- a decision is committed before the next height starts;
- stale timers and messages of other heights never reach the engine; the memory for early ones is
  bounded.

It is pure: `step(engine, state, input)` returns the actions that the host performs in order and
leaves the state it was given as it is. The host answers with inputs: a signature with
`VoteSigned`, a sync with `Synchronised`, a commit with `Committed`. A host may start actions at
once and answer later, but appends, syncs, mirrors and commits must run in the order given.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from bubi.consensus import guard as guards
from bubi.consensus.engine import (
    CancelTimer,
    Certificate,
    Configuration,
    Decide,
    Diverged,
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
    Suspect,
    TimerElapsed,
    TimerId,
    Validate,
    Validated,
    VoteRefused,
    VoteSigned,
    WorkWaiting,
)

GUARD_RECORD = 3
FUTURE_HEIGHTS = 2
"""Messages up to this many heights ahead are kept."""
FUTURE_MESSAGES_MAX = 16
"""Early messages kept of one member for one height: more than a correct one sends in a round."""

State = TypeVar("State")

# --- what only the host says ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """The node is ready: start the height above the newest decided one.

    `parent` is the certificate of that one, `recovered` the records (kind, data) that the log
    holds above it, oldest first.
    """

    height: int
    configuration: Configuration
    parent: Certificate | None = None
    recovered: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Synchronised:
    """The sync with this number returned: everything appended before it is durable."""

    number: int


@dataclass(frozen=True, slots=True)
class Committed:
    """A decided block is durable and visible: the engine's own decision, or one that came by sync.

    The next height belongs to this configuration; `certificate` is that of the block. `applied`
    says that it came by sync: then its record need not lie behind what was appended last.
    """

    height: int
    certificate: Certificate
    configuration: Configuration
    applied: bool = False


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
    | Validate
    | Execute
    | SignVote
    | Decide
    | Diverged
    | ReportEvidence
    | RequestSync
    | Penalise
)

Early = dict[int, dict[int, tuple[Message, ...]]]
"""Early messages by height and sender."""


@dataclass(slots=True)
class DriverState(Generic[State]):
    """Engine and guard with what waits for the disk.

    `held` are messages that wait for the next sync, `tokens` the engine's tokens likewise;
    `syncing` is the number of the sync under way with what it releases, `decided` says that a
    commit is. `sync_covers` and `commit_covers` are the guard's newest records that these make
    durable: only such a record may go to the second place, which must never be ahead of the log.
    `timers` are those that may still run out. Not changed once `step` has returned it.
    """

    engine: State
    guard: guards.GuardState
    height: int = 0
    dirty: bool = False
    sync_covers: guards.GuardRecord | None = None
    commit_covers: guards.GuardRecord | None = None
    mirrored: guards.GuardRecord | None = None
    decided: bool = False
    held: tuple[Send, ...] = ()
    tokens: tuple[int, ...] = ()
    syncing: int | None = None
    releasing: tuple[Send, ...] = ()
    releasing_tokens: tuple[int, ...] = ()
    syncs: int = 0
    timers: frozenset[TimerId] = frozenset()
    early: Early = field(default_factory=dict)

    def copied(self) -> "DriverState[State]":
        """A copy for the next step; the containers are shared and replaced, never altered."""
        return DriverState(
            self.engine,
            self.guard,
            self.height,
            self.dirty,
            self.sync_covers,
            self.commit_covers,
            self.mirrored,
            self.decided,
            self.held,
            self.tokens,
            self.syncing,
            self.releasing,
            self.releasing_tokens,
            self.syncs,
            self.timers,
            self.early,
        )


def initial(engine: Engine[State], restored: guards.GuardState) -> DriverState[State]:
    """The state of a driver whose guard was restored from its records.

    Both places hold them durably: opening the log makes it durable, and the host has written what
    `guard.settled` says.
    """
    return DriverState(engine.initial(), restored, mirrored=restored.newest)


def step(
    engine: Engine[State], state: DriverState[State], event: HostInput
) -> tuple[DriverState[State], tuple[Action, ...]]:
    """Advances by one input."""
    if isinstance(event, Message) and event.message.height != state.height:
        return _keep_early(state, event), ()
    run = _Run(engine, state.copied())
    run.take(event)
    return run.state, tuple(run.actions)


def _keep_early(state: DriverState[State], event: Message) -> DriverState[State]:
    """Keeps a message of a height soon to come; any other is stale or too far ahead."""
    height = event.message.height
    if not 0 < height - state.height <= FUTURE_HEIGHTS:
        return state
    senders = state.early.get(height, {})
    kept = senders.get(event.sender, ())
    if len(kept) >= FUTURE_MESSAGES_MAX or event in kept:
        return state
    after = state.copied()
    after.early = {**state.early, height: {**senders, event.sender: (*kept, event)}}
    return after


class _Run(Generic[State]):
    """One call of `step` on a copy of the state.

    It holds the inputs that follow from each other, and the actions gathered so far.
    """

    __slots__ = ("actions", "engine", "inputs", "state")

    def __init__(self, engine: Engine[State], state: DriverState[State]) -> None:
        self.engine = engine
        self.state = state
        self.actions: list[Action] = []
        self.inputs: list[Input] = []

    def take(self, event: HostInput) -> None:
        """Hands an input to the engine, and every input that follows from its effects."""
        match event:
            case Message():
                # By far the most frequent input; `step` has seen to its height.
                self.inputs.append(event)
            case Begin():
                self._start(event.height, event.configuration, event.parent, event.recovered)
            case Synchronised():
                self._synchronised(event)
            case Committed():
                self._committed(event)
            case VoteSigned():
                self._record(event)
            case _:
                if self._is_current(event):
                    self.inputs.append(event)
        state = self.state
        while self.inputs:
            state.engine, effects = self.engine.step(state.engine, self.inputs.pop(0))
            for effect in effects:
                _EFFECTS[type(effect)](self, effect)
        self._request_sync()

    def _request_sync(self) -> None:
        """Asks for a sync if something waits for one, and neither sync nor commit is under way."""
        state = self.state
        if state.syncing is not None or state.decided or not (state.held or state.tokens):
            return
        state.syncs += 1
        self.actions.append(Sync(state.syncs))
        state.syncing = state.syncs
        state.sync_covers = state.guard.newest
        state.dirty = False
        state.releasing, state.held = state.held, ()
        state.releasing_tokens, state.tokens = state.tokens, ()

    def _start(
        self,
        height: int,
        configuration: Configuration,
        parent: Certificate | None,
        recovered: tuple[tuple[int, bytes], ...],
    ) -> None:
        state = self.state
        votes = guards.signed_at(state.guard, height)
        parent_votes = guards.signed_at(state.guard, height - 1)
        early = state.early.get(height, {})
        state.height = height
        state.decided = False
        state.early = {ahead: kept for ahead, kept in state.early.items() if ahead > height}
        self.actions += [CancelTimer(timer) for timer in sorted(state.timers, key=_timer_order)]
        state.timers = frozenset()
        self.inputs.append(Start(height, configuration, parent, votes, parent_votes, recovered))
        for sender in sorted(early):
            self.inputs += early[sender]

    def _synchronised(self, event: Synchronised) -> None:
        state = self.state
        if event.number != state.syncing:
            return
        self._mirror(state.sync_covers)
        self.actions += state.releasing
        self.inputs += [Persisted(token) for token in state.releasing_tokens]
        if not state.dirty and not state.decided:
            # Nothing was appended since: this sync lies behind the later messages as well.
            self.actions += state.held
            self.inputs += [Persisted(token) for token in state.tokens]
            state.held = ()
            state.tokens = ()
        state.syncing = None
        state.releasing = ()
        state.releasing_tokens = ()

    def _committed(self, event: Committed) -> None:
        state = self.state
        if event.height < state.height:
            return
        if state.decided and not event.applied:
            # The block record's sync covers everything appended before the decision; a sync still
            # under way releases its own.
            self._mirror(state.commit_covers)
            self.actions += state.held
            self.inputs += [Persisted(token) for token in state.tokens]
            state.held = ()
            state.tokens = ()
        elif state.decided:
            state.dirty = True
        self._start(event.height + 1, event.configuration, event.certificate, ())

    def _mirror(self, covered: guards.GuardRecord | None) -> None:
        state = self.state
        if covered is not None and guards.is_later(covered, state.mirrored):
            self.actions.append(MirrorGuard(guards.encode(covered)))
            state.mirrored = covered

    def _record(self, event: VoteSigned) -> None:
        """Records a signature before the engine may use it.

        Signatures may come back in another order than they were asked for. One that was overtaken
        by a later round or height is thrown away: nobody has seen it, and it is not needed.
        """
        state = self.state
        if event.request.height < state.height:
            # Its height was decided meanwhile.
            return
        record = guards.GuardRecord(event.request, event.signature)
        match guards.decide(state.guard, event.request):
            case guards.Refuse() as refusal:
                self.inputs.append(VoteRefused(event.request, refusal.reason))
            case guards.Repeat() as repeat:
                # Asked twice before the first answer: the recorded bytes are the ones that count.
                self.inputs.append(VoteSigned(event.request, repeat.record.signature))
            case guards.Sign():
                state.guard = guards.remember(state.guard, record)
                state.dirty = True
                data = guards.encode(record)
                self.actions.append(Append(GUARD_RECORD, event.request.height, data))
                self.inputs.append(event)

    def _is_current(self, event: Input) -> bool:
        """Whether an input belongs to the height in work and to a timer that still runs."""
        state = self.state
        match event:
            case TimerElapsed():
                if event.timer not in state.timers:
                    return False
                state.timers -= {event.timer}
                return event.timer.height == state.height
            case PayloadReady() | Validated() | Executed() | WorkWaiting() | Suspect():
                return event.height == state.height
            case Message() | Start() | VoteSigned() | VoteRefused() | Persisted():
                return False

    # --- effects of the engine -------------------------------------------------------------------

    def _persist(self, effect: Persist) -> None:
        self.actions.append(Append(effect.kind, effect.height, effect.data))
        self.state.dirty = True
        if effect.token is not None:
            self.state.tokens = (*self.state.tokens, effect.token)

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

    def _send(self, effect: Send) -> None:
        state = self.state
        if state.dirty or state.held or state.decided or state.syncing is not None:
            state.held = (*state.held, effect)
        else:
            self.actions.append(effect)

    def _set_timer(self, effect: SetTimer) -> None:
        self.state.timers |= {effect.timer}
        self.actions.append(effect)

    def _cancel_timer(self, effect: CancelTimer) -> None:
        if effect.timer in self.state.timers:
            self.state.timers -= {effect.timer}
            self.actions.append(effect)

    def _decide(self, effect: Decide) -> None:
        state = self.state
        state.decided = True
        state.commit_covers = state.guard.newest
        state.dirty = False
        self.actions.append(effect)

    def _pass(self, effect: Action) -> None:
        self.actions.append(effect)


def _timer_order(timer: TimerId) -> tuple[int, int, str]:
    return (timer.height, timer.round, timer.kind)


_EFFECTS: dict[type[Effect], Callable[[_Run[Any], Any], None]] = {
    Persist: _Run._persist,
    SignVote: _Run._sign,
    Send: _Run._send,
    SetTimer: _Run._set_timer,
    CancelTimer: _Run._cancel_timer,
    RequestPayload: _Run._pass,
    Validate: _Run._pass,
    Execute: _Run._pass,
    Decide: _Run._decide,
    Diverged: _Run._pass,
    ReportEvidence: _Run._pass,
    RequestSync: _Run._pass,
    Penalise: _Run._pass,
}
