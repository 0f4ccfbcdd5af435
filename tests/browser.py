"""The console's browser tests, which Node.js runs, on a gateway that a test has started."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSOLE = ROOT / "console"


def browse(name: str, settings: Mapping[str, str], seconds: float) -> None:
    """Runs `console/e2e/NAME.test.ts` in Chromium; `settings` go into its environment.

    Fails with what it printed.
    """
    npm = shutil.which("npm")
    assert npm is not None, "npm is missing: the console is built and tested with Node.js 20"
    done = subprocess.run(
        [npm, "run", "--silent", "e2e", "--", f"{name}.test.ts"],
        cwd=CONSOLE,
        env={**os.environ, "BUBI_CHROMIUM": chromium(), **settings},
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-12_000:]
    print(said)  # noqa: T201 - how long pages took; pytest shows it where it is asked for


def chromium() -> str:
    """The browser; it is installed if it is missing."""
    script = ROOT / "scripts" / "install_chromium.sh"
    done = subprocess.run([script], check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"no Chromium for the tests: {done.stderr[-2000:]}"
    return done.stdout.strip()
