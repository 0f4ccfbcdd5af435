"""`bubi governance`: what the organisations vote on together."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from bubi_sdk import governance as changes
from bubi_sdk.address import Address
from bubi_sdk.codec import codec_of, parse_json
from bubi_sdk.errors import InvalidInput
from bubi_sdk.governance import Change
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from bubi.cli import proposing
from bubi.cli.connection import DataOption, UrlOption, client, network_of
from bubi.cli.key import PasswordStdin
from bubi.cli.messages import _
from bubi.cli.output import AsJson, details, emit, say, table, usage
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
    name="governance",
    help=_("Propose changes of the network, vote on them, see what is decided."),
    no_args_is_help=True,
)

ProposalArgument = Annotated[str, typer.Argument(metavar="PROPOSAL", help=_("Id of a proposal."))]
LIST_LIMIT = 1_000


ParametersOption = Annotated[
    list[str] | None,
    typer.Option("--parameter", metavar="NAME=NUMBER", help=_("Set a parameter; repeatable.")),
]
AllowOption = Annotated[
    list[str] | None,
    typer.Option("--allow-node", metavar="ID", help=_("Put a node on the white list.")),
]
DenyOption = Annotated[
    list[str] | None,
    typer.Option("--deny-node", metavar="ID", help=_("Put a node on the black list.")),
]
ClearOption = Annotated[
    list[str] | None,
    typer.Option("--clear-node", metavar="ID", help=_("Take a node off both lists.")),
]
RevokeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--revoke-certificate",
        metavar="FILE|HEX",
        help=_("Revoke a certificate, by its file or fingerprint."),
    ),
]
OrganisationOption = Annotated[
    list[str] | None,
    typer.Option(
        "--organisation",
        metavar="NAME,GOVERNANCE,CERTIFICATE",
        help=_("Add or replace an organisation: its governance address, its authority's file."),
    ),
]
RemoveOption = Annotated[
    list[str] | None,
    typer.Option("--remove-organisation", metavar="NAME", help=_("Remove an organisation.")),
]
ChangeOption = Annotated[
    list[str] | None,
    typer.Option("--change", metavar="JSON", help=_("Any change in its JSON form; repeatable.")),
]


@app.command("propose", help=_("Open a proposal; every option is one change of it."))
def propose(  # noqa: PLR0913, PLR0917 - each is one option of the command
    signer: SignersOption,
    parameter: ParametersOption = None,
    engine: Annotated[str | None, typer.Option(help=_("Decide with another engine."))] = None,
    quorum: Annotated[
        str | None, typer.Option(metavar="N/D", help=_("Share of the votes that decides."))
    ] = None,
    protocol_version: Annotated[
        int | None, typer.Option(min=1, help=_("Raise the protocol version to this one."))
    ] = None,
    allow_node: AllowOption = None,
    deny_node: DenyOption = None,
    clear_node: ClearOption = None,
    revoke: RevokeOption = None,
    organisation: OrganisationOption = None,
    remove_organisation: RemoveOption = None,
    change: ChangeOption = None,
    file: Annotated[
        Path | None, typer.Option("--file", help=_("File with a JSON list of changes."))
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
    """Opens a proposal."""
    prefix = network_of(url, data).prefix
    found: list[Change] = [_parameter(text) for text in parameter or ()]
    found += [changes.SetEngine(engine)] if engine is not None else []
    found += [_quorum(quorum)] if quorum is not None else []
    if protocol_version is not None:
        found.append(changes.SetProtocolVersion(protocol_version))
    found += [changes.AllowNode(_identity(text)) for text in allow_node or ()]
    found += [changes.DenyNode(_identity(text)) for text in deny_node or ()]
    found += [changes.ClearNode(_identity(text)) for text in clear_node or ()]
    found += [changes.RevokeCertificate(_fingerprint(text)) for text in revoke or ()]
    found += [_organisation(text, prefix) for text in organisation or ()]
    found += [changes.RemoveOrganisation(text) for text in remove_organisation or ()]
    found += [_from_json(parse_json(text), prefix) for text in change or ()]
    if file is not None:
        found += _from_file(file, prefix)
    acting = Acting(signer, source, url, data, password_stdin)
    terms = Terms(days, not_before, acknowledge or (), memo)
    proposing.propose(acting, found, terms, as_json=as_json)


def _parameter(text: str) -> Change:
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch("[0-9]{1,20}", value, re.ASCII):
        raise usage(_("{text} is not NAME=NUMBER.", text=text))
    return changes.SetParameter(name, int(value))


def _quorum(text: str) -> Change:
    found = re.fullmatch("([0-9]{1,9})/([1-9][0-9]{0,8})", text, re.ASCII)
    if found is None:
        raise usage(_("{text} is no ratio.", text=text), _("Write it like 3/4."))
    return changes.SetQuorum(int(found[1]), int(found[2]))


def _identity(text: str) -> bytes:
    if not re.fullmatch("[0-9a-f]{64}", text, re.ASCII):
        raise usage(
            _("{text} is no node id.", text=text), _("`bubi peers` shows the ids of nodes.")
        )
    return bytes.fromhex(text)


def _fingerprint(text: str) -> bytes:
    if re.fullmatch("[0-9a-f]{64}", text, re.ASCII):
        return bytes.fromhex(text)
    return _certificate(Path(text)).fingerprint(hashes.SHA256())


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise usage(
            _("{path} cannot be read: {reason}", path=path, reason=error.strerror)
        ) from error
    except ValueError as error:
        raise usage(_("{path} is no certificate.", path=path)) from error


def _organisation(text: str, prefix: str) -> Change:
    parts = text.split(",")
    if len(parts) != 3 or not parts[0]:
        raise usage(
            _("{text} is not NAME,GOVERNANCE,CERTIFICATE.", text=text),
            _("Leave a part empty to go without it."),
        )
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    name, governance, path = parts
    address = Address.parse(governance, prefix) if governance else None
    certificate = _certificate(Path(path)).public_bytes(Encoding.DER) if path else b""
    return changes.SetOrganisation(name, address, certificate)


def _from_json(value: Any, prefix: str) -> Change:
    change: Change = codec_of(Change).from_json(value, prefix)
    return change


def _from_file(file: Path, prefix: str) -> list[Change]:
    try:
        value = parse_json(file.read_bytes())
    except OSError as error:
        raise usage(
            _("{path} cannot be read: {reason}", path=file, reason=error.strerror)
        ) from error
    if not isinstance(value, list):
        raise InvalidInput(f"{file} is not a list of changes")
    return [_from_json(one, prefix) for one in value]


@app.command("vote", help=_("Vote on a proposal for one's organisation."))
def vote(
    proposal: ProposalArgument,
    signer: SignersOption,
    approve: Annotated[bool, typer.Option("--yes/--no", help=_("For it, or against it."))],
    source: SourceOption = None,
    password_stdin: PasswordStdin = False,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Votes on a proposal; a later vote replaces an earlier one until it ends or is in force."""
    acting = Acting(signer, source, url, data, password_stdin)
    proposing.vote(acting, proposal, approve=approve, as_json=as_json)


