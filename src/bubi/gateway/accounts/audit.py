"""The one call with which a route puts a change on record."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from bubi.gateway.access import Principal
from bubi.gateway.accounts.service import accounts_of, address_of


def audit(
    request: Request,
    who: Principal,
    action: str,
    target: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Notes who did what to what; never give it a secret."""
    accounts = accounts_of(request)
    accounts.records.audit(
        who.name, action, target, detail or {}, address_of(request), accounts.clock()
    )
