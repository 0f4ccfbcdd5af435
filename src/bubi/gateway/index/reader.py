"""Questions to the index: blocks, transactions, accounts, assets, search. Numbers become names.

Every answer is read in one database transaction, so that it is consistent with the height that it
names. Amounts, heights and times (ms) are decimal strings.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bubi_sdk import codes
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    exists,
    false,
    func,
    select,
    text,
)

from bubi import core
from bubi.gateway import shapes
from bubi.gateway.index import schema
from bubi.gateway.index.database import is_sqlite
from bubi.gateway.index.paging import Asked, Order, Page
from bubi.gateway.index.writer import Progress, read_progress

KINDS = core.operation_names()
CODES = {name: number for number, name in core.result_codes()}
SHOWN_OPERATIONS = 4
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
CHART_DAYS = 15

Json = dict[str, Any]
Names = dict[int | None, Any]
"""What stands for numbers; None for None."""


class NotReadyError(Exception):
    """The index is still empty."""


class AheadError(Exception):
    """The height asked for is above what the index has."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What transactions must have in common; `since` and `until` are times in ms."""

    account: str | None = None
    asset: str | None = None
    kind: str | None = None
    code: str | None = None
    since: int | None = None
    until: int | None = None


ALL = Filters()


class View:
    """One consistent look at the index."""

    def __init__(self, connection: Connection, progress: Progress) -> None:
        self.connection = connection
        self.progress = progress
        self.height = progress.height

    # --- names -----------------------------------------------------------------------------

    def account_number(self, address: str) -> int | None:
        """The number of an address; None if the ledger never named it."""
        table = schema.addresses
        query = select(table.c.id).where(table.c.address == address)
        return self.connection.execute(query).scalar()

    def asset_number(self, asset: str) -> int | None:
        """The number of an asset; None if the ledger never named it."""
        table = schema.asset_ids
        query = select(table.c.id).where(table.c.asset == bytes.fromhex(asset))
        return self.connection.execute(query).scalar()

    def addresses(self, numbers: Iterable[int | None]) -> Names:
        """Addresses by number."""
        table = schema.addresses
        wanted = {number for number in numbers if number is not None}
        query = select(table.c.id, table.c.address).where(table.c.id.in_(wanted))
        found = self.connection.execute(query).all() if wanted else ()
        return {None: None, **dict(found)}

    def assets(self, numbers: Iterable[int | None]) -> Names:
        """Assets by number, with what is needed to show an amount."""
        ids, defined = schema.asset_ids, schema.assets
        wanted = {number for number in numbers if number is not None}
        query = (
            select(ids.c.id, ids.c.asset, defined.c.code, defined.c.decimals)
            .outerjoin(defined, defined.c.asset == ids.c.id)
            .where(ids.c.id.in_(wanted))
        )
        found = self.connection.execute(query).all() if wanted else ()
        named: Names = {None: None}
        for number, asset, code, decimals in found:
            named[number] = shapes.AssetName(id=asset.hex(), code=code, decimals=decimals)
        return named

    def page(
        self, query: Select[Any], order: Order, asked: Asked, names: Sequence[str]
    ) -> tuple[list[Any], str | None]:
        """Rows of a list's part, and the cursor of the next one."""
        rows = self.connection.execute(order.apply(query, asked)).all()
        return order.split(rows, asked, names)

    def at(self, height: int | None) -> int:
        """The height that an answer is about.

        Raises:
            AheadError: the index has not reached it.
        """
        if height is not None and height > self.height:
            raise AheadError(f"the index is at height {self.height}")
        return self.height if height is None else height


