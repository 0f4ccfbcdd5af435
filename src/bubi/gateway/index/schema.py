"""Tables of the index.

Accounts and assets have numbers, given in the order in which the block stream names them first, so
that an index rebuilt from zero gives the same ones. Amounts are texts: SQLite has no number that
holds them, and nothing here is summed by the database. A row with `since` and `until` was true
from the end of block `since` to before the end of block `until`.
"""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Text

OPEN = 2**63 - 1
"""`until` of what is true now."""

metadata = MetaData()


def _number(name: str, *, key: bool = False, empty: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=key, nullable=empty, autoincrement=False)


def _text(name: str, *, key: bool = False, empty: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=empty)


def _bytes(name: str, *, key: bool = False, empty: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, primary_key=key, nullable=empty)


progress = Table(
    "progress",
    metadata,
    _number("id", key=True),
    _text("chain_id"),
    _number("height"),
    _number("time"),
    _bytes("digest"),
    _number("transactions"),
    _number("addresses"),
    _number("accounts"),
    _number("asset_ids"),
    _number("assets"),
    _number("records"),
)
"""One row: how far the index is. It is written in the transaction that wrote the blocks."""

predecessor = Table(
    "predecessor",
    metadata,
    _text("chain_id", key=True),
    _bytes("certificate"),
    _bytes("state_root"),
    _number("height"),
    _number("time"),
)
"""The end of the chain that this one continues, if it does: what was there then is true from
height 0 on."""

addresses = Table("addresses", metadata, _number("id", key=True), _text("address"))
Index("addresses_by_text", addresses.c.address, unique=True)

asset_ids = Table("asset_ids", metadata, _number("id", key=True), _bytes("asset"))
Index("asset_ids_by_bytes", asset_ids.c.asset, unique=True)

blocks = Table(
    "blocks",
    metadata,
    _number("height", key=True),
    _number("time"),
    _bytes("digest"),
    _bytes("parent"),
    _bytes("state_root"),
    _bytes("receipt_root"),
    _bytes("payload_root"),
    _number("protocol_version"),
    _number("epoch", empty=True),
    _number("round", empty=True),
    _number("batches"),
    _number("receipts"),
    _number("final"),
    _text("voters"),
    _number("bytes"),
)
Index("blocks_by_digest", blocks.c.digest)
Index("blocks_by_time", blocks.c.time)

transactions = Table(
    "transactions",
    metadata,
    _number("height", key=True),
    _number("position", key=True),
    _bytes("hash"),
    _number("batch"),
    _number("place"),
    _number("code"),
    _number("failed", empty=True),
    _number("source", empty=True),
    _number("valid_until", empty=True),
    _number("operations"),
    _bytes("signed", empty=True),
)
Index("transactions_by_hash", transactions.c.hash)
Index(
    "transactions_by_code",
    transactions.c.code,
    transactions.c.height,
    transactions.c.position,
    sqlite_where=transactions.c.code != 0,
    postgresql_where=transactions.c.code != 0,
)

operations = Table(
    "operations",
    metadata,
    _number("height", key=True),
    _number("position", key=True),
    _number("number", key=True),
    _number("kind"),
    _number("source"),
    _number("other", empty=True),
    _number("asset", empty=True),
    _text("amount", empty=True),
    _text("name", empty=True),
    sqlite_with_rowid=False,
)
Index(
    "operations_by_kind",
    operations.c.kind,
    operations.c.height,
    operations.c.position,
)

events = Table(
    "events",
    metadata,
    _number("height", key=True),
    _number("position", key=True),
    _number("number", key=True),
    _text("kind"),
    _text("event"),
    sqlite_with_rowid=False,
)

account_transactions = Table(
    "account_transactions",
    metadata,
    _number("account", key=True),
    _number("height", key=True),
    _number("position", key=True),
    sqlite_with_rowid=False,
)
asset_transactions = Table(
    "asset_transactions",
    metadata,
    _number("asset", key=True),
    _number("height", key=True),
    _number("position", key=True),
    sqlite_with_rowid=False,
)

