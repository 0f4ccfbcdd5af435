"""The index against ledgers that hold operations of every kind."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, inspect, select, text

from bubi import core
from bubi.gateway import records
from bubi.gateway.index import check, migrations, schema
from bubi.gateway.index.paging import Asked
from bubi.gateway.index.reader import CODES, KINDS, AheadError, Filters, Reader
from bubi.gateway.index.writer import IndexStoppedError, Writer, empty

from ..model.generator import PROFILES
from .conftest import Databases
from .ledgers import Ledger

ALL = Asked(limit=100_000)
EVERY = Filters()
NOBODY = core.address_to_text("bubi", b"\x01" * 32)
"""An address that no ledger of these tests names."""
SEED = 4
BLOCKS = 70
BLOCKS_MAX = 200


def filled(seed: int, profile: int, blocks: int) -> Ledger:
    made = Ledger(seed, PROFILES[profile])
    for _ in range(blocks):
        made.block()
    return made


BUSINESS = set(KINDS[: KINDS.index("put_record") + 1])
"""Operations other than those of governance, which this ledger's one validator seldom reaches."""


def final_kinds(chain: core.Chain) -> set[str]:
    """Kinds of the operations that happened."""
    export = chain.export(0, BLOCKS_MAX, 1 << 30)
    blocks = core.BlockRows(chain.prefix, chain.suite, chain.chain_id, export)
    accounts, assets = [0] * len(blocks.addresses), [0] * len(blocks.assets)
    rows = blocks.tuples("transactions", accounts, assets)
    final = {row[:2] for row in rows if row[5] == 0}
    done = blocks.tuples("operations", accounts, assets)
    return {KINDS[row[3]] for row in done if row[:2] in final}


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """Grows until every kind of operation happened."""
    made = filled(SEED, 0, BLOCKS)
    while not final_kinds(made.chain) >= BUSINESS and made.chain.height < BLOCKS_MAX:
        made.block()
    return made


def write(engine: Engine, ledger: Ledger, step: int = BLOCKS_MAX) -> Writer:
    writer = Writer(engine, ledger.origin, ledger.inheritance)
    while writer.progress.height < ledger.chain.height:
        export = ledger.chain.export(writer.progress.height, step, 1 << 30)
        writer.write(writer.decode(export))
    return writer


def reader(engine: Engine, ledger: Ledger) -> Reader:
    chain = ledger.chain
    return Reader(engine, chain.prefix, chain.suite, chain.chain_id.hex())


def listed(chain: core.Chain, kind: str, scope: str = "") -> Iterator[dict[str, Any]]:
    lease, after = chain.lease(), b""
    while True:
        text, after = lease.page(kind, scope, after, 1_000)
        yield from json.loads(text)
        if not after:
            return


def held(chain: core.Chain, asset: str) -> dict[str, Any]:
    """Holdings of an asset as the ledger has them."""
    found = {}
    for one in listed(chain, "holders", asset):
        holding = one["holding"]["v1"]
        names = ("balance", "reserved", "frozen", "authorised")
        found[one["holder"]] = tuple(holding[name] for name in names)
    return found


def indexed(index: Reader, asset: str, height: int | None = None) -> dict[str, Any]:
    return {
        one["address"]: (one["balance"], one["reserved"], one["frozen"], one["authorised"])
        for one in index.holders(asset, height, ALL).items
    }


def test_every_kind_of_operation_is_there(ledger: Ledger) -> None:
    assert final_kinds(ledger.chain) >= BUSINESS


def test_rows_are_what_the_ledger_has(ledger: Ledger, database: Databases) -> None:
    compare_rows(ledger, database)


def test_rows_of_a_national_ledger(tmp_path: Any) -> None:
    databases = Databases("sqlite", tmp_path, "")
    compare_rows(filled(14, 3, 50), databases)
    databases.close()


