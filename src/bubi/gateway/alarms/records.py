"""Alarms, rules, silences, channels and deliveries, in one SQLite file.

Channels hold secrets: the file is readable by its owner alone.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bubi.gateway.alarms.machine import Event, Place, Transition
from bubi.gateway.alarms.rules import DEFAULTS, Layer, Rule, Severity

HISTORY_MAX = 10_000
"""Ended alarms that are kept."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS alarms (
  id INTEGER PRIMARY KEY, code TEXT NOT NULL, key TEXT NOT NULL, severity TEXT NOT NULL,
  layer TEXT NOT NULL, value REAL NOT NULL, threshold REAL NOT NULL, unit TEXT NOT NULL,
  fired INTEGER NOT NULL, resolved INTEGER, acknowledged INTEGER, acknowledged_by TEXT,
  comment TEXT, detail TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX IF NOT EXISTS one_active ON alarms (code, key) WHERE resolved IS NULL;
CREATE TABLE IF NOT EXISTS rules (code TEXT PRIMARY KEY, settings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS silences (
  id INTEGER PRIMARY KEY, code TEXT, key TEXT, until INTEGER NOT NULL, made_by TEXT NOT NULL,
  comment TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS channels (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, severity TEXT NOT NULL,
  language TEXT NOT NULL, enabled INTEGER NOT NULL, settings TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS deliveries (
  id INTEGER PRIMARY KEY, channel INTEGER NOT NULL, alarm INTEGER, event TEXT NOT NULL,
  time INTEGER NOT NULL, delivered INTEGER NOT NULL, error TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. Times in ms since 1970."""

    id: int
    code: str
    key: str
    severity: Severity
    layer: Layer
    value: float
    threshold: float
    unit: str
    fired: int
    resolved: int | None
    acknowledged: int | None
    acknowledged_by: str | None
    comment: str | None
    detail: str

    @property
    def place(self) -> Place:
        """What the machine knows it by."""
        return self.code, self.key


@dataclass(frozen=True, slots=True)
class Wish:
    """Which alarms are wanted; None fits all. `since` and `until` (ms) bound when they fired."""

    active: bool
    severity: str | None = None
    layer: str | None = None
    code: str | None = None
    key: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Until when (ms) nobody is told of alarms of a rule, a key, or both; None: any."""

    id: int
    code: str | None
    key: str | None
    until: int
    made_by: str
    comment: str

    def covers(self, alarm: Alarm, now: int) -> bool:
        """Whether it keeps this alarm quiet."""
        return (
            now < self.until and self.code in {None, alarm.code} and self.key in {None, alarm.key}
        )


@dataclass(frozen=True, slots=True)
class Channel:
    """Where messages go: from a severity up, in a language. `settings` hold secrets."""

    id: int
    name: str
    kind: str
    severity: Severity
    language: str
    enabled: bool
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """An attempt to tell somebody."""

    channel: int
    alarm: int | None
    event: str
    time: int
    delivered: bool
    error: str


class UnknownError(Exception):
    """There is no such alarm, silence or channel."""


class Records:
    """See the module. Its methods block for a moment; any thread may call them."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._lock = threading.RLock()
        self._base = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.executescript(SCHEMA)
        self._add_detail()

    def _add_detail(self) -> None:
        """Files from a time when alarms had none lack the column."""
        if "detail" not in {row[1] for row in self._rows("PRAGMA table_info(alarms)")}:
            self._run("ALTER TABLE alarms ADD COLUMN detail TEXT NOT NULL DEFAULT ''")

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._base.close()

    def _run(self, sql: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        with self._lock:
            return self._base.execute(sql, tuple(values))

    def _rows(self, sql: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._base.execute(sql, tuple(values)).fetchall()

    # --- alarms --------------------------------------------------------------------------

    def apply(self, transition: Transition) -> Alarm:
        """Records a transition; the alarm as it is then."""
        with self._lock:
            if transition.event is Event.FIRED:
                return self._fire(transition)
            found = self._rows(
                "SELECT * FROM alarms WHERE code = ? AND key = ? AND resolved IS NULL",
                (transition.rule.code, transition.key),
            )
            if not found:
                raise UnknownError(transition.rule.code)
            alarm = _alarm(found[0])
            if transition.event is Event.RESOLVED:
                self._run(
                    "UPDATE alarms SET resolved = ? WHERE id = ?", (transition.time, alarm.id)
                )
                self._forget()
            else:
                self._run(
                    "UPDATE alarms SET value = ?, detail = ? WHERE id = ?",
                    (transition.value, transition.detail, alarm.id),
                )
            return self.alarm(alarm.id)

    def _fire(self, transition: Transition) -> Alarm:
        rule = transition.rule
        made = self._run(
            "INSERT INTO alarms "
            "(code, key, severity, layer, value, threshold, unit, fired, detail) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (rule.code, transition.key, rule.severity, rule.layer, transition.value,
             rule.threshold, rule.unit, transition.time, transition.detail),
        )  # fmt: skip
        return self.alarm(int(made.lastrowid or 0))

    def _forget(self) -> None:
        self._run(
            "DELETE FROM alarms WHERE resolved IS NOT NULL AND id NOT IN "
            "(SELECT id FROM alarms ORDER BY id DESC LIMIT ?)",
            (HISTORY_MAX,),
        )
        self._run(
            "DELETE FROM deliveries WHERE id NOT IN "
            "(SELECT id FROM deliveries ORDER BY id DESC LIMIT ?)",
            (HISTORY_MAX,),
        )

    def alarm(self, number: int) -> Alarm:
        """One alarm.

        Raises:
            UnknownError: there is none.
        """
        found = self._rows("SELECT * FROM alarms WHERE id = ?", (number,))
        if not found:
            raise UnknownError(str(number))
        return _alarm(found[0])

    def active(self) -> list[Alarm]:
        """Alarms that have not ended, newest first."""
        found = self._rows("SELECT * FROM alarms WHERE resolved IS NULL ORDER BY id DESC")
        return [_alarm(row) for row in found]

    def alarms(self, wish: Wish, before: int | None, limit: int) -> list[Alarm]:
        """Alarms below an id that fit, newest first."""
        found = self._rows(
            "SELECT * FROM alarms WHERE (resolved IS NULL) = ?1 AND id < ?2 "
            "AND (?3 IS NULL OR severity = ?3) AND (?4 IS NULL OR layer = ?4) "
            "AND (?5 IS NULL OR code = ?5) AND (?6 IS NULL OR key = ?6) "
            "AND (?7 IS NULL OR fired >= ?7) AND (?8 IS NULL OR fired <= ?8) "
            "ORDER BY id DESC LIMIT ?9",
            (
                int(wish.active), before if before is not None else 2**62, wish.severity,
                wish.layer, wish.code, wish.key, wish.since, wish.until, limit,
            ),
        )  # fmt: skip
        return [_alarm(row) for row in found]

    def acknowledge(self, number: int, who: str, comment: str, now: int) -> Alarm:
        """Notes who takes care of an alarm.

        Raises:
            UnknownError: there is none.
        """
        self.alarm(number)
        self._run(
            "UPDATE alarms SET acknowledged = ?, acknowledged_by = ?, comment = ? WHERE id = ?",
            (now, who, comment, number),
        )
        return self.alarm(number)

    # --- rules ---------------------------------------------------------------------------

    def rules(self) -> list[Rule]:
        """The rules in force: the defaults, changed by what was saved."""
        saved = {code: json.loads(text) for code, text in self._rows("SELECT * FROM rules")}
        return [_changed(rule, saved.get(rule.code, {})) for rule in DEFAULTS]

    def save_rule(self, rule: Rule) -> None:
        """Keeps the changed settings of a rule."""
        settings = {
            "severity": rule.severity,
            "threshold": rule.threshold,
            "seconds": rule.seconds,
            "clear_seconds": rule.clear_seconds,
            "repeat_seconds": rule.repeat_seconds,
            "enabled": rule.enabled,
        }
        self._run("INSERT OR REPLACE INTO rules VALUES (?, ?)", (rule.code, json.dumps(settings)))

    # --- silences ------------------------------------------------------------------------

    def silences(self, now: int) -> list[Silence]:
        """Those in force."""
        found = self._rows("SELECT * FROM silences WHERE until > ? ORDER BY id", (now,))
        return [Silence(*row) for row in found]

    def silence(
        self, code: str | None, key: str | None, until: int, who: str, comment: str
    ) -> Silence:
        """Makes one."""
        made = self._run(
            "INSERT INTO silences (code, key, until, made_by, comment) VALUES (?, ?, ?, ?, ?)",
            (code, key, until, who, comment),
        )
        return Silence(int(made.lastrowid or 0), code, key, until, who, comment)

    def end_silence(self, number: int) -> None:
        """Ends one.

        Raises:
            UnknownError: there is none.
        """
        if not self._run("DELETE FROM silences WHERE id = ?", (number,)).rowcount:
            raise UnknownError(str(number))

    # --- channels ------------------------------------------------------------------------

    def channels(self) -> list[Channel]:
        """All channels."""
        return [_channel(row) for row in self._rows("SELECT * FROM channels ORDER BY id")]

    def channel(self, number: int) -> Channel:
        """One channel.

        Raises:
            UnknownError: there is none.
        """
        found = self._rows("SELECT * FROM channels WHERE id = ?", (number,))
        if not found:
            raise UnknownError(str(number))
        return _channel(found[0])

    def save_channel(self, channel: Channel) -> Channel:
        """Makes a channel (id 0) or changes it.

        Raises:
            UnknownError: there is none with this id.
            sqlite3.IntegrityError: another one has its name.
        """
        values = (
            channel.name, channel.kind, channel.severity, channel.language,
            int(channel.enabled), json.dumps(dict(channel.settings)),
        )  # fmt: skip
        if channel.id:
            self.channel(channel.id)
            self._run(
                "UPDATE channels SET name = ?, kind = ?, severity = ?, language = ?, "
                "enabled = ?, settings = ? WHERE id = ?",
                (*values, channel.id),
            )
            return self.channel(channel.id)
        made = self._run(
            "INSERT INTO channels (name, kind, severity, language, enabled, settings) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            values,
        )
        return replace(channel, id=int(made.lastrowid or 0))

    def remove_channel(self, number: int) -> None:
        """Removes one.

        Raises:
            UnknownError: there is none.
        """
        if not self._run("DELETE FROM channels WHERE id = ?", (number,)).rowcount:
            raise UnknownError(str(number))

    def note(self, delivery: Delivery) -> None:
        """Records an attempt."""
        self._run(
            "INSERT INTO deliveries (channel, alarm, event, time, delivered, error) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (delivery.channel, delivery.alarm, delivery.event, delivery.time,
             int(delivery.delivered), delivery.error),
        )  # fmt: skip

    def deliveries(self, limit: int, alarm: int | None = None) -> list[Delivery]:
        """Newest attempts first; of one alarm if it is named."""
        found = self._rows(
            "SELECT channel, alarm, event, time, delivered, error FROM deliveries "
            "WHERE ?1 IS NULL OR alarm = ?1 ORDER BY id DESC LIMIT ?2",
            (alarm, limit),
        )
        return [_delivery(row) for row in found]

    def failures(self) -> dict[str, int]:
        """Failed attempts of each enabled channel since its last success."""
        return {
            channel.name: int(
                self._rows(
                    "SELECT count(*) FROM deliveries WHERE channel = ?1 AND NOT delivered "
                    "AND id > coalesce((SELECT max(id) FROM deliveries "
                    "WHERE channel = ?1 AND delivered), 0)",
                    (channel.id,),
                )[0][0]
            )
            for channel in self.channels()
            if channel.enabled
        }


def _alarm(row: tuple[Any, ...]) -> Alarm:
    number, code, key, severity, layer, *rest = row
    return Alarm(number, code, key, Severity(severity), Layer(layer), *rest)


def _delivery(row: tuple[Any, ...]) -> Delivery:
    channel, alarm, event, time, delivered, error = row
    return Delivery(channel, alarm, event, time, bool(delivered), error)


def _channel(row: tuple[Any, ...]) -> Channel:
    number, name, kind, severity, language, enabled, settings = row
    return Channel(
        number, name, kind, Severity(severity), language, bool(enabled), json.loads(settings)
    )


def _changed(rule: Rule, settings: Mapping[str, Any]) -> Rule:
    if not settings:
        return rule
    return replace(
        rule,
        severity=Severity(settings["severity"]),
        threshold=float(settings["threshold"]),
        seconds=int(settings["seconds"]),
        clear_seconds=int(settings["clear_seconds"]),
        repeat_seconds=int(settings["repeat_seconds"]),
        enabled=bool(settings["enabled"]),
    )
