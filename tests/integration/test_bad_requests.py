"""Named bad requests: each has its documented code, never a 5xx."""

import copy
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from bubi import core
from bubi.node.api.problems import PROBLEMS

from .nodes import Account, RunningNode

POST = "/v1/transactions"
SET = {"set_data": {"name": "x", "value": "00", "expected_version": None}}
ADDRESS_TAIL = "q" * 58


def check(answer: httpx.Response, code: str) -> None:
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    document = answer.json()
    assert document["code"] == code, document
    assert answer.status_code == document["status"] == PROBLEMS[code].status


Change = Callable[[RunningNode], Any]


def changed(**fields: Any) -> Change:
    """A correctly signed transaction whose body has other fields."""
    return lambda node: node.sign(node.body([SET], **fields))


def edited(edit: Callable[[dict[str, Any]], None]) -> Change:
    """A signed transaction that was edited after signing."""

    def make(node: RunningNode) -> Any:
        signed = copy.deepcopy(node.data("x"))
        edit(signed["v1"])
        return signed

    return make


def flip(signed: dict[str, Any]) -> None:
    signature = signed["signatures"][0]["signature"]
    signed["signatures"][0]["signature"] = ("0" if signature[0] != "0" else "1") + signature[1:]


def high_s(signed: dict[str, Any]) -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    raw = bytes.fromhex(signed["signatures"][0]["signature"])
    s = int.from_bytes(raw[32:], "little") + order
    signed["signatures"][0]["signature"] = (raw[:32] + s.to_bytes(32, "little")).hex()


def twice(signed: dict[str, Any]) -> None:
    signed["signatures"] *= 2


def stranger(node: RunningNode) -> Any:
    return node.sign(node.body([SET]), Account.new())


def unknown_source(node: RunningNode) -> Any:
    other = Account.new()
    return node.sign(node.body([SET], source=other), other)


NOW = int(time.time() * 1000)
SUBMISSIONS: list[tuple[str, Change, str]] = [
    (
        "unknown member of the body",
        edited(lambda one: one["body"]["v1"].update(extra=1)),
        "malformed_json",
    ),
    ("unknown member of the envelope", edited(lambda one: one.update(extra=1)), "malformed_json"),
    (
        "number instead of text",
        edited(lambda one: one["body"]["v1"].update(valid_until=1)),
        "malformed_json",
    ),
    (
        "leading zero",
        edited(lambda one: one["body"]["v1"].update(valid_until="01")),
        "malformed_json",
    ),
    (
        "negative time",
        edited(lambda one: one["body"]["v1"].update(valid_until="-1")),
        "malformed_json",
    ),
    (
        "2^64",
        edited(lambda one: one["body"]["v1"].update(valid_until=str(2**64))),
        "malformed_json",
    ),
    ("missing source", edited(lambda one: one["body"]["v1"].pop("source")), "malformed_json"),
    (
        "wrong prefix",
        edited(lambda one: one["body"]["v1"].update(source="bubi1" + ADDRESS_TAIL)),
        "malformed_json",
    ),
    ("upper-case hex", edited(lambda one: one["body"]["v1"].update(memo="AB")), "malformed_json"),
    ("odd hex", edited(lambda one: one["body"]["v1"].update(memo="abc")), "malformed_json"),
    (
        "short id",
        edited(lambda one: one["body"]["v1"].update(replay={"id": "00"})),
        "malformed_json",
    ),
    (
        "unknown replay key",
        edited(lambda one: one["body"]["v1"].update(replay={"nonce": "1"})),
        "malformed_json",
    ),
    (
        "unknown operation",
        edited(lambda one: one["body"]["v1"]["operations"][0].update(body={"steal": {}})),
        "malformed_json",
    ),
    ("two variants at once", edited(lambda one: one["body"].update(v2={})), "malformed_json"),
    (
        "unknown algorithm",
        edited(lambda one: one["signatures"][0].update(key={"rsa": "00"})),
        "malformed_json",
    ),
    (
        "short key",
        edited(lambda one: one["signatures"][0].update(key={"ed25519": "00"})),
        "malformed_json",
    ),
    (
        "short signature",
        edited(lambda one: one["signatures"][0].update(signature="00")),
        "malformed_json",
    ),
    ("flipped signature", edited(flip), "signature_invalid"),
    ("signature with S beyond the order", edited(high_s), "signature_invalid"),
    (
        "body changed after signing",
        edited(lambda one: one["body"]["v1"].update(memo="01")),
        "signature_invalid",
    ),
    ("duplicate signer", edited(twice), "malformed"),
    ("no signature", edited(lambda one: one.update(signatures=[])), "malformed"),
    ("no operation", edited(lambda one: one["body"]["v1"].update(operations=[])), "malformed"),
    ("expired", changed(valid_until="1"), "expired"),
    ("too far ahead", changed(valid_until=str(NOW + 10**9)), "lifetime_too_long"),
    (
        "sequence too far ahead",
        changed(replay={"sequence": {"lane": 1, "number": "0"}}, valid_until=str(NOW + 10**12)),
        "lifetime_too_long",
    ),
    (
        "sequence from the future",
        changed(replay={"sequence": {"lane": 1, "number": "9"}}),
        "sequence_mismatch",
    ),
    ("signed by a stranger", stranger, "threshold_not_met"),
    ("unknown source", unknown_source, "source_missing"),
]


