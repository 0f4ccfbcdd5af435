"""What `bubi bench network` sends: transactions of a workload, signed by all cores into files.

transfer   one account pays another
issue      the issuer gives to an account
record     an account writes a new record with 200 bytes of content
smallbank  Smallbank as Hyperledger Caliper runs it: transact_savings, deposit_checking,
           send_payment, write_check and amalgamate, equally often, amounts 1 to 200. Savings and
           checking are two assets of the bank, so what a customer pays in is issued and what he
           takes out is burnt; amalgamate burns savings of one customer and issues as much checking
           to another in one atomic group that customer and bank sign
multisig   a transfer of an account that needs two of its three keys
"""

from __future__ import annotations

import hashlib
import math
import os
import random
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bubi_sdk import Address, Network, TransactionBuilder
from bubi_sdk.operations import Digest
from bubi_sdk.transaction import bulk_body

from bubi.cli.bench_accounts import (
    ISSUE,
    MULTISIG,
    NAMESPACE,
    RECORD,
    SIGNERS,
    SIGNERS_NEEDED,
    SMALLBANK,
    Accounts,
    Table,
)
from bubi.cli.bench_template import Template, amount_bytes, amount_marker, markers_of_keys

if TYPE_CHECKING:
    from bubi import core

LIFETIME_MS: Final = 550_000
"""Shorter than the longest that the ledger takes (10 min)."""
CONTENT_BYTES: Final = 200
AMOUNT_MAX: Final = 200
_HASH: Final = 32
_REPLAY: Final = 16
_ED25519: Final = 0
_ZETA_TERMS: Final = 10_000


@dataclass(frozen=True)
class Segment:
    """Bulk bodies in a file: where each ends, and how many transactions it holds.

    `cpu_seconds` is what making them took.
    """

    file: str
    ends: list[int]
    counts: list[int]
    cpu_seconds: float = 0.0

    @property
    def transactions(self) -> int:
        """All together."""
        return sum(self.counts)

    @property
    def transaction_bytes(self) -> int:
        """Mean size of a signed transaction, the length before it included."""
        return round(self.ends[-1] / self.transactions)


class Zipf:
    """Numbers below `count`; the first is the most frequent, number k is so by k^-theta.

    The method is that of YCSB (Gray et al., "Quickly generating billion-record synthetic
    databases", 1994). Accounts lie in the order of their
    hashes, so neighbours here are none there.
    """

    def __init__(self, count: int, theta: float, chance: random.Random) -> None:
        self._count = count
        self._chance = chance
        self._zeta = zeta(count, theta)
        self._half = 1.0 + 0.5**theta
        self._alpha = 1.0 / (1.0 - theta)
        self._eta = (1.0 - (2.0 / count) ** (1.0 - theta)) / (1.0 - zeta(2, theta) / self._zeta)

    def draw(self) -> int:
        """The next number."""
        share = self._chance.random()
        scaled = share * self._zeta
        if scaled < 1.0:
            return 0
        if scaled < self._half:
            return 1
        place = self._count * math.pow(self._eta * share - self._eta + 1.0, self._alpha)
        return min(int(place), self._count - 1)


def zeta(count: int, theta: float) -> float:
    """Sum of k^-theta for k from 1 to `count`: exact for the first, then the integral."""
    exact = min(count, _ZETA_TERMS)
    total = math.fsum(float(number) ** -theta for number in range(1, exact + 1))
    if count > exact:
        # Euler and Maclaurin: the integral, and half of the first and last term.
        total += (float(count) ** (1.0 - theta) - float(exact) ** (1.0 - theta)) / (1.0 - theta)
        total += (float(count) ** -theta - float(exact) ** -theta) / 2
    return total


class Scribe:
    """Makes signed transactions of a workload, one after the other."""

    def __init__(self, accounts: Accounts, zipf: float | None, valid_until: int) -> None:
        from bubi import core  # noqa: PLC0415 - only measuring needs the compiled core

        self._key = core.SigningKey.from_bytes
        self._accounts = accounts
        self._table = Table(accounts)
        self._chance = random.Random(secrets.token_bytes(16))  # noqa: S311 - nothing secret
        self._draw: Callable[[], int] = lambda: self._chance.randrange(accounts.count)
        if zipf is not None:
            self._draw = Zipf(accounts.count, zipf, self._chance).draw
        self._issuer = accounts.issuer_key.raw, self._key(_ED25519, accounts.issuer)
        self._templates = _Templates(accounts, valid_until)
        kinds = {
            ISSUE: (self._issue,),
            RECORD: (self._record,),
            MULTISIG: (self._multisig,),
            SMALLBANK: (
                self._transact_savings,
                self._deposit_checking,
                self._send_payment,
                self._write_check,
                self._amalgamate,
            ),
        }
        self._kinds: Sequence[Callable[[], bytes]] = kinds.get(
            accounts.workload, (self._transfer,)
        )

    def make(self) -> bytes:
        """The next transaction."""
        return self._chance.choice(self._kinds)()

    def _pair(self) -> tuple[int, int]:
        source, target = self._draw(), self._draw()
        while target == source:
            target = self._chance.randrange(self._accounts.count)
        return source, target

    def _signer(self, number: int, place: int = 0) -> tuple[bytes, core.SigningKey]:
        secret = self._accounts.secret(number, place)
        return self._table.key(number, place), self._key(_ED25519, secret)

    def _amount(self) -> bytes:
        return amount_bytes(self._chance.randint(1, AMOUNT_MAX))

    def _transfer(self) -> bytes:
        source, target = self._pair()
        return self._pay(source, target, [self._signer(source)], self._templates.transfer)

    def _send_payment(self) -> bytes:
        return self._transfer()

    def _multisig(self) -> bytes:
        source, target = self._pair()
        places = self._chance.sample(range(SIGNERS), SIGNERS_NEEDED)
        signers = [self._signer(source, place) for place in places]
        return self._pay(source, target, signers, self._templates.multisig)

    def _pay(
        self,
        source: int,
        target: int,
        signers: Sequence[tuple[bytes, core.SigningKey]],
        template: Template,
    ) -> bytes:
        one, other = self._table.address(source), self._table.address(target)
        body = template.fill((one, os.urandom(_REPLAY), other, self._amount()))
        return template.sign(body, signers)

    def _issue(self) -> bytes:
        return self._issued(self._templates.issue)

    def _deposit_checking(self) -> bytes:
        return self._issued(self._templates.issue)

    def _transact_savings(self) -> bytes:
        return self._issued(self._templates.save)

    def _issued(self, template: Template) -> bytes:
        target = self._table.address(self._draw())
        body = template.fill((os.urandom(_REPLAY), target, self._amount()))
        return template.sign(body, (self._issuer,))

    def _write_check(self) -> bytes:
        template, source = self._templates.burn, self._draw()
        values = self._table.address(source), os.urandom(_REPLAY), self._amount()
        return template.sign(template.fill(values), (self._signer(source),))

    def _amalgamate(self) -> bytes:
        template, (source, target) = self._templates.amalgamate, self._pair()
        amount = self._amount()
        one, other = self._table.address(source), self._table.address(target)
        body = template.fill((one, os.urandom(_REPLAY), amount, other, amount))
        return template.sign(body, (self._signer(source), self._issuer))

    def _record(self) -> bytes:
        template, source = self._templates.record, self._draw()
        content = os.urandom(CONTENT_BYTES)
        values = (
            self._table.address(source),
            os.urandom(_REPLAY),
            secrets.token_hex(_REPLAY).encode(),
            hashlib.sha256(content).digest(),
            content,
        )
        return template.sign(template.fill(values), (self._signer(source),))


