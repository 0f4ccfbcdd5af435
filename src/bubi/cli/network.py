"""`bubi network create --dev`: a development network in one folder, with all its keys."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
from bubi_sdk.keys import PublicKey
from bubi_sdk.keystore import Cost, KeystoreSigner
from bubi_sdk.network import Trust

from bubi.cli.connection import DataOption
from bubi.cli.home import AccountState, Home, NetworkState, NodeState, folder, write_private
from bubi.cli.messages import _
from bubi.cli.node import Suite, node_errors
from bubi.cli.output import AsJson, details, emit, finding, say, usage

app = typer.Typer(name="network", help=_("Make networks."), no_args_is_help=True)

NODE_NAMES: Final = ("node1",)
ORGANISATION: Final = "development"
DEMO_ACCOUNTS: Final = ("issuer", "notary", "merchant", "alice", "bob")
DEMO_COST: Final = Cost(n=1 << 12, r=8, p=1)
"""The password lies beside these keystores, so a costly derivation would protect nothing."""

NAME: Final = "development"


@app.callback()
def networks() -> None:
    """Makes networks."""


@app.command("create")
def create(
    dev: Annotated[
        bool,
        typer.Option("--dev", help=_("Make all keys here and mark the genesis as development.")),
    ] = False,
    suite: Annotated[Suite, typer.Option(help=_("Hash suite, fixed for ever."))] = Suite.STANDARD,
    port: Annotated[
        int, typer.Option(min=1, max=65_535, help=_("Port of the interface on loopback."))
    ] = 8801,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Makes the folder of a network without starting it."""
    if not dev:
        raise usage(
            _("This version makes development networks only."),
            _("Say --dev."),
            code="not_available",
        )
    home = Home(folder(data))
    if home.path.exists() and any(home.path.iterdir()):
        raise usage(
            _("{path} is not empty.", path=home.path), _("Name another folder with --data.")
        )
    fresh = not home.path.exists()
    try:
        home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = create_development(home, port, suite.value)
        home.write(state)
    except BaseException:
        remove_files(home)
        if fresh:
            shutil.rmtree(home.path, ignore_errors=True)
        raise
    fields = {
        "genesis_hash": state.chain_id,
        "chain_id": state.chain_id,
        "members": [{"name": one.name, "organisation": one.organisation} for one in state.nodes],
        "data": str(home.path),
        "trust_file": str(home.trust_file),
    }
    if as_json:
        emit(fields)
        return
    details(
        _("New development network"), {_("Data folder"): home.path, _("Chain id"): state.chain_id}
    )
    say(_("Start it with `bubi up --data {path}`.", path=home.path))


def create_development(home: Home, port: int, suite: str = "standard") -> NetworkState:
    """Makes keys, accounts, genesis and node folder below an existing folder."""
    accounts, keys = _demo_accounts(home)
    node = NODE_NAMES[0]
    with node_errors():
        from bubi.node.init import initialise  # noqa: PLC0415 - needs the compiled core

        made = initialise(
            home.path / node,
            name=node,
            organisation=ORGANISATION,
            network=NAME,
            kind="development",
            suite=suite,
            accounts=keys,
            api_port=port,
        )
    shutil.copyfile(made.trust_file, home.trust_file)
    network = Trust.load(home.trust_file).network
    addresses = {name: network.text(network.address(key)) for name, key in accounts.items()}
    return NetworkState(
        chain_id=made.chain_id,
        name=NAME,
        engine="solo",
        prefix=made.prefix,
        suite=made.suite,
        nodes=(
            NodeState(
                node,
                ORGANISATION,
                "validator",
                0,
                "",
                made.url,
                str(home.path / node),
                str(made.config),
            ),
        ),
        accounts=tuple(
            AccountState(name, addresses[name], str(keystore_file(home, name)))
            for name in accounts
        ),
    )


def _demo_accounts(home: Home) -> tuple[dict[str, PublicKey], list[bytes]]:
    """Random keys in keystores, and the file with their password; readable by us alone."""
    home.accounts.mkdir(mode=0o700)
    password = secrets.token_urlsafe(24)
    write_private(home.password_file, password + "\n")
    keys = {
        name: KeystoreSigner.create(keystore_file(home, name), password, cost=DEMO_COST).public_key
        for name in DEMO_ACCOUNTS
    }
    return keys, [key.tagged for key in keys.values()]


def keystore_file(home: Home, name: str) -> Path:
    """Where the key of a demo account lies."""
    return home.accounts / f"{name}.json"


def remove_files(home: Home) -> None:
    """Removes the files of a network, and only those, so that a wrong folder loses nothing."""
    for name in NODE_NAMES:
        shutil.rmtree(home.path / name, ignore_errors=True)
    shutil.rmtree(home.accounts, ignore_errors=True)
    for file in (home.state_file, home.trust_file, home.starting_file):
        file.unlink(missing_ok=True)


def with_free_port(node: NodeState, pick: Callable[[int], int]) -> NodeState:
    """The node with its port; if that is taken, with another one written to its configuration."""
    with node_errors():
        from bubi.node.config import load  # noqa: PLC0415

        config = Path(node.config)
        old = load(config).api.port
        new = pick(old)
        if new != old:
            text = config.read_text(encoding="utf-8")
            changed, count = re.subn(rf"(?m)^port\s*=\s*{old}\b", f"port = {new}", text)
            if count != 1:
                raise finding(
                    _(
                        "Port {port} is taken and {path} does not name it once.",
                        port=old,
                        path=config,
                    ),
                    _("Set another api.port there."),
                    code="port_taken",
                )
            write_private(config, changed)
            load(config)
    return replace(node, url=f"http://127.0.0.1:{new}")