def compare_rows(ledger: Ledger, database: Databases) -> None:
    engine, chain = database.engine(), ledger.chain
    write(engine, ledger, 7)
    index = reader(engine, ledger)
    assets = list(listed(chain, "assets"))
    assert len(assets) > 5
    shown = {one["id"]: one for one in index.assets(ALL).items}
    assert set(shown) == {one["asset"] for one in assets}
    kinds = set()
    for one in assets:
        found, definition = shown[one["asset"]], one["definition"]["v1"]
        for name in ("code", "name", "kind", "issuer", "cap", "features", "frozen", "supply"):
            assert found[name] == definition[name], (name, one)
        kinds.add(definition["kind"])
        if definition["kind"] == "unique":
            items = {
                item["item"]: (item["state"]["v1"]["holder"], item["state"]["v1"]["digest"])
                for item in listed(chain, "items_of", one["asset"])
            }
            found_items = index.holders(one["asset"], None, ALL).items
            assert {x["item"]: (x["address"], x["digest"]) for x in found_items} == items
        else:
            assert indexed(index, one["asset"]) == held(chain, one["asset"])
    assert kinds == {"fungible", "unique", "dated"}
    for one in listed(chain, "accounts"):
        account = index.account(one["address"])
        assert account is not None
        header = one["header"]
        if "closed" in header:
            assert account["closed"] == header["closed"]["height"]
        else:
            assert account["signers"] == header["v1"]["signers"]
            assert account["thresholds"] == header["v1"]["thresholds"]
            assert account["created"] == header["v1"]["created"]
        balances = {
            item["asset"]: item["holding"]["v1"]["balance"]
            for item in listed(chain, "balances", one["address"])
            if shown[item["asset"]]["kind"] != "unique"
        }
        holdings = index.holdings(one["address"], None, ALL).items
        amounts = {
            x["asset"]["id"]: x["balance"]
            for x in holdings
            if shown[x["asset"]["id"]]["kind"] != "unique"
        }
        assert amounts == balances
        open_holds = {item["hold"] for item in listed(chain, "holds", one["address"])}
        with index.view() as view:
            query = select(schema.holds.c.hold).where(
                schema.holds.c.holder == view.account_number(one["address"]),
                schema.holds.c.state == "open",
            )
            assert {hold.hex() for hold in view.connection.execute(query).scalars()} == open_holds


def test_records_are_what_the_ledger_has(ledger: Ledger, database: Databases) -> None:
    engine, chain = database.engine(), ledger.chain
    write(engine, ledger)
    index = reader(engine, ledger)
    spaces = {one["namespace"]: one for one in records.namespaces(index, ALL).items}
    count = parents = 0
    for space in listed(chain, "namespaces"):
        found, definition = spaces.pop(space["namespace"]), space["definition"]["v1"]
        assert (found["name"], found["owner"]) == (definition["name"], definition["owner"])
        assert found["shared"] == definition["shared"]
        assert json.loads(found["writers"]) == definition["writers"]
        for one in listed(chain, "records", space["namespace"]):
            for version in listed(chain, "versions", f"{space['namespace']}/{one['key']}"):
                record = records.record(index, space["namespace"], one["key"], version["version"])
                assert record is not None
                fields = version["record"]["v1"]
                assert record["writer"] == fields["writer"]
                assert record["time"] == fields["time"]
                assert record["digest"] == fields["digest"]["bytes"]
                assert record["algorithm"] == fields["digest"]["algorithm"]
                assert record["parents"] == fields["parents"]
                content = fields["content"]
                kind = content if isinstance(content, str) else next(iter(content))
                assert record["content_kind"] == kind
                assert record["content"] == (content["plain"] if kind == "plain" else None)
                assert record["hidden"] == (["content"] if kind == "cipher" else [])
                count, parents = count + 1, parents + len(fields["parents"])
                graph = records.graph(index, space["namespace"], one["key"], version["version"])
                assert graph is not None
                for parent in fields["parents"]:
                    name = f"{parent['namespace']}/{parent['key']}/{parent['version']}"
                    assert {"from": name, "to": graph["start"]} in graph["edges"]
    assert not spaces
    assert parents > 0
    assert count == len(records.records(index, ALL).items)


def test_holders_as_of_every_height(database: Databases) -> None:
    ledger, engine = Ledger(5, PROFILES[1]), database.engine()
    past: list[dict[str, Any]] = []
    for _ in range(30):
        ledger.block()
        now = {one["asset"]: one["definition"]["v1"] for one in listed(ledger.chain, "assets")}
        past.append(
            {
                asset: (fields["supply"], held(ledger.chain, asset))
                for asset, fields in now.items()
                if fields["kind"] != "unique"
            }
        )
    write(engine, ledger, 11)
    index = reader(engine, ledger)
    compared = 0
    for height, assets in enumerate(past, 1):
        for asset, (supply, holders) in assets.items():
            assert indexed(index, asset, height) == holders
            steps = index.supply(asset, ALL).items
            at = [one["supply"] for one in steps if int(one["height"]) <= height]
            assert (at[0] if at else "0") == supply
            compared += len(holders)
    assert compared > 100
    with pytest.raises(AheadError):
        index.holders(next(iter(past[-1])), len(past) + 1, ALL)


