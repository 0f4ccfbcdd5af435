"""`bubi up`, `down`, `status`, `reset`, `logs`: the development network on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Annotated, Any, Final

import typer
from bubi_sdk.network import Trust

from bubi.cli import gateway_users, local_gateway, network, processes
from bubi.cli.connection import (
    DataOption,
    healthy_transaction,
    node_answer,
    node_health,
    state_root,
)
from bubi.cli.doctor import doctor
from bubi.cli.home import Home, NetworkState, NodeState, folder
from bubi.cli.messages import _
from bubi.cli.output import (
    AsJson,
    Failure,
    details,
    emit,
    finding,
    note,
    nothing_running,
    say,
    steps,
    table,
    usage,
)

DEFAULT_NODES: Final = 4
START_SECONDS: Final = 240.0
START_ATTEMPTS: Final = 3
PORT_LOST: Final = "port_taken"
_POLL_SECONDS: Final = 0.05
_LOG_LINES: Final = 20


def up(
    detach: Annotated[
        bool, typer.Option("--detach", help=_("Return once it runs; `bubi down` stops it."))
    ] = False,
    nodes: Annotated[
        int | None,
        typer.Option(
            "--nodes", min=1, max=network.NODES_MAX, help=_("Number of nodes; 4 if new.")
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", help=_("Consensus engine; solo for one node, else pbft.")),
    ] = None,
    node: Annotated[
        str | None, typer.Option("--node", help=_("Start only this node of those that are down."))
    ] = None,
    no_gateway: Annotated[
        bool, typer.Option("--no-gateway", help=_("Start the nodes only."))
    ] = False,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Starts the development network, or what is down of it, and shows what to try."""
    asked = Asked(nodes, engine, node, gateway=not no_gateway and node is None)
    with signals_interrupt():
        _up(Home(folder(data)), asked, detach=detach, as_json=as_json)


@contextlib.contextmanager
def signals_interrupt() -> Iterator[None]:
    """Whatever asks this command to end is raised as KeyboardInterrupt, so that it tidies up."""

    def interrupt(_number: int, _frame: object) -> None:
        # Others may follow while it tidies up; one is enough. A second Ctrl-C is meant.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    # Shells start background jobs with SIGINT ignored; whoever sends it still means to stop.
    handlers: dict[signal.Signals, Any] = {
        signal.SIGINT: interrupt,
        signal.SIGTERM: interrupt,
    }
    # Under `nohup` the end of the terminal is meant to change nothing.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        handlers[signal.SIGHUP] = interrupt
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _up(home: Home, asked: Asked, *, detach: bool, as_json: bool) -> None:
    fresh = _made(home.path)
    state: NetworkState | None = None
    started = False
    try:
        with home.locked():
            state, started = start(home, asked)
        if as_json:
            emit(status_fields(home, state))
        else:
            if not started:
                say(_("The network is already running."))
            show_status(home, state)
            show_next_steps(home, state)
            show_login(state)
        if started and not detach:
            stay(home, state, as_json=as_json)
    except (KeyboardInterrupt, OSError) as ended:
        if state is not None and started and not detach:
            with contextlib.suppress(OSError):  # a terminal that is gone reads nothing
                note(_("Stopping."))
            stop_all(home)
        if state is None or isinstance(ended, OSError):
            raise
    finally:
        # A start that failed has taken all back but the folder.
        if fresh and state is None:
            _remove_empty(home)


def _remove_empty(home: Home) -> None:
    """Removes the folder unless another command has begun a network in it meanwhile."""
    with contextlib.suppress(OSError):
        if all(one == home.lock_file for one in home.path.iterdir()):
            home.lock_file.unlink(missing_ok=True)
            home.path.rmdir()


