"""The measurement behind `bubi bench api`: one real node, presigned transactions, an open loop.

Bulk requests go out at fixed times whatever the node answers, and latency counts from the time a
request should have gone out. What the node refuses is counted and not sent again; what it has not
answered a while after the last request was due counts as unanswered, so that a run under overload
ends too. Single requests come from many connections at once, each of which waits until its
transaction is final. Load and node share the machine.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from bubi_sdk import Client, KeystoreSigner, MemorySigner, Network, TransactionBuilder, codes
from bubi_sdk.flows import BULK_TYPE
from bubi_sdk.keys import Algorithm, SecretKey
from bubi_sdk.transaction import bulk_body

ACCOUNTS: Final = 1_000
GROUP: Final = 100
LIFETIME_SECONDS: Final = 500
WAIT_SECONDS: Final = 60
SINGLES_SECONDS: Final = 300
FINAL: Final = b"\0\0"
SHARES: Final = 8
"""Parts per core that are signed one after the other."""
TOLD_EACH: Final = 200

Told = Callable[[int], None]
"""Is told how many more are done."""


def untold(_count: int) -> None:
    """For whoever does not want to know."""


@dataclass(frozen=True)
class Load:
    """What is sent."""

    transactions: int
    request: int
    offered_per_second: float
    singles: int
    connections: int


@dataclass
class Answers:
    """What came back.

    `latencies` are those of answered requests (s); `final` transactions became final within
    `seconds`; `others` counts the transactions of all other requests by what was said instead.
    """

    latencies: list[float] = field(default_factory=list)
    final: int = 0
    others: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Rate at which transactions became final."""
        return self.final / self.seconds if self.seconds else 0.0

    def milliseconds(self, share: float) -> float:
        """The latency that this share of the answers stays below."""
        ordered = sorted(self.latencies)
        at = min(len(ordered) - 1, int(share * len(ordered)))
        return round(ordered[at] * 1_000, 1) if ordered else 0.0


@dataclass(frozen=True)
class Prepared:
    """Accounts that hold an asset."""

    network: Network
    secrets: tuple[bytes, ...]
    asset: bytes
    algorithm: Algorithm = Algorithm.ED25519


