"""The measurement behind `bubi bench network`: real nodes, an open loop, blocks as the judge.

Nodes run as `network create --dev` configures them. A generator of its own process sends presigned
transactions through the bulk doors of all nodes in turn. What counts as committed are final
receipts in blocks whose time lies within the seconds measured; latency is that of the answers,
from the time a request should have gone out until its transactions were final.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final, Self, TypeAlias
from urllib.parse import urlsplit

import httpx

from bubi.cli import bench_load, bench_profile, bench_workloads
from bubi.cli.bench_accounts import Accounts, pool
from bubi.cli.bench_load import Reply
from bubi.cli.bench_sampling import MemorySampler, Sample
from bubi.cli.connection import node_answer, node_health
from bubi.cli.home import NodeState
from bubi.cli.messages import _
from bubi.cli.output import finding, note, steps

WAIT_SECONDS: Final = 30.0
"""How long answers are waited for after the last request was due."""
SETTLE_SECONDS: Final = 60.0
"""Longest wait for the nodes to reach one height."""
STEP_SECONDS: Final = 5.0
STEPS_MAX: Final = 12
STEP_FACTOR: Final = 1.5
STEP_CLOSE: Final = 1.08
"""The search ends when the rate that is too high is so close to the one that is not."""
STEP_SHARE: Final = 0.95
"""A rate is sustainable if so much of it became final within the seconds of sending, …"""
STEP_P99_SECONDS: Final = 2.0
"""… and nearly all of it within this time."""
NORMAL_SECONDS: Final = 1.0
"""After an overload all is normal again when everything is final within this time."""
SAMPLE_SECONDS: Final = 1.0
CHUNK_SECONDS: Final = 30.0
"""What is signed while it is sent is signed in pieces of so many seconds, …"""
CHUNKS_AHEAD: Final = 2
"""… and so many pieces before the first one is sent."""
STREAM_ABOVE_SECONDS: Final = 400.0
"""A longer run cannot be signed before: transactions live for ten minutes."""
REQUESTS_PER_SECOND: Final = 40
REQUEST_MAX: Final = 250
LOAD: Final = "load"
WARM_UP: Final = "warm-up"
AFTER: Final = "after"
_TICKS: Final = os.sysconf("SC_CLK_TCK")

Sign: TypeAlias = Callable[[int, int], Sequence[bench_workloads.Segment]]
"""Signs so many transactions, so many in a request."""


@dataclass(frozen=True)
class Phase:
    """So many transactions per second for so long; `request` of them in each request."""

    name: str
    rate: float
    seconds: float
    request: int

    @property
    def transactions(self) -> int:
        """All that is sent in it."""
        return max(1, round(self.rate * self.seconds))


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
    """One run of the generator and what the nodes did meanwhile.

    `sent`, `seconds`, `committed`, `latencies` and `others` are those of the phase that is
    measured; `offered`, `final` and `heights` those of everything that was sent.
    """

    sent: int
    seconds: float
    offered: int = 0
    members: int = 0
    final: int = 0
    committed: int = 0
    blocks: int = 0
    heights: int = 0
    from_ms: float = 0.0
    latencies: list[tuple[float, int]] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    after_load: list[Reply] = field(default_factory=list)
    late: float = 0.0
    cpu_generator: float = 0.0
    cpu_signing: float = 0.0
    before: list[Usage] = field(default_factory=list)
    after: list[Usage] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    roots_equal: bool = False

    def memory_before(self) -> list[int]:
        """What each node held when the phase that is measured began, after the warm-up."""
        seen = [one.rss for one in self.samples if one.at_ms <= self.from_ms]
        return list(seen[-1]) if seen else [one.rss for one in self.before]

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

    def normal_after(self) -> float | None:
        """Seconds from the end of the load until all is final in time; None: that never came."""
        normal = None
        for reply in sorted(self.after_load, key=lambda one: one.due, reverse=True):
            in_time = reply.seconds is not None and reply.seconds <= NORMAL_SECONDS
            if not in_time or reply.final < reply.count:
                break
            normal = reply.due
        if normal is None:
            return None
        # The first reply that was normal says so at the moment it came.
        end = min(one.due for one in self.after_load)
        return round(normal - end, 2)


def _percentile(weighted: Sequence[tuple[float, int]], share: float) -> float:
    """The value that this share of the weight stays below; 0 without any."""
    left = share * sum(weight for _, weight in weighted)
    for value, weight in sorted(weighted):
        left -= weight
        if left <= 0:
            return value
    return 0.0


def request_size(rate: float, asked: int | None) -> int:
    """Transactions in a request: what was asked for, else enough for forty requests a second."""
    return asked or max(1, min(REQUEST_MAX, round(rate / REQUESTS_PER_SECOND)))


class Bench:
    """A running network with accounts, and a folder for what is sent.

    `doors` are the nodes that clients talk to; `nodes` those that run. `while_loaded` is entered
    for as long as something is sent. Close it: it has processes that sign.
    """

    def __init__(
        self,
        nodes: Sequence[NodeState],
        accounts: Accounts,
        folder: Path,
        request: int | None = None,
        zipf: float | None = None,
    ) -> None:
        self._nodes = list(nodes)
        self.doors = list(nodes)
        self.members = len(nodes)
        self.transaction_bytes = 0
        self.sample_seconds = SAMPLE_SECONDS
        self._accounts = accounts
        self._folder = folder
        self._request = request
        self._zipf = zipf
        self._workers: Executor = pool()
        self.while_loaded: Callable[[], AbstractContextManager[None]] = nullcontext

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._workers.shutdown(cancel_futures=True)

    def without(self, node: NodeState) -> None:
        """A node is gone."""
        self._nodes = [one for one in self._nodes if one.name != node.name]
        self.close_door(node)

    def close_door(self, node: NodeState) -> None:
        """Clients leave a node alone."""
        self.doors = [one for one in self.doors if one.name != node.name]

    def phase(self, name: str, rate: float, seconds: float) -> Phase:
        """A phase with requests as they were asked for."""
        return Phase(name, rate, seconds, request_size(rate, self._request))

    def find_rate(self, first: float) -> float:
        """The highest rate of some short runs that the nodes keep up with, within 8 percent."""
        best, worst, rate = 0.0, 0.0, first
        for step in range(1, STEPS_MAX + 1):
            found = self.run([self.phase(LOAD, rate, STEP_SECONDS)], (step, STEPS_MAX))
            note(
                _(
                    "{offered} offered per second: {committed} committed, p99 {p99} ms.",
                    offered=round(rate),
                    committed=round(found.per_second),
                    p99=found.milliseconds(0.99),
                )
            )
            if found.sustained():
                best = rate
            else:
                worst = rate
            if best and worst and worst <= best * STEP_CLOSE:
                break
            if not worst:
                rate = best * STEP_FACTOR
            else:
                rate = (best * worst) ** 0.5 if best else worst / 2
        return best or rate

    def run(self, phases: Sequence[Phase], place: tuple[int, int] = (1, 1)) -> Run:
        """Sends transactions in phases, and waits until all is said and done.

        `place` is the number of this run and how many there are.
        """
        number, count = place
        load = next(one for one in phases if one.name == LOAD)
        heights = [_height(node) for node in self._nodes]
        offered = sum(one.transactions for one in phases)
        found = Run(load.transactions, load.seconds, offered, self.members)
        chunks = _Chunks(self._sign, phases)
        found.before = [usage(one) for one in self._nodes]
        memory = MemorySampler([one.pid for one in self._nodes], self.sample_seconds)
        with steps(_("Run {number} of {count}", number=number, count=count), 2) as advance, memory:
            with self.while_loaded():
                said = self._generate(chunks)
            advance()
            self._settle()
            advance()
        found.after = [usage(one) for one in self._nodes]
        found.samples = memory.samples
        # Samples come at intervals: the last reading may lie above them all.
        ended = [one.rss for one in found.after]
        found.peaks = [max(both) for both in zip(memory.peaks(), ended, strict=True)]
        found.cpu_signing, found.cpu_generator = chunks.cpu_seconds, said["cpu_seconds"]
        self.transaction_bytes = chunks.transaction_bytes
        _take(found, said)
        before = sum(one.seconds for one in phases[: phases.index(load)])
        found.from_ms = said["began_ms"] + before * 1_000
        self._read_blocks(found, min(heights))
        return found

    def _sign(self, count: int, request: int) -> list[bench_workloads.Segment]:
        return bench_workloads.presign(
            self._workers, self._accounts, self._folder, count, request, self._zipf
        )

    def _generate(self, chunks: _Chunks) -> dict[str, Any]:
        """Feeds a generator; what it said. Pieces that it may have at once are signed before."""
        ready = chunks.first()
        process = subprocess.Popen(
            [sys.executable, "-m", "bubi.cli.bench_load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert process.stdin is not None
            places = [urlsplit(node.url) for node in self.doors]
            nodes = [(place.hostname, place.port) for place in places]
            _tell(process.stdin, {"nodes": nodes, "wait": WAIT_SECONDS})
            for segment in ready:
                _tell(process.stdin, asdict(segment))
            for segment in chunks.others():
                _tell(process.stdin, asdict(segment))
            out, _nothing = process.communicate()
        except BrokenPipeError:
            out = b""
        finally:
            process.kill()
            process.wait()
        if not out:
            raise finding(_("The load generator failed."), code="generator_failed")
        said = json.loads(out)
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

    def _read_blocks(self, found: Run, height: int) -> None:
        """Counts final receipts, and compares the nodes' states at their common height."""
        last = min(_height(node) for node in self._nodes)
        found.heights = last - height
        until = found.from_ms + found.seconds * 1_000
        with httpx.Client(base_url=self.doors[0].url, timeout=30, trust_env=False) as client:
            for number in range(height + 1, last + 1):
                block = client.get(f"/v1/blocks/{number}").raise_for_status().json()
                found.final += block["final"]
                if found.from_ms < int(block["time"]) <= until:
                    found.committed += block["final"]
                    found.blocks += bool(block["receipts"])
        roots = {
            node_answer(node.url, f"/v1/blocks/{last}").get("state_root") for node in self._nodes
        }
        found.roots_equal = len(roots) == 1 and None not in roots


