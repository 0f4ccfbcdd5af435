"""Evidence lands on the ledger, what the policy says follows, and the network lives on."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from bubi.declarations import SILENCE_BLOCKS
from bubi.simulation import faults
from bubi.simulation.cluster import Cluster
from bubi.simulation.ledger import Ledger


def planned(seed: int, nodes: int, policy: int, *classes: str, engine: str = "pbft") -> Cluster:
    """A run of these classes with this policy, in which one member equivocates with two keys."""
    plan = faults.draw(seed, nodes, classes, 1, (0, 1))
    if not plan.faulty:
        plan = replace(plan, faulty={seed % nodes: faults.ACTS["exclusion"]})
    # Slow links: every block that holds evidence gives the liar another occasion.
    plan = replace(plan, evidence_policy=policy, latency_us=25_000, disk_us=20_000)
    return Cluster(seed, nodes, engine=engine, plan=plan)


def newest(cluster: Cluster) -> Ledger:
    ledgers = [place.host.ledger for place in cluster.correct() if place.host is not None]
    return max(ledgers, key=lambda one: one.height)


def members(cluster: Cluster) -> set[str]:
    return {one["name"] for one in newest(cluster).validators["validators"]}


@pytest.mark.parametrize("engine", ["pbft", "raft", "paxos"])
@pytest.mark.parametrize("policy", [2, 3])
def test_an_equivocating_member_goes(engine: str, policy: int) -> None:
    cluster = planned(policy, 5, policy, "exclusion", engine=engine)
    (faulty,) = cluster.plan.faulty
    result = cluster.run()
    assert result.violations == ()
    assert result.injected["exclusion"] == 1
    assert result.marks[f"excluded_by_policy_{policy}"] == 1
    assert members(cluster) == {f"node-{index + 1}" for index in range(5) if index != faulty}
    follows = "proposed" if policy == 2 else "scheduled"
    assert result.marks[f"evidence_{follows}"] >= 1


def test_by_the_first_policy_it_stays_and_everybody_knows() -> None:
    cluster = planned(1, 4, 1, "epoch_change")
    cluster.plan = replace(cluster.plan, chosen=())
    result = cluster.run()
    assert result.violations == ()
    assert result.marks["evidence_alarmed"] >= 1
    assert "exclusion" not in result.injected
    assert len(members(cluster)) == 4
    # It lies for as long as the run lasts; each of the others says so now and then only.
    assert result.injected["equivocate"] + result.injected["twin_key"] > 20
    told: dict[tuple[str, str], list[int]] = {}
    for one in newest(cluster).evidence():
        told.setdefault((one["reporter"], str(one["member"])), []).append(int(one["recorded"]))
    assert 1 <= len(told) <= 3
    for heights in told.values():
        pairs = zip(sorted(heights), sorted(heights)[1:], strict=False)
        assert all(later - before >= SILENCE_BLOCKS for before, later in pairs), told


def test_a_removal_that_the_rest_would_not_bear_is_not_done() -> None:
    result = planned(2, 4, 3, "epoch_change").run()
    assert result.violations == ()
    assert result.marks["evidence_kept"] >= 1
    assert "exclusion" not in result.injected


def test_nobody_is_accused_by_false_evidence() -> None:
    cluster = Cluster(1, 4, classes=("accuse",))
    result = cluster.run()
    assert result.violations == ()
    assert result.injected["accuse"] > 10
    assert [name for name in result.marks if name.startswith("evidence_")] == []
    codes: Counter[str] = Counter()
    host = next(place.host for place in cluster.correct() if place.host is not None)
    for height in range(1, host.ledger.height + 1):
        codes.update(code for _, code in host.ledger.receipts(height))
    refused = {code for code in codes if code.startswith("evidence_")}
    assert {"evidence_signature", "evidence_invalid"} <= refused
    assert "evidence_known" not in refused


def test_exclusions_while_nodes_crash_and_sets_change() -> None:
    classes = ("exclusion", "epoch_change", "crash", "partition", "drop")
    excluded = 0
    for seed in range(20, 23):
        plan = faults.draw(seed, 7, classes, 2, (0, 1))
        result = Cluster(seed, 7, engine="raft", plan=plan).run()
        assert result.violations == (), (seed, result.violations)
        excluded += result.injected.get("exclusion", 0)
    assert excluded


def test_a_lost_report_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checker of evidence that no block holds can fail."""
    from bubi.simulation.declaring import Declaring  # noqa: PLC0415 - what is broken here

    def nothing(_: Any) -> None:
        return None

    monkeypatch.setattr(Declaring, "_begin", nothing)
    result = planned(3, 5, 1, "exclusion").run()
    assert {one.checker for one in result.violations} <= {"minima", "evidence_recorded"}
    assert result.violations