def _made(path: Path) -> bool:
    """Makes the folder; false if it was there, also if another command made it just now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        return False
    return True


@dataclass(frozen=True)
class Asked:
    """What the options of `up` say."""

    nodes: int | None = None
    engine: str | None = None
    node: str | None = None
    gateway: bool = False

    def check(self, state: NetworkState) -> None:
        """Refuses what does not fit the network that is here.

        Raises:
            Failure: it does not.
        """
        others = (self.nodes or len(state.nodes)) != len(state.nodes)
        if others or (self.engine or state.engine) != state.engine:
            raise usage(
                _(
                    "The network here has {nodes} nodes and the engine {engine}.",
                    nodes=len(state.nodes),
                    engine=state.engine,
                ),
                _("`bubi reset` removes it; or name another folder with --data."),
                code="other_network",
            )
        if self.node is not None and all(one.name != self.node for one in state.nodes):
            raise usage(_("There is no node {name} here.", name=self.node), code="node_missing")


def start(home: Home, asked: Asked) -> tuple[NetworkState, bool]:
    """Brings the network up; second value: whether this call started anything.

    Raises:
        Failure: it did not start; what this call made is removed again.
    """
    if home.unfinished():
        note(_("Removing what an unfinished start left in {path}.", path=home.path))
        clear(home)
    if home.exists():
        state = home.read()
        asked.check(state)
        chosen = [one for one in state.nodes if asked.node in (None, one.name)]
        chosen = [one for one in chosen if not one.running()]
        before = _processes_of(home)
        try:
            running = run_nodes(home, state, chosen) if chosen else state
            followed = local_gateway.follow(home, running)
            complete = local_gateway.start(home, followed) if asked.gateway else followed
        except BaseException:
            _take_back(home, before)
            raise
        return complete, bool(chosen) or complete != running
    if any(one.name != home.lock_file.name for one in home.path.iterdir()):
        raise finding(
            _("{path} is not empty and is no development network.", path=home.path),
            _("Name another folder with --data."),
            code="folder_not_empty",
        )
    home.starting_file.write_text(str(os.getpid()), encoding="ascii")
    try:
        state = network.create_development(home, asked.nodes or DEFAULT_NODES, asked.engine)
        asked.check(state)
        chosen = [one for one in state.nodes if asked.node in (None, one.name)]
        state = run_nodes(home, state, chosen)
        if asked.gateway:
            state = local_gateway.start(home, state)
        home.starting_file.unlink()
    except BaseException:
        clear(home)
        raise
    return state, True


def _processes_of(home: Home) -> set[tuple[int, str]]:
    return set(processes.running_with_argument(f"{home.path}{os.sep}"))


def _take_back(home: Home, before: set[tuple[int, str]]) -> None:
    """Ends what runs from this folder and did not run before, and records what is stopped."""
    for pid, known in _processes_of(home) - before:
        processes.stop(pid, known)
    state = home.read()
    for node in state.nodes:
        if not node.running():
            state = state.with_node(replace(node, pid=0, identity=""))
    if state.gateway is not None and not state.gateway.running():
        state = replace(state, gateway=replace(state.gateway, pid=0, identity=""))
    home.write(state)


def run_nodes(home: Home, state: NetworkState, chosen: Sequence[NodeState]) -> NetworkState:
    """Starts nodes and waits until they answer; with a quorum, until a transaction is final.

    A port that was free may be another program's when the node wants it: then all start again
    with others.

    Raises:
        Failure: a node did not get that far; the ones started are stopped again.
    """
    names = {one.name for one in chosen}
    attempts = 1
    while True:
        state = network.with_free_ports(state, [one for one in state.nodes if one.name in names])
        try:
            return _run_nodes(home, state, names)
        except Failure as failure:
            if failure.code != PORT_LOST or attempts == START_ATTEMPTS:
                raise
            attempts += 1


def _run_nodes(home: Home, state: NetworkState, names: set[str]) -> NetworkState:
    launched: list[NodeState] = []
    try:
        for node in state.nodes:
            if node.name in names:
                running = launch(node)
                launched.append(running)
                state = state.with_node(running)
        enough = len(state.running()) >= quorum_here(home)
        with steps(_("Starting nodes"), len(launched) + enough) as advance:
            for node in launched:
                wait_ready(node, launched, state.chain_id, fully=enough)
                advance()
            if enough:
                prove(home, state)
                advance()
        if not enough:
            note(_("Too few nodes run to decide anything. `bubi why` names the others."))
        home.write(state)
    except BaseException:
        for node in launched:
            processes.stop(node.pid, node.identity)
        raise
    return state


def quorum_here(home: Home) -> int:
    """How many nodes of the network here must run: each has one vote."""
    return Trust.load(home.trust_file).validator_set.quorum


def prove(home: Home, state: NetworkState) -> None:
    """Waits until a transaction is final and every running node has its block.

    Raises:
        Failure: that took too long.
    """
    try:
        healthy_transaction(home, state, START_SECONDS)
    except Failure as failure:
        # A folder made by this call is about to go, and the log with it.
        failure.text += "\n" + "\n".join(last_lines(log_file(state.running()[0]), _LOG_LINES))
        raise
    height = max(_height(node) for node in state.running())
    deadline = time.monotonic() + START_SECONDS
    while any(_height(node) < height for node in state.running()):
        if time.monotonic() > deadline:
            return  # it is behind and catches up; `bubi status` and `bubi why` show it
        time.sleep(_POLL_SECONDS)


def _height(node: NodeState) -> int:
    return int(node_health(node.url).get("height") or 0)


def launch(node: NodeState) -> NodeState:
    """Starts one node in a session of its own, so that only we stop it."""
    with log_file(node).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "bubi", "node", "run", node.config],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
        )
    _children[process.pid] = process
    known = processes.identity(process.pid)
    if known is None:
        raise _did_not_start(node)
    return replace(node, pid=process.pid, identity=known)


_children: dict[int, subprocess.Popen[bytes]] = {}
"""Nodes started by this process, kept so that nothing warns about them while they run on."""


def wait_ready(
    node: NodeState, launched: Sequence[NodeState], chain_id: str, *, fully: bool
) -> None:
    """Waits until the node says that it is ready; or, if not `fully`, that it has started.

    Raises:
        Failure: one of those launched with it ended, it took too long, or a node of another
            network answers in its place.
    """
    deadline = time.monotonic() + START_SECONDS
    while not _has_started(node, fully=fully):
        ended = [one for one in launched if not one.running()]
        if ended:
            raise _did_not_start(ended[0])
        if time.monotonic() > deadline:
            raise _did_not_start(node)
        time.sleep(_POLL_SECONDS)
    # Two networks that start at once may pick the same free port.
    if node_answer(node.url, "/v1/network").get("chain_id") != chain_id:
        raise Failure(
            _("Another network answers at {url}.", url=node.url), code=PORT_LOST, status=1
        )


def _has_started(node: NodeState, *, fully: bool) -> bool:
    health = node_health(node.url)
    codes = {str(one.get("code")) for one in health.get("reasons") or ()}
    return health.get("status") == "ready" or bool(
        health and not fully and "starting" not in codes
    )


def _did_not_start(node: NodeState) -> Failure:
    lines = "\n".join(last_lines(log_file(node), _LOG_LINES))
    return finding(
        _("The node {name} did not start. The end of its log:", name=node.name) + f"\n{lines}",
        _("If the reason is not plain from the log, run `bubi doctor`."),
        code=PORT_LOST if "cannot listen" in lines else "start_failed",
    )


def stay(home: Home, state: NetworkState, *, as_json: bool) -> None:
    """Stays in front until Ctrl-C or another command ends it; tells if a node ends by itself."""
    if not as_json:
        say(_("Ctrl-C stops the network."))
    told: set[int] = set()
    while True:
        time.sleep(0.2)
        if not home.exists():
            return  # another command removed it
        state = home.read()
        ended = [one for one in state.nodes if one.pid and not one.running()]
        for one in ended:
            if one.pid not in told:
                told.add(one.pid)
                note(_("The node {name} ended by itself.", name=one.name))
        if not state.running():
            break
    if not ended:
        return  # another command stopped it
    stop_all(home)
    raise finding(
        _("The node {name} ended by itself. The end of its log:", name=ended[0].name)
        + "\n"
        + "\n".join(last_lines(log_file(ended[0]), _LOG_LINES)),
        _("`bubi node check` looks for damage."),
        code="node_ended",
    )


def stop_nodes(home: Home, state: NetworkState, chosen: Sequence[NodeState]) -> list[str]:
    """Stops nodes and records it; gives the names of those that ran.

    Raises:
        Failure: one does not end.
    """
    stopped = []
    for node in chosen:
        if processes.stop(node.pid, node.identity):
            stopped.append(node.name)
        elif node.running():
            raise finding(
                _("The node {name} (process {pid}) does not end.", name=node.name, pid=node.pid),
                code="does_not_stop",
            )
        state = state.with_node(replace(node, pid=0, identity=""))
    home.write(state)
    return stopped


def stop_all(home: Home) -> list[str]:
    """Stops the gateway, then all nodes; gives the names of those that ran.

    Raises:
        Failure: one does not end.
    """
    state, stopped = local_gateway.stop(home, home.read())
    return [local_gateway.NAME] * stopped + stop_nodes(home, state, state.nodes)


def down(
    node: Annotated[str | None, typer.Option("--node", help=_("Stop only this node."))] = None,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Stops the development network; its data stays."""
    home = Home(folder(data))
    state = home.read()
    chosen = [one for one in state.nodes if node in (None, one.name)]
    if not chosen:
        raise usage(_("There is no node {name} here.", name=node), code="node_missing")
    with home.locked():
        stopped = stop_all(home) if node is None else stop_nodes(home, state, chosen)
    if not stopped:
        raise nothing_running(
            _("Nothing was running in {path}.", path=home.path), _("`bubi up` starts it again.")
        )
    if as_json:
        emit({"stopped": stopped})
    else:
        say(
            _(
                "Stopped: {names}. The data is kept; `bubi up` continues it.",
                names=", ".join(stopped),
            )
        )


