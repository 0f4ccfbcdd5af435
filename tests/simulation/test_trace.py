"""Same seed, same trace: in one process, in another one, and with other hashes of strings."""

import os
import subprocess
import sys

import pytest

from bubi.simulation import cluster

RUN = """
from bubi.simulation import cluster
result = cluster.run({seed}, {nodes})
print(result.trace_hash, result.messages, result.heights)
"""


def in_a_process(seed: int, nodes: int, hash_seed: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", RUN.format(seed=seed, nodes=nodes)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
        text=True,
    ).stdout


@pytest.mark.parametrize(("seed", "nodes"), [(11, 4), (12, 7), (13, 3)])
def test_same_seed_same_trace(seed: int, nodes: int) -> None:
    result = cluster.run(seed, nodes)
    line = f"{result.trace_hash} {result.messages} {result.heights}\n"
    assert in_a_process(seed, nodes, "1") == line
    assert in_a_process(seed, nodes, "4711") == line


def test_telling_the_trace_does_not_change_it() -> None:
    told: list[str] = []
    result = cluster.run(14, 4, say=lambda _time, _node, text: told.append(text))
    assert result.trace_hash == cluster.run(14, 4).trace_hash
    assert any("DECIDED height 30" in text for text in told)


def test_another_seed_another_trace() -> None:
    assert cluster.run(15, 4).trace_hash != cluster.run(16, 4).trace_hash


def test_sizes_of_a_cluster_are_runs_of_their_own() -> None:
    assert cluster.run(15, 4).trace_hash != cluster.run(15, 5).trace_hash
