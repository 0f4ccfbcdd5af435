from __future__ import annotations

import asyncio
import base64
import http.server
import inspect
import itertools
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import httpx
import pytest
import samples
from bubi_sdk import (
    AsyncClient,
    Client,
    ConnectionFailed,
    HashSuite,
    InvalidInput,
    MemorySigner,
    Network,
    OutcomeUnknown,
    RequestRefused,
    Retry,
    Status,
    TransactionBuilder,
    TransactionExpired,
    TransactionRejected,
    WrongChain,
    errors,
    flows,
)
from bubi_sdk.flows import NoAnswer, Pause, Request, Response
from bubi_sdk.stream import StreamReader
from hypothesis import given
from hypothesis import strategies as st

NETWORK = Network(samples.CHAIN, samples.PREFIX, HashSuite.STANDARD, "sample")
ALICE = MemorySigner.generate()
ENVELOPE = TransactionBuilder(NETWORK, ALICE.public_key).close_account().build().sign(ALICE)
ONCE = Retry(attempts=1)


def outcome(status: str = "final", **changes: Any) -> Response:
    value = {
        "schema": 1,
        "id": ENVELOPE.hash.hex(),
        "status": status,
        "code": {"final": "final", "rejected": "balance_insufficient"}.get(status),
        "height": "7" if status in ("final", "rejected") else None,
        "index": 3 if status in ("final", "rejected") else None,
        "operations": [{"code": "balance_insufficient"}] if status == "rejected" else [],
        "valid_until": str(ENVELOPE.valid_until),
    }
    return Response(200, {}, json.dumps(value | changes).encode())


def problem(status: int, code: str, retryable: bool = False, **headers: str) -> Response:
    value = {
        "type": "about:blank",
        "title": "T",
        "status": status,
        "detail": "D",
        "code": code,
        "retryable": retryable,
    }
    return Response(status, headers, json.dumps(value).encode())


class Run:
    """Runs a flow against a script of replies, with a clock that only pauses move."""

    def __init__(self, *replies: Response | NoAnswer) -> None:
        self.replies = list(replies)
        self.asked: list[Request] = []
        self.now = ENVELOPE.valid_until / 1_000 - 100

    def __call__(self, flow: Any) -> Any:
        command = next(flow)
        try:
            while True:
                if isinstance(command, Pause):
                    self.now += command.seconds
                    command = flow.send(None)
                else:
                    self.asked.append(command)
                    self.now += 0.01
                    reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                    command = flow.send(reply)
        except StopIteration as end:
            return end.value

    def wait(self, within: float | None = None) -> Any:
        return self(flows.submit_and_wait(ENVELOPE, within, Retry(), lambda: self.now))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "bad_signature", RequestRefused),
        (404, "account_missing", errors.NotFound),
        (404, "outcome_unknown", errors.NotFound),
        (409, "wrong_chain", WrongChain),
        (410, "height_pruned", errors.Pruned),
        (413, "too_large", RequestRefused),
        (429, "quota", errors.Overloaded),
        (500, "internal", errors.ServerFault),
        (503, "pool_full", errors.Overloaded),
    ],
)
def test_problems_become_errors(status: int, code: str, kind: type[RequestRefused]) -> None:
    answer = problem(status, code, status in (429, 503), **{"retry-after": "2"})

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(answer.status, content=answer.content, headers=dict(answer.headers))

    transport = httpx.MockTransport(handler)
    with Client("http://node", NETWORK, retry=ONCE, transport=transport) as client:
        with pytest.raises(kind) as caught:
            client.account(samples.ALICE)
        error = caught.value
        assert type(error) is kind
        assert (error.code, error.title, error.detail, error.status) == (code, "T", "D", status)
        assert error.retryable == (status in (429, 503))
        assert error.retry_after == 2


def test_problems_without_a_document() -> None:
    error = flows.refusal(Response(502, {}, b"<html>Bad gateway</html>"))
    assert type(error) is errors.ServerFault
    assert error.retryable


