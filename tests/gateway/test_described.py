"""The description of the interface: it names every member, and what checks answers against it."""

from pathlib import Path
from typing import Any

import pytest

from tests.gateway.described import Interface
from tests.gateway.world import World

PASSED_ON = {"/api/v1/sandbox/transactions", "/api/v1/sandbox/simulate"}
"""What the node answers goes out as it is: spec/api.md describes it."""


def documents(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """Schemas of good answers in JSON."""
    return [
        answer["content"]["application/json"]["schema"]
        for status, answer in operation["responses"].items()
        if status.startswith("2") and "application/json" in answer.get("content", {})
    ]


def test_every_answer_names_its_members(tmp_path: Path) -> None:
    document = World(tmp_path).visitor().ask("GET", "/openapi.json").json()
    described = [
        (path, schema)
        for path, operations in document["paths"].items()
        for operation in operations.values()
        for schema in documents(operation)
        if path not in PASSED_ON
    ]
    assert len(described) > 60
    for path, schema in described:
        named = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        assert named["additionalProperties"] is False, path
        rows = named["properties"].get("items")
        assert rows is None or "$ref" in rows["items"], path


def interface() -> Interface:
    row = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name"],
        "additionalProperties": False,
    }
    rows = {"type": "array", "items": {"anyOf": [{"$ref": "#/components/schemas/Row"}]}}
    answer = {"content": {"application/json": {"schema": rows}}}
    return Interface(
        {
            "paths": {"/rows/{kind}": {"get": {"responses": {"200": answer}}}},
            "components": {"schemas": {"Row": row}},
        }
    )


def test_an_answer_as_it_is_described_fits() -> None:
    interface().check("GET", "/rows/a", 200, [{"name": "x", "age": 1}, {"name": "y"}])


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ({}, "name is missing"),
        ({"name": None}, "name is None, not string"),
        ({"name": "x", "age": True}, "age is True, not integer"),
        ({"name": "x", "years": 1}, "years is not described"),
    ],
)
def test_an_answer_that_differs_is_told(row: dict[str, Any], wrong: str) -> None:
    with pytest.raises(AssertionError, match=wrong):
        interface().check("GET", "/rows/a", 200, [row])


def test_a_status_that_is_not_described_is_told() -> None:
    with pytest.raises(AssertionError, match="418 is not described"):
        interface().check("GET", "/rows/a", 418, [])