class Reader:
    """Answers from an index that somebody else writes."""

    def __init__(self, engine: Engine, prefix: str, suite: int, chain_id: str) -> None:
        self._engine = engine
        self.prefix = prefix
        self.suite = suite
        self.chain = bytes.fromhex(chain_id)

    @contextlib.contextmanager
    def view(self) -> Iterator[View]:
        """One consistent look.

        Raises:
            NotReadyError: the index is still empty.
        """
        with self._engine.connect() as connection:
            if not is_sqlite(connection):
                connection.execution_options(isolation_level="REPEATABLE READ")
            progress = read_progress(connection)
            if progress is None:
                raise NotReadyError("the index is being made")
            yield View(connection, progress)

    @contextlib.contextmanager
    def standing(self) -> Iterator["Reader"]:
        """A reader all of whose answers are of one moment.

        Raises:
            NotReadyError: the index is still empty.
        """
        with self.view() as view:
            yield _Standing(self, view)

    # --- overview --------------------------------------------------------------------------

    def overview(self) -> shapes.Counts:
        """Counts, charts, how fast blocks come."""
        with self.view() as view:
            progress = view.progress
            return {
                "indexed_height": str(progress.height),
                "time": str(progress.time),
                "transactions": str(progress.transactions),
                "accounts": str(progress.accounts),
                "assets": str(progress.assets),
                "records": str(progress.records),
                "rate_per_second": _rate(view),
                "charts": {
                    "hour": _chart(view, 60_000, progress.time - HOUR_MS),
                    "days": _chart(view, DAY_MS, progress.time - CHART_DAYS * DAY_MS),
                },
            }

    def predecessor(self) -> shapes.End | None:
        """The end of the chain that this one continues; None if it continues none."""
        table = schema.predecessor
        with self.view() as view:
            row = view.connection.execute(select(table)).first()
            if row is None:
                return None
            return {
                "chain_id": row.chain_id,
                "certificate": row.certificate.hex(),
                "state_root": row.state_root.hex(),
                "height": str(row.height),
                "time": str(row.time),
            }

    # --- blocks ----------------------------------------------------------------------------

    def blocks(self, asked: Asked, since: int | None = None, until: int | None = None) -> Page:
        """Blocks, newest first."""
        table = schema.blocks
        with self.view() as view:
            query = _in_time(view, select(table), table.c.height, since, until)
            if query is None:
                return Page([], None, view.height)
            order = Order([table.c.height])
            rows, following = view.page(query, order, asked, ["height"])
            return Page([_block(row) for row in rows], following, view.height)

    def block(self, name: str) -> shapes.BlockDetail | None:
        """A block by height or digest; None if there is none."""
        table = schema.blocks
        is_digest = len(name) == 64
        where = table.c.digest == bytes.fromhex(name) if is_digest else table.c.height == int(name)
        with self.view() as view:
            row = view.connection.execute(select(table).where(where)).first()
            if row is None:
                return None
            names = view.connection.execute(
                select(schema.validators).where(schema.validators.c.epoch == row.epoch)
            ).all()
            known = {one.place: one.name for one in names}
            voters = [known.get(place, str(place)) for place in json.loads(row.voters)]
            return {**_block(row), "voters": voters}

    def block_transactions(self, height: int, asked: Asked, filters: Filters = ALL) -> Page:
        """Transactions of a block that fit, in its order."""
        table = schema.transactions
        with self.view() as view:
            query = _filtered(view, filters)
            if query is None:
                return Page([], None, view.height)
            query = query.where(table.c.height == height)
            order = Order([table.c.height, table.c.position], down=False)
            rows, following = view.page(query, order, asked, ["height", "position"])
            return Page(_transactions(view, rows), following, view.height)

    # --- transactions ----------------------------------------------------------------------

    def transactions(self, filters: Filters, asked: Asked) -> Page:
        """Transactions that fit, newest first."""
        with self.view() as view:
            query = _filtered(view, filters)
            if query is None:
                return Page([], None, view.height)
            chosen = query.selected_columns
            order = Order([chosen.height, chosen.position])
            rows, following = view.page(query, order, asked, ["height", "position"])
            return Page(_transactions(view, rows), following, view.height)

    def transaction(self, hash_: str) -> shapes.TransactionWhole | None:
        """A transaction with everything that belongs to it; None if the index has none."""
        table = schema.transactions
        with self.view() as view:
            query = select(table).where(
                table.c.hash == bytes.fromhex(hash_), table.c.source.is_not(None)
            )
            row = view.connection.execute(query).first()
            return None if row is None else _whole(self, view, row)

    # --- accounts --------------------------------------------------------------------------

    def accounts(
        self, asked: Asked, creator: str | None = None, *, closed: bool | None = None
    ) -> Page:
        """Accounts, newest first."""
        table = schema.accounts
        query = select(table)
        with self.view() as view:
            if creator is not None:
                query = query.where(named_by(table.c.creator, view.account_number(creator)))
            if closed is not None:
                ended = table.c.closed.is_not(None)
                query = query.where(ended if closed else ~ended)
            order = Order([table.c.height, table.c.account])
            rows, following = view.page(query, order, asked, ["height", "account"])
            named = view.addresses([one for row in rows for one in (row.account, row.creator)])
            return Page([_account(row, named) for row in rows], following, view.height)

    def account(self, address: str) -> shapes.AccountWhole | None:
        """An account with its signers; None if it was never opened."""
        table = schema.accounts
        with self.view() as view:
            number = view.account_number(address)
            query = select(table).where(table.c.account == number)
            row = view.connection.execute(query).first()
            if row is None or number is None:
                return None
            named = view.addresses([row.account, row.creator])
            signers, thresholds = signers_at(view, number, (view.height + 1, 0))
            counted = select(func.count()).select_from(schema.account_transactions)
            transactions = view.connection.execute(
                counted.where(schema.account_transactions.c.account == number)
            ).scalar_one()
            return {
                **_account(row, named),
                "signers": signers,
                "thresholds": thresholds,
                "transactions": str(transactions),
                "indexed_height": str(view.height),
            }

    def holdings(
        self, address: str, height: int | None, asked: Asked, asset: str | None = None
    ) -> Page:
        """What an account had at a height, of one asset if it is named."""
        table = schema.holdings
        with self.view() as view:
            at = view.at(height)
            number = view.account_number(address)
            query = select(table).where(table.c.account == number, *_valid(table, at))
            if asset is not None:
                query = query.where(named_by(table.c.asset, view.asset_number(asset)))
            order = Order([table.c.asset], down=False)
            rows, following = view.page(query, order, asked, ["asset"])
            named = view.assets([row.asset for row in rows])
            items: list[shapes.Holding] = [
                {"asset": named[row.asset], **_holding(row)} for row in rows
            ]
            return Page(items, following, at)

    # --- assets ----------------------------------------------------------------------------

    def assets(
        self,
        asked: Asked,
        issuer: str | None = None,
        kind: str | None = None,
        code: str | None = None,
    ) -> Page:
        """Assets, newest first."""
        table = schema.assets
        query = select(table)
        with self.view() as view:
            if issuer is not None:
                query = query.where(named_by(table.c.issuer, view.account_number(issuer)))
            if kind is not None:
                query = query.where(table.c.kind == kind)
            if code is not None:
                query = query.where(table.c.code == code)
            rows, following = view.page(query, Order([table.c.asset]), asked, ["asset"])
            return Page(_assets(view, rows), following, view.height)

    def asset(self, asset: str) -> shapes.Asset | None:
        """An asset; None if it was never defined."""
        with self.view() as view:
            query = select(schema.assets).where(schema.assets.c.asset == view.asset_number(asset))
            row = view.connection.execute(query).first()
            return None if row is None else _assets(view, [row])[0]

    def holders(
        self, asset: str, height: int | None, asked: Asked, account: str | None = None
    ) -> Page:
        """Who held an asset at a height, or whether one account did: amounts, or unique items."""
        with self.view() as view:
            at, number = view.at(height), view.asset_number(asset)
            kinds = select(schema.assets.c.kind).where(schema.assets.c.asset == number)
            if view.connection.execute(kinds).scalar() == "unique":
                return _item_holders(view, number, at, asked, account)
            table = schema.holdings
            query = select(table).where(table.c.asset == number, *_valid(table, at))
            if account is not None:
                query = query.where(named_by(table.c.account, view.account_number(account)))
            order = Order([table.c.account], down=False)
            rows, following = view.page(query, order, asked, ["account"])
            named = view.addresses([row.account for row in rows])
            items = [_holder(named[row.account], _holding(row)) for row in rows]
            return Page(items, following, at)

    def supply(
        self, asset: str, asked: Asked, since: int | None = None, until: int | None = None
    ) -> Page:
        """How the supply of an asset changed between two times, newest first.

        What it was before the first block has no time.
        """
        table = schema.supplies
        with self.view() as view:
            query: Select[Any] = (
                select(table.c.since, table.c.supply, schema.blocks.c.time)
                .outerjoin(schema.blocks, schema.blocks.c.height == table.c.since)
                .where(table.c.asset == view.asset_number(asset))
            )
            query = _between(query, schema.blocks.c.time, since, until)
            rows, following = view.page(query, Order([table.c.since]), asked, ["since"])
            items: list[shapes.Supply] = [
                {"height": str(row.since), "time": _time(row.time), "supply": row.supply}
                for row in rows
            ]
            return Page(items, following, view.height)

    # --- search ----------------------------------------------------------------------------

    def search(self, words: str) -> list[shapes.Hit]:
        """All that a text may mean: height, hash, id, address, code, name, record key."""
        with self.view() as view:
            return _search(view, words)


