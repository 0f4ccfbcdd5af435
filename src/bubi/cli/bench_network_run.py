"""`bubi bench network`: what to do with a network of real nodes, in the order it is done."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from bubi_sdk import KeystoreSigner, Trust

from bubi.cli import (
    bench_accounts,
    bench_disk,
    bench_faults,
    bench_network,
    bench_page,
    bench_profile,
    bench_sampling,
    network,
    up,
)
from bubi.cli.bench_network import (
    AFTER,
    LOAD,
    STEP_SECONDS,
    STEPS_MAX,
    WARM_UP,
    Bench,
    Phase,
    Run,
)
from bubi.cli.home import Home, NetworkState, NodeState
from bubi.cli.messages import _
from bubi.cli.node import node_errors
from bubi.cli.output import AsJson, details, emit, finding, note, table, usage

VERIFIED: Final = 60_000
ACCOUNTS: Final = 10_000
SECONDS: Final = 20.0
SOAK_RATE: Final = 2_000.0
SOAK_WARM_UP: Final = 900.0
SOAK_SECONDS: Final = 2_700.0
SOAK_SAMPLE_SECONDS: Final = 5.0
AFTER_SECONDS: Final = 40.0
"""How long a network is watched after an overload."""
AFTER_RATE: Final = 100.0
SHARE_MAX: Final = 0.6
"""Of V / nodes: more than any network of several nodes carried, where no rate is given."""
SIZE_BYTES: Final = {bench_accounts.RECORD: 520, bench_accounts.MULTISIG: 350}
SIZE_BYTES_ELSE: Final = 250
"""A transaction of a workload, signed."""
KEPT_BYTES: Final = {bench_accounts.RECORD: 350}
"""What one leaves in the state for ever: content, digest and key of a record."""


@dataclass(frozen=True)
class Plan:
    """What the options of the command say."""

    nodes: int
    engine: str | None
    workload: str
    accounts: int
    zipf: float | None
    rate: float | None
    seconds: float
    warm_up: float
    request: int | None
    repeat: int
    crash: bool
    slow: bool
    delay: float
    overload: float | None
    soak: bool

    def check(self) -> None:
        """Refuses what cannot be done.

        Raises:
            Failure: options do not go together.
        """
        if self.workload not in bench_accounts.WORKLOADS:
            raise usage(
                _("There is no workload {name}.", name=self.workload),
                ", ".join(bench_accounts.WORKLOADS),
            )
        if (self.crash or self.slow) and self.nodes < 4:
            raise usage(_("A network can lose one node from four nodes on."))
        if self.crash and self.slow:
            raise usage(_("Say either --crash or --slow."))
        if self.overload is not None and self.soak:
            raise usage(_("Say either --overload or --soak."))
        if self.delay and self.nodes == 1:
            raise usage(_("A single node has no links to delay."))
        if self.soak and self.repeat > 1:
            raise usage(_("A soak runs once."))

    def fields(self) -> dict[str, Any]:
        """What was done, for the report."""
        found: dict[str, Any] = {
            "workload": self.workload,
            "accounts": self.accounts,
            "zipf": self.zipf,
            "seconds": self.seconds,
            "warm_up_seconds": self.warm_up,
            "rate_searched": self.rate is None,
        }
        faults = {
            "crash": self.crash,
            "slow": self.slow,
            "delay_ms": round(self.delay * 1_000, 3) or None,
        }
        return found | {name: value for name, value in faults.items() if value}


def whole_network(  # noqa: PLR0913, PLR0917 - one parameter per option
    nodes: Annotated[
        int, typer.Option(min=1, max=network.NODES_MAX, help=_("Number of nodes."))
    ] = 4,
    engine: Annotated[
        str | None,
        typer.Option("--engine", help=_("Consensus engine; solo for one node, else pbft.")),
    ] = None,
    workload: Annotated[
        str,
        typer.Option(help=_("What is sent: transfer, issue, record, smallbank or multisig.")),
    ] = bench_accounts.TRANSFER,
    accounts: Annotated[
        int, typer.Option(min=2, help=_("Accounts among which is transferred."))
    ] = ACCOUNTS,
    zipf: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=0.999,
            help=_("Choose accounts by a Zipf distribution of this exponent, such as 0.99."),
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, help=_("How long is sent; 20, in a soak 2700."))
    ] = None,
    warm_up: Annotated[
        float | None,
        typer.Option("--warm-up", min=0, help=_("Seconds sent before; 0, in a soak 900.")),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=1, help=_("Transactions per second; else short runs look for the highest.")
        ),
    ] = None,
    request: Annotated[
        int | None,
        typer.Option(
            min=1, max=10_000, help=_("Transactions per request; else 40 requests a second.")
        ),
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help=_("Runs; medians and spread count."))] = 1,
    crash: Annotated[
        bool, typer.Option("--crash", help=_("Kill the leader before the load."))
    ] = False,
    slow: Annotated[
        bool, typer.Option("--slow", help=_("Let the leader run a tenth of the time only."))
    ] = False,
    delay: Annotated[
        str | None,
        typer.Option(metavar="TIME", help=_("Delay of every link each way, such as 20ms.")),
    ] = None,
    overload: Annotated[
        float | None,
        typer.Option(min=1, help=_("Send so many times the rate, then watch the recovery.")),
    ] = None,
    soak: Annotated[
        bool,
        typer.Option("--soak", help=_("Send 2,000 per second for an hour and watch memory.")),
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help=_("Also tell which stages and threads used the CPU."))
    ] = False,
    page: Annotated[
        Path | None,
        typer.Option(
            "--page",
            metavar="FILE",
            dir_okay=False,
            help=_("Also write a page: figures in words, verdicts, command and machine."),
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Starts nodes in a temporary folder, opens accounts, sends presigned transactions, stops."""
    plan = Plan(
        nodes,
        engine,
        workload,
        accounts,
        zipf,
        rate or (SOAK_RATE if soak else None),
        seconds or (SOAK_SECONDS if soak else SECONDS),
        (SOAK_WARM_UP if soak else 0.0) if warm_up is None else warm_up,
        request,
        repeat,
        crash,
        slow,
        seconds_of(delay) if delay is not None else 0.0,
        overload,
        soak,
    )
    plan.check()
    if page is not None:
        check_page(page)
    verifications = verification_rate()
    with tempfile.TemporaryDirectory(prefix="bubi-bench-") as path:
        fields, last = Measurement(plan, Home(Path(path)), verifications).take()
    shown = bench_network.profile(last) if profile else {}
    if page is not None:
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        page.write_text(bench_page.page(fields, shown, command(), when), encoding="utf-8")
    if as_json:
        emit({**fields, "profile": shown} if profile else fields)
        return
    show(plan, fields)
    if profile:
        show_profile(shown)