accounts = Table(
    "accounts",
    metadata,
    _number("account", key=True),
    _number("height"),
    _number("position"),
    _number("creator", empty=True),
    _number("closed", empty=True),
)
Index("accounts_by_height", accounts.c.height, accounts.c.account)
Index("accounts_by_creator", accounts.c.creator, accounts.c.height, accounts.c.account)
_closed = accounts.c.closed.is_not(None)
Index(
    "accounts_closed",
    accounts.c.height,
    accounts.c.account,
    sqlite_where=_closed,
    postgresql_where=_closed,
)

signers = Table(
    "signers",
    metadata,
    _number("account", key=True),
    _number("height", key=True),
    _number("position", key=True),
    _number("number", key=True),
    _text("signers"),
    _text("thresholds"),
    sqlite_with_rowid=False,
)
"""Who signs for an account from an operation on, in JSON as spec/encoding.md writes it."""

data = Table(
    "data",
    metadata,
    _number("account", key=True),
    _text("name", key=True),
    _number("since", key=True),
    _number("until"),
    _number("version"),
    _bytes("value"),
)

claims = Table(
    "claims",
    metadata,
    _number("account", key=True),
    _number("issuer", key=True),
    _text("kind", key=True),
    _number("since", key=True),
    _number("until"),
    _bytes("digest"),
    _text("expires", empty=True),
)
"""`account` is the subject; `expires` may be any 64 bits."""

memberships = Table(
    "memberships",
    metadata,
    _number("account", key=True),
    _number("since", key=True),
    _number("until"),
    _text("organisation", empty=True),
    _text("asks", empty=True),
    sqlite_with_rowid=False,
)
"""Which organisation took an account in, and which one it asks to. To which it belongs depends on
the epoch, too: on who votes for whom, and which organisations exist (spec/ledger.md 3.1)."""
_took_in = memberships.c.organisation.is_not(None)
Index(
    "memberships_by_organisation",
    memberships.c.organisation,
    memberships.c.account,
    memberships.c.since,
    memberships.c.until,
    sqlite_where=_took_in,
    postgresql_where=_took_in,
)
_asked = memberships.c.asks.is_not(None)
Index(
    "memberships_by_asked",
    memberships.c.asks,
    memberships.c.account,
    memberships.c.since,
    memberships.c.until,
    sqlite_where=_asked,
    postgresql_where=_asked,
)

holdings = Table(
    "holdings",
    metadata,
    _number("asset", key=True),
    _number("account", key=True),
    _number("since", key=True),
    _number("until"),
    _text("balance"),
    _text("reserved"),
    _number("frozen"),
    _number("authorised"),
    sqlite_with_rowid=False,
)
Index("holdings_by_account", holdings.c.account, holdings.c.asset, holdings.c.since)

assets = Table(
    "assets",
    metadata,
    _number("asset", key=True),
    _number("height"),
    _number("position"),
    _number("issuer"),
    _text("code"),
    _text("name"),
    _text("kind"),
    _number("decimals"),
    _text("cap", empty=True),
    _text("features"),
    _number("frozen"),
)
Index("assets_by_code", assets.c.code)
Index("assets_by_issuer", assets.c.issuer)
Index("assets_by_kind", assets.c.kind, assets.c.asset)

supplies = Table(
    "supplies",
    metadata,
    _number("asset", key=True),
    _number("since", key=True),
    _number("until"),
    _text("supply"),
    sqlite_with_rowid=False,
)

Index("supplies_by_since", supplies.c.since)

items = Table(
    "items",
    metadata,
    _number("asset", key=True),
    _text("item", key=True),
    _number("since", key=True),
    _number("until"),
    _number("holder"),
    _bytes("digest", empty=True),
    sqlite_with_rowid=False,
)
Index("items_by_holder", items.c.holder, items.c.asset, items.c.item)

holds = Table(
    "holds",
    metadata,
    _bytes("hold", key=True),
    _number("height", key=True),
    _number("position", key=True),
    _number("asset"),
    _number("holder"),
    _number("beneficiary"),
    _text("amount"),
    _number("expires"),
    _text("state"),
    _number("closed", empty=True),
    _text("captured", empty=True),
)
Index("holds_by_holder", holds.c.holder, holds.c.height)

namespaces = Table(
    "namespaces",
    metadata,
    _bytes("namespace", key=True),
    _text("name"),
    _number("height"),
    _number("position"),
    _number("owner"),
    _text("writers"),
    _number("shared"),
)
Index("namespaces_by_name", namespaces.c.name)
Index("namespaces_by_owner", namespaces.c.owner, namespaces.c.name)

