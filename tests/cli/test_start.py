"""How a node is started: `bubi node run` takes a short way that loads no more than it needs."""

import subprocess
import sys
from pathlib import Path

import pytest

from bubi.cli import run, starts_node


def test_only_a_plain_start_of_a_node_takes_the_short_way(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("")
    assert starts_node(["node", "run", str(config)]) == config
    assert starts_node(["node", "run", str(tmp_path)]) == config
    for other in (
        ["node", "run"],
        ["node", "run", "--help"],
        ["node", "run", str(tmp_path / "missing.toml")],
        ["node", "run", str(config), "more"],
        ["node", "check", str(config)],
        ["gateway", "run", str(config)],
    ):
        assert starts_node(other) is None


def test_a_wrong_configuration_is_a_usage_error_on_both_ways(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[nodes]\n")
    assert run(["node", "run", str(config)]) == 2
    assert "nodes" in capsys.readouterr().err
    assert run(["node", "run", str(tmp_path / "missing.toml")]) == 2


def test_a_starting_node_loads_no_client_and_no_command_line() -> None:
    unwanted = ("typer", "rich", "httpx", "bubi_sdk", "bubi.simulation", "bubi.gateway")
    text = (
        "import sys; from bubi.cli import starts_node; import bubi.node.process; "
        f"print([name for name in {unwanted!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
