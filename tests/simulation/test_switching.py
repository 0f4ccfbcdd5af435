"""Engines take over from each other by vote, under load, in virtual time."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from bubi.simulation.cluster import Cluster, drawn
from bubi.simulation.scheduler import SECOND

ROUND = ("raft", "paxos", "pbft")
"""Engines that follow each other, beginning and ending with the same one."""
PER_SECOND = 20.0
PAUSE_MAX = 3 * SECOND
"""What the users of a network may wait while one engine hands over to the next."""
PATIENCE = 300 * SECOND


class Switched(Cluster):
    """Correct members under load that vote one engine after another into force."""

    def __init__(self, seed: int, nodes: int, latency_us: int) -> None:
        calm = replace(
            drawn(seed, nodes, ()),
            chosen=(),
            links=None,
            latency_us=latency_us,
            disk_us=1_000,
            transactions_per_second=PER_SECOND,
        )
        super().__init__(seed, nodes, plan=calm)
        self.decided: list[tuple[int, str]] = []
        """Of each height: when the first member had it, and by which engine."""

    def committed(self, host: Any, tip: Any) -> None:
        super().committed(host, tip)
        if tip.height > len(self.decided):
            self.decided.append((self.scheduler.now, host.configuration.engine))

    def _start(self) -> None:
        super()._start()
        self.governing.start()

    def _first_phase(self) -> None:
        self._run_until(5 * SECOND, lambda: False)
        for engine in ROUND:
            self._switch(engine)
            self._run_until(self.scheduler.now + 5 * SECOND, lambda: False)
        self.nemesis.end()

    def _switch(self, engine: str) -> None:
        proposal = {
            "changes": [{"set_engine": {"name": engine}}],
            "expires": str(self.governing._now() + 300_000),
            "not_before": None,
            "acknowledged": [],
            "memo": "",
        }
        assert self.governing._say(0, {"propose": proposal}) is not None
        begun = len(self.decided)

        def is_done() -> bool:
            return any(name == engine for _, name in self.decided[begun:])

        self._run_until(self.scheduler.now + PATIENCE, is_done)
        assert is_done(), (engine, self.checkers.violations)


def pauses(decided: Sequence[tuple[int, str]]) -> dict[str, int]:
    """The time (µs) between the last block of an engine and the first of the next."""
    return {
        f"{before} to {after}": later - earlier
        for (earlier, before), (later, after) in pairwise(decided)
        if before != after
    }


@pytest.mark.parametrize("latency_us", [1_000, 50_000])
@pytest.mark.parametrize("nodes", [4, 7])
def test_a_switch_loses_nothing_and_pauses_less_than_three_seconds(
    nodes: int, latency_us: int
) -> None:
    cluster = Switched(5, nodes, latency_us)
    result = cluster.run()
    # Among the last checks: what a client was told is in the ledger exactly once.
    assert result.violations == ()
    assert result.injected["epoch_change"] == len(ROUND)
    assert result.acknowledged > PER_SECOND * 10
    found = pauses(cluster.decided)
    assert list(found) == ["pbft to raft", "raft to paxos", "paxos to pbft"]
    assert max(found.values()) < PAUSE_MAX
    milliseconds = ", ".join(f"{name} {pause // 1_000} ms" for name, pause in found.items())
    print(f"{nodes} nodes, links of {latency_us // 1_000} ms: {milliseconds}")  # noqa: T201
