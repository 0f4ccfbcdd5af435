"""Writes groups of blocks: every group in one transaction, with the progress it makes.

A group holds whole blocks, in order, directly behind what the index has; anything else is
refused. So a writer that dies anywhere leaves the last whole group, and going on from there
gives the same tables as never having died.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, insert, select, text, tuple_, update

from bubi import core
from bubi.gateway.index import governance, migrations, schema
from bubi.gateway.index.database import Bulk, Row, bulk, is_sqlite

PLAIN = (
    (schema.blocks, "blocks"),
    (schema.transactions, "transactions"),
    (schema.operations, "operations"),
    (schema.events, "events"),
    (schema.account_transactions, "account_transactions"),
    (schema.asset_transactions, "asset_transactions"),
    (schema.record_parents, "record_parents"),
)
"""Tables whose rows the core makes whole."""
VOTE = core.operation_names().index("vote")
REMEMBERED = 400_000
"""Entries of each memory; above it the memory is emptied."""
LOOKUP = 500
INHERITED_CELLS = 50_000
"""Cells of a state that a chain continues which are written at a time."""
MINUTE_MS = 60_000
DAY_MS = 86_400_000


class IndexStoppedError(Exception):
    """The index cannot go on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the index is. The counts are of what the blocks up to there hold."""

    chain_id: str
    height: int
    time: int
    digest: bytes
    transactions: int
    addresses: int
    accounts: int
    asset_ids: int
    assets: int
    records: int


@dataclass(frozen=True, slots=True)
class Origin:
    """What a chain begins with."""

    chain_id: str
    prefix: str
    suite: int
    genesis: bytes


Inheritance = Callable[[], AbstractContextManager[Path]]
"""Gets the file with the end of the chain before, for as long as it is read."""


@dataclass(slots=True)
class Holding:
    """What an account has of an asset now, and since when."""

    since: int
    balance: int = 0
    reserved: int = 0
    frozen: int = 0
    authorised: int = 0

    def empty(self) -> bool:
        """Whether the ledger keeps nothing of it."""
        return not (self.balance or self.reserved or self.frozen or self.authorised)


Key = tuple[int, ...]


class Writer:
    """The only one that writes the tables of an index."""

    def __init__(
        self, engine: Engine, origin: Origin, inheritance: Inheritance | None = None
    ) -> None:
        self._engine = engine
        self._origin = origin
        self._inheritance = inheritance
        self._chain = bytes.fromhex(origin.chain_id)
        self._accounts: dict[str, int] = {}
        self._assets: dict[bytes, int] = {}
        self._holdings: dict[Key, Holding | None] = {}
        self._supplies: dict[Key, tuple[int, int] | None] = {}
        migrations.migrate(engine)
        with engine.begin() as connection:
            self.progress = read_progress(connection) or self._begin(connection)
        if self.progress.chain_id != origin.chain_id:
            msg = (
                f"the index holds chain {self.progress.chain_id} and the node keeps "
                f"{origin.chain_id}: name another index.database, or rebuild it with "
                "`bubi gateway index rebuild`"
            )
            raise IndexStoppedError(msg)

    def _begin(self, connection: Connection) -> Progress:
        """Fills an empty index with what the chain begins with."""
        genesis = core.decode_json(core.genesis_to_json(self._origin.genesis))["v1"]
        self.progress = Progress(
            self._origin.chain_id,
            0,
            int(genesis["time"]),
            self._chain,
            transactions=0,
            addresses=0,
            accounts=0,
            asset_ids=0,
            assets=0,
            records=0,
        )
        if genesis["predecessor"] is None:
            self._open(connection, genesis["accounts"])
            governance.begin(connection, genesis)
        else:
            denied, revoked = self._inherit(connection)
            governance.begin(connection, genesis, denied, revoked)
        bulk(connection).insert(schema.progress, [(1, *_progress_values(self.progress))])
        return self.progress

    def _open(self, connection: Connection, listed: Sequence[Any]) -> None:
        """The accounts of a genesis; those that it lists may belong to an organisation."""
        opened = list(enumerate(core.genesis_accounts(self._origin.genesis), 1))
        out = bulk(connection)
        out.insert(schema.addresses, [(number, one[0]) for number, one in opened])
        out.insert(schema.accounts, [(number, 0, 0, None, None) for number, _ in opened])
        out.insert(schema.signers, [(number, 0, 0, 0, one[1], one[2]) for number, one in opened])
        belongs = {one["address"]: one["organisation"] for one in listed}
        found = [(number, belongs.get(one[0])) for number, one in opened]
        members = [(number, 0, schema.OPEN, name, None) for number, name in found if name]
        out.insert(schema.memberships, members)
        count = len(opened)
        self.progress = replace(self.progress, addresses=count, accounts=count)

    def _inherit(self, connection: Connection) -> tuple[list[str], list[str]]:
        """The state that the chain continues; nodes and certificates that stay shut out.

        Raises:
            IndexStoppedError: there is no such file, or it does not fit the genesis.
        """
        if self._inheritance is None:
            raise IndexStoppedError("this chain continues another one, whose end is not here")
        denied: list[str] = []
        revoked: list[str] = []

        def take(rows: core.BlockRows) -> None:
            group = _Group(self, connection, rows)
            self.progress = group.write_beginning()
            denied.extend(row[0] for row in group.rows("denied"))
            revoked.extend(row[0] for row in group.rows("revoked"))
            self._forget_much()

        with self._inheritance() as path:
            folder, name = str(path.parent), path.name
            try:
                before = core.inherited_rows(
                    folder, name, self._origin.genesis, INHERITED_CELLS, take
                )
            except core.CoreError as error:
                msg = f"the end of the chain before is not usable: {core.error_detail(error)}"
                raise IndexStoppedError(msg) from error
        end = core.decode_json(before)
        values = {
            "chain_id": end["chain"],
            "certificate": bytes.fromhex(end["certificate"]),
            "state_root": bytes.fromhex(end["state_root"]),
            "height": int(end["height"]),
            "time": int(end["time"]),
        }
        connection.execute(insert(schema.predecessor).values(values))
        return sorted(denied), sorted(revoked)

    def decode(self, export: bytes) -> core.BlockRows:
        """Blocks that the node exported, as rows."""
        origin = self._origin
        return core.BlockRows(origin.prefix, origin.suite, self._chain, export)

    def write(self, blocks: core.BlockRows) -> Progress:
        """Writes a group of blocks; after it returns they are in the index, all or none.

        Raises:
            IndexStoppedError: the blocks do not follow on what is there.
        """
        try:
            with self._engine.begin() as connection:
                progress = _Group(self, connection, blocks).write()
        except BaseException:
            # What is remembered may be of the group that was not written.
            self._forget()
            raise
        self.progress = progress
        self._forget_much()
        return progress

    def _forget_much(self) -> None:
        if max(len(self._accounts), len(self._holdings)) > REMEMBERED:
            self._forget()

    def _forget(self) -> None:
        for memory in (self._accounts, self._assets, self._holdings, self._supplies):
            memory.clear()


class _Group:
    """One group of blocks inside its transaction."""

    def __init__(self, writer: Writer, connection: Connection, blocks: core.BlockRows) -> None:
        self.writer = writer
        self.connection = connection
        self.blocks = blocks
        self.out: Bulk = bulk(connection)
        self.accounts: list[int] = []
        self.assets: list[int] = []
        self.progress = writer.progress

    def rows(self, name: str) -> list[Row]:
        """Rows that the core made, with this index's numbers."""
        return self.blocks.tuples(name, self.accounts, self.assets)

    def write(self) -> Progress:
        """Writes everything."""
        headers = self._follow()
        self._number_names()
        self._objects()
        self._activity(headers)
        origin = self.writer._origin
        chain = governance.Chain(self.writer._chain, origin.prefix, origin.suite)
        governance.follow(self.connection, chain, self.progress.height)
        self._advance(headers)
        return self.progress

    def write_beginning(self) -> Progress:
        """Writes what stands before the first block; the caller writes the progress."""
        self._number_names()
        self._objects()
        return self.progress

    def _objects(self) -> None:
        """Everything but blocks and governance."""
        for table, name in PLAIN:
            self.out.insert_blocks(table, self.blocks, name, self.accounts, self.assets)
        self._accounts()
        self._entries()
        self._assets()
        self._items()
        self._namespaces()
        records = self.rows("records")
        self.out.insert(schema.records, [(*row[3:6], *row[:2], *row[6:]) for row in records])
        self.progress = replace(self.progress, records=self.progress.records + len(records))
        self._amounts()

    def _follow(self) -> list[Row]:
        """The blocks' headers, each the child of the one before."""
        headers = self.blocks.tuples("blocks", [], [])
        height, digest = self.progress.height, self.progress.digest
        for header in headers:
            if header[0] != height + 1 or header[3] != digest:
                msg = (
                    f"block {header[0]} does not follow on block {height} of the index: the node "
                    "lost blocks that the index has; rebuild it with `bubi gateway index rebuild`"
                )
                raise IndexStoppedError(msg)
            height, digest = header[0], header[2]
        return headers

    def _number_names(self) -> None:
        writer, progress = self.writer, self.progress
        self.accounts, added = self._numbers(
            self.blocks.addresses,
            writer._accounts,
            progress.addresses,
            schema.addresses,
        )
        self.assets, more = self._numbers(
            self.blocks.assets, writer._assets, progress.asset_ids, schema.asset_ids
        )
        self.progress = replace(
            progress, addresses=progress.addresses + added, asset_ids=progress.asset_ids + more
        )

    def _numbers(
        self, names: Sequence[Any], known: dict[Any, int], last: int, table: Table
    ) -> tuple[list[int], int]:
        """Numbers of names; those that are new get the next ones, in order."""
        column = table.columns[1]
        unknown = [name for name in names if name not in known]
        for some in batched(unknown, LOOKUP):
            found = self.connection.execute(select(table.c.id, column).where(column.in_(some)))
            known.update({name: number for number, name in found})
        added = [name for name in unknown if name not in known]
        new = [(last + place, name) for place, name in enumerate(added, 1)]
        known.update({name: number for number, name in new})
        self.out.insert(table, new)
        return [known[name] for name in names], len(new)

    def _accounts(self) -> None:
        created = self.rows("accounts_created")
        self.out.insert(schema.accounts, [(row[3], *row[:2], row[4], None) for row in created])
        changed = self.rows("signers_changed")
        versions = [(row[3], *row[:3], *row[5:]) for row in created]
        self.out.insert(
            schema.signers, versions + [(row[3], *row[:3], *row[4:]) for row in changed]
        )
        for row in self.rows("accounts_closed"):
            self.connection.execute(
                update(schema.accounts)
                .where(schema.accounts.c.account == row[3])
                .values(closed=row[0])
            )
        voted = self._opened_by_vote({row[3] for row in created})
        self.out.insert(schema.accounts, voted)
        count = self.progress.accounts + len(created) + len(voted)
        self.progress = replace(self.progress, accounts=count)

    def _opened_by_vote(self, created: set[int]) -> list[Row]:
        """Accounts of validators that came by a vote: no operation opened them by name.

        Their signers are not in the stream; the node is asked for them when they are shown.
        """
        events, operations = schema.events, schema.operations
        found = self.connection.execute(
            select(events.c.height, events.c.position, events.c.event)
            .join(
                operations,
                (operations.c.height == events.c.height)
                & (operations.c.position == events.c.position),
            )
            .where(
                operations.c.kind == VOTE,
                operations.c.height > self.progress.height,
                events.c.kind == "account_created",
            )
            .distinct()
        )
        numbers = dict(zip(self.blocks.addresses, self.accounts, strict=True))
        rows: dict[int, Row] = {}
        for height, position, text_ in found:
            event = json.loads(text_)["account_created"]
            account = numbers[event["account"]]
            if account not in created:
                rows[account] = (account, height, position, numbers[event["creator"]], None)
        return list(rows.values())

    def _entries(self) -> None:
        """Data entries, claims and memberships."""
        entries = [(row[0], row[3:5], row[5:]) for row in self.rows("data_set")]
        self._follow_values(schema.data, ("account", "name"), entries)
        claims = [(row[0], row[3:6], row[6:]) for row in self.rows("claims_set")]
        self._follow_values(schema.claims, ("account", "issuer", "kind"), claims)
        belongs = [(row[0], row[1:2], row[2:]) for row in self.rows("memberships_set")]
        self._follow_values(schema.memberships, ("account",), belongs)

    def _follow_values(
        self, table: Table, keys: tuple[str, ...], changes: Sequence[tuple[int, Row, Row]]
    ) -> None:
        """Rows with validity: of each key the last value in a block counts.

        A change is (height, key, values); values without what the table demands, or none at all,
        are an end.
        """
        columns = [table.c[name] for name in keys]
        open_: dict[Row, int] = {}
        for some in batched(dict.fromkeys(key for _, key, _ in changes), LOOKUP):
            found = self.connection.execute(
                select(*columns, table.c.since).where(
                    tuple_(*columns).in_(some), table.c.until == schema.OPEN
                )
            )
            open_.update({tuple(row[:-1]): row[-1] for row in found})
        rows: dict[tuple[Row, int], Row] = {}
        closed: list[Row] = []
        for height, key, values in changes:
            since = open_.pop(key, None)
            if since is not None and (key, since) not in rows:
                closed.append((height, *key, since))
            elif since is not None:
                made = rows.pop((key, since))
                if since < height:
                    rows[key, since] = (*made[: len(keys) + 1], height, *made[len(keys) + 2 :])
            if _stands(table, values):
                open_[key] = height
                rows[key, height] = (*key, height, schema.OPEN, *values)
        self.out.close(table, (*keys, "since"), closed)
        self.out.insert(table, list(rows.values()))

    def _assets(self) -> None:
        created = self.rows("assets_created")
        self.out.insert(schema.assets, [(row[3], *row[:2], *row[4:], 0) for row in created])
        for _height, asset, frozen in self.rows("assets_frozen"):
            self.connection.execute(
                update(schema.assets).where(schema.assets.c.asset == asset).values(frozen=frozen)
            )
        self.progress = replace(self.progress, assets=self.progress.assets + len(created))

    def _namespaces(self) -> None:
        table = schema.namespaces
        for height, position, _number, namespace, name, owner, writers, shared in self.rows(
            "namespaces_set"
        ):
            values = {"owner": owner, "writers": writers, "shared": shared}
            if name is None:
                self.connection.execute(
                    update(table).where(table.c.namespace == namespace).values(values)
                )
            else:
                place = {"height": height, "position": position}
                self.connection.execute(
                    insert(table).values(namespace=namespace, name=name, **place, **values)
                )

    def _items(self) -> None:
        """Items change hands one by one: the newest row of each is read and closed."""
        table = schema.items
        digests = {(row[0], row[3], row[4]): row[5] for row in self.rows("item_digests")}
        for height, asset, item, holder in self.rows("item_moves"):
            this = (table.c.asset == asset) & (table.c.item == item)
            found = self.connection.execute(
                select(table.c.since, table.c.digest).where(this, table.c.until == schema.OPEN)
            ).first()
            digest = digests.get((height, asset, item)) if found is None else found.digest
            digest = digests.get((height, asset, item), digest)
            if found is not None:
                row = this & (table.c.since == found.since)
                if found.since == height:
                    self.connection.execute(table.delete().where(row))
                else:
                    self.connection.execute(update(table).where(row).values(until=height))
            if holder is not None:
                row_values = (asset, item, height, schema.OPEN, holder, digest)
                self.connection.execute(
                    insert(table).values(dict(zip(table.columns.keys(), row_values, strict=True)))
                )

    def _holds(self) -> list[Row]:
        """Opens and closes holds; the movements that closing makes."""
        table = schema.holds
        opened = self.rows("holds_opened")
        self.out.insert(table, [(*row, "open", None, None) for row in opened])
        movements = []
        for hold, height, _position, state, captured in self.rows("holds_closed"):
            open_ = (table.c.hold == hold) & (table.c.state == "open")
            found = self.connection.execute(select(table).where(open_)).one()
            self.connection.execute(
                update(table).where(open_).values(state=state, closed=height, captured=captured)
            )
            amount = int(found.amount)
            movements.append((height, found.asset, found.holder, amount, -amount))
        return movements

    def _amounts(self) -> None:
        """Holdings and supplies: one row for each block that changed them."""
        changes: list[Row] = [(*row, None, None) for row in self.rows("movements")]
        changes += [(*row, None, None) for row in self._holds()]
        for height, asset, account, which, value in self.rows("flags"):
            flags = (None, value) if which else (value, None)
            changes.append((height, asset, account, 0, 0, *flags))
        changes.sort(key=lambda row: row[0])
        memory = self.writer._holdings
        self._remember_holdings({(row[1], row[2]) for row in changes if row[1:3] not in memory})
        versions = _Versions(memory)
        for height, asset, account, balance, reserved, frozen, authorised in changes:
            holding = versions.at((asset, account), height, Holding)
            holding.balance += balance
            holding.reserved += reserved
            holding.frozen = holding.frozen if frozen is None else frozen
            holding.authorised = holding.authorised if authorised is None else authorised
        rows, closed = versions.finish()
        self.out.close(schema.holdings, ("asset", "account", "since"), closed)
        self.out.insert(schema.holdings, rows)
        self._supplies()

    def _remember_holdings(self, wanted: Iterable[Key]) -> None:
        memory, table = self.writer._holdings, schema.holdings
        columns = "asset, account, since, balance, reserved, frozen, authorised"
        for some in batched(sorted(wanted), LOOKUP):
            memory.update(dict.fromkeys(some))
            pairs = ", ".join(f"({asset:d}, {account:d})" for asset, account in some)
            found = self.connection.execute(
                text(
                    f"SELECT {columns} FROM {table.name} "  # noqa: S608 - numbers of our own
                    f"WHERE until = {schema.OPEN} AND (asset, account) IN (VALUES {pairs})"
                )
            )
            for asset, account, since, balance, reserved, frozen, authorised in found:
                memory[asset, account] = Holding(
                    since, int(balance), int(reserved), frozen, authorised
                )

    def _supplies(self) -> None:
        table, memory = schema.supplies, self.writer._supplies
        closed: list[Row] = []
        rows: dict[tuple[int, int], Row] = {}
        for height, asset, change in self.rows("supply_changes"):
            key = (asset,)
            if key not in memory:
                found = self.connection.execute(
                    select(table.c.since, table.c.supply).where(
                        table.c.asset == asset, table.c.until == schema.OPEN
                    )
                ).first()
                memory[key] = None if found is None else (found.since, int(found.supply))
            before = memory[key]
            amount = change
            if before is not None:
                since, supply = before
                amount += supply
                last = rows.get((asset, since))
                if last is None:
                    closed.append((height, asset, since))
                else:
                    rows[asset, since] = (asset, since, height, last[3])
            rows[asset, height] = (asset, height, schema.OPEN, str(amount))
            memory[key] = (height, amount)
        self.out.close(table, ("asset", "since"), closed)
        self.out.insert(table, list(rows.values()))

    def _activity(self, headers: Sequence[Row]) -> None:
        sums: dict[tuple[int, int], list[int]] = {}
        for header in headers:
            time, receipts, final = header[1], header[11], header[12]
            for span in (MINUTE_MS, DAY_MS):
                one = sums.setdefault((span, time - time % span), [0, 0, 0])
                one[0] += 1
                one[1] += final
                one[2] += receipts - final
        statement = text(
            "INSERT INTO activity (span, start, blocks, final, rejected) "
            "VALUES (:span, :start, :blocks, :final, :rejected) "
            "ON CONFLICT (span, start) DO UPDATE SET blocks = activity.blocks + excluded.blocks, "
            "final = activity.final + excluded.final, "
            "rejected = activity.rejected + excluded.rejected"
        )
        for (span, start), (blocks, final, rejected) in sums.items():
            values = {"span": span, "start": start, "blocks": blocks}
            self.connection.execute(statement, values | {"final": final, "rejected": rejected})

    def _advance(self, headers: Sequence[Row]) -> None:
        last = headers[-1]
        self.progress = replace(
            self.progress,
            height=last[0],
            time=last[1],
            digest=last[2],
            transactions=self.progress.transactions + self._transactions(),
        )
        names = list(schema.progress.columns.keys())[1:]
        values = dict(zip(names, _progress_values(self.progress), strict=True))
        self.connection.execute(update(schema.progress).values(values))

    def _transactions(self) -> int:
        """Receipts of transactions; what fell due by itself has a receipt, too."""
        return self.blocks.count("transactions") - self.blocks.count("due")