def status(data: DataOption = None, as_json: AsJson = False) -> None:
    """Shows what runs, where, and how far it is."""
    home = Home(folder(data))
    state = home.read()
    running = bool(state.running())
    if as_json and running:
        emit(status_fields(home, state))
    elif not as_json:
        show_status(home, state)
    if not running:
        raise nothing_running(
            _("The network in {path} is stopped.", path=home.path), _("`bubi up` starts it again.")
        )


def reset(
    yes: Annotated[bool, typer.Option("--yes", help=_("Do not ask."))] = False,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Stops the development network and removes its data."""
    home = Home(folder(data))
    if not home.path.exists() or not (home.exists() or home.unfinished()):
        raise nothing_running(_("There is no development network in {path}.", path=home.path))
    if not yes and not _confirmed(home):
        raise finding(_("Nothing was removed."), code="declined")
    with home.locked():
        _stop_if_readable(home)
        clear(home)
        home.lock_file.unlink(missing_ok=True)
    if not any(home.path.iterdir()):
        home.path.rmdir()
    if as_json:
        emit({"removed": str(home.path)})
    else:
        say(_("Removed {path}.", path=home.path))


def _confirmed(home: Home) -> bool:
    if not sys.stdin.isatty():
        raise usage(_("It would remove {path}.", path=home.path), _("Say so with --yes."))
    return typer.confirm(_("Stop the network and remove {path}?", path=home.path), err=True)


def _stop_if_readable(home: Home) -> None:
    """Stops what the state file names; if that is damaged, what runs from this folder."""
    try:
        stop_all(home)
    except Failure as failure:
        if failure.code != "state_damaged":
            raise
        for pid, known in processes.running_with_argument(f"{home.path}{os.sep}"):
            processes.stop(pid, known)


def clear(home: Home) -> None:
    """Stops what still runs from this folder and removes the network's files."""
    for pid, known in processes.running_with_argument(f"{home.path}{os.sep}"):
        processes.stop(pid, known)
    network.remove_files(home)


def logs(
    node: Annotated[str | None, typer.Option("--node", help=_("Only this node."))] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help=_("How many lines."))] = 40,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help=_("Go on with new lines until Ctrl-C."))
    ] = False,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Shows the newest lines of the nodes' logs."""
    if follow and as_json:
        raise usage(_("--follow and --json do not go together."))
    state = Home(folder(data)).read()
    files = {one.name: log_file(one) for one in state.nodes}
    if state.gateway is not None:
        files[local_gateway.NAME] = local_gateway.log_file(state.gateway)
    chosen = {name: file for name, file in files.items() if node in (None, name)}
    if not chosen:
        raise usage(_("There is no node {name} here.", name=node), code="node_missing")
    shown = {name: list(last_lines(file, lines)) for name, file in chosen.items()}
    if as_json:
        emit({"logs": [{"name": name, "lines": text} for name, text in shown.items()]})
        return
    for text in shown.values():
        sys.stdout.writelines(f"{line}\n" for line in text)
    if follow:
        for line in _new_lines(next(iter(chosen.values()))):
            sys.stdout.write(line)
            sys.stdout.flush()


