"""The driver with the solo engine, and its order of effects with an engine that sends."""

from collections.abc import Iterable
from dataclasses import dataclass

from bubi.consensus import SoloEngine, driver, guard
from bubi.consensus.driver import (
    Action,
    Alarm,
    Append,
    Begin,
    Committed,
    DriverState,
    HostInput,
    MirrorGuard,
    Sync,
    Synchronised,
)
from bubi.consensus.engine import (
    CancelTimer,
    Certificate,
    Configuration,
    Decide,
    Effect,
    EngineMessage,
    Execute,
    Executed,
    Input,
    Member,
    Message,
    PayloadReady,
    Persist,
    Persisted,
    Progress,
    RequestPayload,
    Send,
    SetTimer,
    SignVote,
    Start,
    TimerElapsed,
    TimerId,
    Validate,
    Validated,
    VoteMessage,
    VoteRefused,
    VoteSigned,
    commit_vote,
    first_vote,
)
from bubi.consensus.guard import GuardState, Phase
from bubi.consensus.solo import SoloState, Step

MEMBER = Member(0, "one", "org", b"\0" * 33, 1)
ALONE = Configuration(0, "solo", (MEMBER,), 1, 0)
DIGEST, OUTCOME = b"d" * 32, b"o" * 32
Solo = DriverState[SoloState]


def certificate(height: int, round_: int = 0) -> Certificate:
    request = commit_vote(ALONE, height, round_, DIGEST, OUTCOME)
    return Certificate(request, ((0, bytes([Phase.COMMIT])),))


def talk(height: int, round_: int = 0) -> Message:
    digest = bytes([round_]) * 32
    vote = VoteMessage(1, first_vote(ALONE, height, round_, digest), b"s")
    return Message(1, EngineMessage(vote, "x", b""))


def feed(state: Solo, event: HostInput) -> tuple[Solo, tuple[Action, ...]]:
    return driver.step(SoloEngine(), state, event)


def run_height(state: Solo, height: int) -> tuple[Solo, list[Action]]:
    """One height up to its commit; every signature is its phase."""
    log: list[Action] = []
    queue: list[HostInput] = []
    if height == 1:
        queue.append(Begin(1, ALONE))
    else:
        queue.append(Committed(height - 1, certificate(height - 1), ALONE))
    while queue:
        state, actions = feed(state, queue.pop(0))
        for action in actions:
            log.append(action)
            match action:
                case RequestPayload():
                    ready = PayloadReady(action.height, action.round, DIGEST, b"proposal")
                    queue.append(ready)
                case Validate():
                    queue.append(Validated(action.height, action.digest, valid=True))
                case SignVote():
                    queue.append(VoteSigned(action.request, bytes([action.request.phase])))
                case Execute():
                    queue.append(Executed(action.height, action.digest, OUTCOME))
                case _:
                    pass
    return state, log


def kinds(actions: Iterable[Action]) -> list[str]:
    return [type(action).__name__ for action in actions]


def test_solo_walks_through_all_phases_without_a_sync_of_its_own() -> None:
    state, log = run_height(driver.initial(SoloEngine(), GuardState()), 1)
    assert kinds(log) == [
        "RequestPayload",
        "Validate",
        "Append",
        "SignVote",
        "Append",
        "Execute",
        "SignVote",
        "Append",
        "Decide",
    ]
    assert [entry.kind for entry in log if isinstance(entry, Append)] == [2, 3, 3]
    decide = log[-1]
    assert decide == Decide(certificate(1))
    state, second = run_height(state, 2)
    # The guard's second place is written after the block record, before the next height signs
    # anything.
    assert kinds(second)[:2] == ["MirrorGuard", "RequestPayload"]
    assert state.height == 2


def test_after_a_crash_the_height_starts_a_round_higher() -> None:
    state, log = run_height(driver.initial(SoloEngine(), GuardState()), 1)
    records = [entry.data for entry in log if isinstance(entry, Append) and entry.kind == 3]
    restored = guard.restore(records, b"", 0)
    state, actions = feed(driver.initial(SoloEngine(), restored), Begin(1, ALONE))
    assert actions == (RequestPayload(1, 1),)
    other = PayloadReady(1, 1, b"e" * 32, b"other")
    state, _ = feed(state, other)
    state, actions = feed(state, Validated(1, b"e" * 32, valid=True))
    assert kinds(actions) == ["Append", "SignVote"]


def test_a_silent_guard_stops_the_engine_with_an_alarm() -> None:
    state, _ = feed(driver.initial(SoloEngine(), GuardState(silent="copies")), Begin(1, ALONE))
    state, _ = feed(state, PayloadReady(1, 0, DIGEST, b""))
    state, actions = feed(state, Validated(1, DIGEST, valid=True))
    assert actions[-1] == Alarm("guard_refused", "copies")
    assert state.engine.step is Step.STOPPED


