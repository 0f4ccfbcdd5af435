"""kill -9 of one node, two and all under load: four ledgers stay one, and nothing is lost."""

import random
import statistics
import time
from pathlib import Path

import pytest
from cluster import COUNT, Cluster, Run, look_up_at, position, under_load
from recovery import PATIENCE, RECOVERY_SECONDS, wait_decided, wait_level

RATE = 250
ACKNOWLEDGED_PER_ROUND = 300


def choose(chance: random.Random, round_: int, leader: int | None) -> list[int]:
    """Whom to kill: all in one round of ten, two in another, the leader in every third one."""
    if round_ % 10 == 4:
        return list(range(COUNT))
    if round_ % 10 == 7:
        return chance.sample(range(COUNT), 2)
    if round_ % 3 == 0 and leader is not None:
        return [leader]
    return [chance.randrange(COUNT)]


def kill_again_while_starting(run: Run, victims: list[int], chance: random.Random) -> None:
    """In some rounds a node is killed once more before it is ready."""
    if chance.random() < 0.3:
        node = run.cluster.nodes[victims[0]]
        node.spawn()
        time.sleep(chance.uniform(0.0, 1.5))
        node.kill()


def one_round(run: Run, chance: random.Random, round_: int, limit: float) -> float:
    """Kills, restarts, and gives the seconds from the restart until all have all blocks."""
    nodes = run.cluster.nodes
    fresh = run.take(ACKNOWLEDGED_PER_ROUND)
    victims = choose(chance, round_, run.cluster.leader())
    time.sleep(chance.uniform(0.0, 0.3))
    for victim in victims:
        nodes[victim].kill()
    fresh.update(run.journal.read())
    time.sleep(chance.uniform(0.0, 1.0))
    kill_again_while_starting(run, victims, chance)
    others = [node for place, node in enumerate(nodes) if place not in victims]
    known = [position(node)[0] for node in others]
    height = max([*known, *fresh.values()])
    began = time.monotonic()
    for victim in victims:
        nodes[victim].spawn()
    wait_level([nodes[victim] for victim in victims], height, began, limit)
    # One more block by all: the fault is over only when the network decides again.
    took = wait_decided(run, began, limit)
    for victim in victims:
        look_up_at(nodes[victim], fresh, PATIENCE)
    return took


def kill_loop(folder: Path, rounds: int, seed: int, limit: float) -> None:
    chance = random.Random(seed)
    cluster = Cluster.make(folder, seed, {"turn_blocks": 16})
    with under_load(cluster, folder, RATE) as run:
        seconds = [one_round(run, chance, round_, limit) for round_ in range(rounds)]
    print(  # noqa: T201 - the figures are what a person wants to see
        f"{rounds} rounds (seed {seed}): recovery max {max(seconds):.2f} s, "
        f"median {statistics.median(seconds):.2f} s"
    )


def test_kills_under_load(tmp_path: Path) -> None:
    kill_loop(tmp_path, rounds=6, seed=20_261_123, limit=PATIENCE)


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_kills_under_load_long(tmp_path: Path) -> None:
    kill_loop(tmp_path, rounds=100, seed=9, limit=RECOVERY_SECONDS)