def log_file(node: NodeState) -> Path:
    """Where a node's output goes."""
    return Path(node.data) / "node.log"


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a file; none if there is no file."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 1000 * max(count, 1)))
            return log.read().decode(errors="replace").splitlines()[-count:] if count else []
    except FileNotFoundError:
        return []


def _new_lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as log:
        log.seek(0, os.SEEK_END)
        while True:
            yield from _rest(log)
            time.sleep(0.2)


def _rest(log: IO[str]) -> Iterator[str]:
    while line := log.readline():
        yield line


def status_fields(home: Home, state: NetworkState) -> dict[str, Any]:
    """What `status --json` reports."""
    nodes = [_node_fields(node) for node in state.nodes]
    return {
        "chain_id": state.chain_id,
        "engine": state.engine,
        "height": max((node["height"] or 0 for node in nodes), default=0),
        "ready": sum(1 for node in nodes if node["ready"]) >= quorum_here(home),
        "trust_file": str(home.trust_file),
        "nodes": nodes,
        "gateway": local_gateway.fields(state),
        "warnings": network.warnings_here(home),
        "accounts": [
            {"name": one.name, "address": one.address, "keystore": one.keystore}
            for one in state.accounts
        ],
    }


def _node_fields(node: NodeState) -> dict[str, Any]:
    running = node.running()
    health = node_health(node.url) if running else {}
    ready = health.get("status") == "ready"
    return {
        "name": node.name,
        "organisation": node.organisation,
        "pid": node.pid if running else None,
        "role": node.role,
        "url": node.url,
        "p2p": node.p2p,
        "data": node.data,
        "height": int(health["height"]) if health else None,
        "state_root": state_root(node.url) if ready else None,
        "ready": ready,
    }


