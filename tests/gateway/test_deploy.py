"""Files for Prometheus and Grafana: valid, and about metrics that exist."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from bubi.gateway.alarms.rules import BY_CODE
from bubi.node.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
METRIC = re.compile(r"\bbubi_[a-z0-9_]+\b")
BELONGS_TO_THE_GATEWAY = {
    "channel_failing", "client_unknown", "index_behind", "issue_unusual", "proposal_unvoted",
    "supply_near_cap",
}  # fmt: skip
"""Rules about the gateway itself, and about what only its index or its configuration knows."""


def dashboards() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboards", ROOT / "scripts/dashboards.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["dashboards"] = module
    spec.loader.exec_module(module)
    return module


def known_metrics() -> dict[str, set[str]]:
    """Every metric that the pages explain, with its labels; a test compares them with the code."""
    found = {}
    page = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    for name, labels in re.findall(r"^\| `(bubi_[a-z0-9_]+)(?:\{([a-z_,]+)\})?`", page, re.M):
        found[name] = set(labels.split(",")) - {""}
    return found


def named_metrics(text: str) -> set[str]:
    return {re.sub("_(bucket|count|sum)$", "", name) for name in METRIC.findall(text)}


def expressions() -> list[str]:
    rules = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text(encoding="utf-8"))
    found = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    for file in sorted((DEPLOY / "grafana").glob("*.json")):
        panels = json.loads(file.read_text(encoding="utf-8"))["panels"]
        found += [target["expr"] for panel in panels for target in panel["targets"]]
    return found


def test_every_metric_and_label_that_they_name_exists() -> None:
    known = known_metrics()
    assert len(known) > 50
    missing, used = set(), 0
    for expression in expressions():
        for name in named_metrics(expression):
            used += 1
            if name not in known:
                missing.add(name)
        for name, chosen in re.findall(r"\b(bubi_[a-z0-9_]+)\{([^}]*)\}", expression):
            labels = set(re.findall(r"([a-z_]+)(?:=~|!~|!=|=)", chosen)) - {"node"}
            base = re.sub("_(bucket|count|sum)$", "", name)
            if not labels <= known.get(base, set()):
                missing.add(f"{base}{sorted(labels)}")
    assert missing == set()
    assert used > 60


def test_every_rule_of_the_gateway_is_an_alert_as_well() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text(encoding="utf-8"))
    alerts = {
        re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", rule["alert"].removeprefix("Bubi")).lower(): rule
        for group in rules["groups"]
        for rule in group["rules"]
    }
    assert set(alerts) == (set(BY_CODE) - BELONGS_TO_THE_GATEWAY) | {"dead_man"}
    for code, rule in alerts.items():
        if code != "dead_man":
            assert rule["labels"]["severity"] == BY_CODE[code].severity.value, code


def test_dashboards_are_those_that_the_script_writes() -> None:
    module = dashboards()
    names = {file.stem for file in (DEPLOY / "grafana").glob("*.json")}
    assert names == set(module.DASHBOARDS)
    for name in names:
        written = (DEPLOY / "grafana" / f"{name}.json").read_text(encoding="utf-8")
        assert written == module.text(name), "run python scripts/dashboards.py"
        panels = json.loads(written)["panels"]
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
        assert len(set(places)) == len(places)


@pytest.fixture(scope="module")
def promtool() -> str:
    found = subprocess.run(
        [str(ROOT / "scripts/promtool.sh")], capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        pytest.fail(f"no promtool for the tests: {found.stderr[-2000:]}")
    return found.stdout.strip()


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
)
def test_promtool_takes_them(promtool: str, arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [promtool, *arguments], cwd=DEPLOY / "prometheus", capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_what_a_node_measures(promtool: str) -> None:
    """Names and help of all metrics follow the rules of the format."""
    text = Metrics().render(dict, host=True)
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert b"error" not in done.stderr.lower(), done.stderr