def test_every_error_has_the_four_members_and_stands_in_the_tree() -> None:
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, errors.BubiError):
            assert kind.CODE and kind.TITLE
            assert kind.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize(
    "reply",
    [
        NoAnswer("connection reset"),
        Response(200, {}, b"<html>"),
        Response(200, {}, b"{}"),
        outcome(id="00" * 32),
        outcome(status="perhaps"),
        Response(502, {}, b""),
        Response(503, {}, b"<html>a proxy</html>"),
        Response(408, {}, b""),
        problem(500, "internal"),
    ],
)
def test_no_answer_never_means_not_executed(reply: Response | NoAnswer) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        Run(reply)(flows.submit(ENVELOPE))
    assert caught.value.transaction == ENVELOPE.hash
    assert caught.value.retryable
    assert ENVELOPE.hash.hex() in caught.value.detail


def test_a_submission_names_its_chain_and_sends_its_bytes() -> None:
    run = Run(outcome("pending"))
    assert run(flows.submit(ENVELOPE)).status is Status.PENDING
    (request,) = run.asked
    assert request.content == ENVELOPE.encoded
    assert request.headers["bubi-chain"] == samples.CHAIN.hex()
    assert request.headers["content-type"] == "application/vnd.bubi.transaction"


def test_outcomes_raise_only_when_asked() -> None:
    rejected = Run(outcome("rejected"))(flows.submit(ENVELOPE))
    assert (rejected.final, rejected.decided, rejected.code) == (
        False,
        True,
        "balance_insufficient",
    )
    assert (rejected.height, rejected.index) == (7, 3)
    with pytest.raises(TransactionRejected) as caught:
        rejected.raise_for_status()
    assert caught.value.code == "balance_insufficient"
    assert caught.value.transaction == ENVELOPE.hash
    with pytest.raises(TransactionExpired):
        Run(outcome("expired"))(flows.submit(ENVELOPE)).raise_for_status()
    assert Run(outcome())(flows.submit(ENVELOPE)).raise_for_status().final


def test_waiting_survives_broken_connections() -> None:
    run = Run(NoAnswer("reset"), outcome("pending"), problem(503, "pool_full", True), outcome())
    # After a doubtful try a refusal is not believed: the node is asked first.
    assert run.wait().final
    assert [one.method for one in run.asked] == ["POST", "POST", "POST", "GET"]


def test_a_first_refusal_is_believed_at_once() -> None:
    run = Run(problem(400, "bad_signature"))
    with pytest.raises(RequestRefused) as caught:
        run.wait()
    assert caught.value.code == "bad_signature"
    assert len(run.asked) == 1


def test_a_refusal_after_doubt_stays_doubt() -> None:
    run = Run(NoAnswer("reset"), problem(400, "expired"), problem(404, "outcome_unknown"))
    with pytest.raises(OutcomeUnknown):
        run.wait()


def test_expiry_is_certain_once_a_later_block_knows_no_outcome() -> None:
    def network(time: int) -> Response:
        return Response(200, {}, json.dumps({"time": str(time)}).encode())

    expired = problem(400, "expired")
    unknown = problem(404, "outcome_unknown", True)
    later = network(ENVELOPE.valid_until + 1)
    found = Run(NoAnswer("reset"), expired, later, unknown).wait()
    assert found.status is Status.EXPIRED
    run = Run(NoAnswer("reset"), expired, network(ENVELOPE.valid_until), unknown)
    with pytest.raises(OutcomeUnknown):
        run.wait()
    pruned = problem(410, "outcome_pruned")
    with pytest.raises(OutcomeUnknown):
        Run(NoAnswer("reset"), expired, later, pruned).wait()


def test_a_node_is_asked_to_wait_in_a_form_that_it_takes() -> None:
    run = Run(outcome())
    run(flows.submit(ENVELOPE, 1 / 3))
    run(flows.submit(ENVELOPE, 1e-9))
    run(flows.submit(ENVELOPE, 1e9))
    assert [one.parameters["timeout"] for one in run.asked] == ["0.333", "0.001", "60.000"]


