"""The model against results worked out by hand, and properties on generated blocks."""

import functools
import hashlib
import json
import pathlib
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from . import compare, generator, keys, ledger, tree
from . import values as v
from .bcs import decode, encode, uleb
from .governance import SYSTEM
from .invariants import invariant_breaches
from .ledger import Books, Ledger, Transaction
from .values import AssetFeatures, AssetKind, Code, Lot

KEYS = keys.VALID
T0 = 1_000_000
MINUTE = 60_000


class Chain:
    """A ledger with four accounts of one key each; `send` runs blocks of one transaction."""

    def __init__(self, suite: v.Suite = v.Suite.STANDARD, **parameters: Any) -> None:
        fields = v.ParameterFields(**parameters)
        validators = v.ValidatorSet(0, "solo", (v.Validator("n", "o", KEYS[0], 1),), 2, 3)
        genesis = functools.partial(
            v.Genesis, bytes(32), "t", v.NetworkKind.TEST, suite, T0, 1, fields, validators
        )
        namer = Ledger(encode(genesis(())))
        own = [namer.own_address(key) for key in KEYS[:4]]
        accounts = [
            v.GenesisAccount(address, (v.Signer(key, 1),), v.Thresholds(1))
            for address, key in zip(own, KEYS, strict=False)
        ]
        ordered = tuple(sorted(accounts, key=lambda account: account.address))
        self.ledger = Ledger(encode(genesis(ordered)))
        self.a, self.b, self.c, self.d = own
        self.keys = {address: {key} for address, key in zip(own, KEYS, strict=False)}
        self.time = T0
        self.count = 0

    def make(
        self,
        source: bytes,
        *operations: v.OperationBody | tuple[bytes, v.OperationBody],
        replay: v.ReplayKey | None = None,
        valid_until: int | None = None,
        require: tuple[v.Precondition, ...] = (),
        signed: set[bytes] | None = None,
    ) -> Transaction:
        """A transaction, by default with a fresh id and the keys of source and all who act."""
        self.count += 1
        pairs = [op if isinstance(op, tuple) else (None, op) for op in operations]
        body = v.Body(
            source,
            replay or v.ReplayId(self.count.to_bytes(16, "big")),
            self.time + MINUTE if valid_until is None else valid_until,
            require,
            b"",
            tuple(v.Operation(acting, op) for acting, op in pairs),
        )
        actors = {source, *(acting or source for acting, _ in pairs)}
        known = set().union(*(self.keys.get(actor, set()) for actor in actors))
        return Transaction(encode(body), frozenset(known if signed is None else signed))

    def block(self, *transactions: Transaction, after: int = 1) -> ledger.BlockResult:
        """A block of one batch, so many milliseconds later."""
        self.time += after
        result = self.ledger.execute(self.time, [list(transactions)])
        assert not invariant_breaches(self.ledger)
        return result

    def send(self, source: bytes, *operations: Any, after: int = 1, **options: Any) -> Code | str:
        """Code or skip reason of one transaction."""
        self.result = self.block(self.make(source, *operations, **options), after=after)
        if self.result.skipped:
            return self.result.skipped[0].reason
        self.events = self.result.events[0]
        return Code(self.result.receipts[0].code)

    def ok(self, source: bytes, *operations: Any, **options: Any) -> None:
        """Sends what must become final."""
        assert self.send(source, *operations, **options) == Code.FINAL

    def asset(self, kind: AssetKind = AssetKind.FUNGIBLE, **options: Any) -> bytes:
        """An asset that `a` issues."""
        code = f"X{self.count}"
        self.ok(self.a, v.CreateAsset(code, "x", kind, **options))
        return self.ledger.asset_id(self.a, code)

    def holding(self, account: bytes, asset: bytes) -> v.Holding:
        """What an account holds."""
        return Books(self.ledger, []).holding(account, asset)

    def lots(self, account: bytes, asset: bytes) -> list[tuple[int, int]]:
        """Lots as (expiry after the start, amount)."""
        return [(lot.expires - T0, lot.amount) for lot in self.holding(account, asset).lots]

    def supply(self, asset: bytes) -> int:
        """What exists of an asset."""
        supply: int = self.ledger.cells[ledger.asset_cell(asset)].supply
        return supply


# Bytes and hashes


def test_encoding_by_hand() -> None:
    transfer = v.Operation(None, v.Transfer(b"\1" * 32, b"\2" * 32, 258))
    assert encode(transfer) == b"\0\x08" + b"\1" * 32 + b"\2" * 32 + b"\2\1" + bytes(14)
    assert encode(v.Holding(lots=(Lot(1, 2),)))[-26:-1] == b"\1" + b"\1" + bytes(
        7
    ) + b"\2" + bytes(15)
    assert encode(v.ClosedAccount(5)) == b"\1\5" + bytes(7)
    assert encode(v.Parameters(v.ParameterFields())) == b"\0" + encode(v.ParameterFields())
    assert uleb(127) + uleb(128) + uleb(16384) == bytes.fromhex("7f 8001 808001")


def test_decoding_returns_what_was_encoded() -> None:
    _, blocks = generator.run(5, generator.PROFILES[0], 10)
    bodies = [one.body for _, batches in blocks for batch in batches for one in batch]
    assert bodies
    assert all(encode(decode(v.Body, body)) == body for body in bodies)
    with pytest.raises(ValueError, match="trailing"):
        decode(v.Body, bodies[0] + b"\0")
    with pytest.raises(ValueError, match="truncated"):
        decode(v.Body, bodies[0][:-1])


def test_sm3_of_the_standard() -> None:
    expected = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert tree.sm3_plain(b"abc").hex() == expected
    assert tree.digest(v.Suite.NATIONAL, b"a", b"bc").hex() == expected
    long = b"abcd" * 16
    assert tree.sm3_plain(long).hex() == (
        "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
    )


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def test_list_root_of_three() -> None:
    one, two, three = (sha(b"\0\7", item) for item in (b"a", b"b", b"c"))
    root = tree.list_root(v.Suite.STANDARD, tree.EVENT, [b"a", b"b", b"c"])
    assert root == sha(b"\1", sha(b"\1", one, two), three)
    assert tree.list_root(v.Suite.STANDARD, tree.EVENT, []) == sha()