@pytest.mark.parametrize(
    ("make", "code"), [pytest.param(make, code, id=name) for name, make, code in SUBMISSIONS]
)
def test_submission(node: RunningNode, make: Change, code: str) -> None:
    check(node.client.post(f"{POST}?wait=final", json=make(node)), code)


def test_too_many_operations_and_long_memo(node: RunningNode) -> None:
    body = node.body([SET] * 101)
    signed = node.data("x")
    signed["v1"]["body"] = body
    assert node.submit(signed).json()["code"] in {"too_large", "malformed_json"}
    signed = node.data("x")
    signed["v1"]["body"]["v1"]["memo"] = "00" * 257
    assert node.submit(signed).json()["code"] in {"too_large", "malformed_json"}


def test_a_used_id_conflicts(node: RunningNode) -> None:
    replay = {"id": "ab" * 16}
    assert node.submit(node.sign(node.body([SET], replay=replay))).json()["status"] == "final"
    # The door lets it in, because its block may come after the first one's time; the block judges.
    second = node.submit(node.sign(node.body([SET], replay=replay, memo="01"))).json()
    assert (second["status"], second["code"]) == ("rejected", "id_conflict")


BODIES: list[tuple[str, bytes, str, str]] = [
    ("empty", b"", "application/json", "malformed_json"),
    ("not JSON", b"{", "application/json", "malformed_json"),
    ("a list", b"[]", "application/json", "malformed_json"),
    ("null", b"null", "application/json", "malformed_json"),
    ("deep", b"[" * 100_000, "application/json", "malformed_json"),
    ("deep objects", b'{"v1":' * 50_000, "application/json", "malformed_json"),
    ("not UTF-8", b'{"v1":"\xff"}', "application/json", "malformed_json"),
    ("lone surrogate", b'{"v1":"\\ud800"}', "application/json", "malformed_json"),
    ("NUL", b"\0" * 10, "application/json", "malformed_json"),
    ("duplicate key", b'{"v1":{},"v1":{}}', "application/json", "malformed_json"),
    ("huge number", b'{"v1":' + b"9" * 5000 + b"}", "application/json", "malformed_json"),
    ("trailing text", b'{"v1":{}} x', "application/json", "malformed_json"),
    ("NaN", b'{"v1":NaN}', "application/json", "malformed_json"),
    ("too large", b" " * (4 * 1_048_576 + 1), "application/json", "too_large"),
    ("no bytes", b"", "application/vnd.bubi.transaction", "not_canonical"),
    ("junk", b"\xff" * 40, "application/vnd.bubi.transaction", "not_canonical"),
    ("too many bytes", b"\0" * 1_048_577, "application/vnd.bubi.transaction", "too_large"),
    ("text", b"hello", "text/plain", "unsupported_media_type"),
    ("no type", b"{}", "", "unsupported_media_type"),
    ("other charset", b"{}", "application/json; charset=utf-16", "unsupported_media_type"),
    ("a bulk here", b"\0", "application/vnd.bubi.transactions", "unsupported_media_type"),
]


