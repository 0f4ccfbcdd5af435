"""Every refusal of the gateway in one table; refusals of the node are passed on as they are.

Answers follow RFC 9457 (application/problem+json). Codes are stable; docs/gateway.md lists them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """Status and title that belong to a code."""

    status: int
    title: str
    retryable: bool = False


PROBLEMS: dict[str, Kind] = {
    "unknown_parameter": Kind(400, "The query has a parameter that this route does not know"),
    "parameter_invalid": Kind(400, "A parameter, header or body is not valid"),
    "address_invalid": Kind(400, "The address is not valid on this network"),
    "cursor_invalid": Kind(400, "The cursor does not belong to this list"),
    "login_required": Kind(401, "This needs a login"),
    "login_failed": Kind(401, "Name or password is wrong"),
    "role_missing": Kind(403, "Your role does not permit this"),
    "csrf_missing": Kind(403, "The request does not come from the console"),
    "not_found": Kind(404, "There is no such object"),
    "route_unknown": Kind(404, "There is no such route"),
    "method_not_allowed": Kind(405, "The route does not take this method"),
    "not_acceptable": Kind(406, "The route answers only with an event stream"),
    "not_provable_yet": Kind(409, "No decided block can prove it yet", True),
    "conflict": Kind(409, "It contradicts what is there"),
    "height_ahead": Kind(409, "The index has not reached this height yet", True),
    "too_large": Kind(413, "The request is larger than the limit"),
    "unsupported_media_type": Kind(415, "The route does not take this content type"),
    "too_many_requests": Kind(429, "Too many requests", True),
    "too_many_streams": Kind(429, "Too many event streams are open", True),
    "internal": Kind(500, "A defect of the gateway", True),
    "node_failed": Kind(502, "The node gave an answer that the gateway cannot use", True),
    "provider_failed": Kind(502, "The identity provider cannot be used now", True),
    "node_unreachable": Kind(503, "The gateway does not reach its node", True),
    "index_starting": Kind(503, "The index is being made", True),
    "stopping": Kind(503, "The gateway is stopping", True),
}


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        kind: Kind | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.kind = kind or PROBLEMS[code]
        self.headers = dict(headers or {})

    @classmethod
    def from_node(cls, document: Mapping[str, Any], status: int) -> "ProblemError":
        """The same refusal as the node gave."""
        title = str(document.get("title", "The node refused the request"))
        code = str(document.get("code", "node_failed"))
        kind = Kind(status, title, document.get("retryable") is True)
        return cls(code, str(document.get("detail", "")), kind=kind)


def problem_response(error: ProblemError) -> Response:
    """The answer to a request that ended with a problem."""
    kind = error.kind
    document: dict[str, Any] = {
        "type": f"urn:bubi:problem:{error.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": error.detail or kind.title,
        "code": error.code,
        "retryable": kind.retryable,
    }
    headers = dict(error.headers)
    if kind.status in {429, 503} and kind.retryable:
        headers.setdefault("Retry-After", "1")
    text = json.dumps(document, ensure_ascii=False)
    return Response(text, kind.status, headers, media_type=CONTENT_TYPE)
