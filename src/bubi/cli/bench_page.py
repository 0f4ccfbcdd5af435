"""The page of `bubi bench network --page`: the fields of `--json` in words, as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bubi.cli import bench_profile
from bubi.cli.bench_bounds import GOAL, MET, MISSED, UNKNOWN, promises
from bubi.cli.messages import _

GIGABYTE: Final = 10**9
NESTED: Final = ("spread", "overload", "soak", "machine")
"""Fields that have a place of their own on the page."""


def machine() -> dict[str, Any]:
    """What figures were taken on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": next(models, platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def words() -> dict[str, tuple[str, str]]:
    """What each field means, and its unit; in the order in which they are read."""
    return {
        "committed_per_second": (_("committed, as the blocks say"), "/s"),
        "offered_per_second": (_("offered"), "/s"),
        "ratio": (_("committed as a share of V / nodes"), ""),
        "verifications_per_second": (_("V: signatures verified by all cores, before"), "/s"),
        "p50_ms": (_("from due to final, half of them within"), "ms"),
        "p95_ms": (_("from due to final, 95 % within"), "ms"),
        "p99_ms": (_("from due to final, 99 % within"), "ms"),
        "block_interval_ms": (_("one block to the next"), "ms"),
        "fsyncs_per_block": (_("syncs to disk per block and node"), ""),
        "cpu_s_per_1000_nodes": (_("processor time of all nodes per 1,000"), "s"),
        "cpu_s_per_1000_generator": (_("processor time of the generator per 1,000"), "s"),
        "cpu_s_per_1000_signing": (_("processor time of signing per 1,000"), "s"),
        "bytes_per_tx": (_("written to disk per transaction and node"), "B"),
        "transaction_bytes": (_("a transaction"), "B"),
        "rss_bytes": (_("memory of each node afterwards"), "GB"),
        "rss_peak_bytes": (_("greatest memory of each node"), "GB"),
        "failures": (_("not final"), ""),
        "not_final": (_("why, by code"), ""),
        "sustained": (_("95 % committed while sent, 99 % within 2 s"), ""),
        "view_changes": (_("view changes"), ""),
        "roots_equal": (_("state roots of all nodes equal"), ""),
        "signatures_verified": (_("signatures verified by each node"), ""),
        "fsyncs": (_("syncs to disk of each node"), ""),
        "blocks": (_("blocks with transactions"), ""),
        "generator_late_ms": (_("longest delay of the generator itself"), "ms"),
        "nodes": (_("nodes"), ""),
        "engine": (_("engine"), ""),
        "workload": (_("workload"), ""),
        "accounts": (_("accounts"), ""),
        "zipf": (_("Zipf exponent; without one, uniform"), ""),
        "seconds": (_("measured for"), "s"),
        "warm_up_seconds": (_("warm-up"), "s"),
        "rate_searched": (_("the highest rate, found by short runs"), ""),
        "repeat": (_("runs; single numbers are medians"), ""),
        "request": (_("transactions per request"), ""),
        "crash": (_("the leader was killed before"), ""),
        "slow": (_("the leader ran a tenth of the time"), ""),
        "delay_ms": (_("delay of each link each way"), "ms"),
        "tls": (_("TLS between nodes"), ""),
        "cores": (_("cores"), ""),
        "factor": (_("offered / peak"), ""),
        "peak_per_second": (_("peak"), "/s"),
        "goodput_ratio": (_("goodput / peak"), ""),
        "goodput_ratio_spread": (_("goodput / peak, least and greatest"), ""),
        "refused": (_("refused, by code"), ""),
        "normal_after_seconds": (_("normal again after"), "s"),
        "watched_seconds": (_("watched afterwards for"), "s"),
        "rss_before_bytes": (_("memory of each node before"), "GB"),
        "rss_after_bytes": (_("memory of each node afterwards"), "GB"),
        "rss_peak_ratio": (_("memory, peak / before"), ""),
        "growth_percent_per_hour": (_("growth of memory of each node"), "%/h"),
        "worst_percent_per_hour": (_("growth of memory, worst node"), "%/h"),
    }


