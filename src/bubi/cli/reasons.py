"""Why a node does not work, for people in their language.

A node states each reason as a code and an English sentence. What the sentence says is built again
here from the figures beside it; where it names what only that node knows, such as a file, the
code's meaning stands in front of the node's own words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bubi.cli.messages import _

Told = Mapping[str, Any]


def in_words(reason: Told, consensus: Told) -> str:
    """A reason as a line; `consensus` is the node's account of consensus."""
    code = str(reason["code"])
    words = _WORDS.get(code)
    if words is None:
        return f"{code}: {reason['text']}"
    complete = words(consensus)
    return f"{code}: {complete}" if complete else f"{code}: {_meaning(code)} ({reason['text']})"


def _no_quorum(consensus: Told) -> str:
    validators = list(consensus.get("validators") or ())
    quorum = consensus.get("quorum")
    if quorum is None or not all("weight" in one for one in validators):
        return ""
    absent = [one for one in validators if one["missing"]]
    present = sum(one["weight"] for one in validators) - sum(one["weight"] for one in absent)
    return _(
        "votes of weight {quorum} are needed and {present} are there; missing: {names}",
        quorum=quorum,
        present=present,
        names=", ".join(f"{one['name']} ({one['organisation']})" for one in absent),
    )


def _stalled(consensus: Told) -> str:
    votes = [
        _vote(one["name"], one["vote"])
        for one in consensus.get("validators") or ()
        if one["vote"] is not None
    ]
    return _(
        "height {height} is not decided though transactions wait, view {view}: {votes}",
        height=consensus.get("height"),
        view=consensus.get("view"),
        votes="; ".join(votes) or _("no votes were heard"),
    )


def _vote(name: str, vote: Told) -> str:
    text = _("{name} {phase} in view {view}", name=name, phase=vote["phase"], view=vote["view"])
    if not vote["outcome"]:
        return text
    return _("{vote} with outcome {outcome}", vote=text, outcome=vote["outcome"][:8])


def _catching_up(consensus: Told) -> str:
    target = consensus.get("catching_up")
    if target is None or "height" not in target:
        return ""
    return _(
        "at height {height} of {target}, fetching the rest",
        height=consensus.get("decided"),
        target=target["height"],
    )


def _only_its_words(_consensus: Told) -> str:
    return ""


def _meaning(code: str) -> str:
    known = {
        "no_quorum": _("too few votes can be reached"),
        "catching_up": _("the node fetches blocks that others have"),
        "starting": _("the node is starting"),
        "stopping": _("the node is stopping"),
        "storage_full": _("the disk is full"),
        "diverged": _("this node computed another outcome than the others"),
        "guard_silent": _("the two records of its votes disagree"),
        "engine_unknown": _("this version does not know the engine in force"),
        "engine_down": _("CometBFT is not connected"),
        "engine_refused": _("CometBFT gave something that the ledger refuses"),
        "failed": _("the node failed"),
        "change_unsupported": _("an approved change needs a newer version of this node"),
    }
    return known[code]


_WORDS: Final[Mapping[str, Callable[[Told], str]]] = {
    "no_quorum": _no_quorum,
    "stalled": _stalled,
    "catching_up": _catching_up,
    **dict.fromkeys(
        (
            "starting",
            "stopping",
            "storage_full",
            "diverged",
            "guard_silent",
            "engine_unknown",
            "engine_down",
            "engine_refused",
            "failed",
            "change_unsupported",
        ),
        _only_its_words,
    ),
}
