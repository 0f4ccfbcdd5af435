#!/usr/bin/env python3
"""How fast the gateway's index catches up from one idle node.

Starts a node of its own in an empty folder, fills it with transfers between accounts chosen by
chance, lets it rest, and builds the index from zero several times. The database is a SQLite file,
or what `--database postgresql://…` names (emptied before every round).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from bubi_sdk import MemorySigner, Trust
from bubi_sdk.keys import Algorithm, SecretKey

from bubi import core
from bubi.cli.bench_accounts import Accounts, open_accounts, pool
from bubi.cli.bench_workloads import presign
from bubi.cli.network import free_ports
from bubi.gateway.config import NodeSection
from bubi.gateway.index import database, writer
from bubi.gateway.index.follower import Follower, Source
from bubi.node.init import initialise

REQUEST = 2_000
START_SECONDS = 60


def main() -> None:
    """Measures and prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transactions", type=int, default=200_000)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", help="postgresql:// address; else a SQLite file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bubi-index-") as folder:
        home = Path(folder)
        founder = SecretKey(Algorithm.ED25519, secrets.token_bytes(32))
        process, url, accounts = start_node(home, founder, options.accounts)
        try:
            fill(url, home, accounts, options.transactions)
            seconds, processor, transactions = measure(
                url, options.database or home / "index.sqlite", options.rounds
            )
        finally:
            process.terminate()
            process.wait()
    rates = [transactions / one for one in seconds]
    print(
        json.dumps(
            {
                "database": "postgresql" if options.database else "sqlite",
                "cores": len(os.sched_getaffinity(0)),
                "transactions": transactions,
                "accounts": options.accounts,
                "seconds": seconds,
                "transactions_per_second": statistics.median(rates),
                "spread": [min(rates), max(rates)],
                "cpu_us_per_transaction": statistics.median(processor) / transactions * 1e6,
            }
        )
    )


def start_node(
    home: Path, founder: SecretKey, count: int
) -> tuple[subprocess.Popen[bytes], str, Accounts]:
    """One validator with so many accounts, opened by the founder."""
    port = free_ports([8_801])[0]
    made = initialise(
        home / "node", api_port=port, accounts=[MemorySigner(founder).public_key.tagged]
    )
    signer = MemorySigner(founder)
    names = Trust.load(made.trust_file).network
    accounts = open_accounts([made.config], names, signer, home, count)
    with (home / "node.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bubi", "node", "run", str(made.config)],
            stdout=log,
            stderr=log,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{made.url}/health").status_code == 200:
                return process, made.url, accounts
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    process.terminate()
    raise SystemExit((home / "node.log").read_text())


def fill(url: str, home: Path, accounts: Accounts, transactions: int) -> None:
    """Puts transfers into the ledger."""
    with pool() as workers:
        segments = presign(workers, accounts, home, transactions, REQUEST)
    with httpx.Client(base_url=url, timeout=120) as client:
        for segment in segments:
            with Path(segment.file).open("rb") as file:
                for end in segment.ends:
                    answer = client.post(
                        "/v1/transactions/bulk?wait=final&timeout=60",
                        content=file.read(end - file.tell()),
                        headers={"Content-Type": "application/vnd.bubi.transactions"},
                    )
                    answer.raise_for_status()


def measure(url: str, where: str | Path, rounds: int) -> tuple[list[float], list[float], int]:
    """Seconds and seconds of processor time per round, and the number of transactions."""
    node = NodeSection(url, None, None, None)
    height = Source(node).export(2**62, 0)[1]
    seconds, processor, count = [], [], 0
    for _round in range(rounds):
        if isinstance(where, Path):
            for part in where.parent.glob(f"{where.name}*"):
                part.unlink()
        engine = database.connect(where)
        if not isinstance(where, Path):
            writer.empty(engine)
        before, used = time.perf_counter(), cpu_seconds()
        Follower(engine, node, Path(tempfile.gettempdir())).follow(
            lambda _progress: None, until=height
        )
        seconds.append(time.perf_counter() - before)
        processor.append(cpu_seconds() - used)
        with engine.connect() as connection:
            progress = writer.read_progress(connection)
        assert progress is not None
        assert progress.height == height
        count = progress.transactions
        engine.dispose()
    return seconds, processor, count


def cpu_seconds() -> float:
    """Processor time of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    assert core.version()
    main()
