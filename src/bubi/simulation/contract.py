"""What the driver relies on, checked at every step of an engine under test.

`Watched` stands before an engine and behaves like it. It applies every step twice, looks whether
the state that went in is still what it was, and holds every effect against the rules of
`spec/consensus/README.md`: nothing is voted on that was not validated, nothing committed to that
was not executed, nothing said that the guard did not sign.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, get_args

from bubi.consensus import engine as engines
from bubi.consensus.engine import Configuration, Input, Signatures, VoteMessage
from bubi.consensus.guard import Phase, VoteRequest

TIMER_MS_MAX = 10_000
"""Longest timer that is always allowed, however short the time-outs of a run are."""
KINDS = get_args(engines.Effect)


def snapshot(value: Any) -> Any:
    """A value as something that can be compared, whatever it is made of."""
    if value is None or isinstance(value, bytes | str | int | float):
        return value
    if isinstance(value, Enum):
        return type(value).__qualname__, value.name
    if isinstance(value, Mapping):
        pairs = [(snapshot(key), snapshot(one)) for key, one in value.items()]
        return "mapping", tuple(sorted(pairs, key=repr))
    if isinstance(value, Set):
        return "set", tuple(sorted((snapshot(one) for one in value), key=repr))
    if isinstance(value, tuple | list):
        return tuple(snapshot(one) for one in value)
    names = _names(value)
    return type(value).__qualname__, tuple((one, snapshot(getattr(value, one))) for one in names)


def _names(value: Any) -> list[str]:
    """Names of the attributes of an object."""
    slots = {name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())}
    return sorted(
        name for name in slots | set(getattr(value, "__dict__", ())) if hasattr(value, name)
    )


@dataclass(slots=True)
class _Journal:
    """What happened to one instance in the height in work."""

    configuration: Configuration | None = None
    height: int = 0
    restored: frozenset[VoteRequest] = frozenset()
    valid: set[bytes] = field(default_factory=set)
    outcomes: dict[bytes, bytes] = field(default_factory=dict)
    signed: dict[VoteRequest, bytes] = field(default_factory=dict)
    decided: bool = False


@dataclass(slots=True)
class _State:
    inner: Any
    journal: _Journal


class Watched:
    """See the module. `violations` are texts that begin with the rule that was broken."""

    def __init__(self, engine: Any, signatures: Signatures) -> None:
        self._engine = engine
        self._signatures = signatures
        self.name = engine.name
        self.violations: list[str] = []
        self.steps = 0

    def initial(self) -> _State:
        """The state before the first height."""
        return _State(self._engine.initial(), _Journal())

    def progress(self, state: _State) -> engines.Progress:
        """Where the height in work stands."""
        found: engines.Progress = self._engine.progress(state.inner)
        return found

    def step(self, state: _State, event: Input) -> tuple[_State, tuple[Any, ...]]:
        """One step of the engine, and everything that must hold for it."""
        self.steps += 1
        before = snapshot(state.inner)
        after, effects = self._engine.step(state.inner, event)
        if snapshot(state.inner) != before:
            self._broken("state_altered", event)
        again, same = self._engine.step(state.inner, event)
        if snapshot((again, same)) != snapshot((after, effects)):
            self._broken("not_deterministic", event)
        self._hear(state.journal, event)
        for effect in effects:
            self._judge(state.journal, effect)
        return _State(after, state.journal), tuple(effects)

    def _broken(self, rule: str, what: Any) -> None:
        self.violations.append(f"{rule}: {what!r}"[:500])

    def _hear(self, journal: _Journal, event: Input) -> None:
        match event:
            case engines.Start():
                journal.configuration, journal.height = event.configuration, event.height
                journal.restored = frozenset(event.votes)
                journal.valid, journal.outcomes, journal.decided = set(), {}, False
                low = event.height - 1
                journal.signed = {
                    request: one
                    for request, one in journal.signed.items()
                    if request.height >= low
                }
            case engines.Validated(valid=True) if event.height == journal.height:
                journal.valid.add(event.digest)
            case engines.Executed() if event.outcome is not None:
                journal.outcomes[event.digest] = event.outcome
            case engines.VoteSigned():
                journal.signed[event.request] = event.signature
            case _:
                pass

    def _judge(self, journal: _Journal, effect: Any) -> None:
        if not isinstance(effect, KINDS):
            self._broken("unknown_effect", effect)
            return
        configuration = journal.configuration
        if configuration is None:
            self._broken("effect_before_start", effect)
            return
        match effect:
            case engines.SignVote():
                self._vote(journal, configuration, effect.request)
            case engines.Send():
                self._sent(journal, configuration, effect.message.signed)
            case engines.Decide():
                self._decision(journal, configuration, effect.certificate)
            case _:
                self._place(journal, configuration, effect)

    def _place(self, journal: _Journal, configuration: Configuration, effect: Any) -> None:
        """Timers, requests and records belong to the height in work."""
        match effect:
            case engines.SetTimer():
                longest = max(configuration.timeout_ms_max, TIMER_MS_MAX)
                if effect.timer.height != journal.height or not 0 < effect.delay_ms <= longest:
                    self._broken("timer", effect)
            case engines.Execute():
                if effect.height != journal.height or effect.digest not in journal.valid:
                    self._broken("executed_before_validated", effect)
            case engines.RequestPayload() | engines.Validate() | engines.Persist():
                if effect.height != journal.height:
                    self._broken("another_height", effect)
            case _:
                pass

    def _vote(self, journal: _Journal, configuration: Configuration, request: VoteRequest) -> None:
        place = configuration.epoch, configuration.engine, journal.height
        if (request.epoch, request.engine, request.height) != place:
            self._broken("vote_of_another_place", request)
        if configuration.own is None:
            self._broken("observer_votes", request)
        if journal.decided:
            self._broken("vote_after_decision", request)
        if request in journal.restored:
            return
        if request.phase is Phase.FIRST and request.digest not in journal.valid:
            self._broken("vote_before_validated", request)
        executed = journal.outcomes.get(request.digest)
        if request.phase is Phase.COMMIT and executed != request.outcome:
            self._broken("commit_before_executed", request)

    def _sent(self, journal: _Journal, configuration: Configuration, vote: VoteMessage) -> None:
        if vote.validator == configuration.own and (
            journal.signed.get(vote.request) != vote.signature
        ):
            self._broken("said_unsigned", vote)

    def _decision(
        self, journal: _Journal, configuration: Configuration, certificate: engines.Certificate
    ) -> None:
        request = certificate.request
        members = [member for member, _ in certificate.votes]
        known = all(0 <= member < len(configuration.members) for member in members)
        weight = (
            sum(configuration.members[member].weight for member in set(members)) if known else 0
        )
        signed = known and all(
            self._signatures.verify(configuration, VoteMessage(member, request, signature))
            for member, signature in certificate.votes
        )
        if (
            request.phase is not Phase.COMMIT
            or request.height != journal.height
            or len(set(members)) != len(members)
            or weight < configuration.quorum
            or not signed
        ):
            self._broken("certificate", request)
        if journal.outcomes.get(request.digest) != request.outcome:
            self._broken("decided_before_executed", request)
        if journal.decided:
            self._broken("decided_twice", request)
        journal.decided = True


__all__ = ["Watched", "snapshot"]
