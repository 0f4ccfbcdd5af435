"""`bubi asset`: definitions and holders of assets."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from bubi_sdk import Client, Network

from bubi.cli.account import amounts_of
from bubi.cli.connection import DataOption, UrlOption, address_of, client
from bubi.cli.messages import _
from bubi.cli.output import AsJson, details, emit, say, table, usage

app = typer.Typer(name="asset", help=_("Show assets."), no_args_is_help=True)

Asset = Annotated[str, typer.Argument(metavar="ASSET", help=_("Asset id in hex, or ISSUER:CODE."))]


def asset_id(text: str, network: Network, data: Path | None) -> bytes:
    """The id that was given, or that of ISSUER:CODE.

    Raises:
        Failure: it is neither.
    """
    if re.fullmatch("[0-9a-f]{64}", text, re.ASCII):
        return bytes.fromhex(text)
    issuer, colon, code = text.rpartition(":")
    if not colon:
        raise usage(_("{text} is no asset.", text=text), _("Write its id in hex, or ISSUER:CODE."))
    return network.asset_id(address_of(issuer, network, data), code)


@app.command("show", help=_("Show the definition and the supply of an asset."))
def show(
    asset: Asset, url: UrlOption = None, data: DataOption = None, as_json: AsJson = False
) -> None:
    """Shows the definition and the supply of an asset."""
    with client(url, data) as (node, network):
        name = asset_id(asset, network, data)
        answer = node.asset(name)
    if as_json:
        emit({**answer.data, "asset": name.hex()})
        return
    fields: Any = answer.data["value"]
    shown = {
        name: value for name, value in fields["v1"].items() if not isinstance(value, dict | list)
    }
    details(_("Asset"), {_("Id"): name.hex(), **shown})


@app.command("holders", help=_("List who holds an asset now, all at one height."))
def holders(
    asset: Asset,
    limit: Annotated[int, typer.Option(min=1, help=_("Most holders to list."))] = 100,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Lists who holds an asset now."""
    with client(url, data) as (node, network):
        name = asset_id(asset, network, data)
        node.asset(name)  # an asset that does not exist is an error, not an empty list
        height, found = listed(node, name, limit)
    if as_json:
        emit(
            {
                "asset": name.hex(),
                "height": height,
                "holders": found[:limit],
                "more": len(found) > limit,
            }
        )
        return
    rows = [(one["holder"], *amounts_of(one)) for one in found[:limit]]
    table(
        _("Holders at height {height}", height=height),
        (_("Address"), _("Balance"), _("Reserved"), _("Lapsed")),
        rows,
    )
    if len(found) > limit:
        say(_("There are more; raise --limit."))


def listed(node: Client, asset: bytes, limit: int) -> tuple[int, list[dict[str, Any]]]:
    """The height of the list and up to one entry more than asked for."""
    first = node.holders(asset, limit=min(limit + 1, 1_000))
    found = [one for one in first.items if isinstance(one, dict)]
    cursor = first.next
    while cursor is not None and len(found) <= limit:
        page = node.holders(asset, cursor=cursor, limit=1_000)
        found += [one for one in page.items if isinstance(one, dict)]
        cursor = page.next
    return first.height, list(itertools.islice(found, limit + 1))
