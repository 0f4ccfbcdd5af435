"""Long work shows a progress bar on a terminal, and nowhere else."""

import json
import os
import pty
import re
import subprocess
import sys
import threading
from contextlib import suppress

import pytest
from network import ROOT, command, environment

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
UP_ONE_LINE = "\x1b[1A"
TERMINAL = {"TERM": "xterm-256color", "COLUMNS": "120"}


def on_terminal(*arguments, program=("-m", "bubi")):
    """Runs a command whose errors go to a terminal: status, output, what was shown and how."""
    ours, theirs = pty.openpty()
    shown = []

    def read():
        # A terminal that nobody holds open any more answers with an error.
        with suppress(OSError):
            while part := os.read(ours, 65_536):
                shown.append(part)

    reader = threading.Thread(target=read)
    process = subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment(**TERMINAL),
    )
    os.close(theirs)
    reader.start()
    out, _ = process.communicate(timeout=400)
    reader.join(60)
    os.close(ours)
    text = b"".join(shown).decode(errors="replace")
    return process.returncode, out.decode(), CONTROL.sub("", text), CONTROL.findall(text)


def check_shown(words, *arguments, **how):
    """The words of the bars are shown, and the answer is one object."""
    status, out, shown, controls = on_terminal(*arguments, "--json", **how)
    assert status == 0, (out, shown)
    assert json.loads(out)["schema"] == 1
    for word in words:
        assert word in shown, (word, shown)
    assert UP_ONE_LINE in controls, "a bar that moves is drawn over itself"


LEDGER = ("--accounts", 100, "--block-size", 10, "--blocks", 1, "--rounds", 1)
SMALL = ("--transactions", 400, "--request", 100, "--singles", 200, "--connections", 4)


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (["Verifying"], ["bench", "verify", "--count", 200, "--rounds", 1]),
        (["prechecked"], ["bench", "ledger", *LEDGER]),
        (["Starting nodes", "Signing", "Bulk", "Singles"], ["bench", "api", *SMALL]),
        (
            ["Starting nodes", "Run 1 of 1"],
            ["bench", "network", "--nodes", 1, "--accounts", 20, "--seconds", 1, "--rate", 20],
        ),
    ],
)  # fmt: skip
def test_benchmarks_show_how_far_they_are(words, arguments):
    check_shown(words, *arguments)


def test_a_network_and_its_files_show_how_far_they_are(tmp_path):
    folder = tmp_path / "network"
    try:
        check_shown(["Starting nodes"], "up", "--detach", "--nodes", 1, "--data", folder)
        check_shown(["Reading tables"], "gateway", "index", "check", "--data", folder)
        assert command("down", "--data", folder).status == 0
        check_shown(["Reading keys, then the ledger"], "node", "check", folder / "node1")
        check_shown(["Removing tables"], "gateway", "index", "rebuild", "--data", folder)
    finally:
        command("reset", "--yes", "--data", folder)


def test_an_example_shows_how_far_it_is(development):
    folder, _ = development
    program = (str(ROOT / "examples" / "points" / "run"),)
    words = ["accounts ━", "distribution ━", "spending ━"]
    arguments = ("--customers", 120, "--promotion-seconds", 10, "--data", folder)
    check_shown(words, *arguments, program=program)


def test_nothing_moves_where_there_is_no_terminal():
    said = command("bench", "verify", "--count", "200", "--rounds", "1", "--json", **TERMINAL)
    assert said.status == 0
    assert "Verifying" not in said.err + said.out
    assert "\x1b" not in said.err + said.out
