"""Plants one bug at a time in a copy of the package and sees who catches it.

A bug is a replacement of text that stands exactly once in a file (`planted.py`). Nothing in the
production code knows of it. If a change to that code moves the text, planting fails loudly.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import bubi
from bubi.simulation.planted import CANARY, PLANTED, Planted

PACKAGE = Path(bubi.__file__).parent
UNIT_SECONDS = 1_800
SPIN_SECONDS = 240
"""What one run may take beyond the time of the hunt, which ends between runs only."""
UNIT_TESTS = (
    "tests/unit/test_driver.py",
    "tests/unit/test_guard.py",
    "tests/unit/test_quorum.py",
    "tests/unit/test_{engine}*.py",
    "tests/unit/test_transcripts.py",
    "tests/replica/test_*.py",
    "tests/unit/test_schedules.py",
)
"""Tests that know the code in which bugs of an engine are planted."""
APART = frozenset({"cli", "gateway", "node", "comet", "network"})
"""Parts of the package that no planted bug and no hunt meets."""
CONTROL = Planted("control", "sync.py", "WINDOW = 64", "WINDOW = 63")
"""Changes nothing that matters: a hunt that finds something in it proves nothing."""
CONTROL_SECONDS = 10
NOT_STARTED = "did not start"
"""Begins the checker of a hunt that did not run."""


class MovedError(ValueError):
    """The text that a bug replaces is not there exactly once."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who caught a bug: "twins", "sim", "unit", or nobody (empty)."""

    name: str
    caught_by: str
    checker: str
    seconds: float


@dataclass(slots=True)
class Totals:
    """All verdicts."""

    verdicts: list[Verdict] = field(default_factory=list)
    canary: bool = False
    control: bool = False

    @property
    def survivors(self) -> list[str]:
        """Bugs that nobody caught."""
        return [one.name for one in self.verdicts if not one.caught_by]

    @property
    def unit_only(self) -> list[str]:
        """Bugs that only unit tests caught."""
        return [one.name for one in self.verdicts if one.caught_by == "unit"]

    @property
    def good(self) -> bool:
        """Whether the canary failed, the control did not, and every bug was caught."""
        return self.canary and self.control and not self.survivors

    def fields(self) -> dict[str, Any]:
        """The object that `bubi sim mutants --json` prints."""
        caught = [one for one in self.verdicts if one.caught_by in {"sim", "twins"}]
        return {
            "planted": len(self.verdicts),
            "caught": len(caught),
            "survivors": self.survivors,
            "unit_only": self.unit_only,
            "canary_failed": self.canary,
            "control_passed": self.control,
            "median_seconds": round(
                statistics.median([one.seconds for one in caught]) if caught else 0.0, 1
            ),
            "verdicts": [
                {
                    "name": one.name,
                    "caught_by": one.caught_by,
                    "checker": one.checker,
                    "seconds": round(one.seconds, 1),
                }
                for one in self.verdicts
            ],
        }


def names() -> list[str]:
    """Names of the planted bugs."""
    return [one.name for one in PLANTED]


def plant(bug: Planted, target: Path) -> None:
    """Copies the package to `target`/bubi with a bug in it.

    Raises:
        MovedError: the text to replace is not there exactly once.
    """
    copy = target / "bubi"
    shutil.copytree(
        PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.so"), dirs_exist_ok=True
    )
    for library in PACKAGE.glob("*.so"):
        (copy / library.name).symlink_to(library)
    path = copy / bug.file
    text = path.read_text(encoding="utf-8")
    if text.count(bug.find) != 1:
        msg = f"{bug.name}: the text stands {text.count(bug.find)} times in {bug.file}"
        raise MovedError(msg)
    path.write_text(text.replace(bug.find, bug.replace), encoding="utf-8")