class _Templates:
    """One template of each kind. Their places are named where they are filled."""

    def __init__(self, accounts: Accounts, valid_until: int) -> None:
        self._network, self._valid_until = accounts.network, valid_until
        self._source, self._target = secrets.token_bytes(_HASH), secrets.token_bytes(_HASH)
        self._replay = os.urandom(_REPLAY)
        bank = Address(self._source)
        amount, other = amount_marker(), amount_marker()
        target = Address(self._target)
        head = [self._source, self._replay]
        paid = self._builder(bank).transfer(accounts.asset, target, amount)
        places = [*head, self._target, amount_bytes(amount)]
        self.transfer = _template(paid, places, 1)
        self.multisig = _template(paid, places, SIGNERS_NEEDED)
        burnt = self._builder(bank).burn(accounts.asset, amount)
        self.burn = _template(burnt, [*head, amount_bytes(amount)], 1)
        issuer = self._network.address(accounts.issuer_key)
        places = [self._replay, self._target, amount_bytes(amount)]
        issued = self._builder(issuer).issue(accounts.asset, target, amount)
        self.issue = _template(issued, places, 1)
        saved = self._builder(issuer).issue(accounts.savings, target, amount)
        self.save = _template(saved, places, 1)
        both = self._builder(bank).burn(accounts.savings, amount)
        both.issue(accounts.asset, target, other, acting=issuer)
        places = [*head, amount_bytes(amount), self._target, amount_bytes(other)]
        self.amalgamate = _template(both, places, 2)
        self.record = self._written(self._network, bank)

    def _builder(self, source: Address) -> TransactionBuilder:
        builder = TransactionBuilder(self._network, source)
        return builder.id(self._replay).valid_until(self._valid_until)

    def _written(self, network: Network, source: Address) -> Template:
        content, key = os.urandom(CONTENT_BYTES), secrets.token_hex(_REPLAY)
        digest = Digest.of(content)
        namespace = network.namespace_id(NAMESPACE)
        written = self._builder(source).put_record(namespace, key, digest, content=content)
        places = [self._source, self._replay, key.encode(), digest.bytes, content]
        return _template(written, places, 1)


def _template(builder: TransactionBuilder, markers: list[bytes], signers: int) -> Template:
    return Template(builder.build().sign(*markers_of_keys(signers)), markers)


def presign(
    workers: Executor,
    accounts: Accounts,
    folder: Path,
    count: int,
    request: int,
    zipf: float | None = None,
) -> list[Segment]:
    """Signs transactions in bodies of `request` into files, one for each core at most."""
    cores = len(os.sched_getaffinity(0))
    share = max(1, -(-count // request // cores)) * request
    sizes = [min(share, count - start) for start in range(0, count, share)]
    stem = f"{folder}/transactions-{secrets.token_hex(4)}"
    waiting: list[Any] = [
        workers.submit(_presigned, accounts, zipf, f"{stem}.{number}", size, request)
        for number, size in enumerate(sizes)
    ]
    return [one.result() for one in waiting]


def _presigned(
    accounts: Accounts, zipf: float | None, file: str, count: int, request: int
) -> Segment:
    began = time.process_time()
    scribe = Scribe(accounts, zipf, time.time_ns() // 1_000_000 + LIFETIME_MS)
    ends: list[int] = []
    counts: list[int] = []
    with Path(file).open("wb") as out:
        for size in _sizes(count, request):
            out.write(bulk_body([scribe.make() for _ in range(size)]))
            ends.append(out.tell())
            counts.append(size)
    return Segment(file, ends, counts, time.process_time() - began)


def _sizes(count: int, request: int) -> Iterator[int]:
    for start in range(0, count, request):
        yield min(request, count - start)
