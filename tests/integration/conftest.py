"""Fixtures: a node for a whole file, and a fresh one that is not started yet."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from .nodes import RunningNode, make_node


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    running = make_node(tmp_path_factory.mktemp("node") / "n")
    try:
        running.start()
        yield running
        if running.process is not None:
            assert running.stop() == 0
    finally:
        running.client.close()
        if running.process is not None:
            running.stop(signal.SIGKILL)


@pytest.fixture
def fresh_node(tmp_path: Path) -> Iterator[RunningNode]:
    running = make_node(tmp_path / "n")
    yield running
    running.client.close()
    if running.process is not None:
        running.stop(signal.SIGKILL)
