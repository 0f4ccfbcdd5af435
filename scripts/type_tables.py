#!/usr/bin/env python3
"""Writes spec/types.md from the types of the codec; with --check only compares.

The Rust types are the only place where a field stands. `tests/unit/test_spec.py` fails when the
page and the types differ, and decodes every vector of the codec by the page alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "spec" / "types.md"

SOURCES = (
    ("Keys, hashes, signatures", "core/crypto/src/hash.rs", "core/crypto/src/key.rs"),
    ("Identifiers", "core/codec/src/identity.rs", "core/ledger/src/tree/key.rs"),
    ("Transactions", "core/codec/src/transaction.rs"),
    ("Operations", "core/codec/src/operation.rs"),
    ("Cells", "core/codec/src/state.rs"),
    ("Governance and evidence", "core/codec/src/governance.rs"),
    ("Blocks, votes, events", "core/codec/src/block.rs"),
    ("Proofs", "core/codec/src/proof.rs", "core/ledger/src/tree/proof.rs"),
    ("CometBFT", "core/codec/src/comet.rs"),
)
"""Sections of the page, each with the files whose types it has."""

NEVER_ENCODED = {"OwnerKind", "SignatureAlgorithm"}
"""Types of which only a number stands inside a key or beside one."""

_SIMPLE = {one: one for one in ("u8", "u16", "u32", "u64", "u128", "bool")}
_SIMPLE |= {"String": "text", "Bytes": "bytes"}

_RAW = {"Address": 32, "OwnerKey": 33}
"""Types that are written by hand, as that many raw bytes."""

_HEAD = """# Types

Normative. Written by `scripts/type_tables.py` from the types of the codec and their comments; edit
those, not this page. Every type that is hashed, signed, stored in a cell or sent as bytes, field
by field, in the order of the encoding. Bytes and JSON in short; in full they are in
[encoding.md](encoding.md), sections 1 and 7:

| written here | bytes | JSON |
|---|---|---|
| `u8`, `u16`, `u32` | little-endian, fixed width | number |
| `u64`, `u128` | little-endian, fixed width | decimal string |
| `bool` | one byte, 0 or 1 | `true` or `false` |
| `text` | length (ULEB128), UTF-8 | string |
| `bytes` | length (ULEB128), bytes | lower-case hex |
| N `bytes` | N raw bytes | lower-case hex |
| option of T | byte 0, or byte 1 and T | `null` or T |
| list of T | count (ULEB128), each T | list |
| map of K to V | count (ULEB128), pairs, ascending by encoded key, none twice | object |
| pair of A and B | A, then B | none: only in proofs of cells |
| a type with fields | its fields in order | object |
| a type with variants | number of the variant (ULEB128), its fields in order | see below |

In JSON a variant without fields is its name, any other an object with one member: the name of the
variant, with an object of its fields, or with the value itself where the table shows a type beside
the name. Keys of maps are decimal strings. An Address is 32 bytes, in JSON Bech32m.

