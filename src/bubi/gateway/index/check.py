"""A hash per table, to compare an index with another one of the same blocks."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Text, inspect, select

from bubi.gateway.index import schema
from bubi.gateway.index.database import is_sqlite
from bubi.gateway.index.writer import read_progress

STEP = 5_000
TABLES = len(schema.metadata.sorted_tables)


@dataclass(frozen=True, slots=True)
class Checked:
    """How far an index is, and a hash per table."""

    height: int
    tables: dict[str, str]


def check(engine: Engine, done: Callable[[int], None] = lambda _count: None) -> Checked | None:
    """The hashes of an index at one height; None if it is empty.

    `done` is told of how many of its `TABLES` more the hash is known.
    """
    with engine.connect() as connection:
        if not is_sqlite(connection):
            connection.execution_options(isolation_level="REPEATABLE READ")
        if not inspect(connection).has_table(schema.progress.name):
            return None
        progress = read_progress(connection)
        if progress is None:
            return None
        hashes = {}
        for one in schema.metadata.sorted_tables:
            hashes[one.name] = _hash(connection, one)
            done(1)
        return Checked(progress.height, hashes)


def _hash(connection: Connection, table: Any) -> str:
    digest = hashlib.sha256()
    order = [_ordered(connection, column) for column in table.primary_key.columns]
    rows = connection.execution_options(yield_per=STEP).execute(select(table).order_by(*order))
    for row in rows:
        digest.update(json.dumps([_plain(value) for value in row]).encode() + b"\n")
    return digest.hexdigest()


def _ordered(connection: Connection, column: Any) -> Any:
    """Texts in the order of their bytes, whatever the database was set to."""
    if isinstance(column.type, Text) and not is_sqlite(connection):
        return column.collate("C")
    return column


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value
