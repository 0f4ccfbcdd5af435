"""`bubi up` and its companions on real processes."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from itertools import takewhile
from pathlib import Path

import psutil
import pytest
from network import PATIENCE, alive, command, environment, kill

INTERRUPTED = (130, -signal.SIGINT)
"""Python may end itself by the signal that it was told of, once everything is tidied up."""


@pytest.fixture
def folder(tmp_path):
    """A folder for a network, cleaned up whatever happens."""
    path = tmp_path / "network"
    yield path
    if path.exists():
        command("reset", "--yes", "--data", path)


def test_up_status_down_and_up_again(folder):
    started = command("up", "--detach", "--nodes", "1", "--data", folder, "--json")
    assert started.status == 0, started.err
    fields = started.json
    assert fields["schema"] == 1
    assert fields["ready"] is True
    assert fields["engine"] == "solo"
    assert fields["height"] >= 1, "the health check is a transaction that became final"
    (node,) = fields["nodes"]
    assert {"name", "organisation", "pid", "role", "url", "p2p", "data", "height"} <= set(node)
    assert alive(node["pid"])
    for name in ("cert.pem", "key.pem", "validator.key", "config.toml"):
        assert (Path(node["data"]) / name).exists()
    assert Path(fields["trust_file"]).exists()
    for account in fields["accounts"]:
        assert stat.S_IMODE(Path(account["keystore"]).stat().st_mode) == 0o600
    password = Path(fields["accounts"][0]["keystore"]).with_name("password")
    assert stat.S_IMODE(password.stat().st_mode) == 0o600

    again = command("up", "--detach", "--nodes", "1", "--data", folder)
    assert again.status == 0
    assert "already running" in again.out
    assert command("status", "--data", folder, "--json").json["nodes"][0]["pid"] == node["pid"]
    assert command("doctor", "--data", folder, "--json").json["findings"] == []
    assert command("why", "--data", folder, "--json").json["halted"] is False
    assert command("logs", "--data", folder).out

    assert command("down", "--data", folder, "--json").json["stopped"] == ["gateway", "node1"]
    assert not alive(node["pid"])
    assert command("status", "--data", folder).status == 3
    assert command("down", "--data", folder).status == 3
    checked = command("node", "check", node["data"], "--json")
    assert (checked.status, checked.json["ok"]) == (0, True), checked.out

    resumed = command("up", "--detach", "--nodes", "1", "--data", folder, "--json").json
    assert resumed["chain_id"] == fields["chain_id"]
    assert resumed["height"] > fields["height"]
    assert command("reset", "--yes", "--data", folder).status == 0
    assert not folder.exists()
    assert not alive(resumed["nodes"][0]["pid"])


def test_two_networks_have_different_chains_and_ports(folder, tmp_path, development):
    _, first = development
    second = command("up", "--detach", "--nodes", "1", "--data", folder, "--json").json
    assert second["chain_id"] != first["chain_id"]
    assert second["nodes"][0]["url"] != first["nodes"][0]["url"]
    assert second["accounts"][0]["address"] != first["accounts"][0]["address"]


def test_two_networks_started_at_once_do_not_take_each_other_for_their_own(tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    asked = [sys.executable, "-m", "bubi", "up", "--detach", "--nodes", "1", "--no-gateway"]
    both = []
    try:
        for one in folders:
            words = [*asked, "--data", one, "--json"]
            both.append(subprocess.Popen(words, stdout=subprocess.PIPE, env=environment()))
        answers = [json.loads(one.communicate(timeout=400)[0]) for one in both]
        assert [one.returncode for one in both] == [0, 0], answers
        assert len({one["chain_id"] for one in answers}) == 2
        assert len({one["nodes"][0]["url"] for one in answers}) == 2
    finally:
        for one in both:
            one.kill()
            one.wait()
        for one in folders:
            command("reset", "--yes", "--data", one)


def test_a_port_taken_since_the_last_run_is_replaced(folder):
    first = command("up", "--detach", "--nodes", "1", "--data", folder, "--json").json
    command("down", "--data", folder)
    port = int(first["nodes"][0]["url"].rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        second = command("up", "--detach", "--nodes", "1", "--data", folder, "--json")
        assert second.status == 0, second.err
        assert second.json["nodes"][0]["url"] != first["nodes"][0]["url"]
        assert second.json["chain_id"] == first["chain_id"]


def failing(tmp_path, noun):
    """An environment in which `bubi NOUN run` ends at once."""
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / "sitecustomize.py").write_text(
        f"import sys\nif {{{noun!r}, 'run'}} <= set(sys.orig_argv):\n"
        "    sys.exit('the disk is on fire')\n",
        encoding="utf-8",
    )
    return {"PYTHONPATH": f"{shadow}:{os.environ.get('PYTHONPATH', '')}"}


def running_from(folder):
    """Command lines of all processes that name the folder."""
    running = [one.info["cmdline"] or [] for one in psutil.process_iter(["cmdline"])]
    return [words for words in running if any(str(folder) in word for word in words)]


@pytest.mark.parametrize("noun", ["node", "gateway"])
def test_a_failed_start_leaves_nothing_behind(folder, tmp_path, noun):
    asked = ("up", "--detach", "--nodes", "1", "--data", folder, "--json")
    failed = command(*asked, **failing(tmp_path, noun))
    assert failed.status == 1
    assert failed.json["error"]["code"] == "start_failed"
    assert "the disk is on fire" in failed.err
    assert not folder.exists()
    assert running_from(folder) == []


@pytest.mark.parametrize("noun", ["node", "gateway"])
def test_a_failed_second_start_leaves_nothing_running(folder, tmp_path, noun):
    asked = ("up", "--detach", "--nodes", "1", "--data", folder, "--json")
    assert command(*asked, "--no-gateway").status == 0
    assert command("down", "--data", folder).status == 0
    failed = command(*asked, **failing(tmp_path, noun))
    assert (failed.status, failed.json["error"]["code"]) == (1, "start_failed")
    assert running_from(folder) == []
    assert command("status", "--data", folder).status == 3
    assert command("doctor", "--data", folder, "--json").json["findings"] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_start_that_is_told_to_end_leaves_nothing_behind(folder, number):
    with subprocess.Popen(
        [*front("--detach"), "--nodes", "1", "--data", str(folder)], env=environment()
    ) as starting:
        try:
            log = folder / "node1" / "node.log"
            while starting.poll() is None and not log.exists():
                time.sleep(0.01)
            starting.send_signal(number)
            assert starting.wait(PATIENCE) in INTERRUPTED
        finally:
            starting.kill()
    assert not folder.exists()
    assert running_from(folder) == []


def test_a_second_start_that_is_told_to_end_leaves_nothing_running(folder):
    assert command("up", "--detach", "--nodes", "1", "--no-gateway", "--data", folder).status == 0
    assert command("down", "--data", folder).status == 0
    log = folder / "node1" / "node.log"
    written = log.stat().st_size
    with subprocess.Popen(
        [*front("--detach"), "--data", str(folder)], env=environment()
    ) as starting:
        try:
            while starting.poll() is None and log.stat().st_size == written:
                time.sleep(0.01)
            starting.send_signal(signal.SIGTERM)
            assert starting.wait(PATIENCE) in INTERRUPTED
        finally:
            starting.kill()
    assert running_from(folder) == []
    assert command("status", "--data", folder).status == 3


def test_what_an_unfinished_start_left_is_replaced(folder):
    (folder / "accounts").mkdir(parents=True)
    (folder / "accounts" / "old.json").write_text("{}", encoding="utf-8")
    (folder / "starting").write_text("1", encoding="utf-8")
    codes = [one["code"] for one in command("doctor", "--data", folder, "--json").json["findings"]]
    assert codes == ["start_unfinished"]
    assert command("up", "--detach", "--nodes", "1", "--data", folder).status == 0
    assert not (folder / "accounts" / "old.json").exists()
    assert not (folder / "starting").exists()


def test_a_folder_that_holds_something_else_is_left_alone(folder):
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work", encoding="utf-8")
    refused = command("up", "--detach", "--nodes", "1", "--data", folder, "--json")
    assert (refused.status, refused.json["error"]["code"]) == (1, "folder_not_empty")
    assert command("reset", "--yes", "--data", folder).status == 3
    assert [one.name for one in folder.iterdir() if one.name != "lock"] == ["thesis.txt"]


def test_a_killed_node_is_reported_and_started_again(folder):
    pid = command("up", "--detach", "--nodes", "1", "--data", folder, "--json").json["nodes"][0][
        "pid"
    ]
    kill(pid)
    found = command("doctor", "--data", folder, "--json")
    assert found.status == 1
    assert "node_gone" in [one["code"] for one in found.json["findings"]]
    assert command("status", "--data", folder).status == 3
    assert command("up", "--detach", "--nodes", "1", "--data", folder).status == 0


def test_a_damaged_state_file_is_named_and_can_be_reset(folder):
    pid = command("up", "--detach", "--nodes", "1", "--data", folder, "--json").json["nodes"][0][
        "pid"
    ]
    (folder / "network.json").write_text("{", encoding="utf-8")
    for name in ("status", "up", "down"):
        said = command(name, "--data", folder, "--json")
        assert (said.status, said.json["error"]["code"]) == (1, "state_damaged")
    codes = [one["code"] for one in command("doctor", "--data", folder, "--json").json["findings"]]
    assert codes == ["state_damaged", "stray_node", "stray_node"], "a node and its gateway"
    assert command("reset", "--yes", "--data", folder).status == 0
    assert not alive(pid)
    assert not folder.exists()


def front(*options):
    """`bubi up` as a terminal starts it: no signal ignored, whatever runs the tests."""
    return ["env", "--default-signal=INT,TERM,HUP", sys.executable, "-m", "bubi", "up", *options]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_in_front_it_runs_until_it_is_told_to_end(folder, number):
    with subprocess.Popen(
        front("--nodes", "1", "--data", str(folder), "--json"),
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        try:
            # What it prints says that its start is over; interrupted before, it takes all back.
            said = list(takewhile(lambda line: line != "}\n", process.stdout))
            pid = json.loads("".join([*said, "}"]))["nodes"][0]["pid"]
            assert command("status", "--data", folder).status == 0
            process.send_signal(number)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    assert not alive(pid)
    assert command("status", "--data", folder).status == 3
