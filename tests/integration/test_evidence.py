"""A second process with the vote key of a validator: what it signs is held against it.

Such a twin exists in tests only: the product refuses nobody its own key, and its guard keeps one
process from signing twice.
"""

import contextlib
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from bubi_sdk import governance as changes
from governance import Governed
from network import Net, command, environment, get, wait_for

from tests.ports import free_port

PATIENCE = 240.0


@contextlib.contextmanager
def network(folder, nodes):
    started = command("up", "--detach", "--nodes", nodes, "--data", folder, "--json")
    assert started.status == 0, started.err
    try:
        yield Net(folder)
    finally:
        assert command("reset", "--yes", "--data", folder).status == 0


@pytest.fixture
def net(tmp_path):
    with network(tmp_path / "network", 4) as made:
        yield made


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


def found_out(net, twin):
    """Runs a twin of the leader until its evidence is on the ledger: who it is, and the items."""
    leader = net.leader()
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
            return get(f"{net.url(others[0])}/v1/evidence").json()["items"]

        items = wait_for(recorded, PATIENCE)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    return leader, items


def test_a_twin_of_the_leader_is_recorded_on_the_ledger(net, tmp_path):
    net.transact("node1")
    leader, items = found_out(net, tmp_path / "twin")
    others = [name for name in net.nodes if name != leader]
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
        found = get(f"{net.url(name)}/v1/evidence/{first['id']}")
        assert found.json()["value"] == shown
    net.level(*others, seconds=PATIENCE)


@pytest.mark.long
def test_a_twin_costs_its_member_the_vote_where_the_policy_says_so(tmp_path):
    with network(tmp_path / "network", 5) as net:
        voters = [f"organisation{number}" for number in range(1, 6)]
        governed = Governed(net, voters)
        governed.enact(changes.SetParameter("evidence_policy", 3), voters=voters[:4])
        leader, items = found_out(net, tmp_path / "twin")
        assert {(one["member"], one["action"]) for one in items} <= {
            (leader, action) for action in ("scheduled", "queued", "gone")
        }
        others = [name for name in net.nodes if name != leader]

        def members(name):
            listed = get(f"{net.url(name)}/v1/validators").json()["items"]
            return sorted(one["name"] for one in listed)

        for name in others:
            # Four of five bear the loss of one, so nothing stands against the removal.
            wait_for(lambda name=name: members(name) == sorted(others), PATIENCE)
        for name in others:
            net.transact(name, within=PATIENCE)
        net.level(*others, seconds=PATIENCE)


def _status(url):
    try:
        return get(f"{url}/health").json().get("status")
    except httpx.HTTPError:
        return None
