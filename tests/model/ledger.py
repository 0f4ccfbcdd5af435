"""The rules of spec/ledger.md in Python. Section numbers in this file are those of that page.

`Ledger(genesis)` is the state after the genesis; `execute` runs one block on it. Values are
immutable, so that a shallow copy of the cells is a snapshot and undoing a transaction is putting
the copy back.
"""

import copy
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, get_args

from . import tree
from . import values as v
from .bcs import decode, encode
from .governance import SYSTEM, Council, RejectedError, refuse
from .values import AMOUNT_MAX, LOTS_MAX, AssetKind, Code, Holding, Lot

CellKey = tuple[bytes, bytes]

PARAMETERS, VALIDATORS = (SYSTEM, b"\0"), (SYSTEM, b"\2")
SCHEDULE = (SYSTEM, b"\4")
AMOUNT_OPERATIONS = (v.Issue, v.Transfer, v.Burn, v.Clawback, v.Reserve)
NUMBERS: dict[type, int] = {kind: n for n, kind in enumerate(get_args(v.OperationBody))}
METHODS = {kind: re.sub("(?<!^)(?=[A-Z])", "_", kind.__name__).lower() for kind in NUMBERS}


class Transaction(NamedTuple):
    """An encoded body and the keys (tagged bytes) that signed it."""

    body: bytes
    keys: frozenset[bytes]


@dataclass(frozen=True)
class Skipped:
    """A transaction without a receipt."""

    batch: int
    index: int
    reason: str


@dataclass(frozen=True)
class BlockResult:
    """What a block gives."""

    outcome: v.Outcome
    receipts: list[v.Receipt]
    events: list[list[v.Event]]
    skipped: list[Skipped]


# Section 1: keys of cells


def account_cell(address: bytes, key: bytes = b"\0") -> CellKey:
    """A cell of an account; its header by default."""
    return b"\1" + address, key


def holding_cell(address: bytes, asset: bytes) -> CellKey:
    """What an account holds of an asset."""
    return account_cell(address, b"\1" + asset)


def held_item_cell(address: bytes, asset: bytes, item: str) -> CellKey:
    """Marker that an account holds an item."""
    return account_cell(address, b"\3" + asset + item.encode())


def data_cell(address: bytes, name: str) -> CellKey:
    """A data entry."""
    return account_cell(address, b"\4" + name.encode())


def claim_cell(subject: bytes, issuer: bytes, kind: str) -> CellKey:
    """A claim, in the account it is about."""
    return account_cell(subject, b"\5" + issuer + kind.encode())


def lane_cell(address: bytes, lane: int) -> CellKey:
    """Next number of a sequence lane."""
    return account_cell(address, b"\6" + lane.to_bytes(4, "big"))


def hold_cell(holder: bytes, hold: bytes) -> CellKey:
    """A hold, in the account of its holder."""
    return account_cell(holder, b"\7" + hold)


def use_cell(address: bytes, key: bytes) -> CellKey:
    """Use of a signer's amount limit."""
    return account_cell(address, b"\10" + key)


def quota_cell(address: bytes) -> CellKey:
    """Use of an account's quota."""
    return account_cell(address, b"\11")


def membership_cell(address: bytes) -> CellKey:
    """To which organisation an account belongs."""
    return account_cell(address, b"\12")


def organisation_cell(name: str) -> CellKey:
    """An organisation."""
    return SYSTEM, b"\5" + name.encode()


def organisation_use_cell(name: str | None) -> CellKey:
    """Use of the quota of an organisation, or of all accounts without one."""
    return SYSTEM, b"\16" + (name or "").encode()


def asset_cell(asset: bytes, key: bytes = b"\0") -> CellKey:
    """A cell of an asset; its definition by default."""
    return b"\2" + asset, key


def item_cell(asset: bytes, item: str) -> CellKey:
    """An item of a unique asset."""
    return asset_cell(asset, b"\1" + item.encode())


def namespace_cell(namespace: bytes, key: bytes = b"\0") -> CellKey:
    """A cell of a namespace; its definition by default."""
    return b"\3" + namespace, key


def head_cell(namespace: bytes, key: str) -> CellKey:
    """Head of a record."""
    return namespace_cell(namespace, b"\1" + key.encode())


def version_cell(namespace: bytes, key: str, version: int) -> CellKey:
    """One version of a record."""
    return namespace_cell(namespace, b"\2" + key.encode() + b"\0" + version.to_bytes(4, "big"))


def due_cell(time: int, kind: int, holder: bytes, subject: bytes) -> CellKey:
    """What falls due: kind 0 a lot of the asset `subject`, kind 1 the hold `subject`."""
    return SYSTEM, b"\3" + time.to_bytes(8, "big") + bytes([kind]) + holder + subject


def bucket_cell(bucket: int) -> CellKey:
    """Commitment to a bucket of live ids."""
    return SYSTEM, b"\1" + bucket.to_bytes(8, "big")


def epoch_cell(epoch: int) -> CellKey:
    """The begin of an epoch."""
    return SYSTEM, b"\x08" + epoch.to_bytes(8, "big")


def replay_bytes(replay: v.ReplayKey) -> bytes:
    """The replay key as 17 bytes."""
    if isinstance(replay, v.ReplayId):
        return b"\0" + replay.id
    return (
        b"\1" + replay.lane.to_bytes(4, "little") + replay.number.to_bytes(8, "little") + bytes(4)
    )


