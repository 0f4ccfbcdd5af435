"""Accounts for `bubi bench network`, opened by real blocks before any node starts.

The blocks are made once, in the data folder of the first node, by a process of its own: admitted,
batched, executed and signed by a quorum as the nodes would have done. The other nodes get a copy.
So a million accounts take seconds and no node carries memory of how they came about.
"""

from __future__ import annotations

import hashlib
import mmap
import multiprocessing
import os
import secrets
import shutil
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bubi_sdk import Address, MemorySigner, Network, Signer, TransactionBuilder
from bubi_sdk.hashes import HashSuite
from bubi_sdk.keys import Algorithm, PublicKey, SecretKey
from bubi_sdk.operations import AccountSigner
from bubi_sdk.transaction import bulk_body

from bubi.cli.bench_template import KEY_BYTES, Template, markers_of_keys

if TYPE_CHECKING:
    from bubi import core

TRANSFER: Final = "transfer"
ISSUE: Final = "issue"
RECORD: Final = "record"
SMALLBANK: Final = "smallbank"
MULTISIG: Final = "multisig"
WORKLOADS: Final = (TRANSFER, ISSUE, RECORD, SMALLBANK, MULTISIG)

SIGNERS: Final = 3
"""Keys of an account of several signers, …"""
SIGNERS_NEEDED: Final = 2
"""… and how many of them must sign."""
OPERATIONS: Final = 100
TRANSACTIONS_PER_BLOCK: Final = 200
BALANCE: Final = 10**12
CODE: Final = "bench"
SAVINGS: Final = "savings"
NAMESPACE: Final = "bench"
_HASH: Final = 32
_ED25519: Final = 0


@dataclass(frozen=True)
class Accounts:
    """Accounts that hold what their workload needs. Secret keys follow from a seed.

    The file `table` has one row per account: its address, then its raw Ed25519 keys.
    """

    network: Network
    workload: str
    issuer: bytes
    """Secret key of the account that issues, and owns the namespace."""
    seed: bytes
    count: int
    table: str

    @property
    def signers(self) -> int:
        """Keys of an account."""
        return SIGNERS if self.workload == MULTISIG else 1

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of the table."""
        return _HASH + self.signers * KEY_BYTES

    @property
    def issuer_key(self) -> PublicKey:
        """The issuer's public key."""
        return MemorySigner(SecretKey(Algorithm.ED25519, self.issuer)).public_key

    @property
    def asset(self) -> bytes:
        """What accounts hold; in Smallbank their checking."""
        return self.network.asset_id(self.issuer_key, CODE)

    @property
    def savings(self) -> bytes:
        """What accounts of Smallbank save."""
        return self.network.asset_id(self.issuer_key, SAVINGS)

    def secret(self, number: int, place: int = 0) -> bytes:
        """One of the secret keys of an account."""
        text = self.seed + number.to_bytes(8, "little") + bytes([place])
        return hashlib.sha256(text).digest()


class Table:
    """The rows of accounts, read as they are needed."""

    def __init__(self, accounts: Accounts) -> None:
        with Path(accounts.table).open("rb") as file:
            self._rows = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._row = accounts.row_bytes

    def address(self, number: int) -> bytes:
        """Address of an account."""
        start = number * self._row
        return self._rows[start : start + _HASH]

    def key(self, number: int, place: int = 0) -> bytes:
        """Raw public key of an account."""
        start = number * self._row + _HASH + place * KEY_BYTES
        return self._rows[start : start + KEY_BYTES]


def pool() -> ProcessPoolExecutor:
    """Processes for all cores. Not forked: this process may have threads of the core already."""
    cores = len(os.sched_getaffinity(0))
    return ProcessPoolExecutor(cores, multiprocessing.get_context("spawn"))


