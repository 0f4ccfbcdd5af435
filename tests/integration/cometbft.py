"""CometBFT processes, and the grammar of the calls that they make."""

import os
import re
import shutil
import subprocess
from pathlib import Path

VERSION = "v0.38.25"
PACKAGE = f"github.com/cometbft/cometbft/cmd/cometbft@{VERSION}"
INSTALL_SECONDS = 1_500


def executable() -> Path:
    """The program, built by the Go module system unless it was before; fails with the reason."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bubi-tests"
    program = cache / f"cometbft-{VERSION}" / "cometbft"
    if program.exists():
        return program
    go = shutil.which("go")
    assert go is not None, "CometBFT is built with Go, and the command `go` is not installed"
    building = cache / f"building-{os.getpid()}"
    building.mkdir(parents=True)
    try:
        done = subprocess.run(
            [go, "install", PACKAGE],
            env={**os.environ, "GOBIN": str(building), "GOFLAGS": "-mod=mod -p=2"},
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"`go install {PACKAGE}` failed:\n{done.stderr}"
        program.parent.mkdir(parents=True, exist_ok=True)
        (building / "cometbft").replace(program)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return program


LETTERS = {
    "info": "i",
    "init_chain": "I",
    "prepare_proposal": "p",
    "process_proposal": "q",
    "extend_vote": "e",
    "verify_vote_extension": "v",
    "finalize_block": "f",
    "commit": "c",
    "list_snapshots": "l",
    "offer_snapshot": "o",
    "load_snapshot_chunk": "d",
    "apply_snapshot_chunk": "a",
}
"""The calls of the grammar; the others (echo, flush, query, check_tx) stand outside of it."""

# ABCI 2.0, "CometBFT's expected behavior": the rules by their names there. Snapshots that peers
# ask for (l, d) may come at any time and are taken out before; our application offers none, so
# that state sync (o, a) never begins.
GOT_VOTE = "v*"
EXTEND = f"{GOT_VOTE}e{GOT_VOTE}"
PROPOSER = f"{GOT_VOTE}pq?(?:{EXTEND})?"
NON_PROPOSER = f"{GOT_VOTE}q?(?:{EXTEND})?"
ROUND = f"(?:{PROPOSER}|{NON_PROPOSER})"
# A round without a call is empty and matches anywhere; one that does something is repeated.
HEIGHT = f"(?:{GOT_VOTE}pq?(?:{EXTEND})?|{GOT_VOTE}q(?:{EXTEND})?|{EXTEND}|v)*fc"
# The process may be killed at any place of its last height.
CUT = f"(?:{GOT_VOTE}pq?(?:{EXTEND})?|{GOT_VOTE}q(?:{EXTEND})?|{EXTEND}|v)*f?"
CLEAN_START = f"iI(?:{HEIGHT})*{CUT}"
RECOVERY = f"iI?(?:{HEIGHT})*{CUT}"


def starts(lines: list[str]) -> list[str]:
    """The recorded calls as letters, one text for each start of a CometBFT process."""
    letters = "".join(LETTERS[line.split()[0]] for line in lines)
    letters = letters.replace("l", "").replace("d", "")
    assert letters.startswith("i"), letters[:20]
    return ["i" + rest for rest in letters.split("i")[1:]]


def violation(lines: list[str]) -> str | None:
    """Where the recorded calls leave the grammar of ABCI 2.0; None if they do not."""
    for number, letters in enumerate(starts(lines)):
        rule = CLEAN_START if number == 0 else RECOVERY
        if not re.fullmatch(rule, letters):
            whole = re.match(rule, letters)
            end = whole.end() if whole else 0
            return f"start {number}: {letters[:end]} then {letters[end : end + 20]!r}"
    return None


def heights(lines: list[str]) -> list[int]:
    """Heights of the committed blocks, in the order of the calls."""
    return [int(line.split()[1]) for line in lines if line.startswith("commit ")]