def test_waiting_ends() -> None:
    with pytest.raises(OutcomeUnknown):
        Run(outcome("pending")).wait(within=5)
    with pytest.raises(OutcomeUnknown):
        Run(NoAnswer("down")).wait()
    run = Run(problem(503, "pool_full", True))
    with pytest.raises(errors.Overloaded):
        run.wait(within=5)
    assert len(run.asked) > 3


def test_questions_are_asked_again_and_then_fail() -> None:
    run = Run(NoAnswer("down"), NoAnswer("down"), Response(200, {"bubi-height": "9"}, b"{}"))
    assert run(flows.get("/v1/blocks/latest", {}, Retry())).height == 9
    with pytest.raises(ConnectionFailed):
        Run(NoAnswer("down"))(flows.get("/v1/blocks/latest", {}, Retry()))


def test_the_bulk_door() -> None:
    codes = b"".join(number.to_bytes(2, "little") for number in (0, 124, 65_535, 65_535))
    answer = {
        "schema": 1,
        "received": 4,
        "admitted": 3,
        "refused": [{"index": 3, "code": "bad_signature"}],
    }
    waited = answer | {"codes": base64.b64encode(codes).decode()}
    four: list[Any] = [ENVELOPE, ENVELOPE.encoded, ENVELOPE, ENVELOPE]
    done = Run(Response(200, {}, json.dumps(waited).encode()))(
        flows.submit_bulk(four, 5.0, Retry())
    )
    verdicts = [one.code for one in done.verdicts]
    assert verdicts == ["final", "balance_insufficient", "skipped", "bad_signature"]
    assert [one.index for one in done.refused] == [3]
    assert done.verdicts[0].transaction == ENVELOPE.hash
    run = Run(NoAnswer("reset"), Response(200, {}, json.dumps(answer).encode()))
    again = run(flows.submit_bulk(four, 0.0, Retry()))
    assert [one.code for one in again.verdicts] == ["admitted"] * 3 + ["bad_signature"]
    assert run.asked[0] == run.asked[1]
    assert not again.refused  # the first try may have been taken
    for changes in ({"received": 3}, {"refused": [{"index": 4, "code": "x"}]}, {"codes": "AAA="}):
        broken = Response(200, {}, json.dumps(answer | changes).encode())
        with pytest.raises(errors.UnexpectedAnswer):
            Run(broken)(flows.submit_bulk(four, 0.0, ONCE))
    with pytest.raises(OutcomeUnknown):
        Run(NoAnswer("reset"))(flows.submit_bulk(four, 0.0, Retry()))


def test_both_clients_have_the_same_verbs() -> None:
    def verbs(kind: type) -> dict[str, Any]:
        members = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: inspect.signature(one).parameters
            for name, one in members
            if not name.startswith("_") and name not in ("close", "aclose")
        }

    sync, other = verbs(Client), verbs(AsyncClient)
    assert sync.keys() == other.keys()
    assert len(sync) > 30
    for name, parameters in sync.items():
        if name != "every":
            assert str(parameters) == str(other[name])


def test_paths_are_escaped() -> None:
    assert flows.path_of("accounts", "a/b?c", b"\x01") == "/v1/accounts/a%2Fb%3Fc/01"


def test_addresses_need_a_network() -> None:
    with Client("http://node") as client, pytest.raises(InvalidInput):
        client.account(samples.ALICE)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nobody_listens() -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    with Client(url, retry=ONCE) as client:
        with pytest.raises(ConnectionFailed):
            client.block()
        with pytest.raises(OutcomeUnknown):
            client.submit(ENVELOPE)

    async def other() -> None:
        async with AsyncClient(url, retry=ONCE) as client:
            with pytest.raises(ConnectionFailed):
                await client.block()
            with pytest.raises(OutcomeUnknown):
                await client.submit(ENVELOPE)

    asyncio.run(other())


# Events

