"""Planted bugs: the text that each replaces is where it says, once (code moves under it)."""

from pathlib import Path

import pytest

from bubi.simulation import planting
from bubi.simulation.planted import CANARY, PLANTED, Planted


@pytest.mark.parametrize("bug", [*PLANTED, CANARY], ids=lambda bug: bug.name)
def test_the_text_stands_exactly_once(bug: Planted) -> None:
    text = (planting.PACKAGE / bug.file).read_text(encoding="utf-8")
    assert text.count(bug.find) == 1
    assert bug.find != bug.replace
    compile(text.replace(bug.find, bug.replace), bug.file, "exec")


def test_names_are_distinct_and_enough() -> None:
    assert len(set(planting.names())) == len(PLANTED) >= 40


def test_a_bug_that_moved_is_refused(tmp_path: Path) -> None:
    moved = Planted("moved", CANARY.file, "text that stands nowhere", "")
    with pytest.raises(planting.MovedError):
        planting.plant(moved, tmp_path)
