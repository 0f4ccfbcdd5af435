"""Looks for a violation until it finds one or the time is over.

Runs in a process of its own, on whatever copy of the package its path gives it:
`python -m bubi.simulation.hunt ENGINE SEED SECONDS` prints one JSON object.
"""

import json
import sys
import time
import traceback
from dataclasses import dataclass

from bubi.simulation import faults, hostile, twins
from bubi.simulation.cluster import drawn, run

LIARS = faults.classes_named(("byzantine", "partitions", "drop", "crash", "slow_node"))
"""Lies meet nodes that are cut off."""
LEADERLESS = ("lie_view_change", "equivocate", "leader_cut")
"""Leaders go one after another, and liars follow them."""
BEHIND = ("partition", "crash", "lost_write", "slow_node", "replay", "fake_sync", "withhold_batch")
"""Nodes fall behind and fetch what they missed from liars too."""
STARVED = ("starve",)
"""A leader leaves out what waits."""
FEW_LINKS = ("drop", "partition", "crash")
"""Most members hear each other through others only."""
TWINS = 5
ATTACKS = 20
"""Scenarios of twins, and attacks on such, between two seeds of a cluster. Most bugs of consensus
fall to these within seconds; what is wrong around it takes a cluster."""
NODES = (4, 4, 7)


@dataclass(frozen=True, slots=True)
class Kind:
    """From what a seed of a cluster draws; `sparse` gives it few connections."""

    classes: tuple[str, ...]
    nodes: tuple[int, ...] = NODES
    sparse: bool = False


KINDS = (
    Kind(LEADERLESS),
    Kind(BEHIND),
    Kind(LIARS),
    Kind(FEW_LINKS, (7, 5), sparse=True),
    Kind(faults.CLASSES),
    Kind(STARVED),
)
"""One after another."""


def hunt(engine: str, seed: int, seconds: float) -> dict[str, object]:
    """What was found: by whom ("twins" or "sim"), the checker and the processor time it took.

    The clock ends the hunt; what else the machine does is no part of what a bug costs.
    """
    begun = time.process_time()
    start = time.monotonic()
    number = 0
    while time.monotonic() - start < seconds:
        try:
            checker = _play(engine, seed, number)
            if checker:
                return _found("twins", checker, begun)
            kind = KINDS[number % len(KINDS)]
            nodes = kind.nodes[number // len(KINDS) % len(kind.nodes)]
            plan = drawn(seed + number, nodes, kind.classes, sparse=kind.sparse)
            result = run(seed + number, nodes, engine=engine, plan=plan)
            if result.violations:
                return _found("sim", result.violations[0].checker, begun)
        except Exception:
            return _found("sim", traceback.format_exc().splitlines()[-1], begun)
        number += 1
    return _found("", "", begun)


def _play(engine: str, seed: int, number: int) -> str:
    """The checker that failed in the next scenarios, empty if none did."""
    for play, count in ((hostile.run_batch, ATTACKS), (twins.run_batch, TWINS)):
        for scenario in range(number * count, (number + 1) * count):
            played = play(twins.Batch(seed, scenario, scenario + 1, engine))
            if played.violations:
                return str(played.violations[0]["checker"])
    return ""


def _found(by: str, checker: str, begun: float) -> dict[str, object]:
    return {"by": by, "checker": checker, "seconds": time.process_time() - begun}


if __name__ == "__main__":
    json.dump(hunt(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])), sys.stdout)