class _Chunks:
    """What the generator gets: all of it signed before, or, for a long run, while it sends."""

    def __init__(
        self,
        sign: Callable[[int, int], Sequence[bench_workloads.Segment]],
        phases: Sequence[Phase],
    ) -> None:
        self._sign = sign
        self.cpu_seconds = 0.0
        self.transaction_bytes = 0
        self._pieces = list(pieces(phases))
        long = sum(one.seconds for one in phases) > STREAM_ABOVE_SECONDS
        self._first = CHUNKS_AHEAD if long else len(self._pieces)
        self._began = 0.0

    def first(self) -> list[bench_load.Segment]:
        """Signs what must be there before the first request."""
        made = [one for piece in self._pieces[: self._first] for one in self._make(*piece)]
        self._began = time.monotonic()
        return made

    def others(self) -> Iterator[bench_load.Segment]:
        """Signs the rest, a piece or two before it is due."""
        due = sum(piece.seconds for piece, _count in self._pieces[: self._first])
        for piece, count in self._pieces[self._first :]:
            ahead = self._began + due - CHUNKS_AHEAD * CHUNK_SECONDS - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            yield from self._make(piece, count)
            due += piece.seconds

    def _make(self, piece: Phase, count: int) -> Iterator[bench_load.Segment]:
        for made in self._sign(count, piece.request):
            self.cpu_seconds += made.cpu_seconds
            self.transaction_bytes = self.transaction_bytes or made.transaction_bytes
            interval = piece.request / piece.rate
            yield bench_load.Segment(made.file, made.ends, made.counts, interval, piece.name)


