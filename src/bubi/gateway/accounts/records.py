"""Users, sessions, one-time links and the audit log, in one SQLite file.

Tokens are stored as their SHA-256 only. The commands write into the file while the gateway runs.
"""

import hashlib
import json
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

SESSION_MS = 12 * 3_600_000
IDLE_MS = 2 * 3_600_000
LINK_MS = 15 * 60_000
SEEN_EVERY_MS = 60_000
WAIT_SECONDS = 10.0
FIRST_HASH = "0" * 64

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
  name TEXT PRIMARY KEY, role TEXT NOT NULL, password TEXT, disabled INTEGER NOT NULL DEFAULT 0,
  made INTEGER NOT NULL, seen INTEGER, subject TEXT UNIQUE
);
CREATE TABLE IF NOT EXISTS sessions (
  token TEXT PRIMARY KEY, name TEXT NOT NULL, csrf TEXT NOT NULL, made INTEGER NOT NULL,
  seen INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS links (
  token TEXT PRIMARY KEY, name TEXT NOT NULL, until INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS audit (
  id INTEGER PRIMARY KEY, time INTEGER NOT NULL, name TEXT NOT NULL, action TEXT NOT NULL,
  target TEXT NOT NULL, detail TEXT NOT NULL, address TEXT NOT NULL, hash TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in. `password` is its hash; None: only by link or identity provider.

    `subject`: issuer and name at the identity provider, which alone decides the role.
    """

    name: str
    role: str
    password: str | None
    disabled: bool
    made: int
    seen: int | None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in."""

    name: str
    csrf: str
    made: int
    seen: int


@dataclass(frozen=True, slots=True)
class AuditWish:
    """Which lines of the audit log are wanted; None fits all. Times in ms."""

    name: str | None = None
    action: str | None = None
    target: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One change. Times in ms since 1970."""

    id: int
    time: int
    name: str
    action: str
    target: str
    detail: Mapping[str, Any]
    address: str
    hash: str


class UserExistsError(Exception):
    """There is a user of this name."""


class UserUnknownError(Exception):
    """There is no user of this name."""


class LastAdministratorError(Exception):
    """Nobody could manage users any more."""


def digest(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class AccountRecords:
    """See the module. Its methods block for a moment; any thread may call them."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._lock = threading.RLock()
        self._base = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=WAIT_SECONDS
        )
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.executescript(SCHEMA)
        self._add_subjects()

    def _add_subjects(self) -> None:
        """Files that were made before there were identity providers."""
        with self._lock:
            columns = {row[1] for row in self._rows("PRAGMA table_info(users)")}
            if "subject" not in columns:
                self._run("ALTER TABLE users ADD COLUMN subject TEXT")
                self._run("CREATE UNIQUE INDEX users_by_subject ON users (subject)")

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

    # --- users ---------------------------------------------------------------------------

    def users(self) -> list[User]:
        """All users."""
        return [_user(row) for row in self._rows("SELECT * FROM users ORDER BY name")]

    def user(self, name: str) -> User | None:
        """One user."""
        found = self._rows("SELECT * FROM users WHERE name = ?", (name,))
        return _user(found[0]) if found else None

    def add_user(self, name: str, role: str, password: str | None, now: int) -> User:
        """Makes a user; `password` is hashed.

        Raises:
            UserExistsError: there is one of this name.
        """
        try:
            self._run(
                "INSERT INTO users (name, role, password, made) VALUES (?, ?, ?, ?)",
                (name, role, password, now),
            )
        except sqlite3.IntegrityError:
            raise UserExistsError(name) from None
        return User(name, role, password, disabled=False, made=now, seen=None)

    def change_user(self, name: str, role: str, *, disabled: bool) -> User:
        """Changes a role, or keeps a user out; the sessions end.

        Raises:
            UserUnknownError: there is none.
            LastAdministratorError: it is the last administrator.
        """
        with self._lock:
            self._refuse_last(name, stays=role == "administrator" and not disabled)
            self._run(
                "UPDATE users SET role = ?, disabled = ? WHERE name = ?",
                (role, int(disabled), name),
            )
            self.end_sessions(name)
            found = self.user(name)
        assert found is not None
        return found

    def remove_user(self, name: str) -> None:
        """Removes a user and its sessions.

        Raises:
            UserUnknownError: there is none.
            LastAdministratorError: it is the last administrator.
        """
        with self._lock:
            self._refuse_last(name, stays=False)
            self._run("DELETE FROM users WHERE name = ?", (name,))
            self.end_sessions(name)

    def _refuse_last(self, name: str, *, stays: bool) -> None:
        user = self.user(name)
        if user is None:
            raise UserUnknownError(name)
        others = self._rows(
            "SELECT 1 FROM users WHERE role = 'administrator' AND NOT disabled AND name != ?",
            (name,),
        )
        if user.role == "administrator" and not stays and not others:
            raise LastAdministratorError(name)

    def set_password(self, name: str, password: str) -> None:
        """Stores a hash; sessions end, for whoever stole the old one may have some."""
        self._run("UPDATE users SET password = ? WHERE name = ?", (password, name))
        self.end_sessions(name)

    def set_subject(self, subject: str, name: str, role: str, now: int) -> User:
        """The user of an identity provider, made at the first login; its role is the newest.

        Another role than before ends its sessions.

        Raises:
            ValueError: another user has the name.
        """
        with self._lock:
            found = self._rows("SELECT * FROM users WHERE subject = ?", (subject,))
            if not found:
                if self.user(name) is not None:
                    raise ValueError(name)
                self._run(
                    "INSERT INTO users (name, role, made, subject) VALUES (?, ?, ?, ?)",
                    (name, role, now, subject),
                )
                return User(name, role, None, disabled=False, made=now, seen=None, subject=subject)
            user = _user(found[0])
            if user.role != role:
                self._run("UPDATE users SET role = ? WHERE name = ?", (role, user.name))
                self.end_sessions(user.name)
            return replace(user, role=role)

    # --- sessions ------------------------------------------------------------------------

    def begin_session(self, name: str, now: int) -> tuple[str, Session]:
        """A new session and its token."""
        token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self._run(
            "DELETE FROM sessions WHERE made <= ? OR seen <= ?", (now - SESSION_MS, now - IDLE_MS)
        )
        self._run(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)", (digest(token), name, csrf, now, now)
        )
        self._run("UPDATE users SET seen = ? WHERE name = ?", (now, name))
        return token, Session(name, csrf, now, now)

    def session(self, token: str, now: int) -> tuple[Session, User] | None:
        """The session of a token and its user, if both are still good."""
        stored = digest(token)
        found = self._rows(
            "SELECT name, csrf, made, seen FROM sessions WHERE token = ?", (stored,)
        )
        if not found:
            return None
        session = Session(*found[0])
        user = self.user(session.name)
        if now - session.made >= SESSION_MS or now - session.seen >= IDLE_MS:
            user = None
        if user is None or user.disabled:
            self._run("DELETE FROM sessions WHERE token = ?", (stored,))
            return None
        if now - session.seen >= SEEN_EVERY_MS:
            self._run("UPDATE sessions SET seen = ? WHERE token = ?", (now, stored))
        return session, user

    def alive(self, token: str, now: int) -> bool:
        """Whether a session goes on; being asked does not prolong it."""
        found = self._rows(
            "SELECT 1 FROM sessions JOIN users USING (name) "
            "WHERE token = ? AND sessions.made > ? AND sessions.seen > ? AND NOT disabled",
            (digest(token), now - SESSION_MS, now - IDLE_MS),
        )
        return bool(found)

    def end_session(self, token: str) -> None:
        """Ends a session."""
        self._run("DELETE FROM sessions WHERE token = ?", (digest(token),))

    def end_sessions(self, name: str) -> None:
        """Ends all sessions of a user, and what could begin one without a password."""
        self._run("DELETE FROM sessions WHERE name = ?", (name,))
        self._run("DELETE FROM links WHERE name = ?", (name,))

    # --- links ---------------------------------------------------------------------------

    def make_link(self, name: str, now: int) -> tuple[str, int]:
        """A token that logs a user in once, and until when (ms)."""
        token, until = secrets.token_urlsafe(32), now + LINK_MS
        self._run("DELETE FROM links WHERE until <= ?", (now,))
        self._run("INSERT INTO links VALUES (?, ?, ?)", (digest(token), name, until))
        return token, until

    def use_link(self, token: str, now: int) -> User | None:
        """The user of a link; the link works no more."""
        found = self._rows(
            "DELETE FROM links WHERE token = ? AND until > ? RETURNING name", (digest(token), now)
        )
        user = self.user(found[0][0]) if found else None
        return None if user is None or user.disabled else user

    # --- audit ---------------------------------------------------------------------------

    def audit(
        self,
        name: str,
        action: str,
        target: str,
        detail: Mapping[str, Any],
        address: str,
        now: int,
    ) -> None:
        """Puts a change on record."""
        with self._lock:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                last = self._rows("SELECT hash FROM audit ORDER BY id DESC LIMIT 1")
                before = last[0][0] if last else FIRST_HASH
                text = json.dumps(dict(detail), ensure_ascii=False, sort_keys=True)
                linked = _linked(before, now, (name, action, target, text, address))
                self._run(
                    "INSERT INTO audit (time, name, action, target, detail, address, hash) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (now, name, action, target, text, address, linked),
                )
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")

    def audit_lines(self, wish: AuditWish, before: int | None, limit: int) -> list[AuditLine]:
        """Lines below an id that fit, newest first."""
        found = self._rows(
            "SELECT * FROM audit WHERE id < ?1 AND (?2 IS NULL OR name = ?2) "
            "AND (?3 IS NULL OR action = ?3) AND (?4 IS NULL OR target = ?4) "
            "AND (?5 IS NULL OR time >= ?5) AND (?6 IS NULL OR time <= ?6) "
            "ORDER BY id DESC LIMIT ?7",
            (
                before if before is not None else 2**62, wish.name, wish.action, wish.target,
                wish.since, wish.until, limit,
            ),
        )  # fmt: skip
        return [_audit_line(row) for row in found]

    def audit_intact(self) -> bool:
        """Whether every line follows from the one before, and none is missing between."""
        before = FIRST_HASH
        rows = self._rows(
            "SELECT id, time, name, action, target, detail, address, hash FROM audit ORDER BY id"
        )
        for number, (id_, at, *fields, linked) in enumerate(rows, 1):
            if id_ != number or linked != _linked(before, at, fields):
                return False
            before = linked
        return True


def _linked(before: str, time: int, fields: Iterable[str]) -> str:
    return hashlib.sha256(json.dumps([before, time, *fields]).encode()).hexdigest()


def _audit_line(row: tuple[Any, ...]) -> AuditLine:
    number, time, name, action, target, detail, address, linked = row
    return AuditLine(number, time, name, action, target, json.loads(detail), address, linked)


def _user(row: tuple[Any, ...]) -> User:
    name, role, password, disabled, made, seen, subject = row
    return User(name, role, password, bool(disabled), made, seen, subject)
