"""Runs many seeds, on several cores if asked, and adds their results up."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bubi.simulation import faults
from bubi.simulation.cluster import Result, run, why_impossible
from bubi.simulation.parallel import each, load_factory


@dataclass(frozen=True, slots=True)
class Job:
    """One run."""

    seed: int
    nodes: int
    engine: str
    classes: tuple[str, ...]
    factory: str | None = None
    """`MODULE:NAME` of an engine outside this package, None for one of its own."""


@dataclass(slots=True)
class Totals:
    """What many runs ended with."""

    engine: str
    runs: int = 0
    sizes: set[int] = field(default_factory=set)
    violations: list[dict[str, Any]] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    simulated_us: int = 0
    heights: int = 0
    messages: int = 0
    seconds: float = 0.0
    injected: Counter[str] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)
    hashes: dict[int, list[tuple[int, str]]] = field(default_factory=dict)

    def add(self, result: Result, seconds: float) -> None:
        """Counts one run."""
        self.runs += 1
        self.sizes.add(result.nodes)
        self.simulated_us += result.simulated_us
        self.heights += result.heights
        self.messages += result.messages
        self.seconds += seconds
        self.injected.update(result.injected)
        most = max(self.marks["table_entries_max"], result.marks.get("table_entries_max", 0))
        self.marks.update(result.marks)
        if most:
            self.marks["table_entries_max"] = most
        self.hashes.setdefault(result.seed, []).append((result.nodes, result.trace_hash))
        for one in result.violations:
            self.violations.append(
                {
                    "seed": result.seed,
                    "nodes": result.nodes,
                    "checker": one.checker,
                    "height": one.height,
                }
            )
            self.details.append(
                f"seed {result.seed}, {result.nodes} nodes, {one.checker} at height "
                f"{one.height}: {one.detail}"
            )

    def demand(self, asked: Sequence[str]) -> None:
        """A class that was asked for and never struck is a violation of its own."""
        for name in asked:
            if not self.injected[name]:
                self.violations.append(
                    {"seed": None, "nodes": None, "checker": f"injected:{name}", "height": None}
                )
                reasons = {why_impossible(name, nodes) for nodes in sorted(self.sizes)}
                reason = f": {reasons.pop()}" if len(reasons) == 1 and "" not in reasons else ""
                self.details.append(f"no fault of class {name} was injected{reason}")

    def fields(self) -> dict[str, Any]:
        """The object that `bubi sim run --json` prints."""
        return {
            "engine": self.engine,
            "seeds_run": self.runs,
            "violations": self.violations,
            "simulated_seconds": self.simulated_us // 1_000_000,
            "decided_heights": self.heights,
            "messages": self.messages,
            "messages_per_second": round(self.messages / self.seconds) if self.seconds else 0,
            "injected": {name: self.injected[name] for name in faults.CLASSES},
            "marks": dict(sorted(self.marks.items())),
            "trace_hashes": {str(seed): self._hash(seed) for seed in sorted(self.hashes)},
        }

    def _hash(self, seed: int) -> str:
        """Hash of a seed: that of its run, or over those of all cluster sizes."""
        runs = sorted(self.hashes[seed])
        if len(runs) == 1:
            return runs[0][1]
        text = " ".join(f"{nodes}:{trace}" for nodes, trace in runs)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def run_job(job: Job) -> tuple[Result, float]:
    """One run with the processor seconds that it took."""
    start = time.process_time()
    factory = None if job.factory is None else load_factory(job.factory)
    result = run(
        job.seed, job.nodes, engine=job.engine, classes=job.classes, engine_factory=factory
    )
    return result, time.process_time() - start


def run_all(
    jobs: Sequence[Job], processes: int, progress: Callable[[Result], None] | None = None
) -> Totals:
    """Runs all jobs and adds them up; the totals do not depend on how many processes there are."""
    totals = Totals(jobs[0].engine if jobs else "")
    results = []
    for result, seconds in each(run_job, jobs, processes):
        results.append((result, seconds))
        if progress is not None:
            progress(result)
    for result, seconds in sorted(results, key=lambda one: (one[0].seed, one[0].nodes)):
        totals.add(result, seconds)
    return totals
