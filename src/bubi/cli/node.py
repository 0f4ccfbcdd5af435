"""`bubi node`: make, run and check one node."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from bubi_sdk.codec import parse_json
from bubi_sdk.errors import InvalidInput
from bubi_sdk.keys import PublicKey

from bubi.cli.key import public_key_of
from bubi.cli.messages import _
from bubi.cli.output import (
    FINDING,
    GOOD,
    AsJson,
    details,
    emit,
    finding,
    finish,
    say,
    steps,
    table,
    usage,
)

app = typer.Typer(name="node", help=_("Make, run and check one node."), no_args_is_help=True)

ConfigArgument = Annotated[
    Path, typer.Argument(metavar="CONFIG", help=_("The node's config.toml, or its folder."))
]


class Kind(enum.StrEnum):
    """Kinds of networks; each has its own address prefix."""

    MAIN = "main"
    TEST = "test"
    DEVELOPMENT = "development"


class Suite(enum.StrEnum):
    """Hash suites of networks."""

    STANDARD = "standard"
    NATIONAL = "national"


@contextmanager
def node_errors() -> Iterator[None]:
    """Turns what the node refuses into lines for people.

    Raises:
        Failure: in place of the node's errors.
    """
    try:
        from bubi import core  # noqa: PLC0415 - the compiled core is only needed to run nodes
        from bubi.node.config import ConfigError  # noqa: PLC0415
        from bubi.node.files import FileError  # noqa: PLC0415
    except ImportError as error:
        raise finding(
            _("The compiled core is not installed ({reason}).", reason=error),
            _("Run `make setup`."),
            code="core_missing",
        ) from error
    try:
        yield
    except (ConfigError, FileError) as error:
        raise usage(str(error), code="config_invalid") from error
    except core.Damaged as error:
        raise finding(
            " ".join(map(str, error.args)),
            _("`bubi node check` lists all damage; first keep a copy of the folder."),
            code="damaged",
        ) from error
    except core.CoreError as error:
        raise finding(
            core.error_detail(error) or str(error), code=core.error_code(error)
        ) from error


def config_file(path: Path) -> Path:
    """The configuration itself, or the one in a folder."""
    return path / "config.toml" if path.is_dir() else path


def key_from_text(text: str) -> bytes:
    """Tagged bytes of a public key written as `ed25519:HEX` or in its JSON form.

    Raises:
        Failure: it is neither.
    """
    try:
        if text.startswith("{"):
            return PublicKey.CODEC.from_json(parse_json(text), "").tagged
        algorithm, _colon, digits = text.partition(":")
        return PublicKey.CODEC.from_json({algorithm: digits}, "").tagged
    except InvalidInput as error:
        raise usage(
            _("{text} is not a public key: {reason}", text=text, reason=error.detail),
            _("Write it as ed25519:HEX; `bubi key show` prints it."),
        ) from error


GovernanceOption = Annotated[
    str | None,
    typer.Option(
        "--governance",
        metavar="KEY",
        help=_("Public key or keystore file whose account votes for the organisation."),
    ),
]


def key_or_keystore(text: str) -> bytes:
    """Tagged bytes of a public key, written out or that of a keystore file.

    Raises:
        Failure: it is neither.
    """
    if Path(text).is_file():
        return public_key_of(Path(text)).tagged
    return key_from_text(text)


@app.command(
    "init", help=_("Make the folder of a new network's only validator; nothing is overwritten.")
)
def init(  # noqa: PLR0913, PLR0917 - each is one option of the command
    directory: Annotated[Path, typer.Argument(help=_("A new or empty folder."))],
    name: Annotated[str, typer.Option(help=_("Name of the node."))] = "node-1",
    organisation: Annotated[str, typer.Option(help=_("Who runs it."))] = "development",
    network: Annotated[str, typer.Option(help=_("Name of the network."))] = "development",
    kind: Annotated[Kind, typer.Option(help=_("Kind of the network."))] = Kind.DEVELOPMENT,
    suite: Annotated[Suite, typer.Option(help=_("Hash suite, fixed for ever."))] = Suite.STANDARD,
    account: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY", help=_("Public key whose account exists from the start; repeatable.")
        ),
    ] = None,
    governance: GovernanceOption = None,
    port: Annotated[
        int, typer.Option(min=1, max=65_535, help=_("Port of the interface on loopback."))
    ] = 8080,
    as_json: AsJson = False,
) -> None:
    """Makes keys, genesis, trust file and configuration."""
    keys = [key_from_text(text) for text in account or ()]
    voter = None if governance is None else key_or_keystore(governance)
    with node_errors():
        from bubi.node.init import initialise  # noqa: PLC0415

        made = initialise(
            directory,
            name=name,
            organisation=organisation,
            network=network,
            kind=kind.value,
            suite=suite.value,
            accounts=keys,
            governance=voter,
            api_port=port,
        )
    fields = {
        "chain_id": made.chain_id,
        "genesis_hash": made.genesis_hash,
        "directory": str(made.directory),
        "config": str(made.config),
        "trust_file": str(made.trust_file),
        "url": made.url,
    }
    if as_json:
        emit(fields)
    else:
        details(_("New node"), fields)
        say(_("Start it with `bubi node run {path}`.", path=made.config))


@app.command("run", help=_("Run a node in front until it is told to stop (SIGTERM or Ctrl-C)."))
def run(config: ConfigArgument) -> None:
    """Runs a node; its log goes to standard error."""
    with node_errors():
        from bubi.node import process  # noqa: PLC0415

        status: Any = process.run(config_file(config))
    finish(status if isinstance(status, int) else GOOD)


@app.command(
    "recover-guard",
    help=_("Let a stopped validator sign again whose guard fell silent; you answer for it."),
)
def recover_guard(
    config: ConfigArgument,
    height: Annotated[
        int | None,
        typer.Option(min=0, help=_("Newest height that anybody holds; asked for if not given.")),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Writes a floor into both places of the guard, below which nothing is signed."""
    with node_errors():
        from bubi.node import recovery  # noqa: PLC0415
        from bubi.node.config import load  # noqa: PLC0415

        settings = load(config_file(config))
        try:
            found = recovery.look(settings)
            if height is None:
                height = _typed_height(found.reason, found.height)
            made = recovery.recover(settings, height)
        except recovery.RecoveryError as refusal:
            raise finding(
                _("The guard was not recovered: {reason}.", reason=refusal.detail),
                code=refusal.code,
            ) from refusal
    if as_json:
        said = {"reason": found.reason, "newest": height}
        emit({**said, "height": made.height, "round": made.round})
    else:
        say(
            _(
                "Recovered: nothing is signed up to round {round} of height {height}.",
                height=made.height,
                round=made.round,
            )
        )


