"""How fast a node catches up while the others go on: blocks per second against the live rate.

Four validators decide what a few clients send; one is killed, misses blocks, and is started
again under the same load. Counted is from its first answer until it is level with the others, so
that the start of its process is not in the figure. With groups, blocks are as full as the clients
make them: `transactions_per_block` says how full.

Run: python benchmarks/sync.py [--seconds 30] [--clients 4] [--group 1]
     python benchmarks/sync.py --clients 8 --group 500      # blocks full of transactions
     python benchmarks/sync.py --clients 8 --group 500 --quiet

All nodes share this machine, and under a full load the one that catches up gets a fifth of it.
With `--quiet` the load ends when it comes back, as if it had a machine of its own.
"""

import argparse
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
from bubi_sdk import BubiError, Client, Envelope, KeystoreSigner, TransactionBuilder

PATIENCE_SECONDS = 240.0
POLL_SECONDS = 0.2


def command(*words: str) -> dict[str, Any]:
    """One call of `bubi` with its answer."""
    done = subprocess.run(
        [sys.executable, "-m", "bubi", *words, "--json"], stdout=subprocess.PIPE, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def height(url: str) -> int | None:
    """Height of a node; None while it does not answer."""
    try:
        return int(httpx.get(f"{url}/health", timeout=5, trust_env=False).json()["height"])
    except (httpx.HTTPError, KeyError, ValueError):
        return None


class Load:
    """Clients that send a group of transactions and wait for it, again and again."""

    def __init__(self, urls: list[str], address: str, signer: KeystoreSigner, group: int) -> None:
        self._urls, self._address, self._signer, self._group = urls, address, signer, group
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._counting = threading.Lock()
        self.final = 0
        """Transactions whose outcome came back."""

    def start(self, clients: int) -> None:
        """Begins."""
        for number in range(clients):
            url = self._urls[number % len(self._urls)]
            self._threads.append(threading.Thread(target=self._send, args=(url,)))
            self._threads[-1].start()

    def stop(self) -> None:
        """Ends."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _send(self, url: str) -> None:
        with Client(url) as first:
            identity = first.network()
        with Client(url, identity) as client:
            while not self._over.is_set():
                signed = []
                for _ in range(self._group):
                    builder = TransactionBuilder(identity, self._address)
                    signed.append(
                        builder.set_data(f"k{secrets.token_hex(1)}", b"1")
                        .build()
                        .sign(self._signer)
                    )
                # A node that is busy or behind refuses; the load goes on.
                with contextlib.suppress(BubiError):
                    done = self._submit(client, signed)
                    with self._counting:
                        self.final += done

    def _submit(self, client: Client, signed: list[Envelope]) -> int:
        """Sends a group and waits for it; how many became final."""
        if self._group == 1:
            client.submit_and_wait(signed[0], within=30)
            return 1
        verdicts = client.submit_bulk(signed, wait=30).verdicts
        return sum(one.code == "final" for one in verdicts)


def catch_up(
    node: dict[str, Any], others: list[str], seconds: float, load: Load, *, quiet: bool
) -> dict[str, float]:
    """Kills a node, lets it miss blocks, starts it, and follows it until it is level."""
    config = str(Path(node["data"]) / "config.toml")
    os.kill(node["pid"], signal.SIGKILL)
    began, before, sent = time.monotonic(), height(others[0]) or 0, load.final
    time.sleep(seconds)
    took, blocks = time.monotonic() - began, (height(others[0]) or 0) - before
    per_second = (load.final - sent) / took
    if quiet:
        load.stop()
    log = Path(node["data"]) / "sync.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "bubi", "node", "run", config], stderr=errors
        ) as process,
    ):
        try:
            return {
                "transactions_per_block": per_second * took / max(blocks, 1),
                "live_blocks_per_second": blocks / took,
                "live_transactions_per_second": per_second,
                **_follow(node["url"], others[0], process, log),
            }
        finally:
            process.terminate()


def _follow(url: str, other: str, process: subprocess.Popen[bytes], log: Path) -> dict[str, float]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    first: tuple[float, int] | None = None
    while time.monotonic() < deadline and process.poll() is None:
        here = height(url)
        now = time.monotonic()
        if here is not None:
            first = first or (now, here)
            there = height(other) or 0
            if here >= there - 1:
                took = max(now - first[0], POLL_SECONDS)
                missed = here - first[1]
                return {
                    "missed_blocks": missed,
                    "seconds": took,
                    "blocks_per_second": missed / took,
                }
        time.sleep(POLL_SECONDS)
    seen = f"height {height(url)} of {height(other)}, status {process.poll()}"
    message = f"the node did not catch up: {seen}\n{log.read_text(errors='replace')[-2_000:]}"
    raise TimeoutError(message)


def main() -> None:
    """Starts a network, measures, removes it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=30.0, help="how long the node is away")
    options.add_argument("--clients", type=int, default=4)
    options.add_argument("--group", type=int, default=1, help="transactions per request")
    options.add_argument("--quiet", action="store_true", help="no load while it catches up")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "network"
        fields = command("up", "--detach", "--nodes", "4", "--data", str(data))
        try:
            account = fields["accounts"][0]
            password = (data / "accounts" / "password").read_text(encoding="utf-8").strip()
            signer = KeystoreSigner.open(account["keystore"], password)
            *staying, away = fields["nodes"]
            urls = [one["url"] for one in staying]
            load = Load(urls, account["address"], signer, asked.group)
            load.start(asked.clients)
            try:
                found = catch_up(away, urls, asked.seconds, load, quiet=asked.quiet)
            finally:
                load.stop()
        finally:
            command("reset", "--yes", "--data", str(data))
    figures = {name: round(value, 2) for name, value in found.items()}
    figures["transactions_per_second"] = round(
        found["blocks_per_second"] * found["transactions_per_block"], 2
    )
    ratio = found["blocks_per_second"] / max(found["live_blocks_per_second"], 0.01)
    print(json.dumps({"schema": 1, **figures, "ratio": round(ratio, 2), "sent": load.final}))


if __name__ == "__main__":
    main()
