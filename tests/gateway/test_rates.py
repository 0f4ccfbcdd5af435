"""Limits of those who have no session, and of the faucet."""

from pathlib import Path

import pytest

from bubi.gateway import rates
from bubi.gateway.access import Role
from bubi.gateway.rates import PERIOD_US, SITE_FACTOR, Buckets
from tests.gateway.world import World, code

PERIOD_MS = PERIOD_US // 1_000


def taken(buckets: Buckets, address: str, now: int, tries: int = 1_000) -> int:
    return sum(buckets.take(address, now) == 0 for _ in range(tries))


def test_a_bucket_holds_its_size_and_fills_within_a_minute() -> None:
    buckets = Buckets(6)
    assert taken(buckets, "10.0.0.1", 0) == 6
    assert buckets.take("10.0.0.1", 0) == PERIOD_MS // 6
    assert taken(buckets, "10.0.0.1", PERIOD_MS // 6) == 1
    assert taken(buckets, "10.0.0.1", PERIOD_MS * 3) == 6


@pytest.mark.parametrize("size", [7, 11, 13, 49, 700, 1_201])
def test_a_bucket_of_any_size_is_full(size: int) -> None:
    assert taken(Buckets(size), "10.0.0.1", 1_700_000_000_123, 2_000) == size


def test_addresses_have_buckets_of_their_own() -> None:
    buckets = Buckets(3)
    assert taken(buckets, "10.0.0.1", 0) == 3
    assert taken(buckets, "10.0.0.2", 0) == 3
    assert taken(buckets, "::ffff:10.0.0.2", 0) == 0


def test_who_has_many_networks_has_not_as_many_buckets() -> None:
    buckets = Buckets(3)
    assert taken(buckets, "2001:db8::1", 0) == 3
    assert taken(buckets, "2001:db8::2", 0) == 0
    others = sum(taken(buckets, f"2001:db8:0:{one:x}::1", 0) for one in range(1, 100))
    assert others == 3 * SITE_FACTOR - 3
    assert taken(buckets, "2001:db8:1::1", 0) == 3


def test_buckets_have_bounded_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "KEPT_MAX", 10)
    buckets = Buckets(1)
    for one in range(100):
        assert buckets.take(f"10.0.0.{one}", 0) == 0
    assert len(buckets) == 10
    assert buckets.take("10.0.0.99", 0) > 0


def test_visitors_are_limited_and_users_are_not(tmp_path: Path) -> None:
    world = World(tmp_path, explorer={"public": True, "requests": 3})
    visitor, user = world.visitor(), world.user(Role.READ_ONLY)
    # Nothing is indexed here: what matters is that it was let in.
    assert [code(visitor.ask("GET", "/blocks")) for _ in range(4)] == [
        "index_starting", "index_starting", "index_starting", "too_many_requests",
    ]  # fmt: skip
    refused = visitor.ask("GET", "/search?q=1")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "20")
    assert code(user.ask("GET", "/blocks")) == "index_starting"
    elsewhere = world.visitor()
    elsewhere.address = "10.0.0.7"
    assert code(elsewhere.ask("GET", "/blocks")) == "index_starting"
    world.clock.now += PERIOD_MS
    assert code(visitor.ask("GET", "/blocks")) == "index_starting"


def test_the_faucet_has_a_limit_of_its_own_for_everybody(tmp_path: Path) -> None:
    sections = {"explorer": {"public": True}, "sandbox": {"requests": 2}}
    world = World(tmp_path, **sections)
    user = world.user(Role.READ_ONLY)

    def wish() -> str:
        return code(user.ask("POST", "/sandbox/faucet", {"key": {"ed25519": "00" * 32}}))

    found = [wish() for _ in range(3)]
    assert "too_many_requests" not in found[:2]
    assert found[2] == "too_many_requests"
    assert code(user.ask("GET", "/blocks")) == "index_starting"
    world.clock.now += PERIOD_MS
    assert wish() != "too_many_requests"