def test_transactions_as_the_node_shows_them(ledger: Ledger, database: Databases) -> None:
    engine, chain = database.engine(), ledger.chain
    write(engine, ledger)
    index = reader(engine, ledger)
    hashes = []
    for height in range(1, chain.height + 1):
        block = json.loads(chain.block_json(height, True) or b"")
        found = index.block(str(height))
        assert found is not None
        for name in ("time", "digest", "parent", "state_root", "final", "rejected", "receipts"):
            assert found[name] == block[name]
        ids = [one["id"] for one in block["transactions"] if one["id"] != "00" * 32]
        assert [one["hash"] for one in index.block_transactions(height, ALL).items] == ids
        hashes += ids
    assert [one["hash"] for one in index.transactions(Filters(), ALL).items] == hashes[::-1]
    assert index.overview()["transactions"] == str(len(hashes))
    hidden = 0
    records_ = {one["hash"] for one in index.transactions(Filters(kind="put_record"), ALL).items}
    for hash_ in [*hashes[::3], *records_]:
        one = index.transaction(hash_)
        node = json.loads(chain.status_json(bytes.fromhex(hash_), False) or b"")
        assert one is not None
        assert one["code"] == node["code"]
        assert one["events"] == node["events"]
        codes = [operation.pop("code") for operation in one["body"]["operations"]]
        assert codes == [operation["code"] for operation in node["operations"]]
        if one["hidden"]:
            hidden += 1
            assert '"cipher": {"suite"' in json.dumps(one["body"])
            assert '"bytes"' not in json.dumps(
                [
                    o["body"]["put_record"]["content"]
                    for o in one["body"]["operations"]
                    if "put_record" in o["body"]
                ]
            )
        else:
            assert one["body"] == node["body"]["v1"]
        if one["code"] == "final":
            # What was executed had the weight that its thresholds ask for.
            assert all(need["weight"] >= need["threshold"] for need in one["thresholds"]), one
    assert hidden > 0


