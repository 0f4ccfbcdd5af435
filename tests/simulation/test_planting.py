"""Planted bugs: the canary is caught, the control is not, and (long) every bug is caught."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from bubi.simulation import planting
from bubi.simulation.planted import CANARY, PLANTED


def test_the_canary_is_caught_and_the_control_is_not() -> None:
    assert planting.try_bug(CANARY, 60).caught_by
    assert not planting.try_bug(planting.CONTROL, 5, unit=False).caught_by


def test_a_bug_is_caught_in_a_copy_only() -> None:
    bug = next(one for one in PLANTED if one.name == "send_before_persist")
    before = (planting.PACKAGE / bug.file).read_bytes()
    assert planting.try_bug(bug, 120).caught_by in {"sim", "twins"}
    assert (planting.PACKAGE / bug.file).read_bytes() == before


def test_a_report_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    file = tmp_path / "report.jsonl"
    first, second, third = PLANTED[:3]
    caught = planting.Verdict(first.name, "twins", "agreement", 1.5)
    report = planting.Report(file)
    assert report.find(first, 120) is None
    report.add(first, 120, caught)
    report.add(second, 120, planting.Verdict(second.name, "", "", 120.0))
    report.add(third, 120, planting.Verdict(third.name, "", "did not start: no module", 0.1))
    with file.open("a", encoding="utf-8") as cut:
        cut.write('{"case": "ab')
    again = planting.Report(file)
    assert again.find(first, 120) == caught
    assert again.find(second, 120) is not None
    # What did not run, and what was asked otherwise, is no verdict.
    assert again.find(third, 120) is None
    assert again.find(first, 60) is None
    assert planting.Report(file, seed=7).find(first, 120) is None
    assert again.find(replace(first, replace="something else"), 120) is None
    again.add(third, 120, planting.Verdict(third.name, "sim", "agreement", 2.0))
    assert planting.Report(file).find(third, 120) is not None


@pytest.mark.long
@pytest.mark.timeout(14_400)
def test_every_bug_is_caught() -> None:
    totals = planting.run_all(planting.names(), len(os.sched_getaffinity(0)), 120)
    assert totals.canary
    assert totals.control
    assert totals.survivors == []
    assert len(totals.verdicts) - len(totals.unit_only) >= 40
