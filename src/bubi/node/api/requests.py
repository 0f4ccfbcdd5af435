"""Reading requests.

Bodies within their limit, content types, parameters; each mistake has its own code.
"""

import re
from collections.abc import Collection
from typing import cast

from starlette.requests import Request

from bubi import core
from bubi.node.api.certified import ORGANISATION
from bubi.node.api.problems import ProblemError
from bubi.node.api.services import Services
from bubi.node.shares import Origin

JSON = "application/json"
TRANSACTION = "application/vnd.bubi.transaction"
TRANSACTIONS = "application/vnd.bubi.transactions"
OCTETS = "application/octet-stream"
"""What general tools send for bytes; taken for a bulk."""
JSON_BYTES_MAX = 4 * 1_048_576
TIMEOUT_SECONDS = 10.0
TIMEOUT_SECONDS_MAX = 60.0

_SECONDS = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?", re.ASCII)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,19}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HEX = re.compile(r"([0-9a-f]{2})*", re.ASCII)
SLASH = "\0"
"""A slash that the client sent as %2F, while the path is routed."""

U64_MAX = 2**64 - 1


def services(request: Request) -> Services:
    """The node behind this request."""
    return cast(Services, request.app.state.services)


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body.

    Raises:
        ProblemError: it is larger than the limit.
    """
    too_large = ProblemError("too_large", f"the body may have at most {limit} bytes")
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit:
        raise too_large
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large
        parts.append(part)
    return b"".join(parts)


def content_type(request: Request, allowed: Collection[str]) -> str:
    """The media type of the body.

    Raises:
        ProblemError: it is none of those allowed.
    """
    given, _, parameters = request.headers.get("content-type", "").partition(";")
    kind = given.strip().lower()
    charset = parameters.strip().lower().replace('"', "")
    plain = charset in {"", "charset=utf-8"}
    if kind not in allowed or not plain:
        raise ProblemError("unsupported_media_type", f"send one of: {', '.join(sorted(allowed))}")
    return kind


def check_query(request: Request, known: Collection[str]) -> None:
    """Refuses parameters that the route does not know, and repeated ones.

    Raises:
        ProblemError: there is one.
    """
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            raise ProblemError("unknown_parameter", f"unknown parameter {name[:64]!r}")
        if name in seen:
            raise ProblemError("parameter_invalid", f"{name} is given twice")
        seen.add(name)


def check_chain(request: Request, node: Services) -> None:
    """Refuses a request meant for another chain.

    Raises:
        ProblemError: the header `Bubi-Chain` names another chain.
    """
    given = request.headers.get("bubi-chain")
    if given is not None and given != node.chain.chain_id.hex():
        raise ProblemError("wrong_chain", f"this node keeps chain {node.chain.chain_id.hex()}")


def wait_seconds(request: Request) -> float | None:
    """How long to wait for an outcome; None if the caller does not want to.

    Raises:
        ProblemError: `wait` or `timeout` is wrong.
    """
    query = request.query_params
    wait, timeout = query.get("wait"), query.get("timeout")
    if wait not in {None, "final"}:
        raise ProblemError("parameter_invalid", "wait can only be: final")
    seconds = TIMEOUT_SECONDS
    if timeout is not None:
        if _SECONDS.fullmatch(timeout) is None or float(timeout) > TIMEOUT_SECONDS_MAX:
            raise ProblemError("parameter_invalid", "timeout must be 0 to 60 seconds")
        seconds = float(timeout)
    return seconds if wait else None


def flag(request: Request, name: str) -> bool:
    """A parameter that is 0 or 1.

    Raises:
        ProblemError: it is something else.
    """
    value = request.query_params.get(name, "0")
    if value not in {"0", "1"}:
        raise ProblemError("parameter_invalid", f"{name} must be 0 or 1")
    return value == "1"


def number(text: str, name: str, low: int = 0, high: int = U64_MAX) -> int:
    """A decimal number.

    Raises:
        ProblemError: it is not one, or out of range.
    """
    if _NUMBER.fullmatch(text) is None or not low <= int(text) <= high:
        raise ProblemError("parameter_invalid", f"{name} must be a number from {low} to {high}")
    return int(text)


def hash_bytes(text: str) -> bytes:
    """A hash or identifier.

    Raises:
        ProblemError: it is not 64 lower-case hex digits.
    """
    if _HASH.fullmatch(text) is None:
        raise ProblemError("id_invalid", "give 64 lower-case hex digits")
    return bytes.fromhex(text)


def hex_bytes(text: str, name: str) -> bytes:
    """Bytes in hex.

    Raises:
        ProblemError: it is not lower-case hex.
    """
    if _HEX.fullmatch(text) is None:
        raise ProblemError("parameter_invalid", f"{name} must be lower-case hex")
    return bytes.fromhex(text)


def address(node: Services, text: str) -> str:
    """An address of this network.

    Raises:
        ProblemError: it is not one.
    """
    try:
        core.address_from_text(node.chain.prefix, text)
    except core.CoreError as error:
        raise ProblemError("address_invalid", core.error_detail(error)) from None
    return text


def segment(text: str) -> str:
    """A path segment as the client meant it: with the slashes that it sent as %2F."""
    return text.replace(SLASH, "/")


def origin(request: Request) -> Origin:
    """Address that a request came from, and what the client's certificate says of it."""
    address = request.client.host if request.client is not None else ""
    client = services(request).metrics.door.names.label(request.scope)
    return Origin(address, request.scope.get(ORGANISATION), client)
