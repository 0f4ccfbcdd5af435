"""Quorum arithmetic against the published table and against its defining properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bubi.consensus import quorum as q

TABLE = {
    4: [(3, 1, 1), (3, 1, 1), (4, 3, 0), (4, 3, 0), (4, 3, 0)],
    7: [(5, 2, 2), (6, 4, 1), (6, 4, 1), (7, 6, 0), (7, 6, 0)],
    10: [(7, 3, 3), (8, 5, 2), (8, 5, 2), (9, 7, 1), (10, 9, 0)],
    13: [(9, 4, 4), (10, 6, 3), (11, 8, 2), (12, 10, 1), (13, 12, 0)],
    20: [(14, 7, 6), (15, 9, 5), (16, 11, 4), (18, 15, 2), (19, 17, 1)],
    31: [(21, 10, 10), (24, 16, 7), (25, 18, 6), (28, 24, 3), (30, 28, 1)],
    100: [(67, 33, 33), (75, 49, 25), (80, 59, 20), (90, 79, 10), (95, 89, 5)],
}
RATIOS = [(0, 1), (75, 100), (80, 100), (90, 100), (95, 100)]


@pytest.mark.parametrize("total", TABLE)
def test_table(total: int) -> None:
    rows = q.table(total, RATIOS)
    assert [(row.quorum, row.safe, row.live) for row in rows] == TABLE[total]


@given(
    total=st.integers(1, q.TOTAL_WEIGHT_MAX),
    denominator=st.integers(1, 1000),
    data=st.data(),
)
def test_properties(total: int, denominator: int, data: st.DataObject) -> None:
    numerator = data.draw(st.integers(0, denominator))
    needed = q.quorum(total, numerator, denominator)
    assert needed <= total
    assert 3 * needed > 2 * total
    assert needed * denominator >= total * numerator
    # One less would break one of the two floors.
    assert 3 * (needed - 1) <= 2 * total or (needed - 1) * denominator < total * numerator
    # Two certificates share more weight than may be faulty.
    assert 2 * needed - total > q.safe_faults(total, needed)
    # What is left without the largest silent weight is still a quorum.
    assert total - q.live_faults(total, needed) == needed
    assert q.catch_up_weight(total, needed) == q.live_faults(total, needed) + 1


def test_solo() -> None:
    assert q.quorum(1) == 1


@pytest.mark.parametrize(
    ("total", "numerator", "denominator"),
    [(0, 0, 1), (2**32 + 1, 0, 1), (4, 2, 1), (4, -1, 1), (4, 1, 0)],
)
def test_refused(total: int, numerator: int, denominator: int) -> None:
    with pytest.raises(ValueError, match="must lie between"):
        q.quorum(total, numerator, denominator)


@pytest.mark.parametrize(
    ("weights", "ratio", "names"),
    [
        ([1, 1, 1, 1], (0, 1), []),
        ([1, 1, 1, 1], (4, 5), [q.NO_FAULT_TOLERANCE]),
        ([1] * 9, (9, 10), [q.NO_FAULT_TOLERANCE]),
        ([1] * 10, (9, 10), []),
        ([1] * 10, (1, 1), [q.NO_FAULT_TOLERANCE]),
        ([1], (0, 1), [q.NO_FAULT_TOLERANCE]),
        ([1, 1, 1], (0, 1), [q.NO_FAULT_TOLERANCE]),
        ([3, 1, 1, 1, 1], (0, 1), ["m0"]),
        ([2, 1, 1, 1, 1, 1], (0, 1), []),
        ([4, 4, 1, 1], (0, 1), ["m0", "m1"]),
        ([2] * 3, (0, 1), [q.NO_FAULT_TOLERANCE]),
        ([5, 5, 5, 5, 1], (0, 1), []),
    ],
)
def test_what_must_be_acknowledged(
    weights: list[int], ratio: tuple[int, int], names: list[str]
) -> None:
    members = [(f"m{index}", weight) for index, weight in enumerate(weights)]
    needed = q.quorum(sum(weights), *ratio)
    assert q.to_acknowledge(members, needed) == names
    assert q.unacknowledged(members, needed, [*names, "other"]) == []
    assert q.unacknowledged(members, needed, names[1:]) == names[:1]


@given(weights=st.lists(st.integers(1, 9), min_size=1, max_size=12), numerator=st.integers(0, 20))
def test_nothing_need_be_acknowledged_where_any_one_may_be_down(
    weights: list[int], numerator: int
) -> None:
    members = [(str(index), weight) for index, weight in enumerate(weights)]
    needed = q.quorum(sum(weights), numerator, 20)
    enough = all(sum(weights) - weight >= needed for weight in weights)
    assert (q.to_acknowledge(members, needed) == []) == enough


@given(denominator=st.integers(1, 60), data=st.data())
def test_the_least_members_are_enough_and_one_less_is_not(
    denominator: int, data: st.DataObject
) -> None:
    numerator = data.draw(st.integers(0, denominator))
    least = q.least_members(numerator, denominator)
    if least is None:
        assert numerator == denominator
        return
    assert q.quorum(least, numerator, denominator) < least
    assert q.quorum(least - 1, numerator, denominator) == least - 1