class _Standing(Reader):
    """Sees what a view sees, for as long as that is open."""

    def __init__(self, reader: Reader, view: View) -> None:
        super().__init__(reader._engine, reader.prefix, reader.suite, reader.chain.hex())
        self._view = view

    @contextlib.contextmanager
    def view(self) -> Iterator[View]:
        """The one view."""
        yield self._view


# --- rows to JSON ------------------------------------------------------------------------------


def _time(time: int | None) -> str | None:
    return None if time is None else str(time)


def _block(row: Any) -> shapes.Block:
    return {
        "height": str(row.height),
        "time": str(row.time),
        "digest": row.digest.hex(),
        "parent": row.parent.hex(),
        "state_root": row.state_root.hex(),
        "receipt_root": row.receipt_root.hex(),
        "payload_root": row.payload_root.hex(),
        "protocol_version": row.protocol_version,
        "epoch": None if row.epoch is None else str(row.epoch),
        "round": None if row.round is None else str(row.round),
        "batches": row.batches,
        "receipts": row.receipts,
        "final": row.final,
        "rejected": row.receipts - row.final,
        "votes": len(json.loads(row.voters)),
        "bytes": str(row.bytes),
    }


def _transactions(view: View, rows: Sequence[Any]) -> list[shapes.Transaction]:
    """Transactions of a list, each with its first operations."""
    shown = _operations(view, [(row.height, row.position) for row in rows])
    numbers = {one for row in rows for one in (row.source,)}
    numbers |= {one for all_ in shown.values() for row in all_ for one in (row.source, row.other)}
    named = view.addresses(numbers)
    assets = view.assets([row.asset for all_ in shown.values() for row in all_])
    heights = {row.height for row in rows}
    table = schema.blocks
    query = select(table.c.height, table.c.time).where(table.c.height.in_(heights))
    times = dict(view.connection.execute(query).all()) if heights else {}
    return [
        {
            "hash": row.hash.hex(),
            "height": str(row.height),
            "position": row.position,
            "time": str(times[row.height]),
            "source": named[row.source],
            "code": codes.name(row.code),
            "operations": row.operations,
            "first": [
                {
                    "kind": KINDS[one.kind],
                    "source": named[one.source],
                    "other": named[one.other],
                    "asset": assets[one.asset],
                    "amount": one.amount,
                    "name": one.name,
                }
                for one in shown.get((row.height, row.position), [])
            ],
        }
        for row in rows
    ]