def test_filters_and_pages(ledger: Ledger, database: Databases) -> None:
    engine, chain = database.engine(), ledger.chain
    write(engine, ledger)
    index = reader(engine, ledger)
    everything = index.transactions(Filters(), ALL).items
    bodies = {
        one["hash"]: json.loads(chain.status_json(bytes.fromhex(one["hash"]), False) or b"")
        for one in everything
    }

    def expected(fits: Any) -> list[str]:
        return [one["hash"] for one in everything if fits(bodies[one["hash"]])]

    def found(**filters: Any) -> list[str]:
        hashes, cursor = [], None
        while True:
            page = index.transactions(Filters(**filters), Asked(cursor, 7))
            hashes += [one["hash"] for one in page.items]
            if page.next is None:
                return hashes
            cursor = page.next

    def kinds(body: Any) -> list[str]:
        return [
            one["body"] if isinstance(one["body"], str) else next(iter(one["body"]))
            for one in body["body"]["v1"]["operations"]
        ]

    for kind in ("transfer", "put_record", "close_account"):
        assert found(kind=kind) == expected(lambda body, kind=kind: kind in kinds(body))
    assert found(code="final") == expected(lambda body: body["code"] == "final")
    rejected = next(one["code"] for one in everything if one["code"] != "final")
    assert found(code=rejected) == expected(lambda body: body["code"] == rejected)
    middle = everything[len(everything) // 2]
    time = int(middle["time"])
    assert found(since=time) == expected(lambda body: int(body["time"]) >= time)
    assert found(until=time) == expected(lambda body: int(body["time"]) <= time)
    asset = next(one["asset"] for one in listed(chain, "assets"))
    assert set(expected(lambda body: asset in json.dumps(body))) >= set(found(asset=asset)) > set()
    account = middle["source"]
    named = set(found(account=account))
    assert named >= set(expected(lambda body: body["body"]["v1"]["source"] == account)) > set()
    assert set(found(account=account, code="final")) == {
        one for one in named if bodies[one]["code"] == "final"
    }
    assert found(account=account, since=time, until=time - 1) == []


def test_groups_of_any_size_give_the_same_tables(ledger: Ledger, database: Databases) -> None:
    hashes = []
    for step in (1, BLOCKS_MAX):
        engine = database.engine()
        write(engine, ledger, step)
        found = check.check(engine)
        assert found is not None
        assert found.height == ledger.chain.height
        hashes.append(found.tables)
    assert hashes[0] == hashes[1]
    assert set(hashes[0]) == set(schema.metadata.tables)


def test_both_databases_hold_the_same(ledger: Ledger, tmp_path: Any, postgres: str) -> None:
    hashes = []
    for kind in ("sqlite", "postgresql"):
        databases = Databases(kind, tmp_path, postgres)
        engine = databases.engine()
        write(engine, ledger)
        found = check.check(engine)
        assert found is not None
        hashes.append(found.tables)
        databases.close()
    assert hashes[0] == hashes[1]


def test_a_group_that_fails_leaves_nothing(ledger: Ledger, database: Databases) -> None:
    engine = database.engine()
    writer = Writer(engine, ledger.origin)
    writer.write(writer.decode(ledger.chain.export(0, 20, 1 << 30)))
    before = check.check(engine)
    for after in (0, 30):
        with pytest.raises(IndexStoppedError, match="does not follow"):
            writer.write(writer.decode(ledger.chain.export(after, 5, 1 << 30)))
        assert check.check(engine) == before
    with engine.begin() as connection:
        connection.execute(schema.activity.delete())
        schema.activity.drop(connection)
    with pytest.raises(Exception, match="activity"):
        writer.write(writer.decode(ledger.chain.export(20, 5, 1 << 30)))
    with engine.begin() as connection:
        schema.activity.create(connection)
    found = check.check(engine)
    assert found is not None
    assert before is not None
    del found.tables["activity"], before.tables["activity"]
    assert found == before
    # Nothing that was remembered of the failed group is wrong afterwards.
    write(engine, ledger, 9)
    fresh = database.engine()
    write(fresh, ledger)
    first, second = check.check(engine), check.check(fresh)
    assert first is not None
    assert second is not None
    del first.tables["activity"], second.tables["activity"]
    assert first == second


def test_an_index_of_another_chain_is_refused(ledger: Ledger, database: Databases) -> None:
    engine = database.engine()
    write(engine, ledger)
    with pytest.raises(IndexStoppedError, match="rebuild"):
        Writer(engine, Ledger(99, PROFILES[2]).origin)
    empty(engine)
    assert check.check(engine) is None
    write(engine, ledger)
    assert check.check(engine) is not None


def test_migrations_run_once_each_and_never_backwards(database: Databases) -> None:
    engine = database.engine()
    done: list[int] = []
    steps = [lambda _connection, number=number: done.append(number) for number in (1, 2)]
    assert migrations.migrate(engine, steps[:1]) == 1
    assert migrations.migrate(engine, steps) == 2
    assert migrations.migrate(engine, steps) == 2
    assert done == [1, 2]
    with pytest.raises(migrations.SchemaError, match="newer"):
        migrations.migrate(engine, steps[:1])


def test_an_index_of_before_gets_what_finds_things_by_their_makers(
    ledger: Ledger, database: Databases
) -> None:
    engine = database.engine()
    write(engine, ledger)
    before = check.check(engine)
    owned = {"accounts_by_creator": "accounts", "accounts_closed": "accounts",
             "assets_by_kind": "assets", "namespaces_by_owner": "namespaces",
             "records_by_writer": "records", "proposals_by_organisation": "proposals",
             "evidence_by_validator": "evidence"}  # fmt: skip

    def there() -> set[str | None]:
        tables = set(owned.values())
        return {one["name"] for table in tables for one in inspect(engine).get_indexes(table)}

    assert there() >= set(owned)
    with engine.begin() as connection:
        for name in owned:
            connection.execute(text(f"DROP INDEX {name}"))
        connection.execute(text("DELETE FROM index_schema WHERE version > 4"))
    assert not there() & set(owned)
    assert migrations.migrate(engine, migrations.STEPS[:5]) == 5
    assert there() >= set(owned)
    assert check.check(engine) == before, "nothing has to be read again"


def test_lists_are_narrowed_by_what_their_rows_say(ledger: Ledger, database: Databases) -> None:
    engine, chain = database.engine(), ledger.chain
    write(engine, ledger)
    index = reader(engine, ledger)

    def narrowed(ask: Any, value: Callable[[Any], Any], nothing: str = NOBODY) -> None:
        """Each value of a column leaves the rows that have it, and not all rows have the same.

        `nothing` is a valid value that no row has: it leaves none.
        """
        every = ask(None).items
        values = list(dict.fromkeys(value(one) for one in every if value(one) is not None))
        assert len(values) > 1
        assert ask(nothing).items == []
        for wanted in values[:4]:
            assert ask(wanted).items == [one for one in every if value(one) == wanted]

    # Accounts of the genesis have no creator, and nobody is none of theirs.
    assert None in {one["creator"] for one in index.accounts(ALL).items}
    narrowed(lambda one: index.accounts(ALL, one), lambda row: row["creator"])
    ended = [one["closed"] is not None for one in index.accounts(ALL).items]
    for closed in (True, False):
        found = index.accounts(ALL, closed=closed).items
        assert len(found) == ended.count(closed) > 0
        assert {one["closed"] is not None for one in found} == {closed}
    narrowed(lambda one: index.assets(ALL, code=one), lambda row: row["code"])
    narrowed(lambda one: records.namespaces(index, ALL, owner=one), lambda row: row["owner"])
    narrowed(lambda one: records.namespaces(index, ALL, name=one), lambda row: row["name"])
    narrowed(lambda one: records.records(index, ALL, writer=one), lambda row: row["writer"])
    richest = max(
        (one["address"] for one in index.accounts(ALL).items),
        key=lambda one: len(index.holdings(one, None, ALL).items),
    )
    narrowed(
        lambda one: index.holdings(richest, None, ALL, one),
        lambda row: row["asset"]["id"],
        "00" * 32,
    )
    kinds = {"fungible": False, "unique": False, "dated": False}
    for asset in index.assets(ALL).items:
        holders = index.holders(asset["id"], None, ALL).items
        if len({one["address"] for one in holders}) < 2:
            continue
        kinds[asset["kind"]] = True
        narrowed(
            lambda one, asset=asset["id"]: index.holders(asset, None, ALL, one),
            lambda row: row["address"],
        )
    assert all(kinds.values()), kinds
    issued = max(
        (one["id"] for one in index.assets(ALL).items),
        key=lambda one: len(index.supply(one, ALL).items),
    )
    steps = index.supply(issued, ALL).items
    middle = int(steps[len(steps) // 2]["time"])
    later = index.supply(issued, ALL, since=middle).items
    earlier = index.supply(issued, ALL, until=middle - 1).items
    assert later + earlier == steps
    assert later
    assert earlier
    full = max(range(1, chain.height + 1), key=lambda h: len(transactions(index, h)))
    narrowed(
        lambda one: index.block_transactions(full, ALL, Filters(code=one)),
        lambda row: row["code"],
        min(set(CODES) - {row["code"] for row in transactions(index, full)}),
    )
    every = transactions(index, full)
    kind = every[0]["first"][0]["kind"]
    found_kind = [one["hash"] for one in transactions(index, full, Filters(kind=kind))]
    assert every[0]["hash"] in found_kind
    assert len(found_kind) < len(every)
    source = every[0]["source"]
    named = [one["hash"] for one in transactions(index, full, Filters(account=source))]
    assert {one["hash"] for one in every if one["source"] == source} <= set(named)
    assert len(named) < len(every)


def transactions(index: Reader, height: int, filters: Filters = EVERY) -> list[Any]:
    return index.block_transactions(height, ALL, filters).items


def plans(engine: Engine, ask: Callable[[], Any]) -> list[str]:
    """How SQLite finds the rows that a question is about."""
    asked: list[tuple[str, Any]] = []

    def hear(*told: Any) -> None:
        asked.append(told[2:4])

    event.listen(engine, "before_cursor_execute", hear)
    try:
        ask()
    finally:
        event.remove(engine, "before_cursor_execute", hear)
    with engine.connect() as connection:
        return [
            str(row[3])
            for statement, values in asked
            if statement.startswith("SELECT")
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]


QUESTIONS: dict[str, Callable[[Reader], Any]] = {
    "blocks": lambda index: index.blocks(Asked(limit=5), since=1, until=10**13),
    "transactions": lambda index: index.transactions(
        Filters(since=1, until=10**13), Asked(limit=5)
    ),
}
"""Lists that are long while few rows are asked for."""
INDEXED: dict[str, Callable[[Reader], Any]] = {
    "accounts_closed": lambda index: index.accounts(Asked(limit=5), closed=True),
    "assets_by_kind": lambda index: index.assets(Asked(limit=5), kind="dated"),
}
"""Lists of few rows among many, and what finds those."""


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_page_costs_what_it_shows(ledger: Ledger, tmp_path: Path, name: str) -> None:
    databases = Databases("sqlite", tmp_path, "")
    engine = databases.engine()
    write(engine, ledger)
    index = reader(engine, ledger)
    found = plans(engine, lambda: QUESTIONS[name](index))
    assert found
    assert not sorts(found), found
    databases.close()


def sorts(found: list[str]) -> list[str]:
    return [one for one in found if "TEMP B-TREE FOR ORDER BY" in one]


@pytest.mark.parametrize("name", INDEXED)
def test_few_rows_among_many_are_found_by_an_index(
    ledger: Ledger, tmp_path: Path, name: str
) -> None:
    databases = Databases("sqlite", tmp_path, "")
    engine = databases.engine()
    write(engine, ledger)
    index = reader(engine, ledger)
    assert INDEXED[name](index).items
    found = plans(engine, lambda: INDEXED[name](index))
    assert any(name in one for one in found), found
    assert not sorts(found), found
    databases.close()


def test_blocks_between_two_times(ledger: Ledger, database: Databases) -> None:
    engine = database.engine()
    write(engine, ledger)
    index = reader(engine, ledger)
    every = index.blocks(ALL).items
    times = sorted(int(one["time"]) for one in every)
    first, middle, last = times[0], times[len(times) // 2], times[-1]
    for since, until in (
        (middle, None),
        (middle + 1, None),
        (None, middle),
        (None, middle - 1),
        (middle, middle),
        (first, last),
        (last + 1, None),
        (None, first - 1),
        (last, first),
    ):
        wanted = [
            one
            for one in every
            if (since is None or int(one["time"]) >= since)
            and (until is None or int(one["time"]) <= until)
        ]
        assert index.blocks(ALL, since, until).items == wanted, (since, until)


def test_a_standing_reader_sees_one_moment(ledger: Ledger, database: Databases) -> None:
    engine = database.engine()
    writer = Writer(engine, ledger.origin)
    writer.write(writer.decode(ledger.chain.export(0, 10, 1 << 30)))
    index = reader(engine, ledger)
    with index.standing() as standing:
        before = standing.blocks(Asked(limit=3))
        writer.write(writer.decode(ledger.chain.export(10, 10, 1 << 30)))
        after = standing.blocks(Asked(before.next, 3))
        assert index.blocks(ALL).height == 20
        assert (before.height, after.height) == (10, 10)
        assert standing.blocks(ALL).items[0]["height"] == "10"


def test_a_cut_export_is_refused(ledger: Ledger, database: Databases) -> None:
    export = ledger.chain.export(0, 5, 1 << 30)
    writer = Writer(database.engine(), ledger.origin)
    for end in (1, 3, len(export) // 2, len(export) - 1):
        with pytest.raises(core.CoreError):
            writer.decode(export[:end])
    assert writer.decode(b"").last == 0
    assert len(ledger.chain.export(0, 5, 1)) < len(export), "the first block comes in any case"
    assert writer.decode(ledger.chain.export(0, 5, 1)).last == 1
    assert ledger.chain.export(ledger.chain.height, 5, 1 << 30) == b""
    assert ledger.chain.export(2**64 - 1, 5, 1 << 30) == b""


def test_search_finds_everything(ledger: Ledger, database: Databases) -> None:
    engine, chain = database.engine(), ledger.chain
    write(engine, ledger)
    index = reader(engine, ledger)

    def kinds(words: str) -> set[str]:
        return {one["kind"] for one in index.search(words)}

    newest = index.transactions(Filters(), Asked(limit=1)).items[0]
    block = index.block(newest["height"])
    assert block is not None
    assert kinds(newest["hash"]) == {"transaction"}
    assert kinds(block["digest"]) == {"block"}
    assert kinds(newest["height"]) == {"block"}
    assert kinds(newest["source"]) == {"account"}
    asset = next(iter(listed(chain, "assets")))
    assert kinds(asset["asset"]) == {"asset"}
    assert "asset" in kinds(asset["definition"]["v1"]["code"])
    record = records.records(index, Asked(limit=1)).items[0]
    assert "record" in kinds(record["digest"])
    assert "record" in kinds(record["key"])
    assert kinds(record["namespace_name"]) == {"namespace"}
    for one in json.loads(chain.organisations_json()):
        assert kinds(one["name"]) == {"organisation"}
    assert kinds("nothing of this kind") == set()
