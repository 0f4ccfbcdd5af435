"""The data folder of a development network: what lies where, and its state file.

network.json        state: chain, nodes with process numbers, accounts (this file)
public/             what the members of a network share: genesis, trust file, list of members
starting            present while `bubi up` makes the folder: what lies beside it is unfinished
lock                held while a command changes the state
trust.json          trust file for verifiers
node1/ …            folder of a node: config.toml, keys, genesis, data, node.log
gateway/            folder of the gateway: config.toml, index.sqlite, gateway.log
accounts/           demo keystores and `password`, all mode 0600
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from bubi.cli import processes
from bubi.cli.messages import _
from bubi.cli.output import Failure, finding, nothing_running

STATE_SCHEMA: Final = 1


@dataclass(frozen=True)
class NodeState:
    """A node that the development network started."""

    name: str
    organisation: str
    role: str
    pid: int
    """Process number of the last start; 0 when stopped."""
    identity: str
    """What tells that process from another with its number."""
    url: str
    data: str
    config: str
    p2p: str | None = None
    """Where other nodes reach it."""
    operator: str | None = None
    """Where its operator looks at the machine and the log."""

    def running(self) -> bool:
        """Whether the recorded process still runs."""
        return processes.alive(self.pid, self.identity)


@dataclass(frozen=True)
class GatewayState:
    """The gateway that the development network started."""

    pid: int
    """Process number of the last start; 0 when stopped."""
    identity: str
    """What tells that process from another with its number."""
    url: str
    data: str
    config: str

    def running(self) -> bool:
        """Whether the recorded process still runs."""
        return processes.alive(self.pid, self.identity)


@dataclass(frozen=True)
class AccountState:
    """A demo account with the file that holds its key."""

    name: str
    address: str
    keystore: str


@dataclass(frozen=True)
class NetworkState:
    """What the state file says."""

    chain_id: str
    name: str
    engine: str
    prefix: str
    suite: str
    nodes: tuple[NodeState, ...]
    accounts: tuple[AccountState, ...]
    gateway: GatewayState | None = None
    schema: int = field(default=STATE_SCHEMA)

    def with_node(self, node: NodeState) -> NetworkState:
        """The same network with one node's entry replaced."""
        nodes = tuple(node if old.name == node.name else old for old in self.nodes)
        return replace(self, nodes=nodes)

    def running(self) -> list[NodeState]:
        """Nodes whose processes run."""
        return [node for node in self.nodes if node.running()]


class Home:
    """The data folder and its files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state_file = path / "network.json"
        self.starting_file = path / "starting"
        self.lock_file = path / "lock"
        self.trust_file = path / "trust.json"
        self.public = path / "public"
        self.accounts = path / "accounts"
        self.password_file = self.accounts / "password"

    def exists(self) -> bool:
        """Whether a finished network lies here."""
        return self.state_file.exists()

    def unfinished(self) -> bool:
        """Whether a start that never finished left something behind."""
        return self.starting_file.exists()

    def read(self) -> NetworkState:
        """The state of the network here.

        Raises:
            Failure: there is none (3), or its file is damaged (1).
        """
        try:
            text = self.state_file.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise nothing_running(
                _("There is no development network in {path}.", path=self.path),
                _("Start one with `bubi up`, or name its folder with --data."),
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise self._damaged(str(error)) from error
        try:
            return parse_state(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, reason: str) -> Failure:
        return finding(
            _("The state file {path} is damaged ({reason}).", path=self.state_file, reason=reason),
            _("Look for a running node with `bubi doctor`; `bubi reset` removes everything here."),
            code="state_damaged",
        )

    def write(self, state: NetworkState) -> None:
        """Replaces the state file in one step."""
        write_private(self.state_file, json.dumps(asdict(state), indent=2, ensure_ascii=False))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other commands from changing the network meanwhile.

        Raises:
            Failure: another command is at it.
        """
        with self.lock_file.open("a", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise finding(
                    _("Another command is changing the network in {path}.", path=self.path),
                    _("Wait until it has finished."),
                    code="busy",
                ) from None
            yield

    def password(self) -> str:
        """The password of the demo keystores."""
        return self.password_file.read_text(encoding="utf-8").strip()


def parse_state(value: Any) -> NetworkState:
    """Reads a state file strictly.

    Raises:
        ValueError: another schema, or members that do not fit.
    """
    if not isinstance(value, Mapping) or value.get("schema") != STATE_SCHEMA:
        raise ValueError("it has another schema")
    members = dict(value)
    members["nodes"] = tuple(NodeState(**node) for node in members["nodes"])
    members["accounts"] = tuple(AccountState(**account) for account in members["accounts"])
    if members.get("gateway") is not None:
        members["gateway"] = GatewayState(**members["gateway"])
    state = NetworkState(**members)
    if not all(isinstance(node.pid, int) for node in state.nodes):
        raise ValueError("a process number is not a number")
    return state


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, in one step."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(
        os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    new.replace(path)


def folder(option: Path | None) -> Path:
    """The data folder: `--data`, else BUBI_HOME (read nowhere else), else `.bubi` here.

    However it is spelled, it has one name: that by which its processes are found.
    """
    return (option or Path(os.environ.get("BUBI_HOME") or ".bubi")).expanduser().resolve()