def check_page(page: Path) -> None:
    """Refuses a page that could not be written after minutes of measuring.

    Raises:
        Failure: its folder is not there, or not ours.
    """
    if not page.resolve().parent.is_dir() or not os.access(page.resolve().parent, os.W_OK):
        raise usage(_("No page can be written to {path}.", path=page))


def command() -> str:
    """This call as a person would type it again, without what only says where results go."""
    words = iter(sys.argv[1:])
    kept = ["bubi"]
    for word in words:
        if word == "--page":
            next(words, None)
        elif word != "--json" and not word.startswith("--page="):
            kept.append(word)
    return shlex.join(kept)


def seconds_of(text: str) -> float:
    """A time with its unit, ms or s, in seconds.

    Raises:
        Failure: it is none.
    """
    for unit, factor in (("ms", 0.001), ("s", 1.0)):
        number = text.removesuffix(unit)
        with contextlib.suppress(ValueError):
            if number != text and 0 < float(number) * factor <= 10:
                return float(number) * factor
    raise usage(_("{text} is no time between 0 and 10 s, such as 20ms.", text=text))


def verification_rate() -> float:
    """V: verifications of distinct signatures per second on all cores, now."""
    with node_errors():
        from bubi import core  # noqa: PLC0415 - only measuring needs the compiled core

        return VERIFIED / statistics.median(core.verify_rate(0, VERIFIED, 10_000, 0, 3))


