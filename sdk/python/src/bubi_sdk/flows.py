"""Conversations with a node, without sockets.

Generators that yield what to do and receive what came of it.

`Client` and `AsyncClient` run the same flows, so that they cannot differ.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar, cast
from urllib.parse import quote

from bubi_sdk import codes
from bubi_sdk.codec import Json, parse_json
from bubi_sdk.errors import (
    ConnectionFailed,
    MalformedJson,
    NotFound,
    OutcomeUnknown,
    Overloaded,
    Pruned,
    RequestRefused,
    ServerFault,
    ServiceError,
    TransactionExpired,
    UnexpectedAnswer,
    WrongChain,
)
from bubi_sdk.network import Network
from bubi_sdk.outcome import ADMITTED, Answer, BulkOutcome, BulkVerdict, Outcome, Page, Status
from bubi_sdk.transaction import Envelope, Transaction, bulk_body

T = TypeVar("T")

TRANSACTION_TYPE: Final = "application/vnd.bubi.transaction"
BULK_TYPE: Final = "application/vnd.bubi.transactions"
GRACE: Final = 30.0
"""Seconds after `valid_until` in which a block is decided and expiry becomes certain."""
_WAIT_MAX: Final = 60.0
"""Longest wait that a node grants."""
_WAIT_SLICE: Final = 20.0
"""Longest wait that is asked of a node in one request."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request to send."""

    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    wait: float = 0.0
    """Seconds that the node may take beyond the usual, because it was asked to wait."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that arrived. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request may or may not have arrived."""

    detail: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Let time pass."""

    seconds: float


Command: TypeAlias = Request | Pause
Reply: TypeAlias = Response | NoAnswer | None
Flow: TypeAlias = Generator[Command, Reply, T]
Clock: TypeAlias = Callable[[], float]
"""Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How questions and submissions are repeated."""

    attempts: int = 3
    """Tries of a question before `ConnectionFailed`."""
    first_pause: float = 0.2
    longest_pause: float = 5.0

    def pause(self, attempt: int) -> float:
        """Seconds before the try after attempt number `attempt` (from 0)."""
        return min(self.longest_pause, self.first_pause * 2.0 ** min(attempt, 30))


def _call(request: Request) -> Flow[Response | NoAnswer]:
    reply = yield request
    if reply is None:
        raise TypeError("a request needs an answer")
    return reply


# Reading answers


def _object(response: Response) -> dict[str, Json]:
    try:
        value = parse_json(response.content)
    except MalformedJson as error:
        raise UnexpectedAnswer(f"status {response.status}, and not JSON") from error
    if not isinstance(value, dict):
        raise UnexpectedAnswer(f"status {response.status}, and not an object")
    return value


def refusal(response: Response, transaction: bytes | None = None) -> RequestRefused:
    """The error that a problem+json answer stands for."""
    try:
        problem = _object(response)
    except UnexpectedAnswer:
        problem = {}
    kinds: dict[int, type[RequestRefused]] = {404: NotFound, 410: Pruned, 429: Overloaded}
    kinds[503] = Overloaded
    fallback = ServerFault if response.status >= 500 else RequestRefused
    kind = kinds.get(response.status, fallback)
    code, title, retryable = (problem.get(name) for name in ("code", "title", "retryable"))
    if code == WrongChain.CODE:
        kind = WrongChain
    named = problem.get("transaction")
    if isinstance(named, str):
        transaction = _hash(named)
    return kind(
        str(problem.get("detail") or f"HTTP status {response.status} without a problem document"),
        status=response.status,
        code=code if isinstance(code, str) else None,
        title=title if isinstance(title, str) else None,
        retryable=retryable if isinstance(retryable, bool) else None,
        transaction=transaction,
        retry_after=_seconds(response.headers.get("retry-after")),
    )


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else None


def _hash(text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != 32:
        raise UnexpectedAnswer(f"{text[:80]!r} is not a hash")
    return data


def _number(value: Json) -> int | None:
    if value is None:
        return None
    if type(value) is int and value >= 0:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        return int(value)
    raise UnexpectedAnswer(f"{value!r} is not a number")


def read_outcome(value: Mapping[str, Json], expected: bytes) -> Outcome:
    """Reads the outcome object of the API, which must speak of the transaction asked for."""
    if _hash(str(value.get("id"))) != expected:
        raise UnexpectedAnswer("the answer speaks of another transaction", transaction=expected)
    statuses = {status.value: status for status in Status}
    status = statuses.get(str(value.get("status")))
    if status is None:
        raise UnexpectedAnswer("a status that the API does not know", transaction=expected)
    code, operations = value.get("code"), value.get("operations")
    listed = operations if isinstance(operations, list) else []
    return Outcome(
        expected,
        status,
        code if isinstance(code, str) else None,
        _number(value.get("height")),
        _number(value.get("index")),
        tuple(str(one.get("code")) for one in listed if isinstance(one, dict)),
        _number(value.get("valid_until")),
        dict(value),
    )


def _answer(response: Response) -> Answer:
    value = _object(response)
    height = _number(value.get("height"))
    if height is None:
        height = _number(response.headers.get("bubi-height"))
    return Answer(height or 0, value)


# Questions


def _ask(request: Request, retry: Retry) -> Flow[Response]:
    """Asks until there is an answer; questions change nothing, so asking again is always safe."""
    attempt = 0
    while True:
        reply = yield from _call(request)
        attempt += 1
        error: ServiceError
        if isinstance(reply, NoAnswer):
            error, pause = ConnectionFailed(reply.detail), retry.pause(attempt - 1)
        elif reply.status < 400:
            return reply
        else:
            refused = refusal(reply)
            error, pause = refused, refused.retry_after or retry.pause(attempt - 1)
        # What does not exist now will not exist a moment later: only trouble is asked again.
        passing = not isinstance(error, NotFound) and error.retryable
        if not passing or attempt >= retry.attempts:
            raise error
        yield Pause(pause)


def path_of(*parts: str | int | bytes) -> str:
    """A path below /v1 with every part escaped; bytes are written as hex."""
    texts = (part.hex() if isinstance(part, bytes) else str(part) for part in parts)
    return "/v1/" + "/".join(_segment(text) for text in texts)


def _segment(text: str) -> str:
    # HTTP libraries resolve these two as steps in the path before anything is sent.
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")


def get(path: str, parameters: Mapping[str, str], retry: Retry) -> Flow[Answer]:
    """Asks for one resource."""
    response = yield from _ask(Request("GET", path, parameters), retry)
    return _answer(response)


def get_response(path: str, retry: Retry) -> Flow[Response]:
    """Asks for one resource and returns the answer as it came."""
    return (yield from _ask(Request("GET", path), retry))


def get_page(path: str, parameters: Mapping[str, str], retry: Retry) -> Flow[Page]:
    """Asks for one page of a list."""
    answer = yield from get(path, parameters, retry)
    items, cursor = answer.data.get("items"), answer.data.get("next")
    if not isinstance(items, list) or not isinstance(cursor, str | None):
        raise UnexpectedAnswer("a list without items")
    return Page(answer.height, tuple(items), cursor)


def post_json(path: str, value: Json, retry: Retry) -> Flow[Answer]:
    """Asks a question whose text does not fit a URL (encode)."""
    headers = {"content-type": "application/json"}
    content = json.dumps(value).encode()
    response = yield from _ask(Request("POST", path, {}, headers, content), retry)
    return _answer(response)


def simulate(asked: Envelope | Transaction, retry: Retry) -> Flow[Answer]:
    """Asks what a transaction would do if it were next; unsigned, as if everybody had signed."""
    headers = _submission(asked.network)
    if isinstance(asked, Envelope):
        content = asked.encoded
    else:
        headers["content-type"] = "application/json"
        content = json.dumps(asked.to_json()).encode()
    request = Request("POST", path_of("transactions", "simulate"), {}, headers, content)
    answer = _answer((yield from _ask(request, retry)))
    if answer.data.get("id") != asked.hash.hex():
        raise UnexpectedAnswer("the node simulated another transaction")
    return answer


def outcome(
    transaction: bytes, parameters: Mapping[str, str], retry: Retry, wait: float = 0.0
) -> Flow[Outcome]:
    """Asks what became of a transaction; `NotFound` if the node never saw it."""
    request = Request("GET", path_of("transactions", transaction), parameters, {}, b"", wait)
    response = yield from _ask(request, retry)
    return read_outcome(_object(response), transaction)


# Submission


def _submission(network: Network) -> dict[str, str]:
    return {"content-type": TRANSACTION_TYPE, "bubi-chain": network.chain_id.hex()}


def waiting(seconds: float) -> dict[str, str]:
    """Parameters that ask a node to wait for the outcome, at most a minute, in milliseconds."""
    if seconds <= 0:
        return {}
    return {"wait": "final", "timeout": f"{min(max(seconds, 0.001), _WAIT_MAX):.3f}"}


def _unknown(detail: str, transaction: bytes) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"{detail}; it may have been executed. Submit the same envelope again, or ask for "
        f"/v1/transactions/{transaction.hex()}",
        transaction=transaction,
    )


def _in_doubt(reply: Response) -> bool:
    """Whether a transaction may have been taken in spite of this answer.

    A node's own 503 says that it took nothing; one of a proxy, a 408 or another 5xx says nothing.
    """
    if reply.status == 503:
        return refusal(reply).code == Overloaded.CODE
    return reply.status == 408 or reply.status >= 500


def submit(envelope: Envelope, wait: float = 0.0) -> Flow[Outcome]:
    """Sends once.

    Raises `OutcomeUnknown` if no answer came, `RequestRefused` if it left nothing behind.
    """
    parameters = waiting(wait)
    request = Request(
        "POST",
        path_of("transactions"),
        parameters,
        _submission(envelope.network),
        envelope.encoded,
        wait,
    )
    reply = yield from _call(request)
    if isinstance(reply, NoAnswer):
        raise _unknown(reply.detail, envelope.hash)
    if reply.status >= 400:
        if _in_doubt(reply):
            raise _unknown(f"the answer had status {reply.status}", envelope.hash)
        raise refusal(reply, envelope.hash)
    try:
        return read_outcome(_object(reply), envelope.hash)
    except UnexpectedAnswer as error:
        raise _unknown(f"the answer was not understood ({error.detail})", envelope.hash) from error


def submit_and_wait(
    envelope: Envelope, timeout: float | None, retry: Retry, clock: Clock
) -> Flow[Outcome]:
    """Sends until the outcome is certain; raises `OutcomeUnknown` when time is up.

    Sending again is safe: one transaction has one outcome. A refusal is only believed if no
    earlier try can have arrived; otherwise the node is asked what became of the transaction.
    """
    end = clock() + timeout if timeout is not None else envelope.valid_until / 1_000 + GRACE
    attempt, doubtful, last = 0, False, "the time given was over before it was sent"
    while (left := end - clock()) > 0:
        pause = retry.pause(attempt)
        try:
            found = yield from submit(envelope, wait=min(left, _WAIT_SLICE))
            if found.decided:
                return found
            doubtful, last = True, "the node still waits for its block"
        except OutcomeUnknown as error:
            doubtful, last = True, error.detail.partition(";")[0]
        except RequestRefused as error:
            if doubtful:
                known = yield from _after_doubt(envelope, error)
                if known is not None and known.decided:
                    return known
            if not error.retryable:
                if doubtful:
                    raise _unknown(
                        f"an earlier try got no answer, now it is refused ({error.code})",
                        envelope.hash,
                    ) from error
                raise
            last, pause = str(error), error.retry_after or pause
        attempt += 1
        yield Pause(max(0.0, min(pause, end - clock())))
    if not doubtful:
        raise Overloaded(
            f"never taken within the time given; last: {last}",
            status=503,
            transaction=envelope.hash,
        )
    raise _unknown(f"the time given is over; last: {last}", envelope.hash)


def _after_doubt(envelope: Envelope, refused: RequestRefused) -> Flow[Outcome | None]:
    """What is certain once a transaction was refused that may have been taken before.

    A node that decided a block later than `valid_until` and knows no outcome: there is none.
    """
    once = Retry(attempts=1)
    passed = False
    try:
        if refused.code == TransactionExpired.CODE:
            answer = yield from get(path_of("network"), {}, once)
            passed = (_number(answer.data.get("time")) or 0) > envelope.valid_until
        return (yield from outcome(envelope.hash, {}, once))
    except NotFound as error:
        if passed and error.code == OutcomeUnknown.CODE:
            return Outcome(envelope.hash, Status.EXPIRED, valid_until=envelope.valid_until)
    except ServiceError:
        pass
    return None


def submit_bulk(
    transactions: Sequence[Envelope | bytes], wait: float, retry: Retry
) -> Flow[BulkOutcome]:
    """Sends thousands in one request. Repeated on failure: each transaction has one outcome."""
    headers = {"content-type": BULK_TYPE}
    chains = {one.network.chain_id for one in transactions if isinstance(one, Envelope)}
    if len(chains) == 1:
        headers["bubi-chain"] = chains.pop().hex()
    parameters = waiting(wait)
    request = Request(
        "POST",
        path_of("transactions", "bulk"),
        parameters,
        headers,
        bulk_body(transactions),
        wait,
    )
    hashes = [one.hash if isinstance(one, Envelope) else None for one in transactions]
    attempt, doubtful = 0, False
    while True:
        reply = yield from _call(request)
        attempt += 1
        if isinstance(reply, Response) and reply.status < 400:
            return _read_bulk(_object(reply), hashes, doubtful)
        if isinstance(reply, Response) and not _in_doubt(reply):
            refused = refusal(reply)
            if not refused.retryable or attempt >= retry.attempts:
                raise refused
            pause = refused.retry_after or retry.pause(attempt - 1)
        elif attempt >= retry.attempts:
            reason = reply.detail if isinstance(reply, NoAnswer) else f"status {reply.status}"
            raise OutcomeUnknown(
                f"{reason}; any of the {len(hashes)} transactions may have been executed. Submit "
                "the same ones again: each has one outcome",
                transaction=hashes[0] if len(hashes) == 1 else None,
            )
        else:
            doubtful, pause = True, retry.pause(attempt - 1)
        yield Pause(pause)


def _read_bulk(
    value: Mapping[str, Json], hashes: Sequence[bytes | None], doubtful: bool
) -> BulkOutcome:
    received, admitted = _number(value.get("received")), _number(value.get("admitted"))
    refused = value.get("refused")
    if received != len(hashes) or admitted is None or not isinstance(refused, list):
        raise UnexpectedAnswer("the bulk door answered for another number of transactions")
    doors = dict(_refusal(item, received) for item in refused)
    if len(doors) != len(refused) or received - len(doors) != admitted:
        raise UnexpectedAnswer("the bulk door refused and admitted another number of transactions")
    # The codes are those of the admitted ones alone, in their order.
    left = iter(_bulk_codes(value.get("codes"), admitted))
    verdicts = []
    for index, transaction in enumerate(hashes):
        code = doors[index] if index in doors else next(left)
        # After a try without an answer a refusal may only mean that the first try was taken.
        refused_here = index in doors and code != "duplicate" and not doubtful
        verdicts.append(BulkVerdict(index, transaction, code, refused_here))
    return BulkOutcome(received, admitted, tuple(verdicts))


def _refusal(item: Json, received: int) -> tuple[int, str]:
    index = _number(item.get("index")) if isinstance(item, dict) else None
    if index is None or index >= received:
        raise UnexpectedAnswer("the bulk door refused a transaction that was not sent")
    return index, str(cast(dict[str, Json], item).get("code"))


def _bulk_codes(value: Json, admitted: int) -> list[str]:
    if value is None:
        return [ADMITTED] * admitted
    try:
        data = base64.b64decode(str(value), validate=True)
    except binascii.Error as error:
        raise UnexpectedAnswer("the codes of the bulk door are not base64") from error
    if len(data) != 2 * admitted:
        raise UnexpectedAnswer("the bulk door gave codes for another number of transactions")
    numbers = (int.from_bytes(data[at : at + 2], "little") for at in range(0, len(data), 2))
    return ["skipped" if one == codes.SKIPPED else codes.name(one) for one in numbers]