def _operations(view: View, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], list[Any]]:
    if not places:
        return {}
    pairs = ", ".join(f"({height:d}, {position:d})" for height, position in places)
    query = text(
        "SELECT * FROM operations "  # noqa: S608 - numbers of our own
        f"WHERE number < {SHOWN_OPERATIONS} AND (height, position) IN (VALUES {pairs}) "
        "ORDER BY height, position, number"
    )
    found: dict[tuple[int, int], list[Any]] = {}
    for row in view.connection.execute(query):
        found.setdefault((row.height, row.position), []).append(row)
    return found


def _filtered(view: View, filters: Filters) -> Select[Any] | None:
    """The query of a filtered list, beginning with what narrows most; None: nothing can fit."""
    table = schema.transactions
    query = select(table).where(table.c.source.is_not(None))
    links = (
        (filters.account, schema.account_transactions, "account", view.account_number),
        (filters.asset, schema.asset_transactions, "asset", view.asset_number),
    )
    for wanted, link, name, numbered in links:
        if wanted is not None:
            number = numbered(wanted)
            if number is None:
                return None
            here = and_(link.c.height == table.c.height, link.c.position == table.c.position)
            query = query.join(link, here).where(link.c[name] == number)
    if filters.kind is not None:
        operation = schema.operations
        here = and_(
            operation.c.height == table.c.height,
            operation.c.position == table.c.position,
            operation.c.kind == KINDS.index(filters.kind),
        )
        query = query.where(exists().where(here))
    if filters.code is not None:
        query = query.where(table.c.code == CODES[filters.code])
    return _in_time(view, query, table.c.height, filters.since, filters.until)


