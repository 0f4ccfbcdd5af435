"""Scenarios in which members have two instances."""

import os

import pytest

from bubi.consensus import engine_named
from bubi.simulation import twins

CORES = len(os.sched_getaffinity(0))
ENGINES = pytest.mark.parametrize("engine", ["pbft", "raft", "paxos"])


def judge(totals: twins.Totals, scenarios: int) -> None:
    assert totals.details == []
    assert totals.scenarios == scenarios
    assert len(totals.distinct) > 0.99 * scenarios
    assert totals.double_votes > 0.5 * scenarios


@pytest.mark.timeout(3_600)
@ENGINES
def test_scenarios(engine: str) -> None:
    judge(twins.run_all(engine, 5_000, 1, CORES), 5_000)


@pytest.mark.long
@pytest.mark.timeout(3_600)
@ENGINES
def test_many_scenarios(engine: str) -> None:
    judge(twins.run_all(engine, 20_000, 2, CORES), 20_000)


def test_every_scenario_lists_enough_rounds() -> None:
    for number in range(200):
        scenario = twins.draw(3, number)
        assert len(scenario.rounds) >= twins.ROUNDS_MIN
        assert scenario.twins >= 1
        assert all(len(groups) == scenario.instances for _, groups in scenario.rounds)


def test_a_member_beyond_what_is_tolerated_breaks_agreement_or_the_harness_sees_nothing() -> None:
    """With two twins among four the assumption of the protocol is gone: forks must show."""
    rounds = tuple((round_ % 2, (0, 0, 0, 1, 1, 1)) for round_ in range(8))
    outcome = twins.Run(twins.Scenario(4, 2, rounds), "pbft").run()
    assert any(text.startswith("agreement") for text in outcome.violations)


def test_same_scenario_same_outcome() -> None:
    scenario = twins.draw(5, 17)
    assert twins.Run(scenario, "pbft").run() == twins.Run(scenario, "pbft").run()


@pytest.mark.parametrize("engine", ["PbftEngine", "RaftEngine", "PaxosEngine"])
def test_engines_come_from_outside_too(engine: str) -> None:
    batch = twins.Batch(1, 0, 3, "", f"bubi.consensus:{engine}")
    assert twins.run_batch(batch).details == []
    assert engine_named("pbft", twins.Table()).name == "pbft"
