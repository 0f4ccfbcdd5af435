"""The state machine of alarms: when they fire, repeat and end."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bubi.gateway.alarms.machine import UNSEEN_SECONDS, Event, Machine, Reading, Transition
from bubi.gateway.alarms.rules import BY_CODE, DEFAULTS, Comparison
from bubi.gateway.alarms.texts import TITLES, UNITS

RULE = replace(BY_CODE["disk_low"], seconds=30, clear_seconds=20, repeat_seconds=100)
BAD, GOOD = 0.05, 0.5


def machine() -> Machine:
    return Machine([RULE])


def feed(made: Machine, *steps: tuple[int, float | None]) -> list[tuple[int, Event]]:
    """Readings at these seconds; transitions with their seconds."""
    found: list[tuple[int, Event]] = []
    for second, value in steps:
        reading = Reading(RULE.code, "node1", value)
        found += [(second, one.event) for one in made.observe([reading], second * 1000)]
    return found


def test_it_fires_after_its_time_and_ends_after_its_time() -> None:
    steps = [(0, BAD), (29, BAD), (30, BAD), (40, GOOD), (59, GOOD), (60, GOOD), (61, GOOD)]
    assert feed(machine(), *steps) == [(30, Event.FIRED), (60, Event.RESOLVED)]


def test_an_interruption_begins_anew() -> None:
    steps = [(0, BAD), (20, GOOD), (25, BAD), (54, BAD), (55, BAD)]
    assert feed(machine(), *steps) == [(55, Event.FIRED)]


def test_one_bad_look_while_it_is_ending_keeps_it() -> None:
    steps = [(0, BAD), (30, BAD), (40, GOOD), (55, BAD), (56, GOOD), (75, GOOD), (76, GOOD)]
    assert feed(machine(), *steps) == [(30, Event.FIRED), (76, Event.RESOLVED)]


def test_unknown_changes_nothing_but_is_not_bad_either() -> None:
    assert feed(machine(), (0, BAD), (20, None), (30, BAD), (59, BAD)) == []
    assert feed(machine(), (0, BAD), (30, BAD), (40, None), (500, None)) == [(30, Event.FIRED)]


def test_it_repeats_until_somebody_takes_care() -> None:
    made = machine()
    assert feed(made, (0, BAD), (30, BAD), (129, BAD), (130, BAD)) == [
        (30, Event.FIRED),
        (130, Event.REPEATED),
    ]
    made.acknowledge((RULE.code, "node1"))
    assert feed(made, (230, BAD), (330, BAD), (340, GOOD), (360, GOOD)) == [(360, Event.RESOLVED)]


def test_what_nothing_speaks_of_ends() -> None:
    made = machine()
    feed(made, (0, BAD), (30, BAD))
    assert made.observe([], (29 + UNSEEN_SECONDS) * 1000) == []
    (over,) = made.observe([], (30 + UNSEEN_SECONDS) * 1000)
    assert over.event is Event.RESOLVED


def test_a_disabled_rule_ends_its_alarms() -> None:
    made = machine()
    feed(made, (0, BAD), (30, BAD))
    made.set_rules([replace(RULE, enabled=False)])
    assert feed(made, (31, BAD)) == [(31, Event.RESOLVED)]
    assert feed(made, (80, BAD), (200, BAD)) == []


def test_an_alarm_that_was_active_before_a_restart_does_not_fire_again() -> None:
    made = machine()
    made.restore((RULE.code, "node1"), BAD, 0, acknowledged=True)
    assert feed(made, (40, BAD), (400, BAD), (410, GOOD), (430, GOOD)) == [(430, Event.RESOLVED)]


values = st.sampled_from([BAD, GOOD, None])
steps = st.lists(st.tuples(st.integers(1, 60), st.sampled_from(["a", "b"]), values), max_size=60)


@given(steps)
def test_every_alarm_fires_once_and_ends_at_most_once(
    given_steps: list[tuple[int, str, float | None]],
) -> None:
    made, now, active = machine(), 0, set()
    bad_since: dict[str, int] = {}
    for gap, key, value in given_steps:
        now += gap
        if value == BAD:
            bad_since.setdefault(key, now)
        elif key not in active:
            bad_since.pop(key, None)
        found = made.observe([Reading(RULE.code, key, value)], now * 1000)
        for one in found:
            if one.event is Event.FIRED:
                assert one.key not in active
                assert now - bad_since[one.key] >= RULE.seconds
                active.add(one.key)
            elif one.event is Event.RESOLVED:
                active.remove(one.key)
                bad_since.pop(one.key, None)
            else:
                assert one.key in active
        assert max(Counter((one.key, one.event) for one in found).values(), default=1) == 1
        assert_consistent(found, value)


def assert_consistent(found: list[Transition], value: float | None) -> None:
    if value is None:
        assert all(one.event is Event.RESOLVED for one in found)


def test_every_rule_has_a_title_in_both_languages() -> None:
    assert set(TITLES) == set(BY_CODE)
    for code, (english, chinese) in TITLES.items():
        assert english.isascii(), code
        assert any("\u4e00" <= one <= "\u9fff" for one in chinese), code
        assert ("{key}" in english) == ("{key}" in chinese), code


def test_every_unit_has_a_name_in_both_languages() -> None:
    assert {rule.unit for rule in DEFAULTS} == set(UNITS)
    assert all(english.isascii() for english, _ in UNITS.values())


def test_the_defaults_hold_what_was_promised() -> None:
    assert BY_CODE["validator_down"].threshold + BY_CODE["validator_down"].seconds == 10
    assert [BY_CODE[f"certificate_{days}"].threshold for days in (30, 7, 1)] == [30, 7, 1]
    assert len(DEFAULTS) == len(BY_CODE)
    below = {rule.code for rule in DEFAULTS if rule.comparison is Comparison.BELOW}
    assert below == {
        "disk_low", "disk_filling", "memory_low", "certificate_30", "certificate_7",
        "certificate_1", "quorum_lost", "proposal_unvoted",
    }  # fmt: skip
