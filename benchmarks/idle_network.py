"""What a development network costs that has nothing to do: processor time of all its nodes.

Run: python benchmarks/idle_network.py [--nodes 4] [--seconds 30]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SETTLE_SECONDS = 5.0
"""After the start there are connections to make and statuses to tell."""


def command(*words: str) -> dict[str, Any]:
    """One call of `bubi` with its answer."""
    done = subprocess.run(
        [sys.executable, "-m", "bubi", *words, "--json"],
        stdout=subprocess.PIPE,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def used(pid: int) -> tuple[float, int]:
    """Processor seconds of a process and its wake-ups, threads included."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    fields = text.rpartition(")")[2].split()
    wakes = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                wakes += int(line.split()[1])
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), wakes


def measure(pids: list[int], seconds: float) -> dict[str, float]:
    """Waits and gives what the processes used meanwhile."""
    before = [used(pid) for pid in pids]
    began = time.monotonic()
    time.sleep(seconds)
    after = [used(pid) for pid in pids]
    took = time.monotonic() - began
    cpu = sum(new[0] - old[0] for new, old in zip(after, before, strict=True))
    wakes = sum(new[1] - old[1] for new, old in zip(after, before, strict=True))
    return {
        "seconds": round(took, 2),
        "cpu_seconds": round(cpu, 2),
        "share_of_core": round(cpu / took, 4),
        "wakes_per_second": round(wakes / took, 1),
    }


def main() -> None:
    """Starts a network, leaves it alone, measures, removes it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--nodes", type=int, default=4)
    options.add_argument("--seconds", type=float, default=30.0)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder) / "network")
        fields = command("up", "--detach", "--nodes", str(asked.nodes), "--data", data)
        try:
            time.sleep(SETTLE_SECONDS)
            found = measure([node["pid"] for node in fields["nodes"]], asked.seconds)
            height = command("status", "--data", data)["height"]
        finally:
            command("reset", "--yes", "--data", data)
    figures = {"nodes": asked.nodes, **found, "blocks": height - fields["height"]}
    print(json.dumps({"schema": 1, **figures}))


if __name__ == "__main__":
    main()
