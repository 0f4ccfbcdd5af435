"""Engines of others: found by entry point, and held against every requirement."""

import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from bubi.consensus import ENGINES
from bubi.engines import GROUP, UnknownEngineError, registry_of
from bubi.simulation import twins
from bubi.simulation.conformance import REQUIREMENTS, Extent, Result, examine
from tests.installed import EXAMPLE, example_engine

SMALL = Extent(scenarios=30, seeds=(), nodes=(4,), jobs=1)


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "engines"))
    monkeypatch.syspath_prepend(str(EXAMPLE / "src"))


def found(engine, requirement):
    """The rules that an engine breaks of one requirement."""
    result = Result(requirement)
    REQUIREMENTS[requirement](engine, SMALL, result)
    assert result.checked
    return {one["checker"] for one in result.violations}


@pytest.mark.parametrize(
    ("engine", "requirement", "rule"),
    [
        ("Undotted", "interface", "name"),
        ("Moody", "purity", "impure_import"),
        ("Moody", "determinism", "trace"),
        ("TooFew", "driver_contract", "certificate"),
        ("TooFew", "twins", "certificates_valid"),
        ("Altering", "driver_contract", "state_altered"),
        ("Liar", "driver_contract", "said_unsigned"),
        ("Talker", "bounded_messages", "calm"),
        ("Hoarder", "bounded_messages", "memory"),
    ],
)
def test_a_broken_engine_fails_the_requirement_that_it_breaks(engine, requirement, rule):
    assert rule in found(f"broken_engines:{engine}", requirement)


def test_an_engine_that_cannot_be_used_is_not_run_any_further():
    report = examine("broken_engines:Undotted", SMALL)
    assert not report.conforms
    verdicts = {one.requirement: one.verdict for one in report.results}
    assert verdicts.pop("interface") == "fail"
    assert set(verdicts.values()) == {"not run"}


@pytest.mark.parametrize("engine", sorted(set(ENGINES) - {"solo"}))
@pytest.mark.parametrize("requirement", ["interface", "driver_contract", "bounded_messages"])
def test_our_own_engines_keep_the_contract(engine, requirement):
    kind = {"pbft": "Pbft", "raft": "Raft", "paxos": "Paxos"}[engine]
    assert not found(f"bubi.consensus.{engine}:{kind}Engine", requirement)


def test_the_example_is_installed_found_by_its_name_and_conforms(tmp_path, monkeypatch):
    name, places = example_engine(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", places)
    done = subprocess.run(
        [sys.executable, "-m", "bubi", "sim", "conformance", name, "--scenarios", "40",
         "--seeds", "0:2", "--jobs", "1", "--json"],
        capture_output=True, text=True, timeout=1_100, check=False,
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert (done.returncode, report["violations"]) == (0, []), done.stderr
    assert (report["engine"], report["conforms"]) == ("example.rounds", True)
    assert {one["requirement"]: one["verdict"] for one in report["requirements"]} == dict.fromkeys(
        REQUIREMENTS, "pass"
    )


def test_the_example_has_at_most_200_lines():
    files = sorted((EXAMPLE / "src").rglob("*.py"))
    assert files
    assert sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files) <= 200


def test_the_registry_takes_what_it_can_use_and_says_why_not_the_rest():
    def point(name, value):
        return EntryPoint(name, value, GROUP)

    registry = registry_of(
        [
            point("example.rounds", "bubi_example_engine:RoundsEngine"),
            point("broken.changed", "broken_engines:Changed"),
            point("other.name", "broken_engines:Changed"),
            point("pbft", "broken_engines:Changed"),
            point("gone.engine", "no_such_module:Engine"),
            point("no.callable", "broken_engines:__doc__"),
        ]
    )
    assert registry.names == {*ENGINES, "example.rounds", "broken.changed", "other.name"}
    assert set(registry.faults) == {"pbft", "gone.engine", "no.callable"}
    assert registry.make("example.rounds", twins.Table()).name == "example.rounds"
    assert type(registry.make("pbft", twins.Table())).__module__ == "bubi.consensus.pbft"
    for name, reason in [
        ("other.name", "calls itself"),
        ("gone.engine", "no_such_module"),
        ("x.y", "there are"),
    ]:
        with pytest.raises(UnknownEngineError, match=reason):
            registry.make(name, twins.Table())