class Ledger:
    """State after a block: cells by (owner, key), and the lists behind the bucket cells."""

    def __init__(self, genesis: bytes) -> None:
        fields: v.Genesis = decode(v.Genesis, genesis)
        self.suite = fields.suite
        self.chain = self.hash(b"bubi:genesis....", genesis)
        self.kind = fields.kind
        self.genesis_version = fields.protocol_version
        self.height = 0
        self.time = fields.time
        self.reports: dict[bytes | None, int] = {}
        self.voices: set[bytes] = set()
        self.ids: dict[int, list[v.IdEntry]] = {}
        self.cells: dict[CellKey, Any] = {
            PARAMETERS: v.Parameters(fields.parameters),
            VALIDATORS: fields.validators,
            epoch_cell(0): v.EpochRecord(1, fields.time, fields.validators),
        }
        for one in fields.organisations:
            self.cells[SYSTEM, b"\5" + one.name.encode()] = v.Organisation(
                one.governance, one.certificate
            )
            if one.governance is not None:
                self.cells[SYSTEM, b"\r" + one.governance] = v.Voter(one.name)
        for account in fields.accounts:
            self.cells[account_cell(account.address)] = v.OpenAccount(
                account.signers, account.thresholds, 0
            )
            if account.organisation is not None:
                self.cells[membership_cell(account.address)] = v.Membership(account.organisation)
        for validator in fields.validators.validators:
            if self.header(self.own_address(validator.key)) is None:
                self.open_key_account(validator.key, 0)

    @property
    def parameters(self) -> v.ParameterFields:
        """Those in force."""
        fields: v.ParameterFields = self.cells[PARAMETERS].v1
        return fields

    def header(self, account: bytes) -> v.AccountHeader | None:
        """Header of an account."""
        return self.cells.get(account_cell(account))

    def open_key_account(self, key: bytes, height: int) -> None:
        """A key's own account, in which it may do everything."""
        header = v.OpenAccount((v.Signer(key, 1),), v.Thresholds(1), height)
        self.cells[account_cell(self.own_address(key))] = header

    def is_retired(self, key: bytes) -> bool:
        """Section 2.2: whether signatures of accounts by this key's algorithm count no more."""
        retired = {one.algorithm: one.until for one in self.parameters.retired_algorithms}
        return key[0] in retired and retired[key[0]] <= self.time

    def copy(self) -> "Ledger":
        """A second ledger in the same state."""
        other = copy.copy(self)
        other.cells = dict(self.cells)
        other.ids = {bucket: list(entries) for bucket, entries in self.ids.items()}
        return other

    def hash(self, *parts: bytes) -> bytes:
        """Hash of the parts in the chain's suite."""
        return tree.digest(self.suite, *parts)

    def own_address(self, key: bytes) -> bytes:
        """Address of a key's own account."""
        return self.hash(b"bubi:address-key", key)

    def derive(self, domain: bytes, acting: bytes, replay: v.ReplayKey, index: int) -> bytes:
        """Address of a derived account, or id of a hold."""
        return self.hash(
            domain, self.chain, acting, replay_bytes(replay), index.to_bytes(4, "little")
        )

    def asset_id(self, issuer: bytes, code: str) -> bytes:
        """Id of the asset that an issuer calls by this code."""
        return self.hash(b"bubi:asset......", issuer, code.encode())

    def namespace_id(self, name: str) -> bytes:
        """Id of the namespace with this name."""
        return self.hash(b"bubi:namespace..", name.encode())

    def transaction_hash(self, body: bytes) -> bytes:
        """Name of a transaction."""
        return self.hash(b"bubi:transaction", self.chain, body)

    def encoded_cells(self) -> dict[CellKey, bytes]:
        """Every cell as bytes."""
        return {
            key: value if isinstance(value, bytes) else encode(value)
            for key, value in self.cells.items()
        }

    def outcome(self, receipts: list[v.Receipt]) -> v.Outcome:
        """Outcome of the block (or genesis) that ended in the state as it is now."""
        return v.Outcome(
            tree.list_root(self.suite, tree.RECEIPT, [encode(receipt) for receipt in receipts]),
            tree.state_root(self.suite, self.encoded_cells()),
            self.hash(b"bubi:validators.", self.chain, encode(self.cells[VALIDATORS])),
            self.hash(b"bubi:parameters.", self.chain, encode(self.cells[PARAMETERS])),
        )

    def execute(
        self, time: int, batches: list[list[Transaction]], parent_round: int = 0
    ) -> BlockResult:
        """Executes the next block and keeps its state."""
        self.begin(time)
        self.schedule_leaders(parent_round)
        return Block(self).run(batches)

    def begin(self, time: int) -> None:
        """The next block."""
        self.height, self.time, self.reports = self.height + 1, time, {}

    def schedule_leaders(self, parent_round: int) -> None:
        """spec/consensus/schedule.md: what the round of the block below says of leaders."""
        before = self.cells.get(SCHEDULE, v.Schedule())
        first = self.cells[epoch_cell(self.cells[VALIDATORS].epoch)].height
        if self.height == first:
            return
        turn_over = (
            self.height > first + 1
            and (self.height - first - 1) % self.parameters.turn_blocks == 0
        )
        expected = before.round + turn_over
        if parent_round < expected or parent_round == before.round:
            return
        replaced = before.changed + 1 == self.height
        members = len(self.cells[VALIDATORS].validators)
        decided = before.former if replaced else before
        led, _ = leaders_until(decided, members, parent_round)
        failed = led[max(expected, parent_round - 1_024) - decided.round : -1]
        leaders, skips = leaders_until(before, members, parent_round)
        levels = {one.validator: one.level for one in before.strikes}
        if turn_over:
            levels.pop(before.decider if replaced else before.leader, None)
        for member in failed:
            skips[member] = min(64, 2 ** levels.get(member, 0))
            levels[member] = min(7, levels.get(member, 0) + 1)
        self.cells[SCHEDULE] = v.Schedule(
            parent_round,
            leaders[-1],
            self.height,
            tuple(v.Strike(one, levels[one], skips[one]) for one in sorted(levels)),
            led[-1],
            v.FormerSchedule(before.round, before.leader, before.strikes),
        )

    def live_ids(self, source: bytes, identifier: bytes) -> list[v.IdEntry]:
        """Entries of live buckets with this source and id."""
        entries = [entry for bucket in self.ids.values() for entry in bucket]
        return [e for e in entries if e.source == source and e.id == identifier]

    def data_version(self, account: bytes, name: str) -> int:
        """Version of a data entry; 0 if absent."""
        entry = self.cells.get(data_cell(account, name))
        return entry.version if entry else 0

    def record_version(self, namespace: bytes, key: str) -> int:
        """Newest version of a record; 0 if absent."""
        head = self.cells.get(head_cell(namespace, key))
        return head.version if head else 0

    def membership(self, account: bytes) -> v.Membership:
        """Section 3.1: membership as it stands in its cell."""
        membership: v.Membership = self.cells.get(membership_cell(account), v.Membership())
        return membership

    def organisation_of(self, account: bytes) -> str | None:
        """Section 3.1: the organisation to which an account belongs."""
        voter: v.Voter | None = self.cells.get((SYSTEM, b"\r" + account))
        if voter is not None:
            return voter.organisation
        name = self.membership(account).organisation
        return name if name is not None and organisation_cell(name) in self.cells else None

    def find_voices(self) -> None:
        """Section 2.4: accounts that act for their organisation, before the first transaction."""
        pending = Council(self, []).agenda.pending
        self.voices = {
            *(key[1:] for owner, key in self.cells if owner == SYSTEM and key[0] == 13),
            *(self.own_address(one.key) for one in self.cells[VALIDATORS].validators),
            *(one.account for one in (pending.members if pending else ())),
        }

    def used(self, cell: CellKey, period: int) -> int:
        """What a Use cell counted in this period."""
        use = self.cells.get(cell)
        return use.used if use and use.period == period else 0


