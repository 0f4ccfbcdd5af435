"""Routes of transactions.

The hot ones, plain Starlette endpoints described in `openapi.py` by hand.
"""

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bubi import core
from bubi.node.api import answers, requests
from bubi.node.api.problems import ProblemError
from bubi.node.api.services import Services
from bubi.node.door import Decision, DoorError, Single, Ticket
from bubi.node.shares import Origin

PENDING = 202
ACCOUNT_FULL = "its account, or whoever sent it, has too many transactions waiting here already"
_NO_HASH = bytes(32)
_FINAL = bytes(2)


async def submit(request: Request) -> Response:
    """POST /v1/transactions."""
    node = requests.services(request)
    origin = requests.origin(request)
    with ExitStack() as waiting:
        with _counting(node, origin):
            requests.check_query(request, {"wait", "timeout"})
            seconds = waiting.enter_context(_waiting(node, requests.wait_seconds(request)))
            requests.check_chain(request, node)
            transaction = await _read_transaction(request, node)
            single = await node.door.single(transaction, origin)
        if single.verdict:
            return await _answer_refused(node, single, seconds)
        if seconds is None:
            return answers.made(node, _pending(single.hash, single.valid_until), PENDING)
        return await _wait_decided(node, single, seconds)


async def submit_bulk(request: Request) -> Response:
    """POST /v1/transactions/bulk."""
    node = requests.services(request)
    origin = requests.origin(request)
    with ExitStack() as waiting:
        with _counting(node, origin):
            requests.check_query(request, {"wait", "timeout"})
            seconds = waiting.enter_context(_waiting(node, requests.wait_seconds(request)))
            requests.check_chain(request, node)
            requests.content_type(request, {requests.TRANSACTIONS, requests.OCTETS})
            body = await requests.read_body(request, node.settings.bulk_bytes_max)
            admission, ticket = await node.door.bulk(body, origin)
        document = _admitted(admission)
        if ticket is None or seconds is None:
            return answers.made(node, document)
        try:
            decision = await asyncio.wait_for(asyncio.shield(ticket.decision), seconds)
        except (TimeoutError, DoorError):
            return answers.made(node, {**document, "codes": None, "height": None}, PENDING)
    document["codes"] = base64.b64encode(decision.codes).decode()
    document["height"] = str(decision.height)
    return answers.made(node, document)


def _admitted(admission: core.Admission) -> dict[str, Any]:
    refused = []
    if admission.refused:
        verdicts = enumerate(admission.verdicts)
        refused = [{"index": index, "code": code} for index, code in verdicts if code]
    return {
        "schema": 1,
        "received": admission.received,
        "admitted": len(admission),
        "refused": refused,
    }


async def show(request: Request) -> Response:
    """GET /v1/transactions/{hash}."""
    node = requests.services(request)
    requests.check_query(request, {"proof", "wait", "timeout"})
    proof = requests.flag(request, "proof")
    transaction = requests.hash_bytes(request.path_params["hash"])
    with _waiting(node, requests.wait_seconds(request)) as seconds:
        document = await _wait_stored(node, transaction, proof, seconds or 0.0)
    if document is None:
        raise ProblemError("outcome_unknown", transaction=transaction.hex())
    return answers.made(node, document)


async def encode(request: Request) -> Response:
    """POST /v1/transactions/encode."""
    node = requests.services(request)
    requests.check_query(request, ())
    requests.content_type(request, {requests.JSON})
    text = await requests.read_body(request, requests.JSON_BYTES_MAX)
    chain = node.chain
    body = _refusable(partial(core.body_from_json, chain.prefix, text))
    return answers.made(
        node,
        {
            "schema": 1,
            "body": body.hex(),
            "hash": core.transaction_hash(chain.suite, chain.chain_id, body).hex(),
            "signing_bytes": core.signing_bytes(chain.chain_id, body).hex(),
        },
    )


async def decode(request: Request) -> Response:
    """POST /v1/transactions/decode."""
    node = requests.services(request)
    requests.check_query(request, ())
    kind = requests.content_type(request, {requests.JSON, requests.TRANSACTION})
    data = await requests.read_body(request, requests.JSON_BYTES_MAX)
    if kind == requests.JSON:
        data = _hex_of_json(data)
    chain = node.chain
    text = _refusable(
        partial(core.transaction_to_json, chain.prefix, chain.suite, chain.chain_id, data)
    )
    return answers.raw(node, text)


async def simulate(request: Request) -> Response:
    """POST /v1/transactions/simulate: a signed transaction, or a body alone."""
    node = requests.services(request)
    requests.check_query(request, ())
    requests.check_chain(request, node)
    kind = requests.content_type(request, {requests.JSON, requests.TRANSACTION})
    data = await requests.read_body(request, requests.JSON_BYTES_MAX)
    if kind == requests.JSON:
        prefix = node.chain.prefix
        if _is_signed(data):
            data = _refusable(partial(core.transaction_from_json, prefix, data))
        else:
            body = _refusable(partial(core.body_from_json, prefix, data))
            data = core.unsigned_transaction(body)
    now = max(node.clock.now_ms(), node.chain.time + 1)
    try:
        text = await node.threads.read(partial(node.chain.simulate, data, now))
    except core.CoreError as error:
        raise ProblemError.from_core(error) from None
    return answers.raw(node, text)


async def _read_transaction(request: Request, node: Services) -> bytes:
    kind = requests.content_type(request, {requests.JSON, requests.TRANSACTION})
    limit = core.limits()["TRANSACTION_BYTES_MAX"]
    if kind == requests.TRANSACTION:
        return await requests.read_body(request, limit)
    text = await requests.read_body(request, requests.JSON_BYTES_MAX)
    return _refusable(partial(core.transaction_from_json, node.chain.prefix, text))


