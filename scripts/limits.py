#!/usr/bin/env python3
"""Writes spec/limits.md from core/codec/src/limits.rs; with --check only compares.

The Rust table is the only place where a limit is set. `tests/unit/test_spec.py` fails when the
page and the table differ.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "core" / "codec" / "src" / "limits.rs"
PAGE = ROOT / "spec" / "limits.md"

_ENTRY = re.compile(r"^    /// (?P<text>.+)\n    (?P<name>[A-Z_]+) = (?P<value>[0-9_]+);$", re.M)
_AMOUNT = re.compile(r"^pub const AMOUNT_MAX: u128 = (?P<value>[0-9_]+);$", re.M)

_HEAD = """# Limits

Normative. Written by `scripts/limits.py` from `core/codec/src/limits.rs`; edit that file, not
this page. A value beyond a limit is refused with `too_large` or `malformed`, unless
`spec/ledger.md` names another code.

| name | value | what it bounds |
|---|---|---|
"""


def entries() -> list[tuple[str, int, str]]:
    """Name, value and meaning of every limit, in the order of the source."""
    source = SOURCE.read_text(encoding="utf-8")
    amount = _AMOUNT.search(source)
    if amount is None:
        msg = f"{SOURCE}: AMOUNT_MAX is missing"
        raise ValueError(msg)
    found = [("AMOUNT_MAX", _number(amount["value"]), "Largest amount and supply: 10^38 − 1.")]
    found += [
        (entry["name"], _number(entry["value"]), entry["text"])
        for entry in _ENTRY.finditer(source)
    ]
    return found


def render() -> str:
    """The page."""
    rows = [f"| `{name}` | {value:,} | {text} |\n" for name, value, text in entries()]
    return _HEAD + "".join(rows)


def _number(text: str) -> int:
    return int(text.replace("_", ""))


def main(arguments: list[str]) -> int:
    """Writes or compares the page; returns the exit status."""
    page = render()
    if arguments == ["--check"]:
        same = PAGE.read_text(encoding="utf-8") == page
        if not same:
            sys.stderr.write(f"{PAGE} is out of date: run scripts/limits.py\n")
        return 0 if same else 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
