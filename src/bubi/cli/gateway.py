"""`bubi gateway`: explorer, monitoring and console of one organisation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from bubi.cli import gateway_users
from bubi.cli.connection import DataOption, node_health
from bubi.cli.home import Home, folder
from bubi.cli.messages import _
from bubi.cli.output import (
    AsJson,
    details,
    emit,
    finding,
    finish,
    nothing_running,
    say,
    steps,
    usage,
)

app = typer.Typer(
    name="gateway",
    help=_("Explorer, monitoring and console of one organisation."),
    no_args_is_help=True,
)

app.add_typer(gateway_users.user)
app.command("login-link", help=_("Make a link that logs in once."))(gateway_users.login_link)

ConfigArgument = Annotated[
    Path, typer.Argument(metavar="CONFIG", help=_("The gateway's config.toml, or its folder."))
]


def config_file(path: Path) -> Path:
    """The configuration itself, or the one in a folder."""
    return path / "config.toml" if path.is_dir() else path


@app.command("run", help=_("Run a gateway until Ctrl-C."))
def run(config: ConfigArgument) -> None:
    """Runs the gateway in this process."""
    from bubi.gateway import process  # noqa: PLC0415 - other commands do without it
    from bubi.gateway.config import ConfigError  # noqa: PLC0415

    try:
        status = process.run(config_file(config))
    except ConfigError as error:
        raise usage(str(error), code="config_invalid") from error
    finish(status)


index = typer.Typer(name="index", help=_("The gateway's tables."), no_args_is_help=True)
app.add_typer(index)


@index.command("check", help=_("Height, lag and a hash per table, to compare two indexes."))
def check(
    config: gateway_users.ConfigOption = None, data: DataOption = None, as_json: AsJson = False
) -> None:
    """Reads all tables; the gateway may run meanwhile."""
    from bubi.gateway.index import check as tables  # noqa: PLC0415

    settings = gateway_users.settings(config, data)
    with _database_errors(), steps(_("Reading tables"), tables.TABLES) as advance:
        found = tables.check(_engine(settings), advance)
    if found is None:
        raise nothing_running(_("The index is still empty."), _("Start the gateway."))
    height = node_health(settings.node.url).get("height")
    lag = None if height is None else max(0, int(height) - found.height)
    if as_json:
        emit({"height": found.height, "lag": lag, "tables": found.tables})
    else:
        lines = {_("Height"): found.height, _("Lag in blocks"): "?" if lag is None else lag}
        details(_("Index"), {**lines, **found.tables})


@index.command("rebuild", help=_("Empty the tables; the next start fills them from the ledger."))
def rebuild(
    config: gateway_users.ConfigOption = None, data: DataOption = None, as_json: AsJson = False
) -> None:
    """Removes all tables of the index of a stopped gateway."""
    from bubi.gateway.index import writer  # noqa: PLC0415

    state = None if config is not None else Home(folder(data)).read()
    if state is not None and state.gateway is not None and state.gateway.running():
        raise finding(
            _("The gateway runs."), _("Stop it first with `bubi down`."), code="gateway_runs"
        )
    with _database_errors(), steps(_("Removing tables"), writer.EMPTYING) as advance:
        writer.empty(_engine(gateway_users.settings(config, data)), advance)
    if as_json:
        emit({"removed": True})
    else:
        say(_("The tables are empty."))


@contextlib.contextmanager
def _database_errors() -> Iterator[None]:
    """Turns what the database refuses into a line for people.

    Raises:
        Failure: in place of the database's errors.
    """
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415

    try:
        yield
    except DBAPIError as error:
        raise finding(
            _("The database of the index failed: {reason}", reason=error.orig),
            _("Check index.database in the gateway's configuration."),
            code="database_failed",
        ) from error


def _engine(settings: Any) -> Any:
    from bubi.gateway.process import database  # noqa: PLC0415

    return database(settings)
