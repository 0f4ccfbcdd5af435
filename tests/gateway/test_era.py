"""The index of a chain that continues another one: it begins with all that was there."""

import json
import threading
from contextlib import ExitStack, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bubi import core
from bubi.gateway import records
from bubi.gateway.config import NodeSection
from bubi.gateway.entries import Kind, entries
from bubi.gateway.index import check, schema
from bubi.gateway.index.follower import Source, UnreachableError
from bubi.gateway.index.reader import Reader
from bubi.gateway.index.writer import IndexStoppedError, Writer

from ..model.generator import PROFILES
from .conftest import Databases
from .ledgers import END, Ledger
from .sinks import Sink
from .test_index import ALL, held, indexed, listed, reader, write

BLOCKS, BLOCKS_MAX = 40, 200
MORE = 25
STEPS = (5, 1_000)
"""Blocks that one transaction of the database takes up: the index is the same however many."""


class Continued:
    """A ledger of every kind of business that went on in a new era, and what it was before."""

    def __init__(self, folder: Path, profile: int = 0) -> None:
        self.ledger = Ledger(4, PROFILES[profile])
        old = self.ledger.chain
        while old.height < BLOCKS or (old.height < BLOCKS_MAX and lacking(old)):
            self.ledger.block()
        assert not lacking(old)
        self.end = (old.chain_id.hex(), old.state_root.hex(), str(old.height), str(old.time))
        self.before, self.versions = stand(old), versions(old)
        self.holds = holds_of(self.ledger)
        self.ledger.begin_era(folder)
        self.folder = folder


@pytest.fixture(scope="module")
def continued(tmp_path_factory: pytest.TempPathFactory) -> Continued:
    """The new chain has not decided anything yet when the first test begins."""
    return Continued(tmp_path_factory.mktemp("era"))


def lacking(chain: core.Chain) -> set[str]:
    """Kinds of entries that no account has."""
    accounts = [one["address"] for one in listed(chain, "accounts")]
    return {kind for kind in KINDS if not any(any(listed(chain, kind, one)) for one in accounts)}


def stand(chain: core.Chain) -> dict[str, Any]:
    """Everything of accounts, assets and records, as the ledger has it."""
    accounts = {one["address"]: one["header"] for one in listed(chain, "accounts")}
    assets = {one["asset"]: one["definition"]["v1"] for one in listed(chain, "assets")}
    return {
        "accounts": accounts,
        "assets": assets,
        "holdings": {
            asset: held(chain, asset) for asset, one in assets.items() if one["kind"] != "unique"
        },
        "entries": {
            (address, kind): list(listed(chain, kind, address))
            for address in accounts
            for kind in KINDS
        },
    }


def shown(index: Reader) -> dict[str, Any]:
    """The same from the index, in the shapes of the ledger."""
    assets = {one["id"]: one for one in index.assets(ALL).items}
    addresses = [one["address"] for one in index.accounts(ALL).items]
    return {
        "accounts": {address: index.account(address) for address in addresses},
        "assets": assets,
        "holdings": {
            asset: indexed(index, asset)
            for asset, one in assets.items()
            if one["kind"] != "unique"
        },
        "entries": {
            (address, kind): entries(index, address, kind, None, False, ALL).items
            for address in addresses
            for kind in KINDS
        },
    }


KINDS: tuple[Kind, ...] = ("data", "claims", "holds", "items")
NAMES = {
    "data": lambda one: (one["name"], one["entry"]["v1"]["version"], one["entry"]["v1"]["value"]),
    "claims": lambda one: (one["issuer"], one["kind"], *one["claim"]["v1"].values()),
    "holds": lambda one: (
        one["hold"],
        *(one["state"]["v1"][name] for name in ("asset", "beneficiary", "amount", "expires")),
    ),
    "items": lambda one: (one["asset"], one["item"]),
}
SHOWN = {
    "data": lambda one: (one["name"], one["version"], one["value"]),
    "claims": lambda one: (one["issuer"], one["kind"], one["digest"], one["expires"]),
    "holds": lambda one: (
        one["hold"], one["asset"]["id"], one["beneficiary"], one["amount"], one["expires"]
    ),
    "items": lambda one: (one["asset"]["id"], one["item"]),
}  # fmt: skip


def compare(found: dict[str, Any], ledger: dict[str, Any]) -> None:
    """Holds an index against a ledger."""
    assert set(found["accounts"]) == set(ledger["accounts"])
    for address, header in ledger["accounts"].items():
        account = found["accounts"][address]
        if "closed" in header:
            assert account["closed"] is not None
        else:
            assert account["closed"] is None
            assert account["signers"] == header["v1"]["signers"]
            assert account["thresholds"] == header["v1"]["thresholds"]
    assert set(found["assets"]) == set(ledger["assets"])
    for asset, definition in ledger["assets"].items():
        for name in ("code", "name", "kind", "issuer", "cap", "features", "frozen", "supply"):
            assert found["assets"][asset][name] == definition[name], (name, asset)
    assert found["holdings"] == ledger["holdings"]
    for (address, kind), items in ledger["entries"].items():
        expected = sorted(NAMES[kind](one) for one in items)
        assert sorted(SHOWN[kind](one) for one in found["entries"][address, kind]) == expected


