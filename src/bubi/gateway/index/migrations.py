"""Numbered changes of the tables, each in one transaction.

A library for migrations would bring generated scripts and a command of its own for a schema that
one program writes and that can be rebuilt from the ledger: here a change is a function, and an
index that is newer than the program is refused.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine, text

from bubi.gateway.index import schema

Step = Callable[[Connection], None]


class SchemaError(Exception):
    """The tables are of a newer program; the message says what to do."""


def create(connection: Connection) -> None:
    """Number 1: all tables."""
    schema.metadata.create_all(connection)


def govern(connection: Connection) -> None:
    """Number 2: epochs, proposals, votes, evidence.

    They begin at the genesis, and so does the index again.
    """
    schema.metadata.drop_all(connection)
    schema.metadata.create_all(connection)


def remember(connection: Connection) -> None:
    """Number 3: data entries and claims with their history, and what a chain continues.

    Their history begins with the chain, and so does the index again.
    """
    schema.metadata.drop_all(connection)
    schema.metadata.create_all(connection)


def belong(connection: Connection) -> None:
    """Number 4: to which organisation accounts belong.

    That begins at the genesis, and so does the index again.
    """
    schema.metadata.drop_all(connection)
    schema.metadata.create_all(connection)


def owned(connection: Connection) -> None:
    """Number 5: what is filtered by who made it, by kind or as closed has an index for that."""
    for table, name in (
        (schema.accounts, "accounts_by_creator"),
        (schema.accounts, "accounts_closed"),
        (schema.assets, "assets_by_kind"),
        (schema.namespaces, "namespaces_by_owner"),
        (schema.records, "records_by_writer"),
        (schema.proposals, "proposals_by_organisation"),
        (schema.evidence, "evidence_by_validator"),
    ):
        (index,) = (one for one in table.indexes if one.name == name)
        # Tables that a step before made just now have it.
        index.create(connection, checkfirst=True)


def compare(connection: Connection) -> None:
    """Number 6: each change of a proposal stands beside what those before it leave.

    Earlier ones were compared when their blocks were read, and so the index begins again.
    """
    schema.metadata.drop_all(connection)
    schema.metadata.create_all(connection)


STEPS: tuple[Step, ...] = (create, govern, remember, belong, owned, compare)


def migrate(engine: Engine, steps: Sequence[Step] = STEPS, table: str = "index_schema") -> int:
    """Brings the tables up to date; returns the number of their last change.

    Raises:
        SchemaError: the database was made by a newer program.
    """
    with engine.begin() as connection:
        connection.execute(
            text(f"CREATE TABLE IF NOT EXISTS {table} (version BIGINT NOT NULL PRIMARY KEY)")
        )
        found = connection.execute(text(f"SELECT MAX(version) FROM {table}")).scalar()  # noqa: S608
    version = int(found or 0)
    if version > len(steps):
        msg = (
            f"the index was made by a newer version of Bubi (tables {version}, here "
            f"{len(steps)}): run that version, or rebuild it with `bubi gateway index rebuild`"
        )
        raise SchemaError(msg)
    for number, step in enumerate(steps[version:], version + 1):
        with engine.begin() as connection:
            step(connection)
            connection.execute(
                text(f"INSERT INTO {table} (version) VALUES (:version)"),  # noqa: S608
                {"version": number},
            )
    return len(steps)
