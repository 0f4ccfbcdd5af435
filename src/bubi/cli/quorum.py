"""`bubi quorum N`: what a vote threshold buys and what it costs."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from bubi.cli.messages import _
from bubi.cli.output import AsJson, emit, say, table, usage

RATIOS: Final = ((2, 3), (3, 4), (4, 5), (9, 10), (1, 1))
"""Ratios shown: numerator and denominator of the share of all votes that must agree."""

TOTAL_MAX: Final = 2**32 - 1
"""Largest sum of weights of a network."""


def quorum(total: int, numerator: int, denominator: int) -> int:
    """Votes that a certificate needs: max(⌊2T/3⌋ + 1, ⌈T·num/den⌉), spec/encoding.md 6."""
    return max(total * 2 // 3 + 1, -(-total * numerator // denominator))


def quorum_rows(total: int) -> list[dict[str, Any]]:
    """One row per ratio: the quorum, how many liars it survives, how many may be silent."""
    rows = []
    for numerator, denominator in RATIOS:
        votes = quorum(total, numerator, denominator)
        rows.append(
            {
                "ratio": f"{numerator}/{denominator}",
                "quorum": votes,
                "safe": 2 * votes - total - 1,
                "live": total - votes,
            }
        )
    return rows


def show_quorum(
    total: Annotated[
        int, typer.Argument(metavar="N", help=_("Number of validators (or sum of their weights)."))
    ],
    as_json: AsJson = False,
) -> None:
    """Shows for N validators what each vote threshold survives."""
    if not 1 <= total <= TOTAL_MAX:
        raise usage(_("N must lie between 1 and 2^32 - 1."))
    rows = quorum_rows(total)
    if as_json:
        emit({"rows": rows})
        return
    table(
        _("Vote thresholds of {total} validators", total=total),
        (_("Ratio"), _("Quorum"), _("Liars survived"), _("Silent members survived")),
        [(row["ratio"], row["quorum"], row["safe"], row["live"]) for row in rows],
    )
    say(_("A higher threshold survives more liars and fewer silent members."))
    if any(row["live"] < 1 for row in rows):
        say(
            _(
                "Where no silent member is survived, `bubi network create` demands "
                "--acknowledge no_fault_tolerance."
            )
        )
