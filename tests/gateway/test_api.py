"""The gateway's interface on a real node: lists, files, headers, events, roles, refusals."""

import csv
import io
import json
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from bubi_sdk import Trust

from bubi import core
from bubi.gateway import config, console, words
from bubi.gateway.problems import PROBLEMS
from bubi.node.files import key_json

from ..inputs import world
from ..inputs.world import World, account
from .gateways import RunningGateway

ROOT = Path(__file__).resolve().parents[2]
CONSOLE = "<!doctype html><script nonce='{{nonce}}' src='/assets/a.1234.js'></script>"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = world.make(tmp_path_factory.mktemp("api") / "node")
    yield made
    assert world.stop(made) == 0


@pytest.fixture(scope="module")
def gateway(ledger: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("gateway")
    site = folder / "site"
    (site / "files").mkdir(parents=True)
    (site / "index.html").write_text(CONSOLE)
    (site / "files" / "a.1234.js").write_text("1" * 5_000)
    made = RunningGateway(folder, ledger.node.made.url)
    text = made.config.read_text()
    made.config.write_text(text.replace("[node]", f"console = {json.dumps(str(site))}\n[node]", 1))
    try:
        made.start()
        made.reach(int(ledger.done(world.set_data("begin"))["height"]))
        yield made
        assert made.stop() == 0
        assert "Traceback" not in made.log, made.log
    finally:
        made.close()


def settled(gateway: RunningGateway, outcome: dict[str, Any]) -> str:
    gateway.reach(int(outcome["height"]))
    return str(outcome["id"])


def settled_block(gateway: RunningGateway, ledger: World) -> str:
    """The newest block, once the gateway has it."""
    outcome = ledger.done(world.set_data("settled"))
    settled(gateway, outcome)
    return str(outcome["height"])


def test_network_and_overview(gateway: RunningGateway, ledger: World) -> None:
    network = gateway.get("/network")
    assert network["chain_id"] == ledger.node.made.chain_id
    assert (network["development"], network["sandbox"], network["public"]) == (True, False, True)
    assert Trust.parse(json.dumps(network["trust"])).network.chain_id == ledger.node.chain_id
    # Of a block that came while the index was level it is known how long it took.
    settled_block(gateway, ledger)
    gateway.until(lambda: gateway.get("/overview")["finality_ms"] is not None)
    overview = gateway.get("/overview")
    assert overview["lag"] == "0"
    assert overview["index"] == {"state": "following", "reason": None}
    assert overview["quorum"] == {"quorum": 1, "total": 1, "missing": 0, "missing_allowed": 0}
    transactions = sum(one["final"] + one["rejected"] for one in overview["charts"]["days"])
    assert transactions >= int(overview["transactions"]) > 0
    assert int(overview["finality_ms"]) >= 0


def test_a_transaction_with_everything_that_belongs_to_it(
    gateway: RunningGateway, ledger: World
) -> None:
    asset, bob = ledger.asset("FREE"), ledger.address("bob")
    hash_ = settled(gateway, ledger.done(world.issue(asset, bob, "5")))
    one = gateway.get(f"/transactions/{hash_}")
    node = ledger.client.get(f"/v1/transactions/{hash_}").json()
    assert (one["height"], one["code"], one["events"]) == (
        node["height"],
        "final",
        node["events"],
    )
    assert one["result"] == {
        "code": "final",
        "en": "Every operation happened.",
        "zh": "所有操作均已生效。",
    }
    assert [(x["weight"], x["counted"]) for x in one["signatures"]] == [(1, True)]
    assert [(x["operation"], x["threshold"], x["weight"]) for x in one["thresholds"]] == [
        ("issue", 1, 1)
    ]
    proof = gateway.get(f"/transactions/{hash_}/proof")
    trust = json.dumps(proof["trust"]).encode()
    proven = core.decode_json(core.verify_receipt_proof(trust, bytes.fromhex(proof["proof"])))
    assert hash_ in json.dumps(proven)
    assert gateway.get(f"/transactions/{'0' * 64}", 404)["code"] == "not_found"


def test_what_is_private_stays_hidden(gateway: RunningGateway, ledger: World) -> None:
    secret, digest = secrets.token_bytes(40).hex(), secrets.token_hex(32)
    record = {
        "put_record": {
            "namespace": ledger.namespace("documents"),
            "key": "sealed/one",
            "digest": {"algorithm": "sha256", "bytes": digest},
            "content": {"cipher": {"suite": "aes256_gcm", "bytes": secret}},
            "parents": [],
            "expected_version": None,
        }
    }
    hash_ = settled(gateway, ledger.done(record))
    namespace = ledger.namespace("documents")
    for path in (
        f"/transactions/{hash_}",
        "/transactions",
        f"/records/{namespace}/sealed%2Fone",
        f"/records/{namespace}/sealed%2Fone/versions",
        f"/records?digest={digest}",
    ):
        text = json.dumps(gateway.get(path))
        assert secret not in text, path
        assert hash_ in text
    shown = gateway.get(f"/records/{namespace}/sealed%2Fone")
    assert (shown["hidden"], shown["content"], shown["content_size"]) == (["content"], None, 40)
    assert gateway.get(f"/transactions/{hash_}")["hidden"] == ["operations.0.content"]
    assert gateway.get(f"/transactions/{hash_}/proof", 403)["code"] == "role_missing"
    found = gateway.get("/search", q=digest)["items"]
    hit = ("record", f"{namespace}/sealed/one", 1)
    assert [(one["kind"], one["id"], one["version"]) for one in found] == [hit]


def test_a_hit_leads_to_what_is_there(gateway: RunningGateway, ledger: World) -> None:
    nobody, nothing = account().address, secrets.token_hex(32)
    wishes = (world.issue(ledger.asset("FREE"), nobody, "1"), world.transfer(nothing, nobody))
    for wish in wishes:
        outcome = ledger.submit(ledger.signed(wish)).json()
        assert outcome["status"] == "rejected"
        settled(gateway, outcome)
    # No page shows what does not exist; the transactions that name it are there.
    for name, kind in ((nobody, "account"), (nothing, "asset")):
        hits = gateway.get("/search", q=name)["items"]
        assert [(one["kind"], one["id"]) for one in hits] == [(f"{kind}_transactions", name)]
        assert gateway.get(f"/{kind}s/{name}", 404)["code"] == "not_found"
        assert gateway.get("/transactions", **{kind: name})["items"]
    for name, kind in ((ledger.address("bob"), "account"), (ledger.asset("FREE"), "asset")):
        assert [one["kind"] for one in gateway.get("/search", q=name)["items"]] == [kind]
        gateway.get(f"/{kind}s/{name}")


def test_lists_page_and_export(gateway: RunningGateway, ledger: World) -> None:
    bob = ledger.address("bob")
    settled(gateway, ledger.done(world.issue(ledger.asset("FREE"), bob, "3")))
    for path in (
        "/blocks",
        "/transactions",
        "/accounts",
        "/assets",
        "/namespaces",
        "/records",
        f"/accounts/{bob}/holdings",
        f"/accounts/{bob}/transactions",
        f"/assets/{ledger.asset('FREE')}/holders",
        f"/assets/{ledger.asset('FREE')}/history",
    ):
        whole = gateway.get(path, limit=1_000)
        assert whole["items"], path
        assert whole["next"] is None
        pages: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = gateway.get(path, limit=3, **cursor)
            pages += page["items"]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert pages == whole["items"], path
        answer = gateway.client.get(f"/api/v1{path}", params={"format": "csv", "limit": 2})
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert len(rows) == min(2, len(pages))
        assert set(rows[0]) == {name for item in pages[:2] for name in item}
        assert ("bubi-next" in answer.headers) == (len(pages) > 2)
    for kind in ("claims", "data", "holds", "items"):
        gateway.get(f"/accounts/{bob}/{kind}")
    assert gateway.get(f"/accounts/{bob}/proof")["account"]["proof"]["account"]


def test_an_organisation_its_accounts_and_their_quota(
    gateway: RunningGateway, ledger: World
) -> None:
    (first,) = gateway.get("/organisations")["items"]
    name, alice = first["name"], ledger.address("alice")
    assert (first["governance"], first["members"]) == (ledger.address("council"), "1")
    asked = ledger.done({"ask_membership": {"organisation": name}}, by="alice")
    taken = ledger.done({"set_member": {"account": alice, "member": True}}, by="council")
    settled(gateway, taken)
    path = f"/organisations/{name}"
    found = {one["address"]: one for one in gateway.get(f"{path}/members")["items"]}
    assert found[alice] == {
        "address": alice, "votes": False, "closed": None, "since": taken["height"], "until": None
    }  # fmt: skip
    assert {address for address, one in found.items() if one["votes"]} == {first["governance"]}
    before = gateway.get(f"{path}/members", height=int(taken["height"]) - 1)["items"]
    assert alice not in {one["address"] for one in before}
    (asking,) = gateway.get(f"{path}/members", state="asks", history="1")["items"]
    assert (asking["since"], asking["until"]) == (asked["height"], taken["height"])
    assert gateway.get(path)["members"] == "2"
    account = gateway.get(f"/accounts/{alice}")
    assert (account["organisation"], account["votes"], account["asks"]) == (name, False, None)
    # What is used is what the node says of a member.
    settled(gateway, ledger.done(world.set_data("used"), by="alice"))
    node = ledger.client.get(f"/v1/accounts/{alice}").json()
    shared = {**node["quota"]["organisation"], "until": node["quota"]["until"]}
    assert gateway.get(f"{path}/quota")["quota"] == shared
    assert int(shared["used"]) > 0
    told = gateway.get(f"/accounts/{alice}/quota")
    assert (told["organisation"], told["quota"]) == (name, node["quota"])
    text = gateway.client.get(f"/api/v1{path}/members?format=csv").text
    assert alice in [row["address"] for row in csv.DictReader(io.StringIO(text))]
    assert gateway.get("/organisations/nobody/members", 404)["code"] == "not_found"
    assert gateway.get("/organisations/nobody/quota", 404)["code"] == "not_found"
    assert gateway.get("/organisations", 409, height=2**40)["code"] == "height_ahead"
    assert gateway.get(f"{path}/members", 400, cursor="W10")["code"] == "cursor_invalid"


def test_every_list_comes_as_a_table(gateway: RunningGateway, ledger: World) -> None:
    """Whatever has items and needs no login; those behind one are in test_roles.py."""
    settled_block(gateway, ledger)
    for path in ("/validators", "/epochs", "/organisations", "/accounts", "/blocks"):
        answer = gateway.client.get(f"/api/v1{path}?format=csv")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8", path
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        items = gateway.get(path)["items"]
        assert len(rows) == len(items) > 0, path
        assert set(rows[0]) == {name for item in items for name in item}, path


def test_a_table_computes_nothing(gateway: RunningGateway, ledger: World) -> None:
    settled(gateway, ledger.done(world.new_asset("FORMULA", name="=1+1")))
    answer = gateway.client.get("/api/v1/assets", params={"format": "csv", "limit": 1})
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["name"] == "'=1+1"


def test_a_new_block_is_told_within_a_moment(gateway: RunningGateway, ledger: World) -> None:
    told: list[tuple[str, Any]] = []
    opened = threading.Event()

    def listen() -> None:
        with gateway.client.stream("GET", "/api/v1/stream") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            kind = ""
            for line in answer.iter_lines():
                opened.set()
                if line.startswith("event: "):
                    kind = line[7:]
                if line.startswith("data: "):
                    told.append((kind, json.loads(line[6:])))
                    if kind == "block" and told[-1][1]["height"] == wanted.get("height"):
                        came.append(time.monotonic())
                        return

    wanted: dict[str, str] = {}
    came: list[float] = []
    thread = threading.Thread(target=listen)
    thread.start()
    assert opened.wait(60)
    height = int(settled_block(gateway, ledger)) + 1
    wanted["height"] = str(height)
    assert ledger.done(world.set_data("told"))["height"] == str(height)
    final = time.monotonic()
    thread.join(60)
    assert not thread.is_alive()
    # It depends on the machine: told, and judged by those who look. The event may come first.
    print(f"event {1_000 * (came[0] - final):.0f} ms after the outcome")  # noqa: T201
    assert ("status", "ready") in [(kind, one.get("status")) for kind, one in told]
    assert gateway.get(f"/blocks/{height}")["height"] == str(height)


def test_headers_let_a_page_load_nothing_from_elsewhere(gateway: RunningGateway) -> None:
    seen = set()
    for path in ("/", "/accounts/x", "/files/a.1234.js", "/api/v1/blocks", "/api/v1/nothing"):
        answer = gateway.client.get(path)
        policy = answer.headers["content-security-policy"]
        directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
        assert directives["default-src"] == "'none'"
        assert directives["script-src"] == "'self' 'wasm-unsafe-eval'"
        assert directives["connect-src"] == "'self'"
        assert directives["frame-ancestors"] == "'none'"
        assert "unsafe-inline" not in directives["style-src"]
        for name, value in console.HEADERS.items():
            assert answer.headers[name] == value
        seen.add(policy)
    page = gateway.client.get("/accounts/x")
    nonce = page.text.split("nonce='")[1].split("'")[0]
    assert f"'nonce-{nonce}'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    script = gateway.client.get("/files/a.1234.js")
    assert (script.text, script.headers["cache-control"]) == ("1" * 5_000, console.FOREVER)
    assert script.headers["content-encoding"] == "gzip"
    assert int(script.headers["content-length"]) < 500
    plain = gateway.client.get("/files/a.1234.js", headers={"accept-encoding": "identity"})
    assert (plain.text, plain.headers.get("content-encoding")) == (script.text, None)
    assert gateway.client.get("/records/a/b%2Fc").status_code == 200
    assert gateway.client.get("/files/none.js").status_code == 404
    raw = httpx.get(f"{gateway.url}/..%2fconfig.toml")
    assert "[gateway]" not in raw.text
    assert gateway.client.get("/api/v1/nothing").json()["code"] == "route_unknown"


def test_refusals_are_problems(gateway: RunningGateway, ledger: World) -> None:
    bob = ledger.address("bob")
    cases = {
        "/blocks?limit=0": "parameter_invalid",
        "/blocks?unknown=1": "unknown_parameter",
        "/blocks?limit=1&limit=2": "parameter_invalid",
        "/blocks?cursor=e30": "cursor_invalid",
        "/blocks/x": "parameter_invalid",
        "/transactions?kind=nothing": "parameter_invalid",
        "/transactions?code=nothing": "parameter_invalid",
        "/transactions?account=nobody": "address_invalid",
        f"/accounts/{bob}x": "address_invalid",
        f"/accounts/{bob}/claims?state=open": "unknown_parameter",
        "/records?key=%00": "parameter_invalid",
        "/search?q=%00": "parameter_invalid",
    }
    for path, code in cases.items():
        assert gateway.get(path, 400)["code"] == code, path
    ahead = gateway.get(f"/assets/{ledger.asset('FREE')}/holders", 409, height=10**9)
    assert ahead["code"] == "height_ahead"
    assert gateway.get("/blocks/999999999", 404)["code"] == "not_found"
    answer = gateway.client.post("/api/v1/blocks")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert gateway.client.post("/api/v1/sandbox/faucet", json={}).status_code in {404, 405}


def test_without_a_login_nothing_is_shown_unless_it_is_public(
    ledger: World, tmp_path: Path
) -> None:
    gateway = RunningGateway(tmp_path, ledger.node.made.url, public=False)
    try:
        gateway.start()
        document = gateway.client.get("/api/v1/openapi.json").json()
        paths = [
            path.replace("{hash}", "0" * 64)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if method == "get" and operation["tags"] == ["explorer"]
        ]
        assert len(paths) > 25
        for path in paths:
            answer = gateway.client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (401, "login_required"), path
        assert gateway.stop() == 0
    finally:
        gateway.close()


def test_the_sandbox_of_a_development_network(development: Any) -> None:
    _folder, fields = development
    url = fields["gateway"]["url"]
    assert fields["gateway"]["ready"] is True
    with httpx.Client(base_url=f"{url}/api/v1", timeout=60) as client:
        assert client.get("/network").json()["sandbox"] is True
        fresh = account()
        refused = client.post("/sandbox/faucet", json={"address": fresh.address})
        assert refused.json()["code"] == "not_found"
        given = client.post("/sandbox/faucet", json={"key": key_json(fresh.key.public_key)})
        assert given.status_code == 200, given.text
        assert (given.json()["address"], given.json()["result"]) == (fresh.address, "final")
        again = client.post("/sandbox/faucet", json={"address": fresh.address}).json()
        ends = time.monotonic() + 60
        while True:
            holdings = client.get(f"/accounts/{fresh.address}/holdings").json()
            if int(holdings["height"]) >= int(again["height"]):
                break
            assert time.monotonic() < ends
            time.sleep(0.05)
        assert [(x["asset"]["code"], x["balance"]) for x in holdings["items"]] == [
            ("SANDBOX", "2000")
        ]
        network = client.get("/network").json()
        body = {
            "v1": {
                "source": fresh.address,
                "replay": {"id": secrets.token_hex(16)},
                "valid_until": str(int(time.time() * 1000) + 100_000),
                "preconditions": [],
                "memo": "",
                "operations": [{"source": None, "body": world.set_data("x")}],
            }
        }
        simulated = client.post("/sandbox/simulate", json=body)
        assert simulated.json()["code"] == "final", simulated.text
        encoded = core.body_from_json("bubidev", json.dumps(body).encode())
        message = core.signing_bytes(bytes.fromhex(network["chain_id"]), encoded)
        entry = {
            "key": key_json(fresh.key.public_key),
            "signature": fresh.key.sign(message).hex(),
        }
        signed = json.dumps({"v1": {"body": body, "signatures": [entry]}}).encode()
        content = core.transaction_from_json("bubidev", signed)
        kind = {"Content-Type": "application/vnd.bubi.transaction"}
        done = client.post("/sandbox/transactions", content=content, headers=kind)
        assert done.json()["status"] == "final", done.text
        for wrong in ({}, {"address": "x"}, {"key": {"ed25519": "00"}}, {"key": {"a": "b"}}):
            assert client.post("/sandbox/faucet", json=wrong).status_code == 400
        text = client.post("/sandbox/simulate", content=b"x", headers={"Content-Type": "text/x"})
        assert text.status_code == 415


def test_the_configuration_is_strict(tmp_path: Path) -> None:
    good = {"node": {"url": "http://127.0.0.1:1"}}
    assert config.parse(good, tmp_path).gateway.data == tmp_path
    for wrong, words_ in (
        ({}, "node.url is missing"),
        ({"nod": {}}, "did you mean 'node'"),
        ({"node": {"url": "x"}}, "http://"),
        ({**good, "gateway": {"prot": 1}}, "did you mean 'port'"),
        ({**good, "gateway": {"port": 0}}, "from 1 to 65535"),
        ({**good, "gateway": {"host": "0.0.0.0"}}, "not a loopback address"),
        ({**good, "gateway": {"tls_key": "x"}}, "belong together"),
        ({**good, "index": {"database": "mysql://x"}}, "postgresql://"),
        ({**good, "explorer": {"public": 1}}, "true or false"),
        ({**good, "sandbox": {"keystore": "x"}}, "belong together"),
        ({**good, "explorer": 1}, "must be a section"),
    ):
        with pytest.raises(config.ConfigError, match=words_):
            config.parse(wrong, tmp_path)
    with pytest.raises(config.ConfigError, match="cannot be read"):
        config.load(tmp_path / "missing.toml")


def test_every_result_code_has_words_in_both_languages() -> None:
    names = {name for _number, name in core.result_codes()}
    assert set(words.CHINESE) == names


def test_the_page_describes_every_key_problem_and_route(gateway: RunningGateway) -> None:
    page = (ROOT / "docs" / "gateway.md").read_text(encoding="utf-8")
    for section, keys in config.TABLE.items():
        for key in keys:
            assert f"`{section}.{key}`" in page, key
    for code in PROBLEMS:
        assert f"`{code}`" in page, code
    paths = gateway.client.get("/api/v1/openapi.json").json()["paths"]
    for path in paths:
        assert f"`{path.removeprefix('/api/v1')}`" in page, path


FUZZ_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("known", [False, True])
def test_any_parameters(
    gateway: RunningGateway, ledger: World, tmp_path: Path, known: bool
) -> None:
    named = {
        "address": ledger.address("bob"),
        "asset": ledger.asset("FREE"),
        "namespace": ledger.namespace("documents"),
        "key": "first",
        "hash": gateway.get("/transactions", limit=1)["items"][0]["hash"],
        "block": "1",
    }
    lines = [f'"path.{name}" = "{value}"' for name, value in named.items()]
    text = "\n".join(["[parameters]", *lines, ""]) if known else ""
    (tmp_path / "schemathesis.toml").write_text(text)
    done = subprocess.run(
        [
            sys.executable, "-c",
            "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())",
            "run", f"{gateway.url}/api/v1/openapi.json", "--checks", ",".join(FUZZ_CHECKS),
            "--seed", "1", "--max-time", "15", "--request-timeout", "60", "--max-examples", "15",
            "--exclude-path", "/api/v1/stream", "--generation-database", "none", "--no-color",
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert gateway.health()["status"] == "ready"


def test_a_proposal_stays_in_the_index_with_its_votes(
    gateway: RunningGateway, ledger: World
) -> None:
    change = {"set_parameter": {"name": "timeout_max", "value": "31000"}}
    expires = str(world.now() + world.DAY)
    fields = {"changes": [change], "expires": expires, "not_before": None}
    propose = {"propose": {**fields, "acknowledged": [], "memo": "why"}}
    settled(gateway, outcome := ledger.done(propose, by="council"))
    (shown,) = gateway.get("/proposals", state="open")["items"]
    assert shown["transaction"] == outcome["id"]
    found = gateway.get(f"/proposals/{shown['id']}")
    before = {"timeout_max": "30000"}
    assert found["diff"] == [
        {
            "change": "set_parameter",
            "fields": change["set_parameter"],
            "before": before["timeout_max"],
        }
    ]
    waiting = {"organisation": "development", "weight": 1, "approve": None}
    assert [{name: one[name] for name in waiting} for one in found["votes"]] == [waiting]
    against = {"vote": {"proposal": shown["id"], "approve": False}}
    settled(gateway, ledger.done(against, by="council"))
    found = gateway.get(f"/proposals/{shown['id']}")
    assert (found["state"], found["approving"], found["memo"]) == ("rejected", 0, "why")
    assert [one["approve"] for one in found["votes"]] == [False]
    assert [one["approve"] for one in found["history"]] == [False]
    node = ledger.client.get(f"/v1/proposals/{shown['id']}").json()
    assert (node["state"], node["expires"]) == (found["state"], found["expires"])
    rows = csv.DictReader(io.StringIO(gateway.client.get("/api/v1/proposals?format=csv").text))
    assert [row["id"] for row in rows] == [shown["id"]]
    assert gateway.get("/proposals", state="active")["items"] == []
    gateway.get(f"/proposals/{'00' * 32}", 404)
    gateway.get(f"/evidence/{'00' * 32}", 404)
    assert gateway.get("/evidence")["items"] == []


def test_epochs_and_their_validators(gateway: RunningGateway) -> None:
    (only,) = gateway.get("/epochs")["items"]
    assert (only["epoch"], only["height"], only["proposal"]) == ("0", "1", None)
    whole = gateway.get("/epochs/0")
    assert [one["name"] for one in whole["organisations"]] == ["development"]
    now = gateway.get("/validators")
    assert [one["name"] for one in now["items"]] == [one["name"] for one in only["validators"]]
    assert now["items"][0]["missing"] is False
    gateway.get("/epochs/1", 404)
    gateway.get("/epochs/x", 400)
