"""`bubi doctor`: looks for what keeps the development network from working."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from bubi.cli import processes
from bubi.cli.connection import DataOption, node_health
from bubi.cli.home import Home, NetworkState, folder
from bubi.cli.messages import _
from bubi.cli.network import warnings_here
from bubi.cli.output import FINDING, GOOD, AsJson, Failure, emit, finish, say, table

DISK_FREE_MIN: Final = 1 << 30
"""Bytes that should stay free on the disk of the data."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, and its cure."""

    code: str
    text: str
    cure: str


def doctor(data: DataOption = None, as_json: AsJson = False) -> None:
    """Looks for what keeps the network from working, with the cures."""
    home = Home(folder(data))
    findings = [*machine(home.path), *network(home)]
    if as_json:
        emit({"findings": [vars(one) for one in findings]})
    elif findings:
        table(
            _("Findings"),
            (_("Code"), _("What is wrong"), _("What to do")),
            [(one.code, one.text, one.cure) for one in findings],
        )
    else:
        say(_("Nothing found."))
    finish(FINDING if findings else GOOD)


def machine(path: Path) -> Iterator[Finding]:
    """What is wrong with this machine."""
    if sys.version_info < (3, 11):  # noqa: UP036 - a wheel can be forced onto an older one
        yield Finding(
            "python_old", _("Python is older than 3.11."), _("Install Python 3.11 or newer.")
        )
    if find_spec("bubi._core") is None:
        yield Finding(
            "core_missing", _("The compiled core is not installed."), _("Run `make setup`.")
        )
    existing = next(one for one in (path, *path.parents) if one.exists())
    if shutil.disk_usage(existing).free < DISK_FREE_MIN:
        yield Finding(
            "disk_full",
            _("Less than 1 GiB is free on the disk of {path}.", path=existing),
            _("Make room, or name another folder with --data."),
        )
    if not existing.is_dir():
        yield Finding(
            "not_a_folder",
            _("{path} is no folder.", path=existing),
            _("Name another folder with --data."),
        )
    if not os.access(existing, os.W_OK):
        yield Finding(
            "not_writable",
            _("{path} cannot be written.", path=existing),
            _("Name another folder with --data."),
        )


def network(home: Home) -> Iterator[Finding]:
    """What is wrong with the network in this folder; a folder without one is no finding."""
    if home.unfinished():
        yield Finding(
            "start_unfinished",
            _("A start in {path} never finished.", path=home.path),
            _("`bubi up` cleans up and starts anew."),
        )
    if not home.exists():
        yield from strays(home, set())
        return
    try:
        state = home.read()
    except Failure as failure:
        yield Finding(failure.code, failure.text, failure.cure)
        yield from strays(home, set())
        return
    yield from nodes(state)
    yield from gateway(state)
    for text in warnings_here(home):
        cure = _("Spread the validators over more organisations.")
        yield Finding("organisation_too_heavy", text, cure)
    known = {node.pid for node in state.nodes}
    if state.gateway is not None:
        known.add(state.gateway.pid)
    yield from strays(home, known)
    yield from secrets(home)


def nodes(state: NetworkState) -> Iterator[Finding]:
    """Nodes that should run and do not, or run and are not ready."""
    for node in state.nodes:
        if node.pid and not node.running():
            yield Finding(
                "node_gone",
                _("The node {name} was started and is gone.", name=node.name),
                _("`bubi logs` shows why; `bubi up` starts it again."),
            )
        elif node.pid:
            health = node_health(node.url)
            if not health:
                text = _("The node {name} does not answer at {url}.", name=node.name, url=node.url)
                yield Finding("no_answer", text, _("`bubi down`, then `bubi up`."))
            elif health.get("status") != "ready":
                reasons = ", ".join(str(one["text"]) for one in health.get("reasons") or ())
                text = _(
                    "The node {name} is not ready: {why}.", name=node.name, why=reasons or "?"
                )
                yield Finding("not_ready", text, _("`bubi why` explains it."))
        config = Path(node.config)
        if not config.exists():
            text = _("The file {path} is missing.", path=config)
            yield Finding("file_missing", text, _("`bubi reset` and `bubi up` start anew."))


def gateway(state: NetworkState) -> Iterator[Finding]:
    """A gateway that should run and does not, or runs and is not ready."""
    one = state.gateway
    if one is None or not one.pid:
        return
    if not one.running():
        yield Finding(
            "gateway_gone",
            _("The gateway was started and is gone."),
            _("`bubi logs --node gateway` shows why; `bubi up` starts it again."),
        )
    elif node_health(one.url).get("status") != "ready":
        yield Finding(
            "gateway_not_ready",
            _("The gateway at {url} is not ready.", url=one.url),
            _("`bubi logs --node gateway` shows why."),
        )


def strays(home: Home, known: set[int]) -> Iterator[Finding]:
    """Nodes of this folder that run without being recorded."""
    for pid, _identity in processes.running_with_argument(f"{home.path}{os.sep}"):
        if pid not in known:
            yield Finding(
                "stray_node",
                _("Process {pid} runs a node of this folder and is not recorded.", pid=pid),
                _("`bubi reset` stops and removes it."),
            )


def secrets(home: Home) -> Iterator[Finding]:
    """Files with keys or passwords that others may read, or that are missing."""
    files = [home.password_file, *home.accounts.glob("*.json")]
    for file in files:
        if not file.exists():
            text = _("The file {path} is missing.", path=file)
            yield Finding("file_missing", text, _("`bubi reset` and `bubi up` start anew."))
        elif stat.S_IMODE(file.stat().st_mode) & 0o077:
            text = _("Others may read {path}.", path=file)
            yield Finding("file_open", text, _("Run `chmod 600 {path}`.", path=file))
