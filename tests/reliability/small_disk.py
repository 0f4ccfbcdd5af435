"""Fills a file system, and waits for what a node says of it."""

import contextlib
import os
import time
from pathlib import Path

from harness import Node


def fill(path: Path) -> None:
    """Takes all space that is left."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    with contextlib.suppress(OSError):
        while True:
            os.write(descriptor, bytes(4_096))
    os.close(descriptor)


def wait_for_reasons(node: Node, wanted: set[str], filler: Path | None = None) -> None:
    ends = time.monotonic() + 240
    while True:
        found = {one["code"] for one in node.client.get("/health").json().get("reasons", [])}
        if found == wanted:
            return
        assert time.monotonic() < ends, (found, wanted)
        if filler is not None:
            fill(filler)
        time.sleep(0.05)
