"""Logs in and out, and finds who is behind a request."""

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from bubi.gateway.access import Principal, Role
from bubi.gateway.accounts.attempts import Attempts
from bubi.gateway.accounts.passwords import Passwords
from bubi.gateway.accounts.records import SESSION_MS, AccountRecords, Session, User
from bubi.gateway.problems import ProblemError
from bubi.gateway.service import gateway_of

if TYPE_CHECKING:
    from bubi.gateway.accounts.oidc import Logins

CSRF_HEADER = "Bubi-Csrf"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FIRST_USER = "administrator"
"""The user that a login link makes where there is none."""


class Accounts:
    """See the module. `secure`: browsers come over TLS. `port` keeps cookies of gateways apart."""

    def __init__(
        self, records: AccountRecords, clock: Callable[[], int], port: int, *, secure: bool
    ) -> None:
        self.records = records
        self.clock = clock
        self.passwords = Passwords()
        self.attempts = Attempts()
        self.oidc: Logins | None = None
        self.secure = secure
        self._cookie = f"bubi_session_{port}"

    async def principal(self, request: Request) -> Principal | None:
        """Who asks; None if nobody is logged in.

        Raises:
            ProblemError: a request that changes something does not carry the session's token.
        """
        found = self.session(request)
        if found is None:
            return None
        session, user = found
        if request.method not in SAFE:
            check_origin(request)
            given = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(given.encode(), session.csrf.encode()):
                raise ProblemError("csrf_missing", f"send the session's token as {CSRF_HEADER}")
        return Principal(user.name, role_of(user.role))

    def lasting(self, request: Request) -> Callable[[], bool]:
        """Whether the session of a request goes on, to be asked again and again."""
        token = request.cookies.get(self._cookie, "")
        return lambda: self.records.alive(token, self.clock())

    def session(self, request: Request) -> tuple[Session, User] | None:
        """The session of a request."""
        token = request.cookies.get(self._cookie)
        return self.records.session(token, self.clock()) if token else None

    async def log_in(self, name: str, password: str, address: str) -> User:
        """Checks a name and password.

        Raises:
            ProblemError: they are wrong, or were tried too often.
        """
        now = self.clock()
        wait = self.attempts.wait_ms(name, address, now)
        if wait:
            headers = {"Retry-After": str(-(-wait // 1000))}
            raise ProblemError("too_many_requests", "too many logins failed", headers=headers)
        # Counted before the check, so that tries side by side count as well.
        self.attempts.failed(name, address, now)
        user = self.records.user(name)
        usable = user is not None and not user.disabled
        stored = user.password if user is not None and usable else None
        if not await self.passwords.agrees(stored, password) or user is None:
            self.records.audit(name[:64], "login_failed", "", {}, address, now)
            raise ProblemError("login_failed")
        self.attempts.succeeded(name, address)
        return user

    def begin(self, response: Response, user: User, address: str, how: str) -> Session:
        """Begins a session and sets its cookie."""
        now = self.clock()
        token, session = self.records.begin_session(user.name, now)
        response.set_cookie(
            self._cookie, token, max_age=SESSION_MS // 1000, path="/", secure=self.secure,
            httponly=True, samesite="strict",
        )  # fmt: skip
        self.records.audit(user.name, "login", "", {"how": how}, address, now)
        return session

    def end(self, request: Request, response: Response) -> None:
        """Ends the session of a request."""
        token = request.cookies.get(self._cookie)
        if token:
            self.records.end_session(token)
        response.delete_cookie(
            self._cookie, path="/", secure=self.secure, httponly=True, samesite="strict"
        )


def role_of(name: str) -> Role:
    """A role by its name."""
    return Role[name.upper()]


def check_origin(request: Request) -> None:
    """Refuses what another site's page sends.

    Raises:
        ProblemError: it comes from another origin.
    """
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
        raise ProblemError("csrf_missing", "the request comes from another site")


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client is not None else ""


def accounts_of(request: Request) -> Accounts:
    """The accounts behind this request."""
    return cast(Accounts, gateway_of(request).sessions)
