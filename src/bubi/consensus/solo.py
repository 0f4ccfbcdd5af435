"""Engine `solo`: one validator decides alone, with q = its own weight.

It walks through the phases that every engine has (proposal, first vote, execution, commit vote,
certificate) and sends nothing. No one can hear of a vote before the block record that carries it
is durable, so that no phase waits for the disk on its own: the one sync of the block record covers
all of them.

After a crash between a vote and its block record the height starts again one round higher. That is
safe because the lost certificate, if there was one, had never left this process.
"""

from dataclasses import dataclass, replace
from enum import Enum

from bubi.consensus.engine import (
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
    RequestPayload,
    SignVote,
    Start,
    Synced,
    TimerElapsed,
    VoteRefused,
    VoteSigned,
    commit_vote,
    first_vote,
)
from bubi.consensus.guard import VoteRequest

PROPOSAL_RECORD = 2


class Step(Enum):
    """What the engine waits for."""

    IDLE = "idle"
    PAYLOAD = "payload"
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
    digest: bytes = b""
    proposal: bytes = b""
    request: VoteRequest | None = None


class SoloEngine:
    """See the module."""

    name = "solo"

    def initial(self) -> SoloState:
        """The state before the first height."""
        return SoloState()

    def step(self, state: SoloState, event: Input) -> tuple[SoloState, tuple[Effect, ...]]:
        """Advances by one input; one that does not fit the step is stale and changes nothing."""
        match event:
            case Start():
                return _start(event)
            case PayloadReady():
                return _propose(state, event)
            case VoteSigned():
                return _vote(state, event)
            case Executed():
                return _executed(state, event)
            case VoteRefused():
                return replace(state, step=Step.STOPPED), ()
            case Synced() | Message() | TimerElapsed() | Persisted():
                # A lone validator has no peers, sets no timers and waits for no record of its own.
                return state, ()


def _start(event: Start) -> tuple[SoloState, tuple[Effect, ...]]:
    configuration = event.configuration
    if (
        configuration.own is None
        or configuration.members[configuration.own].weight < configuration.quorum
    ):
        # An observer, or a set that needs others, decides nothing alone.
        return SoloState(step=Step.STOPPED), ()
    round_ = 0 if event.last_vote is None else event.last_vote.round + 1
    state = SoloState(Step.PAYLOAD, configuration, event.height, round_)
    return state, (RequestPayload(event.height, round_),)


def _propose(state: SoloState, event: PayloadReady) -> tuple[SoloState, tuple[Effect, ...]]:
    if state.step is not Step.PAYLOAD or (event.height, event.round) != (
        state.height,
        state.round,
    ):
        return state, ()
    assert state.configuration is not None
    request = first_vote(state.configuration, state.height, state.round, event.digest)
    state = replace(
        state,
        step=Step.FIRST_VOTE,
        digest=event.digest,
        proposal=event.proposal,
        request=request,
    )
    return state, (Persist(PROPOSAL_RECORD, event.height, event.proposal), SignVote(request))


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
    decide = Decide(
        configuration.epoch,
        configuration.engine,
        state.height,
        state.round,
        state.digest,
        event.request.outcome,
        ((configuration.own, event.signature),),
    )
    return replace(state, step=Step.DECIDED, request=None, proposal=b""), (decide,)


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
