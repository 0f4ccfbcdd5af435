"""`bubi why`: why the network does not decide, and who can cure it."""

from __future__ import annotations

import time
from typing import Any

from bubi.cli.connection import DataOption, UrlOption, node_health, node_url
from bubi.cli.messages import _
from bubi.cli.output import FINDING, GOOD, AsJson, details, emit, finish, nothing_running, say


def why(url: UrlOption = None, data: DataOption = None, as_json: AsJson = False) -> None:
    """Explains why the network does not decide."""
    address = node_url(url, data)
    health = node_health(address)
    if not health:
        raise nothing_running(
            _("No node answers at {url}.", url=address),
            _("`bubi logs` may show why; `bubi up` starts it."),
        )
    fields = explanation(health)
    if as_json:
        emit(fields)
    elif fields["halted"]:
        details(
            _("The network does not decide"),
            {
                _("Since"): moment(fields["since"]),
                _("Height"): fields["height"],
                _("Reasons"): "\n".join(fields["reasons"]),
                _("What to do"): fields["cure"],
            },
        )
    else:
        say(_("The network decides. Height {height}.", height=fields["height"]))
    finish(FINDING if fields["halted"] else GOOD)


def explanation(health: dict[str, Any]) -> dict[str, Any]:
    """What `why --json` reports, from a node's health."""
    reasons = [f"{one['code']}: {one['text']}" for one in health.get("reasons") or ()]
    return {
        "halted": health.get("status") != "ready",
        "since": health.get("since"),
        "height": int(health.get("height") or 0),
        "view": health.get("view"),
        "missing": health.get("missing") or [],
        "reasons": reasons,
        "cure": cure(reasons),
    }


def cure(reasons: list[str]) -> str:
    """What to do about the reasons that a node gives."""
    text = " ".join(reasons).lower()
    if not reasons:
        return ""
    if "space" in text or "storage_full" in text:
        return _("Make room on the disk of the data folder; the node goes on by itself.")
    if "guard" in text:
        return _(
            "The node's two records of its votes disagree. Keep its data folder and ask for help."
        )
    return _("Look at `bubi logs`, then stop the node and run `bubi node check`.")


def moment(milliseconds: object) -> str:
    """A time of the ledger for people, in UTC."""
    if milliseconds is None:
        return "-"
    seconds, rest = divmod(int(str(milliseconds)), 1000)
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + f".{rest:03d} UTC"
