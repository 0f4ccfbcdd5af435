"""Every order of events of the engine's own step on a small model (see exploration.py).

Two ballots are explored in full, and three where a value was chosen in the first; three from the
start up to a number of states, in the long run to more of them. What a rule is taken out of must
fail, or the exploration proves nothing. How many states there are, the first one counted, stands
in spec/consensus/paxos.md as well.
"""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bubi.consensus import paxos
from bubi.simulation.planted import PLANTED

from .exploration import LIAR, Explorer, Found

TWO = {
    (LIAR, LIAR): 1_062,
    (LIAR, 0): 1_157,
    (0, LIAR): 1_272,
    (0, 1): 1_034,
    (0, 0): 547,
}
"""Who leads which ballot: every choice, but for the names of correct members; and the states."""
THREE = {
    (LIAR, LIAR, LIAR): 9_026,
    (LIAR, 0, LIAR): 14_386,
    (0, LIAR, 1): 27_444,
    (LIAR, 0, 1): 15_372,
}
"""The same of three ballots, after a choice in the first."""
STATES = 3_000
STATES_LONG = 100_000
PAGE = Path(__file__).parents[2] / "spec/consensus/paxos.md"
Report = Callable[[str, object], None]


def tell(record_property: Report, found: Found) -> None:
    """How many states were seen stands in the report of the run (`--junitxml`)."""
    record_property("states", found.states)
    record_property("transitions", found.transitions)
    record_property("complete", found.complete)


def ballots(found: Found) -> set[frozenset[int]]:
    """The sets of ballots in which something was chosen together."""
    return {frozenset(ballot for ballot, _ in chosen) for chosen in found.chosen}


@pytest.mark.parametrize("leaders", TWO)
def test_two_ballots_in_full(leaders: tuple[int, ...], record_property: Report) -> None:
    found = Explorer(leaders).run()
    tell(record_property, found)
    assert found.violations == []
    assert found.complete
    assert found.states == TWO[leaders]
    # A value is chosen in either ballot alone, and again after it was chosen before.
    assert ballots(found) == {frozenset({0}), frozenset({1}), frozenset({0, 1})}


@pytest.mark.parametrize("leaders", THREE)
def test_three_ballots_after_a_choice_in_full(
    leaders: tuple[int, ...], record_property: Report
) -> None:
    found = Explorer(leaders).run(decided=True)
    tell(record_property, found)
    assert found.violations == []
    assert found.complete
    assert found.states == THREE[leaders]
    assert {frozenset({0}), frozenset({0, 1}), frozenset({0, 1, 2})} <= ballots(found)


@pytest.mark.parametrize(
    "states",
    [STATES, pytest.param(STATES_LONG, marks=[pytest.mark.long, pytest.mark.timeout(3_600)])],
)
@pytest.mark.parametrize("leaders", THREE)
def test_three_ballots_from_the_start(
    leaders: tuple[int, ...], states: int, record_property: Report
) -> None:
    found = Explorer(leaders).run(states)
    tell(record_property, found)
    assert found.violations == []
    assert found.complete or found.states == states


def test_the_page_says_how_many_states_there_are() -> None:
    rows = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if "| in full |" in line
    ]
    for row, counts in zip(rows, (TWO, THREE), strict=True):
        assert row.endswith("| " + "; ".join(f"{one:,}" for one in counts.values()) + " |")


BUGS = {
    bug.name: (bug.find, bug.replace)
    for bug in PLANTED
    if bug.name
    in {
        "paxos_1c_of_a_ballot_that_is_over",
        "paxos_safe_without_the_first_condition",
        "paxos_safe_without_the_second_condition",
        "paxos_1b_unverified",
        "paxos_phase_1_of_a_minority",
        "paxos_1b_counted_several_times",
        "paxos_last_2b_forgotten_in_a_new_ballot",
    }
} | {
    # The guard would refuse the second one; the exploration has no guard.
    "two 1c of a ballot are answered": (
        "            if self._is_open(message.signed):\n",
        "            self.state.voting = self.state.executing = False\n"
        "            if message.signed.request.round == self.state.round:\n",
    ),
}


SEARCHES = [((LIAR, LIAR), False), ((LIAR, 0), False), ((LIAR, LIAR, LIAR), True)]


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """Makes an engine with a bug in it."""
    source = Path(str(paxos.__file__)).read_text(encoding="utf-8")
    name = "paxos_with_a_bug"

    def make(bug: str) -> Any:
        find, instead = BUGS[bug]
        if source.count(find) != 1:
            # tests/unit/test_planted.py sees to it that the text stands in the real one.
            pytest.skip("this copy of the package has a bug already")
        path = tmp_path / f"{name}.py"
        path.write_text(source.replace(find, instead), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.PaxosEngine

    yield make
    sys.modules.pop(name, None)


@pytest.mark.parametrize("bug", BUGS)
def test_a_rule_that_is_taken_out_shows(bug: str, planted: Callable[[str], Any]) -> None:
    make = planted(bug)
    violations: list[str] = []
    for leaders, decided in SEARCHES:
        violations = Explorer(leaders, make).run(20_000, decided=decided).violations
        if violations:
            break
    assert violations
