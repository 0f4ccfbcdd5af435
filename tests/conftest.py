"""One development network for all tests that only use it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "integration"))

from network import command


@pytest.fixture(scope="session")
def development(tmp_path_factory):
    """A running development network: its folder and what `status --json` says."""
    folder = tmp_path_factory.mktemp("development") / "network"
    started = command("up", "--detach", "--data", folder, "--json")
    assert started.status == 0, started.err
    yield folder, started.json
    assert command("reset", "--yes", "--data", folder).status == 0
    assert not folder.exists()
