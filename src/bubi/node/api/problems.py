"""Every refusal of the API in one table: code, HTTP status, title, whether to try again.

Answers follow RFC 9457 (application/problem+json). Codes are stable; spec/api.md lists them.
"""

import json
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from bubi import core

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """Status and title that belong to a code."""

    status: int
    title: str
    retryable: bool = False


PROBLEMS: dict[str, Kind] = {
    # The request.
    "malformed_json": Kind(400, "The JSON is malformed or does not fit the type"),
    "not_canonical": Kind(400, "The bytes are not the canonical form"),
    "malformed": Kind(400, "A value can never be valid"),
    "unknown_parameter": Kind(400, "The query has a parameter that this route does not know"),
    "parameter_invalid": Kind(400, "A parameter or header is not valid"),
    "address_invalid": Kind(400, "The address is not valid on this network"),
    "id_invalid": Kind(400, "The identifier is not 64 lower-case hex digits"),
    "cursor_invalid": Kind(400, "The cursor does not belong to this list or run of the node"),
    "ip_denied": Kind(403, "The node's rules do not let this address in"),
    "route_unknown": Kind(404, "There is no such route"),
    "method_not_allowed": Kind(405, "The route does not take this method"),
    "not_acceptable": Kind(406, "The route answers only with an event stream"),
    "too_large": Kind(413, "The request is larger than the limit"),
    "unsupported_media_type": Kind(415, "The route does not take this content type"),
    # A transaction at the door.
    "signature_invalid": Kind(400, "A signature is not valid"),
    "expired": Kind(400, "The transaction is past its valid_until"),
    "lifetime_too_long": Kind(400, "The transaction's valid_until lies too far ahead"),
    "threshold_not_met": Kind(403, "The signatures do not reach a threshold"),
    "source_missing": Kind(404, "The source account does not exist or is closed"),
    "duplicate": Kind(409, "The transaction is known and its outcome is not stored yet", True),
    "sequence_mismatch": Kind(409, "The sequence number is not the next one of its lane"),
    "wrong_chain": Kind(409, "The request names another chain than this node's"),
    "pool_full": Kind(503, "The node has no room for more transactions now", True),
    # Reading.
    "not_found": Kind(404, "There is no such object"),
    "not_provable_yet": Kind(409, "No decided block can prove it yet", True),
    "outcome_unknown": Kind(404, "This node knows no outcome of the transaction", True),
    "cursor_expired": Kind(410, "The cursor's view of the ledger is gone: start the list again"),
    "height_pruned": Kind(410, "Proofs of this height are no longer kept"),
    "outcome_pruned": Kind(410, "The receipt was archived away"),
    "too_many_streams": Kind(429, "Too many event streams are open", True),
    "too_many_waiting": Kind(429, "Too many requests wait for an outcome", True),
    "too_many_leases": Kind(429, "Too many lists are being read", True),
    # The node.
    "starting": Kind(503, "The node is starting", True),
    "stopping": Kind(503, "The node is stopping", True),
    "storage_full": Kind(503, "The node's disk is full", True),
    "guard_silent": Kind(503, "The node must not vote until its guard is looked after", True),
    "guard_refused": Kind(503, "The node must not vote until its guard is looked after", True),
    "diverged": Kind(503, "The node computed another outcome than the network and stopped"),
    "failed": Kind(503, "The node has failed and stops", True),
    "damaged": Kind(503, "A file of the node is damaged: ask another node"),
    "storage_failed": Kind(500, "The node's disk failed"),
    "invariant_broken": Kind(500, "The node's ledger contradicts itself"),
    "internal": Kind(500, "A defect of the node", True),
}


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        transaction: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.transaction = transaction
        self.headers = headers

    @classmethod
    def from_core(cls, error: core.CoreError) -> "ProblemError":
        """The problem of a refusal by the core."""
        return cls(core.error_code(error), core.error_detail(error))


def problem_response(error: ProblemError) -> Response:
    """The answer to a request that ended with a problem."""
    # A refusal that has no line in the table is still the caller's to mend: the core judges only
    # what it was given.
    kind = PROBLEMS.get(error.code, Kind(400, "The request was refused"))
    document: dict[str, Any] = {
        "type": f"urn:bubi:problem:{error.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": error.detail or kind.title,
        "code": error.code,
        "retryable": kind.retryable,
    }
    if error.transaction is not None:
        document["transaction"] = error.transaction
    headers = dict(error.headers or {})
    if kind.status in {429, 503} and kind.retryable:
        headers.setdefault("Retry-After", "1")
    return Response(
        json.dumps(document, ensure_ascii=False),
        kind.status,
        headers,
        media_type=CONTENT_TYPE,
    )
