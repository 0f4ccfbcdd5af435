"""`bubi evidence`: validators that signed what contradicts itself, as the ledger recorded it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bubi.cli.connection import DataOption, UrlOption, client
from bubi.cli.messages import _
from bubi.cli.output import AsJson, details, emit, table

app = typer.Typer(
    name="evidence", help=_("Show evidence against validators."), no_args_is_help=True
)
LIST_LIMIT = 1_000


@app.command("list", help=_("List the evidence that the ledger holds."))
def list_evidence(url: UrlOption = None, data: DataOption = None, as_json: AsJson = False) -> None:
    """Lists evidence."""
    with client(url, data) as (node, _network):
        page = node.evidence(limit=LIST_LIMIT)
        items: list[dict[str, Any]] = [dict(one) for one in page.items if isinstance(one, dict)]
        while page.next is not None:
            page = node.evidence(cursor=page.next, limit=LIST_LIMIT)
            items += [dict(one) for one in page.items if isinstance(one, dict)]
    items.sort(key=lambda one: (-int(one["recorded"]), one["id"]))
    if as_json:
        emit({"height": page.height, "items": items})
        return
    table(
        _("Evidence"),
        (_("Id"), _("Validator"), _("Kind"), _("Height"), _("Action")),
        [
            (one["id"], one["member"], one["kind"], one["height"], actions()[one["action"]])
            for one in items
        ],
    )


def actions() -> dict[str, str]:
    """What the actions are called that follow from evidence."""
    return {
        "ignored": _("ignored"),
        "alarmed": _("alarm"),
        "proposed": _("vote on its removal"),
        "scheduled": _("goes at the next barrier"),
        "queued": _("goes after the change under way"),
        "kept": _("kept: the set would not hold without it"),
        "gone": _("is no member any more"),
    }


@app.command("show", help=_("Show what a validator signed twice."))
def show(
    evidence: Annotated[str, typer.Argument(metavar="ID", help=_("Id of the evidence."))],
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Shows one piece of evidence."""
    with client(url, data) as (node, _network):
        fields: Any = node.evidence_record(evidence).data["value"]
    if as_json:
        emit(fields)
        return
    details(
        _("Evidence"),
        {
            _("Id"): fields["id"],
            _("Validator"): fields["member"],
            _("Kind"): fields["kind"],
            _("Epoch"): fields["epoch"],
            _("Engine"): fields["engine"],
            _("Height"): fields["height"],
            _("Round"): fields["round"],
            _("First digest"): fields["digest_one"],
            _("Second digest"): fields["digest_two"],
            _("Reported by"): fields["reporter"],
            _("Recorded at height"): fields["recorded"],
            _("Action"): actions()[fields["action"]],
            _("Proposal"): fields["proposal"] or "-",
        },
    )
