"""Runs the catalogue: every bad input gets its documented code; no 5xx, no traceback, no hang."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from bubi_sdk import SecretKey, TransactionBuilder
from bubi_sdk.collection import Collection
from bubi_sdk.keystore import KeystoreSigner

from bubi import cli, core
from bubi.cli import messages
from bubi.node import config
from bubi.node.api.problems import PROBLEMS
from bubi.node.init import initialise
from tests.ports import free_port

from ..integration.nodes import make_node
from . import catalogue, world
from .world import World

HANG_SECONDS = 90


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = world.make(tmp_path_factory.mktemp("inputs") / "node")
    made.client.timeout = httpx.Timeout(HANG_SECONDS)
    yield made
    log = (made.node.made.directory / "log.txt").read_text()
    assert world.stop(made) == 0
    assert "Traceback" not in log


def check(answer: httpx.Response, code: str) -> None:
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    document = answer.json()
    assert document["code"] == code, document
    assert answer.status_code == document["status"] == PROBLEMS[code].status
    assert answer.status_code < 500


def rows(table: list[Any]) -> Any:
    return [pytest.param(*rest, id=name) for name, *rest in table]


def test_the_catalogue_is_large_and_its_names_are_unique() -> None:
    tables = (
        catalogue.SUBMISSIONS, catalogue.BYTES, catalogue.REJECTIONS, catalogue.BODIES,
        catalogue.REQUESTS, catalogue.COMMANDS, catalogue.CONFIGS,
    )  # fmt: skip
    names = [row[0] for table in tables for row in table]
    assert len(names) == len(set(names))
    assert len(names) >= 300


def test_every_code_of_the_ledger_is_reached() -> None:
    reached = {code for *_, code in catalogue.REJECTIONS} | {"final"}
    # `internal` is a defect of the ledger: no input reaches it.
    assert reached == set(core.code_names().values()) - {"internal"}


@pytest.mark.parametrize(("make", "code"), rows(catalogue.SUBMISSIONS))
def test_submission(ledger: World, make: catalogue.Make, code: str) -> None:
    text = world.text(make(ledger))
    answer = ledger.client.post(
        f"{catalogue.POST}?wait=final", content=text, headers={"content-type": catalogue.JSON}
    )
    check(answer, code)


@pytest.mark.parametrize(("edit", "code"), rows(catalogue.BYTES))
def test_bytes(ledger: World, edit: catalogue.Edit, code: str) -> None:
    good = ledger.node.encoded(ledger.signed(world.set_data()))
    bad = edit(good)
    assert bad != good
    headers = {"content-type": catalogue.TRANSACTION}
    check(ledger.client.post(f"{catalogue.POST}?wait=final", content=bad, headers=headers), code)
    if code not in {"signature_invalid"}:
        # The same bytes meet the same verdict in a bulk and in the bare codec.
        with pytest.raises(core.CoreError) as caught:
            core.transaction_to_json("bubidev", 0, ledger.node.chain_id, bad)
        assert core.error_code(caught.value) == code
        bulk = ledger.client.post(
            f"{catalogue.POST}/bulk",
            content=core.bulk_body([bad]),
            headers={"content-type": catalogue.BULK},
        ).json()
        assert bulk["admitted"] == 0
        assert bulk["refused"] == [{"index": 0, "code": code}]


@pytest.mark.parametrize(("attempt", "code"), rows(catalogue.REJECTIONS))
def test_rejection(ledger: World, attempt: catalogue.Attempt, code: str) -> None:
    outcome = attempt(ledger)
    assert (outcome.get("status"), outcome["code"]) == ("rejected", code), outcome
    for failed in outcome["operations"]:
        assert failed["code"] in {code, "not_applied"}


@pytest.mark.parametrize(("path", "kind", "content", "code"), rows(catalogue.BODIES))
def test_body(ledger: World, path: str, kind: str, content: bytes, code: str) -> None:
    headers = {"content-type": kind} if kind else {}
    check(ledger.client.post(path, content=content, headers=headers), code)


@pytest.mark.parametrize(("method", "path", "headers", "code"), rows(catalogue.REQUESTS))
def test_request(
    ledger: World, method: str, path: str, headers: dict[str, str], code: str
) -> None:
    path = path.replace("OWNER", ledger.address("owner"))
    check(ledger.client.request(method, path, headers=headers), code)


@pytest.mark.parametrize("value", ["00" * 32, "x", "", "0x", "A" * 64])
def test_header_of_another_chain(ledger: World, value: str) -> None:
    for path in (catalogue.POST, f"{catalogue.POST}/bulk"):
        check(ledger.client.post(path, content=b"", headers={"bubi-chain": value}), "wrong_chain")


def test_the_same_transaction_again_gives_its_stored_outcome(ledger: World) -> None:
    good = ledger.signed(world.set_data("again"))
    bad = ledger.signed(world.set_data("again", None, "77"))
    for signed, status in ((good, "final"), (bad, "rejected")):
        first = ledger.submit(signed).json()
        assert first["status"] == status
        assert ledger.submit(signed).json() == first
        stored = ledger.client.get(f"{catalogue.POST}/{first['id']}").json()
        assert {name: stored[name] for name in first} == first


def test_a_cursor_of_another_list_and_an_expired_one(
    ledger: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = ledger.client.get("/v1/accounts?limit=1").json()["next"]
    check(ledger.client.get(f"/v1/assets?cursor={first}"), "cursor_invalid")
    changed = ("A" if first[0] != "A" else "B") + first[1:]
    check(ledger.client.get(f"/v1/accounts?cursor={changed}"), "cursor_invalid")
    assert ledger.client.get(f"/v1/accounts?cursor={first}").status_code == 200
    # Leases are bounded: the oldest goes first.
    for _ in range(64):
        ledger.client.get("/v1/accounts?limit=1")
    check(ledger.client.get(f"/v1/accounts?cursor={first}"), "cursor_expired")


NAMES = {
    "right to left": "\u202eabc\u202c",
    "Arabic": "مرحبا",
    "composed": "é",
    "decomposed": "e\u0301",
    "ligature": "ﬁ",
    "emoji": "👩‍👩‍👧",
    "beyond the basic plane": "𠮷",
    "noncharacter": "\uffff",
    "byte order mark": "\ufeffx",
    "spaces": "  a  b  ",
    "traversal": "../../etc/passwd",
    "slash": "a/b",
    "percent": "%2F%00",
    "query": "a?b=c&d#e",
    "markup": "<script>alert(1)</script>",
    "quotes": "'\"\\;--",
    "backslash n": "\\n",
    "plus": "a+b c",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_odd_text_is_kept_as_it_came(ledger: World, name: str) -> None:
    namespace = ledger.namespace("documents")
    outcome = ledger.done(world.set_data(name, "ab"), world.record(namespace, name))
    encoded = quote(name, safe="")
    data = ledger.client.get(f"/v1/accounts/{ledger.address('owner')}/data/{encoded}")
    assert data.json()["value"]["v1"]["value"] == "ab", data.text
    assert ledger.client.get(f"/v1/namespaces/{namespace}/records/{encoded}").json()["key"] == name
    stored = ledger.client.get(f"{catalogue.POST}/{outcome['id']}").json()
    operations = stored["body"]["v1"]["operations"]
    assert operations[0]["body"]["set_data"]["name"] == name
    assert operations[1]["body"]["put_record"]["key"] == name


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nA: b\x00c\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"A: " + b"b" * 200_000 + b"\r\n\r\n",
        b"POST /v1/transactions HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/transactions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["TLS", "no path", "version", "NUL", "long header", "negative length", "bad chunk"],
)
def test_what_is_not_http_is_ended_and_harms_nobody(ledger: World, request_: bytes) -> None:
    place = ("127.0.0.1", int(ledger.node.made.url.rpartition(":")[2]))
    with socket.create_connection(place, timeout=HANG_SECONDS) as connection:
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        try:
            said = connection.recv(65_536)
        except ConnectionResetError:
            said = b""
    assert not said.startswith(b"HTTP/1.1 5")
    assert ledger.client.get("/health").status_code == 200


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(ledger: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("files")
    made = ledger.node.made
    paths = {
        name: folder / name
        for name in [
            "new",
            "junk",
            "binary",
            "proof",
            "damaged",
            "keystore",
            "collection",
            "badconfig",
        ]
    }
    paths["junk"].write_text("no such thing")
    paths["binary"].write_bytes(b"\xff" * 50)
    paths["badconfig"].write_text("[node\n")
    KeystoreSigner.create(paths["keystore"], "right", SecretKey.generate())
    builder = TransactionBuilder(ledger.network, ledger.address("alice")).set_data("x", b"1")
    Collection(builder.build()).save(paths["collection"])
    outcome = ledger.done(world.set_data("proof"))
    proof = ledger.client.get(f"{catalogue.POST}/{outcome['id']}?proof=1").json()["proof"]
    paths["proof"].write_text(proof)
    middle = len(proof) // 2
    flipped = "1" if proof[middle] == "0" else "0"
    paths["damaged"].write_text(proof[:middle] + flipped + proof[middle + 1 :])
    other = initialise(folder / "other", api_port=free_port())
    return {
        **{name: str(path) for name, path in paths.items()},
        "folder": str(made.directory),
        "trust": str(made.trust_file),
        "other": str(other.trust_file),
        "url": made.url,
        "owner": ledger.address("owner"),
        "zeros": "0" * 64,
        "brace": "{",
    }


@pytest.mark.parametrize(("arguments", "status", "code"), rows(catalogue.COMMANDS))
def test_command(
    files: dict[str, str],
    arguments: str,
    status: int,
    code: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("BUBI_HOME", files["new"])
    read, write = socket.socketpair()
    write.sendall(b"wrong\n")
    write.close()
    with read, read.makefile("r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        words = [word.format(**files) for word in arguments.split()]
        done = cli.run(words)
    messages.choose("en")
    said = capfd.readouterr()
    assert done == status, said
    assert "Traceback" not in said.err
    document = json.loads(said.out)
    assert document["schema"] == 1
    assert (document.get("error") or document)["code"] == code, document


# --- configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "message"), rows(catalogue.CONFIGS))
def test_config(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(config.ConfigError) as caught:
        config.load(file)
    assert message in str(caught.value)
    assert str(file) in str(caught.value)


def run_node(file: Path) -> tuple[int, str]:
    code = (
        "import sys; from pathlib import Path; from bubi.node.process import run; "
        f"sys.exit(run(Path({str(file)!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=240
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def changed(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_nodes_that_cannot_start_say_why(ledger: World, tmp_path: Path) -> None:
    """Port in use, key missing, exposed or malformed, genesis missing or damaged, address open."""
    made = make_node(tmp_path / "n").made
    folder, file = made.directory, made.config
    port = made.url.rpartition(":")[2]
    taken = ledger.node.made.url.rpartition(":")[2]
    changed(file, f"port = {port}", f"port = {taken}")
    status, said = run_node(file)
    assert (status, "set another api.port" in said) == (2, True), said
    changed(file, f"port = {taken}", f"port = {port}")

    key = folder / "validator.key"
    secret = key.read_text()
    for content, mode, words in (
        (None, 0, "the key cannot be read"),
        (secret, 0o644, "readable by others"),
        ("ed25519:zz\n", 0o600, "is not a key file"),
    ):
        key.unlink(missing_ok=True)
        if content is not None:
            key.write_text(content)
            key.chmod(mode)
        status, said = run_node(file)
        assert (status, words in said) == (2, True), said
    key.write_text(secret)
    key.chmod(0o600)

    genesis = folder / "genesis.bin"
    kept = genesis.read_bytes()
    genesis.unlink()
    status, said = run_node(file)
    assert (status, "the genesis cannot be read" in said) == (2, True), said
    genesis.write_bytes(kept[:-1])
    status, said = run_node(file)
    assert (status, "is not a genesis file" in said) == (2, True), said
    genesis.write_bytes(kept)

    changed(file, 'host = "127.0.0.1"', 'host = "0.0.0.0"')
    status, said = run_node(file)
    assert (status, "is not a loopback address" in said) == (2, True), said
    shutil.rmtree(folder)


def test_the_node_still_works_after_all_of_this(ledger: World) -> None:
    assert ledger.done(world.set_data("last"))["status"] == "final"
