"""Ports for servers that tests start."""

import contextlib
import secrets
import socket
from pathlib import Path

FIRST, COUNT = 12_000, 20_000
RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""From which the system gives ports to outgoing connections; ours lie below, where they fit."""

_given: set[int] = set()


def free_port() -> int:
    """A port that is free, and that no other call in this process was given."""
    while True:
        port = _first() + secrets.randbelow(COUNT)
        if port in _given:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port


def _first() -> int:
    try:
        lowest = int(RANGE.read_text(encoding="ascii").split()[0])
    except OSError:
        return FIRST
    return max(1_024, min(FIRST, lowest - COUNT))
