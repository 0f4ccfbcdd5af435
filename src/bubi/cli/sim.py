"""`bubi sim`: runs the production code in simulated clusters and tries to break it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bubi.cli.messages import _
from bubi.cli.output import (
    FINDING,
    GOOD,
    AsJson,
    details,
    emit,
    note,
    progress,
    say,
    table,
    usage,
)
from bubi.cli.quorum import RATIOS

if TYPE_CHECKING:
    from bubi.simulation import runner
    from bubi.simulation.thresholds import Row

app = typer.Typer(
    name="sim",
    help=_("Simulate whole networks from a seed and try to break them."),
    no_args_is_help=True,
)

DEFAULT_NODES: Final = "4,7"
DEFAULT_SEEDS: Final = "0:20"
NODES_MAX: Final = 13
MEMBERS_MIN: Final = 3
"""Below that no two correct members are left beside one that equivocates."""
WEIGHT_MAX: Final = 1_000_000
SHOWN_MAX: Final = 20
"""Violations whose detail is printed."""

Engine = Annotated[str, typer.Option("--engine", help=_("Consensus engine."))]
Nodes = Annotated[
    str, typer.Option("--nodes", metavar="N,N", help=_("Sizes of the simulated networks."))
]
Jobs = Annotated[
    int, typer.Option("--jobs", min=1, help=_("Processes that share the work; else all cores."))
]
Faults = Annotated[
    str,
    typer.Option(
        "--faults", metavar="CLASS,CLASS", help=_("Classes or groups of faults; else all.")
    ),
]

CORES: Final = len(os.sched_getaffinity(0))


@app.callback()
def simulate() -> None:
    """Simulates networks."""


@app.command("run", help=_("Run seeds; every violation is a finding."))
def run(
    engine: Engine = "pbft",
    nodes: Nodes = DEFAULT_NODES,
    seeds: Annotated[
        str, typer.Option("--seeds", metavar="A:B", help=_("Seeds A to B - 1."))
    ] = DEFAULT_SEEDS,
    faults: Faults = "",
    jobs: Jobs = CORES,
    as_json: AsJson = False,
) -> int:
    """Runs each seed once for every size of network."""
    from bubi.simulation import runner  # noqa: PLC0415 - only this noun needs the simulator

    asked, classes = _classes(faults)
    known_engine(engine)
    work = [
        runner.Job(seed, size, engine, classes)
        for seed in seed_range(seeds)
        for size in sizes(nodes)
    ]
    with progress() as bar:
        task = bar.add_task(_("Seeds"), total=len(work))
        totals = runner.run_all(work, jobs, lambda _result: bar.advance(task))
    totals.demand(asked)
    return _report(totals, as_json=as_json)


def _report(totals: runner.Totals, *, as_json: bool) -> int:
    for text in totals.details[:SHOWN_MAX]:
        note(text)
    fields = totals.fields()
    if as_json:
        emit(fields)
    else:
        shown = {
            name: value
            for name, value in fields.items()
            if name not in {"violations", "injected", "marks", "trace_hashes"}
        }
        shown["violations"] = len(totals.violations)
        details(_("Simulation"), shown)
        details(_("Injected faults"), fields["injected"])
        details(_("Situations met"), fields["marks"])
    return FINDING if totals.violations else GOOD


@app.command("twins", help=_("Run scenarios in which members have two instances."))
def twins(
    engine: Engine = "pbft",
    scenarios: Annotated[
        int, typer.Option("--scenarios", min=1, help=_("How many scenarios."))
    ] = 1_000,
    seed: Annotated[int, typer.Option("--seed", help=_("Seed of the scenarios."))] = 1,
    hostile: Annotated[
        bool,
        typer.Option("--hostile", help=_("With crashes and slow keys, and twins that lie.")),
    ] = False,
    jobs: Jobs = CORES,
    as_json: AsJson = False,
) -> int:
    """Plays scenarios of leaders and partitions."""
    from bubi.simulation import twins as simulation  # noqa: PLC0415 - as above

    known_engine(engine)
    with progress() as bar:
        task = bar.add_task(_("Scenarios"), total=scenarios)
        totals = simulation.run_all(
            engine,
            scenarios,
            seed,
            jobs,
            progress=lambda part: bar.update(task, completed=part.scenarios),
            hostile=hostile,
        )
    for text in totals.details[:SHOWN_MAX]:
        note(text)
    fields = totals.fields()
    if as_json:
        emit(fields)
    else:
        details(_("Twins"), {**fields, "violations": len(totals.violations)})
    return FINDING if totals.violations else GOOD


@app.command("mutants", help=_("Plant bugs in a copy and see that the simulator catches them."))
def mutants(
    jobs: Jobs = CORES,
    only: Annotated[
        str, typer.Option("--only", metavar="NAME,NAME", help=_("Only these planted bugs."))
    ] = "",
    seconds: Annotated[
        int, typer.Option("--seconds", min=10, help=_("Most seconds for one planted bug."))
    ] = 120,
    seed: Annotated[
        int,
        typer.Option("--seed", min=0, max=2**32 - 1, help=_("Another one leads to other hunts.")),
    ] = 0,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", help=_("File that keeps every verdict; a run with it goes on from there.")
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Runs the simulator on copies of the package with one bug each."""
    from bubi.simulation import planting  # noqa: PLC0415 - as above

    names = [name for name in only.split(",") if name]
    unknown = [name for name in names if name not in planting.names()]
    if unknown:
        raise usage(
            _("There is no planted bug {name}.", name=unknown[0]), ", ".join(planting.names())
        )

    def tell(verdict: planting.Verdict) -> None:
        note(f"{verdict.name}: {verdict.caught_by or '-'} {verdict.seconds:.1f} s")

    kept = None if report is None else planting.Report(report, seed)
    totals = planting.run_all(names or planting.names(), jobs, seconds, tell, kept, seed)
    if as_json:
        emit(totals.fields())
    else:
        details(_("Planted bugs"), totals.fields())
    return GOOD if totals.good else FINDING