@app.command("withdraw", help=_("Take back an open proposal of one's organisation."))
def withdraw(
    proposal: ProposalArgument,
    signer: SignersOption,
    source: SourceOption = None,
    password_stdin: PasswordStdin = False,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Takes back an open proposal."""
    acting = Acting(signer, source, url, data, password_stdin)
    proposing.withdraw(acting, proposal, as_json=as_json)


@app.command("member", help=_("Take an account into one's organisation, or let it go."))
def member(
    account: Annotated[str, typer.Argument(help=_("Demo account, keystore file or address."))],
    signer: SignersOption,
    take_in: Annotated[
        bool, typer.Option("--in/--out", help=_("Take it in if it asks, or let it go."))
    ],
    source: SourceOption = None,
    password_stdin: PasswordStdin = False,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Takes in an account that asked by `bubi account join`, or refuses it or lets it go."""
    acting = Acting(signer, source, url, data, password_stdin)
    proposing.set_member(acting, account, member=take_in, as_json=as_json)


@app.command("list", help=_("List the proposals, newest first."))
def list_proposals(
    every: Annotated[
        bool, typer.Option("--all", help=_("Those that are closed or in force, too."))
    ] = False,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Lists proposals."""
    with client(url, data) as (node, _network):
        page = node.proposals(limit=LIST_LIMIT)
        items: list[dict[str, Any]] = [dict(one) for one in page.items if isinstance(one, dict)]
        while page.next is not None:
            page = node.proposals(cursor=page.next, limit=LIST_LIMIT)
            items += [dict(one) for one in page.items if isinstance(one, dict)]
    shown = [one for one in items if every or one["state"] in {"open", "approved"}]
    shown.sort(key=lambda one: (-int(one["opened"]), one["id"]))
    if as_json:
        emit({"height": page.height, "items": shown})
        return
    names = states()
    table(
        _("Proposals"),
        (_("Id"), _("State"), _("Proposed by"), _("Changes"), _("Expires"), _("In force from")),
        [
            (
                one["id"],
                names.get(one["state"], one["state"]),
                one["proposer"] or _("evidence"),
                ", ".join(next(iter(change)) for change in one["changes"]),
                when(one["expires"]),
                one["activation_height"] or "-",
            )
            for one in shown
        ],
    )


def states() -> dict[str, str]:
    """What the states of a proposal are called."""
    return {
        "open": _("open: organisations vote"),
        "approved": _("approved: validators get ready"),
        "active": _("in force"),
        "rejected": _("rejected"),
        "withdrawn": _("withdrawn"),
        "expired": _("expired"),
        "lapsed": _("lapsed: too few validators were ready"),
    }


def when(milliseconds: str) -> str:
    """A time of the ledger for people, in UTC."""
    at = datetime.datetime.fromtimestamp(int(milliseconds) // 1000, datetime.UTC)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


@app.command(
    "show", help=_("Show a proposal: what it changes, who voted how, when it is in force.")
)
def show(
    proposal: ProposalArgument,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Shows a proposal."""
    with client(url, data) as (node, _network):
        fields: Any = dict(node.proposal(proposal).data)
    if as_json:
        emit({name: value for name, value in fields.items() if name != "schema"})
        return
    names = states()
    details(
        _("Proposal"),
        {
            _("Id"): fields["id"],
            _("State"): names.get(fields["state"], fields["state"]),
            _("Proposed by"): fields["proposer"] or _("evidence"),
            _("Memo"): fields["memo"] or "-",
            _("Expires"): when(fields["expires"]),
            _("Approving weight"): f"{fields['approving']} / {fields['quorum']}",
            _("Weight against"): f"{fields['rejecting']} / {fields['quorum']}",
            _("Not before height"): fields["not_before"] or "-",
            _("Accepted risks"): ", ".join(fields["acknowledged"]) or "-",
            _("In force from"): fields["activation_height"] or "-",
        },
    )
    # What stood before a proposal is not kept once it is closed: that is no empty place.
    before = None if fields["state"] in {"open", "approved"} else _("not kept")
    table(
        _("What it changes"),
        (_("Subject"), _("Before"), _("After")),
        [
            (
                f"{one['change']} {one['name']}",
                before or _value(one["before"]),
                _value(one["after"]),
            )
            for one in fields["diff"]
        ],
    )
    _table_of(
        _("Votes"),
        (_("Organisation"), _("Weight"), _("Vote")),
        fields["votes"],
        lambda one: (one["organisation"], one["weight"], _yes_no(one["approve"])),
    )
    if fields["ready"]:
        _table_of(
            _("Next validators"),
            (_("Name"), _("Weight"), _("Ready")),
            fields["ready"],
            lambda one: (one["name"], one["weight"], _yes_no(one["ready"])),
        )
    if fields["state"] == "open":
        say(_("Vote with `bubi governance vote {proposal} --yes`.", proposal=fields["id"]))
    if fields["state"] == "approved":
        say(
            _(
                "A quorum takes it back with `bubi governance vote {proposal} --no`.",
                proposal=fields["id"],
            )
        )


def _table_of(
    title: str,
    columns: Sequence[str],
    items: Sequence[Mapping[str, Any]],
    row: Callable[[Mapping[str, Any]], Sequence[object]],
) -> None:
    table(title, columns, [row(one) for one in items])


def _yes_no(value: bool | None) -> str:
    if value is None:
        return "-"
    return _("yes") if value else _("no")


def _value(value: str | None) -> str:
    return "-" if value is None else value