def _in_time(
    view: View,
    query: Select[Any],
    height: ColumnElement[int],
    since: int | None,
    until: int | None,
) -> Select[Any] | None:
    """Times become heights, which the lists are ordered by; None: nothing can fit.

    The time of a block is after its parent's: the first in the order of times is the lowest.
    """
    table = schema.blocks
    if since is not None:
        lowest = view.connection.execute(
            select(table.c.height).where(table.c.time >= since).order_by(table.c.time).limit(1)
        ).scalar()
        if lowest is None:
            return None
        query = query.where(height >= lowest)
    if until is not None:
        highest = view.connection.execute(
            select(table.c.height)
            .where(table.c.time <= until)
            .order_by(table.c.time.desc())
            .limit(1)
        ).scalar()
        if highest is None:
            return None
        query = query.where(height <= highest)
    return query


def _whole(reader: Reader, view: View, row: Any) -> shapes.TransactionWhole:
    """A transaction with its decoded body, events, signatures and thresholds."""
    decoded = core.decode_json(
        core.transaction_to_json(reader.prefix, reader.suite, reader.chain, row.signed)
    )["v1"]
    body = decoded["body"]["v1"]
    hidden = hide_private(body)
    results = codes.operation_codes(row.code, row.failed, row.operations)
    for operation, result in zip(body["operations"], results, strict=True):
        operation["code"] = result
    table = schema.events
    events = view.connection.execute(
        select(table.c.event)
        .where(table.c.height == row.height, table.c.position == row.position)
        .order_by(table.c.number)
    ).scalars()
    block = view.connection.execute(
        select(schema.blocks).where(schema.blocks.c.height == row.height)
    ).one()
    return {
        **_transactions(view, [row])[0],
        "status": "final" if row.code == 0 else "rejected",
        "batch": row.batch,
        "valid_until": str(row.valid_until),
        "body": body,
        "events": [json.loads(event) for event in events],
        "hidden": hidden,
        "block": block.digest.hex(),
        "bytes": len(row.signed),
        **_authority(view, row, body, decoded["signatures"], block.time),
    }


def hide_private(body: Json) -> list[str]:
    """Takes what is private out of a decoded body; says where something was.

    Private today is the ciphertext of a record: what the application wrote for those who have its
    key. Its digest, its size and its cipher stay.
    """
    places = []
    for number, operation in enumerate(body["operations"]):
        fields = operation["body"]
        record = fields.get("put_record", {}) if isinstance(fields, dict) else {}
        content = record.get("content")
        if isinstance(content, dict) and "cipher" in content:
            cipher = content["cipher"]
            cipher["size"] = len(cipher.pop("bytes")) // 2
            cipher["hidden"] = True
            places.append(f"operations.{number}.content")
    return places


def _authority(
    view: View, row: Any, body: Json, signatures: Sequence[Json], time: int
) -> shapes.Authority:
    """Signatures against the thresholds that stood before the transaction."""
    keys = [json.dumps(entry["key"], sort_keys=True) for entry in signatures]
    counted: dict[str, int] = {}
    demands: list[shapes.Demand] = []
    for operation in body["operations"]:
        kind = next(iter(operation["body"])) if isinstance(operation["body"], dict) else ""
        kind = kind or str(operation["body"])
        address = operation["source"] or body["source"]
        number = view.account_number(address)
        if number is None:
            continue
        signers, thresholds = signers_at(view, number, (row.height, row.position))
        if thresholds is None:
            continue
        needed = thresholds["operations"].get(str(KINDS.index(kind)), thresholds["default"])
        reached = 0
        for signer in signers:
            key = json.dumps(signer["key"], sort_keys=True)
            if key in keys and _may(signer, kind, operation["body"], time):
                reached += signer["weight"]
                counted[key] = max(counted.get(key, 0), signer["weight"])
        demands.append(
            {"account": address, "operation": kind, "threshold": needed, "weight": reached}
        )
    return {
        "signatures": [
            {
                "key": entry["key"],
                "signature": entry["signature"],
                "weight": counted.get(key, 0),
                "counted": key in counted,
            }
            for entry, key in zip(signatures, keys, strict=True)
        ],
        "thresholds": demands,
    }


