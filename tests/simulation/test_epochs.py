"""Engines and members change by vote while faults strike: what is decided stays decided."""

import pytest

from bubi.consensus import ENGINES
from bubi.simulation import faults
from bubi.simulation.cluster import Cluster

OTHERS = sorted(set(ENGINES) - {"solo", "pbft"})


@pytest.mark.parametrize("engine", OTHERS)
def test_epochs_change_in_calm(engine: str) -> None:
    result = Cluster(1, 4, engine=engine, classes=faults.GOVERNANCE).run()
    assert result.violations == ()
    assert result.injected["epoch_change"] >= 2
    assert result.acknowledged


@pytest.mark.parametrize("nodes", [4, 7])
def test_epochs_change_while_nodes_crash_and_links_break(nodes: int) -> None:
    classes = (*faults.GOVERNANCE, "crash", "partition", "drop", "equivocate")
    changed = 0
    for seed in range(40, 44):
        cluster = Cluster(seed, nodes, engine="raft", classes=classes)
        if faults.GOVERNANCE[0] not in cluster.plan.chosen:
            continue
        result = cluster.run()
        assert result.violations == (), (seed, result.violations)
        changed += result.injected.get("epoch_change", 0)
    assert changed


def test_the_members_and_the_engine_both_change() -> None:
    seen: set[tuple[str, int]] = set()

    class Watched(Cluster):
        def committed(self, host, tip):  # type: ignore[no-untyped-def]
            super().committed(host, tip)
            configuration = host.ledger.configuration()
            seen.add((configuration.engine, len(configuration.members)))

    for seed in (1, 2, 3):
        assert Watched(seed, 4, classes=faults.GOVERNANCE).run().violations == ()
    assert len({engine for engine, _ in seen}) > 1
    assert {count for _, count in seen} == {3, 4}


def test_a_class_of_its_own_draw_changes_nothing_of_what_a_seed_meant() -> None:
    others = tuple(name for name in faults.CLASSES if name not in faults.GOVERNANCE)
    for seed in range(30):
        whole = faults.draw(seed, 7, faults.CLASSES, 2, (0, 1))
        without = faults.draw(seed, 7, others, 2, (0, 1))
        assert whole.chosen[: len(without.chosen)] == without.chosen
        assert (whole.clients, whole.latency_us) == (without.clients, without.latency_us)
        for member, acts in without.faulty.items():
            assert whole.faulty[member][: len(acts)] == acts
        if without.faulty:
            assert (set(whole.faulty), whole.links) == (set(without.faulty), without.links)
