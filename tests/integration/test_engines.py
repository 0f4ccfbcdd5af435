"""The engines beside `pbft` in four real processes: agreement, and a leader that dies."""

import pytest
from network import Net, command, get

from tests.installed import example_engine

ENGINES = ["raft", "paxos"]


@pytest.fixture(params=ENGINES)
def running(request, tmp_path):
    """A running network of four under an engine."""
    folder = tmp_path / "network"
    started = command("up", "--detach", "--engine", request.param, "--data", folder, "--json")
    assert started.status == 0, started.err
    assert started.json["engine"] == request.param
    try:
        yield Net(folder)
    finally:
        assert command("reset", "--yes", "--data", folder).status == 0


def test_four_processes_agree_and_survive_their_leader(running):
    for name in running.nodes:
        outcome = running.transact(name)
        running.level(*running.nodes)
        for other in running.nodes:
            url = f"{running.url(other)}/v1/transactions/{outcome.transaction.hex()}"
            assert get(url).json()["status"] == "final"
    leader = running.leader()
    survivors = [name for name in running.nodes if name != leader]
    running.kill(leader)
    running.transact(survivors[0])
    assert running.leader(leader) in survivors
    assert running.command("up", "--detach", "--node", leader).status == 0
    running.transact(survivors[1])
    running.nodes = {one["name"]: one for one in running.command("status", "--json").json["nodes"]}
    running.level(*running.nodes)
    running.transact(leader)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The example engine as `pip install -e` leaves it, for every process of this test."""
    name, places = example_engine(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", places)
    return name


def test_an_installed_engine_runs_four_processes_and_an_unknown_one_is_refused(
    tmp_path, installed
):
    folder = tmp_path / "network"
    unknown = command("up", "--detach", "--engine", "no.engine", "--data", folder, "--json")
    assert (unknown.status, unknown.json["error"]["code"]) == (1, "ceremony_refused")
    assert installed in unknown.json["error"]["text"]
    started = command("up", "--detach", "--engine", installed, "--data", folder, "--json")
    try:
        assert started.status == 0, started.err
        net = Net(folder)
        for name in net.nodes:
            net.transact(name)
        leader = net.leader()
        net.kill(leader)
        net.transact(next(name for name in net.nodes if name != leader))
        shown = get(f"{net.url(next(iter(set(net.nodes) - {leader})))}/v1/validators")
        assert shown.json()["engine"] == installed
    finally:
        assert command("reset", "--yes", "--data", folder).status == 0
