"""Logging in by an identity provider: two redirects, and what the login becomes here.

Users that come this way are known by the provider's name of them (issuer and subject), never by a
name that they could choose: theirs begin with `oidc:`, those of local users cannot.
"""

import hashlib
import hmac
import logging
import re
import secrets
from collections import OrderedDict
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bubi.gateway.access import Role
from bubi.gateway.accounts.provider import (
    Begun,
    Identity,
    Provider,
    ProviderError,
    Registration,
    TokenError,
    begin,
)
from bubi.gateway.accounts.records import User
from bubi.gateway.accounts.service import Accounts, accounts_of, address_of
from bubi.gateway.answers import RESPONSES
from bubi.gateway.problems import ProblemError
from bubi.gateway.service import gateway_of

log = logging.getLogger("bubi.gateway.accounts")

# A provider may add parameters of its own to the way back.
router = APIRouter(tags=["accounts"], responses=RESPONSES)
BEGUN_MS = 600_000
BEGUN_MAX = 1_000
PATH = "/api/v1/session/oidc"
PAGE = re.compile(r"/(?![/\\])[\x21-\x7e]{0,511}|/")
PREFIX = "oidc:"
NAME_LENGTH = 58


class Logins:
    """Logins that were sent to the provider and have not come back; each comes back once."""

    def __init__(self, settings: Registration) -> None:
        self.settings = settings
        self.provider = Provider(settings)
        self._begun: OrderedDict[bytes, Begun] = OrderedDict()

    def keep(self, begun: Begun) -> str:
        """What the browser keeps, so that only it can come back."""
        handle = secrets.token_urlsafe(32)
        self._begun[_digest(handle)] = begun
        while len(self._begun) > BEGUN_MAX:
            self._begun.popitem(last=False)
        return handle

    def take(self, handle: str, state: str, now: int) -> Begun | None:
        """The login that comes back; None if there is none, or it took too long."""
        begun = self._begun.pop(_digest(handle), None)
        if begun is None or now >= begun.until:
            return None
        return begun if hmac.compare_digest(begun.state.encode(), state.encode()) else None

    def role(self, identity: Identity) -> Role | None:
        """The highest role that the provider's values stand for; None if they stand for none."""
        found = [Role[role.upper()] for value, role in self.settings.section.roles
                 if value in identity.roles]  # fmt: skip
        return max(found, default=None)


def _digest(handle: str) -> bytes:
    return hashlib.sha256(handle.encode()).digest()


def _logins(request: Request) -> Logins:
    found = accounts_of(request).oidc
    if found is None:
        raise ProblemError("route_unknown", "logging in by a provider is not set up")
    return found


@router.get("/session/oidc", response_class=Response, status_code=303)
async def begin_login(
    request: Request, to: Annotated[str, Query(max_length=512)] = "/"
) -> Response:
    """Sends the browser to the identity provider; `to` is the page behind the login."""
    logins, accounts = _logins(request), accounts_of(request)
    now = accounts.clock()
    begun = begin(to if PAGE.fullmatch(to) else "/", now + BEGUN_MS)
    try:
        address = await logins.provider.address(begun, now)
    except ProviderError as error:
        log.warning("the identity provider cannot be used: %s", error)
        return _failed("provider_failed")
    response = RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})
    # Lax: it has to come along when the provider's page leads back here.
    response.set_cookie(
        _cookie(request), logins.keep(begun), max_age=BEGUN_MS // 1_000, path=PATH,
        secure=accounts.secure, httponly=True, samesite="lax",
    )  # fmt: skip
    return response


@router.get("/session/oidc/callback", response_class=Response, status_code=303)
async def end_login(
    request: Request,
    state: Annotated[str, Query(max_length=512)] = "",
    code: Annotated[str, Query(max_length=4_096)] = "",
    iss: Annotated[str | None, Query(max_length=512)] = None,
) -> Response:
    """Where the identity provider sends the browser back to."""
    logins, accounts, address = _logins(request), accounts_of(request), address_of(request)
    now = accounts.clock()
    if accounts.attempts.wait_ms("", address, now):
        return _failed("too_many_requests")
    try:
        begun = logins.take(request.cookies.get(_cookie(request), ""), state, now)
        if begun is None or not code:
            raise TokenError("nobody was sent to the provider, or it sent nothing back")
        if iss is not None and iss.rstrip("/") != logins.settings.issuer:
            raise TokenError("another provider sent it")
        user = _user(accounts, logins, await logins.provider.identity(begun, code, now), address)
    except ProviderError as error:
        log.warning("the identity provider cannot be used: %s", error)
        return _failed("provider_failed")
    except TokenError as error:
        accounts.attempts.failed("", address, now)
        accounts.records.audit("", "login_failed", "", {"why": str(error)}, address, now)
        return _failed("login_failed")
    except ProblemError as problem:
        return _failed(problem.code)
    response = RedirectResponse(begun.to, 303, headers={"Cache-Control": "no-store"})
    accounts.begin(response, user, address, "oidc")
    response.delete_cookie(_cookie(request), path=PATH)
    return response


def _user(accounts: Accounts, logins: Logins, identity: Identity, address: str) -> User:
    """The user of an identity, with the role that the provider gives it now.

    Raises:
        ProblemError: the provider gives it none, or it is kept out here.
    """
    role, now = logins.role(identity), accounts.clock()
    name = PREFIX + (re.sub(r"[^A-Za-z0-9._@-]", "_", identity.name)[:NAME_LENGTH])
    if role is None:
        accounts.records.audit(name, "login_refused", "", {"why": "no role"}, address, now)
        raise ProblemError("role_missing")
    try:
        user = accounts.records.set_subject(identity.subject, name, role.name.lower(), now)
    except ValueError:
        accounts.records.audit(name, "login_refused", "", {"why": "name taken"}, address, now)
        raise ProblemError("conflict") from None
    if user.disabled:
        accounts.records.audit(user.name, "login_refused", "", {"why": "disabled"}, address, now)
        raise ProblemError("login_failed")
    return user


def _cookie(request: Request) -> str:
    return f"bubi_oidc_{gateway_of(request).config.gateway.port}"


def _failed(code: str) -> Response:
    """Back to the page of the login, which says what went wrong."""
    response = RedirectResponse(f"/login?failed={quote(code)}", 303)
    response.headers["Cache-Control"] = "no-store"
    return response