def test_state_root_by_hand() -> None:
    owner = b"\1" + bytes(32)
    leaf_one, leaf_two = sha(b"\0\4\1k\1v"), sha(b"\0\4\1l\0")
    place_one, place_two = sha(b"\2k"), sha(b"\2l")
    node, depth = b"", 0
    while place_one[depth // 8] >> 7 - depth % 8 & 1 == place_two[depth // 8] >> 7 - depth % 8 & 1:
        depth += 1
    node = sha(b"\1", *([leaf_one, leaf_two] if place_one < place_two else [leaf_two, leaf_one]))
    for bit in reversed(range(depth)):
        right = place_one[bit // 8] >> 7 - bit % 8 & 1
        node = sha(b"\1", bytes(32), node) if right else sha(b"\1", node, bytes(32))
    cells = {(owner, b"k"): b"v", (owner, b"l"): b""}
    assert tree.state_root(v.Suite.STANDARD, cells) == sha(b"\0\6", owner, node)
    assert tree.state_root(v.Suite.STANDARD, {}) == bytes(32)


@given(
    st.dictionaries(st.tuples(st.binary(max_size=3), st.binary(max_size=3)), st.binary()),
    st.randoms(),
)
def test_root_does_not_depend_on_order(
    cells: dict[tuple[bytes, bytes], bytes], shuffle: Any
) -> None:
    rows = list(cells.items())
    shuffle.shuffle(rows)
    root = tree.state_root(v.Suite.STANDARD, cells)
    assert tree.state_root(v.Suite.STANDARD, dict(rows)) == root
    if rows:
        changed = dict(rows[1:])
        assert tree.state_root(v.Suite.STANDARD, changed) != root


def test_state_root_of_the_vectors() -> None:
    path = pathlib.Path(__file__).parents[2] / "spec" / "vectors" / "state_tree.json"
    sets = json.loads(path.read_text())["sets"]
    assert len(sets) >= 8
    for one in sets:
        rows = [[bytes.fromhex(part) for part in row] for row in one["cells"]]
        cells = {(owner, key): value for owner, key, value in rows}
        for suite in v.Suite:
            assert tree.state_root(suite, cells).hex() == one["roots"][suite.name.lower()]


def test_key_validity() -> None:
    assert all(map(tree.key_valid, keys.VALID))
    assert not any(map(tree.key_valid, keys.SMALL_ORDER))
    verdicts = {tree.key_valid(key) for key in keys.DOUBTFUL}
    assert verdicts == {True, False}
    base = keys.VALID[-8]
    assert tree.key_valid(base)
    assert not tree.key_valid(base[:1] + b"\5" + base[2:])


# Transactions


def test_id_conflict_has_one_receipt_each() -> None:
    chain = Chain()
    replay = v.ReplayId(b"i" * 16)
    first = chain.make(chain.a, v.SetData("x", b"1"), replay=replay)
    second = chain.make(chain.a, v.SetData("x", b"2"), replay=replay)
    other = chain.make(chain.b, v.SetData("x", b"3"), replay=replay)
    result = chain.block(first, second, first, second, other)
    assert [receipt.code for receipt in result.receipts] == [0, Code.ID_CONFLICT, 0]
    assert [(skip.index, skip.reason) for skip in result.skipped] == [
        (2, "duplicate"),
        (3, "duplicate"),
    ]
    entries = chain.ledger.ids[(T0 + MINUTE) // 10_000]
    hashes = [chain.ledger.transaction_hash(one.body) for one in (first, second, other)]
    assert [entry.transaction for entry in entries] == hashes
    assert chain.ledger.data_version(chain.a, "x") == 1


def test_an_id_lives_as_long_as_its_bucket() -> None:
    chain = Chain()
    replay = v.ReplayId(b"i" * 16)
    chain.ok(chain.a, v.SetData("x", b"1"), replay=replay, valid_until=T0 + 9_000)
    assert (
        chain.send(chain.a, v.SetData("x", b"2"), replay=replay, after=9_998) == Code.ID_CONFLICT
    )
    chain = Chain()
    chain.ok(chain.a, v.SetData("x", b"1"), replay=replay, valid_until=T0 + 9_000)
    chain.ok(chain.a, v.SetData("x", b"2"), replay=replay, after=9_999)


def test_validity_borders() -> None:
    chain = Chain()
    data = v.SetData("x", b"")
    assert chain.send(chain.a, data, valid_until=chain.time) == "expired"
    chain.ok(chain.a, data, valid_until=chain.time + 1)
    chain.ok(chain.a, data, valid_until=chain.time + 600_001)
    assert chain.send(chain.a, data, valid_until=chain.time + 600_002) == "lifetime_too_long"
    lane = functools.partial(v.Sequence, 7)
    year = v.SEQUENCE_LIFETIME
    late = chain.time + year + 2
    assert chain.send(chain.a, data, replay=lane(0), valid_until=late) == "lifetime_too_long"
    chain.ok(chain.a, data, replay=lane(0), valid_until=chain.time + year + 1)


def test_sequence_lanes() -> None:
    chain = Chain()
    data, missing = v.SetData("x", b""), v.SetData("no", None)
    assert chain.send(chain.a, data, replay=v.Sequence(1, 1)) == "sequence_mismatch"
    assert chain.send(chain.a, missing, replay=v.Sequence(1, 0)) == Code.DATA_MISSING
    assert chain.send(chain.a, missing, replay=v.Sequence(1, 0)) == "sequence_mismatch"
    chain.ok(chain.a, data, replay=v.Sequence(1, 1))
    chain.ok(chain.a, data, replay=v.Sequence(2, 0))
    assert chain.ledger.cells[ledger.lane_cell(chain.a, 1)] == b"\2" + bytes(7)
    assert not chain.ledger.ids


def test_quota_stays_charged_on_rejection() -> None:
    chain = Chain(quota_operations=3, quota_window=1_000)
    data, missing = v.SetData("x", b""), v.SetData("no", None)
    chain.time += 999
    assert chain.send(chain.a, data, missing) == Code.DATA_MISSING
    assert chain.ledger.cells[ledger.quota_cell(chain.a)] == v.Use(T0 // 1_000 + 1, 2)
    assert chain.send(chain.a, data, data) == Code.QUOTA_EXCEEDED
    replay = v.ReplayId(b"q" * 16)
    chain.ok(chain.a, data, replay=replay)
    assert chain.send(chain.a, data, replay=replay) == Code.ID_CONFLICT
    assert chain.send(chain.a, data) == Code.QUOTA_EXCEEDED
    chain.ok(chain.a, data, data, data, after=1_000)


def test_a_source_that_does_not_act_agrees_with_its_default_threshold() -> None:
    chain = Chain()
    acting = (chain.b, v.SetData("x", b""))
    assert chain.send(chain.a, acting, signed={KEYS[1]}) == "threshold_not_met"
    assert chain.send(chain.a, acting, signed={KEYS[0]}) == "threshold_not_met"
    chain.ok(chain.a, acting, signed={KEYS[0], KEYS[1]})
    # Who acts in one operation asks for the whole transaction.
    chain.ok(chain.a, acting, v.SetData("y", b""), signed={KEYS[0], KEYS[1]})
    limited = v.Signer(KEYS[3], 1, v.SignerLimits())
    both = tuple(sorted((v.Signer(KEYS[0], 1), limited), key=lambda one: one.key))
    chain.ok(chain.a, v.SetSigners(both, v.Thresholds(1)))
    assert chain.send(chain.a, acting, signed={KEYS[1], KEYS[3]}) == "threshold_not_met"


def test_skipped_transactions_leave_nothing() -> None:
    chain = Chain(quota_operations=5)
    root = chain.block().outcome.state_root
    assert chain.send(chain.a, v.SetData("x", b""), signed=set(KEYS[1:])) == "threshold_not_met"
    assert chain.send(b"?" * 32, (chain.a, v.SetData("x", b""))) == "source_missing"
    assert chain.result.outcome.state_root == root


def test_atomic_group_is_undone_as_a_whole() -> None:
    chain = Chain()
    asset = chain.asset()
    group = (
        v.Issue(asset, chain.b, 10),
        (chain.b, v.Transfer(asset, chain.c, 4)),
        (chain.c, v.Transfer(asset, chain.d, 5)),
    )
    assert chain.send(chain.a, *group, signed={KEYS[0], KEYS[1]}) == "threshold_not_met"
    assert chain.send(chain.a, *group) == Code.BALANCE_INSUFFICIENT
    receipt = chain.result.receipts[0]
    assert (receipt.operation, chain.events, receipt.events_root) == (2, [], sha())
    assert chain.supply(asset) == 0
    chain.ok(chain.a, *group[:2])
    assert chain.holding(chain.c, asset).balance == 4


def test_preconditions() -> None:
    chain = Chain(due_per_block=1)
    asset = chain.asset(AssetKind.DATED)
    first, second = sorted((chain.b, chain.c))  # the due queue reaches `second` a block later
    chain.ok(chain.a, v.Issue(asset, first, 5, T0 + 50), v.Issue(asset, second, 5, T0 + 50))
    chain.ok(chain.a, v.Issue(asset, second, 7, T0 + 90), v.SetData("x", b""))

    def holds(*conditions: v.Precondition, after: int = 1) -> bool:
        data = v.SetData("y", b"")
        return chain.send(chain.a, data, require=conditions, after=after) == Code.FINAL

    wait = T0 + 50 - chain.time
    assert not holds(v.RequireBalance(second, asset, 8), after=wait)
    assert chain.lots(second, asset) == [(50, 5), (90, 7)]
    assert holds(v.RequireBalance(second, asset, 7))
    assert holds(v.RequireBalance(chain.d, asset, 0), v.RequireDataVersion(chain.a, "x", 1))
    assert not holds(v.RequireDataVersion(chain.a, "z", 1))
    assert holds(v.RequireRecordVersion(bytes(32), "k", 0))
    assert not holds(v.RequireRecordVersion(bytes(32), "k", 1))
    height, time = chain.ledger.height + 1, chain.time + 1
    assert holds(v.RequireHeight(height, height), v.RequireTime(time, time))
    assert not holds(v.RequireHeight(0, height))
    assert not holds(v.RequireTime(time + 3, 2**64 - 1))


# Accounts


def test_account_of_a_key_made_and_used_in_one_transaction() -> None:
    chain = Chain()
    new = chain.ledger.own_address(KEYS[9])
    chain.keys[new] = {KEYS[9]}
    data = v.SetData("x", b"")
    assert chain.send(chain.a, (new, data)) == Code.ACCOUNT_MISSING
    create = v.CreateAccount(v.TargetKey(KEYS[9]))
    assert chain.send(chain.a, create, (new, data), signed={KEYS[0]}) == "threshold_not_met"
    chain.ok(chain.a, create, (new, data))
    assert chain.events == [v.AccountCreated(new, chain.a), v.DataSet(new, "x", 1)]
    expected = v.OpenAccount((v.Signer(KEYS[9], 1),), v.Thresholds(1), chain.ledger.height)
    assert chain.ledger.cells[ledger.account_cell(new)] == expected
    assert chain.send(chain.a, create) == Code.ACCOUNT_EXISTS


def test_derived_address() -> None:
    chain = Chain()
    create = v.CreateAccount(v.TargetDerived(), (v.Signer(KEYS[9], 1),), v.Thresholds(1))
    replay = v.ReplayId(bytes(range(16)))
    chain.ok(chain.b, v.SetData("x", b""), (chain.a, create), replay=replay)
    parts = (b"bubi:address-new", chain.ledger.chain, chain.a, b"\0", replay.id, b"\1\0\0\0")
    assert chain.events[1] == v.AccountCreated(sha(*parts), chain.a)
    chain.ok(chain.a, create, replay=v.Sequence(2, 0))
    sequence = b"\1" + b"\2\0\0\0" + bytes(8) + bytes(4)
    derived = sha(b"bubi:address-new", chain.ledger.chain, chain.a, sequence, bytes(4))
    assert chain.events == [v.AccountCreated(derived, chain.a)]
    # The same acting account, id and index in a transaction of another source: taken.
    chain.ok(chain.c, (chain.a, create), replay=replay)
    assert chain.send(chain.d, (chain.a, create), replay=replay) == Code.ACCOUNT_EXISTS


def test_lock_out_counts_signers_without_limits_only() -> None:
    chain = Chain()
    free, bound = v.Signer(KEYS[8], 2), v.Signer(KEYS[9], 5, v.SignerLimits())
    signers = tuple(sorted((free, bound), key=lambda signer: signer.key))
    three = v.Thresholds(1, (v.OperationThreshold(8, 3),))
    assert chain.send(chain.a, v.SetSigners(signers, three)) == Code.LOCK_OUT
    assert chain.send(chain.a, v.SetSigners(signers, v.Thresholds(3))) == Code.LOCK_OUT
    assert chain.send(chain.a, v.SetSigners((), v.Thresholds(1))) == Code.LOCK_OUT
    chain.ok(chain.a, v.SetSigners(signers, v.Thresholds(2)))
    assert chain.send(chain.a, v.SetData("x", b"")) == "threshold_not_met"
    chain.ok(chain.a, v.SetData("x", b""), signed={KEYS[8]})


def test_new_keys_are_checked_one_after_the_other() -> None:
    chain = Chain(algorithms=(0, 1))
    bad, off = keys.SMALL_ORDER[0], keys.VALID[-1]
    one, two = v.Thresholds(1), (v.Signer(bad, 1), v.Signer(off, 1))
    assert chain.send(chain.a, v.SetSigners(two, one)) == Code.KEY_INVALID
    assert chain.send(chain.a, v.SetSigners(two[1:], one)) == Code.ALGORITHM_DISABLED
    create = v.CreateAccount(v.TargetKey(off), two, v.Thresholds(9))
    assert chain.send(chain.a, create) == Code.ALGORITHM_DISABLED


def limited_chain(amount: int) -> tuple[Chain, bytes]:
    """Account `a` with a free signer and one that may move so much of an asset per 1000 ms."""
    chain = Chain()
    asset = chain.asset()
    chain.ok(chain.a, v.Issue(asset, chain.a, 1_000))
    limit = v.SignerLimits(amount=v.AmountLimit(asset, amount, 1_000))
    signers = (v.Signer(KEYS[0], 1), v.Signer(KEYS[9], 1, limit))
    ascending = tuple(sorted(signers, key=lambda signer: signer.key))
    chain.ok(chain.a, v.SetSigners(ascending, v.Thresholds(1)))
    return chain, asset


def test_amount_limit_per_period() -> None:
    chain, asset = limited_chain(10)
    limited = {KEYS[9]}
    cell = ledger.use_cell(chain.a, KEYS[9])
    pay = functools.partial(v.Transfer, asset, chain.b)
    chain.ok(chain.a, pay(6), signed=limited)
    assert chain.send(chain.a, pay(5), signed=limited) == Code.SIGNER_LIMIT_EXCEEDED
    assert chain.send(chain.a, pay(4), pay(1), signed=limited) == Code.SIGNER_LIMIT_EXCEEDED
    assert chain.result.receipts[0].operation == 1
    assert chain.ledger.cells[cell] == v.Use(1_000, 6)
    chain.ok(chain.a, pay(4), signed=limited)
    chain.ok(chain.a, pay(500), signed=limited | {KEYS[0]})
    assert chain.ledger.cells[cell] == v.Use(1_000, 10)
    assert chain.send(chain.a, v.Burn(b"?" * 32, 1), signed=limited) == Code.ASSET_MISSING
    burn = v.Burn(asset, 5)
    assert chain.send(chain.a, v.Burn(asset, 11), signed=limited) == Code.SIGNER_LIMIT_EXCEEDED
    chain.ok(chain.a, burn, signed=limited, after=1_000)
    assert chain.ledger.cells[cell] == v.Use(1_001, 5)
    chain.ok(chain.a, v.SetSigners((v.Signer(KEYS[0], 1),), v.Thresholds(1)))
    assert cell not in chain.ledger.cells


def test_use_is_charged_although_another_signer_suffices() -> None:
    chain, asset = limited_chain(10)
    both = {KEYS[0], KEYS[9]}
    chain.ok(chain.a, v.Transfer(asset, chain.b, 7), signed=both)
    assert chain.ledger.cells[ledger.use_cell(chain.a, KEYS[9])] == v.Use(1_000, 7)


def test_signers_from_before_the_transaction_are_charged_even_if_it_removed_them() -> None:
    chain, asset = limited_chain(10)
    both, cell = {KEYS[0], KEYS[9]}, ledger.use_cell(chain.a, KEYS[9])
    alone = v.SetSigners((v.Signer(KEYS[0], 1),), v.Thresholds(1))
    chain.ok(chain.a, v.Transfer(asset, chain.b, 3), alone, signed=both)
    assert cell not in chain.ledger.cells
    chain, asset = limited_chain(10)
    chain.ok(chain.a, alone, v.Transfer(asset, chain.b, 3), signed=both)
    assert chain.ledger.cells[cell] == v.Use(1_000, 3)


def test_use_outlives_a_change_of_the_limit() -> None:
    chain, asset = limited_chain(10)
    chain.ok(chain.a, v.Transfer(asset, chain.b, 3), signed={KEYS[9]})
    limit = v.SignerLimits(amount=v.AmountLimit(asset, 5, 1_000))
    signers = (v.Signer(KEYS[0], 1), v.Signer(KEYS[9], 1, limit))
    ascending = tuple(sorted(signers, key=lambda signer: signer.key))
    chain.ok(chain.a, v.SetSigners(ascending, v.Thresholds(1)), signed={KEYS[0]})
    pay = v.Transfer(asset, chain.b, 3)
    assert chain.send(chain.a, pay, signed={KEYS[9]}) == Code.SIGNER_LIMIT_EXCEEDED


def test_other_limits_of_a_signer() -> None:
    chain = Chain()
    asset, other = chain.asset(), chain.asset()
    space = chain.ledger.namespace_id("ns")
    limits = v.SignerLimits((7, 23), (asset,), (space,), None, T0 + 5_000)
    signers = tuple(
        sorted((v.Signer(KEYS[0], 1), v.Signer(KEYS[9], 1, limits)), key=lambda one: one.key)
    )
    chain.ok(chain.a, v.SetSigners(signers, v.Thresholds(1)), v.CreateNamespace("ns"))
    limited = {KEYS[9]}
    record = v.PutRecord(space, "k", v.Digest(v.DigestAlgorithm.SM3, bytes(32)))
    chain.ok(chain.a, v.Issue(asset, chain.b, 1), record, signed=limited)
    assert chain.send(chain.a, v.Issue(other, chain.b, 1), signed=limited) == "threshold_not_met"
    assert chain.send(chain.a, v.SetData("x", b""), signed=limited) == "threshold_not_met"
    chain.time = T0 + 4_999
    assert chain.send(chain.a, record, signed=limited) == "threshold_not_met"


def test_closed_account_leaves_a_tombstone() -> None:
    chain = Chain()
    asset = chain.asset(features=AssetFeatures(freeze=True))
    claim = v.SetClaim(chain.b, "kyc", bytes(32))
    chain.ok(chain.a, v.FreezeHolder(asset, chain.b, True), claim)
    assert chain.send(chain.b, v.CloseAccount()) == Code.ACCOUNT_NOT_EMPTY
    chain.ok(chain.b, v.RevokeClaim(chain.a, chain.b, "kyc"))
    data = v.SetData("x", b"")
    assert chain.send(chain.a, (chain.b, v.CloseAccount()), (chain.b, data)) == Code.ACCOUNT_CLOSED
    chain.ok(chain.b, v.CloseAccount())
    header = chain.ledger.cells[ledger.account_cell(chain.b)]
    assert header == v.ClosedAccount(chain.ledger.height)
    assert chain.holding(chain.b, asset).frozen
    assert chain.send(chain.b, data) == "source_missing"
    assert chain.send(chain.a, (chain.b, data)) == "threshold_not_met"
    assert chain.send(chain.a, claim) == Code.ACCOUNT_CLOSED
    again = v.CreateAccount(v.TargetKey(KEYS[1]))
    assert chain.send(chain.a, again) == Code.ACCOUNT_CLOSED


# Assets


def test_whitelist_exempts_the_issuer() -> None:
    chain = Chain()
    asset = chain.asset(features=AssetFeatures(whitelist=True))
    chain.ok(chain.a, v.Issue(asset, chain.a, 10))
    pay = v.Transfer(asset, chain.b, 3)
    assert chain.send(chain.a, pay) == Code.NOT_WHITELISTED
    chain.ok(chain.a, v.AuthoriseHolder(asset, chain.b, True), pay)
    chain.ok(chain.a, v.AuthoriseHolder(asset, chain.b, False))
    chain.ok(chain.b, v.Transfer(asset, chain.a, 3))
    assert ledger.holding_cell(chain.b, asset) not in chain.ledger.cells


def test_cap_and_largest_supply() -> None:
    chain = Chain()
    capped, open_ended = chain.asset(cap=5), chain.asset()
    assert chain.send(chain.a, v.Issue(capped, chain.b, 6)) == Code.CAP_EXCEEDED
    chain.ok(chain.a, v.Issue(capped, chain.b, 5), v.Issue(open_ended, chain.b, v.AMOUNT_MAX))
    assert chain.send(chain.a, v.Issue(open_ended, chain.b, 1)) == Code.CAP_EXCEEDED
    chain.ok(chain.b, v.Burn(capped, 1))
    chain.ok(chain.a, v.Issue(capped, chain.c, 1))


def test_dated_amounts_go_first_in_first_out() -> None:
    chain = Chain()
    asset = chain.asset(AssetKind.DATED)
    issues = [v.Issue(asset, chain.b, n, T0 + when) for when, n in ((300, 10), (100, 5), (200, 7))]
    chain.ok(chain.a, *issues, v.Issue(asset, chain.c, 1, T0 + 200))
    assert chain.lots(chain.b, asset) == [(100, 5), (200, 7), (300, 10)]
    chain.ok(chain.b, v.Transfer(asset, chain.c, 8))
    assert chain.lots(chain.b, asset) == [(200, 4), (300, 10)]
    assert chain.lots(chain.c, asset) == [(100, 5), (200, 4)]
    due = [cell for cell in chain.ledger.cells if cell[1][:1] == b"\3" and cell[0] == SYSTEM]
    assert len(due) == 4
    assert chain.send(chain.a, v.Issue(asset, chain.b, 1)) == Code.EXPIRY_INVALID
    assert chain.send(chain.a, v.Issue(asset, chain.b, 1, chain.time + 1)) == Code.EXPIRY_INVALID


def test_touch_retires_source_then_receiver_before_the_transfer() -> None:
    chain = Chain(due_per_block=1)
    asset = chain.asset(AssetKind.DATED)
    chain.ok(chain.a, v.Issue(asset, chain.d, 1, T0 + 10))  # takes the only place of the due queue
    chain.ok(
        chain.a,
        *(v.Issue(asset, chain.c, n, T0 + 20 + n) for n in (2, 1)),
        *(v.Issue(asset, chain.b, n, T0 + 30 + n) for n in (4, 3)),
        v.Issue(asset, chain.b, 9, T0 + 500),
    )
    chain.ok(chain.b, v.Transfer(asset, chain.c, 9), after=100)
    lapsed = [(chain.b, 3), (chain.b, 4), (chain.c, 1), (chain.c, 2)]
    expected = [
        v.Lapsed(asset, who, n, T0 + (30 if who == chain.b else 20) + n) for who, n in lapsed
    ]
    assert chain.events == [*expected, v.Transferred(asset, chain.b, chain.c, 9)]
    assert chain.result.events[-1] == [v.Lapsed(asset, chain.d, 1, T0 + 10)]
    due_receipt = chain.result.receipts[-1]
    assert (due_receipt.transaction, due_receipt.batch, due_receipt.code) == (bytes(32), 1, 0)
    assert chain.supply(asset) == 9


def test_lapsed_lots_cannot_be_spent_and_stay_if_the_operation_fails() -> None:
    chain = Chain(due_per_block=1)
    asset = chain.asset(AssetKind.DATED)
    chain.ok(chain.a, v.Issue(asset, chain.c, 1, T0 + 10), v.Issue(asset, chain.b, 5, T0 + 20))
    assert chain.send(chain.b, v.Burn(asset, 1), after=50) == Code.BALANCE_INSUFFICIENT
    assert chain.lots(chain.b, asset) == [(20, 5)]
    assert chain.block().events == [[v.Lapsed(asset, chain.b, 5, T0 + 20)]]


def test_issue_and_burn_touch_first() -> None:
    chain = Chain(due_per_block=1)
    asset = chain.asset(AssetKind.DATED, cap=10)
    chain.ok(chain.a, *(v.Issue(asset, chain.d, 1, T0 + n) for n in (10, 11, 12)))
    chain.ok(chain.a, v.Issue(asset, chain.b, 5, T0 + 30), v.Issue(asset, chain.c, 2, T0 + 30))
    # Lapsed lots that nobody touched yet still count towards the cap, and as a balance.
    assert chain.send(chain.b, v.CloseAccount(), after=100) == Code.ACCOUNT_NOT_EMPTY
    assert chain.supply(asset) == 9
    over = v.Issue(asset, chain.b, 3, T0 + 500)
    assert chain.send(chain.a, over) == Code.CAP_EXCEEDED
    chain.ok(chain.a, v.Issue(asset, chain.b, 2, T0 + 500))
    lapsed = v.Lapsed(asset, chain.b, 5, T0 + 30)
    assert chain.events == [lapsed, v.Issued(asset, chain.b, 2, T0 + 500)]
    assert chain.supply(asset) == 4
    chain = Chain(due_per_block=1)
    asset = chain.asset(AssetKind.DATED)
    chain.ok(chain.a, v.Issue(asset, chain.d, 1, T0 + 10), v.Issue(asset, chain.b, 5, T0 + 20))
    chain.ok(chain.a, v.Issue(asset, chain.b, 3, T0 + 900))
    chain.ok(chain.b, v.Burn(asset, 1), after=50)
    assert chain.events == [v.Lapsed(asset, chain.b, 5, T0 + 20), v.Burned(asset, chain.b, 1)]


def test_lots_full() -> None:
    chain = Chain()
    asset = chain.asset(AssetKind.DATED)
    lots = [v.Issue(asset, chain.b, 10, T0 + 1_000 + n) for n in range(63)]
    chain.ok(chain.a, *lots)
    reserve = v.Reserve(asset, chain.c, 5, T0 + 900)
    chain.ok(chain.b, reserve)  # the split lot counts twice: 63 + 1
    assert chain.holding(chain.b, asset).reserved_lots == 1
    assert chain.send(chain.b, v.Reserve(asset, chain.c, 6, T0 + 900)) == Code.LOTS_FULL
    assert chain.send(chain.a, v.Issue(asset, chain.b, 1, T0 + 5_000)) == Code.LOTS_FULL
    chain.ok(chain.a, v.Issue(asset, chain.b, 1, T0 + 1_000))
    chain.ok(chain.a, v.Issue(asset, chain.a, 1, T0 + 5_000))
    assert chain.send(chain.a, v.Transfer(asset, chain.b, 1)) == Code.LOTS_FULL


def test_lots_full_of_the_receiver() -> None:
    chain = Chain()
    asset = chain.asset(AssetKind.DATED, features=AssetFeatures(clawback=True))
    chain.ok(chain.a, *(v.Issue(asset, chain.b, 1, T0 + 1_000 + n) for n in range(64)))
    later = (v.Issue(asset, chain.c, 1, T0 + 1_000), v.Issue(asset, chain.c, 8, T0 + 2_000))
    chain.ok(chain.a, *later)
    assert chain.send(chain.c, v.Transfer(asset, chain.b, 2)) == Code.LOTS_FULL
    assert chain.send(chain.a, v.Clawback(asset, chain.c, chain.b, 2)) == Code.LOTS_FULL
    chain.ok(chain.c, v.Transfer(asset, chain.b, 1))  # joins a lot that is there
    chain.ok(chain.c, v.Reserve(asset, chain.b, 5, T0 + 900))
    hold, _ = reserved(chain)
    assert chain.send(chain.b, v.Capture(chain.c, hold, 1)) == Code.LOTS_FULL
    chain.ok(chain.b, v.Burn(asset, 2), v.Capture(chain.c, hold, 1))
    assert chain.lots(chain.c, asset) == [(2_000, 7)]
    assert len(chain.lots(chain.b, asset)) == 64


# Holds


def reserved(chain: Chain) -> tuple[bytes, int]:
    """Id and amount of the hold just made."""
    event = chain.events[-1]
    assert isinstance(event, v.Reserved)
    return event.hold, event.amount


def test_capture_with_lapsed_lots() -> None:
    chain = Chain(due_per_block=1)
    asset = chain.asset(AssetKind.DATED)
    issues = [v.Issue(asset, chain.b, n, T0 + when) for when, n in ((100, 5), (200, 7), (300, 9))]
    chain.ok(chain.a, *issues, v.Issue(asset, chain.d, 1, T0 + 90))
    chain.ok(chain.b, v.Reserve(asset, chain.c, 15, T0 + 250))
    hold, _ = reserved(chain)
    assert chain.lots(chain.b, asset) == [(300, 6)]
    holding = chain.holding(chain.b, asset)
    assert (holding.reserved, holding.reserved_lots) == (15, 3)
    capture = functools.partial(v.Capture, chain.b, hold)
    assert chain.send(chain.b, capture(1)) == Code.NOT_PERMITTED
    assert chain.send(chain.c, capture(11), after=130) == Code.HOLD_EXCEEDED
    chain.ok(chain.c, capture(8))
    assert chain.events == [
        v.Lapsed(asset, chain.b, 5, T0 + 100),
        v.Captured(hold, 8),
        v.Transferred(asset, chain.b, chain.c, 8),
    ]
    assert chain.lots(chain.c, asset) == [(200, 7), (300, 1)]
    assert chain.lots(chain.b, asset) == [(300, 8)]
    assert chain.holding(chain.b, asset).reserved == 0
    assert chain.supply(asset) == 16
    assert chain.send(chain.c, capture(1)) == Code.HOLD_MISSING


def test_hold_expires_from_the_due_queue_even_if_frozen() -> None:
    chain = Chain()
    asset = chain.asset(AssetKind.DATED, features=AssetFeatures(freeze=True))
    chain.ok(chain.a, v.Issue(asset, chain.b, 5, T0 + 100), v.Issue(asset, chain.b, 7, T0 + 900))
    chain.ok(chain.b, v.Reserve(asset, chain.c, 9, T0 + 150))
    hold, _ = reserved(chain)
    chain.ok(chain.a, v.FreezeAsset(asset, True), v.FreezeHolder(asset, chain.b, True))
    assert chain.block(after=100).events == []  # lots in a hold are not due by themselves
    result = chain.block(after=100)
    assert result.events == [[v.HoldExpired(hold, chain.b), v.Lapsed(asset, chain.b, 5, T0 + 100)]]
    assert chain.lots(chain.b, asset) == [(900, 7)]
    assert chain.supply(asset) == 7


def test_expired_hold_that_still_waits_in_the_queue() -> None:
    chain = Chain(due_per_block=1)
    dated, asset = chain.asset(AssetKind.DATED), chain.asset()
    chain.ok(chain.a, v.Issue(dated, chain.d, 1, T0 + 20), v.Issue(asset, chain.b, 9))
    chain.ok(chain.b, v.Reserve(asset, chain.c, 4, T0 + 30))
    hold, _ = reserved(chain)
    assert chain.send(chain.c, v.Capture(chain.b, hold, 1), after=50) == Code.HOLD_EXPIRED
    # The next block lets it expire before its transactions.
    assert chain.send(chain.c, v.Release(chain.b, hold)) == Code.HOLD_MISSING
    assert chain.holding(chain.b, asset) == v.Holding(balance=9)


def test_release_order_of_events() -> None:
    chain = Chain()
    asset = chain.asset(AssetKind.DATED)
    chain.ok(chain.a, v.Issue(asset, chain.b, 5, T0 + 100), v.Issue(asset, chain.b, 5, T0 + 900))
    chain.ok(chain.b, v.Reserve(asset, chain.c, 8, T0 + 500))
    hold, _ = reserved(chain)
    chain.ok(chain.c, v.Release(chain.b, hold), after=200)
    assert chain.events == [v.Released(hold), v.Lapsed(asset, chain.b, 5, T0 + 100)]
    assert chain.lots(chain.b, asset) == [(900, 5)]


def test_due_queue_takes_lots_before_holds_of_the_same_time() -> None:
    chain = Chain(due_per_block=2)
    asset = chain.asset(AssetKind.DATED)
    chain.ok(chain.a, v.Issue(asset, chain.b, 3, T0 + 900), v.Issue(asset, chain.a, 1, T0 + 100))
    chain.ok(chain.b, v.Reserve(asset, chain.c, 2, T0 + 100))
    hold, _ = reserved(chain)
    events = chain.block(after=200).events
    assert events == [[v.Lapsed(asset, chain.a, 1, T0 + 100), v.HoldExpired(hold, chain.b)]]


def test_a_hold_is_never_overwritten() -> None:
    chain = Chain()
    asset = chain.asset()
    chain.ok(chain.a, v.Issue(asset, chain.a, 10))
    replay = v.ReplayId(b"h" * 16)
    hold = v.Reserve(asset, chain.b, 2, T0 + 10**6)
    chain.ok(chain.a, hold, replay=replay)
    assert chain.send(chain.b, (chain.a, hold), replay=replay) == Code.ID_CONFLICT


# Items and records


def test_items() -> None:
    chain = Chain()
    asset = chain.asset(AssetKind.UNIQUE, cap=1, features=AssetFeatures(clawback=True))
    chain.ok(chain.a, v.IssueItem(asset, "one", chain.b))
    assert chain.send(chain.a, v.IssueItem(asset, "two", chain.b)) == Code.CAP_EXCEEDED
    assert chain.send(chain.a, v.IssueItem(asset, "one", chain.b)) == Code.ITEM_EXISTS
    assert chain.send(chain.a, v.ClawbackItem(asset, "one", chain.b)) == Code.NOT_PERMITTED
    assert chain.send(chain.c, v.BurnItem(asset, "one")) == Code.NOT_PERMITTED
    chain.ok(chain.a, v.ClawbackItem(asset, "one", chain.c))
    assert ledger.held_item_cell(chain.b, asset, "one") not in chain.ledger.cells
    chain.ok(chain.c, v.BurnItem(asset, "one"))
    assert chain.supply(asset) == 0
    assert chain.send(chain.a, v.Issue(asset, chain.b, 1)) == Code.ASSET_KIND_MISMATCH


def test_frozen_holders_of_items() -> None:
    chain = Chain()
    asset = chain.asset(AssetKind.UNIQUE, features=AssetFeatures(freeze=True, clawback=True))
    freeze = functools.partial(v.FreezeHolder, asset)
    chain.ok(chain.a, v.IssueItem(asset, "one", chain.b), freeze(chain.b, True))
    assert chain.send(chain.a, v.IssueItem(asset, "two", chain.b)) == Code.HOLDER_FROZEN
    assert chain.send(chain.b, v.TransferItem(asset, "one", chain.c)) == Code.HOLDER_FROZEN
    assert chain.send(chain.b, v.BurnItem(asset, "one")) == Code.HOLDER_FROZEN
    chain.ok(chain.a, v.ClawbackItem(asset, "one", chain.c))
    assert chain.send(chain.c, v.TransferItem(asset, "one", chain.b)) == Code.HOLDER_FROZEN
    assert chain.send(chain.a, v.ClawbackItem(asset, "one", chain.b)) == Code.HOLDER_FROZEN
    chain.ok(chain.a, v.FreezeAsset(asset, True))
    assert chain.send(chain.a, v.IssueItem(asset, "two", chain.c)) == Code.ASSET_FROZEN
    assert chain.send(chain.c, v.BurnItem(asset, "one")) == Code.ASSET_FROZEN
    chain.ok(chain.a, v.ClawbackItem(asset, "one", None), freeze(chain.b, False))
    assert ledger.holding_cell(chain.b, asset) not in chain.ledger.cells


def test_records() -> None:
    chain = Chain()
    space = chain.ledger.namespace_id("ns")
    put = functools.partial(v.PutRecord, space, "k", v.Digest(v.DigestAlgorithm.SHA256, bytes(32)))
    assert chain.send(chain.a, put()) == Code.NAMESPACE_MISSING
    chain.ok(chain.a, v.CreateNamespace("ns", v.Listed((chain.b,))))
    assert chain.send(chain.c, put()) == Code.NOT_WRITER
    own = v.RecordReference(space, "k", 1)
    assert chain.send(chain.b, put(parents=(own,))) == Code.PARENT_MISSING
    chain.ok(chain.b, put(expected_version=0))
    assert (
        chain.send(chain.a, put()) == Code.NOT_WRITER
    )  # the owner may write, but is not the author
    assert chain.send(chain.b, put(expected_version=2)) == Code.RECORD_VERSION_MISMATCH
    chain.ok(chain.b, put(parents=(own,), expected_version=1))
    chain.ok(chain.a, v.SetNamespace(space, chain.c, v.Everyone(), True))
    chain.ok(chain.d, put())
    assert chain.events == [v.RecordPut(space, "k", 3, chain.d)]
    assert chain.ledger.cells[ledger.head_cell(space, "k")] == v.RecordHead(chain.b, 3)
    assert (
        chain.send(chain.a, v.SetNamespace(space, chain.a, v.Everyone(), True))
        == Code.NOT_PERMITTED
    )


# Generated blocks


def test_generated_blocks_reach_every_code_and_skip_reason() -> None:
    total = generator.Statistics()
    for profile in generator.PROFILES:
        for seed in (1, 2):
            run, _ = generator.run(seed, profile, 60)
            total.codes += run.statistics.codes
            total.skips += run.statistics.skips
            total.operations += run.statistics.operations
    assert set(total.codes) == set(Code) - {Code.INTERNAL}
    assert set(total.skips) == set(v.SKIP_REASONS)
    assert total.success >= 0.30


def test_generation_is_repeatable_and_replays_to_the_same_outcomes() -> None:
    profile = generator.PROFILES[1]
    first, blocks = generator.run(3, profile, 20)
    again, same = generator.run(3, profile, 20)
    assert (first.genesis, blocks) == (again.genesis, same)
    replayed = compare.run_model(first.genesis, blocks)
    assert replayed[-1][0] == encode(first.result.outcome)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(generator.sequences())
def test_nothing_is_made_or_lost(run: tuple[bytes, list[generator.BlockInput]]) -> None:
    genesis, blocks = run
    state = Ledger(genesis)
    for time, batches in blocks:
        before = state.copy()
        result = state.execute(time, batches)
        assert not invariant_breaches(state)
        assert supply_changes(before, state) == told_by_events(result)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_made_or_lost_in_long_runs(seed: int) -> None:
    run = generator.Generator(random.Random(seed), generator.PROFILES[seed])
    for _ in range(40):
        before = run.ledger.copy()
        run.block()
        assert not invariant_breaches(run.ledger)
        assert supply_changes(before, run.ledger) == told_by_events(run.result)


def supply_changes(before: Ledger, after: Ledger) -> dict[bytes, int]:
    """Change of supply per asset."""
    changes = {}
    for (owner, key), value in after.cells.items():
        if isinstance(value, v.Asset):
            old = before.cells.get((owner, key))
            changes[owner[1:]] = value.supply - (old.supply if old else 0)
    return {asset: change for asset, change in changes.items() if change}


def told_by_events(result: ledger.BlockResult) -> dict[bytes, int]:
    """Change of supply per asset as the events tell it."""
    changes: dict[bytes, int] = {}
    for event in (event for events in result.events for event in events):
        match event:
            case v.Issued(asset, _, amount, _):
                changes[asset] = changes.get(asset, 0) + amount
            case v.Burned(asset, _, amount) | v.Lapsed(asset, _, amount, _):
                changes[asset] = changes.get(asset, 0) - amount
            case v.ItemIssued(asset, _, _):
                changes[asset] = changes.get(asset, 0) + 1
            case v.ItemBurned(asset, _, _):
                changes[asset] = changes.get(asset, 0) - 1
    return {asset: change for asset, change in changes.items() if change}
