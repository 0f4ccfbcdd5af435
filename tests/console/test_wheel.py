"""The installed package brings the console along."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bubi.gateway import console

ROOT = Path(__file__).resolve().parents[2]
BUILD_SECONDS = 1_800


@pytest.mark.long
@pytest.mark.timeout(BUILD_SECONDS + 60)
def test_a_wheel_holds_the_whole_console(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*pip, "--wheel-dir", tmp_path, ROOT],
        check=False,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    (wheel,) = tmp_path.glob("bubi-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.getinfo(name).file_size for name in archive.namelist()}
    built = {one for one in console.BUILT.rglob("*") if one.is_file()}
    assert len(built) > 10
    for one in built:
        name = one.relative_to(console.BUILT.parents[2]).as_posix()
        assert held.get(name) == one.stat().st_size, name