def presigned(seconds: float, transactions: int) -> int:
    """How many of the transactions of a run wait signed, at most."""
    if seconds <= STREAM_ABOVE_SECONDS:
        return transactions
    # What waits, and what is being sent.
    return int(transactions * min(1.0, (CHUNKS_AHEAD + 1) * CHUNK_SECONDS / seconds))


def pieces(phases: Sequence[Phase]) -> Iterator[tuple[Phase, int]]:
    """The phases in pieces of at most so many seconds, each with its share of the transactions."""
    for phase in phases:
        done, sent = 0.0, 0
        while done < phase.seconds:
            seconds = min(phase.seconds - done, CHUNK_SECONDS)
            done += seconds
            # Not rounded piece by piece: together they are what the phase promises.
            until = max(1, round(phase.transactions * min(1.0, done / phase.seconds)))
            if until > sent:
                yield replace(phase, seconds=seconds), until - sent
            sent = until


def _tell(stream: IO[bytes], value: object) -> None:
    stream.write(json.dumps(value).encode() + b"\n")
    stream.flush()


def _take(found: Run, said: dict[str, Any]) -> None:
    """Takes over what the generator said."""
    replies = [Reply(**one) for one in said["replies"]]
    found.latencies = [
        (one.seconds, one.final)
        for one in replies
        if one.phase == LOAD and one.seconds is not None and one.final
    ]
    found.after_load = [one for one in replies if one.phase == AFTER]
    found.others.update(said["others"].get(LOAD, {}))
    found.late = said["late"]


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
    nodes, done = run.members or len(run.after), max(1, run.final)
    pairs = list(zip(run.before, run.after, strict=True))
    cpu = sum(after.cpu - before.cpu for before, after in pairs)
    written = sum(after.written - before.written for before, after in pairs)

    def grown(*names: str) -> list[int]:
        return [
            round(sum(after.metrics[name] - before.metrics[name] for name in names))
            for before, after in pairs
        ]

    fsyncs = grown("bubi_store_fsyncs", "bubi_store_guard_fsyncs")
    return {
        "offered_per_second": round(run.sent / run.seconds),
        "committed_per_second": round(run.per_second),
        "p50_ms": run.milliseconds(0.5),
        "p95_ms": run.milliseconds(0.95),
        "p99_ms": run.milliseconds(0.99),
        "sustained": run.sustained(),
        "failures": max(run.offered, run.sent) - run.final,
        "not_final": dict(run.others),
        "verifications_per_second": round(verifications),
        "ratio": round(run.per_second / (verifications / nodes), 3),
        "cpu_s_per_1000_nodes": round(cpu / done * 1_000, 4),
        "cpu_s_per_1000_generator": round(run.cpu_generator / done * 1_000, 4),
        "cpu_s_per_1000_signing": round(run.cpu_signing / done * 1_000, 4),
        "generator_late_ms": round(run.late * 1_000, 1),
        "bytes_per_tx": round(written / len(run.after) / done),
        "rss_bytes": [after.rss for after in run.after],
        "rss_peak_bytes": run.peaks,
        "fsyncs": fsyncs,
        "fsyncs_per_block": round(sum(fsyncs) / len(fsyncs) / max(1, run.heights), 2),
        "view_changes": view_changes(run),
        "signatures_verified": grown("bubi_store_signatures_verified"),
        "roots_equal": run.roots_equal,
        "blocks": run.blocks,
        "block_interval_ms": round(run.seconds / max(1, run.blocks) * 1_000, 1),
    }


def view_changes(run: Run) -> int:
    """How often a view was left, over all nodes."""
    name = "bubi_view_changes_total"
    pairs = zip(run.before, run.after, strict=True)
    return round(sum(after.metrics[name] - before.metrics[name] for before, after in pairs))


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
