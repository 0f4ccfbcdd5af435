"""Databases for the index: each test that takes `database` runs on both."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from bubi.gateway.index import database as databases

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "postgres.sh"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A server of our own; where it cannot be had, the test fails and says why."""
    # Not below pytest's folder, which other users cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="bubi-postgres-"))
    folder.chmod(0o755)
    try:
        made = subprocess.run(
            [SCRIPT, "start", folder], capture_output=True, text=True, check=False, timeout=900
        )
        if made.returncode != 0:
            pytest.fail(f"no PostgreSQL for the tests: {made.stderr}")
        yield made.stdout.strip()
        subprocess.run([SCRIPT, "stop", folder], check=True, timeout=240)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Databases:
    """Empty databases of one kind."""

    def __init__(self, kind: str, folder: Path, server: str) -> None:
        self.kind = kind
        self._folder = folder
        self._server = server
        self._engines: list[Engine] = []
        self._made = 0

    def where(self) -> str | Path:
        """A new empty database: a path or an address."""
        self._made += 1
        if self.kind == "sqlite":
            return self._folder / f"index{self._made}.sqlite"
        name = f"{self._folder.name.replace('-', '_').lower()}_{self._made}"
        engine = databases.connect(self._server)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        engine.dispose()
        return f"{self._server.rpartition('/')[0]}/{name}"

    def engine(self, where: str | Path | None = None) -> Engine:
        """An engine for a database; for a new one if none is named."""
        made = databases.connect(self.where() if where is None else where)
        self._engines.append(made)
        return made

    def close(self) -> None:
        for engine in self._engines:
            engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else ""
    made = Databases(request.param, tmp_path, server)
    yield made
    made.close()
