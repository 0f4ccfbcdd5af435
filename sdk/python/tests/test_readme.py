"""The first example of the README runs as it stands, against a listener that reads it."""

from __future__ import annotations

import http.server
import json
import re
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import samples
from bubi_sdk import (
    Answer,
    Envelope,
    HashSuite,
    KeystoreSigner,
    MemorySigner,
    Network,
    Outcome,
    Status,
    TransactionBuilder,
    operations,
)
from bubi_sdk.keystore import Cost
from bubi_sdk.state import RecordVersion

NETWORK = Network(samples.CHAIN, samples.PREFIX, HashSuite.STANDARD, "sample")
README = Path(__file__).resolve().parents[1] / "README.md"


class Listener(http.server.BaseHTTPRequestHandler):
    received: ClassVar[list[Envelope]] = []

    def do_GET(self) -> None:
        assert self.path == "/v1/network"
        self.answer({"schema": 1, "height": "4", **NETWORK.to_json()})

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        envelope = Envelope.decode(NETWORK, data)
        assert self.headers["Bubi-Chain"] == NETWORK.chain_id.hex()
        for entry in envelope.signed.signatures:
            assert entry.key.verify(envelope.transaction.signing_bytes, entry.signature)
        self.received.append(envelope)
        decided = {"status": "final", "code": "final", "height": "5", "index": 0}
        self.answer({"schema": 1, "id": envelope.hash.hex(), "operations": [], **decided})

    def answer(self, value: dict[str, Any]) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        pass


def test_the_first_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = re.search("```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    code = found.group(1)
    assert len(code.strip().splitlines()) <= 11
    monkeypatch.chdir(tmp_path)
    KeystoreSigner.create("alice.json", "password", cost=Cost(2, 8, 1))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            exec(code.replace(":8801", f":{server.server_port}"), {})
        finally:
            server.shutdown()
            thread.join()
    assert capsys.readouterr().out == "final in block 5\n"
    (envelope,) = Listener.received
    bodies = [one.body for one in envelope.transaction.body.operations]
    assert [type(one) for one in bodies] == [operations.CreateAsset, operations.Issue]


def test_the_example_of_encrypted_content(capsys: pytest.CaptureFixture[str]) -> None:
    example = README.read_text(encoding="utf-8").partition("## Content that only key holders")[2]
    code = example.partition("```python\n")[2].partition("```")[0]
    alice = MemorySigner.generate()
    records = []

    def submit_and_wait(envelope: Envelope) -> Outcome:
        body = envelope.transaction.body.operations[1].body
        assert isinstance(body, operations.PutRecord)
        records.append(body)
        return Outcome(envelope.hash, Status.FINAL)

    def record(namespace: bytes, key: str) -> Answer:
        (body,) = records
        assert (body.namespace, body.key) == (namespace, key)
        written = RecordVersion(samples.ALICE, 1, body.digest, body.content, ())
        return Answer(1, {"value": written.to_json(samples.PREFIX)})

    client = SimpleNamespace(submit_and_wait=submit_and_wait, record=record)
    exec(
        code,
        {
            "network": NETWORK,
            "alice": alice,
            "client": client,
            "TransactionBuilder": TransactionBuilder,
        },
    )
    assert capsys.readouterr().out == "The parties agree.\n"
    assert b"parties" not in records[0].encode()
