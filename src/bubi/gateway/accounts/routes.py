"""Routes of sessions, users and the audit log."""

from typing import Annotated, Literal, cast

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from bubi.gateway import shapes
from bubi.gateway.access import Principal, Role, require
from bubi.gateway.accounts.audit import audit
from bubi.gateway.accounts.passwords import LENGTH_MIN, acceptable
from bubi.gateway.accounts.records import (
    AuditLine,
    AuditWish,
    LastAdministratorError,
    Session,
    User,
    UserExistsError,
    UserUnknownError,
)
from bubi.gateway.accounts.service import accounts_of, address_of, check_origin
from bubi.gateway.answers import RESPONSES, Part, Since, Some, StrictRoute, Until, answer
from bubi.gateway.index.paging import Asked, Page, by, decoded, encoded, window
from bubi.gateway.problems import ProblemError
from bubi.gateway.service import gateway_of

router = APIRouter(tags=["accounts"], route_class=StrictRoute, responses=RESPONSES)
Anyone = Annotated[Principal, Depends(require(Role.READ_ONLY))]
Administrator = Annotated[Principal, Depends(require(Role.ADMINISTRATOR))]
auditor = Depends(require(Role.AUDITOR))

Text = Annotated[str | None, Query(max_length=200)]
NAME = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Login(_Strict):
    """Name and password."""

    name: str = Field(min_length=1, max_length=64)
    password: str = Field(max_length=256)


class Link(_Strict):
    """The token of a one-time link."""

    token: str = Field(min_length=1, max_length=128)


class NewPassword(_Strict):
    """A password to replace one's own; the old one is needed where there is one."""

    old: str = Field(default="", max_length=256)
    new: str = Field(max_length=256)


class NewUser(_Strict):
    """A user; without a password only a login link lets it in."""

    name: str = Field(pattern=NAME)
    role: shapes.RoleName
    password: str | None = Field(default=None, max_length=256)


class UserChange(_Strict):
    """What to change of a user; what is left out stays."""

    role: shapes.RoleName | None = None
    disabled: bool | None = None
    password: str | None = Field(default=None, max_length=256)


# --- sessions ------------------------------------------------------------------------------------


@router.get("/session")
async def session(request: Request) -> shapes.SessionState:
    """Who is logged in, and the token that changes must carry; name null: nobody."""
    found = accounts_of(request).session(request)
    return _session(request, *(found or (None, None)))


def _session(request: Request, found: Session | None, user: User | None) -> shapes.SessionState:
    config = gateway_of(request).config
    return {
        "name": None if user is None else user.name,
        "role": None if user is None else _role(user),
        "csrf": None if found is None else found.csrf,
        "has_password": user is not None and user.password is not None,
        "has_provider": user is not None and user.subject is not None,
        "provider": config.oidc.issuer is not None,
        "public": config.explorer.public,
    }


@router.post("/session")
async def log_in(request: Request, response: Response, login: Login) -> shapes.SessionState:
    """Logs in."""
    check_origin(request)
    accounts, address = accounts_of(request), address_of(request)
    user = await accounts.log_in(login.name, login.password, address)
    return _session(request, accounts.begin(response, user, address, "password"), user)


@router.post("/session/link")
async def follow_link(request: Request, response: Response, link: Link) -> shapes.SessionState:
    """Logs in by a one-time link."""
    check_origin(request)
    accounts, address = accounts_of(request), address_of(request)
    now = accounts.clock()
    # Nobody guesses a token; the limit is of the address alone, or one could shut all others out.
    tried = f"link from {address}"
    if accounts.attempts.wait_ms(tried, address, now):
        raise ProblemError("too_many_requests", "too many logins failed")
    user = accounts.records.use_link(link.token, now)
    if user is None:
        accounts.attempts.failed(tried, address, now)
        raise ProblemError("login_failed", "the link was used, is too old, or is none")
    return _session(request, accounts.begin(response, user, address, "link"), user)


@router.delete("/session", status_code=204)
async def log_out(request: Request, who: Anyone) -> Response:
    """Logs out."""
    response = Response(status_code=204)
    accounts_of(request).end(request, response)
    audit(request, who, "logout")
    return response


@router.post("/session/password")
async def change_password(
    request: Request, response: Response, wanted: NewPassword, who: Anyone
) -> shapes.SessionState:
    """Changes one's own password; other sessions end, this one goes on with another cookie."""
    accounts, address = accounts_of(request), address_of(request)
    user = accounts.records.user(who.name)
    assert user is not None
    _refuse_provided(user)
    if user.password is not None:
        await accounts.log_in(user.name, wanted.old, address)
    accounts.records.set_password(user.name, await _hashed(request, wanted.new))
    audit(request, who, "change_password", user.name)
    fresh = accounts.records.user(user.name)
    return _session(request, accounts.begin(response, user, address, "password"), fresh)


def _refuse_provided(user: User) -> None:
    """Who comes by the identity provider comes no other way, and with the role that it gives."""
    if user.subject is not None:
        raise ProblemError("conflict", "the identity provider decides about this user")


