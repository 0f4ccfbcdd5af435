"""Another engine or other members from a height on: what a vote of governance does to replicas."""

from dataclasses import dataclass
from typing import Any

import pytest

from bubi.consensus import ENGINES, engine_in_force
from bubi.consensus.engine import Certificate, Configuration, Member
from bubi.messages import Consensus, PeerMessage
from tests.replica.cluster import Checks, World, key_of

ENGINES_WITH_PEERS = sorted(set(ENGINES) - {"solo"})


@dataclass(frozen=True)
class Epoch:
    """From a height on these hosts decide with this engine; `told` with the block of a height."""

    first: int
    engine: str
    hosts: tuple[int, ...] = (0, 1, 2, 3)
    told: int = 0


class Changing(World):
    """A world whose settings change at heights that are known beforehand."""

    def __init__(self, *epochs: Epoch, hosts: int = 4, **options: Any) -> None:
        self.epochs = epochs
        validators = len(epochs[0].hosts)
        super().__init__(
            engine_in_force(Checks()), validators, observers=hosts - validators, **options
        )

    def number_at(self, height: int) -> int:
        return max(n for n, epoch in enumerate(self.epochs) if epoch.first <= height)

    def configuration_at(self, height: int, host: int, *, member: bool) -> Configuration:
        number = self.number_at(height)
        epoch = self.epochs[number]
        members = tuple(
            Member(place, f"v{index}", f"org{index}", key_of(index), 1)
            for place, index in enumerate(epoch.hosts)
        )
        own = epoch.hosts.index(host) if host in epoch.hosts else None
        quorum = 2 * len(members) // 3 + 1
        return Configuration(number, epoch.engine, members, quorum, own, self.timeout_ms)

    def barrier_after(self, height: int) -> int:
        coming = [one for one in self.epochs if one.told and one.told <= height < one.first - 1]
        return coming[0].first - 1 if coming else 0

    def certificate(self, host: int, height: int) -> Certificate:
        found = self.hosts[host].disk.blocks[height - 1].tip.certificate
        assert found is not None
        return found


def load(world: World, ids: range, *to: int) -> None:
    for one in ids:
        world.hosts[to[one % len(to)]].submit(one)
        world.run(40)


def settle(world: World, ids: range) -> None:
    """Waits until all transactions are ordered everywhere, each once."""
    expected = sorted(ids)
    assert world.until(
        lambda: all(sorted(world.ordered(n)) == expected for n in range(len(world.hosts))), 60_000
    ), [world.ordered(n) for n in range(len(world.hosts))]


@pytest.mark.parametrize("first", ENGINES_WITH_PEERS)
@pytest.mark.parametrize("second", ENGINES_WITH_PEERS)
def test_an_engine_takes_over_from_another_under_load(first: str, second: str) -> None:
    world = Changing(Epoch(1, first), Epoch(6, second), Epoch(11, first))
    load(world, range(80), 0, 1, 2, 3)
    settle(world, range(80))
    assert min(world.heights()) > 11
    for height in range(1, min(world.heights()) + 1):
        request = world.certificate(0, height).request
        number = world.number_at(height)
        assert (request.epoch, request.engine) == (number, world.epochs[number].engine)
        if height in {6, 11}:
            # Rounds begin anew, whatever the last one of the other engine was.
            assert request.round == 0
    assert not any(host.halts or host.penalties for host in world.hosts)


def test_the_first_block_of_an_epoch_needs_no_long_wait() -> None:
    world = Changing(Epoch(1, "pbft"), Epoch(4, "raft"))
    longest = 0
    for one in range(8):
        world.hosts[0].submit(one)
        began = world.now
        assert world.until(lambda one=one: min(world.heights()) > one, 10_000)  # type: ignore[misc]
        longest = max(longest, world.now - began)
    assert longest < 1_500


def test_a_member_joins_and_another_leaves_and_nothing_is_lost() -> None:
    world = Changing(
        Epoch(1, "pbft"), Epoch(5, "pbft", (1, 2, 3, 4)), Epoch(9, "raft", (0, 1, 2, 3)), hosts=5
    )
    load(world, range(60), 0, 1, 2, 3, 4)
    settle(world, range(60))
    assert min(world.heights()) > 9
    signers = {member for member, _ in world.certificate(1, 6).votes}
    assert signers <= {0, 1, 2, 3}
    # Nobody takes the one that left for a member that misbehaves.
    assert not any(host.penalties or host.halts for host in world.hosts)


