"""Data, claims, holds and items of accounts, now and as of every height, against the ledger."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bubi.gateway.entries import entries
from bubi.gateway.index.paging import Asked
from bubi.gateway.index.reader import AheadError, Reader

from ..model.generator import PROFILES
from .conftest import Databases
from .ledgers import Ledger
from .test_era import KINDS, NAMES, SHOWN
from .test_index import ALL, listed, reader, write

HEIGHTS = 70


def test_entries_as_of_every_height(tmp_path: Path) -> None:
    ledger, databases = Ledger(4, PROFILES[0]), Databases("sqlite", tmp_path, "")
    past: list[dict[Any, list[Any]]] = []
    for _ in range(HEIGHTS):
        ledger.block()
        accounts = [one["address"] for one in listed(ledger.chain, "accounts")]
        past.append(
            {
                (address, kind): sorted(map(NAMES[kind], listed(ledger.chain, kind, address)))
                for address in accounts
                for kind in KINDS
            }
        )
    engine = databases.engine()
    write(engine, ledger, 7)
    index = reader(engine, ledger)
    ended_later: set[str] = set()
    seen: dict[str, int] = dict.fromkeys(KINDS, 0)
    for height, expected in enumerate(past, 1):
        for (address, kind), items in expected.items():
            found = entries(index, address, kind, height, False, ALL).items
            assert sorted(map(SHOWN[kind], found)) == items, (height, address, kind)
            seen[kind] += len(items)
            if kind == "holds" and height % 3 == 0:
                ended_later |= states(index, address, height, items)
    assert ended_later >= {"captured", "released"}
    assert all(seen.values()), seen
    # The history has everything that ever stood, each with the blocks between which it did.
    accounts = {address for address, _ in past[-1]}
    some = {kind for kind, name in OF_ROWS if narrowed(index, kind, name, accounts)}
    assert some >= {"holds", "items"}
    ended = 0
    for address, kind in past[-1]:
        whole = entries(index, address, kind, None, True, ALL).items
        ended += sum(one["until"] is not None for one in whole)
        for one in whole:
            if kind == "holds" and one["since"] == one["until"]:
                continue  # taken in the block that opened it
            assert SHOWN[kind](one) in past[int(one["since"]) - 1][address, kind]
            assert one["until"] is None or int(one["until"]) > int(one["since"])
        pages, cursor = [], None
        while True:
            page = entries(index, address, kind, None, True, Asked(cursor, 2))
            pages += page.items
            cursor = page.next
            if cursor is None:
                break
        assert pages == whole
    assert ended > 5
    with pytest.raises(AheadError):
        entries(index, "", "data", HEIGHTS + 1, False, ALL)
    databases.close()


STATES = ("open", "captured", "released", "expired")


def states(index: Reader, address: str, height: int, stand: list[Any]) -> set[str]:
    """Holds that the ledger had at a height are open then; how some of them ended later."""
    until_then = entries(index, address, "holds", height, True, ALL).items
    for one in until_then:
        assert (one["state"] == "open") == (SHOWN["holds"](one) in stand), (height, one)
        assert (one["state"] == "open") == (one["captured"] is None)
    for state in STATES:
        wanted = [one for one in until_then if one["state"] == state]
        for history in (True, False):
            found = entries(index, address, "holds", height, history, ALL, {"state": state})
            assert found.items == wanted, (height, state, history)
    last = entries(index, address, "holds", None, True, ALL).items
    open_then = {one["hold"] for one in until_then if one["state"] == "open"}
    return {one["state"] for one in last if one["hold"] in open_then} - {"open"}


OF_ROWS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("data", "name"): lambda row: row["name"],
    ("claims", "issuer"): lambda row: row["issuer"],
    ("claims", "name"): lambda row: row["kind"],
    ("holds", "asset"): lambda row: row["asset"]["id"],
    ("holds", "state"): lambda row: row["state"],
    ("items", "asset"): lambda row: row["asset"]["id"],
    ("items", "name"): lambda row: row["item"],
}


def narrowed(index: Reader, kind: Any, name: str, accounts: set[str]) -> bool:
    """Whether a filter leaves the rows that fit, and left some out of a list."""
    value = OF_ROWS[kind, name]
    some = False
    for address in sorted(accounts):
        every = entries(index, address, kind, None, True, ALL).items
        for wanted in {value(one) for one in every}:
            found = entries(index, address, kind, None, True, ALL, {name: wanted}).items
            assert found == [one for one in every if value(one) == wanted]
            some = some or len(found) < len(every)
        # Here, too, something is left out, whatever the ledger has.
        nothing = {"asset": "00" * 32, "issuer": "nobody"}.get(name, "nothing")
        assert entries(index, address, kind, None, True, ALL, {name: nothing}).items == []
    return some
