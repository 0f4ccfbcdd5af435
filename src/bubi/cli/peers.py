"""`bubi peers`: the nodes that a node knows, and how its connections to them are."""

from __future__ import annotations

from typing import Any

from bubi.cli.connection import DataOption, UrlOption, node_answer, node_url
from bubi.cli.messages import _
from bubi.cli.output import AsJson, emit, nothing_running, table


def peers(url: UrlOption = None, data: DataOption = None, as_json: AsJson = False) -> None:
    """Shows the peers of a node."""
    address = node_url(url, data)
    answer = node_answer(address, "/v1/peers")
    if "items" not in answer:
        raise nothing_running(
            _("No node answers at {url}.", url=address),
            _("`bubi logs` may show why; `bubi up` starts it."),
        )
    items: list[dict[str, Any]] = answer["items"]
    if as_json:
        emit({"peers": items})
        return
    table(
        _("Nodes known at {url}", url=address),
        (
            _("Name"),
            _("Organisation"),
            _("Role"),
            _("State"),
            _("Round trip"),
            _("Height"),
            _("Reason"),
            _("Misdeeds"),
        ),
        [
            (
                one["name"],
                one["organisation"],
                one.get("role") or "-",
                one["state"],
                "-" if one["rtt_ms"] is None else f"{one['rtt_ms']:.1f} ms",
                one.get("height") or "-",
                one["reason"] or "",
                f"{one['misdeeds']}: {one['misdeed']}" if one.get("misdeeds") else "",
            )
            for one in items
        ],
    )
