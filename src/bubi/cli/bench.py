"""`bubi bench`: how fast this machine is. Figures are medians, with the spread beside them."""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import tempfile
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from bubi_sdk import KeystoreSigner, Trust
from bubi_sdk.keys import Algorithm
from rich.progress import TaskID

from bubi.cli import bench_api, bench_network_run, network, up
from bubi.cli.home import Home, NetworkState
from bubi.cli.messages import _
from bubi.cli.node import node_errors
from bubi.cli.output import AsJson, details, emit, note, progress, steps, usage

app = typer.Typer(name="bench", help=_("Measure this machine."), no_args_is_help=True)

ALGORITHMS: Final = ("ed25519", "secp256k1", "p256", "sm2")
"""In the order of their numbers (spec/encoding.md, section 3)."""

SUITES: Final = {"standard": "ed25519", "national": "sm2"}
"""In the order of their numbers, with the algorithm of their keys."""

BAD_ONE_IN: Final = 100
VERIFIED: Final = 60_000
# Of the national suite, whose keys and signatures take ten times as long to make and to verify.
VERIFIED_NATIONAL: Final = 20_000
BLOCKS: Final = 20
BLOCKS_NATIONAL: Final = 4

SuiteOption = Annotated[str, typer.Option(help=_("standard or national."))]


@app.callback()
def measure() -> None:
    """Measures this machine."""


@app.command("verify")
def verify(
    algorithm: Annotated[
        str, typer.Option(help=_("One of ed25519, secp256k1, p256, sm2."))
    ] = "ed25519",
    count: Annotated[int, typer.Option(min=1, help=_("Distinct signatures per round."))] = 100_000,
    batch: Annotated[
        int, typer.Option(min=1, help=_("Signatures per call of the core."))
    ] = 10_000,
    rounds: Annotated[int, typer.Option(min=1, help=_("Rounds; the median counts."))] = 5,
    as_json: AsJson = False,
) -> None:
    """Verifies distinct signatures of distinct keys, and again with one in a hundred wrong."""
    if algorithm not in ALGORITHMS:
        raise usage(_("There is no algorithm {name}.", name=algorithm), ", ".join(ALGORITHMS))
    fields = measured(ALGORITHMS.index(algorithm), count, batch, rounds)
    if as_json:
        emit(fields)
    else:
        details(_("Verification of signatures"), fields)


