"""Requests made from the node's own OpenAPI document, valid and broken, against a real node.

`pytest -m long tests/inputs --fuzz-seed 7` runs longer and with another seed.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import world
from .world import World

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
)
"""Not `positive_data_acceptance`: checksums, signatures and opaque cursors have no schema."""

RUN = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = world.make(tmp_path_factory.mktemp("openapi") / "node")
    yield made
    log = (made.node.made.directory / "log.txt").read_text()
    assert world.stop(made) == 0
    assert "Traceback" not in log


def known(ledger: World) -> str:
    """Parameters that lead to what is there, so that requests pass the first check."""
    named = {
        "address": ledger.address("alice"),
        "asset": ledger.asset("ITEMS"),
        "item": "one",
        "namespace": ledger.namespace("documents"),
        "key": "first",
        "name": "x",
        "hash": ledger.done(world.set_data("x"), by="alice")["id"],
    }
    lines = [f'"path.{name}" = "{value}"' for name, value in named.items()]
    return "\n".join(["[parameters]", '"path.height" = 1', *lines, ""])


def attack(ledger: World, folder: Path, settings: str, seed: int, seconds: int) -> str:
    (folder / "schemathesis.toml").write_text(settings)
    command = [
        sys.executable, "-c", RUN, "run", f"{ledger.node.made.url}/v1/openapi.json",
        "--checks", ",".join(CHECKS), "--seed", str(seed), "--max-time", str(seconds),
        "--request-timeout", "60", "--max-examples", str(seconds),
        "--generation-database", "none", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=4 * seconds + 400
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    paths = ledger.node.client.get("/v1/openapi.json").json()["paths"]
    routes = sum(1 for path in paths.values() for name in path if name in {"get", "post"})
    assert routes > 40
    assert f"Selected: {routes}/{routes}" in done.stdout
    assert ledger.done(world.set_data("after"))["status"] == "final"
    return done.stdout


@pytest.mark.timeout(1_200)
def test_any_parameters(ledger: World, tmp_path: Path) -> None:
    attack(ledger, tmp_path, "", 1, 35)


@pytest.mark.timeout(1_200)
def test_parameters_of_what_is_there(ledger: World, tmp_path: Path) -> None:
    attack(ledger, tmp_path, known(ledger), 1, 35)


@pytest.mark.long
@pytest.mark.timeout(7_200)
def test_any_parameters_long(ledger: World, tmp_path: Path, fuzz_seed: int) -> None:
    attack(ledger, tmp_path, "", fuzz_seed, 600)


@pytest.mark.long
@pytest.mark.timeout(7_200)
def test_parameters_of_what_is_there_long(ledger: World, tmp_path: Path, fuzz_seed: int) -> None:
    attack(ledger, tmp_path, known(ledger), fuzz_seed, 600)
