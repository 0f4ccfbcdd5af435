"""Looks for a violation until it finds one or the time is over.

Runs in a process of its own, on whatever copy of the package its path gives it:
`python -m bubi.simulation.hunt ENGINE SEED SECONDS` prints one JSON object.
"""

import json
import sys
import time
import traceback

from bubi.simulation import faults, hostile, twins
from bubi.simulation.cluster import run

LIARS = faults.classes_named(("byzantine", "partitions", "drop", "crash", "slow_node"))
"""Every third seed draws from these, so that lies meet nodes that are cut off."""
LEADERLESS = ("lie_view_change", "equivocate", "leader_cut")
"""What every third seed consists of: leaders go one after another, and liars follow them."""
TWINS = 20
ATTACKS = 60
"""Scenarios of twins, and attacks on such, between two seeds of a cluster."""


def hunt(engine: str, seed: int, seconds: float) -> dict[str, object]:
    """What was found: by whom ("twins" or "sim"), the checker and how long it took."""
    start = time.monotonic()
    number = 0
    while time.monotonic() - start < seconds:
        try:
            checker = _play(engine, seed, number)
            if checker:
                return _found("twins", checker, start)
            classes = (LEADERLESS, LIARS, faults.CLASSES)[number % 3]
            nodes = (4, 4, 7)[number // 3 % 3]
            result = run(seed + number, nodes, engine=engine, classes=classes)
            if result.violations:
                return _found("sim", result.violations[0].checker, start)
        except Exception:
            return _found("sim", traceback.format_exc().splitlines()[-1], start)
        number += 1
    return _found("", "", start)


def _play(engine: str, seed: int, number: int) -> str:
    """The checker that failed in the next scenarios, empty if none did."""
    for play, count in ((hostile.run_batch, ATTACKS), (twins.run_batch, TWINS)):
        for scenario in range(number * count, (number + 1) * count):
            played = play(twins.Batch(seed, scenario, scenario + 1, engine))
            if played.violations:
                return str(played.violations[0]["checker"])
    return ""


def _found(by: str, checker: str, start: float) -> dict[str, object]:
    return {"by": by, "checker": checker, "seconds": time.monotonic() - start}


if __name__ == "__main__":
    json.dump(hunt(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])), sys.stdout)
