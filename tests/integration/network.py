"""The command `bubi` in processes of its own, against real nodes."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Done:
    """What a process said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "BUBI_HOME"}
    return {**kept, "LC_ALL": "C.UTF-8", **more}


def command(
    *arguments: object,
    cwd: Path | None = None,
    stdin: str = "",
    timeout: float = 120,
    program: tuple[str, ...] = ("-m", "bubi"),
    **more: str,
) -> Done:
    done = subprocess.run(
        [sys.executable, *program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        input=stdin,
        timeout=timeout,
        env=environment(**more),
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def example(name: str, *arguments: object, timeout: float = 240) -> Done:
    return command(*arguments, program=(str(ROOT / "examples" / name / "run"),), timeout=timeout)
