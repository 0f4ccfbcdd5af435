"""Reasons of a node that does not decide, in both languages."""

import re
from collections.abc import Iterator

import pytest

from bubi.cli import messages, reasons, why


@pytest.fixture
def chinese() -> Iterator[None]:
    messages.choose("zh")
    yield
    messages.choose("en")


def member(name: str, *, missing: bool, vote: object = None) -> dict[str, object]:
    return {
        "name": name, "organisation": f"O{name}", "weight": 1, "missing": missing, "vote": vote,
    }  # fmt: skip


CONSENSUS = {
    "quorum": 3,
    "height": "8",
    "decided": "7",
    "view": "2",
    "catching_up": {"height": "20"},
    "validators": [
        member("a", missing=False, vote={"phase": "commit", "view": "2", "outcome": "ab" * 32}),
        member("b", missing=True),
        member("c", missing=True),
        member("d", missing=False),
    ],
}


def told(code: str, text: str = "its own words") -> str:
    return reasons.in_words({"code": code, "text": text}, CONSENSUS)


def test_english_reasons_name_the_same_as_the_node() -> None:
    assert told("no_quorum") == (
        "no_quorum: votes of weight 3 are needed and 2 are there; missing: b (Ob), c (Oc)"
    )
    assert "height 8" in told("stalled")
    assert "a commit in view 2 with outcome abababab" in told("stalled")
    assert told("catching_up") == "catching_up: at height 7 of 20, fetching the rest"
    assert told("unheard_of") == "unheard_of: its own words"


def test_chinese_reasons_have_no_english_sentence(chinese: None) -> None:
    for code in reasons._WORDS:
        line = told(code, "")
        rest = line.removeprefix(f"{code}: ")
        assert re.search("[\u4e00-\u9fff]", rest), line
        # Names, codes and phases are not translated.
        assert not re.search(r"[a-z]+ [a-z]+ [a-z]+", rest), line


@pytest.mark.parametrize("code", ["storage_full", "diverged", "engine_down", "failed"])
def test_what_only_the_node_knows_stays_as_it_said_it(code: str, chinese: None) -> None:
    assert told(code, "/data/log-3").endswith("(/data/log-3)")


def test_an_engine_that_is_not_here_has_a_cure(chinese: None) -> None:
    cured = why.cure(["engine_unknown: acme.quick"], [], [])
    assert re.search("[\u4e00-\u9fff]", cured)
    assert cured != why.cure(["failed: x"], [], [])


def test_without_an_account_of_consensus_the_words_of_the_node_are_kept(chinese: None) -> None:
    line = reasons.in_words({"code": "no_quorum", "text": "missing: b"}, {})
    assert line.endswith("(missing: b)")
    assert re.search("[\u4e00-\u9fff]", line)
