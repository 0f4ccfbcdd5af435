"""`bubi gateway user add` and `login-link`: who may use the gateway, from its own machine.

They write into the gateway's file, whether it runs or not: who may do that owns the gateway.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bubi.cli.connection import DataOption
from bubi.cli.home import Home, folder
from bubi.cli.key import PasswordStdin, read_password
from bubi.cli.messages import _
from bubi.cli.output import AsJson, details, emit, finding, nothing_running, usage

if TYPE_CHECKING:
    from bubi.gateway.accounts.records import AccountRecords
    from bubi.gateway.config import Config

user = typer.Typer(name="user", help=_("Users of a gateway."), no_args_is_help=True)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help=_("The gateway's config.toml; else that of `bubi up`.")),
]
LOGIN_PATH = "/#/login/"


class Role(StrEnum):
    """What a user may do; each role may do all that those below it may."""

    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    READ_ONLY = "read_only"


@user.command("add", help=_("Add a user; with a password, or else for login links only."))
def add(
    name: Annotated[str, typer.Argument(help=_("The name to log in with."))],
    role: Annotated[Role, typer.Option("--role", help=_("What the user may do."))],
    password_stdin: PasswordStdin = False,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Adds a user."""
    from bubi.gateway.accounts.passwords import LENGTH_MIN, acceptable, hashed  # noqa: PLC0415
    from bubi.gateway.accounts.records import UserExistsError  # noqa: PLC0415
    from bubi.gateway.accounts.routes import NAME  # noqa: PLC0415
    from bubi.gateway.monitoring.poller import now_ms  # noqa: PLC0415

    if not re.fullmatch(NAME, name):
        raise usage(_("{name} is no name for a user.", name=name))
    password = read_password(stdin=True) if password_stdin else None
    if password is not None and not acceptable(password):
        raise usage(_("A password needs {count} characters, and some variety.", count=LENGTH_MIN))
    records = _records(settings(config, data))
    try:
        stored = None if password is None else hashed(password)
        made = records.add_user(name, role.value, stored, now_ms())
        records.audit("(command)", "add_user", name, {"role": role.value}, "", now_ms())
    except UserExistsError:
        raise finding(
            _("There is a user {name} already.", name=name), code="user_exists"
        ) from None
    finally:
        records.close()
    if as_json:
        emit({"name": made.name, "role": made.role, "has_password": made.password is not None})
    else:
        details(_("User"), {_("Name"): made.name, _("Role"): made.role})


def login_link(
    name: Annotated[
        str, typer.Option("--user", help=_("Whom it logs in; a new administrator if unknown."))
    ] = "administrator",
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Makes a link that logs in once."""
    url, expires = make_link(settings(config, data), name)
    if as_json:
        emit({"url": url, "expires": str(expires), "user": name})
    else:
        details(_("Login link, good once and for 15 minutes"), {_("User"): name, "URL": url})


def make_link(config: Config, name: str = "administrator") -> tuple[str, int]:
    """A link that logs a user in once, and until when (ms); makes an administrator if needed."""
    from bubi.gateway.monitoring.poller import now_ms  # noqa: PLC0415
    from bubi.gateway.process import url  # noqa: PLC0415

    records = _records(config)
    now = now_ms()
    try:
        if records.user(name) is None:
            records.add_user(name, Role.ADMINISTRATOR.value, None, now)
            records.audit("(command)", "add_user", name, {"role": "administrator"}, "", now)
        token, until = records.make_link(name, now)
        records.audit("(command)", "make_link", name, {}, "", now)
    finally:
        records.close()
    # Behind the #, so that no server and no log ever sees it.
    return f"{url(config.gateway)}{LOGIN_PATH}{token}", until


def settings(config: Path | None, data: Path | None) -> Config:
    """The gateway's configuration: the one named, or that of the development network.

    Raises:
        Failure: there is none, or it cannot be used.
    """
    from bubi.gateway.config import ConfigError, load  # noqa: PLC0415

    if config is None:
        gateway = Home(folder(data)).read().gateway
        if gateway is None:
            raise nothing_running(
                _("The network here has no gateway."), _("`bubi up` starts one.")
            )
        config = Path(gateway.config)
    try:
        return load(config / "config.toml" if config.is_dir() else config)
    except ConfigError as error:
        raise usage(str(error), code="config_invalid") from error


def _records(config: Config) -> AccountRecords:
    from bubi.gateway.monitoring.assembly import open_accounts  # noqa: PLC0415

    return open_accounts(config.gateway.data)
