"""A gateway killed anywhere goes on without a gap and without doubling anything."""

import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bubi_sdk import HashSuite, Network

from bubi.gateway.index import check, database
from bubi.node.files import key_json

from ..inputs import world
from ..inputs.world import World, account
from ..integration.nodes import make_node
from .conftest import Databases
from .gateways import RunningGateway

KILLS = 6


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A node without quotas, an asset, and somebody who receives it."""
    node = make_node(tmp_path_factory.mktemp("process") / "node")
    node.start()
    network = Network(node.chain_id, "bubidev", HashSuite.STANDARD)
    bob = account()
    made = World(node, {"owner": node.owner, "bob": bob}, bob, network)
    try:
        made.done(world.new_account(key_json(bob.key.public_key)), world.new_asset("FREE"))
        yield made
        assert node.stop() == 0
    finally:
        node.client.close()
        if node.process is not None:
            node.stop(signal.SIGKILL)


class Load:
    """Transactions in bulks until it is left."""

    def __init__(self, ledger: World) -> None:
        self._ledger = ledger
        self._ended = threading.Event()
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        asset, bob = self._ledger.asset("FREE"), self._ledger.address("bob")
        try:
            while not self._ended.is_set():
                made = [
                    self._ledger.signed(world.issue(asset, bob, str(number)))
                    for number in range(1, 8)
                ]
                self._ledger.bulk(*made)
        except BaseException as error:
            self._failed.append(error)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join(240)
        assert not self._thread.is_alive()
        assert not self._failed


@pytest.mark.timeout(1_800)
def test_killed_at_random_resumes_without_gap_or_double(
    ledger: World, database: Databases, tmp_path: Path
) -> None:
    chance = random.Random(7)
    where = database.where()
    address = where if isinstance(where, str) else None
    gateway = RunningGateway(tmp_path / "gateway", ledger.node.made.url, database=address)
    heights = []
    try:
        with Load(ledger):
            for _kill in range(KILLS):
                gateway.start()
                gateway.reach((heights[-1] if heights else 0) + 2)
                time.sleep(chance.random() / 5)  # anywhere in a group
                heights.append(int(gateway.health()["height"]))
                gateway.kill()
        newest = ledger.done(world.set_data("after the kills"))
        gateway.start()
        gateway.reach(int(newest["height"]))
        assert gateway.get("/overview")["indexed_height"] == newest["height"]
        assert gateway.stop() == 0
    finally:
        gateway.close()
    assert heights == sorted(set(heights))
    running = check.check(engine_of(database, where, gateway))
    rebuilt = RunningGateway(
        tmp_path / "rebuilt", ledger.node.made.url, database=address_of(other := database.where())
    )
    try:
        rebuilt.start()
        rebuilt.reach(int(newest["height"]))
        assert rebuilt.stop() == 0
    finally:
        rebuilt.close()
    again = check.check(engine_of(database, other, rebuilt))
    assert running is not None
    assert again is not None
    assert running.height == again.height == int(newest["height"])
    assert running.tables == again.tables


def address_of(where: str | Path) -> str | None:
    return where if isinstance(where, str) else None


def engine_of(databases: Databases, where: str | Path, gateway: RunningGateway) -> object:
    inside = gateway.folder / "index.sqlite"
    return databases.engine(inside if isinstance(where, Path) else where)


def test_without_its_node_it_waits_and_then_goes_on(ledger: World, tmp_path: Path) -> None:
    gateway = RunningGateway(tmp_path / "gateway", ledger.node.made.url)
    try:
        assert ledger.node.stop() == 0
        gateway.start(ready=False)
        gateway.until(lambda: gateway.health().get("reason", "starting") != "starting")
        assert gateway.client.get("/health").status_code == 503
        assert gateway.get("/network", 503)["code"] == "node_unreachable"
        assert gateway.get("/blocks", 503)["code"] == "index_starting"
        ledger.node.start()
        height = int(ledger.done(world.set_data("back"))["height"])
        gateway.until(lambda: gateway.health().get("status") == "ready")
        gateway.reach(height)
        ledger.node.stop()
        gateway.until(lambda: gateway.health().get("reason") is not None)
        assert gateway.get("/blocks", limit=1)["items"][0]["height"] == str(height)
        assert gateway.get("/overview", 503)["retryable"] is True
        ledger.node.start()
        gateway.reach(int(ledger.done(world.set_data("again"))["height"]))
        assert gateway.stop() == 0
    finally:
        gateway.close()
        if ledger.node.process is None:
            ledger.node.start()


def test_an_index_of_another_chain_ends_the_gateway(ledger: World, tmp_path: Path) -> None:
    gateway = RunningGateway(tmp_path / "gateway", ledger.node.made.url)
    engine = database.connect(tmp_path / "gateway" / "index.sqlite")
    try:
        gateway.start()
        assert gateway.stop() == 0
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE progress SET chain_id = 'other'")
        gateway.start(ready=False)
        assert gateway.process is not None
        assert gateway.process.wait(120) == 1
        gateway.process = None
        assert "bubi gateway index rebuild" in gateway.log
    finally:
        engine.dispose()
        gateway.close()