class _Versions:
    """Versions of holdings that a group makes."""

    def __init__(self, memory: dict[Key, Holding | None]) -> None:
        self._memory = memory
        self._rows: list[list[Any]] = []
        self._newest: dict[Key, int] = {}
        self._closed: list[Row] = []

    def at(self, key: Key, height: int, make: Callable[[int], Holding]) -> Holding:
        """The holding at a height; what it was before ends there."""
        before = self._memory.get(key)
        if before is not None and before.since == height and key in self._newest:
            return before
        place = self._newest.get(key)
        if place is not None:
            self._settle(place, height)
        elif before is not None and not before.empty():
            self._closed.append((height, *key, before.since))
        holding = (
            make(height)
            if before is None
            else Holding(height, before.balance, before.reserved, before.frozen, before.authorised)
        )
        self._memory[key] = holding
        self._newest[key] = len(self._rows)
        self._rows.append([key, holding, schema.OPEN])
        return holding

    def _settle(self, place: int, height: int) -> None:
        self._rows[place][2] = height

    def finish(self) -> tuple[list[Row], list[Row]]:
        """New rows, and the ends of old ones."""
        rows = [
            (
                *key,
                one.since,
                until,
                str(one.balance),
                str(one.reserved),
                one.frozen,
                one.authorised,
            )
            for key, one, until in self._rows
            if not one.empty()
        ]
        return rows, self._closed


