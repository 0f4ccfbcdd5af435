"""What stands with an account: data, claims, holds, items, memberships, now and before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from sqlalchemy import ColumnElement, Table, and_, select

from bubi.gateway import shapes
from bubi.gateway.index import schema
from bubi.gateway.index.paging import Asked, Order, Page
from bubi.gateway.index.reader import Reader, View, named_by

Kind = Literal["claims", "data", "holds", "items", "memberships"]

HoldState = Literal["open", "released", "captured", "expired"]


@dataclass(frozen=True, slots=True)
class Listing:
    """A table with what belongs to accounts: whose, in which order, from when until when."""

    table: Table
    owner: str
    order: Mapping[str, type]
    since: str
    until: str
    show: Callable[[View, Sequence[Any], int], Sequence[Mapping[str, Any]]]
    """Rows to JSON, as they were at a height."""
    filters: Mapping[str, str]
    """Filters that such a list has, with their columns."""

    def valid(self, height: int) -> ColumnElement[bool]:
        """What stood at the end of a block."""
        until = self.table.c[self.until]
        lasts = (until > height) | until.is_(None)
        return (self.table.c[self.since] <= height) & lasts


def entries(
    reader: Reader,
    address: str,
    kind: Kind,
    height: int | None,
    history: bool,
    asked: Asked,
    filters: Mapping[str, str] = MappingProxyType({}),
) -> Page:
    """What an account has at a height (default: now), or with `history` all that was until then.

    `filters` are some of those that the listing has. States are those at the height; one in which
    a hold no longer stands is looked for in the history.

    Raises:
        AheadError: the index has not reached the height.
    """
    listing = LISTINGS[kind]
    table = listing.table
    with reader.view() as view:
        at = view.at(height)
        owner = named_by(table.c[listing.owner], view.account_number(address))
        query = select(table).where(owner)
        for name, value in filters.items():
            query = query.where(_fits(view, table.c[listing.filters[name]], name, value, at))
        if history or filters.get("state", "open") != "open":
            query = query.where(table.c[listing.since] <= at)
        else:
            query = query.where(listing.valid(at))
        names = list(listing.order)
        order = Order(
            [table.c[name] for name in names], down=False, types=tuple(listing.order.values())
        )
        rows, following = view.page(query, order, asked, names)
        return Page(listing.show(view, rows, at), following, at)


def _fits(
    view: View, column: ColumnElement[Any], name: str, value: str, at: int
) -> ColumnElement[bool]:
    """Rows that have at a height what a filter names."""
    if name == "issuer":
        return named_by(column, view.account_number(value))
    if name == "asset":
        return named_by(column, view.asset_number(value))
    if name == "state":
        closed = schema.holds.c.closed
        is_open = closed.is_(None) | (closed > at)
        return is_open if value == "open" else and_(~is_open, column == value)
    return column == value


def _span(since: int, until: int | None) -> shapes.Span:
    ended = None if until in {None, schema.OPEN} else str(until)
    return {"since": str(since), "until": ended}


def _data(view: View, rows: Sequence[Any], at: int) -> list[shapes.DataEntry]:
    del view, at
    return [
        {
            "name": row.name,
            "version": str(row.version),
            "value": row.value.hex(),
            **_span(row.since, row.until),
        }
        for row in rows
    ]


def _claims(view: View, rows: Sequence[Any], at: int) -> list[shapes.Claim]:
    del at
    issuers = view.addresses([row.issuer for row in rows])
    return [
        {
            "issuer": issuers[row.issuer],
            "kind": row.kind,
            "digest": row.digest.hex(),
            "expires": row.expires,
            **_span(row.since, row.until),
        }
        for row in rows
    ]


def _holds(view: View, rows: Sequence[Any], at: int) -> list[shapes.Hold]:
    named = view.addresses([row.beneficiary for row in rows])
    assets = view.assets([row.asset for row in rows])
    return [
        {
            "hold": row.hold.hex(),
            "asset": assets[row.asset],
            "beneficiary": named[row.beneficiary],
            "amount": row.amount,
            "expires": str(row.expires),
            "state": row.state if _closed(row, at) else "open",
            "captured": row.captured if _closed(row, at) else None,
            **_span(row.height, row.closed),
        }
        for row in rows
    ]


def _closed(hold: Any, at: int) -> bool:
    """Whether a hold had ended at a height."""
    return hold.closed is not None and hold.closed <= at


def _items(view: View, rows: Sequence[Any], at: int) -> list[shapes.Item]:
    del at
    assets = view.assets([row.asset for row in rows])
    return [
        {
            "asset": assets[row.asset],
            "item": row.item,
            "digest": None if row.digest is None else row.digest.hex(),
            **_span(row.since, row.until),
        }
        for row in rows
    ]


def _memberships(view: View, rows: Sequence[Any], at: int) -> list[shapes.Membership]:
    del view, at
    return [
        {
            "organisation": row.organisation,
            "asks": row.asks,
            **_span(row.since, row.until),
        }
        for row in rows
    ]


LISTINGS: Mapping[Kind, Listing] = {
    "data": Listing(
        schema.data,
        "account",
        {"name": str, "since": int},
        "since",
        "until",
        _data,
        {"name": "name"},
    ),
    "claims": Listing(
        schema.claims,
        "account",
        {"issuer": int, "kind": str, "since": int},
        "since",
        "until",
        _claims,
        {"name": "kind", "issuer": "issuer"},
    ),
    "holds": Listing(
        schema.holds,
        "holder",
        {"height": int, "position": int, "hold": bytes},
        "height",
        "closed",
        _holds,
        {"asset": "asset", "state": "state"},
    ),
    "items": Listing(
        schema.items,
        "holder",
        {"asset": int, "item": str, "since": int},
        "since",
        "until",
        _items,
        {"asset": "asset", "name": "item"},
    ),
    "memberships": Listing(
        schema.memberships,
        "account",
        {"since": int},
        "since",
        "until",
        _memberships,
        {"organisation": "organisation"},
    ),
}