def shown(value: object, unit: str) -> str:
    """A value for people, with its unit."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {shown(one, '')}" for name, one in value.items()) or "–"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " / ".join(_number(one, unit) for one in value) + _behind(unit)
    return _number(value, unit) + _behind(unit)


def _behind(unit: str) -> str:
    return f" {unit}" if unit else ""


def _number(value: object, unit: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if unit == "GB":
        return f"{value / GIGABYTE:,.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def page(fields: Mapping[str, Any], profile: Mapping[str, Any], command: str, when: str) -> str:
    """The page.

    Args:
        fields: Those of `--json`.
        profile: What `--profile` tells; empty without it.
        command: How the measurement is taken again.
        when: The time at which it was taken.
    """
    title = _(
        "{count} nodes, {engine}, {workload}: {rate} committed per second",
        count=fields["nodes"],
        engine=fields["engine"],
        workload=fields["workload"],
        rate=shown(fields["committed_per_second"], ""),
    )
    told = ", ".join(f"{name} {value}" for name, value in fields["machine"].items())
    lines = [f"# {title}", "", f"`{command}`", "", f"{when}. {_('Machine')}: {told}."]
    lines += ["", f"## {_('Promised')}", "", *_verdicts(fields)]
    spread = fields.get("spread", {})
    flat = {name: value for name, value in fields.items() if name not in NESTED}
    lines += ["", f"## {_('Figures')}", "", *_figures(flat, spread)]
    for name, head in (("overload", _("Overload")), ("soak", _("Memory"))):
        if name in fields:
            some = {one: value for one, value in fields[name].items() if one != "samples"}
            lines += ["", f"## {head}", "", *_figures(some, {})]
    if profile:
        lines += ["", *_profile(profile)]
    return "\n".join(lines) + "\n"


def _verdicts(fields: Mapping[str, Any]) -> Iterator[str]:
    judged = promises(fields)
    if not judged:
        yield _("No promise fits this measurement.")
        return
    names = {GOAL: _("goal"), MET: _("floor"), MISSED: _("missed"), UNKNOWN: _("not known")}
    yield from _head(_("Figure"), _("Measured"), _("Floor"), _("Goal"), _("Met"))
    for one in judged:
        unit, verdict = one.bound.unit, one.bound.verdict(one.value)
        cells = [shown(value, unit) for value in (one.value, one.bound.floor, one.bound.goal)]
        name = f"**{names[verdict]}**" if verdict == MISSED else names[verdict]
        yield _row(one.text, *cells, name)


def _figures(fields: Mapping[str, Any], spread: Mapping[str, Sequence[float]]) -> Iterator[str]:
    known = words()
    order = [name for name in known if name in fields]
    order += [name for name in fields if name not in known]
    columns = (_("Least"), _("Greatest")) if spread else ()
    yield from _head(_("Figure"), _("Value"), *columns, _("Field"))
    for name in order:
        text, unit = known.get(name, (name, ""))
        ends = [shown(one, unit) for one in spread.get(name, ())] or ["", ""]
        yield _row(text, shown(fields[name], unit), *ends[: len(columns)], f"`{name}`")


def _profile(profile: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {_('CPU time of one validator per transaction')}"
    yield ""
    yield from _head(_("Stage"), _("µs"), _("Share"))
    for row in bench_profile.rows(profile["stages"]):
        yield _row(*row)
    for name, title in (
        ("threads", _("CPU seconds per 1,000 transactions, all nodes")),
        ("phases_ms", _("Wall time of a block's phases on one node (ms)")),
    ):
        yield from ("", f"## {title}", "", *_head(_("Name"), _("Value")))
        for one, value in profile[name].items():
            yield _row(one, shown(value, ""))


def _head(*columns: str) -> tuple[str, str]:
    return _row(*columns), "|" + "---|" * len(columns)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