def try_bug(bug: Planted, seconds: int, seed: int = 0, *, unit: bool = True) -> Verdict:
    """Plants a bug and hunts it on seeds that follow from its name and this one."""
    with tempfile.TemporaryDirectory(prefix="bubi-planted-") as directory:
        target = Path(directory)
        plant(bug, target)
        environment = {**os.environ, "PYTHONPATH": f"{target}{os.pathsep}{_path()}"}
        first = zlib.crc32(bug.name.encode(), seed) % 1_000_000
        start = time.monotonic()
        try:
            answer = subprocess.run(  # noqa: S603 - this interpreter on our own module
                [
                    sys.executable,
                    "-m",
                    "bubi.simulation.hunt",
                    bug.engine,
                    str(first),
                    str(seconds),
                ],
                env=environment,
                capture_output=True,
                check=False,
                timeout=seconds + SPIN_SECONDS,
            )
        except subprocess.TimeoutExpired:
            # A bug that lets the simulator itself spin is caught by the clock.
            return Verdict(bug.name, "sim", "does not end", time.monotonic() - start)
        if answer.returncode != 0:
            last = answer.stderr.decode(errors="replace").strip().splitlines()[-1:]
            # The hunt itself did not run: that proves nothing.
            checker = f"{NOT_STARTED}: {' '.join(last)}"
            return Verdict(bug.name, "", checker, time.monotonic() - start)
        found = json.loads(answer.stdout)
        if found["by"]:
            return Verdict(bug.name, found["by"], found["checker"], found["seconds"])
        by = "unit" if unit and _unit_tests_fail(environment, bug.engine) else ""
        return Verdict(bug.name, by, "", time.monotonic() - start)


def _path() -> str:
    """Where the other packages are found."""
    return os.pathsep.join(part for part in sys.path if part and part != str(PACKAGE.parent))


def _unit_tests_fail(environment: dict[str, str], engine: str) -> bool:
    root = PACKAGE.parents[1]
    patterns = [pattern.format(engine=engine) for pattern in UNIT_TESTS]
    tests = [str(path) for pattern in patterns for path in sorted(root.glob(pattern))]
    if not tests:
        return False
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        answer = subprocess.run(  # noqa: S603 - as above
            command,
            env=environment,
            capture_output=True,
            check=False,
            timeout=UNIT_SECONDS,
            cwd=root,
        )
    except subprocess.TimeoutExpired:
        # A slow machine is no verdict: a test that hangs ends by its own limit and fails.
        return False
    return answer.returncode == 1


class Report:
    """Verdicts in a file, one JSON object a line, so that a run that was broken off can go on.

    A verdict counts as long as bug, time, seed and every source that could matter are the same. A
    hunt that did not run leaves none.
    """

    def __init__(self, path: Path, seed: int = 0) -> None:
        self._path = path
        self._seed = seed
        self._known: dict[str, Verdict] = {}
        self._sources = _sources()
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for line in text.splitlines(keepends=True):
            # The last line of a run that was killed may be cut.
            if line.endswith("\n"):
                entry = json.loads(line)
                case = entry.pop("case")
                self._known[case] = Verdict(**entry)
        if text and not text.endswith("\n"):
            path.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")

    def find(self, bug: Planted, seconds: int) -> Verdict | None:
        """What an earlier run found."""
        return self._known.get(self._case(bug, seconds))

    def add(self, bug: Planted, seconds: int, verdict: Verdict) -> None:
        """Keeps a verdict."""
        if verdict.checker.startswith(NOT_STARTED):
            return
        case = self._case(bug, seconds)
        self._known[case] = verdict
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"case": case, **asdict(verdict)}) + "\n")

    def _case(self, bug: Planted, seconds: int) -> str:
        return blake2b(
            f"{self._sources} {seconds} {self._seed} {bug!r}".encode(), digest_size=16
        ).hexdigest()


def _sources() -> str:
    """A hash of every source that a hunt runs."""
    found = blake2b(digest_size=16)
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        if place.parts[0] not in APART and place.name != "planted.py":
            found.update(f"{place} ".encode() + path.read_bytes())
    return found.hexdigest()


def run_all(
    chosen: Sequence[str],
    jobs: int,
    seconds: int,
    tell: Callable[[Verdict], None] | None = None,
    report: Report | None = None,
    seed: int = 0,
) -> Totals:
    """Tries the named bugs and the canary; with a report only what it has no verdict about."""
    totals = Totals()
    bugs = [one for one in PLANTED if one.name in chosen]
    known = {one.name: report.find(one, seconds) for one in bugs} if report is not None else {}
    with ThreadPoolExecutor(jobs) as pool:
        control = pool.submit(try_bug, CONTROL, CONTROL_SECONDS, unit=False)
        totals.control = not control.result().caught_by
        totals.canary = bool(pool.submit(try_bug, CANARY, seconds).result().caught_by)
        waiting = {
            pool.submit(try_bug, bug, seconds, seed): bug
            for bug in bugs
            if known.get(bug.name) is None
        }
        for done in as_completed(waiting):
            verdict = known[waiting[done].name] = done.result()
            if report is not None:
                report.add(waiting[done], seconds, verdict)
            if tell is not None:
                tell(verdict)
    totals.verdicts = [found for bug in bugs if (found := known[bug.name]) is not None]
    return totals
