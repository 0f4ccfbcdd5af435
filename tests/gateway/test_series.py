"""The store of series: bounded, exact, and the same after a restart."""

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bubi.gateway.series import store
from bubi.gateway.series.store import LEVELS, Key, SeriesStore, choose, merged

KEY = Key("height", "node1")
START = 1_700_000_000_000


def points(opened: SeriesStore, now: int, level: int) -> dict[int, tuple[float, float, float]]:
    ring = LEVELS[level]
    start = now - ring.span * 1000 + 1_000 * ring.step
    (found,) = opened.read([KEY], start, now + 1, now, ring.step)
    assert found.step == ring.step
    return {one.time: (one.low, one.mean, one.high) for one in found.points}


moments = st.lists(
    st.tuples(st.integers(0, 4_000), st.floats(-1e6, 1e6, allow_nan=False)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=30, deadline=None)
@given(moments)
def test_every_level_holds_lowest_average_and_highest_of_each_slot(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[tuple[int, float]]
) -> None:
    opened = SeriesStore(tmp_path_factory.mktemp("series") / "series.sqlite")
    expected: list[defaultdict[int, list[float]]] = [defaultdict(list) for _ in LEVELS]
    now = START
    try:
        for gap, value in gaps:
            now += gap * 1000
            opened.add([(KEY, value)], now)
            for level, one in enumerate(LEVELS):
                expected[level][now // 1000 // one.step].append(value)
        for level, one in enumerate(LEVELS):
            newest = now // 1000 // one.step
            begin = (now - one.span * 1000) // 1000 // one.step + 1
            wanted = {
                slot * one.step * 1000: values
                for slot, values in expected[level].items()
                if max(begin + 1, newest - one.slots + 1) <= slot
            }
            found = points(opened, now, level)
            assert set(found) >= set(wanted)
            for at, values in wanted.items():
                low, mean, high = found[at]
                assert (low, high) == (min(values), max(values))
                assert mean == pytest.approx(sum(values) / len(values), abs=1e-6)
    finally:
        opened.close()


def test_it_never_holds_more_than_its_rings(tmp_path: Path) -> None:
    opened = SeriesStore(tmp_path / "series.sqlite")
    ring = LEVELS[0]
    for turn in range(3 * ring.slots):
        opened.add([(KEY, float(turn))], START + turn * ring.step * 1000)
    now = START + (3 * ring.slots - 1) * ring.step * 1000
    found = points(opened, now, 0)
    assert len(found) <= ring.slots
    assert max(high for _, _, high in found.values()) == 3 * ring.slots - 1
    rows = opened._base.execute("SELECT count(*) FROM points").fetchone()[0]
    assert rows <= sum(one.slots for one in LEVELS)
    opened.close()


def test_it_is_the_same_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "series.sqlite"
    opened = SeriesStore(path)
    opened.add([(KEY, 1.0), (Key("rtt", "node1", "node2"), 0.5)], START)
    before = points(opened, START, 0)
    opened.close()
    again = SeriesStore(path)
    assert points(again, START, 0) == before
    assert again.names() == [KEY, Key("rtt", "node1", "node2")]
    again.add([(KEY, 3.0)], START)
    assert next(iter(points(again, START, 0).values())) == (1.0, 2.0, 3.0)
    again.close()


def test_late_measurements_do_not_bring_back_an_old_slot(tmp_path: Path) -> None:
    opened = SeriesStore(tmp_path / "series.sqlite")
    later = START + LEVELS[0].span * 1000
    opened.add([(KEY, 2.0)], later)
    opened.add([(KEY, 1.0)], START)  # its place in the ring is the same
    assert [high for _, _, high in points(opened, later, 0).values()] == [2.0]
    opened.close()


def test_names_are_bounded_and_old_ones_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SERIES_MAX", 3)
    opened = SeriesStore(tmp_path / "series.sqlite")
    opened.add([(Key("a", str(number)), 1.0) for number in range(5)], START)
    assert len(opened.names()) == 3
    assert opened.refused == 2
    later = START + store.KEPT_SECONDS * 1000 + 1_000
    opened.add([(Key("a", "0"), 1.0)], later)
    assert opened.forget_old(later + 1_000) == 2
    assert opened.names() == [Key("a", "0")]
    opened.add([(Key("b", "new"), 1.0)], later)
    assert len(opened.names()) == 2
    opened.close()


@settings(max_examples=200)
@given(st.integers(0, 20 * 86_400_000), st.integers(1, 20 * 86_400_000), st.integers(0, 90_000))
def test_an_answer_is_never_long(back: int, span: int, step: int) -> None:
    start = START - back
    level, wide = choose(start, start + span, START, step)
    assert wide % LEVELS[level].step == 0
    assert wide >= step
    assert span / 1000 / wide <= store.POINTS_MAX + 1


def test_coarser_answers_keep_the_peaks() -> None:
    rows = [(slot, float(slot), float(slot), float(slot), 1) for slot in range(24)]
    (first, second) = merged(rows, 5, 60)
    assert (first.low, first.mean, first.high) == (0, 5.5, 11)
    assert (second.low, second.high) == (12, 23)
