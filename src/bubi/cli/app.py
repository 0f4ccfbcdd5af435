"""All commands in one tree, and the one place that turns errors into lines and exit statuses."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from bubi_sdk import errors

from bubi.cli import (
    account,
    asset,
    bench,
    evidence,
    gateway,
    governance,
    key,
    network,
    node,
    peers,
    proof,
    quorum,
    record,
    sim,
    tx,
    up,
    validator,
    why,
)
from bubi.cli.messages import _
from bubi.cli.output import FINDING, NOTHING_RUNNING, USAGE, Failure, report_failure

INTERRUPTED = 130


class Language(enum.StrEnum):
    """Languages of the texts for people."""

    EN = "en"
    ZH = "zh"


def options(
    lang: Annotated[
        Language | None, typer.Option("--lang", help=_("Language of the texts: en or zh."))
    ] = None,
) -> None:
    """Options of every command."""


def build() -> typer.Typer:
    """The tree of commands."""
    app = typer.Typer(
        name="bubi",
        help=_("Bubi, an enterprise ledger: several organisations keep one ledger together."),
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(options)
    development = _("Development network")
    for name, function, text in up.COMMANDS:
        app.command(name, help=text, rich_help_panel=development)(function)
    ledger, nodes = _("Ledger"), _("Networks and nodes")
    for noun in (tx, account, key, asset, record, proof):
        app.add_typer(noun.app, rich_help_panel=ledger)
    for noun in (network, node, gateway, governance, validator, evidence, bench, sim):
        app.add_typer(noun.app, rich_help_panel=nodes)
    app.command(
        "why",
        help=_("Why the network does not decide, and who can cure it."),
        rich_help_panel=nodes,
    )(why.why)
    app.command(
        "peers",
        help=_("The nodes that a node knows, and its connections to them."),
        rich_help_panel=nodes,
    )(peers.peers)
    app.command(
        "quorum",
        help=_("What each vote threshold of N validators survives."),
        rich_help_panel=nodes,
    )(quorum.show_quorum)
    return app


def run(arguments: Sequence[str]) -> int:
    """Runs the arguments; every error a user can cause becomes a line with its cure."""
    try:
        status: Any = typer.main.get_command(build()).main(
            list(arguments), prog_name="bubi", standalone_mode=False
        )
    except typer.Abort:
        return INTERRUPTED
    except (typer.TyperException, Failure, errors.BubiError, OSError) as error:
        failure = as_failure(error)
        if failure is not None:
            report_failure(failure, as_json="--json" in arguments)
        return failure.status if failure else 0
    return status if isinstance(status, int) else 0


def as_failure(error: Exception) -> Failure | None:
    """The line, cure and exit status for an error.

    None: say nothing, for the reader of our output went away.
    """
    if isinstance(error, Failure):
        return error
    if isinstance(error, errors.BubiError):
        return _sdk_failure(error)
    if isinstance(error, typer.TyperException):
        return Failure(
            error.format_message(),
            cure=_("`--help` behind a command shows what it takes."),
            code="usage",
            status=USAGE,
        )
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        reason = _("{path}: {reason}", path=error.filename, reason=error.strerror)
        cure = _("Check the path, its permissions and the space on its disk.")
        return Failure(reason, cure=cure, code="file_error", status=FINDING)
    return None


def _sdk_failure(error: errors.BubiError) -> Failure:
    status, cure = FINDING, ""
    if isinstance(error, errors.ConnectionFailed):
        status = NOTHING_RUNNING
        cure = _("Is the network running? `bubi status` shows it; `bubi up` starts one.")
    elif isinstance(error, errors.OutcomeUnknown):
        cure = _("Ask `bubi tx show`, or submit the same file again: it is executed at most once.")
    elif isinstance(error, errors.InvalidInput):
        status = USAGE
    elif isinstance(error, errors.WrongPassword):
        cure = _("Check the password; nothing was changed.")
    return Failure(str(error), cure=cure, code=error.code, status=status)
