"""What `bubi bench network` does to a network while it is loaded: kill, slow down, delay links."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bubi.cli import processes
from bubi.cli.connection import healthy_transaction, node_answer
from bubi.cli.home import Home, NetworkState, NodeState, write_private
from bubi.cli.messages import _
from bubi.cli.output import finding, note

SHARE: Final = 10
"""A slowed node runs one part in so many of the time."""
ON_SECONDS: Final = 0.01
DECIDE_SECONDS: Final = 60.0
"""Longest wait for the first decision without the node that was killed."""
_BEAT: Final = """
import os, signal, sys, time
pid, on, off = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
while True:
    os.kill(pid, signal.SIGSTOP)
    time.sleep(off)
    os.kill(pid, signal.SIGCONT)
    time.sleep(on)
"""


def leader(state: NetworkState) -> NodeState:
    """The node that leads now: the worst one to lose."""
    name = node_answer(state.nodes[0].url, "/v1/consensus").get("leader")
    return next((one for one in state.nodes if one.name == name), state.nodes[-1])


def crash(home: Home, state: NetworkState) -> NodeState:
    """Kills the leader, waits until the others have decided something; the node that is gone."""
    victim = leader(state)
    os.kill(victim.pid, signal.SIGKILL)
    processes.stop(victim.pid, victim.identity)
    note(_("Killed {name}.", name=victim.name))
    healthy_transaction(home, state, DECIDE_SECONDS)
    return victim


@contextlib.contextmanager
def slowed(victim: NodeState) -> Iterator[None]:
    """Lets a node run only one tenth of the time, in short beats."""
    off = ON_SECONDS * (SHARE - 1)
    words = [sys.executable, "-S", "-c", _BEAT, str(victim.pid), str(ON_SECONDS), str(off)]
    # A process of its own: threads of this one would disturb its beat.
    beat = subprocess.Popen(words, stdin=subprocess.DEVNULL)  # noqa: S603 - our own interpreter
    try:
        yield
        if beat.poll() is not None:
            raise finding(
                _("The node {name} ended by itself.", name=victim.name), code="node_ended"
            )
    finally:
        beat.kill()
        beat.wait()
        if victim.running():
            os.kill(victim.pid, signal.SIGCONT)


@contextlib.contextmanager
def delayed(state: NetworkState, seconds: float) -> Iterator[None]:
    """Makes every connection between nodes pass a relay, before the nodes start.

    Nodes are told the relay's ports in place of the others', and tell nobody their own.
    """
    pairs = [(one, other) for one in state.nodes for other in state.nodes if one != other]
    plan = {"delay": seconds, "targets": [_port(other) for _one, other in pairs]}
    relay = subprocess.Popen(
        [sys.executable, "-m", "bubi.cli.bench_relay"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert relay.stdin is not None
        assert relay.stdout is not None
        relay.stdin.write(json.dumps(plan) + "\n")
        relay.stdin.flush()
        ports = json.loads(relay.stdout.readline() or "[]")
        if len(ports) != len(pairs):
            raise finding(_("The relay did not start."), code="relay_failed")
        for node in state.nodes:
            own = [port for (one, _), port in zip(pairs, ports, strict=True) if one == node]
            _join(Path(node.config), own)
        yield
    finally:
        relay.kill()
        relay.communicate()


def _port(node: NodeState) -> int:
    return int(str(node.p2p).rpartition(":")[2])


def _join(config: Path, ports: list[int]) -> None:
    seeds = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
    text = config.read_text(encoding="utf-8")
    text, count = re.subn(r"(?m)^seeds = .*$", f"seeds = [{seeds}]", text)
    if count != 1:
        raise finding(_("The relay did not start."), code="relay_failed")
    write_private(config, re.sub(r"(?m)^advertise = .*\n", "", text))
