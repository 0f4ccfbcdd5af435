"""Accounts and presigned transfers for `bubi bench network`, made by all cores."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import secrets
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bubi_sdk import Address, Client, MemorySigner, Network, Signer, TransactionBuilder
from bubi_sdk.hashes import TRANSACTION
from bubi_sdk.keys import Algorithm, PublicKey, SecretKey
from bubi_sdk.transaction import bulk_body

from bubi.cli.messages import _
from bubi.cli.output import Failure, finding

ACCOUNTS_PER_TRANSACTION: Final = 10
OPENING_PER_REQUEST: Final = 200
OPENING_SECONDS: Final = 120
BALANCE: Final = 10**12
LIFETIME_MS: Final = 550_000
"""Shorter than the longest that the ledger takes (10 min)."""
_HASH: Final = 32
_KEY: Final = 32
_SIGNATURE: Final = 64


@dataclass(frozen=True)
class Accounts:
    """Accounts that hold an asset. Their keys follow from a seed and their number."""

    network: Network
    asset: bytes
    seed: bytes
    count: int
    keys: bytes
    """Their Ed25519 keys, one after the other."""
    addresses: bytes
    """Their addresses, one after the other."""

    def secret(self, number: int) -> bytes:
        """The secret key of an account."""
        return _secret(self.seed, number)


@dataclass(frozen=True)
class Bodies:
    """Bulk bodies in a file: where each ends, and how many transactions it holds."""

    file: str
    ends: list[int]
    counts: list[int]

    @property
    def transactions(self) -> int:
        """All together."""
        return sum(self.counts)

    @property
    def transaction_bytes(self) -> int:
        """Mean size of a signed transaction, the length before it included."""
        return round(self.ends[-1] / self.transactions)


class Template:
    """A transfer with places to fill in; its bytes are those that the SDK encodes."""

    def __init__(self, network: Network, asset: bytes, valid_until: int) -> None:
        source, target, replay = secrets.token_bytes(32), secrets.token_bytes(32), os.urandom(16)
        signer = MemorySigner.generate()
        builder = TransactionBuilder(network, Address(source)).id(replay).valid_until(valid_until)
        envelope = builder.transfer(asset, Address(target), 1).build().sign(signer)
        body = envelope.transaction.body_bytes
        encoded = envelope.encoded
        self._head = TRANSACTION + network.chain_id
        self._body = body
        self._source, self._target = body.index(source), body.index(target)
        self._replay = body.index(replay)
        at = encoded.index(body)
        signature = envelope.signed.signatures[0].signature
        key, signed = encoded.index(signer.public_key.raw), encoded.index(signature)
        self._before, self._between = encoded[:at], encoded[at + len(body) : key]
        self._behind_key = encoded[key + _KEY : signed]
        self._end = encoded[signed + _SIGNATURE :]

    def fill(self, source: bytes, target: bytes, replay: bytes) -> bytes:
        """The body of a transfer."""
        body = bytearray(self._body)
        body[self._source : self._source + _HASH] = source
        body[self._target : self._target + _HASH] = target
        body[self._replay : self._replay + len(replay)] = replay
        return bytes(body)

    def message(self, body: bytes) -> bytes:
        """What is signed."""
        return self._head + body

    def join(self, body: bytes, key: bytes, signature: bytes) -> bytes:
        """The signed transaction."""
        return b"".join(
            (
                self._before,
                body,
                self._between,
                key,
                self._behind_key,
                signature,
                self._end,
            )
        )


def _secret(seed: bytes, number: int) -> bytes:
    return hashlib.sha256(seed + number.to_bytes(8, "little")).digest()


def _pool() -> ProcessPoolExecutor:
    # Not forked: this process may have threads of the core already.
    cores = len(os.sched_getaffinity(0))
    return ProcessPoolExecutor(cores, multiprocessing.get_context("spawn"))


def open_accounts(url: str, network: Network, founder: Signer, count: int) -> Accounts:
    """Opens accounts by transactions of several operations and gives each of an asset."""
    seed = secrets.token_bytes(32)
    issuer = MemorySigner.generate()
    asset = network.asset_id(issuer.public_key, "bench")
    first = TransactionBuilder(network, founder.public_key).create_account(issuer.public_key)
    define = TransactionBuilder(network, issuer.public_key).create_asset("bench", "Benchmark")
    secret = issuer.secret_key.secret_bytes
    each = ACCOUNTS_PER_TRANSACTION * OPENING_PER_REQUEST
    keys, addresses = [], []
    with Client(url, network) as client, _pool() as pool:
        client.submit_and_wait(first.build().sign(founder)).raise_for_status()
        client.submit_and_wait(define.build().sign(issuer)).raise_for_status()
        starts = range(0, count, each)
        counts = [min(each, count - start) for start in starts]
        size = len(starts)
        parts = pool.map(
            _opening, [network] * size, [asset] * size, [secret] * size, [seed] * size, starts,
            counts,
        )  # fmt: skip
        for made, found_keys, found_addresses in parts:
            # One request at a time: blocks stay small, whatever the machine.
            said = client.submit_bulk(made, wait=OPENING_SECONDS)
            if any(verdict.code != "final" for verdict in said.verdicts):
                raise _not_opened(Counter(verdict.code for verdict in said.verdicts))
            keys.append(found_keys)
            addresses.append(found_addresses)
    return Accounts(network, asset, seed, count, b"".join(keys), b"".join(addresses))


def _not_opened(said: Counter[str]) -> Failure:
    return finding(
        _("The accounts could not be opened: {codes}.", codes=dict(said)), code="not_opened"
    )


def _opening(
    network: Network, asset: bytes, issuer: bytes, seed: bytes, start: int, count: int
) -> tuple[list[bytes], bytes, bytes]:
    signer = MemorySigner(SecretKey(Algorithm.ED25519, issuer))
    keys = [_public(seed, number) for number in range(start, start + count)]
    addresses = [network.address(key) for key in keys]
    made = []
    for at in range(0, count, ACCOUNTS_PER_TRANSACTION):
        builder = TransactionBuilder(network, signer.public_key)
        for place in range(at, min(at + ACCOUNTS_PER_TRANSACTION, count)):
            builder.create_account(keys[place]).issue(asset, addresses[place], BALANCE)
        made.append(builder.build().sign(signer).encoded)
    raw = b"".join(key.raw for key in keys)
    return made, raw, b"".join(address.raw for address in addresses)


def _public(seed: bytes, number: int) -> PublicKey:
    from bubi import core  # noqa: PLC0415 - only measuring needs the compiled core

    key = core.SigningKey.from_bytes(0, _secret(seed, number))
    return PublicKey.from_tagged(key.public_key)


def presign(accounts: Accounts, folder: Path, count: int, request: int) -> Bodies:
    """Signs transfers between accounts chosen by chance, in bodies of `request`, into a file."""
    valid_until = time.time_ns() // 1_000_000 + LIFETIME_MS
    file = folder / f"transfers-{secrets.token_hex(4)}"
    cores = len(os.sched_getaffinity(0))
    share = max(1, -(-count // request // cores)) * request
    sizes = [min(share, count - start) for start in range(0, count, share)]
    names = [f"{file}.{number}" for number in range(len(sizes))]
    with _pool() as pool:
        size = len(sizes)
        made = pool.map(
            _presigned, [accounts] * size, [valid_until] * size, names, sizes, [request] * size
        )
        parts = list(made)
    ends: list[int] = []
    counts: list[int] = []
    with file.open("wb") as joined:
        for name, (lengths, numbers) in zip(names, parts, strict=True):
            joined.write(Path(name).read_bytes())
            Path(name).unlink()
            for length in lengths:
                ends.append((ends[-1] if ends else 0) + length)
            counts += numbers
    return Bodies(str(file), ends, counts)


def _presigned(
    accounts: Accounts, valid_until: int, file: str, count: int, request: int
) -> tuple[list[int], list[int]]:
    from bubi import core  # noqa: PLC0415

    template = Template(accounts.network, accounts.asset, valid_until)
    choose = random.Random(secrets.token_bytes(16))  # noqa: S311 - which accounts, nothing secret
    lengths, counts = [], []
    with Path(file).open("wb") as out:
        for start in range(0, count, request):
            made = []
            for _number in range(min(request, count - start)):
                source, other = (
                    choose.randrange(accounts.count),
                    choose.randrange(1, accounts.count),
                )
                target = (source + other) % accounts.count
                body = template.fill(
                    accounts.addresses[_HASH * source : _HASH * source + _HASH],
                    accounts.addresses[_HASH * target : _HASH * target + _HASH],
                    os.urandom(16),
                )
                key = core.SigningKey.from_bytes(0, accounts.secret(source))
                signature = key.sign(template.message(body))
                public = accounts.keys[_KEY * source : _KEY * source + _KEY]
                made.append(template.join(body, public, signature))
            body = bulk_body(made)
            out.write(body)
            lengths.append(len(body))
            counts.append(len(made))
    return lengths, counts
