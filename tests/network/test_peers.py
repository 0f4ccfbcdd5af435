"""The peer table: whom to dial and when, bans, trust, what neighbours may tell."""

from dataclasses import replace
from itertools import pairwise

import pytest

from bubi.network.addresses import Address, IpRules, Neighbour
from bubi.network.peers import (
    ADDRESSES_MAX,
    ADDRESSES_PER_TEACHER_MAX,
    HEARSAY_PER_NODE_MAX,
    LEARNED_ATTEMPTS_MAX,
    NODES_MAX,
    PeerTable,
    Policy,
    TrustRules,
)

OWN = bytes(32)


def node(number: int) -> bytes:
    return number.to_bytes(32, "big")


def place(number: int) -> Address:
    return Address(f"10.0.{number // 250}.{number % 250 + 1}", 7000)


def neighbour(number: int, roles: int = 1) -> Neighbour:
    return Neighbour(node(number), roles, place(number))


def table(**policy: object) -> PeerTable:
    return PeerTable(OWN, Policy(**policy), place(0))  # type: ignore[arg-type]


def up(one: PeerTable, number: int, now: float = 0, roles: int = 1) -> None:
    record = one.seen(node(number), f"node-{number}", "Alpha")
    one.up(record, roles, place(number), now)


def row(one: PeerTable, number: int, now: float) -> dict[str, object]:
    return next(row for row in one.snapshot(now) if row["id"] == node(number).hex())


def test_seeds_are_dialled_once_at_a_time_and_again_after_a_while() -> None:
    one = table()
    one.add_seed(place(0))
    one.add_seed(place(1))
    assert one.due(0) == [place(1)]
    assert one.due(0) == []
    one.dial_ended(place(1), None, "refused", 0)
    assert one.due(0.1) == []
    assert one.due(0.5) == [place(1)]


def test_delays_double_to_a_cap_with_jitter() -> None:
    one = table(dial_first=1, dial_max=100)
    delays = [one.delay(place(1), attempt) for attempt in range(12)]
    for attempt, delay in enumerate(delays):
        assert min(100, 2**attempt) / 2 <= delay <= min(100, 2**attempt)
    assert delays == [one.delay(place(1), attempt) for attempt in range(12)]
    refused = [one.delay(place(1), attempt, "refused") for attempt in range(12)]
    assert max(refused) <= one.policy.dial_refused_max < max(delays), "it is being started"
    assert max(one.delay(place(1), 11, why) for why in ("timeout", "unreachable")) > 40
    others = {PeerTable(node(n), Policy()).delay(place(1), 3) for n in range(50)}
    assert len(others) == 50


def test_target_and_preference() -> None:
    one = table(target=3)
    one.learn(node(9), [neighbour(1, 0), neighbour(2, 1), neighbour(3, 0), neighbour(4, 1)], 0)
    one.add_seed(place(5))
    first = one.due(0)
    assert len(first) == 3
    # Validators, then seeds of whom nothing is known, then the others.
    assert set(first[:2]) == {place(2), place(4)}
    assert first[2] == place(5)
    assert one.due(0) == []
    one.dial_ended(place(2), None, "refused", 0)
    assert len(one.due(0)) == 1
    many = table(target=100, dials_at_once=2)
    many.learn(node(9), [neighbour(n) for n in range(1, 20)], 0)
    assert len(many.due(0)) == 2


def test_connected_nodes_and_oneself_are_not_dialled() -> None:
    one = table()
    one.add_seed(place(1))
    one.add_seed(place(2))
    up(one, 1)
    assert one.due(0) == [place(2)]
    one.dial_ended(place(2), OWN, "self", 0)
    assert one.due(1_000) == []
    one.down(node(1), "lost", 1_000)
    assert one.due(1_000) == []
    assert one.due(1_000.5) == [place(1)]


def test_of_two_nodes_that_may_dial_the_smaller_goes_first() -> None:
    small, large = PeerTable(node(1), Policy(), place(1)), PeerTable(node(2), Policy(), place(2))
    small.learn(node(9), [neighbour(2)], 0)
    large.learn(node(9), [neighbour(1)], 0)
    assert small.due(0) == [place(2)]
    assert large.due(0) == []
    assert large.due(0.5) == [place(1)]


def test_two_addresses_of_one_node_are_not_dialled_at_once() -> None:
    one = table()
    one.learn(node(9), [neighbour(1), Neighbour(node(1), 1, place(7))], 0)
    chosen = one.due(0)
    assert len(chosen) == 1
    assert one.due(0) == []


def test_connections_that_end_at_once_are_retried_more_slowly() -> None:
    one = table(dial_first=1, stable=10)
    one.add_seed(place(1))
    waits, now = [], 0.0
    for _ in range(4):
        up(one, 1, now)
        one.down(node(1), "lost", now)
        start = now
        while not one.due(now):
            now += 0.05
        one.dial_ended(place(1), node(1), None, now)
        waits.append(now - start)
    assert all(later > earlier for earlier, later in pairwise(waits))
    up(one, 1, now)
    one.down(node(1), "lost", now + 11)
    assert one.due(now + 12.1) == [place(1)]


