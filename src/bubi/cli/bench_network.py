"""The measurement behind `bubi bench network`: real nodes, an open loop, blocks as the judge.

Nodes run as `network create --dev` configures them. A generator of its own process sends presigned
transfers through the bulk doors of all nodes in turn. What counts as committed are final receipts
in blocks whose time lies within the seconds of sending; latency is that of the answers, from the
time a request should have gone out until its transactions were final.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from bubi.cli import bench_profile
from bubi.cli.bench_transfers import Accounts, Bodies, presign
from bubi.cli.connection import node_answer, node_health
from bubi.cli.home import NodeState
from bubi.cli.messages import _
from bubi.cli.output import finding, note

WAIT_SECONDS: Final = 30.0
"""How long answers are waited for after the last request was due."""
SPARE_SECONDS: Final = 60.0
"""Beyond that the generator itself has failed."""
SETTLE_SECONDS: Final = 30.0
"""Longest wait for the nodes to reach one height."""
STEP_SECONDS: Final = 4.0
STEPS_MAX: Final = 8
STEP_FACTOR: Final = 1.5
STEP_SHARE: Final = 0.95
"""A rate is sustainable if so much of it became final within the seconds of sending, …"""
STEP_P99_SECONDS: Final = 2.0
"""… and nearly all of it within this time."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What a node has used since its start. `threads` are CPU seconds by name of the thread."""

    cpu: float
    threads: dict[str, float]
    rss: int
    written: int
    metrics: dict[str, float]


@dataclass
class Run:
    """One run of the generator and what the nodes did meanwhile."""

    sent: int
    seconds: float
    final: int = 0
    committed: int = 0
    blocks: int = 0
    latencies: list[tuple[float, int]] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    cpu_generator: float = 0.0
    before: list[Usage] = field(default_factory=list)
    after: list[Usage] = field(default_factory=list)
    roots_equal: bool = False

    @property
    def per_second(self) -> float:
        """Final transactions per second of sending."""
        return self.committed / self.seconds

    def milliseconds(self, share: float) -> float:
        """The latency that this share of the final transactions stays below."""
        return round(_percentile(self.latencies, share) * 1_000, 1)

    def sustained(self) -> bool:
        """Whether the nodes kept up."""
        return (
            self.committed >= STEP_SHARE * self.sent
            and _percentile(self.latencies, 0.99) <= STEP_P99_SECONDS
        )


def _percentile(weighted: Sequence[tuple[float, int]], share: float) -> float:
    """The value that this share of the weight stays below; 0 without any."""
    left = share * sum(weight for _, weight in weighted)
    for value, weight in sorted(weighted):
        left -= weight
        if left <= 0:
            return value
    return 0.0


class Bench:
    """A running network with accounts, and a folder for what is sent."""

    def __init__(
        self, nodes: Sequence[NodeState], accounts: Accounts, folder: Path, request: int
    ) -> None:
        self._nodes = nodes
        self._accounts = accounts
        self._folder = folder
        self._request = request
        self.transaction_bytes = 0

    def find_rate(self, first: float) -> float:
        """The highest rate of a few short runs that the nodes keep up with."""
        best, rate = 0.0, first
        for _step in range(STEPS_MAX):
            found = self.run(rate, STEP_SECONDS)
            note(
                _(
                    "{offered} offered per second: {committed} committed, p99 {p99} ms.",
                    offered=round(rate),
                    committed=round(found.per_second),
                    p99=found.milliseconds(0.99),
                )
            )
            if found.sustained():
                best, rate = rate, rate * STEP_FACTOR
            elif best:
                break
            else:
                rate /= 2
        return best or rate

    def run(self, rate: float, seconds: float) -> Run:
        """Sends transfers at a rate for some seconds, and waits until all is said and done."""
        bodies = presign(
            self._accounts, self._folder, max(1, round(rate * seconds)), self._request
        )
        self.transaction_bytes = bodies.transaction_bytes
        heights = [_height(node) for node in self._nodes]
        found = Run(bodies.transactions, seconds, before=[usage(one) for one in self._nodes])
        said = self._generate(bodies, rate)
        self._settle()
        found.after = [usage(one) for one in self._nodes]
        found.latencies = [(latency, count) for latency, count in said["answers"]]
        found.others.update(said["others"])
        found.cpu_generator = said["cpu_seconds"]
        self._read_blocks(found, min(heights), said["began_ms"])
        Path(bodies.file).unlink()
        return found

    def _generate(self, bodies: Bodies, rate: float) -> dict[str, Any]:
        places = [urlsplit(node.url) for node in self._nodes]
        plan = {
            "file": bodies.file,
            "ends": bodies.ends,
            "counts": bodies.counts,
            "nodes": [(place.hostname, place.port) for place in places],
            "interval": self._request / rate,
            "wait": WAIT_SECONDS,
        }
        longest = bodies.transactions / rate + WAIT_SECONDS + SPARE_SECONDS
        done = subprocess.run(
            [sys.executable, "-m", "bubi.cli.bench_load"],
            input=json.dumps(plan).encode(),
            stdout=subprocess.PIPE,
            timeout=longest,
            check=False,
        )
        if done.returncode != 0:
            raise finding(_("The load generator failed."), code="generator_failed")
        said = json.loads(done.stdout)
        assert isinstance(said, dict)
        return said

    def _settle(self) -> None:
        """Waits until all nodes stand at one height and nothing waits in their pools."""
        deadline = time.monotonic() + SETTLE_SECONDS
        before: list[int] = []
        while time.monotonic() < deadline:
            heights = [_height(node) for node in self._nodes]
            if len(set(heights)) == 1 and heights == before:
                return
            before = heights
            time.sleep(0.3)

    def _read_blocks(self, found: Run, height: int, began_ms: int) -> None:
        """Counts final receipts, and compares the nodes' states at their common height."""
        last = min(_height(node) for node in self._nodes)
        until = began_ms + found.seconds * 1_000
        with httpx.Client(base_url=self._nodes[0].url, timeout=30, trust_env=False) as client:
            for number in range(height + 1, last + 1):
                block = client.get(f"/v1/blocks/{number}").raise_for_status().json()
                found.final += block["final"]
                if int(block["time"]) <= until:
                    found.committed += block["final"]
                    found.blocks += bool(block["receipts"])
        roots = {
            node_answer(node.url, f"/v1/blocks/{last}").get("state_root") for node in self._nodes
        }
        found.roots_equal = len(roots) == 1 and None not in roots


