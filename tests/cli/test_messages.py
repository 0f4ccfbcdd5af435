"""Every text for people exists in both languages with the same names to fill in."""

import ast
import string
from pathlib import Path

import pytest

import bubi.cli
from bubi.cli import messages
from bubi.cli.chinese import CHINESE

FOLDER = Path(bubi.cli.__file__).parent


def texts():
    found = {}
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "_"
            ):
                argument = node.args[0]
                assert isinstance(argument, ast.Constant), (
                    f"{file.name}:{node.lineno}: not a plain text"
                )
                found[argument.value] = f"{file.name}:{node.lineno}"
    return found


def names(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_text_has_a_chinese_one():
    missing = {text: where for text, where in texts().items() if text not in CHINESE}
    assert not missing


def test_no_translation_is_left_over():
    assert set(CHINESE) <= set(texts())


def test_translations_fill_in_the_same_names():
    assert {
        text for text, translated in CHINESE.items() if names(text) != names(translated)
    } == set()


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        ([], {}, "en"),
        ([], {"LANG": "zh_CN.UTF-8"}, "zh"),
        ([], {"LANG": "de_DE.UTF-8"}, "en"),
        ([], {"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        (["--lang", "zh", "status"], {"LANG": "en_GB.UTF-8"}, "zh"),
        (["status", "--lang=en"], {"LANG": "zh_CN.UTF-8"}, "en"),
    ],
)
def test_the_option_wins_over_the_environment(arguments, environment, expected):
    language, rest = messages.take(arguments, environment)
    assert language == expected
    assert rest == [one for one in arguments if one == "status"]


def test_an_unknown_language_is_left_for_the_commands_to_refuse():
    assert messages.take(["--lang", "xx"], {}) == ("en", ["--lang", "xx"])
    assert messages.take(["--lang"], {}) == ("en", ["--lang"])


def test_choosing_a_language_changes_the_texts():
    try:
        messages.choose("zh")
        assert messages._("yes") == "是"
    finally:
        messages.choose("en")
    assert messages._("yes") == "yes"