def _typed_height(reason: str, newest: int) -> int:
    say(_("The guard is silent: {reason}", reason=reason))
    say(
        _(
            "A validator that signs twice for one height breaks the ledger for everybody who "
            "trusts it. Ask every other node, and whoever may hold a receipt, for the newest "
            "height. The log here ends at height {height}.",
            height=newest,
        )
    )
    return int(typer.prompt(_("Type the newest height that anybody holds"), type=int))


@app.command(
    "check", help=_("Read every file of a stopped node and report damage; changes nothing.")
)
def check(config: ConfigArgument, as_json: AsJson = False) -> None:
    """Looks for damage in the files of a stopped node."""
    with node_errors():
        from bubi.node import inspection  # noqa: PLC0415
        from bubi.node.config import load  # noqa: PLC0415

        settings = load(config_file(config))
        with steps(_("Reading keys, then the ledger"), 2) as advance:
            damage = inspection.damaged_files(settings)
            advance()
            # Without its genesis a ledger cannot be read.
            if str(settings.node.genesis) not in {one.file for one in damage}:
                damage += inspection.damaged_ledger(settings)
            advance()
    found = [
        {"file": file, "offset": offset, "kind": kind, "action": action}
        for file, offset, kind, action in damage
    ]
    if as_json:
        emit({"ok": not found, "damage": found})
    elif found:
        table(
            _("Damage"),
            (_("File"), _("Offset"), _("Kind"), _("What will happen or has to be done")),
            [tuple(one.values()) for one in found],
        )
    else:
        say(_("No damage found."))
    finish(FINDING if found else GOOD)
