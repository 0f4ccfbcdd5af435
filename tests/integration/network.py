"""The command `bubi` in processes of its own, against real nodes."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Done:
    """What a process said."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if name != "BUBI_HOME"}
    return {**kept, "LC_ALL": "C.UTF-8", **more}


def command(*arguments, cwd=None, stdin="", timeout=120, program=("-m", "bubi"), **more):
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


def example(name, *arguments, timeout=240):
    return command(*arguments, program=(str(ROOT / "examples" / name / "run"),), timeout=timeout)
