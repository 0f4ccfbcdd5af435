"""The measurement behind `bubi bench api`: one real node, presigned transactions, an open loop.

Bulk requests go out at fixed times whatever the node answers, and latency counts from the time a
request should have gone out. Single requests come from many connections at once, each of which
waits until its transaction is final. Load and node share the machine.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from bubi_sdk import Client, KeystoreSigner, MemorySigner, Network, TransactionBuilder
from bubi_sdk.flows import BULK_TYPE
from bubi_sdk.keys import Algorithm, SecretKey
from bubi_sdk.transaction import bulk_body

ACCOUNTS: Final = 1_000
GROUP: Final = 100
LIFETIME_SECONDS: Final = 500
WAIT_SECONDS: Final = 60
WORKERS: Final = 16
FINAL: Final = b"\0\0"


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
    """What came back: latencies in seconds, and how many transactions did not become final."""

    latencies: list[float] = field(default_factory=list)
    failures: int = 0
    seconds: float = 0.0

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


def prepare(url: str, network: Network, issuer: KeystoreSigner) -> Prepared:
    """Opens accounts and gives each something to transfer."""
    keys = [MemorySigner.generate() for _ in range(ACCOUNTS)]
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
    return Prepared(network, tuple(key.secret_key.secret_bytes for key in keys), asset)


def presigned(prepared: Prepared, start: int, count: int, as_json: bool) -> list[bytes]:
    """Signed transfers among the accounts, each with an id of its own."""
    signers = [MemorySigner(SecretKey(Algorithm.ED25519, one)) for one in prepared.secrets]
    made = []
    for number in range(start, start + count):
        source = signers[number % len(signers)]
        target = signers[(number + 1) % len(signers)]
        builder = TransactionBuilder(prepared.network, source.public_key)
        builder.transfer(prepared.asset, target.public_key, 1).valid_for(LIFETIME_SECONDS)
        envelope = builder.build().sign(source)
        made.append(json.dumps(envelope.to_json()).encode() if as_json else envelope.encoded)
    return made


def presigned_by_all_cores(prepared: Prepared, count: int, *, as_json: bool) -> list[bytes]:
    """The same, made by one process per core."""
    cores = len(os.sched_getaffinity(0))
    share = -(-count // cores)
    starts = range(0, count, share)
    with ProcessPoolExecutor(cores) as pool:
        parts = pool.map(
            presigned,
            [prepared] * len(starts),
            starts,
            [min(share, count - start) for start in starts],
            [as_json] * len(starts),
        )
        return [one for part in parts for one in part]


def send_bulk(url: str, transactions: Sequence[bytes], load: Load) -> Answers:
    """Sends bulk requests at fixed times and waits until everything is final."""
    starts = range(0, len(transactions), load.request)
    bodies = [(bulk_body(transactions[at : at + load.request])) for at in starts]
    answers = Answers()
    with httpx.Client(base_url=url, timeout=WAIT_SECONDS + 30, trust_env=False) as client:
        began = time.monotonic() + 0.2

        def send(number: int) -> float:
            due = began + number * load.request / load.offered_per_second
            time.sleep(max(0.0, due - time.monotonic()))
            answer = client.post(
                "/v1/transactions/bulk",
                params={"wait": "final", "timeout": str(WAIT_SECONDS)},
                headers={"content-type": BULK_TYPE},
                content=bodies[number],
            )
            ended = time.monotonic()
            answers.failures += _failed(answer, load.request)
            answers.latencies.append(ended - due)
            return ended

        with ThreadPoolExecutor(WORKERS) as pool:
            answers.seconds = max(pool.map(send, range(len(bodies)))) - began
    return answers


def _failed(answer: httpx.Response, sent: int) -> int:
    codes = answer.json().get("codes") if answer.status_code == 200 else None
    if codes is None:
        return sent
    data = base64.b64decode(codes)
    return sum(data[at : at + 2] != FINAL for at in range(0, len(data), 2))


class _Connection(asyncio.Protocol):
    """One connection that sends a request, reads its answer, and sends the next."""

    def __init__(self, requests: list[bytes], answers: Answers, done: asyncio.Event) -> None:
        self._requests, self._answers, self._done = requests, answers, done
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
        self._answers.failures += b'"status": "final"' not in rest[:length]
        self._buffer = rest[length:]
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._done.set()


async def send_singles(url: str, transactions: Sequence[bytes], load: Load) -> Answers:
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
    for done in ended:
        await loop.create_connection(
            lambda done=done: _Connection(left, answers, done),  # type: ignore[misc]
            place.hostname or "127.0.0.1",
            place.port or 80,
        )
    for done in ended:
        await done.wait()
    answers.seconds = time.monotonic() - began
    answers.failures += len(transactions) - len(answers.latencies)
    return answers


def report(
    bulk: Answers, single: Answers, load: Load, verify_seconds: Sequence[float], verified: int
) -> dict[str, Any]:
    """What `bench api --json` reports."""
    rate = verified / statistics.median(verify_seconds)
    per_second = (load.transactions - bulk.failures) / bulk.seconds
    return {
        "bulk_per_second": round(per_second),
        "single_per_second": round((load.singles - single.failures) / single.seconds),
        "p50_ms": single.milliseconds(0.5),
        "p99_ms": single.milliseconds(0.99),
        "failures": bulk.failures + single.failures,
        "verifications_per_second": round(rate),
        "ratio": round(per_second / rate, 3),
        "bulk_p50_ms": bulk.milliseconds(0.5),
        "bulk_p99_ms": bulk.milliseconds(0.99),
        "offered_per_second": round(load.offered_per_second),
        "transactions": load.transactions,
        "request": load.request,
        "singles": load.singles,
        "connections": load.connections,
    }