def _may(signer: shapes.Signer, kind: str, operation: Any, time: int) -> bool:
    """Whether the limits of a signer, amounts aside, let it sign an operation at a time."""
    limits = signer["limits"]
    if limits is None:
        return True
    fields = operation[kind] if isinstance(operation, dict) else {}
    checks = (
        (limits["operations"], KINDS.index(kind)),
        (limits["assets"], fields.get("asset")),
        (limits["namespaces"], fields.get("namespace")),
    )
    expired = limits["expires"] is not None and int(limits["expires"]) <= time
    return not expired and all(
        not allowed or value is None or value in allowed for allowed, value in checks
    )


def signers_at(
    view: View, account: int, before: tuple[int, int]
) -> tuple[list[shapes.Signer], shapes.Thresholds | None]:
    """Signers and thresholds that stood before a place (height, position) in the ledger."""
    table = schema.signers
    height, position = before
    earlier = (table.c.height < height) | (
        (table.c.height == height) & (table.c.position < position)
    )
    row = view.connection.execute(
        select(table)
        .where(table.c.account == account, earlier | (table.c.height == 0))
        .order_by(table.c.height.desc(), table.c.position.desc(), table.c.number.desc())
        .limit(1)
    ).first()
    return ([], None) if row is None else (json.loads(row.signers), json.loads(row.thresholds))


def _account(row: Any, named: Names) -> shapes.Account:
    return {
        "address": named[row.account],
        "created": str(row.height),
        "creator": named[row.creator],
        "closed": None if row.closed is None else str(row.closed),
    }


def _holding(row: Any) -> shapes.Balance:
    return {
        "balance": row.balance,
        "reserved": row.reserved,
        "frozen": bool(row.frozen),
        "authorised": bool(row.authorised),
        "since": str(row.since),
    }


def _holder(address: str, held: shapes.Balance) -> shapes.Holder:
    return {
        "address": address,
        "balance": held["balance"],
        "reserved": held["reserved"],
        "frozen": held["frozen"],
        "authorised": held["authorised"],
        "since": held["since"],
    }


def _assets(view: View, rows: Sequence[Any]) -> list[shapes.Asset]:
    issuers = view.addresses([row.issuer for row in rows])
    named: Names = view.assets([row.asset for row in rows])
    table = schema.supplies
    query = select(table.c.asset, table.c.supply).where(
        table.c.asset.in_([row.asset for row in rows]), table.c.until == schema.OPEN
    )
    supplies = dict(view.connection.execute(query).all())
    return [
        {
            "id": named[row.asset]["id"],
            "code": row.code,
            "decimals": row.decimals,
            "name": row.name,
            "kind": row.kind,
            "issuer": issuers[row.issuer],
            "cap": row.cap,
            "features": json.loads(row.features),
            "frozen": bool(row.frozen),
            "supply": supplies.get(row.asset, "0"),
            "created": str(row.height),
        }
        for row in rows
    ]


def _item_holders(
    view: View, asset: int | None, at: int, asked: Asked, account: str | None
) -> Page:
    table = schema.items
    query = select(table).where(table.c.asset == asset, *_valid(table, at))
    if account is not None:
        query = query.where(named_by(table.c.holder, view.account_number(account)))
    order = Order([table.c.item], down=False, types=(str,))
    rows, following = view.page(query, order, asked, ["item"])
    named = view.addresses([row.holder for row in rows])
    items: list[shapes.Holder] = [
        {
            "address": named[row.holder],
            "item": row.item,
            "digest": row.digest.hex() if row.digest else None,
            "since": str(row.since),
        }
        for row in rows
    ]
    return Page(items, following, at)


def _search(view: View, words: str) -> list[shapes.Hit]:
    found: list[shapes.Hit] = []
    run = view.connection.execute
    if words.isascii() and words.isdigit() and len(words) < 19 and int(words) <= view.height:
        found.append({"kind": "block", "id": str(int(words)), "title": f"#{int(words)}"})
    if len(words) == 64 and set(words.lower()) <= set("0123456789abcdef"):
        found += _search_hash(view, bytes.fromhex(words))
    found += _search_account(view, words)
    table, ids = schema.assets, schema.asset_ids
    for asset, code, name in run(
        select(ids.c.asset, table.c.code, table.c.name)
        .join(table, table.c.asset == ids.c.id)
        .where(table.c.code == words)
        .limit(10)
    ):
        found.append({"kind": "asset", "id": asset.hex(), "title": f"{code} · {name}"})
    spaces = schema.namespaces
    for namespace, name in run(
        select(spaces.c.namespace, spaces.c.name).where(spaces.c.name == words)
    ):
        found.append({"kind": "namespace", "id": namespace.hex(), "title": name})
    if words in _organisations(view):
        found.append({"kind": "organisation", "id": words, "title": words})
    records = schema.records
    keyed = select(records).where(records.c.key == words, records.c.version == 1).limit(10)
    return found + [_record_hit(row, row.key) for row in run(keyed)]