TEXT = (
    b': hello\n\nid: 1:0\nevent: block\ndata: {"n":\ndata: 1}\n\nretry: 10\n\n'
    b'id: 2:0\r\nevent: block\r\ndata: {"n": "\xe9\x93\xb6"}\r\n\r\nid: 3:0\ndata: [3]'
)


@given(st.lists(st.integers(0, len(TEXT)), max_size=8))
def test_events_do_not_depend_on_how_bytes_arrive(cuts: list[int]) -> None:
    reader = StreamReader("/v1/blocks")
    reader.request()
    edges = [0, *sorted(cuts), len(TEXT)]
    parts = [TEXT[one:two] for one, two in itertools.pairwise(edges)]
    found = [event for part in parts for event in reader.feed(part)]
    assert [(one.id, one.kind, one.data) for one in found] == [
        ("1:0", "block", {"n": 1}),
        ("2:0", "block", {"n": "银"}),
    ]
    assert found[1].height == 2
    # The third event was cut off: it is read again from the second on.
    assert reader.last_id == "2:0"
    assert reader.request().headers["last-event-id"] == "2:0"
    assert reader.feed(b"id: 3:0\ndata: [3]\n\n")[0].data == [3]


def test_pauses_grow_and_end() -> None:
    reader = StreamReader("/v1/blocks", first_pause=1, longest_pause=8)
    pauses = [reader.pause() for _ in range(8)]
    for number, pause in enumerate(pauses):
        assert min(8, 2**number) / 2 <= pause <= min(8, 2**number)
    assert not reader.opened(problem(503, "busy", True))
    with pytest.raises(errors.Pruned):
        reader.opened(problem(410, "height_pruned"))
    with pytest.raises(errors.UnexpectedAnswer):
        reader.opened(Response(200, {"content-type": "text/html"}, b""))


class BreakingNode(http.server.BaseHTTPRequestHandler):
    """Sends two events after the one named, breaks off in the middle of the third."""

    seen: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        last = self.headers["Last-Event-ID"]
        self.seen.append(last)
        if len(self.seen) == 2:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        first = int(last.partition(":")[0]) + 1 if last else 1
        for number in (first, first + 1):
            text = f'retry: 1\nid: {number}:0\nevent: block\ndata: {{"height": "{number}"}}\n\n'
            self.wfile.write(text.encode())
        self.wfile.write(f"id: {first + 2}:0\ndata: {{".encode())

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def breaking() -> Iterator[str]:
    BreakingNode.seen = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), BreakingNode) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_following_resumes_where_it_broke(breaking: str) -> None:
    with Client(breaking) as client:
        stream = client.follow_blocks()
        heights = [next(stream).height for _ in range(7)]
        stream.close()  # type: ignore[attr-defined]
    assert heights == [1, 2, 3, 4, 5, 6, 7]
    assert BreakingNode.seen[:4] == [None, "2:0", "2:0", "4:0"]


def test_following_with_asyncio(breaking: str) -> None:
    async def follow() -> list[int | None]:
        found: list[int | None] = []
        async with AsyncClient(breaking) as client:
            stream = client.follow_blocks(after="10:0")
            async for event in stream:
                found.append(event.height)
                if len(found) == 5:
                    break
            await stream.aclose()  # type: ignore[attr-defined]
        return found

    assert asyncio.run(follow()) == [11, 12, 13, 14, 15]


def test_lists_are_walked_to_their_end() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("cursor", "0"))
        following = str(number + 1) if number < 2 else None
        page = {
            "schema": 1,
            "height": "5",
            "items": [number * 10, number * 10 + 1],
            "next": following,
        }
        return httpx.Response(200, json=page)

    expected = [0, 1, 10, 11, 20, 21]
    with Client("http://node", transport=httpx.MockTransport(handler)) as client:
        assert list(client.every(lambda cursor: client.assets(cursor=cursor))) == expected

    async def other() -> list[Any]:
        async with AsyncClient("http://node", transport=httpx.MockTransport(handler)) as client:
            return [one async for one in client.every(lambda cursor: client.assets(cursor=cursor))]

    assert asyncio.run(other()) == expected
