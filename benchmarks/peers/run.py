#!/usr/bin/env python3
"""Other systems on this machine, one after the other, in one table with what each does.

Run: python benchmarks/peers/run.py [name …] [--seconds 20] [--out FILE]
Names: bubi, cometbft, anvil, litesvm, postgresql; without a name all of them. What cannot be
installed is named in the table with the reason (skipped), and so is what did not work although it
was there (failed): neither costs the rows of the others.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from peer import UnavailableError

NAMES = ("bubi", "cometbft", "anvil", "litesvm", "postgresql")
COLUMNS = ("nodes", "signatures", "bft", "root", "fsync")


def row(name: str, seconds: float) -> dict[str, Any]:
    """What one peer does and how fast it is, or why it is not here."""
    found: dict[str, Any] = {"name": name, "title": name, **dict.fromkeys(COLUMNS, "")}
    try:
        peer = importlib.import_module(name)
        found |= {"title": peer.TITLE, **peer.FEATURES}
        peer.install()
        return {**found, **peer.measure(seconds)}
    except UnavailableError as error:
        return {**found, "skipped": str(error)}
    except Exception as error:
        # Whatever it is: one peer that fails must not cost the figures of the others.
        traceback.print_exc()
        return {**found, "failed": f"{type(error).__name__}: {error}"}


def markdown(document: dict[str, Any]) -> str:
    """The table of what `--json` prints."""
    lines = [
        f"{document['cores']} cores, {document['seconds']:g} s each, one after the other, at the "
        "highest rate that short runs sustained (LiteSVM, PostgreSQL: a closed loop).",
        "",
        "| system | committed/s | p50 ms | p99 ms | what runs | signatures | agreement among "
        "liars | state root | sync to disk |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in document["rows"]:
        gone = next((word for word in ("skipped", "failed") if word in one), None)
        if gone is not None:
            reason = " ".join(one[gone].split())[:200]
            figures = [f"{gone}: {reason}", "", ""]
        else:
            figures = [f"{one['rate']:,.0f}", f"{one['p50_ms']:.2f}", f"{one['p99_ms']:.2f}"]
        cells = [one["title"], *figures, *(one[name] for name in COLUMNS)]
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--out", type=Path, help="file for the table; else it is printed")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(NAMES):
        parser.error(f"there is no peer {', '.join(sorted(unknown))}")
    rows = []
    for name in asked.names or NAMES:
        print(f"{name} …", file=sys.stderr)
        rows.append(row(name, asked.seconds))
    cores = len(os.sched_getaffinity(0))
    document = {"schema": 1, "cores": cores, "seconds": asked.seconds, "rows": rows}
    if asked.json:
        print(json.dumps(document, indent=2))
    elif asked.out is None:
        print(markdown(document))
    else:
        asked.out.write_text(markdown(document), encoding="utf-8")
    if any(one.get("failed") for one in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