def _stands(table: Table, values: Row) -> bool:
    """Whether all columns have a value that must have one; the values are the last columns."""
    columns = list(table.columns)[-len(values) :]
    return any(value is not None for value in values) and all(
        column.nullable or value is not None for column, value in zip(columns, values, strict=True)
    )


def batched(names: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Parts of a list, as large as one query may name."""
    listed = list(names)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]


def read_progress(connection: Connection) -> Progress | None:
    """How far an index is; None if it is empty."""
    row = connection.execute(select(schema.progress)).first()
    return None if row is None else Progress(*row[1:])


def _progress_values(progress: Progress) -> Row:
    return tuple(getattr(progress, name) for name in list(schema.progress.columns.keys())[1:])


EMPTYING = 2
"""Steps of `empty`."""


def empty(engine: Engine, done: Callable[[int], None] = lambda _count: None) -> None:
    """Removes all tables, so that the next start builds the index from zero.

    `done` is told of each of the `EMPTYING` steps.
    """
    with engine.begin() as connection:
        schema.metadata.drop_all(connection)
        connection.execute(text("DROP TABLE IF EXISTS index_schema"))
    done(1)
    if is_sqlite(engine):
        raw = engine.raw_connection()
        try:
            raw.cursor().execute("VACUUM")
        finally:
            raw.close()
    done(1)
