"""`bubi validator`: who decides, and proposals to change that."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from bubi_sdk import governance as changes
from bubi_sdk.codec import parse_json
from bubi_sdk.errors import BubiError
from bubi_sdk.keys import PublicKey

from bubi.cli import proposing
from bubi.cli.connection import DataOption, UrlOption, client
from bubi.cli.key import PasswordStdin
from bubi.cli.messages import _
from bubi.cli.node import key_from_text
from bubi.cli.output import AsJson, details, emit, table, usage
from bubi.cli.proposing import (
    DAYS,
    AcknowledgeOption,
    Acting,
    ExpiresOption,
    MemoOption,
    NotBeforeOption,
    SignersOption,
    SourceOption,
    Terms,
)

app = typer.Typer(
    name="validator", help=_("Show the validators; propose others."), no_args_is_help=True
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=_("Name of the validator."))]
WeightOption = Annotated[int | None, typer.Option(min=1, help=_("Its weight."))]


@app.command("list", help=_("List the validators in force and those that come next."))
def list_validators(
    url: UrlOption = None, data: DataOption = None, as_json: AsJson = False
) -> None:
    """Lists the validators."""
    with client(url, data) as (node, _network):
        fields: Any = dict(node.validators().data)
    if as_json:
        emit({name: value for name, value in fields.items() if name != "schema"})
        return
    details(
        _("Validator set"),
        {
            _("Epoch"): fields["epoch"],
            _("Engine"): fields["engine"],
            _("Votes needed"): f"{fields['quorum']} / {fields['total']}",
            _("Protocol version"): fields["protocol_version"],
        },
    )
    columns = (_("Name"), _("Organisation"), _("Weight"), _("Account"))
    table(
        _("Validators"),
        columns,
        [
            (one["name"], one["organisation"], one["weight"], one["account"])
            for one in fields["items"]
        ],
    )
    table(
        _("Organisations"),
        (_("Name"), _("Weight"), _("Governance account")),
        [
            (one["name"], one["weight"], one["governance"] or "-")
            for one in fields["organisations"]
        ],
    )
    pending = fields["pending"]
    if pending is not None:
        details(
            _("Change under way"),
            {
                _("Proposal"): pending["proposal"],
                _("Ready weight"): f"{pending['ready']} / {pending['quorum']}",
                _("In force from"): pending["activation_height"] or "-",
            },
        )


@app.command("add", help=_("Propose a new validator."))
def add(  # noqa: PLR0913, PLR0917 - each is one option of the command
    signer: SignersOption,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help=_("Name of the validator."))
    ] = None,
    organisation: Annotated[str | None, typer.Option(help=_("Who runs it."))] = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help=_("Its public vote key, as ed25519:HEX."))
    ] = None,
    request: Annotated[
        Path | None,
        typer.Option(help=_("The request.json that `bubi network request` made there, instead.")),
    ] = None,
    weight: WeightOption = None,
    source: SourceOption = None,
    days: ExpiresOption = DAYS,
    not_before: NotBeforeOption = None,
    acknowledge: AcknowledgeOption = None,
    memo: MemoOption = "",
    password_stdin: PasswordStdin = False,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Proposes a new validator."""
    if request is not None:
        found = _requested(request)
        name = name or found.name
        organisation, public = organisation or found.organisation, found.key
    elif name is None or organisation is None or key is None:
        raise usage(_("Give NAME, --organisation and --key, or --request."))
    else:
        public = PublicKey.from_tagged(key_from_text(key))
    added = changes.AddValidator(changes.Validator(name, organisation, public, weight or 1))
    acting = Acting(signer, source, url, data, password_stdin)
    terms = Terms(days, not_before, acknowledge or (), memo)
    proposing.propose(acting, [added], terms, as_json=as_json)


def _requested(file: Path) -> changes.Validator:
    try:
        value: Any = parse_json(file.read_bytes())
        key = PublicKey.CODEC.from_json(value["vote_key"], "")
        return changes.Validator(str(value["name"]), str(value["organisation"]), key, 1)
    except OSError as error:
        raise usage(
            _("{path} cannot be read: {reason}", path=file, reason=error.strerror)
        ) from error
    except (BubiError, KeyError, TypeError) as error:
        raise usage(_("{path} is no request of a validator.", path=file)) from error


@app.command("remove", help=_("Propose that a validator goes."))
def remove(  # noqa: PLR0913, PLR0917 - each is one option of the command
    name: NameArgument,
    signer: SignersOption,
    source: SourceOption = None,
    days: ExpiresOption = DAYS,
    not_before: NotBeforeOption = None,
    acknowledge: AcknowledgeOption = None,
    memo: MemoOption = "",
    password_stdin: PasswordStdin = False,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Proposes that a validator goes."""
    acting = Acting(signer, source, url, data, password_stdin)
    terms = Terms(days, not_before, acknowledge or (), memo)
    proposing.propose(acting, [changes.RemoveValidator(name)], terms, as_json=as_json)


@app.command("change", help=_("Propose another weight or key of a validator."))
def change(  # noqa: PLR0913, PLR0917 - each is one option of the command
    name: NameArgument,
    signer: SignersOption,
    weight: WeightOption = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help=_("Its new public vote key."))
    ] = None,
    source: SourceOption = None,
    days: ExpiresOption = DAYS,
    not_before: NotBeforeOption = None,
    acknowledge: AcknowledgeOption = None,
    memo: MemoOption = "",
    password_stdin: PasswordStdin = False,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Proposes another weight or key."""
    if weight is None and key is None:
        raise usage(_("Give --weight, --key or both."))
    public = None if key is None else PublicKey.from_tagged(key_from_text(key))
    acting = Acting(signer, source, url, data, password_stdin)
    terms = Terms(days, not_before, acknowledge or (), memo)
    changed = changes.ChangeValidator(name, weight, public)
    proposing.propose(acting, [changed], terms, as_json=as_json)