records = Table(
    "records",
    metadata,
    _bytes("namespace", key=True),
    _text("key", key=True),
    _number("version", key=True),
    _number("height"),
    _number("position"),
    _number("writer"),
    _number("time"),
    _text("algorithm"),
    _bytes("digest"),
    _text("content_kind"),
    _number("content_size"),
    _bytes("content", empty=True),
    _text("cipher", empty=True),
)
Index("records_by_digest", records.c.digest)
Index("records_by_key", records.c.key)
Index("records_by_height", records.c.height, records.c.position)
Index("records_by_writer", records.c.writer, records.c.height, records.c.position)

record_parents = Table(
    "record_parents",
    metadata,
    _bytes("namespace", key=True),
    _text("key", key=True),
    _number("version", key=True),
    _bytes("parent_namespace", key=True),
    _text("parent_key", key=True),
    _number("parent_version", key=True),
    sqlite_with_rowid=False,
)
Index(
    "record_parents_by_parent",
    record_parents.c.parent_namespace,
    record_parents.c.parent_key,
    record_parents.c.parent_version,
)

activity = Table(
    "activity",
    metadata,
    _number("span", key=True),
    _number("start", key=True),
    _number("blocks"),
    _number("final"),
    _number("rejected"),
    sqlite_with_rowid=False,
)
"""How much happened per minute and per day (`span` in ms)."""

validators = Table(
    "validators",
    metadata,
    _number("epoch", key=True),
    _number("place", key=True),
    _text("name"),
    _text("organisation"),
    _text("key"),
    _number("weight"),
)

epochs = Table(
    "epochs",
    metadata,
    _number("epoch", key=True),
    _number("height"),
    _number("time"),
    _bytes("proposal", empty=True),
    _text("engine"),
    _number("quorum"),
    _number("total"),
    _text("settings"),
)
"""Each from its first height, with the time of the block before; its settings in JSON."""
Index("epochs_by_height", epochs.c.height)

proposals = Table(
    "proposals",
    metadata,
    _bytes("proposal", key=True),
    _number("height"),
    _number("position"),
    _number("number"),
    _text("organisation", empty=True),
    _bytes("evidence", empty=True),
    _text("changes"),
    _text("before"),
    _text("expires"),
    _text("not_before", empty=True),
    _text("acknowledged"),
    _text("memo"),
    _text("status"),
    _number("changed"),
    _number("approved", empty=True),
    _number("activation", empty=True),
)
"""`before`: what was in force of each change when the proposal was opened. `changed`: height of
the newest status. 64-bit numbers that nothing bounds are texts."""
Index("proposals_by_height", proposals.c.height, proposals.c.position, proposals.c.number)
Index("proposals_by_status", proposals.c.status)
Index("proposals_by_organisation", proposals.c.organisation, proposals.c.height)

votes = Table(
    "votes",
    metadata,
    _bytes("proposal", key=True),
    _number("height", key=True),
    _number("position", key=True),
    _number("number", key=True),
    _text("organisation"),
    _number("approve"),
)
"""Every vote; the newest of an organisation counts."""

ready = Table(
    "ready",
    metadata,
    _bytes("proposal", key=True),
    _text("validator", key=True),
    _number("height"),
)

evidence = Table(
    "evidence",
    metadata,
    _bytes("evidence", key=True),
    _number("recorded"),
    _number("position"),
    _number("number"),
    _text("validator"),
    _text("key"),
    _number("epoch"),
    _text("engine"),
    _text("height"),
    _text("round"),
    _number("phase"),
    _bytes("digest_one"),
    _bytes("digest_two"),
    _text("reporter"),
    _text("action"),
    _bytes("proposal", empty=True),
    _bytes("removal"),
)
"""`proposal` is what it led to at once; `removal` is the id that a proposal has which this
evidence opens, now or later. Height and round are what the member wrote: any 64 bits."""
Index("evidence_by_height", evidence.c.recorded, evidence.c.position, evidence.c.number)
Index("evidence_by_removal", evidence.c.removal)
Index("evidence_by_validator", evidence.c.validator, evidence.c.recorded)
