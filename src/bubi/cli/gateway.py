"""`bubi gateway`: explorer, monitoring and console of one organisation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bubi.cli.messages import _
from bubi.cli.output import finish, usage

app = typer.Typer(
    name="gateway",
    help=_("Explorer, monitoring and console of one organisation."),
    no_args_is_help=True,
)

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
