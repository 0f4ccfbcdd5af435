"""Writes the gateway's interface for the console's types; `--check` only compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fastapi import FastAPI

from bubi.gateway import app, sandbox

FILE = Path(__file__).resolve().parents[1] / "console" / "openapi.json"


def interface() -> str:
    """The description of all routes, as it is committed: without the version of the product."""
    whole = FastAPI()
    for router in (*app.ROUTERS, sandbox.router):
        whole.include_router(router, prefix=app.PREFIX)
    described = app.document(whole)
    described["info"]["version"] = "1"
    return json.dumps(described, indent=1, sort_keys=True) + "\n"


def main() -> int:
    """Writes or compares; the exit status."""
    made = interface()
    if "--check" in sys.argv:
        return 0 if FILE.read_text(encoding="utf-8") == made else 1
    FILE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
