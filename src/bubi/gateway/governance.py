"""Questions about epochs and their validators, proposals with their votes, evidence."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import Select, Table, select, tuple_

from bubi.gateway import shapes
from bubi.gateway.index import schema
from bubi.gateway.index.governance import of_text
from bubi.gateway.index.paging import Asked, Order, Page
from bubi.gateway.index.reader import Reader, View
from bubi.gateway.index.settings import Settings, shown

State = Literal["open", "approved", "active", "rejected", "withdrawn", "expired", "lapsed"]
UNDECIDED = ("open", "approved")
EvidenceKind = Literal["change", "grant", "proposal", "first", "commit"]
PHASES: tuple[EvidenceKind, ...] = ("change", "grant", "proposal", "first", "commit")
"""What a signature was for, by the number in the statement."""


# --- epochs --------------------------------------------------------------------------------------


def epochs(reader: Reader, asked: Asked, engine: str | None = None) -> Page:
    """Epochs, newest first, those with an engine if it is named."""
    table = schema.epochs
    query = select(table)
    if engine is not None:
        query = query.where(table.c.engine == engine)
    with reader.view() as view:
        rows, following = view.page(query, Order([table.c.epoch]), asked, ["epoch"])
        members = _members(view, [row.epoch for row in rows])
        return Page([_epoch(row, members[row.epoch]) for row in rows], following, view.height)


def epoch(reader: Reader, number: int | None = None) -> shapes.EpochDetail | None:
    """One epoch with its validators, organisations and parameters; without a number the newest."""
    table = schema.epochs
    with reader.view() as view:
        query = select(table).order_by(table.c.epoch.desc()).limit(1)
        if number is not None:
            query = query.where(table.c.epoch == number)
        row = view.connection.execute(query).first()
        if row is None:
            return None
        now = of_text(row.settings)
        weights = now.weights()
        return {
            **_epoch(row, _members(view, [row.epoch])[row.epoch]),
            "protocol_version": now.protocol_version,
            "quorum_numerator": now.quorum_numerator,
            "quorum_denominator": now.quorum_denominator,
            "parameters": now.parameters,
            "organisations": [
                {
                    "name": name,
                    "weight": weights.get(name, 0),
                    "governance": one["governance"],
                    "certificate_bytes": one["certificate_bytes"],
                    "certificate_sha256": one["certificate_sha256"],
                }
                for name, one in sorted(now.organisations.items())
            ],
            "listings": now.listings,
            "revoked": now.revoked,
            "indexed_height": str(view.height),
        }


def _epoch(row: Any, members: list[shapes.EpochValidator]) -> shapes.Epoch:
    return {
        "epoch": str(row.epoch),
        "height": str(row.height),
        "time": str(row.time),
        "proposal": _hex(row.proposal),
        "engine": row.engine,
        "quorum": row.quorum,
        "total": row.total,
        "validators": members,
    }


def _members(view: View, numbers: Iterable[int]) -> dict[int, list[shapes.EpochValidator]]:
    table = schema.validators
    found: dict[int, list[shapes.EpochValidator]] = {number: [] for number in numbers}
    query = select(table).where(table.c.epoch.in_(found)).order_by(table.c.epoch, table.c.place)
    for row in view.connection.execute(query):
        found[row.epoch].append(
            {
                "name": row.name,
                "organisation": row.organisation,
                "key": json.loads(row.key),
                "weight": row.weight,
            }
        )
    return found


def _settings_at(view: View, height: int) -> Settings:
    """What is in force at a height."""
    table = schema.epochs
    query = (
        select(table.c.settings)
        .where(table.c.height <= max(height, 1))
        .order_by(table.c.epoch.desc())
        .limit(1)
    )
    return of_text(view.connection.execute(query).scalar_one())


def _page(
    reader: Reader,
    query: Select[Any],
    asked: Asked,
    table: Table,
    height: str,
    written: Callable[[View, list[Any]], Sequence[Mapping[str, Any]]],
) -> Page:
    """Rows of a table in the order in which blocks made them; `height` names that of the block."""
    names = [height, "position", "number"]
    with reader.view() as view:
        order = Order([table.c[name] for name in names])
        rows, following = view.page(query, order, asked, names)
        return Page(written(view, rows), following, view.height)


# --- proposals -----------------------------------------------------------------------------------


def proposals(
    reader: Reader, asked: Asked, state: State | None = None, organisation: str | None = None
) -> Page:
    """Proposals that fit, newest first."""
    table = schema.proposals
    query = select(table)
    if state is not None:
        query = query.where(table.c.status == state)
    if organisation is not None:
        query = query.where(table.c.organisation == organisation)
    return _page(reader, query, asked, table, "height", _shown)


def proposal(reader: Reader, identity: str) -> shapes.ProposalDetail | None:
    """One proposal: what it changes, who voted when, whose readiness it has; None if unknown."""
    table = schema.proposals
    query = select(table).where(table.c.proposal == bytes.fromhex(identity))
    with reader.view() as view:
        row = view.connection.execute(query).first()
        if row is None:
            return None
        undecided = row.status in UNDECIDED
        # Votes count with the weights of the moment; when all is decided, with those of that one.
        now = _settings_at(view, view.height + 1 if undecided else row.changed)
        history = _votes(view, row.proposal, now)
        (one,) = _shown(view, [row])
        return {
            **one,
            "diff": _differences(row),
            "votes": _counted(history, now, undecided=undecided),
            "history": history,
            "quorum": now.quorum,
            "total": now.total,
            "ready": _ready(view, row, now),
            "indexed_height": str(view.height),
        }


def _shown(view: View, rows: list[Any]) -> list[shapes.Proposal]:
    given = _approving(view, rows)
    hashes = _hashes(view, [(row.height, row.position) for row in rows])
    return [
        {
            "id": row.proposal.hex(),
            "state": row.status,
            "proposer": row.organisation,
            "evidence": _hex(row.evidence),
            "changes": [shown(change) for change in json.loads(row.changes)],
            "memo": row.memo,
            "acknowledged": json.loads(row.acknowledged),
            "opened": str(row.height),
            "transaction": hashes.get((row.height, row.position)),
            "expires": row.expires,
            "not_before": row.not_before,
            "changed": str(row.changed),
            "approved": None if row.approved is None else str(row.approved),
            "activation_height": None if row.activation is None else str(row.activation),
            "approving": given[row.proposal],
        }
        for row in rows
    ]


def _differences(row: Any) -> list[shapes.Difference]:
    found: list[shapes.Difference] = []
    for change, before in zip(json.loads(row.changes), json.loads(row.before), strict=True):
        ((kind, fields),) = shown(change).items()
        found.append({"change": kind, "fields": fields, "before": before})
    return found


def _votes(view: View, identity: bytes, now: Settings) -> list[shapes.Vote]:
    """All votes on a proposal, in their order."""
    table, blocks = schema.votes, schema.blocks
    weights = now.weights()
    query = (
        select(table, blocks.c.time)
        .join(blocks, blocks.c.height == table.c.height)
        .where(table.c.proposal == identity)
        .order_by(table.c.height, table.c.position, table.c.number)
    )
    rows = view.connection.execute(query).all()
    hashes = _hashes(view, [(row.height, row.position) for row in rows])
    return [
        {
            "organisation": row.organisation,
            "weight": weights.get(row.organisation, 0),
            "approve": bool(row.approve),
            "height": str(row.height),
            "time": str(row.time),
            "transaction": hashes.get((row.height, row.position)),
        }
        for row in rows
    ]


def _counted(history: list[shapes.Vote], now: Settings, *, undecided: bool) -> list[shapes.Vote]:
    """The newest vote of each organisation; of those that may still vote, none."""
    newest = {one["organisation"]: one for one in history}
    weights = now.weights()
    if undecided:
        for name, one in now.organisations.items():
            if one["governance"] is not None:
                waiting: shapes.Vote = {
                    "organisation": name,
                    "weight": weights.get(name, 0),
                    "approve": None,
                    "height": None,
                    "time": None,
                    "transaction": None,
                }
                newest.setdefault(name, waiting)
    return [newest[name] for name in sorted(newest)]


def _approving(view: View, rows: list[Any]) -> dict[bytes, int]:
    """Weight that approves each proposal."""
    table = schema.votes
    found: dict[bytes, dict[str, bool]] = {row.proposal: {} for row in rows}
    query = (
        select(table)
        .where(table.c.proposal.in_(found))
        .order_by(table.c.height, table.c.position, table.c.number)
    )
    for vote in view.connection.execute(query):
        found[vote.proposal][vote.organisation] = bool(vote.approve)
    weights: dict[int, dict[str, int]] = {}
    counted = {}
    for row in rows:
        at = view.height + 1 if row.status in UNDECIDED else row.changed
        if at not in weights:
            weights[at] = _settings_at(view, at).weights()
        votes = found[row.proposal]
        counted[row.proposal] = sum(weights[at].get(name, 0) for name in votes if votes[name])
    return counted


def _ready(view: View, row: Any, now: Settings) -> list[shapes.Readiness]:
    """Next validators and whether they are ready; nobody before it is approved."""
    if row.approved is None:
        return []
    table = schema.ready
    query = select(table).where(table.c.proposal == row.proposal)
    heights = {one.validator: one.height for one in view.connection.execute(query)}
    changes = json.loads(row.changes)
    following = now.after(changes) if row.status in UNDECIDED else _settings_behind(view, row, now)
    return [
        {
            "name": one["name"],
            "weight": int(one["weight"]),
            "ready": one["name"] in heights,
            "height": str(heights[one["name"]]) if one["name"] in heights else None,
        }
        for one in following.validators
    ]


def _settings_behind(view: View, row: Any, now: Settings) -> Settings:
    """The set that an ended proposal would have made, or made."""
    if row.status == "active":
        return _settings_at(view, row.changed + 1)
    return now.after(json.loads(row.changes))


# --- evidence ------------------------------------------------------------------------------------


def evidence_list(
    reader: Reader, asked: Asked, validator: str | None = None, phase: int | None = None
) -> Page:
    """Evidence that fits, newest first; `phase` is a place in `PHASES`."""
    table = schema.evidence
    query = select(table)
    if phase is not None:
        query = query.where(table.c.phase == phase)
    if validator is not None:
        query = query.where(table.c.validator == validator)
    return _page(reader, query, asked, table, "recorded", _evidence)


def evidence(reader: Reader, identity: str) -> shapes.Evidence | None:
    """One piece of evidence; None if there is none."""
    table = schema.evidence
    query = select(table).where(table.c.evidence == bytes.fromhex(identity))
    with reader.view() as view:
        row = view.connection.execute(query).first()
        return None if row is None else _evidence(view, [row])[0]


def _evidence(view: View, rows: list[Any]) -> list[shapes.Evidence]:
    hashes = _hashes(view, [(row.recorded, row.position) for row in rows])
    opened = _opened(view, [row.removal for row in rows])
    return [
        {
            "id": row.evidence.hex(),
            "member": row.validator,
            "key": json.loads(row.key),
            "kind": PHASES[row.phase],
            "epoch": str(row.epoch),
            "engine": row.engine,
            "height": row.height,
            "round": row.round,
            "digest_one": row.digest_one.hex(),
            "digest_two": row.digest_two.hex(),
            "reporter": row.reporter,
            "recorded": str(row.recorded),
            "transaction": hashes.get((row.recorded, row.position)),
            "action": row.action,
            "proposal": _hex(row.proposal or (row.removal if row.removal in opened else None)),
        }
        for row in rows
    ]


def _opened(view: View, identities: list[bytes]) -> set[bytes]:
    """Those of these proposals that there are."""
    table = schema.proposals
    query = select(table.c.proposal).where(table.c.proposal.in_(identities))
    return {row.proposal for row in view.connection.execute(query)}


# --- both ----------------------------------------------------------------------------------------


def _hashes(view: View, places: list[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """Hashes of the transactions at these places; what fell due has none."""
    if not places:
        return {}
    table = schema.transactions
    query = select(table.c.height, table.c.position, table.c.hash).where(
        tuple_(table.c.height, table.c.position).in_(sorted(set(places))),
        table.c.source.is_not(None),
    )
    return {(row.height, row.position): row.hash.hex() for row in view.connection.execute(query)}


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()
