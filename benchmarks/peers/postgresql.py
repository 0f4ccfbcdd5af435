"""PostgreSQL with serializable transfers and synchronous commit: why not simply a database.

16 clients in a closed loop (`pgbench`), a million accounts; a transfer takes from one, gives to
another and writes a line. One that another one got in the way of is tried again.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from peer import UnavailableError, percentile, run

TITLE = "PostgreSQL, serializable, synchronous commit"
FEATURES = {
    "nodes": "1 server, 16 clients",
    "signatures": "none",
    "bft": "no consensus",
    "root": "no",
    "fsync": "each commit",
}
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "postgres.sh"
ACCOUNTS = 1_000_000
CLIENTS = 16
TRIES = 100
TABLES = f"""
CREATE TABLE account (id int PRIMARY KEY, balance numeric(38) NOT NULL CHECK (balance >= 0));
INSERT INTO account SELECT number, 1000000 FROM generate_series(1, {ACCOUNTS}) AS number;
CREATE TABLE transfer (id uuid PRIMARY KEY, source int, target int, amount numeric(38));
VACUUM ANALYZE account;
CHECKPOINT;
"""
TRANSFER = f"""
\\set source random(1, {ACCOUNTS})
\\set target random(1, {ACCOUNTS})
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE account SET balance = balance - 1 WHERE id = :source;
UPDATE account SET balance = balance + 1 WHERE id = :target;
INSERT INTO transfer VALUES (gen_random_uuid(), :source, :target, 1);
COMMIT;
"""


def install() -> None:
    """Nothing to do: the script that starts the server installs it from Debian's packages."""
    if not SCRIPT.exists():
        raise UnavailableError("scripts/postgres.sh is missing")


def measure(seconds: float) -> dict[str, Any]:
    """Rate and latency of one server."""
    folder = Path(tempfile.mkdtemp(prefix="bubi-peer-"))
    folder.chmod(0o755)
    try:
        url = run([SCRIPT, "start-durable", folder / "server"], "scripts/postgres.sh").strip()
        try:
            return _loaded(url, folder, seconds)
        finally:
            run([SCRIPT, "stop", folder / "server"], "scripts/postgres.sh")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _loaded(url: str, folder: Path, seconds: float) -> dict[str, Any]:
    run([_program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", url], "psql", input=TABLES)
    said = run([_program("psql"), "-X", "-A", "-t", url], "psql", input="SHOW fsync;").strip()
    if said != "on":
        raise UnavailableError("the server does not sync")
    script = folder / "transfer.sql"
    script.write_text(TRANSFER, encoding="ascii")
    words = [_program("pgbench"), "-n", "-f", script, "-c", str(CLIENTS), "-j", "2", "-l"]
    words += ["-T", str(max(1, round(seconds))), "-M", "prepared", f"--max-tries={TRIES}", url]
    said = run(words, "pgbench", cwd=folder)
    rate = re.search(r"tps = ([0-9.]+)", said)
    failed = re.search(r"number of failed transactions: ([0-9]+)", said)
    if rate is None or failed is None or int(failed[1]):
        msg = f"pgbench: {said[-500:]}"
        raise UnavailableError(msg)
    waits = sorted(
        int(line.split()[2]) / 1_000
        for log in folder.glob("pgbench_log.*")
        for line in log.read_text(encoding="ascii").splitlines()
    )
    return {
        "rate": float(rate[1]),
        "p50_ms": percentile(waits, 0.5),
        "p99_ms": percentile(waits, 0.99),
    }


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is not None:
        return found
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not places or not os.access(places[-1], os.X_OK):
        msg = f"the command {name} is not installed"
        raise UnavailableError(msg)
    return str(places[-1])
