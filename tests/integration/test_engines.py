"""The engines beside `pbft` in four real processes: agreement, and a leader that dies."""

import httpx
import pytest
from network import Net, command

ENGINES = ["raft", "paxos"]


@pytest.fixture(params=ENGINES)
def running(request, tmp_path):
    """A running network of four under an engine."""
    folder = tmp_path / "network"
    started = command("up", "--detach", "--engine", request.param, "--data", folder, "--json")
    assert started.status == 0, started.err
    assert started.json["engine"] == request.param
    yield Net(folder)
    assert command("reset", "--yes", "--data", folder).status == 0


def test_four_processes_agree_and_survive_their_leader(running):
    for name in running.nodes:
        outcome = running.transact(name)
        running.level(*running.nodes)
        for other in running.nodes:
            url = f"{running.url(other)}/v1/transactions/{outcome.transaction.hex()}"
            assert httpx.get(url).json()["status"] == "final"
    leader = running.leader()
    survivors = [name for name in running.nodes if name != leader]
    running.kill(leader)
    running.transact(survivors[0])
    assert running.leader() != leader
    assert running.command("up", "--detach", "--node", leader).status == 0
    running.transact(survivors[1])
    running.nodes = {one["name"]: one for one in running.command("status", "--json").json["nodes"]}
    running.level(*running.nodes)
    running.transact(leader)