class Measurement:
    """One network from its making to its end, in an empty folder."""

    def __init__(self, plan: Plan, home: Home, verifications: float) -> None:
        self._plan = plan
        self._home = home
        self._verifications = verifications

    def take(self) -> tuple[dict[str, Any], Run]:
        """The figures, and the last run."""
        plan, home = self._plan, self._home
        check_disk(home.path, self._bytes())
        made = network.create_development(home, plan.nodes, plan.engine)
        accounts = self._accounts(made)
        with contextlib.ExitStack() as stack:
            if plan.delay:
                made = network.with_free_ports(made, list(made.nodes))
                stack.enter_context(bench_faults.delayed(made, plan.delay))
            state = up.run_nodes(home, made, made.nodes)
            stack.callback(up.stop_nodes, home, state, state.nodes)
            bench = Bench(state.nodes, accounts, home.path, plan.request, plan.zipf)
            with bench:
                self._break(bench, state)
                runs, rate = self._runs(bench)
        return self._fields(bench, state, runs, rate), runs[-1]

    def _bytes(self) -> int:
        """What the run may have on the disk at its fullest."""
        plan = self._plan
        most = SHARE_MAX * self._verifications / plan.nodes
        rate = plan.rate or most
        load = rate * (plan.overload or 1.0)
        one = load * plan.seconds + rate * plan.warm_up
        searching = 0.0 if plan.rate else most * STEP_SECONDS * STEPS_MAX
        # What is refused above the peak is not written.
        final = min(one, most * (plan.seconds + plan.warm_up)) * plan.repeat + searching
        return bench_disk.needed(
            nodes=plan.nodes,
            accounts=plan.accounts,
            transactions=int(final),
            presigned=bench_network.presigned(plan.warm_up + plan.seconds, int(one)),
            size=SIZE_BYTES.get(plan.workload, SIZE_BYTES_ELSE),
            kept=KEPT_BYTES.get(plan.workload, 0),
        )

    def _accounts(self, state: NetworkState) -> bench_accounts.Accounts:
        home, plan = self._home, self._plan
        names = Trust.load(home.trust_file).network
        founder = KeystoreSigner.open(state.accounts[0].keystore, home.password())
        note(_("Opening {count} accounts.", count=plan.accounts))
        configs = [Path(one.config) for one in state.nodes]
        with node_errors():
            return bench_accounts.open_accounts(
                configs, names, founder, home.path, plan.accounts, plan.workload
            )

    def _break(self, bench: Bench, state: NetworkState) -> None:
        if self._plan.crash:
            bench.without(bench_faults.crash(self._home, state))
        if self._plan.slow:
            victim: NodeState = bench_faults.leader(state)
            bench.close_door(victim)
            bench.while_loaded = partial(bench_faults.slowed, victim)

    def _runs(self, bench: Bench) -> tuple[list[Run], float]:
        plan = self._plan
        rate = plan.rate
        if rate is None:
            rate = bench.find_rate(max(1.0, self._verifications / plan.nodes / 10))
        if plan.soak:
            bench.sample_seconds = SOAK_SAMPLE_SECONDS
        phases = self._phases(bench, rate)
        runs = []
        sent = next(one.rate for one in phases if one.name == LOAD)
        for number in range(1, plan.repeat + 1):
            note(_("Sending {rate} transactions per second.", rate=round(sent)))
            runs.append(bench.run(phases, (number, plan.repeat)))
        return runs, rate

    def _phases(self, bench: Bench, rate: float) -> list[Phase]:
        plan = self._plan
        phases = []
        if plan.warm_up:
            phases.append(bench.phase(WARM_UP, rate, plan.warm_up))
        phases.append(bench.phase(LOAD, rate * (plan.overload or 1.0), plan.seconds))
        if plan.overload is not None:
            phases.append(bench.phase(AFTER, AFTER_RATE, AFTER_SECONDS))
        return phases

    def _fields(
        self, bench: Bench, state: NetworkState, runs: Sequence[Run], rate: float
    ) -> dict[str, Any]:
        plan = self._plan
        reports = [bench_network.report(one, self._verifications) for one in runs]
        fields = {
            "engine": state.engine,
            "nodes": plan.nodes,
            "cores": len(os.sched_getaffinity(0)),
            "machine": bench_page.machine(),
            **plan.fields(),
            **bench_sampling.summary(reports),
            "tls": plan.nodes > 1,
            "request": self._phases(bench, rate)[-1 if plan.overload is None else -2].request,
            "transaction_bytes": bench.transaction_bytes,
        }
        if plan.overload is not None:
            fields["overload"] = overload_fields(plan.overload, rate, runs)
        if plan.soak:
            fields["soak"] = soak_fields(runs[0])
        return fields