def _organisations(view: View) -> set[str]:
    """Names of the organisations in force."""
    table = schema.epochs
    newest = select(table.c.settings).order_by(table.c.epoch.desc()).limit(1)
    text_ = view.connection.execute(newest).scalar()
    return set() if text_ is None else set(json.loads(text_)["organisations"])


def _search_account(view: View, address: str) -> list[shapes.Hit]:
    """An account, or the transactions that name it where it was never opened."""
    links = schema.account_transactions.c.account
    number = view.account_number(address)
    if _is_there(view, schema.accounts.c.account, number):
        return [{"kind": "account", "id": address, "title": address}]
    if _is_there(view, links, number):
        return [{"kind": "account_transactions", "id": address, "title": address}]
    return []


def _search_asset(view: View, asset: str) -> list[shapes.Hit]:
    """An asset, or the transactions that name it where it was never defined."""
    links = schema.asset_transactions.c.asset
    number = view.asset_number(asset)
    if _is_there(view, schema.assets.c.asset, number):
        return [{"kind": "asset", "id": asset, "title": asset}]
    if _is_there(view, links, number):
        return [{"kind": "asset_transactions", "id": asset, "title": asset}]
    return []


def _is_there(view: View, column: ColumnElement[Any], value: Any) -> bool:
    """Whether a row has this value in a column."""
    query = select(column).where(column == value).limit(1)
    return value is not None and view.connection.execute(query).first() is not None


def _search_hash(view: View, value: bytes) -> list[shapes.Hit]:
    run = view.connection.execute
    text_ = value.hex()
    found = _search_asset(view, text_)
    tables: tuple[tuple[shapes.HitKind, ColumnElement[Any]], ...] = (
        ("transaction", schema.transactions.c.hash),
        ("block", schema.blocks.c.digest),
        ("namespace", schema.namespaces.c.namespace),
        ("proposal", schema.proposals.c.proposal),
        ("evidence", schema.evidence.c.evidence),
    )
    for kind, column in tables:
        if _is_there(view, column, value):
            found.append({"kind": kind, "id": text_, "title": text_})
    records = schema.records
    digests = select(records).where(records.c.digest == value).limit(20)
    return found + [
        {**_record_hit(row, f"{row.key} v{row.version}"), "version": row.version}
        for row in run(digests)
    ]


def _record_hit(row: Any, title: str) -> shapes.Hit:
    return {"kind": "record", "id": f"{row.namespace.hex()}/{row.key}", "title": title}


def named_by(column: ColumnElement[Any], number: int | None) -> ColumnElement[bool]:
    """Rows that name what has this number; None, the number of what nobody named, fits no row."""
    return false() if number is None else column == number


def _valid(table: Any, height: int) -> tuple[ColumnElement[bool], ...]:
    if height == schema.OPEN:
        return (table.c.until == schema.OPEN,)
    return (table.c.since <= height, table.c.until > height)


def _between(
    query: Select[Any], column: ColumnElement[Any], since: int | None, until: int | None
) -> Select[Any]:
    if since is not None:
        query = query.where(column >= since)
    return query if until is None else query.where(column <= until)


def _rate(view: View) -> str:
    """Transactions per second over the newest full minute and what came since."""
    table = schema.activity
    start = view.progress.time - view.progress.time % 60_000 - 60_000
    query = select(func.sum(table.c.final + table.c.rejected)).where(
        table.c.span == 60_000, table.c.start >= start
    )
    count = int(view.connection.execute(query).scalar() or 0)
    seconds = max(1.0, (view.progress.time - start) / 1_000)
    return f"{count / seconds:.2f}"


def _chart(view: View, span: int, since: int) -> list[shapes.ChartPoint]:
    table = schema.activity
    query = (
        select(table).where(table.c.span == span, table.c.start > since).order_by(table.c.start)
    )
    return [
        {
            "time": str(row.start),
            "blocks": row.blocks,
            "final": row.final,
            "rejected": row.rejected,
        }
        for row in view.connection.execute(query)
    ]
