"""The command `bubi` in processes of its own, against real nodes."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from bubi_sdk import Client, TransactionBuilder
from bubi_sdk.keystore import KeystoreSigner

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
"""Seconds for what takes one or two on a machine that has nothing else to do."""


@dataclass(frozen=True)
class Done:
    """What a process said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "BUBI_HOME"}
    return {**kept, "LC_ALL": "C.UTF-8", **more}


def command(
    *arguments: object,
    cwd: Path | None = None,
    stdin: str = "",
    timeout: float = 400,
    program: tuple[str, ...] = ("-m", "bubi"),
    **more: str,
) -> Done:
    done = subprocess.run(
        [sys.executable, *program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        input=stdin,
        timeout=timeout,
        env=environment(**more),
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def example(name: str, *arguments: object, timeout: float = 400) -> Done:
    return command(*arguments, program=(str(ROOT / "examples" / name / "run"),), timeout=timeout)


class Net:
    """A development network and its demo account."""

    def __init__(self, folder):
        self.folder = folder
        fields = command("status", "--data", folder, "--json").json
        self.nodes = {one["name"]: one for one in fields["nodes"]}
        account = fields["accounts"][0]
        password = (folder / "accounts" / "password").read_text(encoding="utf-8").strip()
        self.address = account["address"]
        self.signer = KeystoreSigner.open(account["keystore"], password)

    def url(self, name):
        return self.nodes[name]["url"]

    def command(self, *arguments):
        return command(*arguments, "--data", self.folder)

    def transact(self, name, within=PATIENCE):
        """Sends a transaction to a node and waits until it is final; its outcome."""
        with Client(self.url(name)) as first:
            identity = first.network()
        with Client(self.url(name), identity) as client:
            entry = f"k{secrets.token_hex(4)}"
            builder = TransactionBuilder(identity, self.address).set_data(entry, b"1")
            outcome = client.submit_and_wait(builder.build().sign(self.signer), within=within)
            outcome.raise_for_status()
            return outcome

    def state(self, name):
        """Height and state root of a node."""
        fields = get(f"{self.url(name)}/v1/network").json()
        return int(fields["height"]), fields["state_root"]

    def peers(self, name):
        """What a node says of its peers, by their names."""
        return {one["name"]: one for one in get(f"{self.url(name)}/v1/peers").json()["items"]}

    def connected(self, name):
        """Those of them that it is connected with."""
        found = self.peers(name)
        return {other: one for other, one in found.items() if one["state"] == "connected"}

    def counter(self, name, what):
        """A total of a node's network since its start; 0 if it counts nothing of this name."""
        text = get(f"{self.url(name)}/metrics").text
        found = re.search(rf'(?m)^bubi_network{{what="{what}"}} (\S+)$', text)
        return float(found[1]) if found else 0.0

    def log(self, name):
        """What a node wrote to its log so far."""
        return (Path(self.nodes[name]["data"]) / "node.log").read_text(encoding="utf-8")

    def level(self, *names, seconds=PATIENCE):
        """Waits until these nodes have the same height and state root, and gives them."""
        deadline = time.monotonic() + seconds
        while True:
            seen = {self.state(name) for name in names}
            if len(seen) == 1:
                return seen.pop()
            assert time.monotonic() < deadline, {name: self.state(name) for name in names}
            time.sleep(0.1)

    def kill(self, name):
        """Ends a process without warning; on return it is gone."""
        kill(self.pid(name))

    def pid(self, name):
        fields = self.command("status", "--json").json
        return next(one["pid"] for one in fields["nodes"] if one["name"] == name)

    def leader(self, *others):
        """The node that leads, as a running one tells, once it is none of these others."""
        url = self.url(next(name for name in self.nodes if self.pid(name)))

        def told():
            name = get(f"{url}/v1/consensus").json()["leader"]
            return None if name in others else name

        return wait_for(told)


def get(url):
    """An answer of a node that may be busy."""
    return httpx.get(url, timeout=PATIENCE, trust_env=False)


def alive(pid):
    """Whether a process runs; one that ended and that nobody has waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state.rpartition(")")[2].split()[0] not in "ZX"


def kill(pid):
    """Ends a process without warning; on return it is gone."""
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not alive(pid))


def wait_for(condition, seconds=PATIENCE):
    """Waits until a condition holds, and gives what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return found