def show_status(home: Home, state: NetworkState) -> None:
    """Prints the network for people."""
    fields = status_fields(home, state)
    details(
        _("Development network {name}", name=state.name),
        {
            _("Data folder"): home.path,
            _("Chain id"): state.chain_id,
            _("Engine"): state.engine,
            _("Height"): fields["height"],
            _("Trust file"): home.trust_file,
        },
    )
    table(
        _("Nodes"),
        (_("Name"), _("Organisation"), _("URL"), _("Process"), _("Height"), _("Ready")),
        [
            (
                one["name"],
                one["organisation"],
                one["url"],
                one["pid"] or "-",
                one["height"],
                _yes(one["ready"]),
            )
            for one in fields["nodes"]
        ],
    )
    if fields["gateway"] is not None:
        one = fields["gateway"]
        details(
            _("Gateway"),
            {
                _("URL"): one["url"],
                _("Process"): one["pid"] or "-",
                _("Ready"): _yes(one["ready"]),
            },
        )
    for warning in fields["warnings"]:
        say(_("Warning: {text}", text=warning))
    table(
        _("Demo accounts"),
        (_("Name"), _("Address"), _("Keystore")),
        [(one.name, one.address, one.keystore) for one in state.accounts],
    )
    say(
        _(
            "For development only: the password of the demo keystores is in {path} (mode 0600).",
            path=home.password_file,
        )
    )


def _yes(value: bool) -> str:
    return _("yes") if value else _("no")


def show_next_steps(home: Home, state: NetworkState) -> None:
    """Prints three commands to try."""
    option = "" if home.path == folder(None) else f" --data {home.path}"
    table(
        _("Try next"),
        (_("Command"), _("What it does")),
        [
            (f"bubi account list{option}", _("shows the demo accounts as the ledger has them")),
            (f"bubi account create carol{option}", _("opens an account with a new key")),
            (
                f"curl {state.nodes[0].url}/v1/openapi.json",
                _("describes the interface for programs"),
            ),
        ],
    )


def show_login(state: NetworkState) -> None:
    """Prints a link by which the first administrator comes into the console."""
    if state.gateway is None or not state.gateway.running():
        return
    settings = gateway_users.settings(Path(state.gateway.config), None)
    url, _expires = gateway_users.make_link(settings)
    say(_("Log in to the console (once, within 15 minutes): {url}", url=url))


COMMANDS: Final[tuple[tuple[str, Callable[..., None], str], ...]] = (
    ("up", up, _("Start the development network, or what is down of it.")),
    ("down", down, _("Stop the development network; its data stays.")),
    ("status", status, _("Show what runs, where, and how far it is.")),
    ("reset", reset, _("Stop the development network and remove its data.")),
    ("logs", logs, _("Show the nodes' logs.")),
    ("doctor", doctor, _("Look for what keeps the network from working, with the cures.")),
)