async def _hashed(request: Request, password: str) -> str:
    if not acceptable(password):
        detail = f"a password needs {LENGTH_MIN} characters or more, and some variety"
        raise ProblemError("parameter_invalid", detail)
    return await accounts_of(request).passwords.hash(password)


# --- users ---------------------------------------------------------------------------------------


@router.get("/users", response_model=Some[shapes.User])
async def users(
    request: Request,
    who: Administrator,
    part: Part,
    role: shapes.RoleName | None = None,
    state: Literal["active", "disabled"] | None = None,
    contains: Text = None,
) -> Response:
    """Users that fit all filters; those whose names contain a text."""
    del who
    items = [
        _user(one)
        for one in accounts_of(request).records.users()
        if role in {None, one.role}
        and state in {None, "disabled" if one.disabled else "active"}
        and (contains or "") in one.name
    ]
    return await answer(request, part, part.of(lambda asked: window(items, by("name"), asked)))


@router.post("/users", status_code=201)
async def add_user(request: Request, wanted: NewUser, who: Administrator) -> shapes.User:
    """Makes a user."""
    password = None if wanted.password is None else await _hashed(request, wanted.password)
    accounts = accounts_of(request)
    try:
        made = accounts.records.add_user(wanted.name, wanted.role, password, accounts.clock())
    except UserExistsError:
        raise ProblemError("conflict", "there is a user of this name") from None
    audit(request, who, "add_user", made.name, {"role": made.role})
    return _user(made)


@router.put("/users/{name}")
async def change_user(
    request: Request, name: str, wanted: UserChange, who: Administrator
) -> shapes.User:
    """Changes a user; the user's sessions end."""
    records = accounts_of(request).records
    old = records.user(name)
    if old is None:
        raise ProblemError("not_found")
    if wanted.password is not None or wanted.role not in {None, old.role}:
        _refuse_provided(old)
    password = None if wanted.password is None else await _hashed(request, wanted.password)
    role = old.role if wanted.role is None else wanted.role
    disabled = old.disabled if wanted.disabled is None else wanted.disabled
    try:
        changed = records.change_user(name, role, disabled=disabled)
    except LastAdministratorError:
        raise ProblemError("conflict", "it is the last administrator") from None
    if password is not None:
        records.set_password(name, password)
    detail = {"role": role, "disabled": disabled, "password": password is not None}
    audit(request, who, "change_user", name, detail)
    return _user(changed)


@router.delete("/users/{name}", status_code=204)
async def remove_user(request: Request, name: str, who: Administrator) -> Response:
    """Removes a user."""
    try:
        accounts_of(request).records.remove_user(name)
    except UserUnknownError:
        raise ProblemError("not_found") from None
    except LastAdministratorError:
        raise ProblemError("conflict", "it is the last administrator") from None
    audit(request, who, "remove_user", name)
    return Response(status_code=204)


@router.post("/users/{name}/link", status_code=201)
async def make_link(request: Request, name: str, who: Administrator) -> shapes.OneTimeLink:
    """A one-time link for a user, to be handed on in person."""
    accounts = accounts_of(request)
    user = accounts.records.user(name)
    if user is None:
        raise ProblemError("not_found")
    _refuse_provided(user)
    token, until = accounts.records.make_link(name, accounts.clock())
    audit(request, who, "make_link", name)
    return {"token": token, "expires": str(until)}


# --- audit ---------------------------------------------------------------------------------------


class AuditLog(Some[shapes.AuditLine]):
    """Lines of the audit log. `intact`: none of the whole log was changed or taken out."""

    intact: bool


@router.get("/audit", dependencies=[auditor], response_model=AuditLog)
async def audit_log(
    request: Request,
    part: Part,
    name: Text = None,
    action: Text = None,
    target: Text = None,
    since: Since = None,
    until: Until = None,
) -> Response:
    """Who changed what, newest first, what fits all filters.

    `intact`: no line of the whole log was changed or taken out.
    """
    records = accounts_of(request).records
    wanted = AuditWish(name, action, target, since, until)

    def fetch(asked: Asked) -> Page:
        before = None if asked.cursor is None else decoded(asked.cursor, [int])[0]
        lines = records.audit_lines(wanted, before, asked.limit + 1)
        shown = lines[: asked.limit]
        following = encoded([shown[-1].id]) if len(lines) > len(shown) else None
        return Page([_line(one) for one in shown], following, 0)

    page = await run_in_threadpool(part.of, fetch)
    intact = await run_in_threadpool(records.audit_intact)
    return await answer(request, part, page, intact=intact)


def _line(line: AuditLine) -> shapes.AuditLine:
    return {
        "id": str(line.id),
        "time": str(line.time),
        "name": line.name,
        "action": line.action,
        "target": line.target,
        "detail": line.detail,
        "address": line.address,
    }


def _role(user: User) -> shapes.RoleName:
    return cast("shapes.RoleName", user.role)  # No others are written.


def _user(user: User) -> shapes.User:
    return {
        "name": user.name,
        "role": _role(user),
        "has_password": user.password is not None,
        "subject": user.subject,
        "disabled": user.disabled,
        "made": str(user.made),
        "seen": None if user.seen is None else str(user.seen),
    }
