"""kill -9 under load that never pauses: nothing acknowledged is lost, nothing happens twice."""

import http.client
import json
import random
import shutil
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from harness import (
    Journal,
    Node,
    check_supply,
    load_process,
    open_chain,
    receipts,
    replayed_root,
)

ACKNOWLEDGED_PER_ROUND = 1_000
RATE = 400
"""Transactions sent per second; looking up must be faster than this."""
LOOK_UPS = 4
ROUND_SECONDS = 60


def await_acknowledged(journal: Journal, wanted: int) -> dict[str, int]:
    """Reads the journal until so many were acknowledged."""
    ends = time.monotonic() + ROUND_SECONDS
    fresh: dict[str, int] = {}
    while len(fresh) < wanted:
        assert time.monotonic() < ends, f"only {len(fresh)} acknowledged in {ROUND_SECONDS} s"
        time.sleep(0.02)
        fresh.update(journal.read())
    return fresh


def look_up(node: Node, entries: dict[str, int]) -> None:
    """Each acknowledged transaction is final at the height that was acknowledged."""
    parts = [list(entries.items())[part::LOOK_UPS] for part in range(LOOK_UPS)]
    with ThreadPoolExecutor(LOOK_UPS) as threads:
        # A plain client: it costs a fraction of what the node needs to answer.
        list(threads.map(partial(look_up_part, node.made.url.removeprefix("http://")), parts))


def look_up_part(place: str, entries: list[tuple[str, int]]) -> None:
    connection = http.client.HTTPConnection(place, timeout=60)
    try:
        for digest, height in entries:
            connection.request("GET", f"/v1/transactions/{digest}")
            answer = connection.getresponse()
            document = json.loads(answer.read())
            found = (answer.status, document.get("status"), document.get("height"))
            expected = (200, "final", str(height))
            assert found == expected, f"{digest}: {found}, acknowledged at {height}"
    finally:
        connection.close()


def kill_again_while_starting(node: Node, chance: random.Random) -> None:
    """In some rounds the node is killed once or twice more before it is ready."""
    for _ in range(chance.choice((0, 0, 1, 2))):
        node.spawn()
        time.sleep(chance.uniform(0.0, 1.2))
        node.kill()


def kill_loop(folder: Path, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    node = Node.make(folder / "node", seed, settings="[store]\nsegment_bytes = 1048576")
    load = None
    seconds: list[float] = []
    try:
        node.start()
        signer = node.prepare_asset()
        journal = Journal(folder / "journal")
        load = load_process(node, signer, journal.path, seed, RATE)
        for round_ in range(rounds):
            fresh = await_acknowledged(journal, ACKNOWLEDGED_PER_ROUND)
            time.sleep(chance.uniform(0.0, 0.3))
            node.kill()
            fresh.update(journal.read())
            kill_again_while_starting(node, chance)
            seconds.append(node.start())
            # What is acknowledged from here on belongs to the next round's check.
            look_up(node, fresh)
            assert load.poll() is None, f"the load ended in round {round_}"
        load.terminate()
        load.wait(30)
        look_up(node, journal.read())
        assert node.stop() == 0, node.log.read_text(encoding="utf-8")[-2_000:]
        check_ledger(node, journal, signer.asset, folder)
        print(  # noqa: T201 - the figures are what a person wants to see
            f"{rounds} rounds (seed {seed}): {len(journal.sent)} sent, "
            f"{len(journal.acknowledged)} acknowledged, recovery max {max(seconds):.2f} s, "
            f"median {statistics.median(seconds):.2f} s"
        )
    finally:
        if load is not None and load.poll() is None:
            load.kill()
            load.wait()
        node.close()


def check_ledger(node: Node, journal: Journal, asset: str, folder: Path) -> None:
    """The whole ledger against the journal and against a replay from the genesis."""
    genesis = node.made.directory / "genesis.bin"
    chain = open_chain(node.data, genesis)
    try:
        found = receipts(chain)
        for digest, height in journal.acknowledged.items():
            assert found.get(digest) == (height, "final"), f"{digest} was acknowledged"
        for digest in journal.sent - journal.acknowledged.keys():
            assert found.get(digest, (0, "final"))[1] == "final", "final or absent, never half"
        setup = len(node.accounts) + 1
        assert len(found.keys() - journal.sent) == setup, "nothing that nobody sent"
        check_supply(chain, asset, len(node.accounts))
        assert chain.snapshot_root() == chain.state_root
        end = (chain.height, chain.state_root)
    finally:
        chain.close()
    assert replayed_root(node.data, genesis, folder / "replay") == end
    shutil.rmtree(node.data)


def test_kill_under_load(tmp_path: Path) -> None:
    kill_loop(tmp_path, rounds=20, seed=20_261_122)


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_kill_under_load_long(tmp_path: Path) -> None:
    kill_loop(tmp_path, rounds=200, seed=7)
