"""The pages agree with the code: limits, codes, routes, refusals, keys, commands, metrics."""

import ast
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from bubi_sdk.codes import RESULT_CODES

from bubi import core
from bubi.cli.app import build as build_cli
from bubi.node.api import openapi
from bubi.node.api.app import build as build_api
from bubi.node.api.problems import PROBLEMS
from bubi.node.api.services import Services
from bubi.node.config import REQUIRED, TABLE
from bubi.node.init import initialise
from bubi.node.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows(text: str) -> Iterator[list[str]]:
    """Cells of every row of every table."""
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def section(text: str, heading: str) -> str:
    start = text.index(heading)
    following = text.find("\n## ", start + len(heading))
    return text[start : following if following >= 0 else len(text)]


# --- spec ----------------------------------------------------------------------------------------


def limits_script() -> Any:
    place = ROOT / "scripts" / "limits.py"
    spec = importlib.util.spec_from_file_location("bubi_scripts_limits", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_limits_is_that_of_the_code() -> None:
    script = limits_script()
    assert page("spec/limits.md") == script.render()
    written = {name: value for name, value, _ in script.entries()}
    compiled = dict(core.limits())
    assert written.pop("AMOUNT_MAX") == 10**38 - 1
    compiled.pop("AMOUNT_MAX", None)
    assert written == compiled


def test_the_table_of_result_codes_is_that_of_the_core() -> None:
    table = [
        cells
        for cells in rows(section(page("spec/ledger.md"), "## 9. Result codes"))
        if cells[0].isdigit()
    ]
    written = {int(number): name.strip("`") for number, name, _ in table}
    assert len(written) == len(table)
    assert written == core.code_names()
    assert {int(number): text for number, _, text in table} == {
        number: text for number, (_, text) in RESULT_CODES.items()
    }


def test_codes_named_in_the_rules_exist() -> None:
    text = page("spec/ledger.md")
    rules = text[text.index("## 3. Accounts") : text.index("## 9. Result codes")]
    refusals = set(re.findall(r"→ `([a-z_]+)`", rules))
    assert len(refusals) > 20
    assert refusals <= set(core.code_names().values())


def test_operations_have_a_row_each() -> None:
    text = page("spec/ledger.md")
    table = {
        cells[1]: int(cells[0])
        # The table of changes has numbers of its own.
        for cells in rows(text[: text.index("**Apply** works")])
        if cells[0].isdigit() and len(cells) == 4
    }
    assert table == {name: number for number, name in enumerate(core.operation_names())}


def test_every_problem_stands_in_the_page() -> None:
    table = {
        cells[0].strip("`"): cells[1:]
        for cells in rows(section(page("spec/api.md"), "## Refusals"))
        if cells[0].startswith("`")
    }
    assert table == {
        code: [str(kind.status), kind.title, "yes" if kind.retryable else "no"]
        for code, kind in PROBLEMS.items()
    }


def test_every_route_stands_in_the_page() -> None:
    app = build_api(cast(Services, None))
    described = {
        f"{method.upper()} {path}"
        for path, methods in openapi.document(app)["paths"].items()
        for method in methods
    }
    text = re.sub(r"\[[?&][^\]]*\]|\?[a-z]+=[^`]*", "", page("spec/api.md"))
    written = set(re.findall(r"`((?:GET|POST) /[^` \[]*)`", text))
    assert written - {"GET /v1/openapi.json"} == described


def test_every_page_of_the_specification_is_in_its_index() -> None:
    index = page("spec/README.md")
    for file in sorted((ROOT / "spec").glob("**/*.md")):
        place = file.relative_to(ROOT / "spec").as_posix()
        assert place == "README.md" or f"]({place})" in index


ENGINE_LETTERS = {"pbft": "P", "raft": "R", "paxos": "B"}
"""Of the numbers of its rules."""


def without_docstring(path: Path) -> str:
    """A module's source below its docstring, which may name all rules at once."""
    source = path.read_text(encoding="utf-8")
    first = ast.parse(source).body[0]
    assert isinstance(first, ast.Expr)
    return "\n".join(source.splitlines()[first.end_lineno :])


def cited(letter: str, text: str) -> set[int]:
    return {int(number) for number in re.findall(rf"\b{letter}(\d+)\b", text)}


def rules(letter: str, name: str) -> list[int]:
    """Numbers of the rules of a page, in its order."""
    return [int(one) for one in re.findall(rf"(?m)^\*\*{letter}(\d+) ", page(name))]


@pytest.mark.parametrize("engine", ENGINE_LETTERS)
def test_every_rule_of_an_engine_is_cited_by_its_code_and_its_tests(engine: str) -> None:
    letter = ENGINE_LETTERS[engine]
    written = rules(letter, f"spec/consensus/{engine}.md")
    assert written == list(range(1, len(written) + 1))
    files = sorted((ROOT / "src/bubi/consensus").glob(f"{engine}*.py"))
    assert len(files) > 1
    shared = without_docstring(ROOT / "src/bubi/consensus/height.py")
    code = "\n".join([shared, *map(without_docstring, files)])
    assert cited(letter, code) == set(written)
    tests = re.findall(
        rf"def test_((?:{letter}\d+_)+)".lower(), page(f"tests/unit/test_{engine}.py")
    )
    assert {int(one) for found in tests for one in re.findall(r"\d+", found)} == set(written)


def test_the_rules_that_engines_share_are_cited_by_the_code() -> None:
    written = rules("H", "spec/consensus/README.md")
    assert written == list(range(1, len(written) + 1))
    shared = without_docstring(ROOT / "src/bubi/consensus/height.py")
    assert cited("H", shared) == set(written)
    others = (ROOT / "src/bubi/consensus").glob("*.py")
    assert cited("H", "\n".join(map(without_docstring, others))) == set(written)
    # What a leader leaves out is seen where batches are kept.
    assert 10 in cited("H", page("src/bubi/dissemination.py"))
    assert "\ndef test_h10_" in page("tests/replica/test_dissemination.py")


def test_no_page_of_consensus_names_a_rule_that_does_not_exist() -> None:
    known = {"H": set(rules("H", "spec/consensus/README.md"))}
    for engine, letter in ENGINE_LETTERS.items():
        known[letter] = set(rules(letter, f"spec/consensus/{engine}.md"))
        text = page(f"spec/consensus/{engine}.md")
        assert cited(letter, text) == known[letter]
        assert cited("H", text) <= known["H"]
    assert cited("H", page("spec/consensus/schedule.md")) <= known["H"]


def test_the_sections_about_cometbft_are_cited_by_the_code() -> None:
    written, number = set(), ""
    for line in page("spec/consensus/cometbft.md").splitlines():
        if heading := re.match(r"## (\d+)\. ", line):
            number = heading[1]
            written.add(number)
        elif (point := re.match(r"(\d+)\. ", line)) and number:
            written.add(f"{number}.{point[1]}")
    # A section counts if all of its points do. The last one compares, and is no rule.
    written -= {"4", "6", "7"}
    assert len(written) == 4 + 6 + 4
    code = without_docstring(ROOT / "src/bubi/comet/application.py")
    code += page("core/chain/src/comet.rs")
    assert set(re.findall(r"[Ss]ection (\d+(?:\.\d+)?)\b", code)) == written


def test_the_points_of_the_schedule_are_cited_by_the_code() -> None:
    points = re.findall(r"(?m)^(\d+)\. ", page("spec/consensus/schedule.md"))
    assert points == [str(number) for number in range(1, len(points) + 1)]
    code = page("core/ledger/src/schedule.rs").partition("\n\n")[2]
    tests = page("core/ledger/src/tests/schedule.rs")
    assert cited("S", code + tests) == set(map(int, points))


# --- docs ----------------------------------------------------------------------------------------


def written_default(default: Any) -> str:
    if default is REQUIRED:
        return "required"
    if default is None:
        return "none"
    if isinstance(default, int) and not isinstance(default, bool):
        return str(default)
    return json.dumps(default)


def test_every_key_of_the_configuration_is_explained() -> None:
    table = {
        cells[0].strip("`"): cells[1].strip("`")
        for cells in rows(section(page("docs/operating.md"), "## Configuration"))
        if cells[0].startswith("`")
    }
    assert table == {
        f"{name}.{key}": written_default(default)
        for name, keys in TABLE.items()
        for key, (default, _) in keys.items()
    }


def commands(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    children = getattr(command, "commands", None)
    if not children:
        yield " ".join(path)
        return
    for name, child in children.items():
        yield from commands(child, (*path, name))


def test_every_command_is_explained() -> None:
    written = {
        re.sub(r"( [A-Z\[{-].*)$", "", cells[0].strip("`"))
        for cells in rows(page("docs/cli.md"))
        if cells[0].startswith("`bubi")
    }
    assert written == set(commands(typer.main.get_command(build_cli()), ("bubi",)))


SPOKEN_OF = re.compile(r"(?:`|^|\| )bubi ([a-z]+)(?: ([a-z][a-z-]*))?")


def test_no_page_names_a_command_that_does_not_exist() -> None:
    known = set(commands(typer.main.get_command(build_cli()), ("bubi",)))
    known |= {" ".join(one.split()[:3]) for one in known}  # groups of commands of a noun
    nouns = {one.split()[1] for one in known if len(one.split()) == 3}
    pages = ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
    pages += [f"docs/{name}.md" for name in ("cli", "concepts", "operating", "architecture")]
    pages += [file.relative_to(ROOT).as_posix() for file in sorted((ROOT / "spec").glob("*.md"))]
    unknown = set()
    for name in pages:
        for line in page(name).splitlines():
            for noun, verb in SPOKEN_OF.findall(line):
                full = f"bubi {noun} {verb}" if noun in nouns else f"bubi {noun}"
                if full not in known and not (noun in nouns and not verb):
                    unknown.add(f"{name}: {full}")
    assert unknown == set()


def gauges() -> set[str]:
    """Names that the route /metrics gives to the gauges it fills."""
    source = page("src/bubi/node/monitoring/gauges.py")
    return {
        node.slice.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == "values"
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    }


def test_every_metric_is_explained(tmp_path: Path) -> None:
    made = initialise(tmp_path / "node")
    genesis = (made.directory / "genesis.bin").read_bytes()
    chain = core.Chain.open(str(tmp_path / "ledger"), genesis)
    statistics = {f"bubi_store_{name}" for name in chain.statistics}
    chain.close()
    metrics = Metrics()
    kept = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for registry in (metrics.registry, metrics.host_registry)
        for family in registry.collect()
    }
    found = {f"bubi_{name}" for name in gauges()}
    assert found
    written = {
        cells[0].strip("`").partition("{")[0]
        for cells in rows(section(page("docs/operating.md"), "## Metrics"))
        if cells[0].startswith("`bubi_")
    }
    assert written == statistics | kept | found


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "adr"
    index = page("docs/adr/README.md")
    numbers = []
    for file in sorted(folder.glob("0*.md")):
        assert f"]({file.name})" in index, file.name
        numbers.append(int(file.name[:4]))
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("id_", ["A1", "L3", "S4", "M2", "P1", "O2", "C1"])
def test_the_state_of_the_project_names_every_capability(id_: str) -> None:
    assert any(cells[0] == id_ for cells in rows(page("docs/status.md")))
