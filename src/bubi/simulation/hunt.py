"""Looks for a violation until it finds one or the time is over.

Runs in a process of its own, on whatever copy of the package its path gives it:
`python -m bubi.simulation.hunt ENGINE SEED SECONDS` prints one JSON object.
"""

import json
import sys
import time
import traceback

from bubi.simulation import faults, twins
from bubi.simulation.cluster import run

LIARS = faults.classes_named(("byzantine", "partitions", "drop", "crash", "slow_node"))
"""Every third seed draws from these, so that lies meet nodes that are cut off."""
LEADERLESS = ("lie_view_change", "equivocate", "leader_cut")
"""What every third seed consists of: leaders go one after another, and liars follow them."""
SCENARIOS = 40
"""Scenarios of twins between two seeds of a cluster."""


def hunt(engine: str, seed: int, seconds: float) -> dict[str, object]:
    """What was found: by whom ("twins" or "sim"), the checker and how long it took."""
    start = time.monotonic()
    number = 0
    while time.monotonic() - start < seconds:
        try:
            first = number * SCENARIOS
            played = twins.run_batch(twins.Batch(seed, first, first + SCENARIOS, engine))
            if played.violations:
                return _found("twins", str(played.violations[0]["checker"]), start)
            classes = (LEADERLESS, LIARS, faults.CLASSES)[number % 3]
            nodes = (4, 4, 7)[number // 3 % 3]
            result = run(seed + number, nodes, engine=engine, classes=classes)
            if result.violations:
                return _found("sim", result.violations[0].checker, start)
        except Exception:
            return _found("sim", traceback.format_exc().splitlines()[-1], start)
        number += 1
    return _found("", "", start)


def _found(by: str, checker: str, start: float) -> dict[str, object]:
    return {"by": by, "checker": checker, "seconds": time.monotonic() - start}


if __name__ == "__main__":
    json.dump(hunt(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])), sys.stdout)
