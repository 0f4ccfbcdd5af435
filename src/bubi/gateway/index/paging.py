"""Cursors and pages of lists."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_

LIMIT_DEFAULT = 50
LIMIT_MAX = 1_000
WHOLE_MAX = 20_000
"""Rows of a list that is asked for in one piece, as a file."""
WHOLE_BYTES = 16 << 20
"""Bytes as JSON of such a list; the page with which it gets there still belongs to it."""


class CursorError(Exception):
    """A cursor that does not belong to the list."""


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list. `height` is what it is consistent with."""

    items: Sequence[Mapping[str, Any]]
    next: str | None
    height: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Which part of a list is asked for."""

    cursor: str | None = None
    limit: int = LIMIT_DEFAULT


@dataclass(slots=True)
class Gathered:
    """Rows that are put together to a list in one piece."""

    items: list[Mapping[str, Any]] = field(default_factory=list)
    bytes: int = 0

    def add(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Takes the rows of a page."""
        self.items += items
        self.bytes += len(json.dumps(items))

    @property
    def room(self) -> int:
        """Rows that the next page may have; 0: the list is cut here."""
        if self.bytes >= WHOLE_BYTES:
            return 0
        return max(0, min(LIMIT_MAX, WHOLE_MAX - len(self.items)))


def whole(fetch: Callable[[Asked], Page], cursor: str | None = None) -> Page:
    """What lies behind a cursor in one piece, read page by page.

    It ends where it has `WHOLE_MAX` rows or `WHOLE_BYTES`.
    """
    gathered = Gathered()
    while True:
        page = fetch(Asked(cursor, gathered.room))
        gathered.add(page.items)
        cursor = page.next
        if cursor is None or not gathered.room:
            return Page(gathered.items, cursor, page.height)


@dataclass(frozen=True, slots=True)
class Key:
    """An order by so many texts of a row."""

    of: Callable[[Mapping[str, Any]], list[str]]
    parts: int = 1


def by(*names: str) -> Key:
    """The order of these members."""
    return Key(lambda item: [str(item[name]) for name in names], len(names))


def window(items: Sequence[Mapping[str, Any]], key: Key, asked: Asked) -> Page:
    """Part of a list that is at hand, in the order of texts of which no two items have the same.

    Raises:
        CursorError: the cursor is not of such a list.
    """
    rows = sorted((dict(one) for one in items), key=key.of)
    if asked.cursor is not None:
        after = decoded(asked.cursor, [str] * key.parts)
        rows = [one for one in rows if key.of(one) > after]
    shown = rows[: asked.limit]
    following = encoded(key.of(shown[-1])) if len(rows) > len(shown) else None
    return Page(shown, following, 0)


def encoded(values: Sequence[Any]) -> str:
    """The cursor behind a row that has these values."""
    plain = [value.hex() if isinstance(value, bytes) else value for value in values]
    text = json.dumps(plain, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def decoded(cursor: str, types: Sequence[type]) -> list[Any]:
    """The values of a cursor.

    Raises:
        CursorError: it has others.
    """
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=="))
        found = [
            bytes.fromhex(value) if wanted is bytes else wanted(value)
            for wanted, value in zip(types, values, strict=True)
        ]
        # Half of a pair of surrogates has no place in any database.
        "".join(value for value in found if isinstance(value, str)).encode()
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise CursorError("the cursor does not belong to this list") from error
    if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in found):
        raise CursorError("the cursor does not belong to this list")
    if any(isinstance(value, str) and "\0" in value for value in found):
        raise CursorError("the cursor does not belong to this list")
    return found


@dataclass(frozen=True, slots=True)
class Order:
    """The columns that a list is ordered by, all up or all down; together they are unique."""

    columns: Sequence[ColumnElement[Any]]
    down: bool = True
    types: Sequence[type] = field(default=(int,))

    def apply(self, query: Select[Any], asked: Asked) -> Select[Any]:
        """The query for the rows behind the cursor, and one more."""
        if asked.cursor is not None:
            query = query.where(self._behind(self.values(asked.cursor)))
        ways = [column.desc() if self.down else column.asc() for column in self.columns]
        return query.order_by(*ways).limit(asked.limit + 1)

    def _behind(self, values: Sequence[Any]) -> ColumnElement[bool]:
        """Written out instead of as a comparison of rows, which few planners use an index for."""
        steps = []
        for place, (column, value) in enumerate(zip(self.columns, values, strict=True)):
            same = [one == two for one, two in zip(self.columns, values[:place], strict=False)]
            steps.append(and_(*same, column < value if self.down else column > value))
        first = self.columns[0]
        bound = first <= values[0] if self.down else first >= values[0]
        return and_(bound, or_(*steps))

    def values(self, cursor: str) -> list[Any]:
        """What a row that the cursor stands behind has in the order's columns.

        Raises:
            CursorError: the cursor is not of such a list.
        """
        return decoded(
            cursor, list(self.types) * (len(self.columns) if len(self.types) == 1 else 1)
        )

    @staticmethod
    def cursor(values: Sequence[Any]) -> str:
        """The cursor behind a row with these values in the order's columns."""
        return encoded(values)

    def split(
        self, rows: Sequence[Any], asked: Asked, names: Sequence[str]
    ) -> tuple[list[Any], str | None]:
        """The rows of the page, and the cursor of the next one."""
        shown = list(rows[: asked.limit])
        if len(rows) <= asked.limit:
            return shown, None
        return shown, self.cursor([getattr(shown[-1], name) for name in names])
