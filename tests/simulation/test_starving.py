"""A leader that starves the others is replaced; the checker sees when it is not (H10)."""

import pytest

from bubi.dissemination import Dissemination
from bubi.simulation import cluster

SEED = 0


@pytest.mark.parametrize("engine", ["pbft", "raft", "paxos"])
def test_a_starving_leader_is_replaced(engine: str) -> None:
    result = cluster.run(SEED, 4, engine=engine, classes=("starve",))
    assert result.violations == ()
    assert result.injected["starve"] > 3


def test_without_the_rule_the_checker_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dissemination, "_passed_over", lambda *_: None)
    result = cluster.run(SEED, 4, classes=("starve",))
    assert [one.checker for one in result.violations] == ["no_starvation"]
