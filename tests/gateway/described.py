"""Answers against the description of the interface: exactly the members that it names."""

import re
from collections.abc import Iterator
from typing import Any

FORMS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


class Interface:
    """What `/openapi.json` says."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._schemas = document["components"]["schemas"]
        paths = document["paths"]
        # Written-out parts go before places.
        self._routes = [
            (re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), paths[path])
            for path in sorted(paths, key=lambda one: (one.count("{"), one))
        ]

    def check(self, method: str, path: str, status: int, answer: Any) -> None:
        """Fails unless an answer is one that the description lets a program expect."""
        route = next(one for pattern, one in self._routes if pattern.fullmatch(path))
        responses = route[method.lower()]["responses"]
        assert str(status) in responses, f"{method} {path}: {status} is not described"
        schema = responses[str(status)]["content"]["application/json"]["schema"]
        wrong = list(self.misfits(schema, answer, "answer"))
        assert not wrong, f"{method} {path}: {wrong}"

    def misfits(self, schema: dict[str, Any], value: Any, place: str) -> Iterator[str]:
        """Where a value differs from a schema."""
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        if "anyOf" in schema:
            tried = [list(self.misfits(one, value, place)) for one in schema["anyOf"]]
            yield from min(tried, key=len)
            return
        form = schema.get("type")
        if form is not None and not _has_form(value, form):
            yield f"{place} is {value!r}, not {form}"
            return
        allowed = schema.get("enum", [schema["const"]] if "const" in schema else [value])
        if value not in allowed:
            yield f"{place} is {value!r}, not one of {allowed}"
        if isinstance(value, dict):
            yield from self._members(schema, value, place)
        if isinstance(value, list):
            first = schema.get("prefixItems", [])
            for at, one in enumerate(value):
                inner = first[at] if at < len(first) else schema.get("items", {})
                yield from self.misfits(inner, one, f"{place}[{at}]")

    def _members(self, schema: dict[str, Any], value: dict[str, Any], place: str) -> Iterator[str]:
        named = schema.get("properties", {})
        more = schema.get("additionalProperties", True)
        yield from (
            f"{place}.{one} is missing" for one in schema.get("required", ()) if one not in value
        )
        for name, one in value.items():
            if name in named or isinstance(more, dict):
                yield from self.misfits(named.get(name, more), one, f"{place}.{name}")
            elif not more:
                yield f"{place}.{name} is not described"


def _has_form(value: Any, form: str) -> bool:
    return isinstance(value, FORMS[form]) and (form == "boolean" or not isinstance(value, bool))
