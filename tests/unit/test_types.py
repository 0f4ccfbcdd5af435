"""spec/types.md is that of the code, and enough to read every vector: by it alone."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from bubi_sdk import Address

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "spec" / "types.md").read_text(encoding="utf-8")
PREFIX = "bubidev"

WITHOUT_VECTOR = {"IdEntry"}
"""Only its hash stands in a cell."""


def vectors(name: str) -> Any:
    return json.loads((ROOT / "spec" / "vectors" / f"{name}.json").read_text(encoding="utf-8"))


# --- the page as data ----------------------------------------------------------------------------


@dataclass
class Described:
    """A type of the page: another one, its fields, or its variants."""

    same: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)
    variants: list[tuple[str, str, list[tuple[str, str]]]] = field(default_factory=list)


def plain(cell: str) -> str:
    return re.sub(r"\[(\w+)\]\(#\w+\)", r"\1", cell.strip()).replace("`", "")


def described(text: str) -> Described:
    found = Described()
    if same := re.search(r"(?m)^is (.+)$", text):
        found.same = plain(same[1])
    for line in text.splitlines():
        if not line.startswith("| ") or line.startswith(("| number", "| field")):
            continue
        cells = [plain(one) for one in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3:
            found.fields.append((cells[0], cells[1]))
        elif cells[0]:
            assert int(cells[0]) == len(found.variants)
            found.variants.append((cells[1], cells[3], []))
        else:
            found.variants[-1][2].append((cells[2], cells[3]))
    return found


TYPES = {
    part.partition("\n")[0]: described(part.partition("\n")[2])
    for part in re.split(r"(?m)^### ", PAGE.partition("\n## ")[2])[1:]
}


class Reading:
    """Reads bytes by the page; notes which types and variants it met."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.met: set[str] = set()

    def take(self, count: int) -> bytes:
        assert self.at + count <= len(self.data)
        self.at += count
        return self.data[self.at - count : self.at]

    def count(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def read(self, kind: str) -> Any:
        if kind == "Address":
            return Address(self.take(32)).text(PREFIX)
        if kind.startswith("pair of "):
            one, _, other = kind.removeprefix("pair of ").partition(" and ")
            return [self.read(one), self.read(other)]
        if kind.startswith("option of "):
            return self.read(kind.removeprefix("option of ")) if self.take(1)[0] else None
        if kind.startswith("list of "):
            return [self.read(kind.removeprefix("list of ")) for _ in range(self.count())]
        if kind.startswith("map of "):
            key, _, value = kind.removeprefix("map of ").partition(" to ")
            return {str(self.read(key)): self.read(value) for _ in range(self.count())}
        return self.simple(kind) if kind not in TYPES else self.typed(kind)

    def simple(self, kind: str) -> Any:
        if kind == "text":
            return self.take(self.count()).decode()
        if kind == "bytes":
            return self.take(self.count()).hex()
        if kind == "bool":
            return bool(self.take(1)[0])
        if kind.endswith(" bytes"):
            return self.take(int(kind.partition(" ")[0])).hex()
        assert kind[0] == "u", kind
        bits = int(kind[1:])
        value = int.from_bytes(self.take(bits // 8), "little")
        return str(value) if bits >= 64 else value

    def typed(self, kind: str) -> Any:
        self.met.add(kind)
        found = TYPES[kind]
        if found.same:
            return self.read(found.same)
        if found.fields:
            return {name: self.read(one) for name, one in found.fields}
        name, single, fields = found.variants[self.count()]
        self.met.add(f"{kind}.{name}")
        if single:
            return {name: self.read(single)}
        return {name: {one: self.read(of) for one, of in fields}} if fields else name


def read(kind: str, data: str) -> tuple[Any, set[str]]:
    reading = Reading(bytes.fromhex(data))
    value = reading.read(kind)
    assert reading.at == len(reading.data), f"{kind}: bytes are left"
    return value, reading.met


# --- the page and the code -----------------------------------------------------------------------


def script() -> Any:
    place = ROOT / "scripts" / "type_tables.py"
    spec = importlib.util.spec_from_file_location("bubi_scripts_type_tables", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look there
    spec.loader.exec_module(module)
    return module


def test_the_page_of_types_is_that_of_the_code() -> None:
    assert script().render() == PAGE, "run scripts/type_tables.py"


def test_no_type_of_the_codec_is_left_out() -> None:
    module = script()
    for file in sorted((ROOT / "core/codec/src").glob("*.rs")):
        source = file.read_text(encoding="utf-8").split("\n#[cfg(test)]")[0]
        derived = re.findall(
            r"#\[derive\([^)]*Deserialize\)\](?:\n#\[[^\n]*\])*\n(?:pub (?:struct|enum) (\w+))",
            source,
        )
        assert set(derived) - module.NEVER_ENCODED <= TYPES.keys(), file.name


def cases() -> Iterator[tuple[str, str, Any]]:
    """Type, bytes, and JSON of every vector (None: it has none)."""
    for one in vectors("codec")["valid"]:
        yield one["type"], one["bytes"], one["json"]
    for one in vectors("proof")["receipts"]:
        if one["valid"]:
            yield "ReceiptProof", one["proof"], None
    for one in vectors("state_tree")["proofs"]:
        kind = {"cell": "CellProof", "account": "AccountProof"}[one["kind"]]
        yield kind, one["proof"], None


def test_every_vector_is_read_by_the_page_alone() -> None:
    for kind, data, shown in cases():
        value, _ = read(kind, data)
        if shown is not None:
            assert value == shown, kind


def test_the_vectors_reach_every_type_of_the_page() -> None:
    met: set[str] = set()
    for kind, data, _ in cases():
        met |= read(kind, data)[1]
    met |= {"Address"}
    missed = {one for one in TYPES if one not in met}
    assert missed == WITHOUT_VECTOR


@pytest.mark.parametrize("kind", ["OperationBody", "Precondition", "Event", "Change"])
def test_the_vectors_reach_every_variant(kind: str) -> None:
    met: set[str] = set()
    for one, data, _ in cases():
        met |= read(one, data)[1]
    assert {f"{kind}.{name}" for name, _, _ in TYPES[kind].variants} <= met
