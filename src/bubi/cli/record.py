"""`bubi record show`: a record as the ledger has it."""

from __future__ import annotations

import json
import re
from typing import Annotated

import typer

from bubi.cli.connection import DataOption, UrlOption, client
from bubi.cli.messages import _
from bubi.cli.output import AsJson, details, emit

app = typer.Typer(name="record", help=_("Show records."), no_args_is_help=True)


@app.callback()
def records() -> None:
    """Shows records."""


@app.command("show", help=_("Show a record: digest, author, time, parents."))
def show(
    namespace: Annotated[str, typer.Argument(help=_("Name of the namespace, or its id in hex."))],
    key: Annotated[str, typer.Argument(help=_("Key of the record."))],
    version: Annotated[
        int | None, typer.Option(min=1, help=_("Version; else the newest."))
    ] = None,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Shows one version of a record."""
    with client(url, data) as (node, network):
        named = re.fullmatch("[0-9a-f]{64}", namespace, re.ASCII)
        identity = bytes.fromhex(namespace) if named else network.namespace_id(namespace)
        answer = node.record(identity, key, version=version)
    fields = {**answer.data, "namespace": identity.hex(), "key": key}
    if as_json:
        emit(fields)
        return
    details(
        _("Record"),
        {
            name: value if isinstance(value, str | int) else json.dumps(value, ensure_ascii=False)
            for name, value in fields.items()
            if name != "schema"
        },
    )
