"""A lone validator: when a block is made, as without a network (protocol.md 2 and 4)."""

from bubi.consensus.solo import SoloEngine
from bubi.replica import events
from bubi.replica.replica import PACE_ALONE_MS, PACED_TRANSACTIONS
from tests.replica.cluster import START, Group, World, entry_ids


def alone() -> World:
    return World(SoloEngine(), 1)


def test_an_idle_node_makes_no_block() -> None:
    world = alone()
    world.run(60_000)
    assert world.heights() == [0]


def test_the_first_transaction_cuts_a_block_at_once() -> None:
    world = alone()
    world.run(10_000)
    world.hosts[0].submit(1)
    assert world.until(lambda: world.heights() == [1], 15)
    assert world.ordered() == [1]
    decided = world.hosts[0].decided[1]
    assert [(place, entry_ids(groups)) for place, groups in decided.own] == [(0, [1])]
    assert not decided.synced
    assert world.hosts[0].pool.transactions == 0


def test_groups_gather_while_a_block_is_decided() -> None:
    world = alone()
    host = world.hosts[0]
    host.submit(1)
    for one in range(2, 30):
        host.submit(one)
    world.run(200)
    assert world.ordered() == list(range(1, 30))
    assert world.heights()[0] <= 3


def test_after_a_full_block_more_gathers_and_after_a_small_one_nothing_waits() -> None:
    def second_block_after(first: int) -> int:
        """How long after the first transactions the block with the last one is decided (ms)."""
        world = alone()
        world.run(1_000)
        began, host = world.now, world.hosts[0]
        host.submit(*range(first))
        assert world.until(lambda: world.heights() == [1], 1_000)
        host.submit(10_000)
        assert world.until(lambda: world.heights() == [2], 1_000)
        return world.now - began

    assert second_block_after(PACED_TRANSACTIONS - 1) < PACE_ALONE_MS
    assert second_block_after(PACED_TRANSACTIONS) >= PACE_ALONE_MS


def test_a_needed_block_is_made_and_only_one() -> None:
    world = alone()
    world.run(1_000)
    host = world.hosts[0]
    host.give(events.BlockNeeded(host.tip.time))
    world.run(10_000)
    assert world.heights() == [1]
    host.give(events.BlockNeeded(START + world.now - 5))
    world.run(10_000)
    assert world.heights() == [2]
    assert host.decided[2].own == ()


def test_expired_groups_are_dropped_when_a_block_says_so() -> None:
    world = alone()
    host = world.hosts[0]
    world.run(5_000)
    # Void before it can be sealed into anything that counts: one block is enough to say so.
    host.pool.add(Group((7,)), START + 10)
    host.give(events.BlockNeeded(START + 10))
    world.run(1_000)
    assert world.heights() == [1]
    assert host.dropped == [7]
    assert host.pool.transactions == 0


def test_observers_follow_by_sync_and_send_their_transactions_to_the_validator() -> None:
    world = World(SoloEngine(), 1, observers=2)
    world.run(500)
    for one in range(1, 200):
        world.hosts[0].submit(one)
        world.run(20)
    world.hosts[2].submit(1_000, 1_001)
    assert world.until(lambda: 1_000 in world.ordered(2), 2_000)
    assert world.ordered(0) == world.ordered(2)[: len(world.ordered(0))]
    assert all(decided.synced for decided in world.hosts[2].decided.values())
    assert world.hosts[1].penalties == []
    # An idle network has nothing to say but statuses and ticks.
    world.run(2_000)
    before = world.messages
    world.run(60_000)
    assert world.messages - before <= 60 / 5 * 6


def test_an_observer_that_was_cut_off_catches_up() -> None:
    world = World(SoloEngine(), 1, observers=1)
    world.run(100)
    world.disconnect(0, 1)
    for one in range(300):
        world.hosts[0].submit(one)
        world.run(10)
    behind = world.heights()
    assert behind[0] > 100 > behind[1]
    world.connect(0, 1)
    assert world.until(lambda: world.heights()[1] == world.heights()[0], 1_500)
    assert world.hosts[1].replica.view().in_sync


def test_a_restart_goes_on_where_the_log_ends() -> None:
    world = alone()
    for one in range(5):
        world.hosts[0].submit(one)
        world.run(40)
    world.hosts[0].submit(9)
    world.run(3)
    world.crash(0)
    height = world.heights()[0]
    world.restart(0)
    world.run(1_000)
    assert world.heights()[0] in {height, height + 1}
    world.hosts[0].submit(10)
    world.run(50)
    assert 10 in world.ordered()
    assert world.hosts[0].alarms == []
