"""The tour of the README, as a newcomer pastes it.

The Chinese page has the same commands: `tests/unit/test_tidy.py` compares them.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from network import ROOT, command, environment

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("bash") is None, reason="needs curl and bash"
)


def tour(page: str) -> str:
    """The commands of the section, without the way to the built command."""
    text = (ROOT / page).read_text(encoding="utf-8")
    section = text.split("\n## ")[2]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) > 40
    # A stream that `timeout` ends has status 124.
    return "\n".join(
        f"{line} || test $? = 124" if line.startswith("timeout ") else line
        for line in lines
        if not line.startswith("export PATH=")
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """What the tour needs of a built checkout, with a network that is up."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, words in (
        ("python", ()),
        ("python3", ()),
        ("bubi", ("-m", "bubi")),
    ):
        place = programs / name
        place.write_text(f'#!/bin/sh\nexec {" ".join((sys.executable, *words))} "$@"\n')
        place.chmod(0o755)
    try:
        started = command("up", "--detach", cwd=tmp_path)
        assert started.status == 0, started.err
        yield tmp_path
    finally:
        command("reset", "--yes", cwd=tmp_path)


def test_the_tour_works(checkout: Path) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", tour("README.md")],
        cwd=checkout,
        env=environment(PATH=f"{checkout / 'programs'}:/usr/local/bin:/usr/bin:/bin"),
        capture_output=True,
        text=True,
        timeout=1_100,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "carol has 30" in done.stdout
    assert '"status": "ready"' in done.stdout
    assert "byte for byte" in done.stdout

    document = checkout / "docs" / "status.md"
    document.write_bytes(document.read_bytes() + b"x")
    changed = command(
        *("proof", "verify", "receipts/status.md.receipt.json"),
        *("--trust", "receipts/trust.json", "--document", document),
        cwd=checkout,
    )
    assert changed.status == 1