@app.command("replay", help=_("Run one seed again and tell what happens."))
def replay(
    seed: Annotated[int, typer.Argument(help=_("Seed of the run."))],
    engine: Engine = "pbft",
    nodes: Annotated[
        int,
        typer.Option("--nodes", min=1, max=NODES_MAX, help=_("Number of simulated nodes.")),
    ] = 4,
    faults: Faults = "",
    after: Annotated[
        float, typer.Option("--from", help=_("Virtual time in seconds from which to print."))
    ] = 0.0,
    until: Annotated[
        float, typer.Option("--to", help=_("Virtual time in seconds up to which to print."))
    ] = float("inf"),
    as_json: AsJson = False,
) -> int:
    """Prints virtual time, node, input or action of everything in one run."""
    from bubi.simulation import cluster  # noqa: PLC0415 - as above

    _asked, classes = _classes(faults)
    known_engine(engine)

    def tell(time: int, _node: int, text: str) -> None:
        second = time / 1_000_000
        if after <= second <= until and not as_json:
            typer.echo(f"{second:12.6f}  {text}")

    result = cluster.run(seed, nodes, engine=engine, classes=classes, say=tell)
    found = [
        {"seed": seed, "nodes": nodes, "checker": one.checker, "height": one.height}
        for one in result.violations
    ]
    if as_json:
        emit(
            {
                "engine": engine,
                "seed": seed,
                "nodes": nodes,
                "violations": found,
                "trace_hash": result.trace_hash,
            }
        )
    else:
        for one in result.violations:
            say(f"{one.checker}, {one.height}: {one.detail}")
        say(_("Trace hash {hash}", hash=result.trace_hash))
    return FINDING if found else GOOD


@app.command(
    "thresholds", help=_("Attack vote thresholds by members that equivocate, until they fork.")
)
def thresholds(
    weights: Annotated[
        str,
        typer.Argument(metavar="N|W,W", help=_("Number of members, or the weight of each.")),
    ] = "4",
    engine: Engine = "pbft",
    seed: Annotated[int, typer.Option("--seed", help=_("Seed of the run."))] = 1,
    as_json: AsJson = False,
) -> int:
    """Shows for every ratio that f_safe equivocators do no harm, and how many do."""
    from bubi.simulation import thresholds as simulation  # noqa: PLC0415 - as above

    known_engine(engine)
    members = _weights(weights)
    with progress() as bar:
        task = bar.add_task(_("Thresholds"), total=len(RATIOS))
        rows = []
        for ratio in RATIOS:
            rows.append(simulation.show(simulation.Threshold(members, ratio), engine, seed))
            bar.advance(task)
    if as_json:
        emit({"engine": engine, "weights": list(members), "rows": [_row(one) for one in rows]})
    else:
        table(
            _("Thresholds of weight {total}", total=sum(members)),
            (
                _("Ratio"),
                _("Quorum"),
                _("Silent members survived"),
                _("Liars survived"),
                _("Agreement held"),
                _("Liars for a fork"),
                _("Fork shown"),
            ),
            [
                (
                    "{}/{}".format(*one.threshold.ratio),
                    one.threshold.quorum,
                    one.threshold.live,
                    one.threshold.safe,
                    _("yes") if one.held else _("no"),
                    "-" if one.fork is None else one.fork,
                    "-" if one.fork is None else _("yes") if one.forked else _("no"),
                )
                for one in rows
            ],
        )
    return GOOD if all(one.good for one in rows) else FINDING


