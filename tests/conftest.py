"""One development network for all tests that only use it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "integration"))

from network import command


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-seed", type=int, default=1, help="seed of the long API fuzzing")


@pytest.fixture
def fuzz_seed(request: pytest.FixtureRequest) -> int:
    """Seed that the caller chose."""
    return int(request.config.getoption("--fuzz-seed"))


@pytest.fixture(scope="session")
def development(tmp_path_factory):
    """A running development network: its folder and what `status --json` says."""
    folder = tmp_path_factory.mktemp("development") / "network"
    started = command("up", "--detach", "--nodes", "1", "--data", folder, "--json")
    assert started.status == 0, started.err
    yield folder, started.json
    assert command("reset", "--yes", "--data", folder).status == 0
    assert not folder.exists()