def test_what_is_learned_is_bounded() -> None:
    one = table()
    assert one.learn(node(9), [neighbour(0), Neighbour(OWN, 1, place(1))], 0) == 2
    bad = [Neighbour(node(1), 1, Address(host, 1)) for host in ("0.0.0.0", "224.0.0.1", "::")]
    assert one.learn(node(9), bad, 0) == 3
    for teacher in range(1, 20):
        start = teacher * 1_000
        lesson = [neighbour(number) for number in range(start, start + 200)]
        ignored = one.learn(node(teacher), lesson, 0)
        assert ignored >= 200 - ADDRESSES_PER_TEACHER_MAX
    assert len(one.addresses(0)) == ADDRESSES_MAX
    assert table(learn=False).learn(node(9), [neighbour(1)], 0) == 1
    ruled = table(rules=IpRules.parse((), ("10.0.0.0/24",)))
    assert ruled.learn(node(9), [neighbour(1), neighbour(300)], 0) == 1


def test_addresses_that_never_answer_are_forgotten_and_counted() -> None:
    one = table(dial_first=1, dial_max=1)
    up(one, 9)
    one.learn(node(9), [neighbour(1)], 0)
    one.add_seed(place(2))
    for attempt in range(LEARNED_ATTEMPTS_MAX):
        assert place(1) in one.due(attempt * 10)
        one.dial_ended(place(1), None, "refused", attempt * 10)
        one.dial_ended(place(2), None, "refused", attempt * 10)
    known = {entry["address"] for entry in one.addresses(0)}
    assert str(place(1)) not in known
    assert str(place(2)) in known
    assert row(one, 9, 0)["bogus_addresses"] == 1


def test_hearsay_about_a_connected_node_adds_nothing() -> None:
    one = table()
    up(one, 1)
    assert one.learn(node(9), [Neighbour(node(1), 1, place(77))], 0) == 1


def test_hearsay_about_a_node_that_is_away_is_tried_and_forgotten_if_it_is_wrong() -> None:
    one = table(dial_first=1, dial_max=1)
    up(one, 9)
    up(one, 1)
    one.down(node(1), "lost", 1)
    assert one.learn(node(9), [Neighbour(node(1), 1, place(77))], 1) == 0
    # The place of before and the new one are tried in turn, never at once.
    tried = []
    for attempt in range(2 * LEARNED_ATTEMPTS_MAX):
        (address,) = one.due(100 + attempt * 10)
        tried.append(address)
        one.dial_ended(address, None, "refused", 100 + attempt * 10)
    assert tried.count(place(77)) == LEARNED_ATTEMPTS_MAX
    # What the node said itself is kept, however long it is away.
    assert {entry["address"] for entry in one.addresses(0)} == {str(place(9)), str(place(1))}
    assert row(one, 9, 0)["bogus_addresses"] == 1


def simulate(one: PeerTable, wanted: set[Address], start: float, seconds: float) -> list[Address]:
    """Dials from `start` on until all `wanted` were; nobody answers, for `seconds` each."""
    tried: list[Address] = []
    under_way: dict[Address, float] = {}
    now = start
    while not wanted <= set(tried):
        assert now < start + 3_600, "not within an hour"
        for address in [address for address, end in under_way.items() if end <= now]:
            one.dial_ended(address, None, "timeout", under_way.pop(address))
        begun = one.due(now)
        tried += begun
        under_way.update((address, now + seconds) for address in begun)
        now += 0.5
    return tried


def lie(one: PeerTable, teacher: int, lesson: list[Neighbour], now: float) -> int:
    """Tells a list; how much of it was taken."""
    up(one, teacher, now)
    return len(lesson) - one.learn(node(teacher), lesson, now)


def test_invented_addresses_of_a_node_do_not_keep_its_own_from_being_dialled() -> None:
    one = table()
    up(one, 1)
    one.down(node(1), "lost", 20)
    taken = 0
    for teacher in range(300, 320):
        places = range(teacher * 50, teacher * 50 + 50)
        taken += lie(one, teacher, [Neighbour(node(1), 1, place(n)) for n in places], 20)
    assert taken == 20 * HEARSAY_PER_NODE_MAX
    one.policy = replace(one.policy, target=100)
    # However often nobody answered there, at least every other attempt is at its own address.
    now = 25.0
    for _ in range(5):
        tried = simulate(one, {place(1)}, now, 5)
        assert len(tried) <= 2
        now += 5 * len(tried)
        one.dial_ended(place(1), None, "refused", now)
        now += one.policy.dial_refused_max