def _row(row: Row) -> dict[str, Any]:
    return {
        "ratio": "{}/{}".format(*row.threshold.ratio),
        "quorum": row.threshold.quorum,
        "safe": row.threshold.safe,
        "live": row.threshold.live,
        "held": row.held,
        "heights": row.heights,
        "fork": row.fork,
        "forked": row.forked,
    }


def _weights(text: str) -> tuple[int, ...]:
    """One weight per member, of a number of members or a list of weights."""
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and int(part) <= WEIGHT_MAX for part in parts):
        raise usage(_("Write a number of members, or their weights like 3,2,1,1."))
    members = tuple(map(int, parts)) if len(parts) > 1 else (1,) * min(int(text), NODES_MAX + 1)
    if not MEMBERS_MIN <= len(members) <= NODES_MAX or 0 in members:
        raise usage(_("There are {least} to {most} members.", least=MEMBERS_MIN, most=NODES_MAX))
    return members


@app.command(
    "conformance",
    help=_("Try an engine of your own: MODULE:ENGINE, or the name of an installed one."),
)
def conformance(
    name: Annotated[str, typer.Argument(metavar="ENGINE", help=_("Consensus engine."))],
    scenarios: Annotated[
        int, typer.Option("--scenarios", min=1, help=_("How many scenarios."))
    ] = 200,
    seeds: Annotated[
        str, typer.Option("--seeds", metavar="A:B", help=_("Seeds A to B - 1."))
    ] = "0:10",
    nodes: Nodes = "4",
    jobs: Jobs = CORES,
    as_json: AsJson = False,
) -> int:
    """Holds an engine against every requirement; exit status 1 if it fails one."""
    from bubi.simulation import conformance as suite  # noqa: PLC0415 - as above
    from bubi.simulation import parallel  # noqa: PLC0415 - as above

    try:
        parallel.load_factory(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise usage(_("{name} is not an engine: {reason}", name=name, reason=error)) from error
    extent = suite.Extent(scenarios, tuple(seed_range(seeds)), tuple(sizes(nodes)), jobs)
    report = suite.examine(name, extent, lambda done: note(f"{done.requirement}: {done.verdict}"))
    for text in report.details[:SHOWN_MAX]:
        note(text)
    if as_json:
        emit(report.fields())
    else:
        table(
            _("Conformance of {engine}", engine=report.engine),
            (_("Requirement"), _("Verdict"), _("Checked"), _("Violations")),
            [
                (one.requirement, one.verdict, one.checked, len(one.violations))
                for one in report.results
            ],
        )
    return GOOD if report.conforms else FINDING


# --- arguments -----------------------------------------------------------------------------------


def seed_range(text: str) -> range:
    """Seeds by `A:B`; B is excluded."""
    first, colon, last = text.partition(":")
    if not colon or not first.isdigit() or not last.isdigit() or int(first) >= int(last):
        raise usage(_("Seeds are given as A:B with A below B."))
    return range(int(first), int(last))


def sizes(text: str) -> list[int]:
    """Sizes of networks by `N,N`."""
    parts = text.split(",")
    if not all(part.isdigit() and 1 <= int(part) <= NODES_MAX for part in parts):
        raise usage(_("Sizes are numbers from 1 to {most}.", most=NODES_MAX))
    return [int(part) for part in parts]


def known_engine(name: str) -> None:
    """Refuses an engine that the simulator does not run by its name."""
    from bubi.consensus import OURS  # noqa: PLC0415 - as above

    if name not in OURS.names:
        raise usage(_("There is no engine {name}.", name=name), ", ".join(sorted(OURS.names)))


def _classes(text: str) -> tuple[Sequence[str], tuple[str, ...]]:
    """The classes that were asked for by name, and those to draw from."""
    from bubi.simulation import faults  # noqa: PLC0415 - as above

    if not text:
        return (), faults.CLASSES
    try:
        classes = faults.classes_named(name.strip() for name in text.split(","))
    except faults.UnknownFaultError as error:
        known: list[Any] = [*faults.GROUPS, *faults.CLASSES]
        raise usage(
            _("There is no class of faults {name}.", name=error), ", ".join(known)
        ) from error
    return classes, classes
