"""The log of a node, whatever the node answers."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from bubi.gateway.access import Role
from bubi.gateway.index.paging import WHOLE_MAX
from bubi.gateway.monitoring.routes import LOG_LINES_MAX
from tests.gateway.world import Visitor, World, code

ROUNDS = WHOLE_MAX // LOG_LINES_MAX
Answers = Callable[[Mapping[str, str]], Any]
PATH = "/monitoring/logs?node=node1"


def reader(folder: Path, monkeypatch: pytest.MonkeyPatch, answers: Answers
           ) -> tuple[Visitor, list[Mapping[str, str]]]:  # fmt: skip
    """Somebody who reads logs of a node that answers so, and what the node was asked."""
    world = World(folder)
    asked: list[Mapping[str, str]] = []

    async def ask(name: str, path: str, query: Mapping[str, str]) -> httpx.Response:
        # One that goes on for ever is a failure, not a test that hangs.
        assert len(asked) <= ROUNDS
        assert (name, path) == ("node1", "/v1/logs")
        asked.append(query)
        request = httpx.Request("GET", "http://127.0.0.1:1")
        return httpx.Response(200, content=json.dumps(answers(query)), request=request)

    monkeypatch.setattr(world.monitor.poller, "ask_operator", ask)
    return world.user(Role.OPERATOR), asked


def lines(first: int, count: int) -> list[dict[str, str]]:
    """Lines from a number downwards."""
    numbers = range(first, max(first - count, 0), -1)
    return [
        {"number": str(one), "time": "1", "level": "info", "part": "bubi", "text": f"line {one}"}
        for one in numbers
    ]


def kept(total: int) -> Answers:
    """A node that keeps so many lines and answers as nodes do."""

    def answer(query: Mapping[str, str]) -> dict[str, Any]:
        first = int(query.get("before", total + 1)) - 1
        found = lines(first, int(query["limit"]))
        full = len(found) == int(query["limit"])
        return {"items": found, "next": found[-1]["number"] if full else None}

    return answer


def test_a_file_has_all_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total = 0

    def answers(query: Mapping[str, str]) -> Any:
        return kept(total)(query)

    operator, asked = reader(tmp_path, monkeypatch, answers)
    for total in (0, 7, 1_000, 2_500):
        asked.clear()
        answer = operator.ask("GET", f"{PATH}&format=csv")
        assert answer.status_code == 200, answer.text
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [int(row["number"]) for row in rows] == list(range(total, 0, -1))
        assert "Bubi-Next" not in answer.headers


def test_a_file_ends_at_its_limit_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, asked = reader(tmp_path, monkeypatch, kept(WHOLE_MAX + 500))
    answer = operator.ask("GET", f"{PATH}&format=csv")
    assert len(answer.text.splitlines()) == WHOLE_MAX + 1
    assert answer.headers["Bubi-Next"] == "501"
    assert len(asked) == ROUNDS


@pytest.mark.parametrize(
    ("answers", "rounds"),
    [
        (lambda _query: {"items": [], "next": "5"}, 1),
        (lambda _query: {"items": lines(5, 1), "next": "5"}, 2),
        (lambda query: {"items": lines(5, 1), "next": str(int(query.get("before", "1")) + 1)}, 2),
        # One line at a time, though more were asked for.
        (lambda query: {"items": lines(5, 1),
                        "next": str(int(query.get("before", "10000")) - 1)}, ROUNDS),
    ],
)  # fmt: skip
def test_a_file_ends_whatever_the_node_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: Answers, rounds: int
) -> None:
    operator, asked = reader(tmp_path, monkeypatch, answers)
    answer = operator.ask("GET", f"{PATH}&format=csv")
    assert answer.status_code == 200, answer.text
    assert len(asked) == rounds
    # That it was cut can be seen.
    assert "-first-" in answer.headers["Content-Disposition"]


NO_LOGS: tuple[Any, ...] = (
    {}, {"items": []}, {"next": None}, [], "text", None, {"items": {}, "next": None},
    {"items": [7], "next": None}, {"items": [], "next": 7}, {"items": [], "next": "-1"},
    {"items": [], "next": "9" * 19}, {"items": [], "next": ["1"]},
    {"items": lines(2_000, 1_001), "next": None},
)  # fmt: skip


def test_what_is_no_log_is_a_failure_of_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document: Any = None
    operator, asked = reader(tmp_path, monkeypatch, lambda _query: document)
    for document in NO_LOGS:
        for form in ("json", "csv"):
            asked.clear()
            answer = operator.ask("GET", f"{PATH}&format={form}")
            assert (answer.status_code, code(answer)) == (502, "node_failed"), document