def check_disk(folder: Path, needed: int) -> None:
    """Refuses a run that would fill the disk.

    Raises:
        Failure: there is too little space.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise finding(
            _(
                "The run may write {needed} GB to {path}, and {free} GB are free.",
                needed=round(needed / 1e9, 1),
                path=folder,
                free=round(free / 1e9, 1),
            ),
            _("Free some space, or name another folder in TMPDIR."),
            code="disk_too_small",
        )


def overload_fields(factor: float, peak: float, runs: Sequence[Run]) -> dict[str, Any]:
    """How a network fared above its peak: the worst of several runs."""
    goodput = statistics.median(one.per_second for one in runs)
    after = [one.normal_after() for one in runs]
    known = [one for one in after if one is not None]
    worst = max(runs, key=peak_ratio)
    return {
        "factor": factor,
        "peak_per_second": round(peak),
        "goodput_ratio": round(goodput / peak, 3),
        "goodput_ratio_spread": [
            round(function(one.per_second for one in runs) / peak, 3) for function in (min, max)
        ],
        "refused": dict(runs[-1].others),
        "normal_after_seconds": max(known) if len(known) == len(after) else None,
        "watched_seconds": AFTER_SECONDS,
        "view_changes": sum(bench_network.view_changes(one) for one in runs),
        "rss_before_bytes": worst.memory_before(),
        "rss_peak_bytes": worst.peaks,
        "rss_after_bytes": [one.rss for one in worst.after],
        "rss_peak_ratio": round(peak_ratio(worst), 3),
    }


def peak_ratio(run: Run) -> float:
    """The most that any node's memory grew, as a multiple of what it was before the overload."""
    pairs = zip(run.peaks, run.memory_before(), strict=True)
    return max((peak / before for peak, before in pairs if before), default=0.0)


def soak_fields(run: Run) -> dict[str, Any]:
    """How the nodes' memory grew while the load was measured."""
    until = run.from_ms + run.seconds * 1_000
    grown = bench_sampling.growth(run.samples, run.from_ms, until)
    return {
        "growth_percent_per_hour": grown,
        "worst_percent_per_hour": max(grown, default=0.0),
        "samples": bench_sampling.thinned(run.samples, run.from_ms),
    }


def show(plan: Plan, fields: dict[str, Any]) -> None:
    """Prints the figures for people."""
    nested = bench_page.NESTED
    details(
        _("A network of {count} nodes", count=plan.nodes),
        {name: value for name, value in fields.items() if name not in nested},
    )
    if "spread" in fields:
        table(
            _("Medians of {count} runs, with least and greatest", count=plan.repeat),
            (_("Name"), _("Median"), _("Least"), _("Greatest")),
            [(name, fields[name], *fields["spread"][name]) for name in fields["spread"]],
        )
    if "overload" in fields:
        details(_("Overload"), fields["overload"])
    if "soak" in fields:
        soak = {name: value for name, value in fields["soak"].items() if name != "samples"}
        details(_("Memory"), soak)


def show_profile(shown: dict[str, Any]) -> None:
    """Prints where the processor time went, for people."""
    table(
        _("CPU time of one validator per transaction"),
        (_("Stage"), _("µs"), _("Share")),
        bench_profile.rows(shown["stages"]),
    )
    for name, title in (
        ("threads", _("CPU seconds per 1,000 transactions, all nodes")),
        ("phases_ms", _("Wall time of a block's phases on one node (ms)")),
    ):
        table(title, (_("Name"), _("Value")), shown[name].items())
