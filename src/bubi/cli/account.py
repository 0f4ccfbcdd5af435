"""`bubi account`: accounts on the ledger, and the demo accounts of the development network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from bubi_sdk import Client, TransactionBuilder
from bubi_sdk.errors import NotFound
from bubi_sdk.keys import Algorithm
from bubi_sdk.keystore import KeystoreSigner
from bubi_sdk.signer import MemorySigner

from bubi.cli.connection import (
    DataOption,
    UrlOption,
    address_of,
    client,
    demo_account,
    open_signer,
)
from bubi.cli.governance import when
from bubi.cli.home import AccountState, Home, folder
from bubi.cli.key import AlgorithmName, PasswordStdin, refuse_existing
from bubi.cli.messages import _
from bubi.cli.network import DEMO_COST, keystore_file
from bubi.cli.outcome import outcome_fields
from bubi.cli.output import AsJson, details, emit, say, table, usage
from bubi.cli.proposing import Acting, SignersOption, ask_membership

app = typer.Typer(name="account", help=_("Open and show accounts."), no_args_is_help=True)

LIST_LIMIT = 1_000
"""Entries shown of a list at most; the answer says if there are more."""


@app.command("create", help=_("Open an account on the ledger with a new key in a keystore."))
def create(
    name: Annotated[str, typer.Argument(help=_("Name here; the ledger knows only the address."))],
    by: Annotated[str, typer.Option(help=_("Demo account that asks for it."))] = "issuer",
    algorithm: Annotated[
        AlgorithmName, typer.Option(help=_("Signature algorithm."))
    ] = AlgorithmName.ED25519,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Opens an account; its keystore lies beside the demo ones and has the same password."""
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise usage(_("A name has letters, digits, hyphens and underscores."))
    home = Home(folder(data))
    state = home.read()
    if demo_account(name, data) is not None:
        raise usage(_("There is an account {name} already.", name=name), code="account_exists")
    file = keystore_file(home, name)
    refuse_existing(file)
    signer = MemorySigner.generate(Algorithm(algorithm.value))
    with client(None, data) as (node, network):
        asking = open_signer(by, data)
        builder = TransactionBuilder(network, address_of(by, network, data))
        envelope = builder.create_account(signer.public_key).build().sign(asking)
        # The key is stored before the account exists: an account whose key is lost helps nobody.
        KeystoreSigner.create(file, home.password(), signer.secret_key, cost=DEMO_COST)
        outcome = node.submit_and_wait(envelope)
        if not outcome.final:
            file.unlink()
        outcome.raise_for_status()
        address = network.text(signer.public_key)
    with home.locked():
        added = AccountState(name, address, str(file))
        home.write(replace(home.read(), accounts=(*state.accounts, added)))
    if as_json:
        emit({"name": name, "address": address, "keystore": str(file), **outcome_fields(outcome)})
    else:
        details(
            _("New account"),
            {
                _("Name"): name,
                _("Address"): address,
                _("Keystore"): file,
                _("Height"): outcome.height,
            },
        )


