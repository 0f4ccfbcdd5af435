"""The command `bubi`."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from bubi.cli import messages


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
    # Help texts are made on import, so the language has to be known before.
    from bubi.cli import app  # noqa: PLC0415

    return app.run(rest)
