"""From readings to alarms. Pure: time comes with the readings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from bubi.gateway.alarms.rules import Rule

UNSEEN_SECONDS = 600
"""An alarm about something that no reading names any more ends after so long."""

Place = tuple[str, str]
"""Code of a rule and key of what it is about."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule looks at. `value` None: it cannot be told now, and nothing changes.

    `detail`: who or what makes the value, where the key does not say it.
    """

    code: str
    key: str
    value: float | None
    detail: str = ""

    @property
    def place(self) -> Place:
        """Which alarm it is about."""
        return self.code, self.key


class Event(StrEnum):
    """What happened to an alarm."""

    FIRED = "fired"
    REPEATED = "repeated"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Transition:
    """Something that must be recorded and told."""

    event: Event
    rule: Rule
    key: str
    value: float
    time: int
    detail: str = ""


@dataclass(slots=True)
class _Watch:
    """A place that is, or may become, an alarm. Times in ms."""

    value: float
    bad_since: int | None
    seen: int
    active: bool = False
    good_since: int | None = None
    told: int = 0
    acknowledged: bool = False


class Machine:
    """See the module."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules: dict[str, Rule] = {}
        self._watches: dict[Place, _Watch] = {}
        self.set_rules(rules)

    def set_rules(self, rules: Iterable[Rule]) -> None:
        """Takes other rules; alarms of rules that are gone or disabled end with the next look."""
        self._rules = {rule.code: rule for rule in rules}

    def restore(self, place: Place, value: float, since: int, *, acknowledged: bool) -> None:
        """Puts an alarm back that was active when the process ended."""
        self._watches[place] = _Watch(
            value, since, since, active=True, told=since, acknowledged=acknowledged
        )

    def acknowledge(self, place: Place) -> None:
        """Somebody takes care of it: it is not repeated."""
        watch = self._watches.get(place)
        if watch is not None:
            watch.acknowledged = True

    def pending(self) -> Mapping[Place, int]:
        """Since when (ms) places are bad that are no alarms yet."""
        return {
            place: watch.bad_since
            for place, watch in self._watches.items()
            if not watch.active and watch.bad_since is not None
        }

    def observe(self, readings: Iterable[Reading], now: int) -> list[Transition]:
        """Takes what was read at one moment; what follows from it, in order."""
        result: list[Transition] = []
        for reading in readings:
            rule = self._rules.get(reading.code)
            if rule is None or not rule.enabled:
                continue
            if reading.value is None:
                self._unknown(reading.place, now)
                continue
            found = self._step(rule, reading.key, reading.value, now)
            result += [] if found is None else [replace(found, detail=reading.detail)]
        return result + self._forget(now)

    def _unknown(self, place: Place, now: int) -> None:
        watch = self._watches.get(place)
        if watch is not None:
            watch.seen = now
            watch.good_since = None
            if not watch.active:
                # What was not seen to be bad all the time does not count as such.
                del self._watches[place]

    def _step(self, rule: Rule, key: str, value: float, now: int) -> Transition | None:
        place = (rule.code, key)
        watch = self._watches.get(place)
        if not rule.bad(value):
            return None if watch is None else self._good(rule, key, watch, value, now)
        if watch is None:
            watch = self._watches[place] = _Watch(value, now, now)
        watch.value, watch.seen, watch.good_since = value, now, None
        if not watch.active:
            since = now if watch.bad_since is None else watch.bad_since
            if now - since < rule.seconds * 1000:
                return None
            watch.active, watch.told = True, now
            return Transition(Event.FIRED, rule, key, value, now)
        due = rule.repeat_seconds and now - watch.told >= rule.repeat_seconds * 1000
        if due and not watch.acknowledged:
            watch.told = now
            return Transition(Event.REPEATED, rule, key, value, now)
        return None

    def _good(
        self, rule: Rule, key: str, watch: _Watch, value: float, now: int
    ) -> Transition | None:
        watch.seen = now
        if not watch.active:
            del self._watches[rule.code, key]
            return None
        watch.value = value
        if watch.good_since is None:
            watch.good_since = now
        if now - watch.good_since < rule.clear_seconds * 1000:
            return None
        del self._watches[rule.code, key]
        return Transition(Event.RESOLVED, rule, key, value, now)

    def _forget(self, now: int) -> list[Transition]:
        """Ends what nothing speaks of any more, and what no rule is about."""
        gone = []
        for (code, key), watch in list(self._watches.items()):
            rule = self._rules.get(code)
            ruled = rule is not None and rule.enabled
            if ruled and now - watch.seen < UNSEEN_SECONDS * 1000:
                continue
            del self._watches[code, key]
            if watch.active and rule is not None:
                gone.append(Transition(Event.RESOLVED, rule, key, watch.value, now))
        return gone