@pytest.mark.parametrize(
    ("content", "kind", "code"), [pytest.param(*rest, id=name) for name, *rest in BODIES]
)
def test_body(node: RunningNode, content: bytes, kind: str, code: str) -> None:
    headers = {"content-type": kind} if kind else {}
    check(node.client.post(POST, content=content, headers=headers), code)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_canonical"),
        (b"\x01", "not_canonical"),
        (b"\x80\x00", "not_canonical"),
        (b"\xff\xff\xff\xff\xff\xff", "not_canonical"),
        (b"\x01\x05abc", "not_canonical"),
        (b"\x00\x00", "not_canonical"),
    ],
)
def test_bulk_body(node: RunningNode, content: bytes, code: str) -> None:
    headers = {"content-type": "application/vnd.bubi.transactions"}
    check(node.client.post(f"{POST}/bulk", content=content, headers=headers), code)


@pytest.mark.parametrize("route", [POST, f"{POST}/encode", f"{POST}/decode", f"{POST}/simulate"])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[[[", b'{"v1":{"body":1,"signatures":2}}', b'{"transaction":"zz"}']
)
def test_malformed_json_everywhere(node: RunningNode, route: str, content: bytes) -> None:
    answer = node.client.post(route, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["code"] in {"malformed_json", "parameter_invalid"}


REQUESTS: list[tuple[str, str, str, dict[str, str], str]] = [
    ("unknown route", "GET", "/v2/blocks", {}, "route_unknown"),
    ("trailing slash", "GET", "/v1/blocks/", {}, "route_unknown"),
    ("PUT", "PUT", POST, {}, "method_not_allowed"),
    ("DELETE", "DELETE", "/v1/blocks/1", {}, "method_not_allowed"),
    ("POST to a list", "POST", "/v1/accounts", {}, "method_not_allowed"),
    ("unknown parameter", "GET", "/v1/blocks?limt=1", {}, "unknown_parameter"),
    ("unknown parameter of a hot route", "POST", f"{POST}?waitt=final", {}, "unknown_parameter"),
    ("repeated parameter", "GET", "/v1/blocks?limit=1&limit=2", {}, "parameter_invalid"),
    ("limit 0", "GET", "/v1/accounts?limit=0", {}, "parameter_invalid"),
    ("limit 1001", "GET", "/v1/accounts?limit=1001", {}, "parameter_invalid"),
    ("limit 1.0", "GET", "/v1/accounts?limit=1.0", {}, "parameter_invalid"),
    ("limit true", "GET", "/v1/accounts?limit=true", {}, "parameter_invalid"),
    (
        "limit of 10,000 digits",
        "GET",
        "/v1/accounts?limit=" + "1" * 10_000,
        {},
        "parameter_invalid",
    ),
    ("proof yes", "GET", f"/v1/assets/{'0' * 64}?proof=yes", {}, "parameter_invalid"),
    ("wait forever", "POST", f"{POST}?wait=forever", {}, "parameter_invalid"),
    ("timeout 61", "POST", f"{POST}?wait=final&timeout=61", {}, "parameter_invalid"),
    ("timeout -1", "POST", f"{POST}?wait=final&timeout=-1", {}, "parameter_invalid"),
    ("timeout nan", "POST", f"{POST}?wait=final&timeout=nan", {}, "parameter_invalid"),
    ("cursor junk", "GET", "/v1/accounts?cursor=zzzz", {}, "cursor_invalid"),
    ("cursor not ASCII", "GET", "/v1/accounts?cursor=%C3%A9", {}, "cursor_invalid"),
    ("cursor empty", "GET", "/v1/accounts?cursor=", {}, "cursor_invalid"),
    ("short hash", "GET", f"{POST}/abc", {}, "id_invalid"),
    ("upper-case hash", "GET", f"{POST}/{'A' * 64}", {}, "id_invalid"),
    ("unknown hash", "GET", f"{POST}/{'a' * 64}", {}, "outcome_unknown"),
    ("height text", "GET", "/v1/blocks/ten", {}, "parameter_invalid"),
    ("height -1", "GET", "/v1/blocks/-1", {}, "parameter_invalid"),
    ("height 2^64", "GET", f"/v1/blocks/{2**64}", {}, "parameter_invalid"),
    ("height ahead", "GET", f"/v1/blocks/{2**64 - 1}", {}, "not_found"),
    ("height 0", "GET", "/v1/blocks/0", {}, "not_found"),
    ("finality ahead", "GET", "/v1/blocks/999999/finality", {}, "not_found"),
    ("address text", "GET", "/v1/accounts/me", {}, "address_invalid"),
    ("address of main", "GET", "/v1/accounts/bubi1" + ADDRESS_TAIL, {}, "address_invalid"),
    ("address checksum", "GET", "/v1/accounts/bubidev1" + ADDRESS_TAIL, {}, "address_invalid"),
    ("unknown list", "GET", "/v1/accounts/me/secrets", {}, "parameter_invalid"),
    ("asset id short", "GET", "/v1/assets/ab", {}, "parameter_invalid"),
    ("asset unknown", "GET", f"/v1/assets/{'a' * 64}", {}, "not_found"),
    ("item unknown", "GET", f"/v1/assets/{'a' * 64}/items/x", {}, "not_found"),
    ("issuer wrong", "GET", "/v1/assets?issuer=x", {}, "address_invalid"),
    ("namespace unknown", "GET", f"/v1/namespaces/{'a' * 64}", {}, "not_found"),
    ("record unknown", "GET", f"/v1/namespaces/{'a' * 64}/records/x", {}, "not_found"),
    (
        "version 0",
        "GET",
        f"/v1/namespaces/{'a' * 64}/records/x?version=0",
        {},
        "parameter_invalid",
    ),
    (
        "version 2^32",
        "GET",
        f"/v1/namespaces/{'a' * 64}/records/x?version={2**32}",
        {},
        "parameter_invalid",
    ),
    ("owner not hex", "GET", "/v1/cells/zz/00", {}, "parameter_invalid"),
    ("owner short", "GET", "/v1/cells/00/00", {}, "parameter_invalid"),
    (
        "cell at a height ahead",
        "GET",
        f"/v1/cells/{'00' * 33}/00?height=999999",
        {},
        "not_provable_yet",
    ),
    ("transactions without a stream", "GET", POST, {}, "not_acceptable"),
    (
        "stream position",
        "GET",
        "/v1/blocks?after=x",
        {"accept": "text/event-stream"},
        "parameter_invalid",
    ),
    (
        "last event id",
        "GET",
        "/v1/blocks",
        {"accept": "text/event-stream", "last-event-id": "1:2:3"},
        "parameter_invalid",
    ),
    ("events ahead", "GET", "/v1/accounts/OWNER/events?height=999999", {}, "not_found"),
]


@pytest.mark.parametrize(
    ("method", "path", "headers", "code"),
    [pytest.param(*rest, id=name) for name, *rest in REQUESTS],
)
def test_request(
    node: RunningNode, method: str, path: str, headers: dict[str, str], code: str
) -> None:
    path = path.replace("OWNER", node.owner.address)
    check(node.client.request(method, path, headers=headers), code)


def test_wrong_chain(node: RunningNode) -> None:
    for value in ("00" * 32, "x", ""):
        answer = node.client.post(POST, json=node.data("x"), headers={"bubi-chain": value})
        check(answer, "wrong_chain")
    right = {"bubi-chain": node.made.chain_id}
    assert node.client.post(POST, json=node.data("x"), headers=right).status_code == 202


def test_allow_names_every_method(node: RunningNode) -> None:
    answer = node.client.put(POST)
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


def test_declared_length_is_refused_at_once(node: RunningNode) -> None:
    port = int(node.made.url.rpartition(":")[2])
    head = (
        f"POST {POST}/bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n"
        "Content-Type: application/vnd.bubi.transactions\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
        raw.sendall(head.encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")


def test_openapi_names_every_route(node: RunningNode) -> None:
    document = node.client.get("/v1/openapi.json").json()
    assert set(document["paths"][POST]) == {"get", "post"}
    for path in ("/bulk", "/encode", "/decode", "/simulate"):
        assert "post" in document["paths"][POST + path]
    text = json.dumps(document)
    assert '"422"' not in text
    assert core.version() == document["info"]["version"]