def open_accounts(
    configs: Sequence[Path],
    network: Network,
    founder: Signer,
    folder: Path,
    count: int,
    workload: str = TRANSFER,
) -> Accounts:
    """Opens accounts in the data folders of nodes that were never started.

    `founder` has an account in the genesis. The table of accounts goes to `folder`.
    """
    table = folder / f"accounts-{secrets.token_hex(4)}"
    accounts = Accounts(
        network, workload, secrets.token_bytes(32), secrets.token_bytes(16), count, str(table)
    )
    founding = TransactionBuilder(network, founder.public_key)
    first = founding.create_account(accounts.issuer_key).build().sign(founder).encoded
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
        alone.submit(_found, list(configs), accounts, first).result()
    return accounts


def _found(configs: list[Path], accounts: Accounts, first: bytes) -> None:
    """Makes the blocks in the first node's folder and copies it to the others."""
    from bubi import core  # noqa: PLC0415 - only measuring needs the compiled core
    from bubi.node import config, files  # noqa: PLC0415

    settings = [config.load(one) for one in configs]
    keys = [
        files.read_key(one.node.validator_key)
        for one in settings
        if one.node.validator_key is not None
    ]
    place = settings[0].node.data
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    genesis = files.read_genesis(settings[0].node.genesis)
    chain = core.Chain.open(
        str(place),
        genesis,
        proof_window=settings[0].store.proof_window,
        segment_bytes=settings[0].store.segment_bytes,
    )
    try:
        maker = BlockMaker(chain, keys)
        maker.decide(bulk_body([first]), 1)
        maker.decide(bulk_body([_definitions(accounts)]), 1)
        with Path(accounts.table).open("wb") as table:
            for body, transactions, rows in _openings(accounts):
                maker.decide(body, transactions)
                table.write(rows)
    finally:
        chain.close()
    for other in settings[1:]:
        shutil.copytree(place, other.node.data, dirs_exist_ok=True)


def _definitions(accounts: Accounts) -> bytes:
    signer = MemorySigner(SecretKey(Algorithm.ED25519, accounts.issuer))
    builder = TransactionBuilder(accounts.network, signer.public_key)
    builder.create_asset(CODE, "Benchmark").create_asset(SAVINGS, "Savings")
    return builder.create_namespace(NAMESPACE).build().sign(signer).encoded


class BlockMaker:
    """Decides blocks in a folder that no node uses, with the keys of its validators."""

    def __init__(self, chain: core.Chain, keys: Sequence[core.SigningKey]) -> None:
        from bubi import core  # noqa: PLC0415 - only measuring needs the compiled core
        from bubi.ledger import key_bytes  # noqa: PLC0415

        fields = core.decode_json(core.validator_set_to_json(chain.validator_set))["v1"]
        places = {key_bytes(one["key"]): place for place, one in enumerate(fields["validators"])}
        self._chain = chain
        self._engine = str(fields["engine"])
        self._epoch = int(fields["epoch"])
        self._author = keys[0]
        self._keys = sorted((places[key.public_key], key) for key in keys)

    def decide(self, body: bytes, count: int) -> None:
        """One block of a bulk body of `count` transactions, all of which must be final."""
        from bubi import core  # noqa: PLC0415 - only measuring needs the compiled core

        chain = self._chain
        now = time.time_ns() // 1_000_000
        admission = chain.admit(body, now)
        if admission.refused or len(admission) != count:
            msg = f"the door refused {[one for one in admission.verdicts if one]}"
            raise RuntimeError(msg)
        batch = chain.batch([admission], chain.height, self._author)
        proposal = chain.propose(max(now, chain.time + 1), 0, [batch])
        chain.append_bodies(chain.height + 1, [batch])
        execution = chain.execute(proposal, [batch])
        if execution.counts != (count, 0, 0):
            msg = f"a transaction that opens accounts failed: {execution.counts}"
            raise RuntimeError(msg)
        fields = (
            self._epoch,
            self._engine,
            execution.height,
            0,
            execution.digest,
            execution.outcome_hash,
        )
        message = core.commit_message(chain.chain_id, *fields)
        votes = [(place, key.sign(message)) for place, key in self._keys]
        chain.commit(execution, core.certificate(*fields, votes))


