#!/usr/bin/env python3
"""Takes the figures that Bubi promises, one after the other, and writes them as one table.

Run: python benchmarks/figures.py [FOLDER] [row …]      takes what FOLDER does not have yet
     python benchmarks/figures.py [FOLDER] --list       rows, minutes, what is there already
     python benchmarks/figures.py [FOLDER] --table      the table of what is there
     python benchmarks/figures.py [FOLDER] --again ROW  forgets a row first (repeatable; or all)

FOLDER is benchmarks/figures unless another one is named, with a slash. Each row is one small file
in it, ROW.json: commit, command, machine, how busy it was before, and what was said. Those of a
whole run are committed, with figures.md, the table built from them. A row that fails leaves
ROW.failed and does not keep the others from being taken. Rows need others (half of a peak needs
the peak): those are taken first. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bubi.cli import bench_bounds
from bubi.cli.bench_bounds import Bound
from bubi.cli.bench_page import machine

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks" / "figures"
EVERY = "all"
BULKY = ("samples",)
"""Lists that no figure is made of and that would make the files large."""
MILLION = 1_000_000
SECONDS_MAX = 4 * 3_600
LONG_SECONDS = 60
"""A load that lasts longer is run once."""
PEAK = "pbft"
"""The row whose rate others are compared with."""

Results = Mapping[str, Any]
"""What each row said: one JSON document, of several calls the list of them."""


@dataclass(frozen=True)
class Figure:
    """One line of the table: a value and what it must reach, or stay below if not `above`."""

    text: str
    value: float | None
    floor: float | None = None
    goal: float | None = None
    unit: str = ""
    above: bool = True
    spread: Sequence[float] | None = None

    @classmethod
    def of(
        cls,
        text: str,
        value: float | None,
        bound: Bound,
        spread: Sequence[float] | None = None,
    ) -> Figure:
        """A figure with the bounds that are promised."""
        unit = "" if bound.unit == "/s" else bound.unit
        return cls(text, value, bound.floor, bound.goal, unit, bound.above, spread)

    def verdict(self) -> str:
        """Whether the floor or even the goal is met."""
        if self.value is None:
            return "not known"
        if self.goal is not None and self._meets(self.goal):
            return "goal"
        if self.floor is None:
            return ""
        return "floor" if self._meets(self.floor) else "**missed**"

    def _meets(self, bound: float) -> bool:
        assert self.value is not None
        return self.value >= bound if self.above else self.value <= bound


@dataclass(frozen=True)
class Row:
    """One measurement: its command, given the results of the rows it needs, and its figures."""

    name: str
    minutes: float
    words: Callable[[Results], list[str]]
    figures: Callable[[Results], list[Figure]]
    needs: tuple[str, ...] = ()
    times: int = 1


def bubi(*words: object) -> list[str]:
    """A call of `bubi` that prints JSON."""
    return [sys.executable, "-m", "bubi", *map(str, words), "--json"]


def network(*words: object) -> list[str]:
    """A call of `bubi bench network`."""
    return bubi("bench", "network", *words)


def overloaded(factor: int, seconds: int, results: Results) -> list[str]:
    """So many times what four validators carry."""
    # Nodes that have just started would grow under any load.
    words = ("--accounts", MILLION, "--rate", round(peak(results)), "--warm-up", 30)
    repeat = ("--repeat", 5) if seconds <= LONG_SECONDS else ()
    return network(*words, "--overload", factor, "--seconds", seconds, *repeat)


def peak(results: Results) -> float:
    """The rate that four validators carry."""
    return float(results[PEAK]["committed_per_second"])


def ratio(value: float, other: float) -> float | None:
    """A share, where there is something to have a share of."""
    return round(value / other, 3) if other else None


def _spread(document: Mapping[str, Any], name: str) -> Sequence[float] | None:
    spread: Mapping[str, Sequence[float]] = document.get("spread", {})
    return spread.get(name)


def _rate(name: str, text: str, *more: Figure) -> Callable[[Results], list[Figure]]:
    """The rate of a row without a bound, with its latency and what it cost."""

    def figures(results: Results) -> list[Figure]:
        one = results[name]
        return [
            Figure(
                f"{text}, committed per second ({conditions(one)})",
                one["committed_per_second"],
                spread=_spread(one, "committed_per_second"),
            ),
            Figure(f"{text}, p99", one["p99_ms"], unit="ms", spread=_spread(one, "p99_ms")),
            *more,
        ]

    return figures


def conditions(one: Mapping[str, Any]) -> str:
    """What belongs beside every rate."""
    return (
        f"V {one['verifications_per_second']:,}, block interval {one['block_interval_ms']:g} ms, "
        f"{one['fsyncs_per_block']:g} syncs per block and node, "
        f"{one['cpu_s_per_1000_nodes']:g} CPU s per 1,000"
    )


def _share(name: str, text: str, floor: float, goal: float) -> Callable[[Results], list[Figure]]:
    """A rate as a share of that of four validators, pbft."""

    def figures(results: Results) -> list[Figure]:
        value = results[name]["committed_per_second"]
        share = ratio(value, peak(results))
        return [
            *_rate(name, text)(results),
            Figure(f"{text} / all four, pbft", share, floor, goal),
        ]

    return figures


def _pbft(results: Results) -> list[Figure]:
    one = results[PEAK]
    text = "4 validators, pbft, transfers over 1 M accounts"
    found = [
        Figure.of(
            f"{text}, committed per second ({conditions(one)})",
            one["committed_per_second"],
            bench_bounds.RATE,
            _spread(one, "committed_per_second"),
        ),
        Figure.of(
            f"{text}, share of V/4 by V of the same run",
            one["ratio"],
            bench_bounds.SHARE,
            _spread(one, "ratio"),
        ),
    ]
    # National suites verify fewer: they cannot be the greatest.
    best = max(
        float(other["verifications_per_second"])
        for other in results.values()
        if isinstance(other, Mapping)
        and "verifications_per_second" in other
        and other["machine"] == one["machine"]
    )
    text = f"{text}, share of V/4 by the greatest V of this machine ({best:,.0f})"
    return [*found, Figure(text, ratio(one["committed_per_second"], best / 4))]


def _latency(name: str, field: str, text: str, bound: Bound) -> Callable[..., Any]:
    def figures(results: Results) -> list[Figure]:
        one = results[name]
        told = f"{text} ({conditions(one)})"
        found = [Figure.of(told, one[field], bound, _spread(one, field))]
        if one["failures"]:
            found.append(Figure(f"{text}: failures", one["failures"], 0, above=False))
        return found

    return figures


def _solo(results: Results) -> list[Figure]:
    one = results["solo"]
    text = f"1 validator, durable, share of V ({conditions(one)})"
    return [Figure.of(text, one["ratio"], bench_bounds.SOLO_SHARE, _spread(one, "ratio"))]


def _solo_large(results: Results) -> list[Figure]:
    large, small = results["solo-10m"], results["solo-100k"]
    share = ratio(large["committed_per_second"], small["committed_per_second"])
    told = conditions(large)
    return [
        *_rate("solo-10m", "1 validator, 10 M accounts")(results),
        Figure(f"1 validator: rate at 10 M accounts / at 100 k ({told})", share, 0.8, 0.95),
        Figure(
            f"1 validator, memory at 10 M accounts ({told})",
            max(large["rss_bytes"]) / 1e9,
            unit="GB",
        ),
    ]


def _overload(name: str, text: str) -> Callable[[Results], list[Figure]]:
    def figures(results: Results) -> list[Figure]:
        one = results[name]
        said = one["overload"]
        refused = ", ".join(f"{code} {count:,}" for code, count in said["refused"].items())
        # Rows of an older version lack some of it: not known.
        grown = max(said.get("rss_peak_bytes", one["rss_peak_bytes"])) / 1e9
        views = said.get("view_changes")
        normal = f"{text}: normal again after (refused: {refused or 'nothing'})"
        return [
            Figure.of(
                f"{text}: goodput / peak ({conditions(one)})",
                said["goodput_ratio"],
                bench_bounds.GOODPUT,
                said.get("goodput_ratio_spread") if "repeat" in one else None,
            ),
            Figure.of(f"{text}: view changes", views, bench_bounds.VIEW_CHANGES),
            Figure.of(normal, said["normal_after_seconds"], bench_bounds.NORMAL_AFTER),
            Figure.of(
                f"{text}: memory of a node, peak / before (peak {grown:.2f} GB)",
                said.get("rss_peak_ratio"),
                bench_bounds.OVERLOAD_MEMORY,
            ),
        ]

    return figures


def _soak(results: Results) -> list[Figure]:
    one = results["soak"]
    worst = one["soak"]["worst_percent_per_hour"]
    text = "soak at 2,000 tx/s, 15 + 45 min, one run: growth of memory per hour, worst node"
    return [Figure.of(f"{text} ({conditions(one)})", worst, bench_bounds.SOAK_GROWTH)]


def _slow(results: Results) -> list[Figure]:
    text = "one of four validators ten times slower"
    rates = [results[name]["committed_per_second"] for name in ("slow", "accounts-10k")]
    return [
        *_rate("slow", text)(results),
        Figure(f"{text} / all four, 10 k accounts", ratio(*rates), 0.8),
    ]


def _verify(results: Results) -> list[Figure]:
    one = results["verify"]
    spread = [one["slowest_per_second"], one["fastest_per_second"]]
    rate = one["verifications_per_second"]
    return [
        Figure("V: Ed25519 verifications per second", rate, 60_000, spread=spread),
        Figure("the same with 1 % bad signatures / V", one["with_bad_ratio"], 0.5),
    ]


def _verify_other(name: str, text: str) -> Callable[[Results], list[Figure]]:
    def figures(results: Results) -> list[Figure]:
        one = results[name]
        spread = [one["slowest_per_second"], one["fastest_per_second"]]
        return [Figure(text, one["verifications_per_second"], spread=spread)]

    return figures


def _ledger(results: Results) -> list[Figure]:
    one = results["ledger"]
    rate, spread = one["prechecked_per_second"], one["prechecked_spread"]
    text = "blocks of 10,000 transfers over 1 M accounts"
    return [
        Figure(f"{text}, signatures checked before", rate, 100_000, 250_000, spread=spread),
        Figure(f"{text}, with signatures, share of V", one["ratio"], 0.6, 0.8),
        Figure("memory for 1 M accounts", round(one["rss_bytes"] / 1e9, 2), unit="GB"),
    ]


def _ledger_large(results: Results) -> list[Figure]:
    large, small = results["ledger-10m"], results["ledger"]
    checked = ratio(large["prechecked_per_second"], small["prechecked_per_second"])
    signed = ratio(large["signed_per_second"], small["signed_per_second"])
    return [
        Figure("ledger: 10 M accounts / 1 M, signatures checked before", checked, 0.75),
        Figure("ledger: 10 M accounts / 1 M, with signatures", signed, 0.9),
        Figure("ledger: memory for 10 M accounts", round(large["rss_bytes"] / 1e9, 2), unit="GB"),
        Figure(
            "start with 10 M accounts until a transaction is final",
            large["start_seconds"],
            30,
            15,
            "s",
            above=False,
        ),
    ]


def _ledger_national(results: Results) -> list[Figure]:
    one = results["ledger-national"]
    return [
        Figure("suite national: ledger, signatures checked", one["prechecked_per_second"]),
        Figure("suite national: ledger, with signatures", one["signed_per_second"]),
    ]


def _api(results: Results) -> list[Figure]:
    runs: Sequence[Mapping[str, Any]] = results["api"]

    def median(name: str) -> tuple[float, list[float]]:
        values = sorted(float(one[name]) for one in runs)
        return values[len(values) // 2], [values[0], values[-1]]

    (bulk, bulks), (single, singles) = median("ratio"), median("single_per_second")
    return [
        Figure("bulk door of one durable validator, share of V", bulk, 0.4, spread=bulks),
        Figure("single transactions as JSON per second", single, 3_000, spread=singles),
    ]


def _peers(_results: Results) -> list[Figure]:
    return []


FOUR = ("--nodes", 4, "--accounts", MILLION, "--seconds", 60, "--repeat", 5)
ALONE = ("--nodes", 1, "--seconds", 60, "--repeat", 5)
SHORT = ("--nodes", 4, "--seconds", 30, "--repeat", 3)

ROWS = (
    Row("verify", 1, lambda _: bubi("bench", "verify"), _verify),
    Row(
        "verify-sm2",
        1,
        lambda _: bubi("bench", "verify", "--algorithm", "sm2", "--count", 20_000),
        _verify_other("verify-sm2", "SM2 verifications per second"),
    ),
    Row("ledger", 8, lambda _: bubi("bench", "ledger"), _ledger),
    Row(
        "ledger-10m",
        25,
        lambda _: bubi("bench", "ledger", "--accounts", 10 * MILLION),
        _ledger_large,
        ("ledger",),
    ),
    Row(
        "ledger-national",
        15,
        lambda _: bubi("bench", "ledger", "--suite", "national", "--accounts", 100_000),
        _ledger_national,
    ),
    Row("api", 8, lambda _: bubi("bench", "api", "--offered", 0.45), _api, times=5),
    Row(PEAK, 14, lambda _: network(*FOUR), _pbft),
    Row(
        "half-load",
        9,
        lambda results: network(*FOUR, "--rate", round(peak(results) / 2)),
        _latency(
            "half-load",
            "p99_ms",
            "p99 submit-to-final at half of that rate",
            bench_bounds.HALF_LOAD_P99,
        ),
        (PEAK,),
    ),
    Row(
        "light-load",
        7,
        lambda _: network("--rate", 100, "--request", 1, "--seconds", 60, "--repeat", 5),
        _latency("light-load", "p50_ms", "p50 at 100 tx/s", bench_bounds.LIGHT_LOAD_P50),
    ),
    Row(
        "solo",
        14,
        lambda _: network("--nodes", 1, "--accounts", MILLION, "--seconds", 60, "--repeat", 5),
        _solo,
    ),
    Row(
        "solo-100k",
        14,
        lambda _: network(*ALONE, "--accounts", 100_000),
        _rate("solo-100k", "1 validator, 100 k accounts"),
    ),
    Row(
        "solo-10m",
        30,
        lambda _: network(*ALONE, "--accounts", 10 * MILLION),
        _solo_large,
        ("solo-100k",),
    ),
    Row(
        "crash",
        14,
        lambda _: network(*FOUR, "--crash"),
        _share("crash", "one of four validators crashed", 0.8, 1.0),
        (PEAK,),
    ),
    Row(
        "raft",
        14,
        lambda _: network(*FOUR, "--engine", "raft"),
        _share("raft", "4 validators, raft", 0.8, 1.0),
        (PEAK,),
    ),
    Row(
        "paxos",
        14,
        lambda _: network(*FOUR, "--engine", "paxos"),
        _share("paxos", "4 validators, paxos", 0.8, 1.0),
        (PEAK,),
    ),
    Row(
        "overload-5",
        15,
        lambda results: overloaded(5, 60, results),
        _overload("overload-5", "overload, 5 times for 60 s, five runs"),
        (PEAK,),
    ),
    Row(
        "overload-2",
        12,
        lambda results: overloaded(2, 300, results),
        _overload("overload-2", "overload, 2 times for 5 min, one run"),
        (PEAK,),
    ),
    Row("soak", 64, lambda _: network("--soak", "--accounts", 100_000), _soak),
    Row(
        "accounts-10k",
        5,
        lambda _: network(*SHORT, "--accounts", 10_000),
        _rate("accounts-10k", "4 validators, 10 k accounts"),
    ),
    Row(
        "zipf",
        6,
        lambda _: network(*SHORT, "--accounts", MILLION, "--zipf", 0.99),
        _rate("zipf", "4 validators, 1 M accounts, Zipf 0.99"),
    ),
    *(
        Row(
            workload,
            5,
            lambda _, workload=workload: network(  # type: ignore[misc]
                *SHORT, "--accounts", 100_000, "--workload", workload
            ),
            _rate(workload, f"4 validators, {text}"),
        )
        for workload, text in (
            ("issue", "issues"),
            ("record", "records of 200 bytes"),
            ("smallbank", "Smallbank"),
            ("multisig", "transfers of 2-of-3 accounts"),
        )
    ),
    Row(
        "seven",
        6,
        lambda _: network("--nodes", 7, "--accounts", 10_000, "--seconds", 30, "--repeat", 3),
        _rate("seven", "7 validators, 10 k accounts"),
    ),
    Row(
        "slow",
        5,
        lambda _: network(*SHORT, "--accounts", 10_000, "--slow"),
        _slow,
        ("accounts-10k",),
    ),
    Row(
        "delay",
        5,
        lambda _: network(*SHORT, "--accounts", 10_000, "--delay", "20ms"),
        _rate("delay", "4 validators, 20 ms on each link each way"),
    ),
    Row(
        "peers",
        15,
        lambda _: [sys.executable, str(ROOT / "benchmarks" / "peers" / "run.py"), "--json"],
        _peers,
    ),
)
"""In the order in which they are taken."""


def by_name(name: str) -> Row:
    """A row."""
    return next(row for row in ROWS if row.name == name)


def wanted(names: Sequence[str]) -> list[Row]:
    """These rows and those they need, in their order; all of them if none is named."""
    chosen = set(names) or {row.name for row in ROWS}
    for name in list(chosen):
        chosen.update(by_name(name).needs)
    return [row for row in ROWS if row.name in chosen]


def read(folder: Path) -> dict[str, Any]:
    """What is there."""
    found = {}
    for row in ROWS:
        file = folder / f"{row.name}.json"
        if file.exists():
            found[row.name] = json.loads(file.read_text(encoding="utf-8"))
    return found


def said(documents: Mapping[str, Any]) -> dict[str, Any]:
    """The results of the rows that are there, with their machine."""
    return {
        name: {**one["said"], "machine": one["machine"]}
        if isinstance(one["said"], Mapping)
        else one["said"]
        for name, one in documents.items()
    }


def take(row: Row, folder: Path) -> bool:
    """Takes a row and writes its file; whether that went well."""
    results = said(read(folder))
    missing = [name for name in row.needs if name not in results]
    failed = folder / f"{row.name}.failed"
    if missing:
        failed.write_text(f"it needs {', '.join(missing)}\n", encoding="utf-8")
        return False
    words = row.words(results)
    load = os.getloadavg()[0]
    began = time.time()
    documents = []
    for _ in range(row.times):
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
            )
        except subprocess.TimeoutExpired as error:
            failed.write_text(f"{error}\n", encoding="utf-8")
            return False
        if done.returncode != 0:
            failed.write_text(f"{done.stderr}\n{done.stdout}\n", encoding="utf-8")
            return False
        documents.append(json.loads(done.stdout))
    document = {
        "row": row.name,
        "commit": commit(),
        "command": shown(words),
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        "seconds": round(time.time() - began, 1),
        "load_before": round(load, 2),
        "machine": machine(),
        "said": stripped(documents[0] if row.times == 1 else documents),
    }
    new = folder / f"{row.name}.new"
    new.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    new.replace(folder / f"{row.name}.json")
    failed.unlink(missing_ok=True)
    return True


def shown(words: Sequence[str]) -> str:
    """A command as a person would type it."""
    if words[1:3] == ["-m", "bubi"]:
        return " ".join(["bubi", *(one for one in words[3:] if one != "--json")])
    return " ".join(["python", *(one.removeprefix(f"{ROOT}/") for one in words[1:])])


def stripped(value: Any) -> Any:
    """A document without what is bulky."""
    if isinstance(value, dict):
        return {name: stripped(one) for name, one in value.items() if name not in BULKY}
    return [stripped(one) for one in value] if isinstance(value, list) else value


def commit() -> str:
    """What was measured: the commit, with a plus if files differ from it; empty without git."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        # Rows that were just taken are no change of what is measured.
        changed = git("status", "--porcelain", "--", ".", f":!{FOLDER.relative_to(ROOT)}")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def number(value: float) -> str:
    """A figure for people."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:,.3g}"


def table(documents: Mapping[str, Any]) -> str:
    """The table of what is there, in Markdown."""
    results = said(documents)
    lines = [
        "| figure | floor | goal | measured | least – greatest | met | command |",
        "|---|---|---|---|---|---|---|",
    ]
    apart, alone = [], []
    for row in ROWS:
        if row.name not in results:
            continue
        if missing := [name for name in row.needs if name not in results]:
            alone.append(f"{row.name} ({', '.join(missing)})")
            continue
        machines = [documents[name]["machine"] for name in (row.name, *row.needs)]
        if any(one != machines[0] for one in machines):
            apart.append(f"{row.name} ({', '.join(row.needs)})")
            continue
        command = documents[row.name]["command"]
        lines += [_line(figure, command) for figure in row.figures(results)]
    busy = [name for name, one in documents.items() if one["load_before"] > 0.5]
    lines += ["", *_sessions(documents)]
    if apart:
        lines += ["", f"Left out, compared with rows of another machine: {', '.join(apart)}."]
    if alone:
        lines += ["", f"Left out, compared with rows that are not there: {', '.join(alone)}."]
    if busy:
        lines += ["", f"Other work was on the machine before: {', '.join(busy)}."]
    if "peers" in results:
        lines += ["", "Others on the same machine:", "", *_peer_lines(results["peers"])]
    return "\n".join(lines) + "\n"


def _sessions(documents: Mapping[str, Any]) -> list[str]:
    """On which machine, at which commit and when rows were taken; one line if it is the same."""
    taken: dict[str, list[str]] = {}
    for name, one in documents.items():
        told = ", ".join(f"{key} {value}" for key, value in one["machine"].items())
        day = one.get("began", "").partition("T")[0]
        head = one.get("commit", "")
        commit_id = f"{head[:12]}{'+' * head.endswith('+')}" or "not known"
        taken.setdefault(f"{day or 'day not known'}, commit {commit_id}: {told}", []).append(name)
    if len(taken) == 1:
        return [f"Machine, {next(iter(taken))}."]
    return [f"Machine, {session} ({', '.join(names)})." for session, names in taken.items()]


def _line(figure: Figure, command: str) -> str:
    unit = f" {figure.unit}" if figure.unit else ""
    value = "–" if figure.value is None else f"**{number(figure.value)}{unit}**"
    bounds = ["" if one is None else number(one) for one in (figure.floor, figure.goal)]
    spread = " – ".join(map(number, figure.spread)) if figure.spread else ""
    cells = [figure.text, *bounds, value, spread, figure.verdict(), f"`{command}`"]
    return "| " + " | ".join(cells) + " |"


def _peer_lines(document: Mapping[str, Any]) -> list[str]:
    sys.path.insert(0, str(ROOT / "benchmarks" / "peers"))
    import run  # type: ignore[import-not-found]  # noqa: PLC0415 - a program beside this one

    return str(run.markdown(document)).splitlines()


def show_list(folder: Path) -> None:
    """Prints the rows, their minutes, and what became of them."""
    total = 0.0
    for row in ROWS:
        state = "there" if (folder / f"{row.name}.json").exists() else ""
        if not state:
            total += row.minutes
            state = "failed" if (folder / f"{row.name}.failed").exists() else ""
        print(f"{row.name:18} {row.minutes:5.0f} min  {state:7} {' '.join(row.needs)}")
    print(f"left: about {total:.0f} minutes")


def split(words: Sequence[str]) -> tuple[Path, list[str]]:
    """Folder and rows: a folder comes first and has a slash, or is there already."""
    first = words[0] if words else ""
    names = {row.name for row in ROWS}
    if first and first not in names and ("/" in first or Path(first).is_dir()):
        return Path(first), list(words[1:])
    return FOLDER, list(words)


def main() -> None:
    """Takes what is asked for; exit status 1 if a row failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", metavar="FOLDER or row")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--again", action="append", default=[], metavar="ROW")
    asked = parser.parse_intermixed_args()
    asked.folder, asked.rows = split(asked.words)
    if EVERY in asked.again:
        asked.again = [row.name for row in ROWS]
    if unknown := {*asked.rows, *asked.again} - {row.name for row in ROWS}:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name in asked.again:
        (asked.folder / f"{name}.json").unlink(missing_ok=True)
    if asked.list:
        show_list(asked.folder)
        return
    failed = []
    if not asked.table:
        for row in wanted(asked.rows):
            if (asked.folder / f"{row.name}.json").exists():
                continue
            print(f"{row.name}: about {row.minutes:g} minutes", file=sys.stderr)
            if not take(row, asked.folder):
                failed.append(row.name)
                print(f"{row.name} failed: {row.name}.failed says why", file=sys.stderr)
    text = table(read(asked.folder))
    (asked.folder / "figures.md").write_text(text, encoding="utf-8")
    print(text)
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