def holds_of(ledger: Ledger) -> set[str]:
    """Every open hold."""
    chain = ledger.chain
    accounts = [one["address"] for one in listed(chain, "accounts")]
    return {hold["hold"] for one in accounts for hold in listed(chain, "holds", one)}


def versions(chain: core.Chain) -> set[tuple[str, str, int]]:
    """Every version of every record."""
    return {
        (space["namespace"], one["key"], version["version"])
        for space in listed(chain, "namespaces")
        for one in listed(chain, "records", space["namespace"])
        for version in listed(chain, "versions", f"{space['namespace']}/{one['key']}")
    }


def test_the_index_begins_with_what_was_there(continued: Continued, tmp_path: Path) -> None:
    databases = Databases("sqlite", tmp_path, "")
    engine = databases.engine()
    writer = Writer(engine, continued.ledger.origin, continued.ledger.inheritance)
    index = reader(engine, continued.ledger)
    assert writer.progress.height == 0
    compare(shown(index), continued.before)
    end = index.predecessor()
    assert end is not None
    assert (end["chain_id"], end["state_root"], end["height"], end["time"]) == continued.end
    found = records.records(index, ALL).items
    named = {(one["namespace"], one["key"], one["version"]) for one in found}
    assert named == continued.versions
    assert len(found) == writer.progress.records > 0
    assert {one["height"] for one in found} == {"0"}
    overview = index.overview()
    assert overview["accounts"] == str(len(continued.before["accounts"]))
    assert overview["assets"] == str(len(continued.before["assets"]))
    # What was supplied before the first block has no time of its own.
    asset = next(
        one for one, fields in continued.before["assets"].items() if fields["supply"] != "0"
    )
    assert index.supply(asset, ALL).items == [
        {"height": "0", "time": None, "supply": continued.before["assets"][asset]["supply"]}
    ]
    databases.close()


def test_it_goes_on_from_there(continued: Continued, database: Databases) -> None:
    ledger = continued.ledger
    while ledger.chain.height < MORE:
        ledger.block()
    # Holds of before fall due, too; a few things in each block.
    due = [
        int(one["state"]["v1"]["expires"])
        for (_, kind), items in continued.before["entries"].items()
        if kind == "holds"
        for one in items
    ]
    time = max(due)
    while holds_of(ledger) >= continued.holds and ledger.chain.height < BLOCKS_MAX:
        time += 1
        ledger.decide(time, [])
    hashes = []
    for step in STEPS:
        engine = database.engine()
        write(engine, ledger, step)
        found = check.check(engine)
        assert found is not None
        assert found.height == ledger.chain.height
        hashes.append(found.tables)
    assert hashes[0] == hashes[1]
    index = reader(engine, ledger)
    now = stand(ledger.chain)
    assert now != continued.before
    compare(shown(index), now)
    # Old and new versions of one record, closed holds of before, moved amounts of before.
    assert len(records.records(index, ALL).items) == len(versions(ledger.chain))
    with engine.connect() as connection:
        holds = connection.execute(select(schema.holds).where(schema.holds.c.height == 0)).all()
    assert any(one.closed for one in holds)
    for asset, holders in continued.before["holdings"].items():
        assert indexed(index, asset, 0) == holders
    assert index.overview()["transactions"] == str(
        sum(
            one["id"] != "00" * 32
            for height in range(1, ledger.chain.height + 1)
            for one in json.loads(ledger.chain.block_json(height, True) or b"")["transactions"]
        )
    )


def test_an_end_that_does_not_fit_is_refused(continued: Continued, tmp_path: Path) -> None:
    databases = Databases("sqlite", tmp_path, "")
    engine, origin = databases.engine(), continued.ledger.origin
    with pytest.raises(IndexStoppedError, match="not here"):
        Writer(engine, origin)
    data = bytearray((continued.folder / END).read_bytes())
    data[len(data) // 2] ^= 1
    path = tmp_path / "damaged"
    path.write_bytes(data)
    with pytest.raises(IndexStoppedError, match="not usable"):
        Writer(engine, origin, lambda: nullcontext(path))
    assert check.check(engine) is None
    # Nothing of the attempt is left: the right file is taken afterwards.
    Writer(engine, origin, continued.ledger.inheritance)
    assert check.check(engine) is not None
    databases.close()


def test_the_file_is_fetched_and_nothing_of_it_stays(tmp_path: Path) -> None:
    content, stopping = bytes(range(256)) * 4_000, threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            good = self.path == "/v1/inheritance"
            self.send_response(200 if good else 404)
            self.send_header("Content-Length", str(len(content) if good else 0))
            self.end_headers()
            if good:
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    (tmp_path / "inheritance-left").mkdir()
    with Sink(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as node:
        source = Source(NodeSection(f"http://127.0.0.1:{node.port}", None, None, None))
        with source.inheritance(tmp_path, stopping) as path:
            assert path.read_bytes() == content
        assert list(tmp_path.iterdir()) == []
        stopping.set()
        with pytest.raises(UnreachableError, match="stopping"), ExitStack() as stack:
            stack.enter_context(source.inheritance(tmp_path, stopping))
        assert list(tmp_path.iterdir()) == []
        source.close()
