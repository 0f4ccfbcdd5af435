"""The table of quorums, proved by running it.

With f_safe equivocators agreement holds, with one more the simulator shows the fork.
"""

from pathlib import Path
from typing import Any

import pytest

from bubi.consensus import ENGINES
from bubi.simulation import thresholds, twins
from bubi.simulation.thresholds import Threshold

NATIVE = sorted(set(ENGINES) - {"solo"})
EQUAL = [
    (4, (2, 3), 3, 1, 1),
    (7, (2, 3), 5, 2, 2),
    (7, (4, 5), 6, 4, 1),
    (10, (2, 3), 7, 3, 3),
    (10, (3, 4), 8, 5, 2),
    (10, (9, 10), 9, 7, 1),
    (13, (9, 10), 12, 10, 1),
]
"""Members of weight 1, ratio, and the quorum, f_safe and f_live that the table promises."""
TABLE = {
    4: [(3, 1, 1), (4, 3, 0), (4, 3, 0), (4, 3, 0)],
    7: [(5, 2, 2), (6, 4, 1), (7, 6, 0), (7, 6, 0)],
    10: [(7, 3, 3), (8, 5, 2), (9, 7, 1), (10, 9, 0)],
    13: [(9, 4, 4), (11, 8, 2), (12, 10, 1), (13, 12, 0)],
    20: [(14, 7, 6), (16, 11, 4), (18, 15, 2), (20, 19, 0)],
    31: [(21, 10, 10), (25, 18, 6), (28, 24, 3), (31, 30, 0)],
}
"""The table of docs/thresholds.md: by members, for each ratio quorum, f_safe and f_live."""
RATIOS = [(2, 3), (4, 5), (9, 10), (1, 1)]
ROWS = [
    (members, ratio, row)
    for members, rows in TABLE.items()
    for ratio, row in zip(RATIOS, rows, strict=True)
]
PAGE = Path(__file__).parents[2] / "docs/thresholds.md"
WEIGHTED = [
    ((3, 2, 2, 1, 1, 1), (2, 3), 4),
    ((3, 2, 2, 1, 1, 1, 1), (4, 5), 7),
    ((4, 3, 3, 3, 2, 2, 2, 1), (9, 10), 16),
    ((5, 5, 5, 5), (2, 3), 10),
]
"""Weights, ratio, and the weight of the lightest equivocators that can fork them."""
SEEDS = range(12)


@pytest.mark.parametrize(
    ("members", "ratio", "quorum", "safe", "live"),
    [*EQUAL, (20, (9, 10), 18, 15, 2), (31, (9, 10), 28, 24, 3)],
)
def test_the_attacks_are_the_sharpest_there_are(
    members: int, ratio: tuple[int, int], quorum: int, safe: int, live: int
) -> None:
    threshold = Threshold((1,) * members, ratio)
    assert (threshold.quorum, threshold.safe, threshold.live) == (quorum, safe, live)
    within = threshold.strongest(safe)
    assert threshold.weight(within.equivocators) == safe
    assert threshold.strength(within) == quorum - 1
    beyond = threshold.least_fork()
    assert beyond is not None
    assert threshold.weight(beyond.equivocators) == safe + 1
    assert threshold.strength(beyond) == quorum


@pytest.mark.parametrize("engine", NATIVE)
@pytest.mark.parametrize(("members", "ratio"), [row[:2] for row in EQUAL])
def test_whole_nodes_agree_with_f_safe_and_fork_with_one_more(
    engine: str, members: int, ratio: tuple[int, int]
) -> None:
    threshold = Threshold((1,) * members, ratio)
    row = thresholds.show(threshold, engine)
    assert row.held
    assert row.heights > 3
    assert (row.fork, row.forked) == (threshold.safe + 1, True)
    assert row.good