def _openings(accounts: Accounts) -> Iterator[tuple[bytes, int, bytes]]:
    """Bulk bodies with their number of transactions and rows, made by all cores, in order."""
    each = group_size(accounts.workload) * TRANSACTIONS_PER_BLOCK
    starts = deque(range(0, accounts.count, each))
    waiting: deque[Future[tuple[bytes, int, bytes]]] = deque()
    ahead = 2 * len(os.sched_getaffinity(0))
    with pool() as workers:
        while starts or waiting:
            while starts and len(waiting) < ahead:
                start = starts.popleft()
                size = min(each, accounts.count - start)
                waiting.append(workers.submit(opening, accounts, start, size))
            yield waiting.popleft().result()


def group_size(workload: str) -> int:
    """Accounts that one transaction opens."""
    per_account = {RECORD: 1, SMALLBANK: 3}.get(workload, 2)
    # Several signers make an operation long; a transaction is bounded in bytes as well.
    return OPERATIONS // per_account


def opening(accounts: Accounts, start: int, count: int) -> tuple[bytes, int, bytes]:
    """A bulk body that opens accounts, its number of transactions, and their rows."""
    from bubi import core  # noqa: PLC0415 - only measuring needs the compiled core

    issuer = core.SigningKey.from_bytes(_ED25519, accounts.issuer)
    raw_issuer = accounts.issuer_key.raw
    templates: dict[int, _Opening] = {}
    made, rows = [], []
    each = group_size(accounts.workload)
    for at in range(start, start + count, each):
        size = min(each, start + count - at)
        if size not in templates:
            templates[size] = _Opening(accounts, size)
        group = [_row(accounts, number) for number in range(at, at + size)]
        body = templates[size].fill(group)
        made.append(templates[size].template.sign(body, [(raw_issuer, issuer)]))
        rows += [address + b"".join(keys) for address, keys in group]
    return bulk_body(made), len(made), b"".join(rows)


def _row(accounts: Accounts, number: int) -> tuple[bytes, list[bytes]]:
    from bubi import core  # noqa: PLC0415 - only measuring needs the compiled core

    tagged = [
        core.SigningKey.from_bytes(_ED25519, accounts.secret(number, place)).public_key
        for place in range(accounts.signers)
    ]
    suite = list(HashSuite).index(accounts.network.suite)
    address = core.key_address(suite, tagged[0])
    return address, [key[1:] for key in tagged]


class _Opening:
    """A transaction that opens so many accounts."""

    def __init__(self, accounts: Accounts, size: int) -> None:
        issuer = MemorySigner(SecretKey(Algorithm.ED25519, accounts.issuer))
        replay = secrets.token_bytes(16)
        builder = TransactionBuilder(accounts.network, issuer.public_key).id(replay)
        self._issues = {TRANSFER: 1, ISSUE: 1, MULTISIG: 1, SMALLBANK: 2}.get(accounts.workload, 0)
        self._several = accounts.signers > 1
        markers = [replay]
        for _ in range(size):
            markers += self._add(accounts, builder)
        self.template = Template(builder.build().sign(issuer), markers)

    def _add(self, accounts: Accounts, builder: TransactionBuilder) -> list[bytes]:
        target, *others = markers_of_keys(1 + (SIGNERS if self._several else 0))
        signers = [AccountSigner(one.public_key, 1) for one in others]
        builder.create_account(
            target.public_key,
            signers=signers,
            threshold=SIGNERS_NEEDED if signers else 1,
        )
        markers = [target.public_key.raw, *(one.public_key.raw for one in others)]
        for asset in (accounts.asset, accounts.savings)[: self._issues]:
            address = secrets.token_bytes(_HASH)
            builder.issue(asset, Address(address), BALANCE)
            markers.append(address)
        return markers

    def fill(self, group: Sequence[tuple[bytes, list[bytes]]]) -> bytes:
        """The body that opens these accounts (address, raw keys)."""
        values = [secrets.token_bytes(16)]
        for address, keys in group:
            values.append(keys[0])
            if self._several:
                values += sorted(keys)
            values += [address] * self._issues
        return self.template.fill(values)
