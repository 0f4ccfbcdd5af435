"""`bubi bench`: how fast this machine is. Figures are medians, with the spread beside them."""

from __future__ import annotations

import os
import statistics
from typing import Annotated, Any, Final

import typer

from bubi.cli.messages import _
from bubi.cli.output import AsJson, details, emit, note, usage

app = typer.Typer(name="bench", help=_("Measure this machine."), no_args_is_help=True)

ALGORITHMS: Final = ("ed25519", "secp256k1", "p256", "sm2")
"""In the order of their numbers (spec/encoding.md, section 3)."""

BAD_ONE_IN: Final = 100


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
    from bubi import core  # noqa: PLC0415 - only this command needs the compiled core

    note(_("Making {count} keys and signatures.", count=count))
    good = core.verify_rate(algorithm, count, batch, 0, rounds)
    bad = core.verify_rate(algorithm, count, batch, max(1, count // BAD_ONE_IN), rounds)
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
    }