def test_observers_and_partial_weights_decide_nothing() -> None:
    other = Member(1, "two", "org", b"\1" * 33, 1)
    for configuration in (
        Configuration(0, "solo", (MEMBER,), 1, None),
        Configuration(0, "solo", (MEMBER, other), 2, 0),
    ):
        _, actions = feed(driver.initial(SoloEngine(), GuardState()), Begin(1, configuration))
        assert actions == ()


def test_a_refused_execution_stops() -> None:
    state, _ = feed(driver.initial(SoloEngine(), GuardState()), Begin(1, ALONE))
    state, _ = feed(state, PayloadReady(1, 0, DIGEST, b""))
    state, actions = feed(state, Validated(1, DIGEST, valid=True))
    request = next(action.request for action in actions if isinstance(action, SignVote))
    state, _ = feed(state, VoteSigned(request, b"s"))
    state, actions = feed(state, Executed(1, DIGEST, None, "invariant"))
    assert actions == ()
    assert state.engine.step is Step.STOPPED


def test_an_invalid_own_proposal_stops() -> None:
    state, _ = feed(driver.initial(SoloEngine(), GuardState()), Begin(1, ALONE))
    state, _ = feed(state, PayloadReady(1, 0, DIGEST, b""))
    state, actions = feed(state, Validated(1, DIGEST, valid=False, reason="budget"))
    assert actions == ()
    assert state.engine.step is Step.STOPPED


def test_stale_inputs_change_nothing() -> None:
    state, _ = feed(driver.initial(SoloEngine(), GuardState()), Begin(5, ALONE))
    for stale in (
        PayloadReady(4, 0, DIGEST, b""),
        PayloadReady(5, 3, DIGEST, b""),
        Executed(5, DIGEST, OUTCOME),
        TimerElapsed(TimerId(4, 0, "propose")),
        Committed(4, certificate(4), ALONE),
        Validated(5, DIGEST, valid=True),
        Synchronised(9),
    ):
        after, actions = feed(state, stale)
        assert (after, actions) == (state, ())


# --- an engine that votes over the wire ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TalkState:
    seen: tuple[Input, ...] = ()


class TalkEngine:
    """Persists, votes and sends at once: the worst case for the order of effects."""

    name = "talk"

    def initial(self) -> TalkState:
        return TalkState()

    def step(self, state: TalkState, event: Input) -> tuple[TalkState, tuple[Effect, ...]]:
        state = TalkState((*state.seen, event))
        hello = Send(None, talk(1).message)
        match event:
            case Start():
                return state, (hello, SetTimer(TimerId(event.height, 0, "x"), 10))
            case PayloadReady():
                request = first_vote(ALONE, event.height, 0, DIGEST)
                return state, (Persist(2, event.height, b"p", token=7), SignVote(request), hello)
            case VoteSigned():
                return state, (hello,)
            case _:
                return state, ()

    def progress(self, state: TalkState) -> Progress:
        return Progress(0, 0, None, "")


def test_nothing_is_sent_before_it_is_durable() -> None:
    engine = TalkEngine()
    state = driver.initial(engine, GuardState())
    state, actions = driver.step(engine, state, Begin(1, ALONE))
    assert kinds(actions) == ["Send", "SetTimer"]
    state, actions = driver.step(engine, state, PayloadReady(1, 0, DIGEST, b""))
    assert kinds(actions) == ["Append", "SignVote", "Sync"]
    # The vote is signed while the first sync is under way: it must wait for the next one.
    request = first_vote(ALONE, 1, 0, DIGEST)
    state, actions = driver.step(engine, state, VoteSigned(request, b"s"))
    assert kinds(actions) == ["Append"]
    state, actions = driver.step(engine, state, Synchronised(1))
    # What was signed meanwhile is not in the log yet: the second place must not be ahead of it.
    assert kinds(actions) == ["Send", "Sync"]
    assert state.engine.seen[-1] == Persisted(7)
    state, actions = driver.step(engine, state, Synchronised(2))
    assert kinds(actions) == ["MirrorGuard", "Send"]


class DecidingEngine(TalkEngine):
    """Says a word with every signature and decides with the commit vote."""

    def step(self, state: TalkState, event: Input) -> tuple[TalkState, tuple[Effect, ...]]:
        state, effects = super().step(state, event)
        if isinstance(event, VoteSigned) and event.request.phase is Phase.COMMIT:
            return state, (*effects, Decide(certificate(event.request.height)))
        return state, effects


def voted(event: Committed) -> tuple[list[str], list[str]]:
    """Actions at a commit while a sync is under way, and at the end of that sync."""
    engine = DecidingEngine()
    state, _ = driver.step(engine, driver.initial(engine, GuardState()), Begin(1, ALONE))
    first, commit = first_vote(ALONE, 1, 0, DIGEST), commit_vote(ALONE, 1, 0, DIGEST, OUTCOME)
    state, actions = driver.step(engine, state, VoteSigned(first, b"s"))
    assert kinds(actions) == ["Append", "Sync"]
    state, actions = driver.step(engine, state, VoteSigned(commit, b"s"))
    assert kinds(actions) == ["Append", "Decide"]
    state, committed = driver.step(engine, state, event)
    state, synchronised = driver.step(engine, state, Synchronised(1))
    return kinds(committed), kinds(synchronised)


