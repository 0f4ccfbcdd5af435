"""Random but plausible blocks: a generator that knows the state and mostly asks for what can work.

`Generator(random, profile)` makes a genesis and, block by block, transactions that it also runs on
the model. With a `random.Random` of a seed it is fast and repeatable; with Hypothesis' random it
shrinks (`sequences`).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from random import Random
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st

from . import keys, ledger
from . import values as v
from .bcs import encode
from .governance_choices import (
    first_organisation,
    first_organisations,
    first_validators,
    governance_choices,
    proposals,
    reports,
    urgent,
)
from .ledger import Block, BlockResult, Execution, Ledger, Transaction
from .values import AMOUNT_MAX, AssetKind

T = TypeVar("T")
START = 1_790_000_000_000
BlockInput = tuple[int, list[list[Transaction]]]
CODES = ["COIN", "MILES", "DEED", "GOLD.9", "x-1"]
JOINT = [bytes([number]) * 32 for number in range(1, 4)]
NAMES = ["orders", "parts", "audit", "papers.2026", "lab-7"]


GOVERNED = v.ParameterFields(
    due_per_block=5,
    proposal_lifetime=150_000,
    ready_lifetime=60_000,
    evidence_max_age=40,
)
"""Short lives of proposals, so that they end within a run."""


class Profile(NamedTuple):
    """What a run varies."""

    name: str
    suite: v.Suite = v.Suite.STANDARD
    parameters: v.ParameterFields = GOVERNED
    largest_step: int = 8_000
    tries: int = 5


PROFILES = (
    Profile("plain"),
    Profile(
        "backlog",
        parameters=replace(GOVERNED, due_per_block=1, evidence_policy=2),
        largest_step=30_000,
    ),
    Profile(
        "quota",
        parameters=replace(
            GOVERNED, quota_operations=5, quota_window=20_000, due_per_block=2, evidence_policy=3
        ),
    ),
    Profile(
        "organisations",
        parameters=replace(
            GOVERNED,
            organisation_operations=100,
            quota_operations=90,
            quota_window=200_000,
            due_per_block=3,
        ),
    ),
    Profile(
        "national, few algorithms",
        v.Suite.NATIONAL,
        replace(GOVERNED, algorithms=(0, 3), due_per_block=3, id_bucket=1, evidence_policy=3),
    ),
    Profile(
        "short lives",
        parameters=replace(
            GOVERNED, max_lifetime=100_000, id_bucket=100_000, due_per_block=4, evidence_policy=0
        ),
        largest_step=90_000,
    ),
)


@dataclass
class Statistics:
    """What a run reached."""

    codes: Counter[v.Code] = field(default_factory=Counter)
    skips: Counter[str] = field(default_factory=Counter)
    operations: Counter[bool] = field(default_factory=Counter)

    def add(
        self, batches: list[list[Transaction]], result: BlockResult, counts: list[int]
    ) -> None:
        """Counts a block; `counts` are the operations of its transactions in order."""
        self.skips.update(skip.reason for skip in result.skipped)
        self.codes.update(v.Code(r.code) for r in result.receipts if r.transaction != bytes(32))
        final = {(r.batch, r.index) for r in result.receipts if r.code == v.Code.FINAL}
        places = [(b, i) for b, batch in enumerate(batches) for i in range(len(batch))]
        for place, count in zip(places, counts, strict=True):
            self.operations[place in final] += count

    @property
    def success(self) -> float:
        """Share of operations that happened."""
        return self.operations[True] / max(1, self.operations.total())


class Sent(NamedTuple):
    """A transaction sent before."""

    source: bytes
    replay: v.ReplayKey
    transaction: Transaction
    operations: int


class Trial(NamedTuple):
    """A transaction, what would come of it (operation and code, or skip reason), and its state."""

    sent: Sent
    outcome: str
    state: Ledger


class World:
    """What the state holds, sorted for choosing."""

    def __init__(self, state: Ledger) -> None:
        self.open: dict[bytes, v.OpenAccount] = {}
        self.closed: list[bytes] = []
        self.assets: dict[bytes, v.Asset] = {}
        self.holdings: list[tuple[bytes, bytes, v.Holding]] = []
        self.items: list[tuple[bytes, str, v.Item]] = []
        self.holds: list[tuple[bytes, bytes, v.Hold]] = []
        self.data: list[tuple[bytes, str, v.DataEntry]] = []
        self.claims: list[tuple[bytes, bytes, str]] = []
        self.namespaces: dict[bytes, v.Namespace] = {}
        self.records: list[tuple[bytes, str, v.RecordHead]] = []
        self.memberships: list[tuple[bytes, v.Membership]] = []
        for (owner, key), value in sorted(state.cells.items(), key=lambda cell: cell[0]):
            if owner[0] == 1:
                self.add_account_cell(owner[1:], key, value)
            else:
                self.add_cell(owner[1:], key, value)

    def add_account_cell(self, account: bytes, key: bytes, value: Any) -> None:
        """A cell of an account."""
        match value:
            case v.OpenAccount():
                self.open[account] = value
            case v.ClosedAccount():
                self.closed.append(account)
            case v.Holding():
                self.holdings.append((account, key[1:], value))
            case v.DataEntry():
                self.data.append((account, key[1:].decode(), value))
            case v.Claim():
                self.claims.append((account, key[1:33], key[33:].decode()))
            case v.Hold():
                self.holds.append((account, key[1:], value))
            case v.Membership():
                self.memberships.append((account, value))

    def add_cell(self, owner: bytes, key: bytes, value: Any) -> None:
        """A cell of an asset or a namespace."""
        match value:
            case v.Asset():
                self.assets[owner] = value
            case v.Item():
                self.items.append((owner, key[1:].decode(), value))
            case v.Namespace():
                self.namespaces[owner] = value
            case v.RecordHead():
                self.records.append((owner, key[1:].decode(), value))


Chosen = tuple[bytes, v.OperationBody]


class Generator:
    """Makes blocks and runs them on the model."""

    def __init__(self, random: Random, profile: Profile) -> None:
        self.random = random
        self.profile = profile
        self.genesis = encode(self.make_genesis())
        self.ledger = Ledger(self.genesis)
        self.trial = self.ledger
        self.world = World(self.trial)
        self.time = START
        pool = (*keys.VALID, *keys.VOTE_KEYS)
        self.own = {self.ledger.own_address(key): key for key in pool}
        self.sent: list[Sent] = []
        self.reported: list[v.ReportEvidence] = []
        self.statistics = Statistics()
        self.seen: Counter[str] = Counter()
        self.choices: list[tuple[int, Callable[[], Chosen]]] = [
            (6, self.create_account),
            (4, self.set_signers),
            (6, self.set_data),
            (3, self.close_account),
            (4, self.set_claim),
            (3, self.revoke_claim),
            (5, self.create_asset),
            (16, self.issue),
            (14, self.transfer),
            (4, self.burn),
            (8, self.clawback),
            (3, self.freeze_asset),
            (4, self.freeze_holder),
            (5, self.authorise_holder),
            (7, self.issue_item),
            (6, self.transfer_item),
            (2, self.burn_item),
            (6, self.clawback_item),
            (10, self.reserve),
            (10, self.capture),
            (3, self.release),
            (3, self.create_namespace),
            (2, self.set_namespace),
            (9, self.put_record),
            *governance_choices(self),
        ]

    # Chance

    def often(self, percent: int) -> bool:
        """True in so many of a hundred cases."""
        return self.random.randrange(100) < percent

    def pick(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[self.random.randrange(len(choices))]

    def hash(self) -> bytes:
        """32 bytes that name nothing."""
        return self.random.getrandbits(256).to_bytes(32, "big")

    def soon(self) -> int:
        """A time to expire at: mostly near, sometimes far, sometimes past."""
        if self.often(4):
            return self.time - self.random.randrange(1_000)
        return self.time + self.random.randrange(1, self.pick([2, 2_000, 40_000, 40_000, 10**9]))

    def amount(self, balance: int) -> int:
        """An amount that mostly fits a balance."""
        chance = self.random.randrange(100)
        if chance < 75 and balance > 0:
            return self.random.randrange(1, max(2, balance // 3))
        if chance < 90:
            return max(1, balance)
        return self.pick([min(balance + 1, AMOUNT_MAX), AMOUNT_MAX, 1, 1_000])

    def account(self) -> bytes:
        """An account, mostly open."""
        chance = self.random.randrange(100)
        if chance < 2 and self.world.closed:
            return self.pick(self.world.closed)
        if chance < 4:
            return self.pick([self.hash(), *self.own])
        joint = [address for address in JOINT if address in self.world.open]
        if joint and self.often(20):
            return self.pick(joint)
        return self.pick(list(self.world.open))

    def other(self, account: bytes) -> bytes:
        """Another account."""
        while (chosen := self.account()) == account:
            pass
        return chosen

    # Genesis

    def make_genesis(self) -> v.Genesis:
        """Ten accounts with one key each, three with several signers and limits."""
        profile = self.profile
        genesis = v.Genesis(
            nonce=b"\7" * 32,
            name="model",
            kind=v.NetworkKind.DEVELOPMENT,
            suite=profile.suite,
            time=START,
            protocol_version=1,
            parameters=profile.parameters,
            validators=first_validators(),
            accounts=(),
        )
        namer = Ledger(encode(genesis))
        accounts = [
            v.GenesisAccount(
                namer.own_address(key),
                (v.Signer(key, 1),),
                v.Thresholds(1),
                first_organisation(number),
            )
            for number, key in enumerate(keys.VALID[:8])
        ]
        for number, address in enumerate(JOINT):
            own_assets = sorted(namer.asset_id(address, code) for code in CODES)
            space = namer.namespace_id(NAMES[number])
            coin = v.AmountLimit(namer.asset_id(address, CODES[number]), 150, 15_000)
            limits = [
                v.SignerLimits(amount=coin),
                v.SignerLimits(operations=(6, 7, 8, 18, 23), expires=START + 200_000),
                v.SignerLimits(assets=tuple(own_assets[:3]), namespaces=(space,), amount=coin),
            ]
            pool = keys.VALID[11 + 4 * number :]
            signers = [v.Signer(pool[n], 1, limits[n]) for n in range(3)] + [v.Signer(pool[3], 2)]
            ascending = tuple(sorted(signers, key=lambda signer: signer.key))
            special = (v.OperationThreshold(1, 2), v.OperationThreshold(3, 2))
            accounts.append(v.GenesisAccount(address, ascending, v.Thresholds(1, special)))
        ordered = tuple(sorted(accounts, key=lambda one: one.address))
        named = first_organisations([one.address for one in accounts])
        return replace(genesis, accounts=ordered, organisations=named)

    # Accounts

    def signers(self) -> tuple[v.Signer, ...]:
        """A list of signers, sometimes one that locks out or holds a bad key."""
        count = self.pick([1, 1, 2, 3])
        chosen = {self.new_key() for _ in range(count)}
        free = self.pick(sorted(chosen))
        return tuple(
            v.Signer(key, self.pick([1, 2]), None if key == free else self.limits())
            for key in sorted(chosen)
        )

    def new_key(self) -> bytes:
        """A key, mostly valid."""
        return self.pick(keys.DOUBTFUL) if self.often(10) else self.pick(keys.VALID)

    def limits(self) -> v.SignerLimits | None:
        """Limits of a signer."""
        assets, spaces = list(self.world.assets), list(self.world.namespaces)
        if self.often(30) or not assets:
            return None
        limit = v.AmountLimit(self.pick(assets), self.pick([5, 100]), self.pick([1, 20_000]))
        return v.SignerLimits(
            tuple(sorted({7, 8, 9, self.random.randrange(31)})) if self.often(30) else (),
            (self.pick(assets),) if self.often(30) else (),
            (self.pick(spaces),) if spaces and self.often(30) else (),
            limit if self.often(60) else None,
            self.soon() if self.often(30) else None,
        )

    def thresholds(self) -> v.Thresholds:
        """Thresholds, sometimes out of reach."""
        special = sorted({self.random.randrange(31) for _ in range(self.pick([0, 0, 1, 2]))})
        entries = tuple(v.OperationThreshold(n, self.pick([1, 1, 1, 2])) for n in special)
        return v.Thresholds(3 if self.often(8) else 1, entries)

    def create_account(self) -> Chosen:
        """0."""
        source = self.account()
        if self.often(40) or len(self.world.open) > 40:
            return source, v.CreateAccount(v.TargetKey(self.new_key()))
        signers, thresholds = self.signers(), self.thresholds()
        if self.often(20):
            return source, v.CreateAccount(v.TargetKey(self.new_key()), signers, thresholds)
        return source, v.CreateAccount(v.TargetDerived(), signers, thresholds)

    def set_signers(self) -> Chosen:
        """1."""
        return self.account(), v.SetSigners(self.signers(), self.thresholds())

    def set_data(self) -> Chosen:
        """2."""
        account, name, version = self.account(), self.pick(["a", "b", "设置"]), 0
        if self.world.data and self.often(50):
            account, name, entry = self.pick(self.world.data)
            version = entry.version
        expected = self.pick([None, None, version, version, version + 1])
        value = None if self.often(40) else self.hash()[:4]
        return account, v.SetData(name, value, expected)

    def close_account(self) -> Chosen:
        """3: mostly an account that holds nothing."""
        full = {h for h, _, holding in self.world.holdings if holding.balance + holding.reserved}
        full |= {item.holder for _, _, item in self.world.items}
        full |= {row[0] for row in self.world.data} | {row[0] for row in self.world.claims}
        full |= {known.issuer for known in self.world.assets.values()}
        empty = [address for address in self.world.open if address not in full]
        keep = len(self.world.open) < 12 or not empty or self.often(20)
        return self.account() if keep else self.pick(empty), v.CloseAccount()

    def set_claim(self) -> Chosen:
        """4."""
        expires = self.soon() if self.often(50) else None
        return self.account(), v.SetClaim(
            self.account(), self.pick(["kyc", "iso.9"]), self.hash(), expires
        )

    def revoke_claim(self) -> Chosen:
        """5."""
        if not self.world.claims and self.often(80):
            return self.set_claim()
        if not self.world.claims or self.often(15):
            source = self.account()
            return source, v.RevokeClaim(source, self.account(), "kyc")
        subject, issuer, kind = self.pick(self.world.claims)
        return self.pick([issuer, subject, issuer, subject, self.account()]), v.RevokeClaim(
            issuer, subject, kind
        )

    # Assets

    def asset(self, *kinds: AssetKind) -> tuple[bytes, v.Asset]:
        """An asset, mostly of one of these kinds; its issuer is some account if there is none."""
        fitting = [a for a in self.world.assets if self.world.assets[a].kind in kinds]
        if fitting and self.often(96):
            asset = self.pick(fitting)
        elif self.world.assets and self.often(60):
            asset = self.pick(list(self.world.assets))
        else:
            nobody = v.Asset(
                self.account(), "", "", kinds[0], 0, None, v.AssetFeatures(), False, 0
            )
            return self.hash(), nobody
        return asset, self.world.assets[asset]

    def issuer(self, definition: v.Asset) -> bytes:
        """The issuer, or sometimes somebody else."""
        return definition.issuer if self.often(95) else self.account()

    def receiver(self, asset: bytes, definition: v.Asset, not_this: bytes | None) -> bytes:
        """Who may receive, mostly."""
        holders = [h for h, a, holding in self.world.holdings if a == asset and holding.authorised]
        fitting = [holder for holder in [*holders, definition.issuer] if holder != not_this]
        if definition.features.whitelist and fitting and self.often(80):
            return self.pick(fitting)
        return self.account() if not_this is None else self.other(not_this)

    def owned(self, dated: bool) -> tuple[bytes, bytes, v.Holding]:
        """A holding with something in it, if there is one."""
        rows = [row for row in self.world.holdings if row[2].balance]
        rows = [row for row in rows if row[2].lots] or rows if dated else rows
        if rows and self.often(93):
            return self.pick(rows)
        return self.account(), self.asset(AssetKind.FUNGIBLE, AssetKind.DATED)[0], v.Holding()

    def create_asset(self) -> Chosen:
        """6."""
        kind = self.pick(list(AssetKind))
        features = v.AssetFeatures(self.often(60), self.often(25), self.often(60))
        cap = self.pick([None, None, None, 20, 5_000, AMOUNT_MAX])
        decimals = 0 if kind == AssetKind.UNIQUE else self.pick([0, 2, 18])
        source, code = self.account(), self.pick(CODES)
        if source in JOINT and self.often(60):
            code = CODES[JOINT.index(source)]
            kind, decimals = self.pick([AssetKind.FUNGIBLE, AssetKind.DATED]), 0
        return source, v.CreateAsset(code, "An asset", kind, decimals, cap, features)

    def issue(self) -> Chosen:
        """7: also of the assets that the amount limits of the genesis name."""
        asset, definition = self.asset(AssetKind.FUNGIBLE, AssetKind.DATED)
        limited = [row for row in self.world.assets.items() if row[1].issuer in JOINT]
        if limited and self.often(30):
            asset, definition = self.pick(limited)
        dated = (definition.kind == AssetKind.DATED) != self.often(3)
        amount = AMOUNT_MAX if self.often(2) else self.random.randrange(1, 300)
        to = self.receiver(asset, definition, None)
        return self.issuer(definition), v.Issue(asset, to, amount, self.soon() if dated else None)

    def transfer(self) -> Chosen:
        """8."""
        holder, asset, holding = self.owned(self.often(50))
        definition = self.world.assets.get(asset)
        to = self.receiver(asset, definition, holder) if definition else self.other(holder)
        return holder, v.Transfer(asset, to, self.amount(holding.balance))

    def burn(self) -> Chosen:
        """9."""
        holder, asset, holding = self.owned(self.often(50))
        return holder, v.Burn(asset, self.amount(holding.balance))

    def clawback(self) -> Chosen:
        """10."""
        holder, asset, holding = self.owned(self.often(50))
        definition = self.world.assets.get(asset)
        to = self.pick([None, self.other(holder)])
        source = self.issuer(definition) if definition else self.account()
        return source, v.Clawback(asset, holder, to, self.amount(holding.balance))

    def freeze_asset(self) -> Chosen:
        """11: frozen assets thaw soon."""
        frozen = [asset for asset, known in self.world.assets.items() if known.frozen]
        if frozen and self.often(90):
            asset = self.pick(frozen)
            return self.world.assets[asset].issuer, v.FreezeAsset(asset, False)
        asset, definition = self.asset(*AssetKind)
        return self.issuer(definition), v.FreezeAsset(asset, True)

    def freeze_holder(self) -> Chosen:
        """12: frozen holders thaw soon."""
        frozen = [row for row in self.world.holdings if row[2].frozen]
        if frozen and self.often(60):
            holder, asset, _ = self.pick(frozen)
            return self.world.assets[asset].issuer, v.FreezeHolder(asset, holder, False)
        if self.world.holdings and self.often(70):
            holder, asset, _ = self.pick(self.world.holdings)
            return self.world.assets[asset].issuer, v.FreezeHolder(asset, holder, True)
        asset, definition = self.asset(*AssetKind)
        return self.issuer(definition), v.FreezeHolder(asset, self.account(), True)

    def authorise_holder(self) -> Chosen:
        """13."""
        listed = [asset for asset, known in self.world.assets.items() if known.features.whitelist]
        asset, definition = self.asset(*AssetKind)
        if listed and self.often(85):
            asset = self.pick(listed)
            definition = self.world.assets[asset]
        return self.issuer(definition), v.AuthoriseHolder(asset, self.account(), self.often(85))

    def item_row(self) -> tuple[bytes, str, bytes]:
        """An item with its holder; sometimes one that does not exist."""
        if self.world.items and self.often(92):
            asset, item, known = self.pick(self.world.items)
            return asset, item, known.holder
        return self.asset(AssetKind.UNIQUE)[0], "nothing", self.account()

    def issue_item(self) -> Chosen:
        """14."""
        asset, definition = self.asset(AssetKind.UNIQUE)
        to = self.receiver(asset, definition, None)
        item = f"No. {self.random.randrange(15)}"
        return self.issuer(definition), v.IssueItem(
            asset, item, to, self.pick([None, self.hash()])
        )

    def transfer_item(self) -> Chosen:
        """15."""
        if not self.world.items and self.often(80):
            return self.issue_item()
        asset, item, holder = self.item_row()
        source = holder if self.often(92) else self.account()
        definition = self.world.assets.get(asset)
        to = self.receiver(asset, definition, source) if definition else self.other(source)
        return source, v.TransferItem(asset, item, to)

    def burn_item(self) -> Chosen:
        """16."""
        if not self.world.items and self.often(80):
            return self.issue_item()
        asset, item, holder = self.item_row()
        return holder if self.often(90) else self.account(), v.BurnItem(asset, item)

    def clawback_item(self) -> Chosen:
        """17."""
        if not self.world.items and self.often(80):
            return self.issue_item()
        asset, item, holder = self.item_row()
        definition = self.world.assets.get(asset)
        source = self.issuer(definition) if definition else self.account()
        return source, v.ClawbackItem(
            asset, item, self.pick([None, holder, self.account(), self.account()])
        )

    # Holds

    def reserve(self) -> Chosen:
        """18."""
        holder, asset, holding = self.owned(self.often(60))
        return holder, v.Reserve(
            asset, self.other(holder), self.amount(holding.balance), self.soon()
        )

    def hold_row(self) -> tuple[bytes, bytes, int, bytes]:
        """Holder, hold, amount and who acts on it; expired ones rather than others."""
        if not self.world.holds or self.often(5):
            return self.account(), self.hash(), 1, self.account()
        late = [row for row in self.world.holds if row[2].expires <= self.time]
        holder, hold, known = self.pick(late if late and self.often(30) else self.world.holds)
        return holder, hold, known.amount, known.beneficiary if self.often(94) else self.account()

    def capture(self) -> Chosen:
        """19."""
        if not self.world.holds and self.often(80):
            return self.reserve()
        holder, hold, amount, source = self.hold_row()
        return source, v.Capture(holder, hold, self.amount(amount))

    def release(self) -> Chosen:
        """20."""
        if not self.world.holds and self.often(80):
            return self.reserve()
        holder, hold, _, source = self.hold_row()
        return source, v.Release(holder, hold)

    # Records

    def writers(self) -> v.Writers:
        """Who may write."""
        if self.often(50):
            return v.Everyone()
        return v.Listed(tuple(sorted({self.account() for _ in range(self.pick([0, 2, 4]))})))

    def create_namespace(self) -> Chosen:
        """21."""
        name = self.pick(NAMES) if self.often(60) else f"space-{self.random.randrange(1_000)}"
        return self.account(), v.CreateNamespace(name, self.writers(), self.often(50))

    def namespace(self) -> tuple[bytes, bytes]:
        """A namespace and its owner."""
        if not self.world.namespaces or self.often(7):
            return self.hash(), self.account()
        namespace = self.pick(list(self.world.namespaces))
        return namespace, self.world.namespaces[namespace].owner

    def set_namespace(self) -> Chosen:
        """22."""
        namespace, owner = self.namespace()
        source = owner if self.often(85) else self.account()
        return source, v.SetNamespace(namespace, self.account(), self.writers(), self.often(50))

    def put_record(self) -> Chosen:
        """23."""
        namespace, source = self.namespace()
        key, version = f"r/{self.random.randrange(20)}", 0
        if self.world.records and self.often(50):
            namespace, key, head = self.pick(self.world.records)
            source, version = head.author, head.version
        algorithm = self.pick(list(v.DigestAlgorithm))
        contents: list[v.Content] = [v.Plain(b"text"), v.Cipher(v.CipherSuite.SM4_GCM, bytes(30))]
        content = self.pick([v.NoContent(), v.NoContent(), *contents])
        return (
            source if self.often(75) else self.account(),
            v.PutRecord(
                namespace,
                key,
                v.Digest(algorithm, self.hash()),
                content,
                self.parents(),
                self.pick([None, None, version, version, version + 1]),
            ),
        )

    def parents(self) -> tuple[v.RecordReference, ...]:
        """Parents, mostly existing."""
        chosen = set()
        for _ in range(self.pick([0, 0, 1, 3]) if self.world.records else 0):
            namespace, key, head = self.pick(self.world.records)
            version = (
                head.version + 1 if self.often(7) else self.random.randrange(1, head.version + 1)
            )
            chosen.add(v.RecordReference(namespace, key, version))
        return tuple(sorted(chosen))

    # Transactions

    def operations(self) -> list[Chosen]:
        """What a transaction does: one thing, several, or many lots for one holder."""
        if self.often(1):
            asset, definition = self.asset(AssetKind.DATED)
            most = sorted((len(h.lots), who) for who, a, h in self.world.holdings if a == asset)
            to = most[-1][1] if most and self.often(50) else self.receiver(asset, definition, None)
            start = self.time + self.random.randrange(1, self.pick([20_000, 10**9]))
            count = self.pick([25, 40, 62, 64, 66])
            return [(definition.issuer, v.Issue(asset, to, 3, start + n)) for n in range(count)]
        if self.often(1):
            many = reports if self.often(50) else proposals
            return many(self)
        chosen = [self.operation() for _ in range(self.pick([1, 1, 1, 1, 2, 3]))]
        return [self.twist(*pair) if self.often(12) else pair for pair in chosen]

    def twist(self, acting: bytes, body: v.OperationBody) -> Chosen:
        """The same operation with one name in it changed, if it can still be encoded."""
        accounts = [self.hash(), *self.world.closed, self.account(), self.account()]
        strangers: dict[str, Callable[[], object]] = {
            "asset": lambda: self.pick([self.hash(), *self.world.assets]),
            "item": lambda: f"No. {self.random.randrange(15)}",
            **dict.fromkeys(
                ("to", "from_", "holder", "beneficiary", "subject"), lambda: self.pick(accounts)
            ),
        }
        names = [one.name for one in fields(body) if one.name in strangers]
        if not names:
            return self.account(), body
        name = self.pick(names)
        original: Any = body
        twisted = replace(original, **{name: strangers[name]()})
        target = getattr(twisted, "to", getattr(twisted, "beneficiary", None))
        giver = twisted.from_ if isinstance(body, v.Clawback) else acting
        moves = isinstance(body, v.Transfer | v.TransferItem | v.Reserve | v.Clawback)
        return acting, body if moves and target == giver else twisted

    def operation(self) -> Chosen:
        """One operation by weight; things come first in a young ledger."""
        if (needed := urgent(self)) is not None:
            return needed
        if len(self.world.assets) < 8 and self.often(40):
            return self.create_asset()
        if len(self.world.namespaces) < 3 and self.often(20):
            return self.create_namespace()
        if len(self.world.holdings) < 20 and self.often(30):
            return self.issue()
        total = sum(share for share, _ in self.choices)
        chance = self.random.randrange(total)
        for share, choose in self.choices:
            if chance < share:
                return choose()
            chance -= share
        raise AssertionError("the shares add up to the total")

    def transaction(self) -> Sent:
        """A transaction, new or sent before."""
        if self.sent and self.often(3):
            return self.pick(self.sent[-30:])
        chosen = self.operations()
        source = self.account() if self.often(6) else chosen[0][0]
        replay = self.replay(source)
        if self.sent and self.often(4):
            # Ids of holds and proposals derive from replay keys: none of them under a used one.
            earlier = self.pick(self.sent[-60:])
            source, replay = earlier.source, earlier.replay
            chosen = [pair for pair in chosen if not isinstance(pair[1], v.Reserve | v.Propose)]
            chosen = chosen or [self.set_data()]
        operations = [
            v.Operation(None if acting == source else acting, op) for acting, op in chosen
        ]
        body = v.Body(
            source,
            replay,
            self.valid_until(replay),
            tuple(self.precondition() for _ in range(self.pick([1, 2]) if self.often(15) else 0)),
            self.hash()[:6] if self.often(10) else b"",
            tuple(operations),
        )
        actors = [acting for acting, _ in chosen]
        if self.often(50):
            # A source that does not act has to agree.
            actors.append(source)
        signed = Transaction(encode(body), self.signing_keys(actors))
        return Sent(source, replay, signed, len(operations))

    def replay(self, source: bytes) -> v.ReplayKey:
        """An id or the next number of a lane."""
        if self.often(75):
            return v.ReplayId(self.hash()[:16])
        lane = self.pick([0, 1, 2**32 - 1])
        written = self.trial.cells.get(ledger.lane_cell(source, lane), b"")
        number = int.from_bytes(written, "little")
        wrong = self.pick([0, number + 1, 2**64 - 1])
        return v.Sequence(lane, wrong if self.often(8) else number)

    def valid_until(self, replay: v.ReplayKey) -> int:
        """Mostly within the lifetime."""
        sequence = isinstance(replay, v.Sequence)
        longest = v.SEQUENCE_LIFETIME if sequence else self.trial.parameters.max_lifetime
        chance = self.random.randrange(100)
        if chance < 3:
            return self.time - 1
        if chance < 5:
            return self.pick([self.time + longest + 1, 2**64 - 1])
        return self.time + self.pick([0, longest, *(self.random.randrange(longest),) * 4])

    def precondition(self) -> v.Precondition:
        """A condition that mostly holds."""
        shift = self.pick([0, 0, 0, 0, 1])
        kind = self.random.randrange(5)
        height, time = self.ledger.height + 1, self.time
        if kind == 0 and self.world.holdings:
            holder, asset, holding = self.pick(self.world.holdings)
            return v.RequireBalance(holder, asset, min(AMOUNT_MAX, holding.balance + shift))
        if kind == 1 and self.world.data:
            account, name, entry = self.pick(self.world.data)
            return v.RequireDataVersion(account, name, entry.version + shift)
        if kind == 2 and self.world.records:
            namespace, key, head = self.pick(self.world.records)
            return v.RequireRecordVersion(namespace, key, head.version + shift)
        if kind == 3:
            return v.RequireHeight(height + shift, self.pick([height + shift, 2**64 - 1]))
        return v.RequireTime(0, time - shift)

    def signing_keys(self, actors: list[bytes]) -> frozenset[bytes]:
        """Keys that mostly suffice; sometimes one signer of several, sometimes none of them."""
        chosen: set[bytes] = set()
        for actor in actors:
            if actor in self.world.open:
                signers = [signer.key for signer in self.world.open[actor].signers]
                chosen |= {self.pick(signers)} if self.often(25) else set(signers)
            elif actor in self.own:
                chosen.add(self.own[actor])
        if self.often(2) or not chosen:
            return frozenset([self.pick(keys.VALID)])
        if self.often(5):
            chosen.add(self.pick(keys.VALID))
        return frozenset(sorted(chosen)[:32])

    # Blocks

    def block(self) -> BlockInput:
        """The next block, run on the model."""
        self.time += self.random.randrange(1, self.profile.largest_step)
        if self.often(3):
            self.time += 700_000
        self.trial = self.ledger.copy()
        self.trial.begin(self.time)
        start = Block(self.trial)
        start.drop_passed_buckets()
        start.due()
        self.trial.find_voices()
        batches: list[list[Transaction]] = []
        counts: list[int] = []
        for _ in range(self.pick([0, 1, 1, 2, 3])):
            sent = [self.tried() for _ in range(self.random.randrange(1, 7))]
            batches.append([one.transaction for one in sent])
            counts += [one.operations for one in sent]
            self.sent = [*self.sent, *sent][-200:]
        self.result = self.ledger.execute(self.time, batches)
        self.statistics.add(batches, self.result, counts)
        return self.time, batches

    def tried(self) -> Sent:
        """A transaction run on the trial ledger: half insist on success, half seek rarities."""
        self.world = World(self.trial)
        insist = self.often(50)
        tries = []
        for _ in range(self.profile.tries):
            tries.append(self.trial_run())
            if insist and tries[-1].outcome == v.Code.FINAL.name:
                break
        chosen = tries[-1] if insist else min(tries, key=lambda one: self.seen[one.outcome])
        self.seen[chosen.outcome] += 1
        self.trial = chosen.state
        return chosen.sent

    def trial_run(self) -> Trial:
        """A transaction and what would come of it next."""
        sent, state = self.transaction(), self.trial.copy()
        execution = Execution(state, sent.transaction)
        if reason := execution.skip_reason():
            return Trial(sent, reason, state)
        code, failed = execution.run()
        if failed is None:
            return Trial(sent, code.name, state)
        number = ledger.NUMBERS[type(execution.body.operations[failed].body)]
        return Trial(sent, f"{number} {code.name}", state)


def run(seed: int, profile: Profile, blocks: int) -> tuple[Generator, list[BlockInput]]:
    """A repeatable run."""
    generator = Generator(Random(seed), profile)
    return generator, [generator.block() for _ in range(blocks)]


def sequences(most_blocks: int = 6) -> st.SearchStrategy[tuple[bytes, list[BlockInput]]]:
    """Genesis and blocks, drawn so that Hypothesis can shrink them."""

    def build(random: Any, profile: Profile, blocks: int) -> tuple[bytes, list[BlockInput]]:
        generator = Generator(random, profile)
        return generator.genesis, [generator.block() for _ in range(blocks)]

    randoms = st.randoms(use_true_random=False)
    return st.builds(build, randoms, st.sampled_from(PROFILES), st.integers(1, most_blocks))
