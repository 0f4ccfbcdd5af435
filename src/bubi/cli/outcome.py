"""How commands report what became of a transaction."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer
from bubi_sdk import codes
from bubi_sdk.outcome import Outcome, Status

from bubi.cli.messages import _
from bubi.cli.output import FINDING, GOOD, details, emit, finish

_NOT_TO_BLAME: Final = {"final", "not_applied"}
"""Codes of operations that did not fail themselves."""

WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help=_("Wait until it is decided."))]
TimeoutOption = Annotated[float, typer.Option(min=0.1, help=_("Seconds to wait at most."))]


def outcome_fields(outcome: Outcome) -> dict[str, Any]:
    """What submit and show report."""
    return {
        "id": outcome.transaction.hex(),
        "status": outcome.status.value,
        "code": outcome.code,
        "height": outcome.height,
        "index": outcome.index,
        "operations": [{"code": code} for code in outcome.operations],
    }


def report_outcome(outcome: Outcome, *, as_json: bool, **more: object) -> None:
    """Reports an outcome; rejected and expired are findings."""
    if as_json:
        emit({**outcome_fields(outcome), **more})
    else:
        details(_("Transaction"), _rows(outcome))
    bad = outcome.status in (Status.REJECTED, Status.EXPIRED)
    finish(FINDING if bad else GOOD)


def _rows(outcome: Outcome) -> dict[str, object]:
    names = {
        Status.PENDING: _("pending: waits for its block"),
        Status.FINAL: _("final: everything happened, for ever"),
        Status.REJECTED: _("rejected: nothing of it happened"),
        Status.EXPIRED: _("expired: never executed, and never will be"),
    }
    rows: dict[str, object] = {
        _("Hash"): outcome.transaction.hex(),
        _("Status"): names[outcome.status],
    }
    if outcome.code and outcome.status is Status.REJECTED:
        rows[_("Reason")] = f"{outcome.code}: {codes.meaning(outcome.code)}"
        failed = [
            f"{number}: {code}"
            for number, code in enumerate(outcome.operations)
            if code not in _NOT_TO_BLAME
        ]
        rows[_("Operation")] = ", ".join(failed) or "-"
    if outcome.height is not None:
        rows[_("Height")] = outcome.height
    return rows