def _height(node: NodeState) -> int:
    return int(node_health(node.url).get("height") or 0)


def usage(node: NodeState) -> Usage:
    """What a node's process has used so far."""
    folder = Path(f"/proc/{node.pid}")
    status = _numbers(folder / "status")
    threads: defaultdict[str, float] = defaultdict(float)
    for task in (folder / "task").iterdir():
        try:
            name, cpu = _stat(task / "stat")
        except OSError:
            continue  # a thread that has just ended
        threads[name] += cpu
    answer = httpx.get(f"{node.url}/metrics", timeout=30, trust_env=False)
    return Usage(
        _stat(folder / "stat")[1],
        threads,
        status["VmRSS"] * 1_024,
        _numbers(folder / "io")["write_bytes"],
        _metrics(answer.raise_for_status().text),
    )


def _stat(path: Path) -> tuple[str, float]:
    """Name and CPU seconds of a process or thread."""
    text = path.read_text(encoding="utf-8", errors="replace")
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    # Threads of one kind differ by a number at the end.
    return name.rstrip("0123456789").rstrip("-_"), (int(fields[11]) + int(fields[12])) / _TICKS


def _numbers(path: Path) -> dict[str, int]:
    """Fields of a file of /proc whose values begin with a number."""
    found = {}
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdigit():
            found[name] = int(words[0])
    return found


def _metrics(text: str) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines if name}


def report(run: Run, verifications: float) -> dict[str, Any]:
    """The figures of `bench network --json` that follow from one run."""
    nodes, done = len(run.after), max(1, run.final)
    pairs = list(zip(run.before, run.after, strict=True))
    cpu = sum(after.cpu - before.cpu for before, after in pairs)
    written = sum(after.written - before.written for before, after in pairs)

    def grown(*names: str) -> list[int]:
        return [
            round(sum(after.metrics[name] - before.metrics[name] for name in names))
            for before, after in pairs
        ]

    return {
        "offered_per_second": round(run.sent / run.seconds),
        "committed_per_second": round(run.per_second),
        "p50_ms": run.milliseconds(0.5),
        "p95_ms": run.milliseconds(0.95),
        "p99_ms": run.milliseconds(0.99),
        "failures": run.sent - run.final,
        "not_final": dict(run.others),
        "verifications_per_second": round(verifications),
        "ratio": round(run.per_second / (verifications / nodes), 3),
        "cpu_s_per_1000_nodes": round(cpu / done * 1_000, 4),
        "cpu_s_per_1000_generator": round(run.cpu_generator / done * 1_000, 4),
        "bytes_per_tx": round(written / nodes / done),
        "rss_bytes": [after.rss for after in run.after],
        "fsyncs": grown("bubi_store_fsyncs", "bubi_store_guard_fsyncs"),
        "signatures_verified": grown("bubi_store_signatures_verified"),
        "roots_equal": run.roots_equal,
        "blocks": run.blocks,
        "block_interval_ms": round(run.seconds / max(1, run.blocks) * 1_000, 1),
    }


def profile(run: Run) -> dict[str, Any]:
    """Where the nodes' CPU time went, by thread, and how long the phases of blocks took.

    `threads` are CPU seconds per 1,000 final transactions over all nodes; `phases` the wall time
    of one phase on one node (ms, mean), waiting for a core included; `stages` is described in
    `bench_profile`.
    """
    threads: defaultdict[str, float] = defaultdict(float)
    sums: defaultdict[str, float] = defaultdict(float)
    for before, after in zip(run.before, run.after, strict=True):
        for name, cpu in after.threads.items():
            threads[name] += cpu - before.threads.get(name, 0.0)
        for name, value in after.metrics.items():
            if name.startswith("bubi_block_phase_seconds_"):
                sums[name.removeprefix("bubi_block_phase_seconds_")] += value - before.metrics.get(
                    name, 0.0
                )
    done = max(1, run.final)
    phases = {}
    for name, total in sums.items():
        if name.startswith("sum{") and (count := sums[name.replace("sum{", "count{", 1)]):
            phases[name.split('"')[1]] = round(total / count * 1_000, 2)
    ordered = sorted(threads.items(), key=lambda item: -item[1])
    return {
        "threads": {name: round(cpu / done * 1_000, 4) for name, cpu in ordered if cpu > 0},
        "phases_ms": phases,
        "stages": bench_profile.stages(run),
    }
