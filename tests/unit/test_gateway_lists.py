"""Cursors that nobody was given, and cells that a spreadsheet would compute."""

import base64

import pytest
from sqlalchemy import Select, column, select

from bubi.gateway.answers import as_csv
from bubi.gateway.index.paging import Asked, CursorError, Order

QUERY: Select[tuple[int, str]] = select(column("height"), column("name"))
ORDER = Order((column("height"), column("name")), types=(int, str))


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "text",
    [
        "[Infinity,1]",
        "[NaN,1]",
        "[1e999,1]",
        '[1,"\\ud800"]',
        '[1,"\\u0000"]',
        "[1]",
        "[1,2,3]",
        "[18446744073709551616,1]",
        "{}",
        "5",
        "[" * 700,
        "[[1],1]",
    ],
)
def test_a_cursor_of_no_list_is_refused(text: str) -> None:
    with pytest.raises(CursorError):
        ORDER.apply(QUERY, Asked(cursor(text)))


def test_a_cursor_of_the_list_is_taken() -> None:
    ORDER.apply(QUERY, Asked(ORDER.cursor((5, "ab"))))


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b"])
def test_no_cell_begins_like_a_formula(begin: str) -> None:
    head, *_ = as_csv([{"name": f"{begin}1+1", "count": 1}]).partition("\r\n")[2].lstrip('"')
    assert head == "'"
