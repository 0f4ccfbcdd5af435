"""The network that an example runs on: the one that is up, or one of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bubi_sdk import Client, Network, Trust
from rich.console import Console
from rich.progress import Progress

T = TypeVar("T")


@dataclass(frozen=True)
class Development:
    """What an example needs to know of its network."""

    url: str
    trust_file: Path
    keystores: dict[str, Path]
    """Keystore by name of the demo account."""
    password: str

    def open(self) -> tuple[Client, Network]:
        """A client of the node that knows its network; the caller closes it."""
        network = Trust.load(self.trust_file).network
        return Client(self.url, network), network


class ExampleFailed(Exception):  # noqa: N818 - it ends the example with a line
    """The example cannot go on; the text says why and what to do."""


def bubi(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Runs the command `bubi … --json`: exit status, its object, its errors."""
    done = subprocess.run(
        [sys.executable, "-m", "bubi", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr.strip()


@contextlib.contextmanager
def network(data: Path | None = None) -> Iterator[Development]:
    """The running development network, else one of its own that goes away afterwards."""
    chosen = ("--data", str(data)) if data else ()
    status, fields, errors = bubi("status", *chosen)
    if status == 0:
        yield from_status(fields)
        return
    if data is not None:
        raise ExampleFailed(errors)
    print("No development network is running here: starting one for this run.", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="bubi-example-") as folder:
        own = ("--data", str(Path(folder) / "network"))
        status, fields, errors = bubi("up", "--detach", *own)
        if status != 0:
            raise ExampleFailed(errors)
        try:
            yield from_status(fields)
        finally:
            bubi("down", *own)


def from_status(fields: dict[str, Any]) -> Development:
    """Reads what `bubi status --json` says."""
    keystores = {one["name"]: Path(one["keystore"]) for one in fields["accounts"]}
    password = next(iter(keystores.values())).with_name("password").read_text(encoding="utf-8")
    return Development(
        fields["nodes"][0]["url"], Path(fields["trust_file"]), keystores, password.strip()
    )


def progress_bar() -> Progress:
    """A progress bar on standard error; it shows nothing where that is no terminal."""
    shown = Console(stderr=True)
    return Progress(console=shown, transient=True, disable=not shown.is_terminal)


def groups(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """Items in order, in lists of at most `size`."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
