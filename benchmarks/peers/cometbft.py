"""CometBFT v0.38 with its built-in kvstore: four validators on this machine.

Their mempools take more, blocks follow each other after 100 ms instead of a second, and a request
may hold many transactions: all of it to the advantage of the rate. Transactions have 250 bytes and
are spread over all four validators.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from peer import (
    CACHE,
    Attempt,
    JsonRpc,
    Load,
    UnavailableError,
    free_ports,
    run,
    search,
    watched_loop,
)

TITLE = "CometBFT v0.38, built-in kvstore"
FEATURES = {
    "nodes": "4 validators",
    "signatures": "none on transactions; votes are signed",
    "bft": "yes",
    "root": "no: the application's hash is a count",
    "fsync": "blocks and votes; the application keeps its state in memory",
}
VERSION = "v0.38.25"
PACKAGE = f"github.com/cometbft/cometbft/cmd/cometbft@{VERSION}"
COUNT = 4
REQUEST = 50
TRANSACTION_BYTES = 250
FIRST = 800.0
START_SECONDS = 60.0
POLL_SECONDS = 0.02


def install() -> Path:
    """Builds the program with Go unless that was done before."""
    program = CACHE / f"cometbft-{VERSION}" / "cometbft"
    if not program.exists():
        go = shutil.which("go")
        if go is None:
            raise UnavailableError("the command `go` is not installed")
        building = CACHE / f"building-{os.getpid()}"
        flags = {"GOBIN": str(building), "GOFLAGS": "-mod=mod -p=2"}
        try:
            run([go, "install", PACKAGE], f"go install {PACKAGE}", env={**os.environ, **flags})
            program.parent.mkdir(parents=True, exist_ok=True)
            (building / "cometbft").replace(program)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return program


def measure(seconds: float) -> dict[str, Any]:
    """Rate and latency of the network."""
    program = install()
    with tempfile.TemporaryDirectory(prefix="bubi-peer-") as folder:
        ports = configure(program, Path(folder))
        with contextlib.ExitStack() as stack:
            for place in range(COUNT):
                stack.enter_context(_node(program, Path(folder) / f"node{place}"))
            asyncio.run(_ready(ports))
            found = search(
                lambda rate, time: asyncio.run(_load(ports, rate, time)), FIRST, seconds
            )
    return {
        "rate": found.committed,
        "p50_ms": found.p50 * 1_000,
        "p99_ms": found.p99 * 1_000,
    }


def configure(program: Path, folder: Path) -> list[int]:
    """Makes the folders of all validators; their ports for requests."""
    run(
        [
            program,
            "testnet",
            "--v",
            str(COUNT),
            "--o",
            folder,
            "--populate-persistent-peers=false",
        ],
        "cometbft testnet",
    )
    ports = free_ports(2 * COUNT)
    rpc, p2p = ports[:COUNT], ports[COUNT:]
    homes = [folder / f"node{place}" for place in range(COUNT)]
    names = [run([program, "show-node-id", "--home", home], "cometbft").strip() for home in homes]
    for place, home in enumerate(homes):
        peers = ",".join(
            f"{name}@127.0.0.1:{port}"
            for other, (name, port) in enumerate(zip(names, p2p, strict=True))
            if other != place
        )
        file = home / "config" / "config.toml"
        text = file.read_text(encoding="utf-8")
        for pattern, value in (
            (r"^proxy_app = .*", 'proxy_app = "kvstore"'),
            (r"^log_level = .*", 'log_level = "error"'),
            (r'^laddr = "tcp://127.0.0.1:26657"', f'laddr = "tcp://127.0.0.1:{rpc[place]}"'),
            (r'^laddr = "tcp://0.0.0.0:26656"', f'laddr = "tcp://127.0.0.1:{p2p[place]}"'),
            (r"^persistent_peers = .*", f'persistent_peers = "{peers}"'),
            (r"^max_request_batch_size = .*", "max_request_batch_size = 0"),
            (r"^size = 5000", "size = 100000"),
            (r"^cache_size = .*", "cache_size = 200000"),
            (r"^timeout_commit = .*", 'timeout_commit = "100ms"'),
        ):
            text, count = re.subn(f"(?m){pattern}", value, text)
            if count != 1:
                msg = f"the configuration of CometBFT has {count} lines {pattern}"
                raise UnavailableError(msg)
        file.write_text(text, encoding="utf-8")
    return rpc


@contextlib.contextmanager
def _node(program: Path, home: Path) -> Any:
    with (home / "log").open("wb") as log:
        process = subprocess.Popen([program, "start", "--home", home], stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _ready(ports: list[int]) -> None:
    deadline = time.monotonic() + START_SECONDS
    for port in ports:
        node = JsonRpc(port)
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                status = await node.one("status")
                if int(status["sync_info"]["latest_block_height"]) > 1:
                    break
            if time.monotonic() > deadline:
                raise UnavailableError("CometBFT decided nothing within a minute")
            await asyncio.sleep(0.2)
        node.close()


async def _load(ports: list[int], rate: float, seconds: float) -> Attempt:
    load, nodes = Load(), [JsonRpc(port) for port in ports]
    filling = b"x" * (TRANSACTION_BYTES - 25)

    async def send(number: int, due: float) -> None:
        calls = []
        for _ in range(REQUEST):
            key = secrets.token_hex(12).encode()
            load.due[key] = due
            text = base64.b64encode(key + b"=" + filling).decode()
            calls.append(
                {"jsonrpc": "2.0", "id": 1, "method": "broadcast_tx_async", "params": {"tx": text}}
            )
        await nodes[number % COUNT].call(calls)

    watched = JsonRpc(ports[0])
    status = await watched.one("status")
    first = int(status["sync_info"]["latest_block_height"])
    try:
        watch = _watch(watched, first, load)
        return await watched_loop(load, rate, seconds, REQUEST, send, watch)
    finally:
        for node in (*nodes, watched):
            node.close()


async def _watch(node: JsonRpc, height: int, load: Load) -> None:
    """Notes when a validator has which transactions in a block."""
    while True:
        status = await node.one("status")
        while height < int(status["sync_info"]["latest_block_height"]):
            height += 1
            block = await node.one("block", height=str(height))
            for text in block["block"]["data"]["txs"] or ():
                load.commit(base64.b64decode(text).partition(b"=")[0])
        await asyncio.sleep(POLL_SECONDS)
