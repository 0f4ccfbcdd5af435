"""The console in Chromium on a real network of four nodes with a gateway."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bubi_sdk import Client, PublicKey, TransactionBuilder
from bubi_sdk import governance as gov
from bubi_sdk import operations as ops
from bubi_sdk.keystore import KeystoreSigner

from bubi.gateway import console
from bubi.node.files import read_key
from tests.browser import CONSOLE, ROOT, browse

COMMAND = [sys.executable, "-c", "import sys; from bubi.cli import main; sys.exit(main())"]
START_SECONDS = 240
BROWSER_SECONDS = 1_200
FAR = 2**40
"""A height that is never too old to be held against somebody."""


def bubi(data: Path, *arguments: str) -> dict[str, Any]:
    """Runs a command; what it reports."""
    done = subprocess.run(
        [*COMMAND, *arguments, "--data", str(data), "--json"],
        check=False,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.fixture
def network(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A development network: its folder, and where its gateway is."""
    data = tmp_path / "network"
    try:
        report = bubi(data, "up", "--detach")
        yield data, report["gateway"]["url"]
    finally:
        bubi(data, "down")


def contradict(data: Path) -> str:
    """Puts evidence against a node on the ledger, as a twin of it would have made it; its id."""
    status = bubi(data, "status")
    node = next(one for one in status["nodes"] if one["name"] == "node4")
    alice = next(one for one in status["accounts"] if one["name"] == "alice")
    password = (data / "accounts" / "password").read_text(encoding="utf-8").strip()
    key = read_key(Path(node["data"]) / "validator.key")
    with Client(node["url"]) as client:
        network = client.network()
        halves = [
            gov.Vote(gov.VoteStatement(0, status["engine"], FAR, 0, 3, bytes([one]) * 32))
            for one in (1, 2)
        ]
        signatures = [key.sign(gov.statement_bytes(network.chain_id, half)) for half in halves]
        report = ops.ReportEvidence(
            PublicKey.from_tagged(key.public_key),
            halves[0], signatures[0], halves[1], signatures[1],
        )  # fmt: skip
        builder = TransactionBuilder(network, alice["address"])
        builder.add(report)
        signer = KeystoreSigner.open(alice["keystore"], password)
        outcome = client.submit_and_wait(builder.build().sign(signer), within=START_SECONDS)
        assert outcome.final, outcome
        (item,) = client.evidence().items
    return str(item["id"])


def test_the_console_is_built() -> None:
    assert (console.BUILT / "index.html").is_file(), "run `make setup`: it builds the console"


@pytest.mark.timeout(BROWSER_SECONDS + START_SECONDS + 600)
def test_the_console_in_a_browser(network: tuple[Path, str], tmp_path: Path) -> None:
    data, url = network
    # The end-to-end tests call this command with further arguments.
    wrapper = tmp_path / "bubi"
    lines = (f"#!{sys.executable}", "import sys", "from bubi.cli import main", "sys.exit(main())")
    wrapper.write_text("\n".join((*lines, "")))
    wrapper.chmod(0o700)
    settings = {
        "BUBI_GATEWAY_URL": url,
        "BUBI_LOGIN_LINK": bubi(data, "gateway", "login-link")["url"],
        "BUBI_COMMAND": str(wrapper),
        "BUBI_DATA": str(data),
        "BUBI_EVIDENCE": contradict(data),
    }
    browse("console", settings, BROWSER_SECONDS)


def test_the_interface_that_the_console_was_made_for() -> None:
    script = ROOT / "scripts" / "console_interface.py"
    done = subprocess.run([sys.executable, script, "--check"], check=False, timeout=120)
    assert done.returncode == 0, f"run `python {script.relative_to(ROOT)}`, then npm run check"


def test_lock_files_name_no_registry() -> None:
    for folder in (CONSOLE, ROOT / "sdk" / "node"):
        assert "resolved" not in (folder / "package-lock.json").read_text(encoding="utf-8")
