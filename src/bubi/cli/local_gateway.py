"""The gateway of the development network: its folder, its start and its end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from bubi.cli import processes
from bubi.cli.connection import node_health
from bubi.cli.home import GatewayState, Home, NetworkState, write_private
from bubi.cli.messages import _
from bubi.cli.network import free_ports, keystore_file
from bubi.cli.output import Failure, finding

NAME: Final = "gateway"
FAUCET: Final = "issuer"
"""The demo account that feeds the sandbox."""
FIRST_PORT: Final = 8700
START_SECONDS: Final = 240.0
START_ATTEMPTS: Final = 3
LOG_BYTES: Final = 20_000
_POLL_SECONDS: Final = 0.05

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Gateways started by this process, kept so that nothing warns about them while they run on."""


def start(home: Home, state: NetworkState) -> NetworkState:
    """Starts the gateway at a running node, unless it runs, and waits until it answers.

    Raises:
        Failure: it did not get that far.
    """
    if state.gateway is not None and state.gateway.running():
        return state
    port = FIRST_PORT if state.gateway is None else int(state.gateway.url.rpartition(":")[2])
    for attempt in range(1, START_ATTEMPTS + 1):
        gateway = _launch(home, state, free_ports([port])[0])
        state = replace(state, gateway=gateway)
        try:
            _wait_ready(gateway)
        except BaseException as failure:
            processes.stop(gateway.pid, gateway.identity)
            lost = isinstance(failure, Failure) and failure.code == "port_taken"
            if not lost or attempt == START_ATTEMPTS:
                raise
            continue
        break
    home.write(state)
    return state


def follow(home: Home, state: NetworkState) -> NetworkState:
    """Starts a running gateway again if nodes have moved to addresses that it does not know.

    Raises:
        Failure: it did not end, or did not start again.
    """
    gateway = state.gateway
    if gateway is None or not gateway.running():
        return state
    text = Path(gateway.config).read_text(encoding="utf-8")
    own = re.search(r'(?m)^url\s*=\s*"(.*)"$', text)
    here = own is not None and own[1] in {one.url for one in state.nodes}
    if here and _watching(text, state) == text:
        return state
    state, _stopped = stop(home, state)
    return start(home, state)


def stop(home: Home, state: NetworkState) -> tuple[NetworkState, bool]:
    """Stops the gateway and records it; second value: whether it ran.

    Raises:
        Failure: it does not end.
    """
    gateway = state.gateway
    if gateway is None:
        return state, False
    stopped = processes.stop(gateway.pid, gateway.identity)
    if not stopped and gateway.running():
        raise finding(
            _("The gateway (process {pid}) does not end.", pid=gateway.pid), code="does_not_stop"
        )
    state = replace(state, gateway=replace(gateway, pid=0, identity=""))
    home.write(state)
    return state, stopped


def fields(state: NetworkState) -> dict[str, Any] | None:
    """What `status --json` reports of it; None if the network has none."""
    gateway = state.gateway
    if gateway is None:
        return None
    running = gateway.running()
    ready = running and node_health(gateway.url).get("status") == "ready"
    return {"url": gateway.url, "pid": gateway.pid if running else None, "ready": ready}


def log_file(gateway: GatewayState) -> Path:
    """Where its output goes."""
    return Path(gateway.data) / "gateway.log"


def _launch(home: Home, state: NetworkState, port: int) -> GatewayState:
    folder = home.path / NAME
    folder.mkdir(mode=0o700, exist_ok=True)
    config = folder / "config.toml"
    node = (state.running() or list(state.nodes))[0]
    _configure(home, config, port, node.url)
    _watch(config, state)
    url = f"http://127.0.0.1:{port}"
    gateway = GatewayState(0, "", url, str(folder), str(config))
    with log_file(gateway).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "bubi", NAME, "run", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
        )
    _children[process.pid] = process
    known = processes.identity(process.pid)
    if known is None:
        raise _did_not_start(gateway)
    return replace(gateway, pid=process.pid, identity=known)


def _configure(home: Home, config: Path, port: int, node: str) -> None:
    """Writes the configuration; one that is there keeps all but its port and its node."""
    if config.exists():
        text = config.read_text(encoding="utf-8")
        text = re.sub(r"(?m)^port\s*=.*$", f"port = {port}", text, count=1)
        text = re.sub(r"(?m)^url\s*=.*$", f"url = {json.dumps(node)}", text, count=1)
    else:
        keystore, password = keystore_file(home, FAUCET), home.password_file
        text = (
            f"[gateway]\nport = {port}\n\n[node]\nurl = {json.dumps(node)}\n\n"
            "[explorer]\npublic = true\n"
            # Only this machine reaches it, and all of it has one address.
            "requests = 100_000\n\n"
            f"[sandbox]\nkeystore = {json.dumps(str(keystore))}\n"
            f"password = {json.dumps(str(password))}\n"
        )
    write_private(config, text)


def _watch(config: Path, state: NetworkState) -> None:
    """Writes down what the gateway watches."""
    write_private(config, _watching(config.read_text(encoding="utf-8"), state))


def _watching(text: str, state: NetworkState) -> str:
    """The configuration that names all nodes here, and their operator listeners."""
    nodes = [f"{one.name}={one.url}" for one in state.nodes]
    operators = [f"{one.name}={one.operator}" for one in state.nodes if one.operator is not None]
    if not re.search(r"(?m)^\[monitoring\]$", text):
        text += "\n[monitoring]\nnodes = []\noperators = []\n"
    if not re.search(r"(?m)^\[alarms\]$", text):
        # Whoever tries it out has the other end on the same machine.
        text += '\n[alarms]\ninternal_networks = ["127.0.0.0/8", "::1/128"]\n'
    text = _with_list(text, "nodes", nodes)
    return _with_list(text, "operators", operators)


def _with_list(text: str, key: str, values: list[str]) -> str:
    """The configuration with another value of a key that is a list on one line."""
    line = f"{key} = {json.dumps(values)}"
    return re.sub(rf"(?m)^{key}\s*=\s*\[.*\]$", lambda _: line, text, count=1)


def _wait_ready(gateway: GatewayState) -> None:
    deadline = time.monotonic() + START_SECONDS
    while node_health(gateway.url).get("status") != "ready":
        if not gateway.running() or time.monotonic() > deadline:
            raise _did_not_start(gateway)
        time.sleep(_POLL_SECONDS)


def _did_not_start(gateway: GatewayState) -> Failure:
    text = log_file(gateway).read_bytes()[-LOG_BYTES:].decode(errors="replace")
    lines = "\n".join(text.splitlines()[-20:])
    return finding(
        _("The gateway did not start. The end of its log:") + f"\n{lines}",
        _("`bubi up --no-gateway` starts the network without it."),
        code="port_taken" if "cannot listen" in lines else "start_failed",
    )
