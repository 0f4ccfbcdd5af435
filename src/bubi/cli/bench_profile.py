"""Where the processor time of the nodes went: the stages behind `bubi bench network --profile`.

Nodes tell in `/metrics` how the CPU time of their event loop divides among stages and what their
other threads used, each of which does one kind of work. The operating system tells the whole of
each process; what no stage claims is the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bubi.cli.bench_network import Run

LOOP: Final = "bubi_loop_cpu_seconds"
THREAD: Final = "bubi_thread_cpu_seconds"
EXECUTE_THREAD: Final = "execute"

LOOP_STAGES: Final = {
    "door": "door",
    "batches": "batches",
    "engine": "engine",
    "network": "network",
    "loop": "python_rest",
}
"""Stage of the report by what the event loop's time was spent on."""
THREAD_STAGES: Final = {
    "verify": "verification",
    "admit": "batches",
    "ledger": "ledger_helpers",
    "write": "log",
    "state-writer": "store",
    "state-merger": "store",
    "txindex": "store",
    "read": "python_rest",
}
"""Stage by the name of the thread; that which executes is divided by time."""
STAGES: Final = (
    "door",
    "verification",
    "batches",
    "network",
    "engine",
    "execution",
    "root",
    "ledger_helpers",
    "log",
    "store",
    "python_rest",
    "rest",
)


def stages(run: Run) -> dict[str, dict[str, float]]:
    """CPU time by stage over all nodes, in the order of a transaction's way.

    `us_per_transaction` is what one validator spends on one final transaction (µs), `share` the
    part of all CPU time of the nodes.
    """
    spent: defaultdict[str, float] = defaultdict(float)
    whole = 0.0
    for before, after in zip(run.before, run.after, strict=True):
        used = after.cpu - before.cpu
        named = _of_node(_difference(before.metrics, after.metrics))
        for stage, seconds in named.items():
            spent[stage] += seconds
        # The two clocks differ by less than a tick; a rest below zero would be that.
        spent["rest"] += max(0.0, used - sum(named.values()))
        whole += used
    each = 1e6 / max(1, run.final) / max(1, len(run.after))
    return {
        stage: {
            "us_per_transaction": round(spent[stage] * each, 3),
            "share": round(spent[stage] / whole, 4) if whole else 0.0,
        }
        for stage in STAGES
    }


def _difference(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


def _of_node(grown: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds of one node by stage, as far as it can tell."""
    found: defaultdict[str, float] = defaultdict(float)
    for label, stage in LOOP_STAGES.items():
        found[stage] += grown.get(f'{LOOP}{{stage="{label}"}}', 0.0)
    for label, stage in THREAD_STAGES.items():
        found[stage] += grown.get(f'{THREAD}{{thread="{label}"}}', 0.0)
    executing = grown.get(f'{THREAD}{{thread="{EXECUTE_THREAD}"}}', 0.0)
    execute = grown.get("bubi_store_execute_microseconds", 0.0)
    root = grown.get("bubi_store_root_microseconds", 0.0)
    share = root / (execute + root) if execute + root else 0.0
    found["execution"] += executing * (1 - share)
    found["root"] += executing * share
    return found


def rows(shown: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Stage, µs per transaction and validator, and share: for a table."""
    return [
        (stage, f"{figures['us_per_transaction']:.2f}", f"{100 * figures['share']:.1f} %")
        for stage, figures in shown.items()
    ]
