"""Who asks, and whether the role permits it: the one dependency that routes declare.

Routes say `Depends(require(Role.OPERATOR))`; those of the explorer say `Depends(reader)`. Where
sessions come from is decided by `Gateway.sessions`; with none, nobody is logged in.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from starlette.requests import Request

from bubi.gateway.problems import ProblemError
from bubi.gateway.service import gateway_of


class Role(IntEnum):
    """Roles, each with all rights of those below it."""

    READ_ONLY = 1
    AUDITOR = 2
    OPERATOR = 3
    ADMINISTRATOR = 4


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who is logged in."""

    name: str
    role: Role


class Sessions(Protocol):
    """Finds who is behind a request."""

    async def principal(self, request: Request) -> Principal | None:
        """Who asks; None if nobody is logged in.

        Raises:
            ProblemError: a request that changes something does not carry the session's token.
        """

    def lasting(self, request: Request) -> Callable[[], bool]:
        """Whether the session of a request goes on, to be asked again and again."""


Dependency = Callable[[Request], Awaitable[Principal | None]]


async def principal_of(request: Request) -> Principal | None:
    """Who asks; None if nobody is logged in."""
    sessions = gateway_of(request).sessions
    return await sessions.principal(request) if sessions is not None else None


def require(role: Role, *, public: bool = False) -> Dependency:
    """A dependency that lets a role and those above it in.

    With `public`, it lets everybody in where the configuration opens the explorer, within the
    limit of their address. A dependency raises `login_required`, `role_missing` or
    `too_many_requests`.
    """

    async def check(request: Request) -> Principal | None:
        principal = await principal_of(request)
        if principal is None:
            gateway = gateway_of(request)
            if public and gateway.config.explorer.public:
                gateway.admit(gateway.visitors, request)
                return None
            raise ProblemError("login_required")
        if principal.role < role:
            raise ProblemError("role_missing", f"it needs the role {role.name.lower()}")
        return principal

    return check


reader = require(Role.READ_ONLY, public=True)
"""Of the explorer's routes: a role, or everybody if `explorer.public` is set."""
