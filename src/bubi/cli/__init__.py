"""The command `bubi`."""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from bubi.cli import messages

RUN_WORDS = 3
INTERRUPTED = 130


def main() -> None:
    """Entry point of the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names of files and terminals need not be UTF-8; an escape is better than an error.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs the command with these arguments and gives its exit status."""
    language, rest = messages.take(arguments)
    messages.choose(language)
    config = starts_node(rest)
    if config is not None and importlib.util.find_spec("bubi._core") is not None:
        # A node that comes back after a fault must not wait for what only other commands need:
        # a third of the processor time of its start.
        try:
            from bubi.node import process  # noqa: PLC0415

            return process.run(config)
        except KeyboardInterrupt:
            return INTERRUPTED
    # Help texts are made on import, so the language has to be known before.
    from bubi.cli import app  # noqa: PLC0415

    return app.run(rest)


def starts_node(arguments: Sequence[str]) -> Path | None:
    """The configuration in a plain `node run CONFIG`; None if it is anything else."""
    if len(arguments) != RUN_WORDS or list(arguments[:2]) != ["node", "run"]:
        return None
    given = Path(arguments[2])
    config = given / "config.toml" if given.is_dir() else given
    return None if arguments[2].startswith("-") or not config.is_file() else config
