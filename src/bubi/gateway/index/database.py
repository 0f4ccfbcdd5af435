"""The two databases of the index: SQLite in a file, or PostgreSQL.

They differ in how many rows are written at once (`executemany` or `COPY`); all else is SQL that
both understand.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from bubi import core

Row = tuple[Any, ...]
WRITE_WAIT_MS = 30_000


def connect(database: str | Path) -> Engine:
    """An engine for a SQLite file or a `postgresql://` address."""
    if isinstance(database, Path):
        return _sqlite(database)
    _scheme, _separator, rest = database.partition("://")
    return create_engine(f"postgresql+pg8000://{rest}", pool_size=8, pool_pre_ping=True)


def _sqlite(path: Path) -> Engine:
    engine = create_engine(f"sqlite+pysqlite:///{path}")

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, entry: ConnectionPoolEntry) -> None:
        del entry
        # Transactions begin where SQLAlchemy says so, definitions of tables included.
        connection.isolation_level = None
        for pragma in (
            "journal_mode = WAL",
            # After a loss of power the newest groups may be missing, never torn: they come again.
            "synchronous = NORMAL",
            f"busy_timeout = {WRITE_WAIT_MS}",
            "cache_size = -65536",
            "temp_store = MEMORY",
            "mmap_size = 268435456",
            "wal_autocheckpoint = 10000",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def is_sqlite(engine: Engine | Connection) -> bool:
    """Which of the two it is."""
    return engine.dialect.name == "sqlite"


class Bulk(Protocol):
    """Writes many rows at once, inside the caller's transaction."""

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Adds rows with all columns of the table, in its order."""

    def insert_blocks(
        self,
        table: Table,
        blocks: core.BlockRows,
        name: str,
        accounts: list[int],
        assets: list[int],
    ) -> None:
        """Adds rows that the core made."""

    def close(self, table: Table, keys: Sequence[str], rows: Sequence[Row]) -> None:
        """Ends the validity of rows: each entry is `until` and the values of the keys."""


def bulk(connection: Connection) -> Bulk:
    """The way of the database behind a connection."""
    return SqliteBulk(connection) if is_sqlite(connection) else CopyBulk(connection)


class SqliteBulk:
    """Statements with many sets of values."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Adds rows."""
        if rows:
            names = ", ".join(f'"{column.name}"' for column in table.columns)
            marks = ", ".join("?" for _ in table.columns)
            statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'  # noqa: S608
            self._connection.exec_driver_sql(statement, list(rows))

    def insert_blocks(
        self,
        table: Table,
        blocks: core.BlockRows,
        name: str,
        accounts: list[int],
        assets: list[int],
    ) -> None:
        """Adds rows that the core made."""
        self.insert(table, blocks.tuples(name, accounts, assets))

    def close(self, table: Table, keys: Sequence[str], rows: Sequence[Row]) -> None:
        """Ends the validity of rows."""
        if rows:
            where = " AND ".join(f'"{key}" = ?' for key in keys)
            statement = f'UPDATE "{table.name}" SET "until" = ? WHERE {where}'  # noqa: S608
            self._connection.exec_driver_sql(statement, list(rows))


class CopyBulk:
    """COPY, and for changes a temporary table that the update joins."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Adds rows."""
        if rows:
            self._copy(table.name, [column.name for column in table.columns], copy_text(rows))

    def insert_blocks(
        self,
        table: Table,
        blocks: core.BlockRows,
        name: str,
        accounts: list[int],
        assets: list[int],
    ) -> None:
        """Adds rows that the core made."""
        if blocks.count(name):
            names = [column.name for column in table.columns]
            self._copy(table.name, names, blocks.copy(name, accounts, assets))

    def close(self, table: Table, keys: Sequence[str], rows: Sequence[Row]) -> None:
        """Ends the validity of rows."""
        if not rows:
            return
        names = ["until", *keys]
        types = {
            column.name: column.type.compile(self._connection.dialect) for column in table.columns
        }
        temporary = f"closing_{table.name}"
        columns = ", ".join(f'"{name}" {types[name]}' for name in names)
        where = " AND ".join(f'target."{key}" = ending."{key}"' for key in keys)
        run = self._connection.exec_driver_sql
        run(f'CREATE TEMPORARY TABLE "{temporary}" ({columns}) ON COMMIT DROP')
        self._copy(temporary, names, copy_text(rows))
        run(
            f'UPDATE "{table.name}" AS target SET "until" = ending."until" '  # noqa: S608
            f'FROM "{temporary}" AS ending WHERE {where}'
        )
        run(f'DROP TABLE "{temporary}"')

    def _copy(self, table: str, names: Iterable[str], text: bytes) -> None:
        listed = ", ".join(f'"{name}"' for name in names)
        driver = self._connection.connection.driver_connection
        assert driver is not None
        cursor = driver.cursor()
        cursor.execute(f'COPY "{table}" ({listed}) FROM STDIN', stream=io.BytesIO(text))
        cursor.close()


_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def copy_text(rows: Iterable[Row]) -> bytes:
    """Rows in the text format of COPY."""
    return "".join("\t".join(map(_field, row)) + "\n" for row in rows).encode()


def _field(value: Any) -> str:
    if isinstance(value, int):
        return str(int(value))
    if value is None:
        return "\\N"
    if isinstance(value, bytes):
        return "\\\\x" + value.hex()
    return str(value).translate(_ESCAPES)
