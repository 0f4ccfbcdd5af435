"""Same seed, same trace: in one process, in another one, and with other hashes of strings."""

import os
import subprocess
import sys

import pytest

from bubi.messages import BlockWanted
from bubi.replica.events import SendTo
from bubi.simulation import cluster
from bubi.simulation.trace import KINDS, STRIKE, SUBMITTED, Injected, Trace, event_print

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


def test_who_a_message_goes_to_is_part_of_the_trace() -> None:
    prints = [
        event_print(SendTo(peers, BlockWanted(time)))
        for peers in ((b"a" * 32,), (b"b" * 32,), (b"a" * 32, b"b" * 32))
        for time in (1, 2)
    ]
    assert len(set(prints)) == len(prints)


def test_every_strike_is_part_of_the_trace() -> None:
    traces = [Trace() for _ in range(3)]
    for trace, names in zip(traces, (("drop",), ("delay",), ("drop", "drop")), strict=True):
        injected = Injected(trace, lambda: 7)
        for name in names:
            injected[name] += 1
        assert injected == {name: names.count(name) for name in names}
    assert len({trace.digest() for trace in traces}) == 3


def kinds(monkeypatch: pytest.MonkeyPatch) -> dict[int, set[tuple[int, int]]]:
    """What a run hashes, by kind: (time, fingerprint)."""
    found: dict[int, set[tuple[int, int]]] = {}
    add = Trace.add

    def listened(self: Trace, time: int, node: int, kind: int, print_: int) -> None:
        found.setdefault(kind, set()).add((time, print_))
        add(self, time, node, kind, print_)

    monkeypatch.setattr(Trace, "add", listened)
    return found


def test_strikes_and_submissions_of_a_run_are_in_its_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = kinds(monkeypatch)
    result = cluster.run(17, 4)
    assert min(KINDS.values()) > SUBMITTED > STRIKE
    # Some strikes come at the same time.
    strikes = sum(result.injected.values())
    assert strikes / 2 < len(found[STRIKE]) <= strikes
    assert len(found[SUBMITTED]) >= result.acknowledged > 30
