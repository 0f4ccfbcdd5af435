"""The first example of the README runs as it stands, against a listener that reads it."""

from __future__ import annotations

import http.server
import json
import re
import threading
from pathlib import Path
from typing import Any, ClassVar

import pytest
import samples
from bubi_sdk import Envelope, HashSuite, KeystoreSigner, Network, operations
from bubi_sdk.keystore import Cost

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
