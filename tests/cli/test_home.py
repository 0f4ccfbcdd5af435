"""The data folder: its state file, damaged and whole."""

import json
import stat
from pathlib import Path

import pytest

from bubi.cli.home import AccountState, Home, NetworkState, NodeState, folder, write_private
from bubi.cli.output import FINDING, NOTHING_RUNNING, Failure


@pytest.fixture
def state():
    node = NodeState(
        "node1", "development", "validator", 7, "boot:1", "http://127.0.0.1:8801", "/d", "/d/c"
    )
    account = AccountState("alice", "bubidev1…", "/d/accounts/alice.json")
    return NetworkState(
        "ab" * 32, "development", "solo", "bubidev", "standard", (node,), (account,)
    )


def test_what_is_written_is_read_back_and_private(tmp_path, state):
    home = Home(tmp_path)
    home.write(state)
    assert home.read() == state
    assert stat.S_IMODE(home.state_file.stat().st_mode) == 0o600


def test_no_network_is_told_apart_from_a_damaged_one(tmp_path):
    with pytest.raises(Failure) as nothing:
        Home(tmp_path).read()
    assert nothing.value.status == NOTHING_RUNNING
    Home(tmp_path).state_file.write_text("{", encoding="utf-8")
    with pytest.raises(Failure) as damaged:
        Home(tmp_path).read()
    assert (damaged.value.status, damaged.value.code) == (FINDING, "state_damaged")


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.update(schema=2),
        lambda value: value.pop("nodes"),
        lambda value: value.update(extra=1),
        lambda value: value["nodes"][0].update(pid="7"),
        lambda value: value["nodes"][0].pop("url"),
        lambda value: value.update(nodes=5),
    ],
)
def test_a_changed_state_file_is_damaged(tmp_path, state, change):
    home = Home(tmp_path)
    home.write(state)
    value = json.loads(home.state_file.read_text(encoding="utf-8"))
    change(value)
    home.state_file.write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(Failure) as damaged:
        home.read()
    assert damaged.value.code == "state_damaged"


def test_a_stale_process_number_is_not_running(state):
    assert not state.nodes[0].running()
    assert state.running() == []


def test_two_commands_do_not_change_it_at_once(tmp_path):
    home = Home(tmp_path)
    with home.locked(), pytest.raises(Failure) as busy, Home(tmp_path).locked():
        pass
    assert busy.value.code == "busy"


def test_the_folder_is_the_option_else_the_environment_else_here(tmp_path, monkeypatch):
    monkeypatch.setenv("BUBI_HOME", str(tmp_path / "elsewhere"))
    assert folder(tmp_path / "named") == tmp_path / "named"
    assert folder(None) == tmp_path / "elsewhere"
    monkeypatch.delenv("BUBI_HOME")
    monkeypatch.chdir(tmp_path)
    assert folder(None) == tmp_path / ".bubi"


def test_a_private_file_is_replaced_whole(tmp_path):
    file = tmp_path / "secret"
    file.write_text("old", encoding="utf-8")
    write_private(file, "new")
    assert file.read_text(encoding="utf-8") == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["secret"]


def test_a_folder_has_one_name_however_it_is_spelled(tmp_path, monkeypatch):
    # By it the processes that run from there are found, also those of another spelling.
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    spellings = [Path("link"), Path("real/../link/."), tmp_path / "real", Path("./real")]
    real = (tmp_path / "real").resolve()
    assert {folder(one) for one in spellings} == {real}
    monkeypatch.setenv("BUBI_HOME", "link")
    assert folder(None) == real
    assert folder(Path("absent")) == tmp_path.resolve() / "absent"