def prepare(
    url: str,
    network: Network,
    issuer: KeystoreSigner,
    algorithm: Algorithm = Algorithm.ED25519,
) -> Prepared:
    """Opens accounts with keys of this algorithm and gives each something to transfer."""
    keys = [MemorySigner.generate(algorithm) for _ in range(ACCOUNTS)]
    define = TransactionBuilder(network, issuer.public_key).create_asset("bench", "Benchmark")
    asset = network.asset_id(issuer.public_key, "bench")
    made = [define.build().sign(issuer)]
    for start in range(0, ACCOUNTS, GROUP // 2):
        builder = TransactionBuilder(network, issuer.public_key)
        for key in keys[start : start + GROUP // 2]:
            builder.create_account(key.public_key).issue(asset, key.public_key, 10**12)
        made.append(builder.build().sign(issuer))
    with Client(url, network) as client:
        for envelope in made:
            client.submit_and_wait(envelope).raise_for_status()
    secrets = tuple(key.secret_key.secret_bytes for key in keys)
    return Prepared(network, secrets, asset, algorithm)


def presigned(prepared: Prepared, start: int, count: int, as_json: bool) -> list[bytes]:
    """Signed transfers among the accounts, each with an id of its own."""
    signers = [MemorySigner(SecretKey(prepared.algorithm, one)) for one in prepared.secrets]
    made = []
    for number in range(start, start + count):
        source = signers[number % len(signers)]
        target = signers[(number + 1) % len(signers)]
        builder = TransactionBuilder(prepared.network, source.public_key)
        builder.transfer(prepared.asset, target.public_key, 1).valid_for(LIFETIME_SECONDS)
        envelope = builder.build().sign(source)
        made.append(json.dumps(envelope.to_json()).encode() if as_json else envelope.encoded)
    return made


def presigned_by_all_cores(
    prepared: Prepared, count: int, made: Told = untold, *, as_json: bool = False
) -> list[bytes]:
    """The same, made by one process per core; `made` is told how many more are."""
    cores = len(os.sched_getaffinity(0))
    share = -(-count // cores // SHARES)
    starts = range(0, count, share)
    with ProcessPoolExecutor(cores) as pool:
        parts = pool.map(
            presigned,
            [prepared] * len(starts),
            starts,
            [min(share, count - start) for start in starts],
            [as_json] * len(starts),
        )
        signed: list[bytes] = []
        for part in parts:
            signed += part
            made(len(part))
        return signed


async def send_bulk(
    url: str,
    transactions: Sequence[bytes],
    load: Load,
    wait: int = WAIT_SECONDS,
    answered: Told = untold,
) -> Answers:
    """Sends bulk requests at fixed times; waits `wait` seconds at most after the last was due.

    `answered` is told of how many transactions more the node has said something.
    """
    parts = [
        transactions[at : at + load.request] for at in range(0, len(transactions), load.request)
    ]
    bodies = [bulk_body(part) for part in parts]
    answers = Answers()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(
        base_url=url, timeout=wait + 30, limits=limits, trust_env=False
    ) as client:
        began = time.monotonic() + 0.2

        async def send(number: int) -> None:
            due = began + number * load.request / load.offered_per_second
            await asyncio.sleep(due - time.monotonic())
            try:
                answer = await client.post(
                    "/v1/transactions/bulk",
                    params={"wait": "final", "timeout": str(wait)},
                    headers={"content-type": BULK_TYPE},
                    content=bodies[number],
                )
            except httpx.HTTPError as error:
                answers.others[type(error).__name__] += len(parts[number])
                return
            ended = time.monotonic()
            answered(len(parts[number]))
            final = _count(answers, answer, len(parts[number]))
            answers.latencies.append(ended - due)
            if final:
                answers.seconds = max(answers.seconds, ended - began)

        tasks = [asyncio.create_task(send(number)) for number in range(len(bodies))]
        offering = len(transactions) / load.offered_per_second
        await asyncio.wait(tasks, timeout=offering + wait)
        for number, task in enumerate(tasks):
            if task.done():
                task.result()
            else:
                task.cancel()
                answers.others["unanswered"] += len(parts[number])
        await asyncio.gather(*tasks, return_exceptions=True)
    return answers


def _count(answers: Answers, answer: httpx.Response, sent: int) -> int:
    """Counts the transactions of a bulk answer; returns how many are final."""
    if answer.status_code != 200:
        refused = answer.status_code >= 400
        answers.others[answer.json()["code"] if refused else "pending"] += sent
        return 0
    document = answer.json()
    for entry in document["refused"]:
        answers.others[entry["code"]] += 1
    numbers = memoryview(base64.b64decode(document.get("codes") or "")).cast("H")
    found = Counter("skipped" if one == codes.SKIPPED else codes.name(one) for one in numbers)
    final = found.pop(codes.name(0), 0)
    answers.final += final
    answers.others.update(found)
    return final


class _Connection(asyncio.Protocol):
    """One connection that sends a request, reads its answer, and sends the next."""

    def __init__(
        self, requests: list[bytes], answers: Answers, done: asyncio.Event, answered: Told
    ) -> None:
        self._requests, self._answers, self._done = requests, answers, done
        self._answered = answered
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def _next(self) -> None:
        if not self._requests:
            self._transport.close()
            self._done.set()
            return
        request = self._requests.pop()
        self._sent = time.monotonic()
        assert isinstance(self._transport, asyncio.WriteTransport)
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(rest) < length:
            return
        self._answers.latencies.append(time.monotonic() - self._sent)
        document = json.loads(rest[:length])
        if document.get("status") == "final":
            self._answers.final += 1
        else:
            self._answers.others[document.get("code") or document["status"]] += 1
        self._buffer = rest[length:]
        # Telling of each one would cost a part of what is measured.
        if len(self._answers.latencies) % TOLD_EACH == 0:
            self._answered(TOLD_EACH)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._done.set()


async def send_singles(
    url: str, transactions: Sequence[bytes], load: Load, answered: Told = untold
) -> Answers:
    """Sends single transactions as JSON; every connection waits until its one is final."""
    place = urlsplit(url)
    head = (
        f"POST /v1/transactions?wait=final&timeout={WAIT_SECONDS} HTTP/1.1\r\n"
        f"Host: {place.netloc}\r\nContent-Type: application/json\r\nContent-Length: "
    ).encode()
    left = [head + str(len(one)).encode() + b"\r\n\r\n" + one for one in transactions]
    answers = Answers()
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    ended = [asyncio.Event() for _ in range(load.connections)]
    transports = []
    for done in ended:
        transport, _ = await loop.create_connection(
            lambda done=done: _Connection(left, answers, done, answered),  # type: ignore[misc]
            place.hostname or "127.0.0.1",
            place.port or 80,
        )
        transports.append(transport)
    waiting = [asyncio.create_task(done.wait()) for done in ended]
    _, late = await asyncio.wait(waiting, timeout=SINGLES_SECONDS)
    for task in late:
        task.cancel()
    for transport in transports:
        transport.abort()
    await asyncio.sleep(0)
    answers.seconds = time.monotonic() - began
    answers.others["unanswered"] += len(transactions) - len(answers.latencies)
    return answers


def report(
    bulk: Answers, single: Answers, load: Load, verify_seconds: Sequence[float], verified: int
) -> dict[str, Any]:
    """What `bench api --json` reports."""
    rate = verified / statistics.median(verify_seconds)
    others = bulk.others + single.others
    return {
        "bulk_per_second": round(bulk.per_second),
        "single_per_second": round(single.per_second),
        "p50_ms": single.milliseconds(0.5),
        "p99_ms": single.milliseconds(0.99),
        "failures": others.total(),
        "not_final": dict(others),
        "verifications_per_second": round(rate),
        "ratio": round(bulk.per_second / rate, 3),
        "bulk_p50_ms": bulk.milliseconds(0.5),
        "bulk_p99_ms": bulk.milliseconds(0.99),
        "offered_per_second": round(load.offered_per_second),
        "transactions": load.transactions,
        "request": load.request,
        "singles": load.singles,
        "connections": load.connections,
    }
