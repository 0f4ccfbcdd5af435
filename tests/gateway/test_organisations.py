"""Organisations and who belongs to them, now and as of every height, against the ledger."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bubi import core
from bubi.gateway import organisations
from bubi.gateway.entries import entries
from bubi.gateway.index import check, schema
from bubi.gateway.index.paging import Asked, CursorError
from bubi.gateway.index.reader import AheadError, Reader

from ..model import keys
from ..model import values as v
from ..model.generator import PROFILES
from ..model.test_governance import Chain as Council
from .conftest import Databases
from .ledgers import Ledger, Simulated
from .test_governance import changed
from .test_index import ALL, listed, reader, write

ORGANISATIONS = PROFILES[3]
BLOCKS = 60
PEOPLE = keys.VALID[4:10]
State = dict[str, tuple[str | None, str | None, str | None]]
"""By account: to which organisation it belongs, which one took it in, which one it asks."""


def addresses(chain: core.Chain) -> list[str]:
    """Every account that there is after a block."""
    return [one["address"] for one in listed(chain, "accounts")]


def stand(chain: core.Chain, accounts: list[str]) -> State:
    """How accounts stand, as the ledger says it."""
    found: State = {}
    for address in accounts:
        account = json.loads(chain.account_json(address, False) or b"")
        cell = (account["membership"] or {"v1": {"organisation": None, "asks": None}})["v1"]
        organisation = account["organisation"]
        found[address] = (organisation, cell["organisation"], cell["asks"])
    return found


def named(chain: core.Chain) -> dict[str, str | None]:
    """Organisations that there are, and who votes for each."""
    return {one["name"]: one["governance"] for one in json.loads(chain.organisations_json())}


class Past:
    """What a ledger said after each block."""

    def __init__(self, ledger: Simulated, first: list[str] | None = None) -> None:
        """`first`: the accounts that the chain begins with; without it those of its genesis."""
        self.ledger = ledger
        if first is None:
            first = [address for address, *_ in core.genesis_accounts(ledger.genesis)]
        self.states = [stand(ledger.chain, first)]
        self.names = [named(ledger.chain)]

    def add(self) -> None:
        self.states.append(stand(self.ledger.chain, addresses(self.ledger.chain)))
        self.names.append(named(self.ledger.chain))


def wandering() -> Council:
    """People who are taken in, let go, asked and not heard; organisations that come and go."""
    model = Council()
    ada, bob, eve, kim, lee, max_ = (model.ledger.own_address(key) for key in PEOPLE)
    model.keys |= {model.ledger.own_address(key): key for key in PEOPLE}
    a, b, c, d = model.voices
    stranger = model.ledger.own_address(keys.VOTE_KEYS[0])

    def done(source: bytes, *operations: v.OperationBody) -> None:
        assert model.send(source, *operations) == v.Code.FINAL

    done(a, *(v.CreateAccount(v.TargetKey(key)) for key in PEOPLE[:2]))
    done(stranger, *(v.CreateAccount(v.TargetKey(key)) for key in PEOPLE[2:]))
    done(eve, v.AskMembership("b"))
    done(kim, v.AskMembership("b"))
    done(b, v.SetMember(eve, True))
    done(b, v.SetMember(kim, False))
    # A member that asks another one stays where it is until that takes it in.
    done(ada, v.AskMembership("c"))
    done(c, v.SetMember(ada, True))
    done(bob, v.AskMembership("d"))
    done(bob, v.AskMembership(None))
    done(d, v.AskMembership("a"))
    changed(model, v.SetOrganisation("e", lee, b"x"))
    done(lee, v.CreateAccount(v.TargetKey(keys.VALID[10])))
    done(max_, v.AskMembership("e"))
    done(lee, v.SetMember(max_, True))
    done(eve, v.AskMembership("e"))
    done(lee, v.SetMember(eve, True))
    # Who votes for an organisation belongs to it, whoever took him in.
    changed(model, v.SetOrganisation("e", eve, b"x"))
    changed(model, v.SetOrganisation("e", None, b"x"))
    changed(model, v.SetOrganisation("c", eve, b"x"))
    changed(model, v.RemoveOrganisation("e"))
    done(kim, v.AskMembership("a"))
    changed(model, v.SetOrganisation("e", kim, b"x"))
    done(kim, v.SetMember(max_, False))
    return model


@pytest.fixture(scope="module")
def pasts() -> list[Past]:
    """One ledger worked out by hand, one filled at random."""
    model = wandering()
    simulated = Simulated(1, model.genesis, ideal=False)
    first = Past(simulated)
    for time, batches in model.blocks:
        simulated.decide(time, batches)
        first.add()
    ledger = Ledger(7, ORGANISATIONS)
    second = Past(ledger)
    for _ in range(BLOCKS):
        ledger.block()
        second.add()
    return [first, second]


def test_the_ledgers_show_every_case(pasts: list[Past]) -> None:
    seen = set()
    for past in pasts:
        for state, names in zip(past.states, past.names, strict=True):
            for address, (organisation, taken_in, asks) in state.items():
                votes = address in names.values()
                seen.add((organisation is not None, taken_in is not None, asks is not None, votes))
                if taken_in is not None and taken_in not in names:
                    seen.add("of one that is gone")
                if votes and taken_in not in {None, organisation}:
                    seen.add("votes for another one")
    assert {"of one that is gone", "votes for another one"} <= seen
    assert {(True, True, True, False), (False, False, True, False)} <= seen
    assert {(True, True, False, False), (True, False, False, True)} <= seen


@pytest.mark.parametrize("which", [0, 1])
def test_members_as_of_every_height(pasts: list[Past], which: int, database: Databases) -> None:
    past, engine = pasts[which], database.engine()
    write(engine, past.ledger, 7)
    index = reader(engine, past.ledger)
    for height, (state, names) in enumerate(zip(past.states, past.names, strict=True)):
        if height % 4 and database.kind == "postgresql":
            continue  # the queries are the same; the fast database looks at every height
        found = organisations.organisations(index, ALL, height).items
        assert {one["name"]: one["governance"] for one in found} == names
        assert [one["name"] for one in found] == sorted(names)
        for one in found:
            assert organisations.organisation(index, one["name"], height) == {
                **one,
                "indexed_height": str(height),
            }
            belong = members(index, one["name"], height)
            expected = {address for address, found in state.items() if found[0] == one["name"]}
            assert set(belong) == expected, (height, one["name"])
            assert len(belong) == len(expected) == int(one["members"])
            voting = {address for address, row in belong.items() if row["votes"]}
            assert voting == {names[one["name"]]} - {None}
            asking = members(index, one["name"], height, "asks")
            assert set(asking) == {a for a, found in state.items() if found[2] == one["name"]}
            assert len(asking) == int(one["asking"])
        for address, (organisation, taken_in, asks) in state.items():
            belongs = organisations.belonging(index, address, height)
            assert (belongs["organisation"], belongs["asks"]) == (organisation, asks)
            assert belongs["votes"] == (address in names.values())
            cells = entries(index, address, "memberships", height, False, ALL).items
            assert [(one["organisation"], one["asks"]) for one in cells] == (
                [] if taken_in is None and asks is None else [(taken_in, asks)]
            )


def members(
    index: Reader, name: str, height: int, kind: organisations.Kind = "member"
) -> dict[str, Any]:
    page = organisations.members(index, name, ALL, height, kind, history=False)
    assert page is not None
    assert page.height == height
    found = {one["address"]: one for one in page.items}
    assert len(found) == len(page.items)
    return found


@pytest.mark.parametrize("which", [0, 1])
def test_the_history_of_members(pasts: list[Past], which: int, tmp_path: Path) -> None:
    past, databases = pasts[which], Databases("sqlite", tmp_path, "")
    engine = databases.engine()
    write(engine, past.ledger, 1_000)
    index = reader(engine, past.ledger)
    ended = 0
    for name in {name for names in past.names for name in names}:
        page = organisations.members(index, name, ALL, None, "member", history=True)
        assert page is not None
        told = {
            (one["address"], height)
            for one in page.items
            for height in span(one, len(past.states))
        }
        ended += sum(one["until"] is not None for one in page.items)
        for height, (state, names) in enumerate(zip(past.states, past.names, strict=True)):
            for address, (organisation, taken_in, _) in state.items():
                votes = names.get(name) == address
                assert ((address, height) in told) == (taken_in == name or votes), (name, height)
                if organisation == name:
                    assert (address, height) in told
        paged = list(pages(index, name))
        assert paged == page.items
    assert ended > 1
    databases.close()


def span(one: dict[str, Any], heights: int) -> range:
    return range(int(one["since"]), heights if one["until"] is None else int(one["until"]))


def pages(index: Reader, name: str) -> Iterator[dict[str, Any]]:
    cursor = None
    while True:
        asked = Asked(cursor, 2)
        page = organisations.members(index, name, asked, None, "member", history=True)
        assert page is not None
        assert len(page.items) <= 2
        yield from page.items
        cursor = page.next
        if cursor is None:
            return


def test_pages_and_what_is_not_there(pasts: list[Past], database: Databases) -> None:
    past, engine = pasts[1], database.engine()
    write(engine, past.ledger)
    index = reader(engine, past.ledger)
    whole = organisations.organisations(index, ALL).items
    first = organisations.organisations(index, Asked(limit=2))
    rest = organisations.organisations(index, Asked(first.next, 100))
    assert first.items + rest.items == whole
    assert rest.next is None
    for name in (one["name"] for one in whole):
        every = organisations.members(index, name, ALL, None, "member", history=False)
        some = organisations.members(index, name, Asked(limit=1), None, "member", history=False)
        assert every is not None
        assert some is not None
        found, cursor = list(some.items), some.next
        while cursor is not None:
            asked = Asked(cursor, 1)
            page = organisations.members(index, name, asked, None, "member", history=False)
            assert page is not None
            found += page.items
            cursor = page.next
        assert found == every.items
    assert organisations.organisation(index, "nobody") is None
    assert organisations.members(index, "nobody", ALL, None, "asks", history=True) is None
    with pytest.raises(AheadError):
        organisations.organisations(index, ALL, past.ledger.chain.height + 1)
    with pytest.raises(CursorError):
        organisations.organisations(index, Asked("W10", 2))


def test_closed_accounts_say_so(tmp_path: Path) -> None:
    model = Council()
    (key, *_) = PEOPLE
    own = model.ledger.own_address(key)
    model.keys |= {own: key}
    assert model.send(model.voices[0], v.CreateAccount(v.TargetKey(key))) == v.Code.FINAL
    assert model.send(own, v.CloseAccount()) == v.Code.FINAL
    ledger, databases = Simulated(1, model.genesis, ideal=False), Databases("sqlite", tmp_path, "")
    for time, batches in model.blocks:
        ledger.decide(time, batches)
    engine = databases.engine()
    write(engine, ledger)
    index = reader(engine, ledger)
    (found,) = [one for one in members(index, "a", 2).values() if not one["votes"]]
    assert (found["since"], found["closed"]) == ("1", "2")
    databases.close()


def test_every_grouping_gives_the_same(pasts: list[Past], tmp_path: Path, postgres: str) -> None:
    kinds = {kind: Databases(kind, tmp_path, postgres) for kind in ("sqlite", "postgresql")}
    for past in pasts:
        hashes = []
        for kind, step in (("sqlite", 1), ("sqlite", 11), ("postgresql", 1_000)):
            engine = kinds[kind].engine()
            write(engine, past.ledger, step)
            found = check.check(engine)
            assert found is not None
            hashes.append(found.tables)
        assert hashes[0] == hashes[1] == hashes[2]
        assert schema.memberships.name in hashes[0]
    for databases in kinds.values():
        databases.close()


def test_a_new_era_takes_memberships_over(tmp_path: Path) -> None:
    ledger, databases = Ledger(7, ORGANISATIONS), Databases("sqlite", tmp_path, "")
    for _ in range(BLOCKS // 2):
        ledger.block()
    before = addresses(ledger.chain)
    ledger.begin_era(tmp_path)
    past = Past(ledger, before)
    assert any(taken_in or asks for _, taken_in, asks in past.states[0].values())
    for _ in range(8):
        ledger.block()
        past.add()
    engine = databases.engine()
    write(engine, ledger, 3)
    index = reader(engine, ledger)
    for height, state in enumerate(past.states):
        for address, (organisation, _, asks) in state.items():
            found = organisations.belonging(index, address, height)
            assert (found["organisation"], found["asks"]) == (organisation, asks)
    databases.close()