def test_the_member_that_left_has_its_transactions_decided_by_others() -> None:
    world = Changing(Epoch(1, "pbft"), Epoch(2, "pbft", (1, 2, 3)), hosts=4)
    # Its batches reach nobody before it has no vote any more.
    world.filter = lambda a, b, message: (
        None
        if a == 0 and not isinstance(message, Consensus) and world.heights()[0] < 1
        else message
    )
    world.hosts[0].submit(1)
    world.hosts[1].submit(2)
    settle(world, range(1, 3))
    assert world.heights()[0] >= 2


def test_an_idle_network_reaches_the_barrier_and_stops_there() -> None:
    world = Changing(Epoch(1, "pbft"), Epoch(7, "raft", told=2))
    world.hosts[0].submit(1)
    assert world.until(lambda: min(world.heights()) == 1, 10_000)
    world.run(5_000)
    assert world.heights() == [1] * 4
    world.hosts[1].submit(2)
    assert world.until(lambda: min(world.heights()) == 6, 30_000)
    world.run(5_000)
    assert world.heights() == [6] * 4
    world.hosts[2].submit(3)
    settle(world, range(1, 4))
    assert world.certificate(0, 7).request.engine == "raft"


def test_statements_of_the_epoch_before_change_nothing() -> None:
    world = Changing(Epoch(1, "pbft"), Epoch(3, "pbft"))
    kept: list[PeerMessage] = []

    def keep(a: int, b: int, message: PeerMessage) -> PeerMessage:
        if isinstance(message, Consensus):
            kept.append(message)
        return message

    world.filter = keep
    load(world, range(4), 0)
    settle(world, range(4))
    old = [m for m in kept if isinstance(m, Consensus) and m.message.signed.request.epoch == 0]
    assert old
    before = world.hosts[3].replica.view()
    for message in old:
        world.send(world.hosts[0], world.hosts[3].node, message)
    world.run(1_000)
    after = world.hosts[3].replica.view()
    assert after.progress == before.progress
    assert not world.hosts[3].penalties


def test_one_that_slept_through_the_barrier_catches_up_and_votes_again() -> None:
    world = Changing(Epoch(1, "pbft"), Epoch(4, "raft"), Epoch(8, "pbft"))
    load(world, range(2), 0)
    world.crash(3)
    load(world, range(2, 20), 0, 1, 2)
    world.restart(3)
    assert world.until(lambda: len(set(world.heights())) == 1, 60_000)
    world.crash(2)
    load(world, range(20, 24), 0, 3)
    assert world.until(
        lambda: all(sorted(world.ordered(n)) == list(range(24)) for n in (0, 1, 3)), 60_000
    )
    height = world.heights()[3]
    assert 3 in {member for member, _ in world.certificate(0, height).votes}


@pytest.mark.parametrize("height", [2, 3, 4])
def test_all_of_them_restart_at_the_barrier(height: int) -> None:
    world = Changing(Epoch(1, "pbft"), Epoch(4, "raft"))
    one = 0
    while min(world.heights()) < height:
        world.hosts[0].submit(one)
        one += 1
        world.run(200)
    for index in range(4):
        world.crash(index)
    for index in range(4):
        world.restart(index)
    load(world, range(one, one + 6), 0, 1)
    wanted = list(range(one, one + 6))
    assert world.until(lambda: all(set(wanted) <= set(world.ordered(n)) for n in range(4)), 60_000)
    assert not any(host.halts or host.replica.view().silent for host in world.hosts)


def test_an_engine_that_this_version_does_not_run_stops_the_node() -> None:
    class Old(Changing):
        runs = frozenset({"pbft"})

    world = Old(Epoch(1, "pbft"), Epoch(3, "raft"))
    load(world, range(4), 0)
    world.run(5_000)
    assert world.heights() == [2] * 4
    assert [[halt.code for halt in host.halts] for host in world.hosts] == [["engine_unknown"]] * 4
