"""kill -9 under load that never pauses: nothing acknowledged is lost, nothing happens twice."""

import random
import statistics
import time
from pathlib import Path

import pytest
from harness import (
    Journal,
    Node,
    await_acknowledged,
    check_copy,
    check_ledger,
    load_process,
    look_up,
)
from recovery import PATIENCE, RECOVERY_SECONDS

ACKNOWLEDGED_PER_ROUND = 1_000
RATE = 400
"""Transactions sent per second; looking up must be faster than this."""


def kill_again_while_starting(node: Node, chance: random.Random) -> None:
    """In some rounds the node is killed once or twice more before it is ready."""
    for _ in range(chance.choice((0, 0, 1, 2))):
        node.spawn()
        time.sleep(chance.uniform(0.0, 1.2))
        node.kill()


def kill_loop(folder: Path, rounds: int, seed: int, limit: float) -> None:
    chance = random.Random(seed)
    node = Node.make(folder / "node", seed, settings="[store]\nsegment_bytes = 1048576")
    load = None
    seconds: list[float] = []
    checking = 0.0
    try:
        node.start()
        signer = node.prepare_asset()
        journal = Journal(folder / "journal")
        load = load_process([node], signer, journal.path, seed, RATE)
        for round_ in range(rounds):
            fresh = await_acknowledged(journal, ACKNOWLEDGED_PER_ROUND)
            time.sleep(chance.uniform(0.0, 0.3))
            node.kill()
            fresh.update(journal.read())
            began = time.monotonic()
            check_copy(node, journal, signer.asset, folder)
            checking += time.monotonic() - began
            kill_again_while_starting(node, chance)
            seconds.append(node.start())
            assert seconds[-1] < limit, (
                f"round {round_}: ready {seconds[-1]:.2f} s after the start"
            )
            # The node itself says the same; what is acknowledged from here on is the next round's.
            look_up(node, fresh)
            assert load.poll() is None, f"the load ended in round {round_}"
        load.terminate()
        load.wait(120)
        look_up(node, journal.read())
        assert node.stop() == 0, node.log.read_text(encoding="utf-8")[-2_000:]
        check_ledger(node, journal, signer.asset, folder)
        print(  # noqa: T201 - the figures are what a person wants to see
            f"{rounds} rounds (seed {seed}): {len(journal.sent)} sent, "
            f"{len(journal.acknowledged)} acknowledged, recovery max {max(seconds):.2f} s, "
            f"median {statistics.median(seconds):.2f} s, comparing {checking:.0f} s"
        )
    finally:
        if load is not None and load.poll() is None:
            load.kill()
            load.wait()
        node.close()


@pytest.mark.timeout(1_800)
def test_kill_under_load(tmp_path: Path) -> None:
    kill_loop(tmp_path, rounds=20, seed=20_261_122, limit=PATIENCE)


@pytest.mark.long
@pytest.mark.timeout(9_000)
def test_kill_under_load_long(tmp_path: Path) -> None:
    kill_loop(tmp_path, rounds=200, seed=7, limit=RECOVERY_SECONDS)
