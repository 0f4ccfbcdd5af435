"""Epochs, proposals, votes and evidence, from the events of a group of blocks.

Events say what happened; what was proposed or held against whom stands in the transactions. Both
are in the index already when this runs, in the same database transaction.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from bubi_sdk import hashes
from sqlalchemy import Connection, Table, insert, select, update

from bubi import core
from bubi.gateway.index import schema, settings
from bubi.gateway.index.settings import Json, Settings

COMMIT_PHASE = 4
TOLD = (
    "proposal_changed",
    "voted",
    "validator_ready",
    "activation_fixed",
    "epoch_begins",
    "evidence_recorded",
)
Place = tuple[int, int]
"""Height and position of a receipt."""


@dataclass(frozen=True, slots=True)
class Chain:
    """What decodes the transactions of a chain and derives its identifiers."""

    id: bytes
    prefix: str
    suite: int


@dataclass(frozen=True, slots=True)
class Told:
    """An event of governance."""

    height: int
    position: int
    number: int
    kind: str
    fields: Json

    @property
    def place(self) -> Place:
        """Where its receipt stands."""
        return self.height, self.position


def begin(
    connection: Connection, genesis: Json, denied: Iterable[str] = (), revoked: Iterable[str] = ()
) -> None:
    """The epoch that a chain begins with.

    Nodes that are `denied` and certificates that are `revoked` were so on the chain before.
    """
    made = settings.of_genesis(genesis)
    made.listings.update(dict.fromkeys(denied, "denied"))
    made.revoked.extend(revoked)
    _write_epoch(connection, 0, 1, int(genesis["time"]), None, made)


def follow(connection: Connection, chain: Chain, above: int) -> None:
    """Writes what the blocks above a height changed."""
    table = schema.events
    found = connection.execute(
        select(table)
        .where(table.c.height > above, table.c.kind.in_(TOLD))
        .order_by(table.c.height, table.c.position, table.c.number)
    )
    events = [
        Told(row.height, row.position, row.number, row.kind, json.loads(row.event)[row.kind])
        for row in found
    ]
    if events:
        _Meeting(connection, chain).hear(events)


class _Meeting:
    """Takes events down, one receipt after the other."""

    def __init__(self, connection: Connection, chain: Chain) -> None:
        self.connection = connection
        self.chain = chain
        self.epoch, self.settings = _newest(connection)
        self.active = b""

    def hear(self, events: list[Told]) -> None:
        for of_receipt in _receipts(events):
            # A report comes behind the proposal that it opens.
            self._evidence([one for one in of_receipt if one.kind == "evidence_recorded"])
            opened = [one for one in of_receipt if one.fields.get("status") == "open"]
            removals = {one.number: self._removal(one) for one in opened}
            self._open([one for one in opened if removals[one.number] is None])
            for one in of_receipt:
                self._hear(one, removals.get(one.number))

    def _hear(self, one: Told, removal: Json | None) -> None:
        match one.kind:
            case "proposal_changed":
                if removal is not None:
                    self._open_removal(one, removal)
                self._change(one)
            case "voted":
                self._vote(one)
            case "validator_ready":
                self._ready(one)
            case "activation_fixed":
                self._update(one, activation=int(one.fields["height"]))
            case "epoch_begins":
                self._turn(one)

    # --- proposals -------------------------------------------------------------------------

    def _open(self, opened: list[Told]) -> None:
        """Proposals of organisations: each event belongs to the operation at the same place."""
        if not opened:
            return
        made = self._operations(opened[0].place, "propose")
        for one, (account, fields) in zip(opened, made, strict=True):
            self._insert(one, self.settings.organisation_of(account), None, fields)

    def _removal(self, one: Told) -> Json | None:
        """What opens a proposal by itself: the evidence that its id is derived from."""
        table = schema.evidence
        identity = bytes.fromhex(one.fields["proposal"])
        row = self.connection.execute(select(table).where(table.c.removal == identity)).first()
        if row is None:
            return None
        return {"evidence": row.evidence, "key": json.loads(row.key), "name": row.validator}

    def _open_removal(self, one: Told, removal: Json) -> None:
        table = schema.blocks
        time = self.connection.execute(
            select(table.c.time).where(table.c.height == one.height)
        ).scalar_one()
        name = self.settings.validator_of(removal["key"]) or removal["name"]
        fields = {
            "changes": [{"remove_validator": {"name": name}}],
            "expires": str(time + int(self.settings.parameters["proposal_lifetime"])),
            "not_before": None,
            "acknowledged": [],
            "memo": "",
        }
        self._insert(one, None, removal["evidence"], fields)

    def _insert(
        self, one: Told, organisation: str | None, evidence: bytes | None, fields: Json
    ) -> None:
        changes = fields["changes"]
        values = {
            "proposal": bytes.fromhex(one.fields["proposal"]),
            "height": one.height,
            "position": one.position,
            "number": one.number,
            "organisation": organisation,
            "evidence": evidence,
            "changes": _text(changes),
            "before": _text(self.settings.compared(changes)),
            "expires": fields["expires"],
            "not_before": fields["not_before"],
            "acknowledged": _text(fields["acknowledged"]),
            "memo": fields["memo"],
            "status": "open",
            "changed": one.height,
            "approved": None,
            "activation": None,
        }
        self.connection.execute(insert(schema.proposals).values(values))

    def _change(self, one: Told) -> None:
        status = one.fields["status"]
        self._update(one, status=status, changed=one.height)
        if status == "approved":
            self._update(one, approved=one.height)
        elif status == "withdrawn":
            # Also one that was approved for a height: nothing begins there.
            self._update(one, activation=None)
        elif status == "active":
            self.active = bytes.fromhex(one.fields["proposal"])

    def _update(self, one: Told, **values: Any) -> None:
        table = schema.proposals
        this = table.c.proposal == bytes.fromhex(one.fields["proposal"])
        self.connection.execute(update(table).where(this).values(values))

    def _vote(self, one: Told) -> None:
        self._add(
            schema.votes,
            one,
            position=one.position,
            number=one.number,
            organisation=one.fields["organisation"],
            approve=int(one.fields["approve"]),
        )

    def _ready(self, one: Told) -> None:
        self._add(schema.ready, one, validator=one.fields["validator"])

    def _add(self, table: Table, one: Told, **values: Any) -> None:
        proposal = bytes.fromhex(one.fields["proposal"])
        self.connection.execute(
            insert(table).values(proposal=proposal, height=one.height, **values)
        )

    # --- epochs ----------------------------------------------------------------------------

    def _turn(self, one: Told) -> None:
        """An epoch begins: what the active proposal changes is in force."""
        proposals, blocks = schema.proposals, schema.blocks
        run = self.connection.execute
        changes = run(
            select(proposals.c.changes).where(proposals.c.proposal == self.active)
        ).scalar_one()
        time = run(select(blocks.c.time).where(blocks.c.height == one.height)).scalar_one()
        self.epoch, self.settings = (
            int(one.fields["epoch"]),
            self.settings.after(json.loads(changes)),
        )
        height = int(one.fields["height"])
        _write_epoch(self.connection, self.epoch, height, time, self.active, self.settings)

    # --- evidence --------------------------------------------------------------------------

    def _evidence(self, recorded: list[Told]) -> None:
        if not recorded:
            return
        made = self._operations(recorded[0].place, "report_evidence")
        for one, (reporter, fields) in zip(recorded, made, strict=True):
            self._insert_evidence(one, reporter, fields)

    def _insert_evidence(self, one: Told, reporter: str, fields: Json) -> None:
        action, proposal = one.fields["action"], None
        if isinstance(action, dict):
            ((action, proposal),) = action.items()
        first, second = (_statement(fields[f"statement_{which}"]) for which in ("one", "two"))
        key = bytes.fromhex(one.fields["evidence"])
        values = {
            "evidence": key,
            "recorded": one.height,
            "position": one.position,
            "number": one.number,
            "validator": one.fields["validator"],
            "key": _text(fields["member"]),
            "epoch": int(first["epoch"]),
            "engine": first["engine"],
            "height": first["height"],
            "round": first["round"],
            "phase": first.get("phase", COMMIT_PHASE),
            "digest_one": bytes.fromhex(first["digest"]),
            "digest_two": bytes.fromhex(second["digest"]),
            "reporter": reporter,
            "action": action,
            "proposal": None if proposal is None else bytes.fromhex(proposal),
            "removal": core.hash(self.chain.suite, hashes.GOVERNANCE + self.chain.id + key),
        }
        self.connection.execute(insert(schema.evidence).values(values))

    # --- transactions ----------------------------------------------------------------------

    def _operations(self, place: Place, kind: str) -> Iterator[tuple[str, Json]]:
        """Operations of a kind in a transaction that is final: who acts, and their fields."""
        table, chain = schema.transactions, self.chain
        signed = self.connection.execute(
            select(table.c.signed).where(table.c.height == place[0], table.c.position == place[1])
        ).scalar_one()
        text = core.transaction_to_json(chain.prefix, chain.suite, chain.id, signed)
        body = core.decode_json(text)["v1"]["body"]["v1"]
        for operation in body["operations"]:
            fields = operation["body"].get(kind) if isinstance(operation["body"], dict) else None
            if fields is not None:
                yield operation["source"] or body["source"], fields


def _receipts(events: Iterable[Told]) -> Iterator[list[Told]]:
    """Events in groups of one receipt each."""
    group: list[Told] = []
    for one in events:
        if group and group[0].place != one.place:
            yield group
            group = []
        group.append(one)
    yield group


def _statement(fields: Json) -> Json:
    ((_, statement),) = fields.items()
    found: Json = statement["v1"]
    return found


def _newest(connection: Connection) -> tuple[int, Settings]:
    table = schema.epochs
    newest = select(table).order_by(table.c.epoch.desc()).limit(1)
    row = connection.execute(newest).one()
    return row.epoch, of_text(row.settings)


def of_text(text: str) -> Settings:
    """Settings as the table of epochs keeps them."""
    return Settings(**json.loads(text))


def _write_epoch(
    connection: Connection,
    epoch: int,
    height: int,
    time: int,
    proposal: bytes | None,
    now: Settings,
) -> None:
    values = {
        "epoch": epoch,
        "height": height,
        "time": time,
        "proposal": proposal,
        "engine": now.engine,
        "quorum": now.quorum,
        "total": now.total,
        "settings": _text(asdict(now)),
    }
    connection.execute(insert(schema.epochs).values(values))
    members = [
        {
            "epoch": epoch,
            "place": place,
            "name": one["name"],
            "organisation": one["organisation"],
            "key": _text(one["key"]),
            "weight": int(one["weight"]),
        }
        for place, one in enumerate(now.validators)
    ]
    connection.execute(insert(schema.validators), members)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