class Block:
    """Section 2: one block being executed."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.time = ledger.time

    def run(self, batches: list[list[Transaction]]) -> BlockResult:
        """Steps 1 to 5."""
        receipts: list[v.Receipt] = []
        events: list[list[v.Event]] = []
        skipped: list[Skipped] = []
        self.drop_passed_buckets()
        due_events = self.due()
        self.ledger.find_voices()
        for batch, transactions in enumerate(batches):
            for index, transaction in enumerate(transactions):
                execution = Execution(self.ledger, transaction)
                if reason := execution.skip_reason():
                    skipped.append(Skipped(batch, index, reason))
                    continue
                code, operation = execution.run()
                root = self.events_root(execution.events)
                receipts.append(v.Receipt(execution.hash, batch, index, code, operation, root))
                events.append(execution.events)
        Council(self.ledger, due_events).barrier()
        if due_events:
            root = self.events_root(due_events)
            receipts.append(v.Receipt(bytes(32), len(batches), 0, Code.FINAL, None, root))
            events.append(due_events)
        self.write_buckets()
        return BlockResult(self.ledger.outcome(receipts), receipts, events, skipped)

    def events_root(self, events: list[v.Event]) -> bytes:
        """What a receipt says of its events."""
        encoded = [encode(event) for event in events]
        return tree.list_root(self.ledger.suite, tree.EVENT, encoded)

    def drop_passed_buckets(self) -> None:
        """Step 1."""
        ledger = self.ledger
        for bucket in [
            b for b in ledger.ids if (b + 1) * ledger.parameters.id_bucket <= self.time
        ]:
            del ledger.ids[bucket], ledger.cells[bucket_cell(bucket)]

    def write_buckets(self) -> None:
        """Bucket cells commit to the lists as they are after the block."""
        for bucket, entries in self.ledger.ids.items():
            root = tree.list_root(self.ledger.suite, tree.ID, [encode(entry) for entry in entries])
            self.ledger.cells[bucket_cell(bucket)] = v.IdBucket(len(entries), root)

    def due(self) -> list[v.Event]:
        """Step 2: the first due lots and holds."""
        books = Books(self.ledger, [])
        keys = sorted(key for owner, key in self.ledger.cells if owner == SYSTEM and key[0] == 3)
        ready = [key for key in keys if int.from_bytes(key[1:9], "big") <= self.time]
        for key in ready[: self.ledger.parameters.due_per_block]:
            time, kind, holder, subject = (
                int.from_bytes(key[1:9], "big"),
                key[9],
                key[10:42],
                key[42:],
            )
            if kind == 2:
                Council(self.ledger, books.events).time_is_over(subject)
            elif kind == 0:
                lots = books.holding(holder, subject).lots
                books.retire(subject, holder, next(lot for lot in lots if lot.expires == time))
            else:
                books.events.append(v.HoldExpired(subject, holder))
                books.back(holder, subject)
        return books.events


class Execution:
    """Section 2.1: one transaction being executed."""

    def __init__(self, ledger: Ledger, transaction: Transaction) -> None:
        self.ledger = ledger
        self.time = ledger.time
        self.keys = transaction.keys
        self.body: v.Body = decode(v.Body, transaction.body)
        self.hash = ledger.transaction_hash(transaction.body)
        self.events: list[v.Event] = []
        actors = set(map(self.acting, self.body.operations))
        self.headers = {actor: ledger.cells.get(account_cell(actor)) for actor in actors}

    def acting(self, operation: v.Operation) -> bytes:
        """The account that acts."""
        return operation.source if operation.source is not None else self.body.source

    def skip_reason(self) -> str | None:
        """Why the transaction gets no receipt, if it gets none."""
        body, ledger = self.body, self.ledger
        sequence = isinstance(body.replay, v.Sequence)
        lifetime = v.SEQUENCE_LIFETIME if sequence else ledger.parameters.max_lifetime
        if body.valid_until < self.time:
            return "expired"
        if body.valid_until > self.time + lifetime:
            return "lifetime_too_long"
        if not isinstance(ledger.cells.get(account_cell(body.source)), v.OpenAccount):
            return "source_missing"
        if not (all(map(self.authorised, body.operations)) and self.source_agrees()):
            return "threshold_not_met"
        if isinstance(body.replay, v.Sequence):
            fits = body.replay.number == self.next_number(body.replay.lane)
            return None if fits else "sequence_mismatch"
        live = ledger.live_ids(body.source, body.replay.id)
        return "duplicate" if any(entry.transaction == self.hash for entry in live) else None

    def next_number(self, lane: int) -> int:
        """Next number of a lane of the source."""
        return int.from_bytes(
            self.ledger.cells.get(lane_cell(self.body.source, lane), b""), "little"
        )

    # Section 2.2: authority

    def counts(self, signer: v.Signer, body: v.OperationBody) -> bool:
        """Whether a signer counts for an operation, its amount limit aside."""
        limits = signer.limits
        return (
            signer.key in self.keys
            and not self.ledger.is_retired(signer.key)
            and self.within(limits, body)
        )

    def within(self, limits: v.SignerLimits | None, body: v.OperationBody) -> bool:
        """Whether the limits of a signer allow an operation, its amount limit aside."""
        asset, namespace = getattr(body, "asset", None), getattr(body, "namespace", None)
        return limits is None or (
            (limits.expires is None or limits.expires > self.time)
            and (not limits.operations or NUMBERS[type(body)] in limits.operations)
            and (not limits.assets or asset is None or asset in limits.assets)
            and (not limits.namespaces or namespace is None or namespace in limits.namespaces)
        )

    def authorised(self, operation: v.Operation) -> bool:
        """Whether the signers that count reach the threshold."""
        acting = self.acting(operation)
        header = self.headers[acting]
        if header is None:
            return any(
                self.ledger.own_address(key) == acting and not self.ledger.is_retired(key)
                for key in self.keys
            )
        if isinstance(header, v.ClosedAccount):
            return False
        counting = [signer for signer in header.signers if self.counts(signer, operation.body)]
        return weight(counting) >= threshold(header, operation.body)

    def source_agrees(self) -> bool:
        """Whether the source acts, or lets others act at its expense."""
        source, header = self.body.source, self.ledger.cells[account_cell(self.body.source)]
        agreeing = [
            signer
            for signer in header.signers
            if signer.key in self.keys
            and signer.limits is None
            and not self.ledger.is_retired(signer.key)
        ]
        acts = any(self.acting(operation) == source for operation in self.body.operations)
        return acts or weight(agreeing) >= header.thresholds.default

    def charge_amount_limits(self, operation: v.Operation) -> None:
        """Amount limits: signers from before the transaction, uses as they are now."""
        acting, body = self.acting(operation), operation.body
        header = self.headers[acting]
        if not isinstance(body, AMOUNT_OPERATIONS) or header is None:
            return
        uses: dict[CellKey, v.Use] = {}
        counting = []
        for signer in header.signers:
            if not self.counts(signer, body):
                continue
            limit = signer.limits.amount if signer.limits else None
            if limit and limit.asset == body.asset:
                cell, period = use_cell(acting, signer.key), self.time // limit.period
                used = self.ledger.used(cell, period) + body.amount
                if used > limit.amount:
                    continue
                uses[cell] = v.Use(period, used)
            counting.append(signer)
        refuse(Code.SIGNER_LIMIT_EXCEEDED, weight(counting) < threshold(header, body))
        self.ledger.cells.update(uses)

    # Section 2.1 continued: what happens to a transaction that is not skipped

    def run(self) -> tuple[Code, int | None]:
        """Code and failed operation."""
        conflict = self.use_replay_key()
        if conflict:
            return Code.ID_CONFLICT, None
        over = self.charge_quotas()
        if over is not None:
            return over, None
        if not all(map(self.holds, self.body.preconditions)):
            return Code.PRECONDITION_FAILED, None
        before = dict(self.ledger.cells)
        for index, operation in enumerate(self.body.operations):
            try:
                self.perform(index, operation)
            except RejectedError as rejection:
                self.ledger.cells = before
                self.events = []
                return rejection.code, index if rejection.code != Code.INTERNAL else None
        return Code.FINAL, None

    def use_replay_key(self) -> bool:
        """Uses the replay key; whether another transaction had used it before."""
        body, ledger = self.body, self.ledger
        if isinstance(body.replay, v.Sequence):
            ledger.cells[lane_cell(body.source, body.replay.lane)] = (
                body.replay.number + 1
            ).to_bytes(8, "little")
            return False
        conflict = bool(ledger.live_ids(body.source, body.replay.id))
        entry = v.IdEntry(body.source, body.replay.id, self.hash, body.valid_until)
        ledger.ids.setdefault(body.valid_until // ledger.parameters.id_bucket, []).append(entry)
        return conflict

    def charge_quotas(self) -> Code | None:
        """Section 2.4: charges the operations to the quotas, or to none and says which is full."""
        parameters, source = self.ledger.parameters, self.body.source
        own, shared = parameters.quota_operations, parameters.organisation_operations
        period = self.time // parameters.quota_window
        limits: list[tuple[CellKey, int, Code]] = []
        if shared and source in self.ledger.voices:
            own, shared = min(own or shared, shared), 0
        if own:
            limits.append((quota_cell(source), own, Code.QUOTA_EXCEEDED))
        if shared:
            cell = organisation_use_cell(self.ledger.organisation_of(source))
            limits.append((cell, shared, Code.ORGANISATION_QUOTA_EXCEEDED))
        count = len(self.body.operations)
        for cell, limit, code in limits:
            if self.ledger.used(cell, period) + count > limit:
                return code
        for cell, _, _ in limits:
            self.ledger.cells[cell] = v.Use(period, self.ledger.used(cell, period) + count)
        return None

    def holds(self, condition: v.Precondition) -> bool:
        """Section 2.3."""
        match condition:
            case v.RequireBalance(account, asset, at_least):
                holding = Books(self.ledger, []).holding(account, asset)
                lapsed = sum(lot.amount for lot in holding.lots if lot.expires <= self.time)
                return holding.balance - lapsed >= at_least
            case v.RequireDataVersion(account, name, version):
                return self.ledger.data_version(account, name) == version
            case v.RequireRecordVersion(namespace, key, version):
                return self.ledger.record_version(namespace, key) == version
            case v.RequireHeight(first, last):
                return first <= self.ledger.height <= last
            case v.RequireTime(first, last):
                return first <= self.time <= last

    def perform(self, index: int, operation: v.Operation) -> None:
        """Section 3: what comes before every operation, then the operation."""
        acting, replay = self.acting(operation), self.body.replay
        step = Step(self.ledger, self.events, acting, replay, index, self.keys)
        step.open_account(step.source)
        self.charge_amount_limits(operation)
        handler: Callable[[Any], None] = getattr(step, METHODS[type(operation.body)])
        handler(operation.body)


def leaders_until(
    schedule: v.Schedule | v.FormerSchedule, members: int, last: int
) -> tuple[list[int], dict[int, int]]:
    """Who leads the rounds of a walk up to this one, and the turns to pass over that remain."""
    skips = {one.validator: one.skip for one in schedule.strikes}
    leaders, visited = [schedule.leader], 0
    for _ in range(schedule.round, last):
        place, chosen = leaders[-1], None
        while chosen is None and visited < members - 1:
            place, visited = (place + 1) % members, visited + 1
            if skips.get(place, 0):
                skips[place] -= 1
            else:
                chosen = place
        leaders.append((leaders[-1] + 1) % members if chosen is None else chosen)
    return leaders, skips


def weight(signers: Iterable[v.Signer]) -> int:
    """Sum of weights."""
    return sum(signer.weight for signer in signers)


def threshold(header: v.OpenAccount, body: v.OperationBody) -> int:
    """What an operation needs."""
    own = {entry.operation: entry.threshold for entry in header.thresholds.operations}
    return own.get(NUMBERS[type(body)], header.thresholds.default)


def split(lots: tuple[Lot, ...], amount: int) -> tuple[tuple[Lot, ...], tuple[Lot, ...]]:
    """Section 5: takes an amount from the earliest lots on; (taken, left)."""
    taken, left = [], []
    for lot in lots:
        part = min(lot.amount, amount)
        amount -= part
        if part:
            taken.append(Lot(lot.expires, part))
        if part < lot.amount:
            left.append(Lot(lot.expires, lot.amount - part))
    return tuple(taken), tuple(left)


class Books:
    """Sections 4 to 6: holdings, lots, supply and holds, without the checks."""

    def __init__(self, ledger: Ledger, events: list[v.Event]) -> None:
        self.ledger = ledger
        self.cells = ledger.cells
        self.time = ledger.time
        self.events = events

    def holding(self, holder: bytes, asset: bytes) -> Holding:
        """What an account holds; all zero without a cell."""
        holding: Holding = self.cells.get(holding_cell(holder, asset), Holding())
        return holding

    def put_holding(self, holder: bytes, asset: bytes, holding: Holding) -> None:
        """Writes a holding and the due cells of its lots; all zero means no cell."""
        for lot in self.holding(holder, asset).lots:
            del self.cells[due_cell(lot.expires, 0, holder, asset)]
        for lot in holding.lots:
            self.cells[due_cell(lot.expires, 0, holder, asset)] = b""
        if holding == Holding():
            self.cells.pop(holding_cell(holder, asset), None)
        else:
            self.cells[holding_cell(holder, asset)] = holding

    def change_supply(self, asset: bytes, change: int) -> None:
        """Changes what exists of an asset."""
        definition = self.cells[asset_cell(asset)]
        self.cells[asset_cell(asset)] = replace(definition, supply=definition.supply + change)

    def take(self, asset: bytes, holder: bytes, amount: int) -> tuple[Lot, ...]:
        """Takes an amount from a holding; the lots taken (none if not dated)."""
        holding = self.holding(holder, asset)
        refuse(Code.BALANCE_INSUFFICIENT, holding.balance < amount)
        taken, left = split(holding.lots, amount)
        self.put_holding(
            holder, asset, replace(holding, balance=holding.balance - amount, lots=left)
        )
        return taken

    def give(self, asset: bytes, holder: bytes, amount: int, lots: tuple[Lot, ...]) -> None:
        """Adds an amount, with its lots if dated."""
        holding = self.holding(holder, asset)
        amounts = {lot.expires: lot.amount for lot in holding.lots}
        for lot in lots:
            amounts[lot.expires] = amounts.get(lot.expires, 0) + lot.amount
        merged = tuple(Lot(expires, amounts[expires]) for expires in sorted(amounts))
        self.put_holding(
            holder, asset, replace(holding, balance=holding.balance + amount, lots=merged)
        )

    def check_lots(self, asset: bytes, holder: bytes) -> None:
        """Lots full."""
        holding = self.holding(holder, asset)
        refuse(Code.LOTS_FULL, len(holding.lots) + holding.reserved_lots > LOTS_MAX)

    def retire(self, asset: bytes, holder: bytes, lot: Lot) -> None:
        """A lot has lapsed."""
        holding = self.holding(holder, asset)
        left = tuple(other for other in holding.lots if other != lot)
        self.put_holding(
            holder, asset, replace(holding, balance=holding.balance - lot.amount, lots=left)
        )
        self.lapse(asset, holder, lot)

    def lapse(self, asset: bytes, holder: bytes, lot: Lot) -> None:
        """What a lapsed lot takes along, wherever it stood."""
        self.change_supply(asset, -lot.amount)
        self.events.append(v.Lapsed(asset, holder, lot.amount, lot.expires))

    def touch(self, asset: bytes, holder: bytes) -> None:
        """Retires the lapsed lots of a holding."""
        for lot in self.holding(holder, asset).lots:
            if lot.expires <= self.time:
                self.retire(asset, holder, lot)

    def dissolve(self, holder: bytes, hold_id: bytes) -> tuple[Lot, ...]:
        """Removes a hold; its lapsed lots retire, those that live are returned."""
        hold: v.Hold = self.cells.pop(hold_cell(holder, hold_id))
        del self.cells[due_cell(hold.expires, 1, holder, hold_id)]
        holding = self.holding(holder, hold.asset)
        reserved, count = holding.reserved - hold.amount, holding.reserved_lots - len(hold.lots)
        holding = replace(holding, reserved=reserved, reserved_lots=count)
        self.put_holding(holder, hold.asset, holding)
        for lot in hold.lots:
            if lot.expires <= self.time:
                self.lapse(hold.asset, holder, lot)
        return tuple(lot for lot in hold.lots if lot.expires > self.time)

    def back(self, holder: bytes, hold_id: bytes) -> None:
        """Section 6: all of a hold that has not lapsed goes back to its holder."""
        hold: v.Hold = self.cells[hold_cell(holder, hold_id)]
        lots = self.dissolve(holder, hold_id)
        rest = sum(lot.amount for lot in lots) if hold.lots else hold.amount
        self.give(hold.asset, holder, rest, lots)


class Step(Books):
    """Sections 3 to 7: each method named after an operation is its row in the tables."""

    def __init__(
        self,
        ledger: Ledger,
        events: list[v.Event],
        source: bytes,
        replay: v.ReplayKey,
        index: int,
        keys: Collection[bytes],
    ) -> None:
        super().__init__(ledger, events)
        self.keys = keys
        self.source = source
        self.replay = replay
        self.index = index

    def emit(self, event: v.Event) -> None:
        """Records an event."""
        self.events.append(event)

    # Section 3: accounts

    def open_account(self, address: bytes) -> None:
        """Open account check."""
        header = self.cells.get(account_cell(address))
        refuse(Code.ACCOUNT_MISSING, header is None)
        refuse(Code.ACCOUNT_CLOSED, isinstance(header, v.ClosedAccount))

    def new_key(self, key: bytes) -> None:
        """Check of a new key."""
        refuse(Code.ALGORITHM_DISABLED, key[0] not in self.ledger.parameters.algorithms)
        refuse(Code.KEY_INVALID, not tree.key_valid(key))

    def lock_out(self, signers: tuple[v.Signer, ...], thresholds: v.Thresholds) -> None:
        """Signers without limits must reach the largest threshold."""
        largest = max(thresholds.default, *(entry.threshold for entry in thresholds.operations), 0)
        refuse(
            Code.LOCK_OUT, weight(signer for signer in signers if signer.limits is None) < largest
        )

    def create_account(self, op: v.CreateAccount) -> None:
        """0."""
        signers, thresholds = op.signers, op.thresholds
        if isinstance(op.target, v.TargetKey):
            self.new_key(op.target.key)
            refuse(Code.NOT_PERMITTED, bool(signers) and op.target.key not in self.keys)
            address = self.ledger.own_address(op.target.key)
            signers = signers or (v.Signer(op.target.key, 1),)
        else:
            address = self.ledger.derive(b"bubi:address-new", self.source, self.replay, self.index)
        thresholds = thresholds or v.Thresholds(1)
        for signer in signers:
            self.new_key(signer.key)
        self.lock_out(signers, thresholds)
        header = self.cells.get(account_cell(address))
        refuse(Code.ACCOUNT_EXISTS, isinstance(header, v.OpenAccount))
        refuse(Code.ACCOUNT_CLOSED, isinstance(header, v.ClosedAccount))
        self.cells[account_cell(address)] = v.OpenAccount(signers, thresholds, self.ledger.height)
        self.emit(v.AccountCreated(address, self.source))
        organisation = self.ledger.organisation_of(self.source)
        if organisation is not None:
            self.put_membership(address, v.Membership(organisation))

    def set_signers(self, op: v.SetSigners) -> None:
        """1."""
        for signer in op.signers:
            self.new_key(signer.key)
        self.lock_out(op.signers, op.thresholds)
        header = self.cells[account_cell(self.source)]
        self.cells[account_cell(self.source)] = replace(
            header, signers=op.signers, thresholds=op.thresholds
        )
        limited = {signer.key for signer in op.signers if signer.limits and signer.limits.amount}
        for owner, key in list(self.cells):
            if owner == b"\1" + self.source and key[0] == 8 and key[1:] not in limited:
                del self.cells[owner, key]
        self.emit(v.SignersChanged(self.source))

    def set_data(self, op: v.SetData) -> None:
        """2."""
        current = self.ledger.data_version(self.source, op.name)
        refuse(
            Code.DATA_VERSION_MISMATCH,
            op.expected_version is not None and op.expected_version != current,
        )
        refuse(Code.DATA_MISSING, op.value is None and current == 0)
        if op.value is None:
            del self.cells[data_cell(self.source, op.name)]
            self.emit(v.DataSet(self.source, op.name, 0))
        else:
            self.cells[data_cell(self.source, op.name)] = v.DataEntry(current + 1, op.value)
            self.emit(v.DataSet(self.source, op.name, current + 1))

    def close_account(self, _: v.CloseAccount) -> None:
        """3."""
        refuse(Code.NOT_PERMITTED, (SYSTEM, b"\r" + self.source) in self.cells)
        refuse(Code.NOT_PERMITTED, Council(self.ledger, []).is_validators(self.source))
        for (owner, key), value in self.cells.items():
            if owner == b"\1" + self.source:
                refuse(Code.ACCOUNT_NOT_EMPTY, key[0] in (3, 4, 5, 7))
                refuse(Code.ACCOUNT_NOT_EMPTY, key[0] == 1 and value.balance + value.reserved > 0)
        self.cells[account_cell(self.source)] = v.ClosedAccount(self.ledger.height)
        self.emit(v.AccountClosed(self.source))

    def set_claim(self, op: v.SetClaim) -> None:
        """4."""
        self.open_account(op.subject)
        refuse(Code.EXPIRY_INVALID, op.expires is not None and op.expires <= self.time)
        self.cells[claim_cell(op.subject, self.source, op.kind)] = v.Claim(op.digest, op.expires)
        self.emit(v.ClaimSet(self.source, op.subject, op.kind))

    def revoke_claim(self, op: v.RevokeClaim) -> None:
        """5."""
        cell = claim_cell(op.subject, op.issuer, op.kind)
        refuse(Code.NOT_PERMITTED, self.source not in (op.issuer, op.subject))
        refuse(Code.CLAIM_MISSING, cell not in self.cells)
        del self.cells[cell]
        self.emit(v.ClaimRevoked(op.issuer, op.subject, op.kind))

    def put_membership(self, account: bytes, membership: v.Membership) -> None:
        """Writes a membership; one without names has no cell."""
        if membership == v.Membership():
            self.cells.pop(membership_cell(account), None)
        else:
            self.cells[membership_cell(account)] = membership
        self.emit(v.MembershipChanged(account, membership.organisation, membership.asks))

    def ask_membership(self, op: v.AskMembership) -> None:
        """29."""
        before = self.ledger.membership(self.source)
        if op.organisation is None:
            refuse(Code.MEMBERSHIP_MISSING, before == v.Membership())
            self.put_membership(self.source, v.Membership())
        else:
            missing = organisation_cell(op.organisation) not in self.cells
            refuse(Code.ORGANISATION_MISSING, missing)
            self.put_membership(self.source, replace(before, asks=op.organisation))

    def set_member(self, op: v.SetMember) -> None:
        """30."""
        voter = self.cells.get((SYSTEM, b"\r" + self.source))
        if voter is None:
            raise RejectedError(Code.NOT_VOTER)
        self.open_account(op.account)
        own, before = voter.organisation, self.ledger.membership(op.account)
        if op.member:
            refuse(Code.MEMBERSHIP_MISSING, before.asks != own)
            after = v.Membership(own)
        else:
            refuse(Code.MEMBERSHIP_MISSING, own not in (before.organisation, before.asks))
            left = [None if name == own else name for name in (before.organisation, before.asks)]
            after = v.Membership(*left)
        self.put_membership(op.account, after)

    # Section 4: assets

    def asset(self, asset: bytes, *kinds: AssetKind) -> v.Asset:
        """Asset check and, with kinds, kind check."""
        definition = self.cells.get(asset_cell(asset))
        if definition is None:
            raise RejectedError(Code.ASSET_MISSING)
        refuse(Code.ASSET_KIND_MISMATCH, bool(kinds) and definition.kind not in kinds)
        known: v.Asset = definition
        return known

    def amount_asset(self, asset: bytes) -> v.Asset:
        """Asset check and kind check of amounts."""
        return self.asset(asset, AssetKind.FUNGIBLE, AssetKind.DATED)

    def issuer_only(self, definition: v.Asset) -> None:
        """Issuer check."""
        refuse(Code.NOT_PERMITTED, definition.issuer != self.source)

    def may_receive(self, receiver: bytes, asset: bytes) -> None:
        """Receive check."""
        self.open_account(receiver)
        definition, holding = self.cells[asset_cell(asset)], self.holding(receiver, asset)
        listed = (
            not definition.features.whitelist
            or receiver == definition.issuer
            or holding.authorised
        )
        refuse(Code.NOT_WHITELISTED, not listed)
        refuse(Code.HOLDER_FROZEN, holding.frozen)

    def may_send(self, sender: bytes, asset: bytes) -> None:
        """Send check."""
        refuse(Code.ASSET_FROZEN, self.cells[asset_cell(asset)].frozen)
        refuse(Code.HOLDER_FROZEN, self.holding(sender, asset).frozen)

    def check_cap(self, definition: v.Asset, amount: int) -> None:
        """Supply never passes the cap."""
        cap = AMOUNT_MAX if definition.cap is None else definition.cap
        refuse(Code.CAP_EXCEEDED, definition.supply + amount > cap)

    def create_asset(self, op: v.CreateAsset) -> None:
        """6."""
        asset = self.ledger.asset_id(self.source, op.code)
        refuse(Code.ASSET_EXISTS, asset_cell(asset) in self.cells)
        self.cells[asset_cell(asset)] = v.Asset(
            self.source, op.code, op.name, op.kind, op.decimals, op.cap, op.features, False, 0
        )
        self.emit(v.AssetCreated(asset, self.source))

    def issue(self, op: v.Issue) -> None:
        """7."""
        definition = self.amount_asset(op.asset)
        self.issuer_only(definition)
        refuse(Code.ASSET_FROZEN, definition.frozen)
        self.may_receive(op.to, op.asset)
        refuse(
            Code.EXPIRY_INVALID, (definition.kind == AssetKind.DATED) != (op.expires is not None)
        )
        refuse(Code.EXPIRY_INVALID, op.expires is not None and op.expires <= self.time)
        self.check_cap(definition, op.amount)
        self.touch(op.asset, op.to)
        lots = () if op.expires is None else (Lot(op.expires, op.amount),)
        self.give(op.asset, op.to, op.amount, lots)
        self.check_lots(op.asset, op.to)
        self.change_supply(op.asset, op.amount)
        self.emit(v.Issued(op.asset, op.to, op.amount, op.expires))

    def move(self, asset: bytes, sender: bytes, receiver: bytes, amount: int) -> None:
        """Moves an amount after all other checks of operations 8 and 10."""
        self.touch(asset, sender)
        self.touch(asset, receiver)
        self.give(asset, receiver, amount, self.take(asset, sender, amount))
        self.check_lots(asset, receiver)
        self.emit(v.Transferred(asset, sender, receiver, amount))

    def destroy(self, asset: bytes, holder: bytes, amount: int) -> None:
        """Destroys an amount after all other checks of operations 9 and 10."""
        self.touch(asset, holder)
        self.take(asset, holder, amount)
        self.change_supply(asset, -amount)
        self.emit(v.Burned(asset, holder, amount))

    def transfer(self, op: v.Transfer) -> None:
        """8."""
        self.amount_asset(op.asset)
        self.may_send(self.source, op.asset)
        self.may_receive(op.to, op.asset)
        self.move(op.asset, self.source, op.to, op.amount)

    def burn(self, op: v.Burn) -> None:
        """9."""
        self.amount_asset(op.asset)
        self.may_send(self.source, op.asset)
        self.destroy(op.asset, self.source, op.amount)

    def clawback(self, op: v.Clawback) -> None:
        """10."""
        definition = self.amount_asset(op.asset)
        self.issuer_only(definition)
        refuse(Code.FEATURE_MISSING, not definition.features.clawback)
        self.open_account(op.from_)
        if op.to is None:
            self.destroy(op.asset, op.from_, op.amount)
        else:
            self.may_receive(op.to, op.asset)
            self.move(op.asset, op.from_, op.to, op.amount)

    def freeze_asset(self, op: v.FreezeAsset) -> None:
        """11."""
        definition = self.asset(op.asset)
        self.issuer_only(definition)
        refuse(Code.FEATURE_MISSING, not definition.features.freeze)
        self.cells[asset_cell(op.asset)] = replace(definition, frozen=op.frozen)
        self.emit(v.AssetFrozen(op.asset, op.frozen))

    def freeze_holder(self, op: v.FreezeHolder) -> None:
        """12."""
        definition = self.asset(op.asset)
        self.issuer_only(definition)
        refuse(Code.FEATURE_MISSING, not definition.features.freeze)
        self.open_account(op.holder)
        self.put_holding(
            op.holder, op.asset, replace(self.holding(op.holder, op.asset), frozen=op.frozen)
        )
        self.emit(v.HolderFrozen(op.asset, op.holder, op.frozen))

    def authorise_holder(self, op: v.AuthoriseHolder) -> None:
        """13."""
        definition = self.asset(op.asset)
        self.issuer_only(definition)
        refuse(Code.FEATURE_MISSING, not definition.features.whitelist)
        self.open_account(op.holder)
        self.put_holding(
            op.holder,
            op.asset,
            replace(self.holding(op.holder, op.asset), authorised=op.authorised),
        )
        self.emit(v.HolderAuthorised(op.asset, op.holder, op.authorised))

    def item(self, asset: bytes, item: str) -> v.Item:
        """An item that must exist."""
        value = self.cells.get(item_cell(asset, item))
        if value is None:
            raise RejectedError(Code.ITEM_MISSING)
        known: v.Item = value
        return known

    def issue_item(self, op: v.IssueItem) -> None:
        """14."""
        definition = self.asset(op.asset, AssetKind.UNIQUE)
        self.issuer_only(definition)
        refuse(Code.ASSET_FROZEN, definition.frozen)
        self.may_receive(op.to, op.asset)
        refuse(Code.ITEM_EXISTS, item_cell(op.asset, op.item) in self.cells)
        self.check_cap(definition, 1)
        self.cells[item_cell(op.asset, op.item)] = v.Item(op.to, op.digest)
        self.cells[held_item_cell(op.to, op.asset, op.item)] = b""
        self.change_supply(op.asset, 1)
        self.emit(v.ItemIssued(op.asset, op.item, op.to))

    def move_item(self, asset: bytes, name: str, item: v.Item, receiver: bytes) -> None:
        """Effects of operation 15."""
        self.cells[item_cell(asset, name)] = replace(item, holder=receiver)
        del self.cells[held_item_cell(item.holder, asset, name)]
        self.cells[held_item_cell(receiver, asset, name)] = b""
        self.emit(v.ItemTransferred(asset, name, item.holder, receiver))

    def destroy_item(self, asset: bytes, name: str, item: v.Item) -> None:
        """Effects of operation 16."""
        del (
            self.cells[item_cell(asset, name)],
            self.cells[held_item_cell(item.holder, asset, name)],
        )
        self.change_supply(asset, -1)
        self.emit(v.ItemBurned(asset, name, item.holder))

    def transfer_item(self, op: v.TransferItem) -> None:
        """15."""
        self.asset(op.asset, AssetKind.UNIQUE)
        item = self.item(op.asset, op.item)
        refuse(Code.NOT_PERMITTED, item.holder != self.source)
        self.may_send(self.source, op.asset)
        self.may_receive(op.to, op.asset)
        self.move_item(op.asset, op.item, item, op.to)

    def burn_item(self, op: v.BurnItem) -> None:
        """16."""
        self.asset(op.asset, AssetKind.UNIQUE)
        item = self.item(op.asset, op.item)
        refuse(Code.NOT_PERMITTED, item.holder != self.source)
        self.may_send(self.source, op.asset)
        self.destroy_item(op.asset, op.item, item)

    def clawback_item(self, op: v.ClawbackItem) -> None:
        """17."""
        definition = self.asset(op.asset, AssetKind.UNIQUE)
        self.issuer_only(definition)
        refuse(Code.FEATURE_MISSING, not definition.features.clawback)
        item = self.item(op.asset, op.item)
        if op.to is None:
            self.destroy_item(op.asset, op.item, item)
        else:
            refuse(Code.NOT_PERMITTED, op.to == item.holder)
            self.may_receive(op.to, op.asset)
            self.move_item(op.asset, op.item, item, op.to)

    # Section 6: holds

    def reserve(self, op: v.Reserve) -> None:
        """18."""
        self.amount_asset(op.asset)
        self.may_send(self.source, op.asset)
        self.open_account(op.beneficiary)
        refuse(Code.EXPIRY_INVALID, op.expires <= self.time)
        hold = self.ledger.derive(b"bubi:hold.......", self.source, self.replay, self.index)
        refuse(Code.ID_CONFLICT, hold_cell(self.source, hold) in self.cells)
        self.touch(op.asset, self.source)
        lots = self.take(op.asset, self.source, op.amount)
        holding = self.holding(self.source, op.asset)
        refuse(Code.LOTS_FULL, len(holding.lots) + holding.reserved_lots + len(lots) > LOTS_MAX)
        reserved, count = holding.reserved + op.amount, holding.reserved_lots + len(lots)
        holding = replace(holding, reserved=reserved, reserved_lots=count)
        self.put_holding(self.source, op.asset, holding)
        self.cells[hold_cell(self.source, hold)] = v.Hold(
            op.asset, op.beneficiary, op.amount, op.expires, lots
        )
        self.cells[due_cell(op.expires, 1, self.source, hold)] = b""
        self.emit(v.Reserved(hold, op.asset, self.source, op.beneficiary, op.amount, op.expires))

    def hold(self, holder: bytes, hold: bytes) -> v.Hold:
        """A hold that must exist, for its beneficiary."""
        self.open_account(holder)
        value = self.cells.get(hold_cell(holder, hold))
        if value is None:
            raise RejectedError(Code.HOLD_MISSING)
        known: v.Hold = value
        refuse(Code.NOT_PERMITTED, known.beneficiary != self.source)
        return known

    def capture(self, op: v.Capture) -> None:
        """19."""
        hold = self.hold(op.holder, op.hold)
        refuse(Code.HOLD_EXPIRED, hold.expires <= self.time)
        self.may_send(op.holder, hold.asset)
        self.may_receive(self.source, hold.asset)
        lots = self.dissolve(op.holder, op.hold)
        rest = sum(lot.amount for lot in lots) if hold.lots else hold.amount
        refuse(Code.HOLD_EXCEEDED, rest < op.amount)
        self.touch(hold.asset, self.source)
        self.touch(hold.asset, op.holder)
        captured, left = split(lots, op.amount)
        self.give(hold.asset, self.source, op.amount, captured)
        self.check_lots(hold.asset, self.source)
        self.emit(v.Captured(op.hold, op.amount))
        self.emit(v.Transferred(hold.asset, op.holder, self.source, op.amount))
        self.give(hold.asset, op.holder, rest - op.amount, left)

    def release(self, op: v.Release) -> None:
        """20."""
        self.hold(op.holder, op.hold)
        self.emit(v.Released(op.hold))
        self.back(op.holder, op.hold)

    # Section 7: records

    def create_namespace(self, op: v.CreateNamespace) -> None:
        """21."""
        namespace = self.ledger.namespace_id(op.name)
        refuse(Code.NAMESPACE_EXISTS, namespace_cell(namespace) in self.cells)
        self.cells[namespace_cell(namespace)] = v.Namespace(
            op.name, self.source, op.writers, op.shared
        )
        self.emit(v.NamespaceCreated(namespace, self.source))

    def namespace(self, namespace: bytes) -> v.Namespace:
        """A namespace that must exist."""
        value = self.cells.get(namespace_cell(namespace))
        if value is None:
            raise RejectedError(Code.NAMESPACE_MISSING)
        known: v.Namespace = value
        return known

    def set_namespace(self, op: v.SetNamespace) -> None:
        """22."""
        space = self.namespace(op.namespace)
        refuse(Code.NOT_PERMITTED, space.owner != self.source)
        self.open_account(op.owner)
        self.cells[namespace_cell(op.namespace)] = v.Namespace(
            space.name, op.owner, op.writers, op.shared
        )
        self.emit(v.NamespaceChanged(op.namespace, op.owner))

    def put_record(self, op: v.PutRecord) -> None:
        """23."""
        space = self.namespace(op.namespace)
        if isinstance(space.writers, v.Listed):
            refuse(Code.NOT_WRITER, self.source not in (*space.writers.accounts, space.owner))
        head = self.cells.get(head_cell(op.namespace, op.key))
        refuse(
            Code.NOT_WRITER, head is not None and not space.shared and head.author != self.source
        )
        current = head.version if head else 0
        refuse(
            Code.RECORD_VERSION_MISMATCH,
            op.expected_version is not None and op.expected_version != current,
        )
        refuse(Code.RECORD_VERSION_MISMATCH, current + 1 > 2**32 - 1)
        for parent in op.parents:
            refuse(
                Code.PARENT_MISSING,
                version_cell(parent.namespace, parent.key, parent.version) not in self.cells,
            )
        author = head.author if head else self.source
        self.cells[head_cell(op.namespace, op.key)] = v.RecordHead(author, current + 1)
        self.cells[version_cell(op.namespace, op.key, current + 1)] = v.RecordVersion(
            self.source, self.time, op.digest, op.content, op.parents
        )
        self.emit(v.RecordPut(op.namespace, op.key, current + 1, self.source))

    # Sections 10 and 11: governance and evidence

    @property
    def council(self) -> Council:
        """Governance in this state."""
        return Council(self.ledger, self.events)

    def propose(self, op: v.Propose) -> None:
        """24."""
        derived = self.ledger.derive(b"bubi:governance.", self.source, self.replay, self.index)
        self.council.propose(self.source, derived, op)

    def vote(self, op: v.Vote) -> None:
        """25."""
        self.council.vote(self.source, op)

    def withdraw_proposal(self, op: v.WithdrawProposal) -> None:
        """26."""
        self.council.withdraw(self.source, op)

    def ready(self, op: v.Ready) -> None:
        """27."""
        self.council.ready(self.source, op)

    def report_evidence(self, op: v.ReportEvidence) -> None:
        """28."""
        self.council.report_evidence(self.source, op)