@pytest.mark.parametrize("target", [3, 20, 100])
def test_invented_nodes_do_not_keep_known_ones_from_being_dialled(target: int) -> None:
    one = table(target=target)
    up(one, 1)
    one.down(node(1), "lost", 0)
    one.add_seed(place(2))
    known = {place(1), place(2)}
    for address in known:
        one.dial_ended(address, None, "timeout", 0)
    lesson = [neighbour(number) for number in range(1_000, 1_150)]
    assert lie(one, 9, lesson, 0) == ADDRESSES_PER_TEACHER_MAX
    assert len(simulate(one, known, 100, 5)) <= one.policy.dials_at_once


def test_hearsay_has_all_attempts_while_nothing_else_is_due() -> None:
    one = table()
    lesson = [neighbour(number) for number in range(1_000, 1_150)]
    assert lie(one, 9, lesson, 0) == ADDRESSES_PER_TEACHER_MAX
    assert len(one.due(1)) == one.policy.dials_at_once


def test_who_is_said_to_be_at_a_seed_does_not_keep_it_from_being_dialled() -> None:
    one = table()
    one.add_seed(place(1))
    one.add_seed(place(2))
    one.add_seed(place(3))
    lesson = [Neighbour(OWN, 1, place(1)), Neighbour(node(9), 1, place(2)), neighbour(3)]
    assert lie(one, 9, lesson, 0) == 0
    assert set(one.due(0)) == {place(1), place(2), place(3)}
    # People are told whom others name there, unless that node is elsewhere.
    named = {entry["address"]: entry["node"] for entry in one.addresses(0)}
    assert named[str(place(2))] is None
    assert named[str(place(3))] == node(3).hex()


def test_behind_a_proxy_a_node_that_is_being_started_is_tried_again_soon() -> None:
    one = table(dial_first=1, dial_max=64, dial_refused_max=2)
    assert one.delay(place(1), 20, "proxy_unreachable") <= 2
    assert one.delay(place(1), 20, "proxy_refused") >= 32


def test_a_node_that_moved_is_looked_for_at_its_new_place() -> None:
    one = table()
    up(one, 1)
    one.down(node(1), "lost", 1)
    record = one.seen(node(1), "node-1", "Alpha")
    one.up(record, 1, place(50), 2)
    assert [entry["address"] for entry in one.addresses(0)] == [str(place(50))]


def test_neighbours() -> None:
    one = table()
    for number in range(1, 120):
        up(one, number, roles=number % 2)
    silent = one.seen(node(500), "outbound only", "Alpha")
    one.up(silent, 1, None, 0)
    told = one.neighbours(node(1))
    assert len(told) == 50
    assert all(entry.roles == 1 for entry in told)
    assert [entry.node for entry in told] == sorted(entry.node for entry in told)
    assert not {node(1), node(500)} & {entry.node for entry in told}
    one.down(node(3), "lost", 1)
    assert node(3) not in {entry.node for entry in one.neighbours(node(1))}


def test_bans_grow_end_and_are_forgotten() -> None:
    one = table(ban_first=10, ban_max=35, memory=100)
    up(one, 1)
    assert one.punish(node(1), "frame_kind", 0) == 10
    assert one.refuses(node(1), "Alpha", b"", 9.9) == "banned"
    assert one.refuses(node(1), "Alpha", b"", 10.1) is None
    one.down(node(1), "frame_kind", 0)
    assert row(one, 1, 5)["state"] == "banned"
    assert row(one, 1, 5)["reason"] == "frame_kind"
    assert one.due(5) == []
    assert one.punish(node(1), "window", 20) == 40
    assert one.punish(node(1), "window", 50) == 85
    assert one.punish(node(1), "window", 60) == 95
    assert one.punish(node(1), "window", 200) == 210
    assert one.pardon(node(1))
    assert one.refuses(node(1), "Alpha", b"", 200) is None
    assert not one.pardon(node(1))
    assert one.punish(node(1), "host", 300, 0) == 300
    assert one.refuses(node(1), "Alpha", b"", 300) is None


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (TrustRules(), None),
        (TrustRules(allow_organisations=frozenset({"Alpha"})), None),
        (TrustRules(allow_nodes=frozenset({node(1)})), None),
        (TrustRules(allow_certificates=frozenset({b"f"})), None),
        (TrustRules(allow_organisations=frozenset({"Beta"})), "not_trusted"),
        (TrustRules(deny_organisations=frozenset({"Alpha"})), "denied"),
        (TrustRules(frozenset({"Alpha"}), deny_nodes=frozenset({node(1)})), "denied"),
    ],
)
def test_trust(rules: TrustRules, reason: str | None) -> None:
    assert table(trust=rules).refuses(node(1), "Alpha", b"f", 0) == reason


def test_nodes_are_bounded_and_connected_ones_stay() -> None:
    one = table()
    up(one, 1)
    for number in range(2, NODES_MAX + 500):
        one.seen(node(number), "n", "Alpha")
    assert len(one.snapshot(0)) == NODES_MAX
    assert row(one, 1, 0)["state"] == "connected"
