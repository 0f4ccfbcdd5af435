"""Who may open a connection: limits per IP address and in all, and what is remembered."""

import ipaddress

import pytest

from bubi.network.addresses import IPAddress, IpRules
from bubi.network.admission import STRANGERS_MAX, Door, DoorLimits
from bubi.network.rates import (
    REPEATS_MAX,
    REPEATS_SECONDS,
    SAYINGS,
    Bucket,
    Rate,
    Repeats,
)

MANY = Rate(1_000, 1_000)


def ip(number: int) -> IPAddress:
    return ipaddress.IPv4Address(0x0A000000 + number)


def door(**limits: object) -> Door:
    fields = {"rate": MANY, "total_rate": MANY, **limits}
    return Door(DoorLimits(**fields), IpRules.parse((), ("10.0.0.9",)))  # type: ignore[arg-type]


def refusals(one: Door, number: int) -> dict[str, int]:
    found = [row for row in one.snapshot() if row["ip"] == str(ip(number))]
    return dict(found[0]["refused"]) if found else {}  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("limits", "reason", "other"),
    [
        ({"total": 2}, "connections", "connections"),
        ({"per_ip": 2}, "connections_of_ip", None),
        ({"half_open": 2}, "half_open", "half_open"),
        ({"half_open_per_ip": 2}, "half_open_of_ip", None),
        ({"rate": Rate(1, 2)}, "connection_rate", None),
        ({"total_rate": Rate(1, 2)}, "connection_rate_of_all", "connection_rate_of_all"),
    ],
)
def test_limits(limits: dict[str, object], reason: str, other: str | None) -> None:
    one = door(**limits)
    assert one.admit(ip(1), 0) is None
    assert one.admit(ip(1), 0) is None
    assert one.admit(ip(1), 0) == reason
    assert refusals(one, 1) == {reason: 1}
    # Another IP address is stopped only by what counts for all.
    assert one.admit(ip(2), 0) == other


def test_denied() -> None:
    assert door().admit(ip(9), 0) == "ip_denied"


def test_room_comes_back() -> None:
    one = door(per_ip=1, half_open_per_ip=1)
    for _ in range(3):
        assert one.admit(ip(1), 0) is None
        assert one.admit(ip(1), 0) is not None
        one.greeted(ip(1))
        one.closed(ip(1), greeted=True, reason="lost", now=0)
        assert one.admit(ip(1), 0) is None
        one.closed(ip(1), greeted=False, reason="tls", now=0)
    assert refusals(one, 1)["tls"] == 3


def test_a_storm_does_not_shut_its_address_out_for_long() -> None:
    one = door(rate=Rate(2, 2))
    for _ in range(1_000):
        one.admit(ip(1), 0)
    assert one.admit(ip(1), 0.4) == "connection_rate"
    assert one.admit(ip(1), 1.5) is None


def test_memory_is_bounded_and_who_is_connected_is_not_forgotten() -> None:
    one = door(half_open=10)
    assert one.admit(ip(1), 0) is None
    for number in range(100, 100 + 3 * STRANGERS_MAX):
        assert one.admit(ip(number), number) is None
        one.closed(ip(number), greeted=False, reason="tls", now=number)
    assert len(one.snapshot()) <= STRANGERS_MAX
    one.closed(ip(1), greeted=False, reason="tls", now=1)
    assert refusals(one, 1) == {"tls": 1}


def test_what_others_cause_is_said_once_in_a_while() -> None:
    said = Repeats()
    assert [said.say("a", 0), said.say("a", 1), said.say("a", 2), said.say("b", 2)] == [
        0,
        None,
        None,
        0,
    ]
    assert said.say("a", REPEATS_SECONDS) == 2
    # All together are bounded, and so is what is remembered.
    lines = sum(said.say(number, 100) is not None for number in range(2 * REPEATS_MAX))
    assert lines == SAYINGS.burst
    assert said.say(2 * REPEATS_MAX - 1, 101) == 1
    assert said.say(0, 101 + REPEATS_SECONDS) == 0


def test_bucket() -> None:
    bucket = Bucket(Rate(10, 5), 0)
    assert [bucket.take(1, 0) for _ in range(5)] == [0] * 5
    assert bucket.take(10, 0) == pytest.approx(1)
    assert bucket.take(0, 0.5) == pytest.approx(0.5)
    assert bucket.take(0, 1.0) == 0
    assert not bucket.allow(1.0)
    assert bucket.allow(1.1)
    # Never more than the burst, however long nothing happened.
    assert [bucket.allow(100) for _ in range(6)] == [True] * 5 + [False]
