"""The check of the tools that a build needs, against stubs in place of the tools."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_toolchain.sh"
HELPERS = ("grep", "head", "sort")
GOOD = {
    "python3": "Python 3.11.0",
    "rustc": "rustc 1.90.0 (1159e78c4 2025-09-14)",
    "cargo": "cargo 1.90.0 (840b83a10 2025-07-30)",
    "node": "v20.0.0",
    "npm": "9.2.0",
    "cc": "cc (Debian 12.2.0-14) 12.2.0",
}
"""Words of each tool at the oldest version that does, or of Debian 12."""

NAMES = dict(zip(GOOD, ("Python", "Rust", "Cargo", "Node.js", "npm", "C compiler"), strict=True))
OLD = {
    "python3": "Python 3.10.12",
    "rustc": "rustc 1.89.0 (29483883e 2025-08-04)",
    "cargo": "cargo 1.9.0",
    "node": "v18.20.4",
    "npm": "8.19.4",
    "cc": "cc (GCC) 3.4.6",
}


def check(folder: Path, said: dict[str, str], venv: int = 0) -> tuple[int, str]:
    """Runs the check where each tool says this; gives its status and its words."""
    for name in HELPERS:
        (folder / name).symlink_to(str(shutil.which(name)))
    for name, words in said.items():
        stub = folder / name
        stub.write_text(f"#!/bin/sh\n[ \"$1\" = -c ] && exit {venv}\necho '{words}'\n")
        stub.chmod(0o755)
    bash = str(shutil.which("bash"))
    done = subprocess.run(
        [bash, str(SCRIPT)], capture_output=True, text=True, env={"PATH": str(folder)}, check=False
    )
    assert not done.stdout
    return done.returncode, done.stderr


def test_the_oldest_tools_that_do_pass_in_silence(tmp_path: Path) -> None:
    assert check(tmp_path, GOOD) == (0, "")


@pytest.mark.parametrize("tool", GOOD)
def test_a_missing_tool_is_named_with_its_cure(tmp_path: Path, tool: str) -> None:
    status, words = check(tmp_path, {name: one for name, one in GOOD.items() if name != tool})
    assert status == 1
    first, *more = words.splitlines()
    assert first.startswith(f"{NAMES[tool]} is missing. I")
    # Without an interpreter nothing can say whether it has venv.
    assert len(more) == (tool == "python3")


@pytest.mark.parametrize("tool", GOOD)
def test_a_tool_that_is_too_old_is_named_with_its_cure(tmp_path: Path, tool: str) -> None:
    status, words = check(tmp_path, {**GOOD, tool: OLD[tool]})
    assert status == 1
    (line,) = words.splitlines()
    version = OLD[tool].split("(")[0].split() if tool != "cc" else ["3.4.6"]
    assert line.startswith(f"{NAMES[tool]} {version[-1].lstrip('v')} is too old; ")
    assert " or newer is needed. I" in line


def test_the_cure_for_node_js_works_where_the_distribution_has_an_older_one(
    tmp_path: Path,
) -> None:
    _, words = check(tmp_path, {**GOOD, "node": OLD["node"]})
    assert "https://deb.nodesource.com/setup_22.x" in words
    assert words.index("nodesource") < words.index("apt-get install nodejs")
    assert "https://nodejs.org" in words


def test_an_interpreter_without_venv_is_named_with_its_cure(tmp_path: Path) -> None:
    status, words = check(tmp_path, GOOD, venv=1)
    assert (status, words.count("\n")) == (1, 1)
    assert "apt-get install python3-venv" in words


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    status, words = check(tmp_path, {})
    assert status == 1
    assert [line for line in words.splitlines() if " is missing" in line][:6] == [
        line for line in words.splitlines() if line.startswith(tuple(NAMES.values()))
    ][:6]
    assert len(words.splitlines()) == len(NAMES) + 1
    assert os.access(SCRIPT, os.X_OK)