@app.command("show", help=_("Show an account: signers, balances, data, as the ledger has them."))
def show(
    account: Annotated[str, typer.Argument(help=_("Demo account, keystore file or address."))],
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Shows an account as the ledger has it."""
    with client(url, data) as (node, network):
        address = network.text(address_of(account, network, data))
        fields = account_fields(node, address)
    if as_json:
        emit(fields)
        return
    details(
        _("Account"),
        {
            _("Address"): address,
            _("Height"): fields["height"],
            **_standing(fields["account"]),
        },
    )
    _show_signers(fields["account"])
    table(
        _("Balances"),
        (_("Asset"), _("Balance"), _("Reserved"), _("Lapsed")),
        [(one["asset"], *amounts_of(one)) for one in fields["balances"]],
    )


def account_fields(node: Client, address: str) -> dict[str, Any]:
    """What `account show --json` reports."""
    answer = node.account(address)
    balances = node.balances(address, limit=LIST_LIMIT)
    entries = node.data(address, limit=LIST_LIMIT)
    shown = {
        name: value for name, value in answer.data.items() if name not in ("schema", "height")
    }
    return {
        "address": address,
        "height": answer.height,
        "account": shown,
        "balances": list(balances.items),
        "data": list(entries.items),
        "more": balances.next is not None or entries.next is not None,
    }


def amounts_of(entry: dict[str, Any]) -> tuple[str, str, str]:
    """Balance, reserved and lapsed part of an entry of a list of balances or holders."""
    holding = entry["holding"]["v1"]
    return holding["balance"], holding["reserved"], entry.get("lapsed", "-")


def _standing(account: dict[str, Any]) -> dict[str, Any]:
    """Rows about the organisation of an account and what is used of its quotas."""
    rows: dict[str, Any] = {_("Organisation"): account["organisation"] or _("(none)")}
    membership = account["membership"]
    if membership is not None and membership["v1"]["asks"] is not None:
        rows[_("Asks to join")] = membership["v1"]["asks"]
    quota = account["quota"]
    if quota is None:
        return rows
    shared = _("Quota of its organisation") if account["organisation"] else _("Quota without one")
    for name, one in ((_("Quota"), quota["account"]), (shared, quota["organisation"])):
        if one is not None:
            rows[name] = _(
                "{used} of {limit} operations until {time}",
                used=one["used"],
                limit=one["limit"],
                time=when(quota["until"]),
            )
    return rows


def _show_signers(account: dict[str, Any]) -> None:
    header = account["header"]
    if "closed" in header:
        say(_("The account was closed at height {height}.", height=header["closed"]["height"]))
        return
    rows = []
    for signer in header["v1"]["signers"]:
        ((algorithm, digits),) = signer["key"].items()
        rows.append((f"{algorithm}:{digits}", signer["weight"]))
    table(_("Signers"), (_("Public key"), _("Weight")), rows)


MemberOption = Annotated[
    str | None,
    typer.Option("--source", help=_("The account, if its address is not that of --as.")),
]


@app.command("join", help=_("Ask an organisation to take an account in."))
def join(
    organisation: Annotated[str, typer.Argument(help=_("Name of the organisation."))],
    signer: SignersOption,
    source: MemberOption = None,
    password_stdin: PasswordStdin = False,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Asks an organisation, which decides by `bubi governance member`."""
    acting = Acting(signer, source, url, data, password_stdin)
    ask_membership(acting, organisation, as_json=as_json)


@app.command("leave", help=_("Leave the organisation of an account, or stop asking for one."))
def leave(
    signer: SignersOption,
    source: MemberOption = None,
    password_stdin: PasswordStdin = False,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Leaves an organisation; nobody has to agree."""
    acting = Acting(signer, source, url, data, password_stdin)
    ask_membership(acting, None, as_json=as_json)


@app.command(
    "list", help=_("List the accounts of the development network with their state on the ledger.")
)
def list_accounts(data: DataOption = None, as_json: AsJson = False) -> None:
    """Lists the accounts whose keys lie here."""
    state = Home(folder(data)).read()
    rows = []
    with client(None, data) as (node, _network):
        for account in state.accounts:
            try:
                holdings: int | None = len(node.balances(account.address, limit=LIST_LIMIT).items)
                node.account(account.address)
            except NotFound:
                holdings = None
            rows.append((account, holdings))
    if as_json:
        emit(
            {
                "accounts": [
                    {
                        "name": one.name,
                        "address": one.address,
                        "keystore": str(Path(one.keystore)),
                        "exists": holdings is not None,
                        "assets": holdings or 0,
                    }
                    for one, holdings in rows
                ]
            }
        )
        return
    table(
        _("Accounts"),
        (_("Name"), _("Address"), _("Assets held")),
        [(one.name, one.address, _("(not on the ledger)") if n is None else n) for one, n in rows],
    )