def test_the_record_of_a_decided_block_covers_its_votes() -> None:
    committed, synchronised = voted(Committed(1, certificate(1), ALONE))
    assert committed == ["MirrorGuard", "Send", "CancelTimer", "SetTimer"]
    # The next height's first message was held while the sync was under way.
    assert synchronised == ["Send", "Send"]


def test_a_block_that_came_by_sync_covers_nothing() -> None:
    committed, synchronised = voted(Committed(1, certificate(1), ALONE, applied=True))
    assert committed == ["CancelTimer", "SetTimer"]
    assert synchronised == ["MirrorGuard", "Send", "Sync"]


def test_after_a_restart_both_places_know_what_was_signed() -> None:
    """Opening the log and settling the second place made it durable: nothing waits for a sync."""
    engine = TalkEngine()
    request = first_vote(ALONE, 1, 0, DIGEST)
    restored = guard.remember(GuardState(), guard.GuardRecord(request, b"s"))
    _, actions = driver.step(engine, driver.initial(engine, restored), Begin(1, ALONE))
    assert kinds(actions) == ["Send", "SetTimer"]


def test_early_messages_wait_for_their_height() -> None:
    engine = TalkEngine()
    state = driver.initial(engine, GuardState())
    state, _ = driver.step(engine, state, Begin(1, ALONE))
    next_height, far = talk(2), talk(9)
    for message in (next_height, next_height, far):
        state, actions = driver.step(engine, state, message)
        assert actions == ()
    state, actions = driver.step(engine, state, Committed(1, certificate(1), ALONE))
    assert actions[0] == CancelTimer(TimerId(1, 0, "x"))
    started = state.engine.seen[-2]
    assert isinstance(started, Start)
    assert started.parent == certificate(1)
    assert state.engine.seen[-1] == next_height
    assert state.early == {}


def test_one_member_cannot_fill_the_memory_for_early_messages() -> None:
    engine = TalkEngine()
    state, _ = driver.step(engine, driver.initial(engine, GuardState()), Begin(1, ALONE))
    for round_ in range(2 * driver.FUTURE_MESSAGES_MAX):
        state, _ = driver.step(engine, state, talk(2, round_))
    assert len(state.early[2][1]) == driver.FUTURE_MESSAGES_MAX


def test_a_timer_runs_out_once_and_not_after_it_was_cancelled() -> None:
    engine = TalkEngine()
    state, _ = driver.step(engine, driver.initial(engine, GuardState()), Begin(1, ALONE))
    timer = TimerId(1, 0, "x")
    state, _ = driver.step(engine, state, TimerElapsed(timer))
    assert state.engine.seen[-1] == TimerElapsed(timer)
    again, actions = driver.step(engine, state, TimerElapsed(timer))
    assert (again, actions) == (state, ())
    state, _ = driver.step(engine, state, Committed(1, certificate(1), ALONE))
    state, _ = driver.step(engine, state, TimerElapsed(timer))
    assert not isinstance(state.engine.seen[-1], TimerElapsed)


def test_a_start_tells_what_was_signed() -> None:
    engine = TalkEngine()
    state = driver.initial(engine, GuardState())
    state, _ = driver.step(engine, state, Begin(1, ALONE))
    first, commit = first_vote(ALONE, 1, 0, DIGEST), commit_vote(ALONE, 1, 0, DIGEST, OUTCOME)
    for request in (first, commit):
        state, _ = driver.step(engine, state, VoteSigned(request, b"s"))
    state, _ = driver.step(engine, state, Committed(1, certificate(1), ALONE))
    started = state.engine.seen[-1]
    assert isinstance(started, Start)
    assert (started.votes, started.parent_votes) == ((), (first, commit))
    restarted = driver.initial(engine, state.guard)
    restarted, _ = driver.step(engine, restarted, Begin(1, ALONE, None, ((2, b"p"),)))
    started = restarted.engine.seen[-1]
    assert isinstance(started, Start)
    assert (started.votes, started.recovered) == ((first, commit), ((2, b"p"),))


def test_a_signature_that_was_overtaken_is_thrown_away() -> None:
    engine = TalkEngine()
    state, _ = driver.step(engine, driver.initial(engine, GuardState()), Begin(1, ALONE))
    late, early = first_vote(ALONE, 1, 0, DIGEST), first_vote(ALONE, 1, 1, DIGEST)
    state, _ = driver.step(engine, state, VoteSigned(early, b"s"))
    before = state.guard
    state, actions = driver.step(engine, state, VoteSigned(late, b"s"))
    assert state.guard == before
    assert actions == ()
    assert isinstance(state.engine.seen[-1], VoteRefused)


def test_actions_are_exhaustive() -> None:
    assert {MirrorGuard, Sync, Append, Alarm} <= set(Action.__args__)
