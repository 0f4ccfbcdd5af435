"""Bubi itself, measured as its peers are: the highest rate of short runs, then a longer run."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

TITLE = "Bubi, pbft"
FEATURES = {
    "nodes": "4 validators, TLS",
    "signatures": "Ed25519, verified by every validator",
    "bft": "yes",
    "root": "yes, per block, provable",
    "fsync": "votes and blocks, on every validator",
}
ACCOUNTS = 100_000


def install() -> None:
    """Nothing to do: it is this program."""


def measure(seconds: float) -> dict[str, Any]:
    """Rate and latency of four validators."""
    words = [sys.executable, "-m", "bubi", "bench", "network", "--nodes", "4", "--json"]
    words += ["--accounts", str(ACCOUNTS), "--seconds", str(seconds)]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    fields = json.loads(done.stdout)
    return {
        "rate": fields["committed_per_second"],
        "p50_ms": fields["p50_ms"],
        "p99_ms": fields["p99_ms"],
    }
