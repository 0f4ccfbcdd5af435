"""The node as a process: submission, outcomes, reading, streams, restart, kill."""

import base64
import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from bubi_sdk.network import Trust

from bubi import core
from bubi.consensus.guard import SECOND_PLACE_LAG
from bubi.node.files import FileError, read_key
from bubi.node.init import initialise
from tests.ports import free_port

from .network import command, wait_for
from .nodes import Account, RunningNode, make_node

TRANSACTION = {"content-type": "application/vnd.bubi.transaction"}
BULK = {"content-type": "application/vnd.bubi.transactions"}


def problem(answer: Any, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    document = answer.json()
    assert document["code"] == code, document
    assert document["status"] == status


def test_json_and_bytes_become_final(node: RunningNode) -> None:
    first = node.submit(node.data("a", "01"))
    assert first.status_code == 200, first.text
    outcome = first.json()
    assert (outcome["status"], outcome["code"]) == ("final", "final")
    assert outcome["operations"] == [{"code": "final"}]
    encoded = node.encoded(node.data("b", "02"))
    second = node.client.post(
        "/v1/transactions?wait=final", content=encoded, headers=TRANSACTION
    ).json()
    assert second["status"] == "final"
    assert int(second["height"]) > int(outcome["height"])


def test_the_fast_answer_equals_the_stored_one(node: RunningNode) -> None:
    answers: list[Any] = []
    signed = [node.data(f"same-{number}") for number in range(12)]
    threads = [
        threading.Thread(target=lambda one=one: answers.append(node.submit(one).json()))
        for one in signed
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 12
    for answer in answers:
        stored = node.client.get(f"/v1/transactions/{answer['id']}").json()
        assert {name: stored[name] for name in answer} == answer


def test_resubmission_returns_the_stored_outcome(node: RunningNode) -> None:
    signed = node.data("again")
    first, second = node.submit(signed), node.submit(signed)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()


def test_pending_then_final(node: RunningNode) -> None:
    answer = node.submit(node.data("later"), wait=False)
    assert answer.status_code == 202
    outcome = answer.json()
    assert outcome["status"] == "pending"
    final = node.client.get(f"/v1/transactions/{outcome['id']}?wait=final&timeout=60&proof=1")
    document = final.json()
    assert document["status"] == "final"
    assert document["events"]
    trust = node.client.get("/v1/trust").content
    proof = bytes.fromhex(document["proof"])
    proven = json.loads(core.verify_receipt_proof(trust, proof))
    assert proven["height"] == document["height"]


def test_rejected_names_the_operation(node: RunningNode) -> None:
    good = {"set_data": {"name": "x", "value": "00", "expected_version": None}}
    bad = {"set_data": {"name": "x", "value": "00", "expected_version": "77"}}
    answer = node.submit(node.sign(node.body([good, bad, good])))
    outcome = answer.json()
    assert answer.status_code == 200
    assert (outcome["status"], outcome["code"]) == ("rejected", "data_version_mismatch")
    assert [one["code"] for one in outcome["operations"]][1] == "data_version_mismatch"


def test_a_transaction_whose_precondition_does_not_hold_is_rejected(node: RunningNode) -> None:
    operation = {"set_data": {"name": "p", "value": "00", "expected_version": None}}
    precondition = [{"time": {"from": "0", "to": "1"}}]
    signed = node.sign(node.body([operation], preconditions=precondition))
    assert node.submit(signed).json()["code"] == "precondition_failed"


def void(node: RunningNode, lane: int, milliseconds: int) -> tuple[str, dict[str, Any]]:
    """Two transactions that spend one number, in one bulk: the second one, and how it stands."""
    until = str(int(time.time() * 1000) + milliseconds)
    replay = {"sequence": {"lane": lane, "number": "0"}}
    operation = {"set_data": {"name": "q", "value": "00", "expected_version": None}}
    both = [
        node.encoded(
            node.sign(node.body([operation], replay=replay, valid_until=until, memo=memo))
        )
        for memo in ("01", "02")
    ]
    content = core.bulk_body(both)
    answer = node.client.post("/v1/transactions/bulk?wait=final", content=content, headers=BULK)
    document = answer.json()
    if document.get("codes"):
        codes = memoryview(base64.b64decode(document["codes"])).cast("H").tolist()
        assert codes == [0, core.SKIPPED]
    shown = json.loads(core.transaction_to_json("bubidev", 0, node.chain_id, both[1]))
    found: dict[str, Any] = node.client.get(f"/v1/transactions/{shown['hash']}").json()
    return shown["hash"], found


def test_a_transaction_that_becomes_void_expires(node: RunningNode) -> None:
    # The second spends the number that the first takes: skipped in the block, then expired. On a
    # slow machine it may have expired before anybody looks: then again with more time.
    for lane, milliseconds in enumerate((1_500, 6_000, 24_000, 96_000), start=70):
        hash_, pending = void(node, lane, milliseconds)
        if pending["status"] == "pending":
            break
    assert pending["status"] == "pending"
    expired = pending
    while expired["status"] == "pending":
        expired = node.client.get(f"/v1/transactions/{hash_}?wait=final&timeout=60").json()
    assert expired["status"] == "expired"


def dated(node: RunningNode, code: str, milliseconds: int) -> tuple[dict[str, Any], str]:
    """100 of a new asset that lapse soon, 10 of them in a hold: the outcome, and the asset."""
    owner = node.owner.address
    asset = Trust.load(node.made.trust_file).network.asset_id(owner, code).hex()
    expires = str(int(time.time() * 1000) + milliseconds)
    other = Account.new()
    opened = {"key": {"ed25519": other.key.public_key[1:].hex()}}
    definition: dict[str, Any] = {
        "code": code,
        "name": "Points",
        "kind": "dated",
        "decimals": 0,
    }
    features = {"freeze": False, "whitelist": False, "clawback": False}
    operations: list[Any] = [
        {"create_account": {"target": opened, "signers": [], "thresholds": None}},
        {"create_asset": {**definition, "cap": None, "features": features}},
        {"issue": {"asset": asset, "to": owner, "amount": "100", "expires": expires}},
        {
            "reserve": {
                "asset": asset,
                "beneficiary": other.address,
                "amount": "10",
                "expires": expires,
            }
        },
    ]
    return node.submit(node.sign(node.body(operations))).json(), asset


def test_what_lapsed_on_an_idle_node_is_told(node: RunningNode) -> None:
    # On a slow machine the lot may have expired before it is issued: then again with more time.
    for number, milliseconds in enumerate((2_000, 8_000, 32_000, 128_000)):
        done, asset = dated(node, f"LAPSE{number}", milliseconds)
        if done["status"] == "final":
            break
    assert done["status"] == "final", done
    account = f"/v1/accounts/{node.owner.address}"

    def marked() -> dict[str, Any]:
        found: dict[str, Any] = node.client.get(f"{account}/balances/{asset}").json()
        return found

    wait_for(lambda: marked()["lapsed"] == "90")
    found = marked()
    assert (found["spendable"], found["height"]) == ("0", done["height"])
    assert found["value"]["v1"]["balance"] == "90"
    one = {"lapsed": "90", "spendable": "0"}
    (holder,) = node.client.get(f"/v1/assets/{asset}/holders").json()["items"]
    assert holder["holding"] == found["value"]
    assert {name: holder[name] for name in one} == one
    balances = node.client.get(f"{account}/balances").json()["items"]
    (balance,) = [shown for shown in balances if shown["asset"] == asset]
    assert {name: balance[name] for name in one} == one
    holds = node.client.get(f"{account}/holds").json()["items"]
    (hold,) = [shown for shown in holds if shown["state"]["v1"]["asset"] == asset]
    assert (hold["expired"], hold["lapsed"], hold["spendable"]) == (True, "10", "0")


def test_bulk(node: RunningNode) -> None:
    good = [node.encoded(node.data(f"bulk-{number}")) for number in range(50)]
    damaged = bytearray(good[0])
    damaged[-1] ^= 1
    body = core.bulk_body([*good[:10], bytes(damaged), b"junk", *good[10:]])
    answer = node.client.post("/v1/transactions/bulk?wait=final", content=body, headers=BULK)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert (document["received"], document["admitted"]) == (52, 50)
    assert [one["index"] for one in document["refused"]] == [10, 11]
    assert document["refused"][0]["code"] == "signature_invalid"
    codes = memoryview(base64.b64decode(document["codes"])).cast("H").tolist()
    assert codes == [0] * 50


def test_encode_simulate_decode(node: RunningNode) -> None:
    signed = node.data("dry")
    encoded = node.client.post("/v1/transactions/encode", json=signed["v1"]["body"]).json()
    body = bytes.fromhex(encoded["body"])
    assert encoded["hash"] == core.transaction_hash(0, node.chain_id, body).hex()
    assert bytes.fromhex(encoded["signing_bytes"]) == core.signing_bytes(node.chain_id, body)
    for content in (signed, signed["v1"]["body"]):
        simulated = node.client.post("/v1/transactions/simulate", json=content)
        assert simulated.status_code == 200, simulated.text
        assert simulated.json()["code"] == "final"
    text = node.encoded(signed)
    for answer in (
        node.client.post("/v1/transactions/decode", content=text, headers=TRANSACTION),
        node.client.post("/v1/transactions/decode", json={"transaction": text.hex()}),
    ):
        assert answer.json()["hash"] == encoded["hash"]
    assert node.client.get(f"/v1/transactions/{encoded['hash']}").status_code == 404


def test_reading(node: RunningNode) -> None:
    node.submit(node.data("read-me", "0a0b"))
    get = node.client.get
    network = get("/v1/network").json()
    assert network["chain_id"] == node.made.chain_id
    assert network["engine"] == "solo"
    latest = get("/v1/blocks/latest").json()
    assert int(latest["height"]) >= 1
    height = latest["height"]
    assert get(f"/v1/blocks/{height}").json() == latest
    assert get(f"/v1/blocks/{height}/transactions").json()["transactions"]
    assert get(f"/v1/blocks/{height}/finality").json()["proof"]
    page = get("/v1/blocks?limit=1").json()
    assert page["items"][0]["height"] == "1"
    account = get(f"/v1/accounts/{node.owner.address}?proof=1").json()
    assert account["schema"] == 1
    assert account["proof"]
    entry = get(f"/v1/accounts/{node.owner.address}/data/read-me").json()
    assert entry["value"]["v1"]["value"] == "0a0b"
    for path in ("/v1/accounts", "/v1/assets", "/v1/namespaces"):
        assert get(path).json()["schema"] == 1
    events = get(f"/v1/accounts/{node.owner.address}/events?height={height}").json()["items"]
    assert events[0]["height"] == height
    assert re.search(rb"bubi_height \d+", get("/metrics").content)


def test_cursors_are_leases(node: RunningNode) -> None:
    for number in range(5):
        node.submit(node.data(f"list-{number}"))
    path = f"/v1/accounts/{node.owner.address}/data"
    first = node.client.get(f"{path}?limit=2").json()
    assert len(first["items"]) == 2
    assert first["next"]
    node.submit(node.data("aaaa"))
    seen = list(first["items"])
    cursor = first["next"]
    while cursor:
        page = node.client.get(f"{path}?limit=2&cursor={cursor}").json()
        assert page["height"] == first["height"]
        seen += page["items"]
        cursor = page["next"]
    names = [item["name"] for item in seen]
    assert names == sorted(set(names))
    assert "aaaa" not in names
    other = node.client.get(f"/v1/accounts?cursor={first['next']}")
    problem(other, 400, "cursor_invalid")


def test_streams_resume(node: RunningNode) -> None:
    ids = [node.submit(node.data(f"stream-{number}")).json() for number in range(3)]
    after = f"{ids[0]['height']}:{ids[0]['index']}"
    headers = {"accept": "text/event-stream", "last-event-id": after}
    seen: list[str] = []
    with node.client.stream("GET", "/v1/transactions", headers=headers) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line[6:])["id"])
            if len(seen) == 2:
                break
    assert seen == [one["id"] for one in ids[1:]]
    path = f"/v1/accounts/{node.owner.address}/events?after={ids[0]['height']}"
    with node.client.stream("GET", path, headers={"accept": "text/event-stream"}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                assert json.loads(line[6:])["transaction"] == ids[1]["id"]
                break
    received: list[str] = []

    def follow() -> None:
        with node.client.stream(
            "GET", "/v1/blocks", headers={"accept": "text/event-stream"}
        ) as live:
            for line in live.iter_lines():
                received.append(line)
                if line.startswith("data: "):
                    return

    follower = threading.Thread(target=follow)
    follower.start()
    while not received:
        time.sleep(0.01)
    outcome = node.submit(node.data("live")).json()
    follower.join(60)
    assert json.loads(received[-1][6:])["height"] == outcome["height"]


def test_restart_and_kill_keep_everything(fresh_node: RunningNode) -> None:
    node = fresh_node
    node.start()
    first = node.submit(node.data("one")).json()
    assert node.stop() == 0
    node.start()
    assert node.client.get(f"/v1/transactions/{first['id']}").json()["status"] == "final"
    for _ in range(3):
        outcome = node.submit(node.data("two")).json()
        node.submit(node.data("three"), wait=False)
        assert node.stop(signal.SIGKILL) == -signal.SIGKILL
        node.start()
        after = node.client.get(f"/v1/transactions/{outcome['id']}").json()
        assert {name: after[name] for name in outcome} == outcome
    assert node.submit(node.data("four")).json()["status"] == "final"


def test_an_idle_node_makes_no_blocks_but_those_that_are_asked_for(
    fresh_node: RunningNode,
) -> None:
    node = fresh_node
    config = node.made.config
    node.start()
    for number in range(3):
        node.submit(node.data(f"k{number}"))
    assert node.client.get("/v1/network").json()["height"] == "3", "one block for each, no other"
    assert node.stop() == 0
    text = config.read_text(encoding="utf-8")
    config.write_text(f"{text}\n[block]\nheartbeat_ms = 200\n", encoding="utf-8")
    node.start()

    def beating() -> bool:
        return int(node.client.get("/v1/network").json()["height"]) >= 6

    wait_for(beating)
    block = node.client.get("/v1/blocks/6").json()
    assert (block["batches"], block["final"]) == (0, 0)


def test_a_read_that_meets_damage_names_the_file(fresh_node: RunningNode) -> None:
    node = fresh_node
    node.start()
    first, second = (node.submit(node.data(f"before-{number}")).json()["id"] for number in "01")
    assert node.stop() == 0
    node.start()
    log = node.made.directory / "ledger" / "log"
    (segment,) = log.glob("*.log")
    data = bytearray(segment.read_bytes())
    data[data.index(b"before-0") + 50] ^= 1
    segment.write_bytes(data)
    answer = node.client.get(f"/v1/transactions/{first}")
    problem(answer, 503, "damaged")
    assert segment.name in answer.json()["detail"]
    assert not answer.json()["retryable"]
    assert "Retry-After" not in answer.headers
    assert node.client.get(f"/v1/transactions/{second}").status_code == 200


def test_before_the_first_block_nothing_is_provable(fresh_node: RunningNode) -> None:
    node = fresh_node
    node.start()
    for path in (f"accounts/{node.owner.address}", f"cells/{'00' * 33}/00"):
        assert node.client.get(f"/v1/{path}").status_code == 200
        problem(node.client.get(f"/v1/{path}?proof=1"), 409, "not_provable_yet")
    node.submit(node.data("first"))
    for path in (f"accounts/{node.owner.address}", f"cells/{'00' * 33}/00"):
        assert node.client.get(f"/v1/{path}?proof=1").json()["proof"]["finality"]
    genesis = node.client.get(f"/v1/cells/{'00' * 33}/00?height=0&proof=1")
    problem(genesis, 400, "parameter_invalid")


def test_a_cursor_of_an_earlier_run_is_invalid(fresh_node: RunningNode) -> None:
    node = fresh_node
    node.start()
    for number in range(3):
        node.submit(node.data(f"list-{number}"))
    path = f"/v1/accounts/{node.owner.address}/data?limit=1"
    cursor = node.client.get(path).json()["next"]
    assert node.client.get(f"{path}&cursor={cursor}").status_code == 200
    assert node.stop() == 0
    node.start()
    problem(node.client.get(f"{path}&cursor={cursor}"), 400, "cursor_invalid")


def test_an_older_copy_of_the_second_place_silences_the_guard(fresh_node: RunningNode) -> None:
    node = fresh_node
    node.start()
    for number in range(SECOND_PLACE_LAG + 2):
        node.submit(node.data(f"n{number}"))
    node.stop()
    places = [path for path in (node.made.directory / "ledger").rglob("*guard*") if path.is_file()]
    assert places
    for path in places:
        path.unlink()
    # It serves reads, but /health says why it takes nothing.
    node.start(reasons={"guard_silent"})
    answer = node.client.get("/health")
    assert answer.status_code == 503
    assert {one["code"] for one in answer.json()["reasons"]} == {"guard_silent"}
    problem(node.submit(node.data("x")), 503, "guard_silent")
    assert node.client.get("/v1/blocks/latest").status_code == 200
    assert node.stop() == 0


def test_a_silent_guard_is_recovered_by_its_operator(fresh_node: RunningNode) -> None:
    node = fresh_node
    node.start()
    done = [node.submit(node.data(f"n{number}")).json() for number in range(3)]
    recover = ("node", "recover-guard", node.made.directory)
    assert command(*recover, "--height", 3, "--json").json["error"]["code"] == "folder_in_use"
    assert node.stop() == 0
    sound = command(*recover, "--height", 3, "--json")
    assert (sound.status, sound.json["error"]["code"]) == (1, "guard_sound")
    guard_file = node.made.directory / "ledger" / "guard.bin"
    kept = guard_file.rename(node.made.directory / "kept")
    checked = command("node", "check", node.made.directory, "--json")
    assert checked.status == 1
    assert [(one["file"], one["kind"]) for one in checked.json["damage"]] == [
        ("guard.bin", "missing file")
    ]
    kept.rename(guard_file)
    genesis = (node.made.directory / "genesis.bin").read_bytes()
    chain = core.Chain.open(str(node.made.directory / "ledger"), genesis)
    chain.guard_write(b"no record of a vote")
    chain.close()
    node.start(reasons={"guard_silent"})
    assert node.stop() == 0
    for wrong in (2, 4):
        refused = command(*recover, "--height", wrong, "--json")
        assert (refused.status, refused.json["error"]["code"]) == (1, "height_mismatch")
    typed = command(*recover, stdin="3\n")
    assert typed.status == 0, typed.err
    assert "Recovered" in typed.out
    node.start()
    height = int(node.submit(node.data("after")).json()["height"])
    assert height == 4
    for outcome in done:
        assert node.client.get(f"/v1/transactions/{outcome['id']}").json()["status"] == "final"
    # The recovered guard is an ordinary one again.
    assert node.stop() == 0
    node.start()
    assert node.submit(node.data("again")).json()["status"] == "final"


def test_stop_is_quick_with_an_open_stream_and_a_waiting_reader(fresh_node: RunningNode) -> None:
    node = fresh_node
    node.start()
    lane = {"sequence": {"lane": 7, "number": "0"}}
    operation = {"set_data": {"name": "q", "value": "00", "expected_version": None}}
    both = [
        node.encoded(node.sign(node.body([operation], replay=lane, memo=memo)))
        for memo in ("01", "02")
    ]
    node.client.post(
        "/v1/transactions/bulk?wait=final", content=core.bulk_body(both), headers=BULK
    )
    skipped = json.loads(core.transaction_to_json("bubidev", 0, node.chain_id, both[1]))["hash"]
    answers: list[Any] = []

    def wait() -> None:
        answers.append(node.client.get(f"/v1/transactions/{skipped}?wait=final&timeout=30"))

    waiter = threading.Thread(target=wait)
    waiter.start()
    with node.client.stream("GET", "/v1/blocks", headers={"accept": "text/event-stream"}) as live:
        lines = live.iter_lines()
        assert next(lines).startswith(": height")
        assert node.stop() == 0
    waiter.join(60)
    assert answers[0].json()["status"] == "pending"


def test_second_process_on_the_same_port_or_folder_is_refused(fresh_node: RunningNode) -> None:
    node = fresh_node
    node.start()
    config = node.made.config
    code = (
        "import sys; from pathlib import Path; from bubi.node.process import run; "
        f"sys.exit(run(Path({str(config)!r})))"
    )
    same_port = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert same_port.returncode == 2
    assert b"set another api.port" in same_port.stderr
    text = config.read_text()
    config.write_text(re.sub(r"port = \d+", f"port = {free_port()}", text))
    same_folder = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    config.write_text(text)
    assert same_folder.returncode == 1
    assert b"folder_in_use" in same_folder.stderr


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_an_exposed_key_is_refused(fresh_node: RunningNode, mode: int) -> None:
    key = fresh_node.made.directory / "validator.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(mode)
    with pytest.raises(FileError, match="chmod 600"):
        read_key(key)


def test_initialise_overwrites_nothing(fresh_node: RunningNode) -> None:
    before = fresh_node.made.config.read_bytes()
    with pytest.raises(FileError, match="not empty"):
        initialise(fresh_node.made.directory)
    assert fresh_node.made.config.read_bytes() == before


def test_national_suite(tmp_path: Path) -> None:
    node = make_node(tmp_path / "n", "national")
    node.start()
    try:
        assert node.submit(node.data("sm")).json()["status"] == "final"
        assert node.client.get("/v1/network").json()["suite"] == "national"
    finally:
        node.client.close()
        assert node.stop() == 0
