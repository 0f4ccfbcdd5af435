"""What the rules look at in the index: open proposals, supplies, the index itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sqlalchemy import func, select

from bubi.gateway.alarms.machine import Reading
from bubi.gateway.index import schema
from bubi.gateway.index.governance import of_text
from bubi.gateway.index.reader import Reader, View

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
OK_HOURS = 1_000_000.0
"""Hours left of a proposal that nobody needs to be reminded of."""
PROPOSALS, ASSETS = 100, 500
"""Most of each that are looked at: the newest."""


def readings(reader: Reader) -> list[Reading]:
    """Everything that the index tells now. Times are those of the ledger."""
    with reader.view() as view:
        return [*_proposals(view), *_supplies(view)]


def _proposals(view: View) -> Iterator[Reading]:
    """Hours left of proposals on which somebody who may vote has not voted."""
    table, votes, blocks = schema.proposals, schema.votes, schema.blocks
    newest = (
        select(table, blocks.c.time)
        .join(blocks, blocks.c.height == table.c.height)
        .order_by(table.c.height.desc(), table.c.position.desc(), table.c.number.desc())
        .limit(PROPOSALS)
    )
    rows = view.connection.execute(newest).all()
    if not rows:
        return
    voters = _voters(view)
    voted: dict[bytes, set[str]] = {row.proposal: set() for row in rows}
    cast = select(votes.c.proposal, votes.c.organisation).where(votes.c.proposal.in_(voted))
    for proposal, organisation in view.connection.execute(cast):
        voted[proposal].add(organisation)
    for row in rows:
        left = int(row.expires) - view.progress.time
        # What is meant to be short is not late from its first moment.
        late = row.status == "open" and 2 * left <= int(row.expires) - row.time
        waits = late and not voters <= voted[row.proposal]
        hours = max(0, left) / HOUR_MS if waits else OK_HOURS
        yield Reading("proposal_unvoted", row.proposal.hex()[:12], hours)


def _voters(view: View) -> set[str]:
    """Organisations that may vote."""
    table = schema.epochs
    newest = select(table.c.settings).order_by(table.c.epoch.desc()).limit(1)
    now = of_text(view.connection.execute(newest).scalar_one())
    return {name for name, one in now.organisations.items() if one["governance"] is not None}


@dataclass(frozen=True, slots=True)
class _Asset:
    number: int
    name: str
    cap: int | None
    created: int
    supply: int


def _supplies(view: View) -> Iterator[Reading]:
    """Of assets whose supply changed within a day: how near the cap, how much more in an hour."""
    now = view.progress.time
    day, hour = (_height_at(view, now - span) for span in (DAY_MS, HOUR_MS))
    for asset in _moving(view, day):
        near = Fraction(asset.supply, asset.cap) if asset.cap else Fraction(0)
        yield Reading("supply_near_cap", asset.name, float(near))
        before = _supply_at(view, asset.number, hour) if asset.created <= day else 0
        grown = Fraction(asset.supply - before, before) if before else Fraction(0)
        yield Reading("issue_unusual", asset.name, max(0.0, float(grown)))


def _moving(view: View, above: int) -> list[_Asset]:
    supplies, assets, ids = schema.supplies, schema.assets, schema.asset_ids
    query = (
        select(supplies.c.supply, assets, ids.c.asset.label("id"))
        .join(assets, assets.c.asset == supplies.c.asset)
        .join(ids, ids.c.id == supplies.c.asset)
        .where(supplies.c.since > above, supplies.c.until == schema.OPEN)
        .order_by(supplies.c.since.desc(), supplies.c.asset)
        .limit(ASSETS)
    )
    return [_asset(row) for row in view.connection.execute(query)]


def _asset(row: Any) -> _Asset:
    cap = None if row.cap is None else int(row.cap)
    name = f"{row.code} ({row.id.hex()[:8]})"
    return _Asset(row.asset, name, cap, row.height, int(row.supply))


def _supply_at(view: View, asset: int, height: int) -> int:
    table = schema.supplies
    query = select(table.c.supply).where(
        table.c.asset == asset, table.c.since <= height, table.c.until > height
    )
    return int(view.connection.execute(query).scalar() or 0)


def _height_at(view: View, time: int) -> int:
    """The newest block of a time; 0 if all are later."""
    blocks = schema.blocks
    query = select(func.max(blocks.c.height)).where(blocks.c.time <= time)
    return int(view.connection.execute(query).scalar() or 0)
