"""What a value alone decides, in the order of the Rust core (core/codec)."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from bubi_sdk import limits
from bubi_sdk.codec import at_most
from bubi_sdk.errors import Malformed

_LOWER: Final = re.compile("[a-z0-9.-]+", re.ASCII)
_MIXED: Final = re.compile("[A-Za-z0-9.-]+", re.ASCII)


def name(what: str, text: str, limit: int, *, upper: bool = False) -> None:
    """Letters, digits, dots and hyphens."""
    at_most(limit, what, byte_length(text))
    if not (_MIXED if upper else _LOWER).fullmatch(text):
        raise Malformed(f"{what}: use letters, digits, dots and hyphens; it must not be empty")


def text(what: str, value: str, limit: int) -> None:
    """Free text: not empty, within its limit, without control characters."""
    at_most(limit, what, byte_length(value))
    if not value or has_control(value):
        raise Malformed(f"{what}: it must not be empty and must not hold control characters")


def has_control(value: str) -> bool:
    """Whether a text holds control characters."""
    return any(unicodedata.category(one) == "Cc" for one in value)


def byte_length(value: str) -> int:
    """How many bytes a text has in UTF-8."""
    return len(utf8(value))


def utf8(value: str) -> bytes:
    """A text in UTF-8."""
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise Malformed("text with half a surrogate pair is not UTF-8") from error


def amount(what: str, value: int) -> None:
    """An amount that must move something."""
    if not 0 < value <= limits.AMOUNT_MAX:
        raise Malformed(f"{what}: it must lie between 1 and 10^38 - 1")


def ascending(what: str, items: Iterable[Any]) -> None:
    """Each entry greater than the one before."""
    if any(one >= other for one, other in itertools.pairwise(items)):
        raise Malformed(f"{what}: entries must ascend and must not repeat")