def _refusable(work: partial[bytes]) -> bytes:
    try:
        return work()
    except core.CoreError as error:
        raise ProblemError.from_core(error) from None


def _is_signed(text: bytes) -> bool:
    """Whether JSON looks like a signed transaction; the core judges it afterwards in any case."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return True
    version = document.get("v1") if isinstance(document, dict) else None
    return not isinstance(version, dict) or "signatures" in version


def _hex_of_json(text: bytes) -> bytes:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise ProblemError("malformed_json") from None
    if not isinstance(document, dict) or set(document) != {"transaction"}:
        raise ProblemError("malformed_json", 'send {"transaction": "hex"}')
    digits = document["transaction"]
    if not isinstance(digits, str):
        raise ProblemError("malformed_json", "transaction must be a text")
    return requests.hex_bytes(digits, "transaction")


async def _answer_refused(node: Services, single: Single, seconds: float | None) -> Response:
    """A transaction that was refused now may have been decided, or admitted, before."""
    if single.hash != _NO_HASH:
        document = await _wait_stored(node, single.hash, False, seconds or 0.0)
        if document is not None:
            pending = document["status"] == "pending"
            return answers.made(node, _short(document), PENDING if pending else 200)
    known = None if single.hash == _NO_HASH else single.hash.hex()
    detail = ACCOUNT_FULL if single.verdict == "pool_full" else ""
    raise ProblemError(single.verdict, detail, transaction=known)


async def _wait_decided(node: Services, single: Single, seconds: float) -> Response:
    ticket = single.ticket
    assert isinstance(ticket, Ticket)
    ends = time.monotonic() + seconds
    try:
        decision = await asyncio.wait_for(asyncio.shield(ticket.decision), seconds)
    except (TimeoutError, DoorError):
        return answers.made(node, _pending(single.hash, single.valid_until), PENDING)
    final = _decided(single, decision)
    if final is not None:
        return answers.made(node, final)
    # Rejected, or skipped: without a receipt it is pending until its time is over.
    document = await _wait_stored(node, single.hash, False, max(0.0, ends - time.monotonic()))
    if document is None:
        document = _pending(single.hash, single.valid_until)
    return answers.made(
        node, _short(document), PENDING if document["status"] == "pending" else 200
    )


async def _wait_stored(
    node: Services, transaction: bytes, proof: bool, seconds: float
) -> dict[str, Any] | None:
    """The outcome of a transaction, waiting for blocks while it is pending.

    None if it is unknown.
    """
    ends = time.monotonic() + seconds
    while True:
        height = node.heights.height
        document = await _look_up(node, transaction, proof)
        rest = ends - time.monotonic()
        if document is None or document["status"] != "pending" or rest <= 0:
            return document
        if node.stopping.is_set():
            return document
        await node.heights.beyond(height, rest)


async def _look_up(node: Services, transaction: bytes, proof: bool) -> dict[str, Any] | None:
    # Taken before the receipt is looked for: blocks decided meanwhile may hold it.
    decided = node.chain.time
    try:
        stored = await node.threads.read(partial(node.chain.status_json, transaction, proof))
    except core.CoreError as error:
        raise ProblemError.from_core(error) from None
    if stored is not None:
        return _stored(stored)
    valid_until = node.door.recent.find(transaction)
    if valid_until is None:
        return None
    document = _pending(transaction, valid_until)
    if decided > valid_until:
        document["status"] = "expired"
    return document


def _decided(single: Single, decision: Decision) -> dict[str, Any] | None:
    """The outcome of a final transaction from its block's codes.

    None if the receipt must be read.
    """
    at = 2 * single.place
    if decision.codes[at : at + 2] != _FINAL:
        return None
    before = decision.codes[:at]
    skipped = sum(1 for code in memoryview(before).cast("H") if code == core.SKIPPED)
    return {
        "schema": 1,
        "id": single.hash.hex(),
        "status": "final",
        "code": "final",
        "height": str(decision.height),
        "index": decision.first_receipt + single.place - skipped,
        "operations": [{"code": "final"}] * single.operations,
        "valid_until": str(single.valid_until),
    }


def _stored(text: bytes) -> dict[str, Any]:
    """The outcome that the core keeps."""
    return {"schema": 1, "proof": None, **core.decode_json(text)}


def _short(document: dict[str, Any]) -> dict[str, Any]:
    """The outcome without body, events and proof, as submissions answer it."""
    left_out = {"body", "events", "proof", "time"}
    return {name: value for name, value in document.items() if name not in left_out}


def _pending(transaction: bytes, valid_until: int) -> dict[str, Any]:
    return {
        "schema": 1,
        "id": transaction.hex(),
        "status": "pending",
        "code": None,
        "height": None,
        "index": None,
        "operations": [],
        "valid_until": str(valid_until),
    }


@contextmanager
def _counting(node: Services, origin: Origin) -> Iterator[None]:
    """Counts for a client a submission that is refused as a whole, as one refusal.

    Raises:
        ProblemError: it was.
    """
    try:
        yield
    except ProblemError as error:
        node.metrics.door.refused([(origin.client, error.code)])
        raise
    except DoorError as error:
        node.metrics.door.refused([(origin.client, error.code)])
        raise ProblemError(error.code, error.detail) from None


@contextmanager
def _waiting(node: Services, seconds: float | None) -> Iterator[float | None]:
    """Counts a request that may wait, from before anything of it is admitted until its answer.

    Raises:
        ProblemError: too many wait already.
    """
    if seconds is None:
        yield None
        return
    if node.waiting >= node.settings.waiting_max:
        raise ProblemError("too_many_waiting")
    node.waiting += 1
    try:
        yield seconds
    finally:
        node.waiting -= 1