`is` names what stands for a type. In a table of variants the row with a number opens the variant;
the rows below it are its fields. Largest sizes and counts: [limits.md](limits.md). What a value
must fulfil beside its form, what an operation does, and under which keys cells stand:
[ledger.md](ledger.md).
"""


class SourceError(Exception):
    """A source is not written as this script reads it."""


@dataclass(frozen=True)
class Field:
    """A field; without a name if it is the only one of its variant or type."""

    name: str | None
    kind: str
    text: str


@dataclass(frozen=True)
class Variant:
    """A variant of a type, at its number."""

    name: str
    text: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Type:
    """A type with fields or with variants, never both."""

    name: str
    text: str
    fields: tuple[Field, ...] = ()
    variants: tuple[Variant, ...] = ()


_OPENING = re.compile(r"pub (struct|enum) (\w+)( \{|\(.*\);)$")
_IDENTIFIER = re.compile(r"identifier! \{\n((?:    ///.*\n)+)    (\w+)\n\}", re.MULTILINE)
_VARIANT = re.compile(r"(\w+)(?:,| = \d+,|\((.*)\),|( \{))$")
_NAMED = re.compile(r"(?:pub )?(?:r#)?(\w+): (.+),$")
_RENAMED = re.compile(r'rename = "(\w+)"')
_GENERIC = re.compile(r"(Vec|Option|Box|BTreeMap)<(.*)>$")
_FIXED = re.compile(r"\[u8; (\d+)\]$")
_SNAKE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PATH = re.compile(r"`[A-Z]\w*::(\w+)`")


def types_of(source: str) -> Iterator[Type]:
    """The types of a file that have an encoding, in its order."""
    for found in _IDENTIFIER.finditer(source):
        yield Type(found[2], _joined(found[1].splitlines()), (Field(None, "Hash", ""),))
    lines = source.partition("\n#[cfg(test)]")[0].splitlines()
    for at, line in enumerate(lines):
        if (opening := _OPENING.match(line)) is None:
            continue
        above = list(_above(lines, at))
        text = _joined([one for one in above if one.startswith("///")])
        kind, name, rest = opening.groups()
        if name in _RAW:
            yield Type(name, text, (Field(None, f"[u8; {_RAW[name]}]", ""),))
            continue
        derived = " ".join(one for one in above if one.startswith("#[derive"))
        if "Deserialize" not in derived or "error" in derived.lower() or name in NEVER_ENCODED:
            continue
        if rest != " {":
            _, inner = _attribute(rest[1:-2])
            yield Type(name, text, (Field(None, inner.removeprefix("pub "), ""),))
            continue
        body = lines[at + 1 : lines.index("}", at)]
        if kind == "struct":
            yield Type(name, text, tuple(_fields(body)))
        else:
            yield Type(name, text, (), tuple(_variants(body)))


def _above(lines: Sequence[str], at: int) -> Iterator[str]:
    """Comments and attributes directly above a line, from the top."""
    first = at
    while first and lines[first - 1].startswith(("///", "#[", "    /", ")]")):
        first -= 1
    return iter(lines[first:at])


def _joined(lines: Sequence[str]) -> str:
    """A comment as one line of a table; of several paragraphs all."""
    text = " ".join(line.strip().removeprefix("///").strip() for line in lines)
    text = re.sub(r"\[(`[^`]+`)\]", r"\1", text)
    text = _PATH.sub(lambda found: f"`{_snake(found[1])}`", text)
    return re.sub(r" +", " ", text).strip().replace("|", "\\|")


def _snake(name: str) -> str:
    """A variant as JSON names it."""
    return _SNAKE.sub("_", name).lower()


def _attribute(text: str) -> tuple[str, str]:
    """What stands in the attributes in front of a type, and the type."""
    inside = []
    while text.startswith("#[serde("):
        end = text.index(")]") + 2
        inside.append(text[:end])
        text = text[end:].strip()
    return " ".join(inside), text


def _bytes_or(attributes: str, kind: str) -> str:
    """The type, bytes told from lists of numbers."""
    if '::bytes"' in attributes or '::optional_bytes"' in attributes:
        return kind.replace("Vec<u8>", "Bytes")
    return kind


def _fields(body: Sequence[str]) -> Iterator[Field]:
    comments: list[str] = []
    attributes = ""
    for line in (one.strip() for one in body):
        if line.startswith("///"):
            comments.append(line)
        elif line.startswith("#["):
            attributes += line
        elif (found := _NAMED.match(line)) is not None:
            renamed = _RENAMED.search(attributes)
            name = renamed[1] if renamed else found[1]
            yield Field(name, _bytes_or(attributes, found[2]), _joined(comments))
            comments, attributes = [], ""
        else:
            msg = f"not a field: {line}"
            raise SourceError(msg)


def _variants(body: Sequence[str]) -> Iterator[Variant]:
    comments: list[str] = []
    at = 0
    while at < len(body):
        line = body[at].strip()
        at += 1
        if line.startswith("///"):
            comments.append(line)
            continue
        if line.startswith("#["):
            continue
        found = _VARIANT.match(line)
        if found is None:
            msg = f"not a variant: {line}"
            raise SourceError(msg)
        name, single, opened = found.groups()
        fields: tuple[Field, ...] = ()
        if single is not None:
            attributes, kind = _attribute(single)
            fields = (Field(None, _bytes_or(attributes, kind), ""),)
        elif opened:
            end = body.index("    },", at)
            fields = tuple(_fields(body[at:end]))
            at = end + 1
        yield Variant(_snake(name), _joined(comments), fields)
        comments = []


def read() -> list[tuple[str, list[Type]]]:
    """Sections with their types."""
    found = []
    for title, *files in SOURCES:
        sources = [(ROOT / file).read_text(encoding="utf-8") for file in files]
        found.append((title, [one for source in sources for one in types_of(source)]))
    return found


def _shown(kind: str, known: set[str]) -> str:
    """A type as the page names it."""
    if (generic := _GENERIC.match(kind)) is not None:
        return _generic(generic[1], generic[2], known)
    if kind.startswith("("):
        one, _, other = kind.strip("()").partition(", ")
        return f"pair of {_shown(one, known)} and {_shown(other, known)}"
    if kind in _SIMPLE:
        return f"`{_SIMPLE[kind]}`"
    if (fixed := _FIXED.match(kind)) is not None:
        return f"{fixed[1]} `bytes`"
    if kind not in known:
        msg = f"{kind} is no type of the page"
        raise SourceError(msg)
    return f"[{kind}](#{kind.lower()})"


def _generic(outer: str, inner: str, known: set[str]) -> str:
    if outer == "BTreeMap":
        key, _, value = inner.partition(", ")
        return f"map of {_shown(key, known)} to {_shown(value, known)}"
    shown = _shown(inner, known)
    return {"Vec": f"list of {shown}", "Option": f"option of {shown}", "Box": shown}[outer]


def _table(one: Type, known: set[str]) -> Iterator[str]:
    if len(one.fields) == 1 and one.fields[0].name is None:
        yield f"is {_shown(one.fields[0].kind, known)}\n"
        return
    if one.fields:
        yield "| field | type | meaning |\n|---|---|---|\n"
        for field in one.fields:
            yield f"| `{field.name}` | {_shown(field.kind, known)} | {field.text} |\n"
        return
    yield "| number | variant | field | type | meaning |\n|---|---|---|---|---|\n"
    for number, variant in enumerate(one.variants):
        single = variant.fields[0] if variant.fields and variant.fields[0].name is None else None
        kind = _shown(single.kind, known) if single else ""
        yield f"| {number} | `{variant.name}` | | {kind} | {variant.text} |\n"
        for field in () if single else variant.fields:
            yield f"| | | `{field.name}` | {_shown(field.kind, known)} | {field.text} |\n"


def render() -> str:
    """The page."""
    sections = read()
    names = [one.name for _, found in sections for one in found]
    if len(names) != len(set(names)):
        msg = "a name stands for two types"
        raise SourceError(msg)
    parts = [_HEAD]
    for title, found in sections:
        parts.append(f"\n## {title}\n")
        for one in found:
            parts.append(f"\n### {one.name}\n\n{one.text}\n\n")
            parts += _table(one, set(names))
    return "".join(parts).replace("|  |", "| |")


def main(arguments: list[str]) -> int:
    """Writes or compares the page; returns the exit status."""
    page = render()
    if arguments == ["--check"]:
        same = PAGE.read_text(encoding="utf-8") == page
        if not same:
            sys.stderr.write(f"{PAGE} is out of date: run scripts/type_tables.py\n")
        return 0 if same else 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
