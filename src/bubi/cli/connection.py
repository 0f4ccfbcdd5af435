"""Which network a command talks to, and whose keys it signs with."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from bubi_sdk import Client, Network, Signer, TransactionBuilder, Trust
from bubi_sdk.address import Address
from bubi_sdk.errors import BubiError
from bubi_sdk.keystore import KeystoreSigner

from bubi.cli.home import AccountState, Home, NetworkState, folder
from bubi.cli.key import public_key_of, read_password
from bubi.cli.messages import _
from bubi.cli.output import Failure, finding, nothing_running, usage

DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help=_("Data folder; else BUBI_HOME, else .bubi here.")),
]
UrlOption = Annotated[
    str | None,
    typer.Option("--url", help=_("A node's address; else that of the running network.")),
]

_HEALTH_SECONDS: Final = 5.0


def node_url(url: str | None, data: Path | None) -> str:
    """The address that was given, else that of a running node of the development network.

    Raises:
        Failure: nothing runs.
    """
    if url is not None:
        if not re.match("https?://", url):
            raise usage(
                _("{url} is no address.", url=url), _("Write it like http://127.0.0.1:8801.")
            )
        return url
    home = Home(folder(data))
    running = home.read().running()
    if not running:
        raise nothing_running(
            _("The network in {path} is stopped.", path=home.path), _("`bubi up` starts it again.")
        )
    return running[0].url


@contextlib.contextmanager
def client(url: str | None, data: Path | None) -> Iterator[tuple[Client, Network]]:
    """A client of the chosen node, with the identity of its network."""
    with opened(node_url(url, data)) as found:
        yield found


@contextlib.contextmanager
def opened(url: str) -> Iterator[tuple[Client, Network]]:
    """A client of the node at this address, with the identity of its network."""
    with Client(url) as first:
        network = first.network()
    with Client(url, network) as node:
        yield node, network


def network_of(url: str | None, data: Path | None) -> Network:
    """Identity of the chosen network; without --url from the trust file: it need not run."""
    home = Home(folder(data))
    if url is None and home.trust_file.exists():
        return Trust.load(home.trust_file).network
    with client(url, data) as (_node, network):
        return network


def node_health(url: str) -> dict[str, Any]:
    """What a node says about itself; empty if it does not answer."""
    return node_answer(url, "/health")


def node_answer(url: str, route: str) -> dict[str, Any]:
    """A node's answer on a route, also where its status is no success; empty if there is none."""
    try:
        value = httpx.get(f"{url}{route}", timeout=_HEALTH_SECONDS, trust_env=False).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def state_root(url: str) -> str | None:
    """Root of the newest state that a node has; None if it does not answer."""
    try:
        with Client(url) as node:
            return str(node.status().data.get("state_root"))
    except BubiError:
        return None


def demo_account(name: str, data: Path | None) -> AccountState | None:
    """The demo account with this name, if there is one."""
    home = Home(folder(data))
    if not home.exists():
        return None
    return next((one for one in home.read().accounts if one.name == name), None)


def address_of(name: str, network: Network, data: Path | None) -> Address:
    """The address that a name stands for: a demo account, a keystore file, or an address itself.

    Raises:
        Failure: it stands for none.
    """
    account = demo_account(name, data)
    if account is not None:
        return network.address(account.address)
    if name.startswith(f"{network.prefix}1"):
        return network.address(name)
    if Path(name).is_file():
        return network.address(public_key_of(Path(name)))
    raise usage(
        _("{name} is no demo account, address or keystore file.", name=name),
        _("`bubi account list` names the accounts here."),
        code="account_unknown",
    )


def open_signer(name: str, data: Path | None, *, password_stdin: bool = False) -> Signer:
    """Who signs: a demo account, or a keystore file whose password is asked for.

    Raises:
        Failure: there is no such key.
    """
    account = demo_account(name, data)
    if account is not None:
        home = Home(folder(data))
        return KeystoreSigner.open(account.keystore, _demo_password(home))
    file = Path(name)
    if not file.is_file():
        raise usage(
            _("{name} is no demo account and no keystore file.", name=name),
            _("`bubi account list` names the accounts here."),
            code="account_unknown",
        )
    password = read_password(stdin=password_stdin, prompt=_("Password of {path}", path=file))
    return KeystoreSigner.open(file, password)


def _demo_password(home: Home) -> str:
    try:
        return home.password()
    except OSError as error:
        raise finding(
            _("{path} cannot be read: {reason}", path=home.password_file, reason=error.strerror),
            code="file_missing",
        ) from error


def healthy_transaction(home: Home, state: NetworkState, seconds: float) -> None:
    """Proves that the network works: a transaction of a demo account becomes final.

    Raises:
        Failure: it does not.
    """
    account = state.accounts[0]
    signer = KeystoreSigner.open(account.keystore, _demo_password(home))
    url = (state.running() or state.nodes)[0].url
    try:
        with opened(url) as (node, network):
            if network.chain_id.hex() != state.chain_id:
                raise Failure(
                    _("Another network answers at {url}.", url=url),
                    code="wrong_chain",
                    status=1,
                )
            value = f"{time.time():.3f} {secrets.token_hex(4)}".encode()
            transaction = TransactionBuilder(network, account.address).set_data("started", value)
            outcome = node.submit_and_wait(transaction.build().sign(signer), within=seconds)
            outcome.raise_for_status()
    except BubiError as error:
        raise finding(
            _("The node runs, and a transaction did not become final: {reason}", reason=error),
            _("If the reason is not plain from the log, run `bubi doctor`."),
            code="health_check_failed",
        ) from error
