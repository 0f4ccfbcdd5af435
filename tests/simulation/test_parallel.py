"""Work on several processes: what a worker raises arrives as it was."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from bubi import core
from bubi.ledger import decode_certificate
from bubi.simulation.parallel import each

T = TypeVar("T")


@pytest.mark.parametrize("processes", [1, 2])
def test_an_exception_of_the_core_arrives_with_code_and_sentence(processes: int) -> None:
    # A worker finds what it is to call by its name, and knows nothing of the modules of tests.
    with pytest.raises(core.CoreError) as raised:
        list(each(decode_certificate, [b"?"], processes))
    assert core.error_code(raised.value) == "not_canonical"
    assert core.error_detail(raised.value)


SLEEPERS = """
import time
from bubi.simulation.parallel import each
list(each(time.sleep, [3600, 3600], 2))
"""


def children(process: int) -> list[int]:
    """Processes that this one started and that are alive."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = status.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == process and state != "Z":
            found.append(int(status.parent.name))
    return found


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_workers_end_with_the_process_that_started_them() -> None:
    starter = subprocess.Popen([sys.executable, "-c", SLEEPERS])
    try:
        # Two workers, and the tracker of the interpreter.
        workers = until(lambda: found if len(found := children(starter.pid)) == 3 else None)
    finally:
        starter.kill()
        starter.wait()
    until(lambda: not any(map(is_alive, workers)))


def until(condition: Callable[[], T]) -> T:
    """What a condition gives once it holds; minutes of patience."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.05)
    pytest.fail("it never came to that")