@pytest.mark.parametrize("engine", NATIVE)
@pytest.mark.parametrize(("members", "ratio", "row"), ROWS)
def test_every_row_of_the_table_holds_and_forks_with_one_more(
    engine: str, members: int, ratio: tuple[int, int], row: tuple[int, int, int]
) -> None:
    """Engine, driver and guard of every member, over a double of the ledger."""
    threshold = Threshold((1,) * members, ratio)
    assert (threshold.quorum, threshold.safe, threshold.live) == row
    within = thresholds.try_twins(threshold, threshold.strongest(threshold.safe), engine)
    assert within.violations == ()
    assert within.heights > 3
    attack = threshold.least_fork()
    if threshold.quorum == members:
        # One more are all of them: no correct members are left to be divided.
        assert attack is None
        return
    assert attack is not None
    assert len(attack.equivocators) == threshold.safe + 1
    assert thresholds.try_twins(threshold, attack, engine).forked


@pytest.mark.parametrize("engine", NATIVE)
def test_twenty_whole_nodes_agree_at_9_10_and_fork_with_one_more(engine: str) -> None:
    row = thresholds.show(Threshold((1,) * 20, (9, 10)), engine)
    assert row.held
    assert row.heights > 3
    assert (row.fork, row.forked) == (16, True)


def test_the_page_has_this_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for members, rows in TABLE.items():
        cells = " | ".join(", ".join(map(str, row)) for row in rows)
        assert f"| {members} | {cells} |\n" in page


@pytest.mark.parametrize("engine", NATIVE)
@pytest.mark.parametrize(("weights", "ratio", "fork"), WEIGHTED)
def test_weights_count_and_not_heads(
    engine: str, weights: tuple[int, ...], ratio: tuple[int, int], fork: int
) -> None:
    threshold = Threshold(weights, ratio)
    row = thresholds.show(threshold, engine)
    assert row.held
    assert row.heights > 3
    assert (row.fork, row.forked) == (fork, True)
    assert fork > threshold.safe


@pytest.mark.parametrize("engine", NATIVE)
@pytest.mark.parametrize(("members", "ratio"), [(4, (2, 3)), (7, (4, 5)), (10, (9, 10))])
def test_random_divisions_find_the_fork_only_beyond_f_safe(
    engine: str, members: int, ratio: tuple[int, int]
) -> None:
    threshold = Threshold((1,) * members, ratio)
    found = []
    for equivocators in (threshold.safe, threshold.safe + 1):
        outcomes = [
            twins.Run(thresholds.random_scenario(threshold, equivocators, seed), engine).run(
                thresholds.DIVIDED
            )
            for seed in SEEDS
        ]
        assert sum(outcome.double_votes for outcome in outcomes)
        assert sum(outcome.heights for outcome in outcomes) > len(SEEDS)
        found.append([text for outcome in outcomes for text in outcome.violations])
    within, beyond = found
    assert within == []
    assert beyond
    assert {text.partition(":")[0] for text in beyond} == {thresholds.FORK}


@pytest.mark.parametrize("engine", NATIVE)
@pytest.mark.parametrize(("members", "ratio"), [(7, (4, 5)), (10, (9, 10))])
def test_f_safe_members_that_tell_every_lie_harm_nobody(
    engine: str, members: int, ratio: tuple[int, int]
) -> None:
    """More may lie than may be silent: the network may stop, and must not fork."""
    threshold = Threshold((1,) * members, ratio)
    lies = 0
    for seed in (1, 2):
        trial, told = thresholds.try_liars(threshold, range(threshold.safe), engine, seed)
        assert trial.violations == ()
        lies += told
    assert lies


def test_with_unanimity_no_two_correct_members_can_be_divided() -> None:
    threshold = Threshold((1,) * 5, (1, 1))
    assert (threshold.safe, threshold.live) == (4, 0)
    assert threshold.least_fork() is None
    row = thresholds.show(threshold)
    assert (row.held, row.fork, row.forked, row.good) == (True, None, False, True)


def test_a_promise_that_does_not_hold_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quorum that is one too small forks with f_safe equivocators, and the row says so."""
    real = thresholds.quorum

    def too_small(*arguments: Any) -> int:
        return real(*arguments) - 1

    monkeypatch.setattr("bubi.ledger.quorum", too_small)
    row = thresholds.show(Threshold((1,) * 7, (4, 5)))
    assert not row.held
    assert not row.good
