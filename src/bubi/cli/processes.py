"""Processes of the development network: recognised by more than their number."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

STOP_SECONDS: Final = 15.0
KILL_SECONDS: Final = 60.0
"""A process that waits for its disk ends when the disk has answered."""
_POLL_SECONDS: Final = 0.05


def identity(pid: int) -> str | None:
    """What tells this process from a later one with its number: boot and start. None: gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return _identity_by_ps(pid) if not Path("/proc/self/stat").exists() else None
    except OSError:
        return None
    # The name in brackets may hold blanks and brackets; fields behind the last one count from 3.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in {"Z", "X"}:
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}:{fields[19]}"


def _identity_by_ps(pid: int) -> str | None:
    shown = subprocess.run(  # noqa: S603 - fixed programme, numeric argument
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip() or None


def alive(pid: int, known: str) -> bool:
    """Whether the process recorded with this identity still runs."""
    return pid > 0 and identity(pid) == known


def running_with_argument(start: str) -> list[tuple[int, str]]:
    """Our nodes and gateways whose configuration lies below `start`, with identities."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid != os.getuid():
                continue
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        # The list ends with an empty word; before it stand noun, `run` and the configuration.
        runs = words[-4:-2] in ([b"node", b"run"], [b"gateway", b"run"])
        ours = runs and words[-2].startswith(os.fsencode(start))
        known = identity(int(folder.name)) if ours else None
        if known is not None:
            found.append((int(folder.name), known))
    return found


def stop(pid: int, known: str, seconds: float = STOP_SECONDS) -> bool:
    """Ends a process that is ours: asks, waits, then insists. False: it was already gone."""
    if not alive(pid, known):
        return False
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, KILL_SECONDS)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        if _wait_gone(pid, known, patience):
            return True
    return not alive(pid, known)


def _wait_gone(pid: int, known: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid, known):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
