"""A hash per table, to compare an index with another one of the same blocks."""

import hashlib
import json
from typing import Any

from sqlalchemy import Connection, Engine, Text, select

from bubi.gateway.index import schema
from bubi.gateway.index.database import is_sqlite

STEP = 5_000


def table_hashes(engine: Engine) -> dict[str, str]:
    """SHA-256 per table over its rows in the order of its key; the same in both databases."""
    with engine.connect() as connection:
        return {
            table.name: _hash(connection, table) for table in schema.metadata.sorted_tables
        }


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
