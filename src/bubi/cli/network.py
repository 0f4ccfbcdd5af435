"""`bubi network`: how organisations found a network, and the development network."""

from __future__ import annotations

import re
import secrets
import shutil
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from bubi_sdk.errors import BubiError
from bubi_sdk.keys import PublicKey
from bubi_sdk.keystore import Cost, KeystoreSigner
from bubi_sdk.network import Trust

from bubi.cli import network_era
from bubi.cli.connection import DataOption
from bubi.cli.home import AccountState, Home, NetworkState, NodeState, folder, write_private
from bubi.cli.messages import _
from bubi.cli.network_ceremony import (
    EngineOption,
    OutOption,
    QuorumOption,
    ceremony_errors,
    ratio,
    warnings_of,
)
from bubi.cli.node import (
    GovernanceOption,
    Kind,
    Suite,
    key_from_text,
    key_or_keystore,
    node_errors,
)
from bubi.cli.output import AsJson, details, emit, finding, note, say, usage
from bubi.cli.tolerance import AcknowledgeOption, WeightOption, weights

if TYPE_CHECKING:
    from bubi.network.addresses import Address

app = typer.Typer(name="network", help=_("Make networks."), no_args_is_help=True)
app.add_typer(network_era.app)

NODE_FOLDER: Final = re.compile(r"node[1-9][0-9]{0,2}")
NODE_FILES: Final = ("config.toml", "request.json", "key.pem", "authority")
NODES_MAX: Final = 64
FIRST_API_PORT: Final = 8801
FIRST_P2P_PORT: Final = 8901
FIRST_OPERATOR_PORT: Final = 8601
DEMO_ACCOUNTS: Final = ("issuer", "notary", "merchant", "alice", "bob")
DEMO_COST: Final = Cost(n=1 << 12, r=8, p=1)
"""The password lies beside these keystores, so a costly derivation would protect nothing."""

NAME: Final = "development"
COMETBFT: Final = "cometbft"

SuiteOption = Annotated[Suite, typer.Option(help=_("Hash suite, fixed for ever."))]
AccountOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY", help=_("Public key whose account exists from the start; repeatable.")
    ),
]


@app.callback()
def networks() -> None:
    """Makes networks."""


def _endpoint(option: str, text: str) -> Address:
    from bubi.node.config import address  # noqa: PLC0415

    return address(option, text)


@app.command("request", help=_("Make a node's keys and its public request to found a network."))
def request(  # noqa: PLR0913, PLR0917 - each is one option of the command
    directory: Annotated[Path, typer.Argument(help=_("A new or empty folder."))],
    name: Annotated[str, typer.Option(help=_("Name of the node."))],
    organisation: Annotated[str, typer.Option(help=_("Who runs it."))],
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help=_("Where other nodes reach it; left out, it begins all connections itself."),
        ),
    ] = None,
    observer: Annotated[
        bool, typer.Option("--observer", help=_("A node without a vote."))
    ] = False,
    authority: Annotated[
        Path | None,
        typer.Option(help=_("Folder of the organisation's authority, if it has one already.")),
    ] = None,
    suite: SuiteOption = Suite.STANDARD,
    account: AccountOption = None,
    engine: Annotated[
        str | None,
        typer.Option(help=_("Engine that is planned; cometbft needs a key of its own.")),
    ] = None,
    governance: GovernanceOption = None,
    as_json: AsJson = False,
) -> None:
    """Makes what only the owner may have, and the request that the others get."""
    keys = [key_from_text(text) for text in account or ()]
    voter = None if governance is None else key_or_keystore(governance)
    with ceremony_errors():
        from bubi.node import ceremony  # noqa: PLC0415

        made = ceremony.make_request(
            directory,
            name=name,
            organisation=organisation,
            address=None if address is None else _endpoint("--address", address),
            role=ceremony.OBSERVER if observer else ceremony.VALIDATOR,
            suite=suite.value,
            authority=authority,
            accounts=keys,
            engine=engine,
            governance=voter,
        )
    file = directory / ceremony.REQUEST_FILE
    fields = {**made.summary, "directory": str(directory), "request": str(file)}
    if as_json:
        emit(fields)
        return
    details(_("Request"), fields)
    say(_("Send {file} to whoever makes the genesis. Keep everything else.", file=file))
    if authority is None:
        place = directory / "authority"
        say(_("Move {path} to a safe place: it issues certificates.", path=place))


