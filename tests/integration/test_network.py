"""Four validators in processes of their own: agreement, crashes, halts, latecomers."""

import contextlib
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from network import PATIENCE, Net, command, environment, get, wait_for

from bubi.network.certificates import node_id
from bubi.node.certificates import read_certificate
from tests.ports import free_port


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A running network of four."""
    folder = tmp_path_factory.mktemp("four") / "network"
    started = command("up", "--detach", "--data", folder, "--json")
    assert started.status == 0, started.err
    assert started.json["engine"] == "pbft"
    assert len(started.json["nodes"]) == 4
    try:
        yield Net(folder)
    finally:
        assert command("reset", "--yes", "--data", folder).status == 0


@pytest.fixture
def four(network):
    """The network with all four nodes running."""

    def nodes():
        return {one["name"]: one for one in network.command("status", "--json").json["nodes"]}

    network.nodes = nodes()
    if not all(one["pid"] for one in network.nodes.values()):
        assert network.command("up", "--detach").status == 0
        network.nodes = nodes()
    network.level(*network.nodes)
    return network


def test_a_transaction_through_any_node_is_final_on_all(four):
    for name in four.nodes:
        outcome = four.transact(name)
        height, _root = four.level(*four.nodes)
        for other in four.nodes:
            stored = get(f"{four.url(other)}/v1/transactions/{outcome.transaction.hex()}").json()
            assert stored["status"] == "final"
            assert int(stored["height"]) <= height
    shown = four.command("status", "--json").json
    assert shown["ready"]
    assert len({one["organisation"] for one in shown["nodes"]}) == 4
    assert shown["warnings"] == []
    assert four.command("doctor", "--json").json["findings"] == []
    peers = wait_for(lambda: connected(four, 3))
    assert {"id", "name", "state", "rtt_ms", "reason", "role"} <= set(peers[0])
    why = four.command("why", "--json")
    assert why.status == 0
    assert why.json["halted"] is False


def test_the_network_goes_on_when_the_leader_is_killed(four):
    four.transact("node1")
    leader = four.leader()
    survivors = [name for name in four.nodes if name != leader]
    four.kill(leader)
    four.transact(survivors[0])
    for _ in range(3):
        four.transact(survivors[1])
    four.level(*survivors)
    # It comes back and has everything.
    assert four.command("up", "--detach", "--node", leader).status == 0
    four.nodes = {one["name"]: one for one in four.command("status", "--json").json["nodes"]}
    four.level(*four.nodes)
    four.transact(leader)


def test_a_halted_network_explains_itself_and_resumes(four):
    for name in ("node3", "node4"):
        assert four.command("down", "--node", name).status == 0

    def halted():
        found = four.command("why", "--json")
        gone = {one["validator"] for one in found.json.get("missing", ())}
        return found.json if found.status == 1 and gone == {"node3", "node4"} else None

    # They were stopped one after the other, and each is missed in its time.
    fields = wait_for(halted)
    assert fields["halted"] is True
    assert fields["since"] is not None
    assert {one["organisation"] for one in fields["missing"]} == {
        four.nodes[name]["organisation"] for name in ("node3", "node4")
    }
    assert "node3" in fields["cure"]
    health = get(f"{four.url('node1')}/health").json()
    assert health["status"] == "unavailable"
    assert health["missing"] == ["node3", "node4"]
    assert four.command("status", "--json").json["ready"] is False
    # Submissions wait meanwhile; they are decided when the third node is back.
    before = four.state("node1")[0]
    assert four.command("up", "--detach", "--node", "node3").status == 0
    wait_for(lambda: four.command("why", "--json").status == 0)
    four.transact("node2")
    assert four.state("node2")[0] > before


def test_an_observer_that_comes_late_follows_and_forwards(four, tmp_path):
    for _ in range(5):
        four.transact("node1")
    folder = tmp_path / "observer"
    organisation = four.nodes["node1"]["organisation"]
    authority = Path(four.nodes["node1"]["data"]) / "authority"
    asked = command(
        "network", "request", folder, "--name", "watcher", "--organisation", organisation,
        "--observer", "--authority", authority, "--json",
    )  # fmt: skip
    assert asked.status == 0, asked.err
    assert asked.json["role"] == "observer"
    port = free_port()
    joined = command(
        "network", "join", folder, "--network", four.folder / "public", "--api-port", port,
        "--json",
    )  # fmt: skip
    assert joined.status == 0, joined.err
    with running_node(folder):
        four.nodes["watcher"] = {"url": f"http://127.0.0.1:{port}", "pid": None}
        try:
            wait_for(lambda: answers(four.url("watcher")))
            four.level("node1", "watcher")
            four.transact("watcher")
            four.level("node1", "node2", "watcher")

            def role():
                listed = get(f"{four.url('node1')}/v1/peers").json()["items"]
                return {one["name"]: one["role"] for one in listed}.get("watcher")

            assert wait_for(role) == "observer"
        finally:
            del four.nodes["watcher"]


def answers(url):
    """Whether a node answers that it is ready."""
    with contextlib.suppress(httpx.TransportError):
        return get(f"{url}/health").status_code == 200
    return False


def connected(net, count):
    """The peers of the first node once as many are connected and no other one is."""
    peers = net.command("peers", "--json").json["peers"]
    there = [one for one in peers if one["state"] == "connected"]
    return peers if len(there) == len(peers) == count else None


@contextlib.contextmanager
def running_node(folder, *prefix):
    """A node in front, stopped at the end."""
    with (
        (folder / "out.log").open("ab") as log,
        subprocess.Popen(
            [*prefix, sys.executable, "-m", "bubi", "node", "run", str(folder)],
            stdout=log,
            stderr=log,
            env=environment(),
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            assert process.wait(PATIENCE) == 0


def test_a_ring_of_nodes_decides(tmp_path):
    folder = tmp_path / "ring"
    made = command("network", "create", "--dev", "--nodes", "4", "--data", folder, "--json")
    assert made.status == 0, made.err
    ids = [
        node_id(read_certificate(folder / f"node{number}" / "cert.pem")).hex()
        for number in range(1, 5)
    ]
    for place in range(4):
        config = folder / f"node{place + 1}" / "config.toml"
        text = config.read_text(encoding="utf-8")
        opposite = ids[(place + 2) % 4]
        config.write_text(
            re.sub(r"(?m)^\[network\]$", f'[network]\ndeny_nodes = ["{opposite}"]', text),
            encoding="utf-8",
        )
    try:
        started = command("up", "--detach", "--data", folder, "--json")
        assert started.status == 0, started.err
        ring = Net(folder)
        for name in ring.nodes:
            ring.transact(name)
        ring.level(*ring.nodes)

        def neighbours():
            peers = ring.command("peers", "--json").json["peers"]
            return [one for one in peers if one["state"] == "connected"]

        assert len(wait_for(lambda: len(found := neighbours()) >= 2 and found)) == 2
    finally:
        command("reset", "--yes", "--data", folder)
