"""LiteSVM through `solders`: the Solana virtual machine in this process, called one by one."""

from __future__ import annotations

import random
import time
from typing import Any

from peer import percentile, python_packages

TITLE = "LiteSVM (solders)"
FEATURES = {
    "nodes": "in process, one thread",
    "signatures": "Ed25519, verified for each",
    "bft": "no consensus",
    "root": "no",
    "fsync": "nothing is written",
}
ACCOUNTS = 1_000
LAMPORTS = 10**11
PORTION = 20_000


def install() -> None:
    """Installs the package."""
    python_packages("solders==0.29.0")


def measure(seconds: float) -> dict[str, Any]:
    """Rate and time of a call; signing does not count."""
    install()
    from solders.hash import Hash  # noqa: PLC0415 - installed just now
    from solders.keypair import Keypair  # noqa: PLC0415
    from solders.litesvm import LiteSVM  # noqa: PLC0415
    from solders.message import Message  # noqa: PLC0415
    from solders.system_program import TransferParams, transfer  # noqa: PLC0415
    from solders.transaction import VersionedTransaction  # noqa: PLC0415

    machine = LiteSVM().with_transaction_history(0)
    chance = random.Random(1)
    keys = [Keypair() for _ in range(ACCOUNTS)]
    for key in keys:
        machine.airdrop(key.pubkey(), LAMPORTS)
    newest: Hash = machine.latest_blockhash()
    used, calls, amount = 0.0, [], 0
    while used < seconds:
        signed = []
        for _ in range(PORTION):
            source, target = chance.sample(keys, 2)
            amount += 1  # no two are the same transaction
            moved = transfer(
                TransferParams(
                    from_pubkey=source.pubkey(),
                    to_pubkey=target.pubkey(),
                    lamports=1 + amount % 10**6,
                )
            )
            message = Message.new_with_blockhash([moved], source.pubkey(), newest)
            signed.append(VersionedTransaction(message, [source]))
        before = time.perf_counter()
        for one in signed:
            began = time.perf_counter()
            answer = machine.send_transaction(one)
            calls.append(time.perf_counter() - began)
            if "Failed" in type(answer).__name__:
                msg = f"LiteSVM refused a transfer: {answer}"
                raise RuntimeError(msg)
        used += time.perf_counter() - before
    calls.sort()
    return {
        "rate": len(calls) / used,
        "p50_ms": percentile(calls, 0.5) * 1_000,
        "p99_ms": percentile(calls, 0.99) * 1_000,
    }
