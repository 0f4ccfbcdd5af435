"""`bubi why`: why the network does not decide, and who can cure it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from bubi.cli.connection import (
    DataOption,
    UrlOption,
    node_answer,
    node_health,
    node_url,
)
from bubi.cli.messages import _
from bubi.cli.output import (
    FINDING,
    GOOD,
    AsJson,
    details,
    emit,
    finish,
    nothing_running,
    say,
    table,
)
from bubi.cli.reasons import in_words


def why(url: UrlOption = None, data: DataOption = None, as_json: AsJson = False) -> None:
    """Explains why the network does not decide."""
    address = node_url(url, data)
    health = node_health(address)
    if not health:
        raise nothing_running(
            _("No node answers at {url}.", url=address),
            _("`bubi logs` may show why; `bubi up` starts it."),
        )
    consensus = node_answer(address, "/v1/consensus")
    fields = explanation(health, consensus)
    if as_json:
        emit(fields)
    else:
        show(fields, [in_words(one, consensus) for one in _told(health, consensus)])
        for one in consensus.get("warnings") or ():
            say(_("Warning: {text}", text=in_words(one, consensus)))
    finish(FINDING if fields["halted"] else GOOD)


def show(fields: Mapping[str, Any], reasons: Sequence[str]) -> None:
    """Prints the explanation for people, with its reasons in their language."""
    if not fields["halted"]:
        say(_("The network decides. Height {height}.", height=fields["height"]))
        if fields["catching_up"] is not None:
            say(
                _(
                    "The node asked is behind and fetches blocks up to height {target}.",
                    target=fields["catching_up"],
                )
            )
        return
    details(
        _("The network does not decide"),
        {
            _("Since"): moment(fields["since"]),
            _("Height"): fields["height"],
            _("View"): fields["view"],
            _("Reasons"): "\n".join(reasons),
            _("What to do"): fields["cure"],
        },
    )
    if fields["missing"]:
        table(
            _("Missing"),
            (_("Validator"), _("Organisation"), _("Last heard"), _("Last vote")),
            [
                (one["validator"], one["organisation"], moment(one["last_seen"]), vote(one))
                for one in fields["missing"]
            ],
        )
    if fields["votes"]:
        table(
            _("Votes at this height"),
            (_("Validator"), _("Phase"), _("View"), _("Outcome")),
            [
                (one["validator"], one["phase"], one["view"], one["outcome"] or "-")
                for one in fields["votes"]
            ],
        )


def vote(missing: Mapping[str, Any]) -> str:
    """The last vote of a missing validator, for people."""
    seen = missing["vote"]
    if seen is None:
        return "-"
    return _("{phase} in view {view}", phase=seen["phase"], view=seen["view"])


def explanation(health: Mapping[str, Any], consensus: Mapping[str, Any]) -> dict[str, Any]:
    """What `why --json` reports, from a node's health and its account of consensus."""
    reasons = [f"{one['code']}: {one['text']}" for one in _told(health, consensus)]
    validators = list(consensus.get("validators") or ())
    missing = [
        {
            "validator": one["name"],
            "organisation": one["organisation"],
            "last_seen": one["last_seen"],
            "vote": one["vote"],
        }
        for one in validators
        if one["missing"]
    ]
    votes = [
        {"validator": one["name"], **one["vote"]} for one in validators if one["vote"] is not None
    ]
    target = consensus.get("catching_up")
    return {
        "halted": bool(consensus.get("halted", health.get("status") != "ready")),
        "since": consensus.get("since"),
        "height": int(consensus.get("decided") or health.get("height") or 0),
        "view": None if consensus.get("view") is None else int(consensus["view"]),
        "leader": consensus.get("leader"),
        "missing": missing,
        "votes": votes,
        "outcomes": _by_outcome(votes),
        "view_changes": [one for one in votes if one["phase"] == "change"],
        "evidence": consensus.get("evidence") or [],
        "catching_up": None if target is None else int(target["height"]),
        "reasons": reasons,
        "warnings": [f"{one['code']}: {one['text']}" for one in consensus.get("warnings") or ()],
        "cure": cure(reasons, missing, votes),
    }


def _told(health: Mapping[str, Any], consensus: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The reasons that a node gives.

    The account of consensus is the newer of the two: what it says must fit what it names.
    """
    return list((consensus if "reasons" in consensus else health).get("reasons") or ())


def _by_outcome(votes: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Who signed which outcome."""
    found: dict[str, list[str]] = {}
    for one in votes:
        if one["outcome"]:
            found.setdefault(one["outcome"], []).append(one["validator"])
    return found


def cure(reasons: list[str], missing: list[dict[str, Any]], votes: list[dict[str, Any]]) -> str:
    """What to do about the reasons that a node gives."""
    codes = {reason.partition(":")[0] for reason in reasons}
    several = len(_by_outcome(votes)) > 1
    names = ", ".join(f"{one['validator']} ({one['organisation']})" for one in missing)
    known = (
        ("storage_full" in codes, _("Make room on the disk of the data folder; it goes on then.")),
        (
            "diverged" in codes,
            _(
                "This node computed another outcome than the others. Keep its data folder, "
                "compare versions, and ask for help; the others go on without it."
            ),
        ),
        (
            any(code.startswith("guard") for code in codes),
            _(
                "The node's two records of its votes disagree. Keep its data folder and ask for "
                "help."
            ),
        ),
        (
            "no_quorum" in codes,
            _("Start the nodes {names}, or mend the links to them: `bubi peers`.", names=names),
        ),
        (
            "stalled" in codes and several,
            _("The nodes computed different outcomes: compare their versions and logs."),
        ),
        (
            "engine_unknown" in codes,
            _("Install a version that has the engine in force; the ledger is kept."),
        ),
        (
            codes <= {"stalled", "catching_up"},
            _("Wait for the next view; if it lasts, look at `bubi peers` and `bubi logs`."),
        ),
    )
    other = _("Look at `bubi logs`, then stop the node and run `bubi node check`.")
    return next((text for found, text in known if found), other) if reasons else ""


def moment(milliseconds: object) -> str:
    """A time of the ledger for people, in UTC."""
    if milliseconds is None:
        return "-"
    seconds, rest = divmod(int(str(milliseconds)), 1000)
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + f".{rest:03d} UTC"
