"""Engine `solo`: one validator decides alone, with q = its own weight.

It walks through the phases that every engine has (proposal, validation, first vote, execution,
commit vote, certificate) and sends nothing. No one can hear of a vote before the block record that
carries it is durable, so that no phase waits for the disk on its own: the one sync of the block
record covers all of them.

After a crash between a vote and its block record the height starts again one round higher. That is
safe because the lost certificate, if there was one, had never left this process.
"""

from dataclasses import dataclass, replace
from enum import Enum

from bubi.consensus.engine import (
    Certificate,
    Configuration,
    Decide,
    Effect,
    Execute,
    Executed,
    Input,
    Message,
    PayloadReady,
    Persist,
    Persisted,
    Progress,
    RequestPayload,
    SignVote,
    Start,
    Suspect,
    TimerElapsed,
    Validate,
    Validated,
    VoteRefused,
    VoteSigned,
    WorkWaiting,
    commit_vote,
    first_vote,
    parent_round,
)
from bubi.consensus.guard import VoteRequest

PROPOSAL_RECORD = 2


class Step(Enum):
    """What the engine waits for."""

    IDLE = "idle"
    PAYLOAD = "payload"
    VALIDATION = "validation"
    FIRST_VOTE = "first vote"
    EXECUTION = "execution"
    COMMIT_VOTE = "commit vote"
    DECIDED = "decided"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class SoloState:
    """Where the one height in work stands. `request` is the vote that is being signed."""

    step: Step = Step.IDLE
    configuration: Configuration | None = None
    height: int = 0
    round: int = 0
    parent_round: int = 0
    digest: bytes = b""
    proposal: bytes = b""
    request: VoteRequest | None = None


class SoloEngine:
    """See the module."""

    name = "solo"

    def initial(self) -> SoloState:
        """The state before the first height."""
        return SoloState()

    def step(  # noqa: PLR0911 - one line per input
        self, state: SoloState, event: Input
    ) -> tuple[SoloState, tuple[Effect, ...]]:
        """Advances by one input; one that does not fit the step is stale and changes nothing."""
        match event:
            case Start():
                return _start(event)
            case PayloadReady():
                return _propose(state, event)
            case Validated():
                return _validated(state, event)
            case VoteSigned():
                return _vote(state, event)
            case Executed():
                return _executed(state, event)
            case VoteRefused():
                return replace(state, step=Step.STOPPED), ()
            case Message() | TimerElapsed() | Persisted() | WorkWaiting() | Suspect():
                # A lone validator has no peers, sets no timers and waits for no record of its own.
                return state, ()

    def progress(self, state: SoloState) -> Progress:
        """Where the height in work stands."""
        leader = state.configuration.own if state.configuration is not None else None
        return Progress(state.height, state.round, leader, state.step.value)


def _start(event: Start) -> tuple[SoloState, tuple[Effect, ...]]:
    configuration = event.configuration
    if (
        configuration.own is None
        or configuration.members[configuration.own].weight < configuration.quorum
    ):
        # An observer, or a set that needs others, decides nothing alone.
        return SoloState(step=Step.STOPPED), ()
    own_rounds = [vote.round for vote in event.votes if vote.epoch == configuration.epoch]
    round_ = max(own_rounds) + 1 if own_rounds else 0
    shown = parent_round(configuration, event.parent) or 0
    state = SoloState(Step.PAYLOAD, configuration, event.height, round_, shown)
    return state, (RequestPayload(event.height, round_, shown),)


def _propose(state: SoloState, event: PayloadReady) -> tuple[SoloState, tuple[Effect, ...]]:
    if state.step is not Step.PAYLOAD or (event.height, event.round) != (
        state.height,
        state.round,
    ):
        return state, ()
    state = replace(state, step=Step.VALIDATION, digest=event.digest, proposal=event.proposal)
    validate = Validate(
        state.height,
        state.round,
        event.digest,
        event.proposal,
        event.payload,
        state.parent_round,
    )
    return state, (validate,)


def _validated(state: SoloState, event: Validated) -> tuple[SoloState, tuple[Effect, ...]]:
    if state.step is not Step.VALIDATION or event.digest != state.digest:
        return state, ()
    if not event.valid:
        # Its own proposal does not hold: a defect, and no round would cure it.
        return replace(state, step=Step.STOPPED), ()
    assert state.configuration is not None
    request = first_vote(state.configuration, state.height, state.round, state.digest)
    state = replace(state, step=Step.FIRST_VOTE, request=request)
    return state, (Persist(PROPOSAL_RECORD, state.height, state.proposal), SignVote(request))


def _vote(state: SoloState, event: VoteSigned) -> tuple[SoloState, tuple[Effect, ...]]:
    if event.request != state.request:
        return state, ()
    assert state.configuration is not None
    if state.step is Step.FIRST_VOTE:
        execute = Execute(state.height, state.round, state.digest, state.proposal)
        return replace(state, step=Step.EXECUTION, request=None), (execute,)
    if state.step is not Step.COMMIT_VOTE:
        return state, ()
    configuration = state.configuration
    assert configuration.own is not None
    certificate = Certificate(event.request, ((configuration.own, event.signature),))
    return replace(state, step=Step.DECIDED, request=None, proposal=b""), (Decide(certificate),)


def _executed(state: SoloState, event: Executed) -> tuple[SoloState, tuple[Effect, ...]]:
    if state.step is not Step.EXECUTION or event.digest != state.digest:
        return state, ()
    if event.outcome is None:
        # Its own proposal cannot be executed: a defect, and no round would cure it.
        return replace(state, step=Step.STOPPED), ()
    assert state.configuration is not None
    request = commit_vote(
        state.configuration, state.height, state.round, state.digest, event.outcome
    )
    return replace(state, step=Step.COMMIT_VOTE, request=request), (SignVote(request),)
