"""Seeds of whole clusters. Any violation names its seed: `bubi sim replay SEED --nodes N`."""

import os

import pytest

from bubi.simulation import faults, runner

CORES = len(os.sched_getaffinity(0))

NORMAL = [(seed, 7 if seed % 5 == 4 else 4) for seed in range(270)] + [
    (seed, (1, 2, 3, 5, 10, 13)[seed % 6]) for seed in range(270, 300)
]
LONG = [(seed, (4, 4, 7, 4, 5, 3, 4, 10, 7, 13)[seed % 10]) for seed in range(1_000, 2_000)]

MARKS = (
    "view_change_with_prepared_block",
    "new_view_with_nothing_prepared",
    "undecided_suffix_dropped",
    "sync_during_view_change",
    "restart_with_prepared_certificate",
    "restart_with_accepted_proposal",
    "evidence_reported",
    "decided_by_sync",
    "exit_after_disk_error",
    "write_refused_for_space",
    "vote_above_a_commit_vote",
    "evidence_alarmed",
    "evidence_kept",
    "excluded_by_policy_2",
    "excluded_by_policy_3",
    "proposed_weight",
    "proposed_quorum",
    "key_changed",
    "double_vote_refused",
)
"""Situations without which a batch of seeds has tested less than it seems."""


ENGINES = pytest.mark.parametrize("engine", ["pbft", "raft", "paxos"])


def judge(pairs: list[tuple[int, int]], engine: str) -> None:
    """Every seed holds, every fault struck, and every situation came up."""
    jobs = [runner.Job(seed, nodes, engine, faults.CLASSES) for seed, nodes in pairs]
    totals = runner.run_all(jobs, CORES)
    totals.demand(faults.CLASSES)
    assert totals.details == []
    assert [name for name in MARKS if not totals.marks[name]] == []
    assert totals.heights >= 30 * totals.runs
    assert totals.simulated_us >= 60_000_000 * totals.runs


@ENGINES
@pytest.mark.timeout(3_600)
def test_seeds(engine: str) -> None:
    judge(NORMAL, engine)


@pytest.mark.long
@ENGINES
@pytest.mark.timeout(7_200)
def test_many_seeds(engine: str) -> None:
    judge(LONG, engine)


def test_solo_runs_in_the_same_harness() -> None:
    totals = runner.run_all([runner.Job(seed, 1, "solo", faults.CLASSES) for seed in range(4)], 1)
    assert totals.details == []
    assert totals.heights >= 120