@app.command("create", help=_("Make the public genesis of a network from its members' requests."))
def create(  # noqa: PLR0913, PLR0917 - each is one option of the command
    requests: Annotated[
        Path | None,
        typer.Option("--requests", metavar="DIR", help=_("Folder with every member's request.")),
    ] = None,
    out: OutOption = Path("network"),
    name: Annotated[str, typer.Option(help=_("Name of the network."))] = NAME,
    kind: Annotated[Kind, typer.Option(help=_("Kind of the network."))] = Kind.MAIN,
    engine: EngineOption = None,
    quorum: QuorumOption = None,
    weight: WeightOption = None,
    acknowledge: AcknowledgeOption = None,
    dev: Annotated[
        bool,
        typer.Option("--dev", help=_("Make all keys here and mark the genesis as development.")),
    ] = False,
    nodes: Annotated[
        int, typer.Option("--nodes", min=1, max=NODES_MAX, help=_("Number of nodes."))
    ] = 4,
    suite: SuiteOption = Suite.STANDARD,
    account: AccountOption = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Makes a genesis; with --dev the folder of a development network, without starting it."""
    if dev == (requests is not None):
        raise usage(_("Say either --requests DIR or --dev."))
    if dev:
        _create_development(Home(folder(data)), nodes, engine, suite, as_json=as_json)
        return
    assert requests is not None
    keys = [key_from_text(text) for text in account or ()]
    with ceremony_errors():
        from bubi.node import ceremony  # noqa: PLC0415

        created = ceremony.create(
            out,
            ceremony.read_requests(requests),
            network=name,
            kind=kind.value,
            suite=suite.value,
            engine=engine,
            quorum=ratio(quorum),
            accounts=keys,
            weights=weights(weight),
            acknowledged=acknowledge or (),
        )
    validators = sum(1 for one in created.members if one.vote_key is not None)
    warnings = warnings_of(created.heavy, created.spare, validators)
    if created.voiceless:
        warnings.append(
            _(
                "Nothing can be changed by vote: no governance key of {names}.",
                names=", ".join(created.voiceless),
            )
        )
    fields = {
        "genesis_hash": created.chain_id,
        "chain_id": created.chain_id,
        "members": [one.summary for one in created.members],
        "warnings": warnings,
        "directory": str(out),
    }
    if as_json:
        emit(fields)
        return
    show = {key: value for key, value in fields.items() if key not in {"members", "warnings"}}
    details(_("New network"), show)
    for warning in warnings:
        note(_("Warning: {text}", text=warning))
    say(
        _(
            "Give the folder {path} to every member; all compare the chain id by another way.",
            path=out,
        )
    )


@app.command("join", help=_("Check a genesis against one's own request and configure the node."))
def join(  # noqa: PLR0913, PLR0917 - each is one option of the command
    directory: Annotated[Path, typer.Argument(help=_("The folder that `request` made."))],
    network: Annotated[
        Path, typer.Option("--network", metavar="DIR", help=_("The folder that `create` made."))
    ],
    chain: Annotated[
        str | None, typer.Option(metavar="ID", help=_("Refuse a genesis of another chain id."))
    ] = None,
    host: Annotated[
        str, typer.Option(help=_("Address of this machine that other nodes connect to."))
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help=_("Its port; else that of the request."))
    ] = None,
    api_port: Annotated[
        int, typer.Option(min=1, max=65_535, help=_("Port of the interface on loopback."))
    ] = 8080,
    engine_port: Annotated[
        int,
        typer.Option(min=1, max=65_535, help=_("Port of CometBFT's interface on loopback.")),
    ] = 26_657,
    seed: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST:PORT", help=_("Node to connect to first; repeatable.")),
    ] = None,
    acknowledge: AcknowledgeOption = None,
    by_vote: Annotated[
        bool,
        typer.Option(
            "--by-vote",
            help=_("Not in the genesis: follow as an observer until the organisations agree."),
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Completes a node's folder."""
    with ceremony_errors():
        from bubi import core  # noqa: PLC0415
        from bubi.node import ceremony, files  # noqa: PLC0415

        found = core.chain_id(files.read_genesis(network / "genesis.bin")).hex()
        if chain is not None and chain.lower() != found:
            raise finding(
                _("The genesis in {path} has the chain id {found}.", path=network, found=found),
                _("Ask the other members which one they have."),
                code="wrong_chain",
            )
        made = ceremony.join(
            directory,
            network,
            host=host,
            port=port,
            api_port=api_port,
            engine_port=engine_port,
            seeds=[_endpoint("--seed", text) for text in seed or ()],
            acknowledged=acknowledge or (),
            by_vote=by_vote,
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
        return
    details(_("New node"), fields)
    say(_("Start it with `bubi node run {path}`.", path=made.config))


# --- the development network ---------------------------------------------------------------------


def _create_development(
    home: Home, nodes: int, engine: str | None, suite: Suite, *, as_json: bool
) -> None:
    if home.path.exists() and any(home.path.iterdir()):
        raise usage(
            _("{path} is not empty.", path=home.path), _("Name another folder with --data.")
        )
    fresh = not home.path.exists()
    try:
        home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = create_development(home, nodes, engine, suite.value)
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


def create_development(
    home: Home, nodes: int, engine: str | None = None, suite: str = "standard"
) -> NetworkState:
    """Makes keys, accounts, genesis and node folders below an existing folder.

    It is the ceremony of several owners, played by one.
    """
    if engine == COMETBFT:
        raise usage(
            _("A development network runs native engines only."),
            _("docs/operating/cometbft.md shows a network with CometBFT."),
            code="engine_unfit",
        )
    names = [f"node{number}" for number in range(1, nodes + 1)]
    organisations = [f"organisation{number}" for number in range(1, nodes + 1)]
    accounts = _demo_accounts(home, [*DEMO_ACCOUNTS, *organisations])
    ports = free_ports(
        [FIRST_P2P_PORT + place for place in range(nodes)]
        + [FIRST_API_PORT + place for place in range(nodes)]
        + [FIRST_OPERATOR_PORT + place for place in range(nodes)]
    )
    p2p, api, desks = ports[:nodes], ports[nodes : 2 * nodes], ports[2 * nodes :]
    with ceremony_errors():
        from bubi.network.addresses import Address  # noqa: PLC0415
        from bubi.node import ceremony  # noqa: PLC0415 - needs the compiled core

        requests = [
            ceremony.make_request(
                home.path / name,
                name=name,
                organisation=organisation,
                address=Address("127.0.0.1", port),
                suite=suite,
                governance=accounts[organisation].tagged,
            )
            for name, organisation, port in zip(names, organisations, p2p, strict=True)
        ]
        ceremony.create(
            home.public,
            requests,
            network=NAME,
            kind="development",
            suite=suite,
            engine=engine,
            accounts=[key.tagged for key in accounts.values()],
        )
        made = [
            ceremony.join(home.path / name, home.public, api_port=port, operator_port=desk)
            for name, port, desk in zip(names, api, desks, strict=True)
        ]
    shutil.copyfile(home.public / "trust.json", home.trust_file)
    network = Trust.load(home.trust_file).network
    addresses = {name: network.text(network.address(key)) for name, key in accounts.items()}
    return NetworkState(
        chain_id=made[0].chain_id,
        name=NAME,
        engine=engine or ("solo" if nodes == 1 else "pbft"),
        prefix=made[0].prefix,
        suite=made[0].suite,
        nodes=tuple(
            NodeState(
                one.name,
                one.organisation,
                one.role,
                0,
                "",
                node.url,
                str(node.directory),
                str(node.config),
                str(one.endpoint),
                f"http://127.0.0.1:{desk}",
            )
            for one, node, desk in zip(requests, made, desks, strict=True)
        ),
        accounts=tuple(
            AccountState(name, addresses[name], str(keystore_file(home, name)))
            for name in accounts
        ),
    )


def _demo_accounts(home: Home, names: Sequence[str]) -> dict[str, PublicKey]:
    """Random keys in keystores, and the file with their password; readable by us alone.

    The account with the name of an organisation is the one that votes for it.
    """
    home.accounts.mkdir(mode=0o700)
    password = secrets.token_urlsafe(24)
    write_private(home.password_file, password + "\n")
    return {
        name: KeystoreSigner.create(keystore_file(home, name), password, cost=DEMO_COST).public_key
        for name in names
    }


def keystore_file(home: Home, name: str) -> Path:
    """Where the key of a demo account lies."""
    return home.accounts / f"{name}.json"


def remove_files(home: Home) -> None:
    """Removes the files of a network, and only those, so that a wrong folder loses nothing."""
    folders = [one for one in home.path.iterdir() if NODE_FOLDER.fullmatch(one.name)]
    for one in folders:
        if any((one / name).exists() for name in NODE_FILES) or not any(one.iterdir()):
            shutil.rmtree(one, ignore_errors=True)
    shutil.rmtree(home.public, ignore_errors=True)
    shutil.rmtree(home.accounts, ignore_errors=True)
    if (home.path / "gateway" / "config.toml").exists():
        shutil.rmtree(home.path / "gateway", ignore_errors=True)
    for file in (home.state_file, home.trust_file, home.starting_file):
        file.unlink(missing_ok=True)


def free_ports(wanted: list[int]) -> list[int]:
    """As many different ports free on loopback: the wanted ones where possible.

    Raises:
        Failure: there are not enough.
    """
    found: list[int] = []
    for port in wanted:
        for one in (port, *[0] * 8):
            free = _probe(one)
            if free is not None and free not in found:
                found.append(free)
                break
        else:
            raise finding(_("No port is free on this machine."), code="no_port")
    return found


def _probe(port: int) -> int | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return int(probe.getsockname()[1])


def with_free_ports(state: NetworkState, starting: list[NodeState]) -> NetworkState:
    """The network with free ports for the nodes about to start.

    Where one is taken, another is written into every configuration that names it.
    """
    with node_errors():
        from bubi.node.config import load  # noqa: PLC0415

        for node in starting:
            settings = load(Path(node.config))
            old = [settings.api.port, settings.network.port]
            old += [settings.operator.port] if settings.operator.port is not None else []
            new = free_ports(old)
            if new[0] != old[0]:
                _replace_port(Path(node.config), old[0], new[0])
            p2p = node.p2p
            if new[1] != old[1] and p2p is not None:
                _replace_port(Path(node.config), old[1], new[1])
                p2p = f"127.0.0.1:{new[1]}"
                for other in state.nodes:
                    _replace_address(Path(other.config), str(node.p2p), p2p)
            operator = node.operator
            if len(new) > 2 and new[2] != old[2]:
                _replace_port(Path(node.config), old[2], new[2])
                operator = f"http://127.0.0.1:{new[2]}"
            load(Path(node.config))
            url = f"http://127.0.0.1:{new[0]}"
            changed = replace(node, url=url, p2p=p2p, operator=operator)
            state = state.with_node(changed)
    return state


def _replace_port(config: Path, old: int, new: int) -> None:
    text = config.read_text(encoding="utf-8")
    changed, count = re.subn(rf"(?m)^port\s*=\s*{old}\b", f"port = {new}", text)
    if count != 1:
        raise finding(
            _("Port {port} is taken and {path} does not name it once.", port=old, path=config),
            _("Set another port there."),
            code="port_taken",
        )
    write_private(config, changed)


def _replace_address(config: Path, old: str, new: str) -> None:
    text = config.read_text(encoding="utf-8")
    if f'"{old}"' in text:
        write_private(config, text.replace(f'"{old}"', f'"{new}"'))


def warnings_here(home: Home) -> list[str]:
    """Warnings about the validators of the network in a folder, from its trust file."""
    from bubi.consensus import quorum  # noqa: PLC0415 - its package needs the compiled core

    try:
        members = Trust.load(home.trust_file).validator_set
    except (OSError, BubiError):
        return []
    weights = [(one.organisation, one.weight) for one in members.validators]
    return warnings_of(quorum.heavy(weights, members.quorum), 1, len(weights))
