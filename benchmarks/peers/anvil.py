"""Anvil: one process, an Ethereum machine in memory, JSON-RPC. Presigned EIP-1559 transfers.

Blocks are made every 100 ms; the sender's signature is recovered for every transaction. Requests
hold 50 transactions of one of 100 senders, whose numbers follow each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from peer import (
    CACHE,
    Attempt,
    JsonRpc,
    Load,
    UnavailableError,
    free_ports,
    python_packages,
    run,
    search,
    watched_loop,
)

TITLE = "Anvil 1.7 (revm)"
FEATURES = {
    "nodes": "1 process",
    "signatures": "secp256k1, recovered for each",
    "bft": "no consensus",
    "root": "yes, per block",
    "fsync": "nothing is written",
}
PACKAGE = "@foundry-rs/anvil@1.7.1"
SENDERS = 100
REQUEST = 50
FIRST = 800.0
START_SECONDS = 60.0
POLL_SECONDS = 0.02
GAS = 21_000
TARGETS = 1_000
TARGET = b"bubi-benchmark.."
"""Receivers are the same all the time: it copies its state with every block."""
FEE = 2 * 10**12


def install() -> Path:
    """Installs it with npm unless that was done before."""
    place = CACHE / "anvil"
    program = place / "node_modules" / ".bin" / "anvil"
    if not program.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise UnavailableError("the command `npm` is not installed")
        place.mkdir(parents=True, exist_ok=True)
        words = [npm, "install", "--no-audit", "--no-fund", "--prefix", place, PACKAGE]
        run(words, f"npm install {PACKAGE}")
    python_packages("coincurve", "pycryptodome")
    return program


def measure(seconds: float) -> dict[str, Any]:
    """Rate and latency of one process."""
    program = install()
    with (
        tempfile.TemporaryDirectory(prefix="bubi-peer-") as folder,
        _process(program, Path(folder)) as (port, senders),
    ):
        nonces = [0] * SENDERS

        def attempt(rate: float, time: float) -> Attempt:
            signed = presign(senders, nonces, max(1, round(rate * time / REQUEST)))
            return asyncio.run(_load(port, signed, rate, time))

        found = search(attempt, FIRST, seconds)
    return {
        "rate": found.committed,
        "p50_ms": found.p50 * 1_000,
        "p99_ms": found.p99 * 1_000,
    }


@contextlib.contextmanager
def _process(program: Path, folder: Path) -> Iterator[tuple[int, list[str]]]:
    (port,) = free_ports(1)
    made = folder / "accounts.json"
    words = [program, "--port", str(port), "--silent", "--accounts", str(SENDERS)]
    words += ["--block-time", "0.1", "--config-out", made]
    words += ["--gas-limit", "1000000000000", "--order", "fifo", "--prune-history"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (made.exists() and _answers(port)):
            if process.poll() is not None or time.monotonic() > deadline:
                msg = f"Anvil did not start: {(folder / 'log').read_text()[-500:]}"
                raise UnavailableError(msg)
            time.sleep(0.1)
        yield port, json.loads(made.read_text())["private_keys"]
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int) -> bool:
    async def ask() -> bool:
        node = JsonRpc(port)
        try:
            return bool(await node.one("eth_chainId"))
        except (OSError, asyncio.IncompleteReadError):
            return False
        finally:
            node.close()

    return asyncio.run(ask())


def presign(
    senders: list[str], nonces: list[int], requests: int
) -> list[list[tuple[bytes, bytes]]]:
    """Signed transfers with their hashes, a list for each request, by all cores."""
    plans: list[list[tuple[int, int]]] = [[] for _ in range(SENDERS)]
    for number in range(requests):
        sender = number % SENDERS
        plans[sender].append((number, nonces[sender]))
        nonces[sender] += REQUEST
    made: dict[int, list[tuple[bytes, bytes]]] = {}
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as workers:
        for part in workers.map(_sign_all, senders, plans):
            made.update(part)
    return [made[number] for number in range(requests)]


def _sign_all(key: str, plan: list[tuple[int, int]]) -> dict[int, list[tuple[bytes, bytes]]]:
    python_packages("coincurve", "pycryptodome")
    from coincurve import PrivateKey  # noqa: PLC0415 - installed just now

    secret = PrivateKey(bytes.fromhex(key.removeprefix("0x")))
    return {
        number: [transfer(secret, nonce + step) for step in range(REQUEST)]
        for number, nonce in plan
    }


def transfer(secret: Any, nonce: int) -> tuple[bytes, bytes]:
    """A signed EIP-1559 transfer of 1 wei to one of a thousand accounts, and its hash."""
    target = TARGET + (nonce * 7_919 % TARGETS).to_bytes(4, "big")
    fields = [31_337, nonce, 1, FEE, GAS, target, 1, b"", []]
    signature = secret.sign_recoverable(keccak(b"\x02" + rlp(fields)), hasher=None)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    raw = b"\x02" + rlp([*fields, signature[64], r, s])
    return raw, keccak(raw)


def keccak(data: bytes) -> bytes:
    """Keccak-256."""
    from Crypto.Hash import keccak as made  # noqa: PLC0415 - installed just now

    return bytes(made.new(digest_bits=256, data=data).digest())


def rlp(value: Any) -> bytes:
    """A value in Ethereum's encoding."""
    if isinstance(value, list):
        return _with_length(b"".join(map(rlp, value)), 0xC0)
    if isinstance(value, int):
        value = value.to_bytes((value.bit_length() + 7) // 8, "big")
    if len(value) == 1 and value[0] < 0x80:
        return bytes(value)
    return _with_length(value, 0x80)


def _with_length(data: bytes, offset: int) -> bytes:
    if len(data) <= 55:
        return bytes([offset + len(data)]) + data
    size = len(data).to_bytes((len(data).bit_length() + 7) // 8, "big")
    return bytes([offset + 55 + len(size)]) + size + data


async def _load(
    port: int, signed: list[list[tuple[bytes, bytes]]], rate: float, seconds: float
) -> Attempt:
    load = Load()
    # A sender's requests go one after the other on one connection: its numbers have an order.
    nodes = [JsonRpc(port) for _ in range(SENDERS)]
    turns = [asyncio.Lock() for _ in range(SENDERS)]

    async def send(number: int, due: float) -> None:
        calls = []
        for raw, name in signed[number]:
            load.due[name] = due
            text = "0x" + raw.hex()
            calls.append(
                {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [text]}
            )
        async with turns[number % SENDERS]:
            answers = await nodes[number % SENDERS].call(calls)
        refused = [one["error"] for one in answers if "error" in one]
        if refused:
            msg = f"Anvil refused a transfer: {refused[0]}"
            raise RuntimeError(msg)

    watched = JsonRpc(port)
    first = int(await watched.one("eth_blockNumber"), 16)
    try:
        watch = _watch(watched, first, load)
        return await watched_loop(load, rate, seconds, REQUEST, send, watch)
    finally:
        for node in (*nodes, watched):
            node.close()


async def _watch(node: JsonRpc, height: int, load: Load) -> None:
    """Notes when which transactions are in a block."""
    while True:
        newest = int(await node.one("eth_blockNumber"), 16)
        while height < newest:
            height += 1
            block = await node.one("eth_getBlockByNumber", hex(height), False)
            for text in block["transactions"]:
                load.commit(bytes.fromhex(text.removeprefix("0x")))
        await asyncio.sleep(POLL_SECONDS)