def measured(algorithm: int, count: int, batch: int, rounds: int) -> dict[str, Any]:
    """The figures that `bench verify --json` reports."""
    note(_("Making {count} keys and signatures.", count=count))
    taken = []
    with node_errors(), steps(_("Verifying"), 2) as advance:
        from bubi import core  # noqa: PLC0415 - only measuring needs the compiled core

        for wrong in (0, max(1, count // BAD_ONE_IN)):
            taken.append(core.verify_rate(algorithm, count, batch, wrong, rounds))
            advance()
    good, bad = taken
    rate = count / statistics.median(good)
    with_bad = count / statistics.median(bad)
    return {
        "verifications_per_second": round(rate),
        "cores": len(os.sched_getaffinity(0)),
        "algorithm": ALGORITHMS[algorithm],
        "backend": f"bubi-core {core.version()}",
        "batch": batch,
        "with_bad_per_second": round(with_bad),
        "with_bad_ratio": round(with_bad / rate, 3),
        "count": count,
        "rounds": rounds,
        "slowest_per_second": round(count / max(good)),
        "fastest_per_second": round(count / min(good)),
        "with_bad_spread": [round(count / max(bad)), round(count / min(bad))],
    }


@app.command("ledger")
def ledger(
    accounts: Annotated[
        int, typer.Option(min=2, help=_("Accounts among which is transferred."))
    ] = 1_000_000,
    block_size: Annotated[
        int, typer.Option(min=1, max=20_000, help=_("Transfers per block."))
    ] = 10_000,
    blocks: Annotated[
        int | None,
        typer.Option(min=1, help=_("Blocks per round; 20, of the national suite 4.")),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help=_("Rounds; the median counts."))] = 5,
    suite: SuiteOption = "standard",
    as_json: AsJson = False,
) -> None:
    """Executes transfers in a temporary folder, with root and durable log, without a node."""
    algorithm, count = _signatures(suite)
    blocks = blocks or (BLOCKS_NATIONAL if suite == "national" else BLOCKS)
    with node_errors():
        from bubi import core  # noqa: PLC0415

        seconds = core.verify_rate(algorithm, count, 10_000, 0, rounds)
        verified = count / statistics.median(seconds)
        with tempfile.TemporaryDirectory(prefix="bubi-bench-") as path, progress() as bar:
            tasks: dict[str, TaskID] = {}

            def show(stage: str, done: float) -> None:
                if stage not in tasks:
                    tasks[stage] = bar.add_task(stage, total=1.0)
                bar.update(tasks[stage], completed=done)

            measured = core.bench_ledger(
                path, accounts, block_size, blocks, rounds, list(SUITES).index(suite), show
            )
    fields = _ledger_fields(measured, verified, blocks * block_size, block_size)
    fields = {"accounts": accounts, "block_size": block_size, "suite": suite, **fields}
    if as_json:
        emit(fields)
    else:
        details(_("The ledger of one node"), fields)


def _signatures(suite: str) -> tuple[int, int]:
    """Number of the algorithm of a suite's keys, and how many signatures are verified to get V.

    Raises:
        Failure: there is no such suite.
    """
    if suite not in SUITES:
        raise usage(_("There is no suite {name}.", name=suite), ", ".join(SUITES))
    count = VERIFIED_NATIONAL if suite == "national" else VERIFIED
    return ALGORITHMS.index(SUITES[suite]), count


def _ledger_fields(
    measured: dict[str, Any], verified: float, per_round: int, block_size: int
) -> dict[str, Any]:
    prechecked = [block_size / seconds for seconds in measured["prechecked"]]
    signed = [per_round / seconds for seconds in measured["signed"]]
    each, count = measured["prechecked"], per_round // block_size
    rounds = [per_round / sum(each[at : at + count]) for at in range(0, len(each), count)]
    return {
        "prechecked_per_second": round(statistics.median(prechecked)),
        "prechecked_spread": [round(min(prechecked)), round(max(prechecked))],
        "prechecked_round_per_second": round(statistics.median(rounds)),
        "prechecked_round_spread": [round(min(rounds)), round(max(rounds))],
        "signed_per_second": round(statistics.median(signed)),
        "signed_spread": [round(min(signed)), round(max(signed))],
        "verifications_per_second": round(verified),
        "ratio": round(statistics.median(signed) / verified, 3),
        "root_ms_per_block": round(1_000 * statistics.median(measured["execute"]), 2),
        "block_ms": round(1_000 * statistics.median(measured["prechecked"]), 2),
        "fsyncs": measured["fsyncs"],
        "blocks": measured["blocks"],
        "cells": measured["cells"],
        "rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024,
        "start_seconds": round(measured["start"], 2),
        "cores": len(os.sched_getaffinity(0)),
    }


@app.command("api", help=_("Measure one real node end to end: bulk door and single requests."))
def api(
    transactions: Annotated[
        int, typer.Option(min=1, help=_("Transactions through the bulk door."))
    ] = 100_000,
    request: Annotated[int, typer.Option(min=1, help=_("Transactions per request."))] = 2_000,
    offered: Annotated[
        float, typer.Option(min=0.01, help=_("Load offered, as a share of V."))
    ] = 0.8,
    singles: Annotated[
        int, typer.Option(min=1, help=_("Single transactions sent as JSON."))
    ] = 15_000,
    connections: Annotated[
        int, typer.Option(min=1, help=_("Connections that send single transactions."))
    ] = 128,
    suite: SuiteOption = "standard",
    as_json: AsJson = False,
) -> None:
    """Starts a node in a temporary folder, loads it with presigned transactions, and stops it."""
    number, count = _signatures(suite)
    with node_errors():
        from bubi import core  # noqa: PLC0415

        seconds = core.verify_rate(number, count, 10_000, 0, 3)
    rate = count / statistics.median(seconds)
    load = bench_api.Load(transactions, request, offered * rate, singles, connections)
    with tempfile.TemporaryDirectory(prefix="bubi-bench-") as path:
        home = Home(Path(path))
        made = network.create_development(home, 1, suite=suite)
        state = up.run_nodes(home, made, made.nodes)
        try:
            bulk, single = _loaded(home, state, load, Algorithm(SUITES[suite]))
        finally:
            up.stop_nodes(home, state, state.nodes)
    fields = {"suite": suite, **bench_api.report(bulk, single, load, seconds, count)}
    if as_json:
        emit(fields)
    else:
        details(_("One node end to end"), fields)


app.command("network", help=_("Measure a network of real nodes under load."))(
    bench_network_run.whole_network
)


def _loaded(
    home: Home, state: NetworkState, load: bench_api.Load, algorithm: Algorithm
) -> tuple[bench_api.Answers, bench_api.Answers]:
    url, names = state.nodes[0].url, Trust.load(home.trust_file).network
    issuer = KeystoreSigner.open(state.accounts[0].keystore, home.password())
    note(_("Opening accounts and signing transactions."))
    with steps(_("Signing"), load.transactions + load.singles) as advance:
        prepared = bench_api.prepare(url, names, issuer, algorithm)
        many = bench_api.presigned_by_all_cores(prepared, load.transactions, advance)
        single = bench_api.presigned_by_all_cores(prepared, load.singles, advance, as_json=True)
    note(_("Sending them through the bulk door."))
    with steps(_("Bulk"), load.transactions) as advance:
        bulk = asyncio.run(bench_api.send_bulk(url, many, load, answered=advance))
    note(_("Sending single transactions."))
    with steps(_("Singles"), load.singles) as advance:
        return bulk, asyncio.run(bench_api.send_singles(url, single, load, advance))
