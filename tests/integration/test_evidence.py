"""A second process with the vote key of a validator: what it signs is held against it.

Such a twin exists in tests only: the product refuses nobody its own key, and its guard keeps one
process from signing twice.
"""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from network import Net, command, environment, wait_for
from nodes import free_port

PATIENCE = 120.0


@pytest.fixture
def net(tmp_path):
    folder = tmp_path / "network"
    started = command("up", "--detach", "--data", folder, "--json")
    assert started.status == 0, started.err
    try:
        yield Net(folder)
    finally:
        assert command("reset", "--yes", "--data", folder).status == 0


def make_twin(net, name, folder):
    """A node folder of its own, certificate and all, with the vote key of another node."""
    original = Path(net.nodes[name]["data"])
    organisation = net.nodes[name]["organisation"]
    requested = command(
        "network", "request", folder, "--name", f"{name}-twin", "--organisation", organisation,
        "--address", f"127.0.0.1:{free_port()}", "--authority", original / "authority",
        "--observer", "--json",
    )  # fmt: skip
    assert requested.status == 0, requested.err
    joined = command(
        "network", "join", folder, "--network", Path(net.folder) / "public",
        "--api-port", free_port(), "--json",
    )  # fmt: skip
    assert joined.status == 0, joined.err
    shutil.copy(original / "validator.key", folder / "validator.key")
    config = folder / "config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(
        text.replace("[node]\n", '[node]\nvalidator_key = "validator.key"\n', 1), encoding="utf-8"
    )
    return joined.json["url"]


def test_a_twin_of_the_leader_is_recorded_on_the_ledger(net, tmp_path):
    net.transact("node1")
    leader = net.leader()
    twin = tmp_path / "twin"
    url = make_twin(net, leader, twin)
    with (twin / "node.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bubi", "node", "run", str(twin / "config.toml")],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(),
        )
    others = [name for name in net.nodes if name != leader]
    try:
        wait_for(lambda: _status(url) is not None, PATIENCE)

        def recorded():
            # Both of them lead: what each proposes of this contradicts the other.
            for name in others:
                net.transact(name, within=PATIENCE)
            return httpx.get(f"{net.url(others[0])}/v1/evidence", timeout=10).json()["items"]

        items = wait_for(recorded, PATIENCE)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert {one["member"] for one in items} == {leader}
    net.transact(others[0], within=PATIENCE)
    listed = net.command("evidence", "list", "--json").json["items"]
    assert {one["id"] for one in listed} >= {one["id"] for one in items}
    first = listed[-1]
    assert {"id", "member", "kind", "height", "action"} <= set(first)
    assert (first["member"], first["action"]) == (leader, "alarmed")
    shown = net.command("evidence", "show", first["id"], "--json").json
    del shown["schema"]
    assert shown["digest_one"] != shown["digest_two"]
    # All nodes have it, for it is part of the state.
    for name in others:
        found = httpx.get(f"{net.url(name)}/v1/evidence/{first['id']}", timeout=10)
        assert found.json()["value"] == shown
    net.level(*others, seconds=PATIENCE)


def _status(url):
    try:
        return httpx.get(f"{url}/health", timeout=5).json().get("status")
    except httpx.HTTPError:
        return None
