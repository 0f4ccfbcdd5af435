"""Texts for people in their language. The English text is the key; JSON is never translated.

The language is chosen once per process: `--lang`, else the environment (LC_ALL, LC_MESSAGES,
LANG), else English.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final

from bubi.cli.chinese import CHINESE

LANGUAGES: Final = ("en", "zh")

_catalogue: dict[str, str] = {}


def _(text: str, /, **values: object) -> str:
    """`text` in the chosen language, with its `{names}` filled in."""
    translated = _catalogue.get(text, text)
    return translated.format(**values) if values else translated


def language() -> str:
    """The chosen language."""
    return "zh" if _catalogue else "en"


def choose(name: str) -> None:
    """Chooses a language of `LANGUAGES` for this process."""
    _catalogue.clear()
    if name == "zh":
        _catalogue.update(CHINESE)


def take(
    arguments: Sequence[str], environment: Mapping[str, str] = os.environ
) -> tuple[str, list[str]]:
    """The language that is asked for, else the environment's, and the arguments without it.

    A language that does not exist stays among the arguments, where it is refused as usual.
    """
    rest = list(arguments)
    for position, argument in enumerate(rest):
        name, equals, value = argument.partition("=")
        if name != "--lang":
            continue
        end = position + (1 if equals else 2)
        chosen = value if equals else "".join(rest[position + 1 : end])
        if chosen in LANGUAGES:
            return chosen, rest[:position] + rest[end:]
    return _of_environment(environment), rest


def _of_environment(environment: Mapping[str, str]) -> str:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"
