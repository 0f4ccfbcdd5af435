"""Random schedules over small networks: agreement, no double vote, and progress after healing.

The cluster checks agreement, certificates, double votes and persist-before-send at every step.
Each seed is one schedule; a failing one is run again alone by its number.
"""

from functools import partial

import pytest

from bubi.consensus.engine import Suspect, TimerElapsed, TimerId
from bubi.consensus.height_state import Mode

from .cluster import Cluster, Faults, invent, lie

ENGINES = ["pbft", "raft", "paxos"]
SEEDS = 200
CHUNK = 20
FAULTY_MS = 15_000
HEAL_MS = 120_000


def schedule(seed: int, engine: str) -> Cluster:
    count = 7 if seed % 4 == 3 else 4
    liars = seed % 5 == 1
    # Now and then everybody is needed, as with a ratio of 90 %.
    needed = count if seed % 11 == 3 and not liars else 0
    cluster = Cluster(count, seed, engine=engine, turn_blocks=4, timeout_ms=1_000, needed=needed)
    chance = cluster.random
    cluster.random_disk = cluster.fresh_nonces = True
    cluster.slow_keys = chance.random() < 0.3
    cluster.execution_ms = chance.choice((1, 20, 300))
    longest = chance.choice((5, 50, 600))
    cluster.faults = Faults(
        drop=chance.choice((0.0, 0.02, 0.1, 0.3)),
        duplicate=chance.choice((0.0, 0.2)),
        delay=(1, longest),
    )
    faulty = (count - 1) // 3
    if liars:
        liar = chance.randrange(count)
        cluster.filter = lie(cluster, liar)
        cluster.at(100, partial(keep_inventing, cluster, liar))
        faulty -= 1
    for node in cluster.nodes:
        node.skew = chance.choice((0, 0, 0, 9_000, -9_000)) if seed % 7 == 2 else 0
    crash_all = chance.random() < 0.2
    cluster.start()
    disturb(cluster, count if crash_all else faulty)
    cluster.want(1)
    cluster.at(300, partial(keep_working, cluster))
    cluster.run(lambda: False, FAULTY_MS)
    return cluster


def keep_working(cluster: Cluster) -> None:
    cluster.want(max(node.height for node in cluster.nodes) + cluster.random.randint(1, 3))
    cluster.at(cluster.random.randint(20, 600), partial(keep_working, cluster))


def keep_inventing(cluster: Cluster, liar: int) -> None:
    if cluster.nodes[liar].up:
        invent(cluster, liar)
    cluster.at(cluster.random.choice((1, 5, 50, 200)), partial(keep_inventing, cluster, liar))


def disturb(cluster: Cluster, crashes: int) -> None:
    """One random fault now, the next one later, until the network is healed."""
    if cluster.now > FAULTY_MS:
        return
    chance = cluster.random
    down = [node for node in cluster.nodes if not node.up]
    up = [node for node in cluster.nodes if node.up]
    act = chance.randrange(7)
    if act == 0 and len(down) < crashes and up:
        chance.choice(up).crash(keep=chance.choice((0, 0, 1, 2)))
    elif act == 1 and down:
        chance.choice(down).begin()
    elif act == 2:
        sides = {node.index: chance.randrange(2) for node in cluster.nodes}
        cluster.cut = lambda from_, to: sides[from_] != sides[to]
    elif act == 3:
        deaf = chance.randrange(cluster.count)
        cluster.cut = lambda from_, to: to == deaf
    elif act == 4:
        cluster.cut = lambda from_, to: False
    elif act == 5 and up:
        node = chance.choice(up)
        node.feed(Suspect(node.height + 1, node.state.engine.round, "overtaking"))
    cluster.at(chance.randint(5, 1_500), partial(disturb, cluster, crashes))


def heal(cluster: Cluster) -> None:
    cluster.cut = lambda from_, to: False
    cluster.faults = Faults(delay=(1, 20))
    cluster.execution_ms = 2
    for node in cluster.nodes:
        node.skew = 0
        if not node.up:
            node.begin()


def run(seed: int, engine: str) -> Cluster:
    cluster = schedule(seed, engine)
    heal(cluster)
    honest = set(range(cluster.count)) - cluster.byzantine
    target = max(node.height for node in cluster.nodes) + 6
    assert cluster.reach(target, HEAL_MS, who=honest), (
        f"{engine}, seed {seed}: heights {[node.height for node in cluster.nodes]}, rounds "
        f"{[(node.state.engine.round, node.state.engine.mode) for node in cluster.nodes]}"
    )
    for node in cluster.nodes:
        state = node.state.engine
        assert state.mode is not Mode.STOPPED
        assert len(state.proposals) <= 10
        assert len(node.state.guard.entries) <= 128
    return cluster


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_random_schedules(first: int, engine: str) -> None:
    for seed in range(first, first + CHUNK):
        run(seed, engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("count", [1, 2, 3, 5, 10, 13])
def test_other_sizes(count: int, engine: str) -> None:
    """Also through a crash of as many as the size bears, the leader among them."""
    cluster = Cluster(count, engine=engine, turn_blocks=4)
    cluster.start()
    assert cluster.reach(6)
    faulty = (count - 1) // 3
    for node in cluster.nodes[1 : 1 + faulty]:
        node.crash()
    up = set(range(count)) - set(range(1, 1 + faulty))
    assert cluster.reach(12, who=up)
    for node in cluster.nodes[1 : 1 + faulty]:
        node.begin()
    assert cluster.reach(14)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("count", [1, 4])
def test_suspected_without_reason(count: int, engine: str) -> None:
    cluster = Cluster(count, engine=engine)
    cluster.start()
    cluster.want(1)
    for node in cluster.nodes:
        node.feed(Suspect(1, 0, "overtaking"))
    assert cluster.reach(3)


@pytest.mark.parametrize("engine", ENGINES)
def test_members_that_were_cut_off_for_long_find_together(engine: str) -> None:
    """Rounds far apart: a bound on rounds would lock out who comes back."""
    cluster = Cluster(4, engine=engine, timeout_ms=100)
    cluster.start()
    for node in cluster.nodes[2:]:
        node.crash()
    for round_ in range(300):
        for node in cluster.nodes[:2]:
            node.feed(TimerElapsed(TimerId(1, round_, "progress")))
            member = node.state.engine
            node.state.timers |= {TimerId(1, member.round, "change")}
            node.state.engine.armed |= {"change"}
            node.feed(TimerElapsed(TimerId(1, member.round, "change")))
    assert cluster.nodes[0].state.engine.round > 200
    for node in cluster.nodes[2:]:
        node.begin()
    assert cluster.reach(3)
    assert cluster.nodes[3].state.engine.round > 200
