"""Why the network decides, or does not: who is missing, who said what, and what the node can tell.

The replica's view is a moment; this module adds the clock: since when, and whether a silence is
long enough to be called a halt. It keeps `/health` up to date and answers `/v1/consensus` and
`/v1/peers`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from bubi.consensus.engine import ReportEvidence
from bubi.messages import Status
from bubi.node.health import Health
from bubi.node.ports import Clock
from bubi.replica.view import MemberView, ReplicaView

LOOK_SECONDS = 1.0
SILENT_SECONDS = 12
"""A validator of which nothing was heard for so long is missing: two statuses and a bit."""
STUCK_SECONDS = 3
"""The same for one whose connection to this node ended and that has said nothing at a height where
nothing is decided for so long, although there is work and others have spoken."""
QUIET_SECONDS = 15
"""So long without a decision although there is work is a halt, whoever is there."""
BEHIND_MIN = 3
"""So many blocks behind the others the node says that it catches up."""

NO_QUORUM = "no_quorum"
STALLED = "stalled"
CATCHING_UP = "catching_up"


class Viewed(Protocol):
    """What can be looked at."""

    def view(self) -> ReplicaView:
        """A moment of it."""
        ...


class Explainer:
    """See the module. Belongs to the event loop's thread."""

    def __init__(
        self,
        replica: Viewed,
        health: Health,
        clock: Clock,
        evidence: Callable[[], Sequence[ReportEvidence]],
        snapshot: Callable[[], Sequence[Mapping[str, Any]]],
        totals: Callable[[], Mapping[str, int]],
    ) -> None:
        self._replica = replica
        self._health = health
        self._clock = clock
        self._evidence = evidence
        self._snapshot = snapshot
        self._totals = totals
        self._since: int | None = None

    async def run(self) -> None:
        """Looks every second, for ever."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Brings the health up to date."""
        view = self._replica.view()
        absent = [one for one in view.members if is_missing(one, view)]
        present = sum(one.weight for one in view.members) - sum(one.weight for one in absent)
        reasons: dict[str, str] = {}
        if present < view.quorum:
            names = ", ".join(f"{one.name} ({one.organisation})" for one in absent)
            reasons[NO_QUORUM] = (
                f"votes of weight {view.quorum} are needed and {present} are there; "
                f"missing: {names}"
            )
        elif view.work and view.quiet_seconds > QUIET_SECONDS and view.target <= view.tip:
            reasons[STALLED] = (
                f"height {view.height} is not decided for {view.quiet_seconds} s, view "
                f"{view.round}: {_votes_in_words(view)}"
            )
        if _is_behind(view) and view.target - view.tip >= BEHIND_MIN:
            reasons[CATCHING_UP] = f"at height {view.tip} of {view.target}, fetching the rest"
        for code in (NO_QUORUM, STALLED, CATCHING_UP):
            if code in reasons:
                self._health.raise_reason(code, reasons[code], blocking=False)
            else:
                self._health.clear(code)
        if not self._halted(view):
            self._since = None
        elif self._since is None:
            self._since = self._clock.now_ms()

    def _halted(self, view: ReplicaView) -> bool:
        codes = {reason.code for reason in self._health.reasons} - {CATCHING_UP}
        return bool(codes) or view.halted is not None or view.silent is not None

    def view(self) -> ReplicaView:
        """A moment of the replica."""
        return self._replica.view()

    def halted(self) -> bool:
        """Whether this node, or the network as it sees it, decides nothing."""
        return self._halted(self._replica.view())

    def consensus(self) -> dict[str, Any]:
        """The document of `/v1/consensus`."""
        self.look()
        view = self._replica.view()
        said = {} if view.progress is None else {one[0]: one for one in view.progress.seen}
        names = {one.index: one.name for one in view.members}
        return {
            "halted": self._halted(view),
            "since": None if self._since is None else str(self._since),
            "height": str(view.height),
            "decided": str(view.tip),
            "view": str(view.round),
            "leader": None if view.leader is None else names.get(view.leader),
            "phase": view.phase,
            "work_waiting": view.work,
            "quorum": view.quorum,
            "validators": [_member(one, said.get(one.index), view) for one in view.members],
            "missing_batches": view.missing,
            "catching_up": {"height": str(view.target)} if _is_behind(view) else None,
            "evidence": [_evidence(one, names) for one in self._evidence()],
            "reasons": [
                {"code": reason.code, "text": reason.text} for reason in self._health.reasons
            ],
            "warnings": [{"code": one.code, "text": one.text} for one in self._health.warnings],
        }

    def missing(self) -> list[str]:
        """Names of the validators whose votes are missing."""
        view = self._replica.view()
        return [one.name for one in view.members if is_missing(one, view)]

    def totals(self) -> dict[str, int]:
        """Totals since the start, for metrics: of the network, and of sync with `sync_` before."""
        counters = self._replica.view().counters
        sync = {f"sync_{name}": getattr(counters, name) for name in counters.__slots__}
        return {**self._totals(), **sync}

    def peers(self) -> list[dict[str, Any]]:
        """The items of `/v1/peers`: all known nodes, connected or only heard of."""
        view = self._replica.view()
        found = {str(one["id"]): dict(one) for one in self._snapshot()}
        heard = [one.heard.status for one in view.members if one.heard is not None and not one.own]
        heard += [one.status for one in view.observers]
        for status in heard:
            entry = found.setdefault(status.node.hex(), _heard_of(status))
            if not entry["organisation"]:
                entry["name"], entry["organisation"] = status.name, status.organisation
            entry["height"] = str(status.height)
            entry["role"] = "observer" if status.validator is None else "validator"
            entry["certificate_days"] = status.certificate_days
        return sorted(found.values(), key=lambda one: (str(one["name"]), str(one["id"])))


def _is_behind(view: ReplicaView) -> bool:
    """Whether it fetches blocks that others credibly have."""
    return not view.in_sync and view.target > view.tip


def is_missing(member: MemberView, view: ReplicaView) -> bool:
    """Whether nothing was heard of a validator lately.

    One that ends ends its connections as well, which is noticed at once. But only its link to this
    node may have ended, and the others pass on what it says when they know that, which takes them
    two statuses. So the end of a connection counts only where the network stands still.
    """
    if member.own:
        return False
    if member.heard is None:
        return not member.connected
    silence = member.heard.seconds_ago
    if silence > SILENT_SECONDS:
        return True
    has_left = not member.connected and _named_this_node(member.heard.status, view)
    return has_left and silence >= STUCK_SECONDS and _is_mute(member, view)


def _named_this_node(status: Status, view: ReplicaView) -> bool:
    """Whether its sender was connected with this node when it said it."""
    return any(link.peer == view.node for link in status.links)


def _is_mute(member: MemberView, view: ReplicaView) -> bool:
    """Whether a height stands still and others have said something at it, unlike this member."""
    if view.progress is None or not view.work or not view.in_sync:
        return False
    own = {one.index for one in view.members if one.own}
    spoke = {index for index, *_ in view.progress.seen}
    return view.quiet_seconds > STUCK_SECONDS and bool(spoke - own) and member.index not in spoke


def _member(
    member: MemberView, said: tuple[int, str, int, bytes] | None, view: ReplicaView
) -> dict[str, Any]:
    status = None if member.heard is None else member.heard.status
    vote = None
    if said is not None:
        _, phase, round_, outcome = said
        vote = {"phase": phase, "view": str(round_), "outcome": outcome.hex() or None}
    return {
        "name": member.name,
        "organisation": member.organisation,
        "weight": member.weight,
        "own": member.own,
        "connected": member.connected,
        "missing": is_missing(member, view),
        "last_seen": None if status is None else str(status.time),
        "seconds_ago": None if member.heard is None else member.heard.seconds_ago,
        "height": None if status is None else str(status.height),
        "view": None if status is None else str(status.round),
        "vote": vote,
    }


def _votes_in_words(view: ReplicaView) -> str:
    if view.progress is None or not view.progress.seen:
        return "no votes were heard"
    names = {one.index: one.name for one in view.members}
    votes = [
        f"{names.get(index, index)} {phase} in view {round_}"
        + (f" with outcome {outcome.hex()[:8]}" if outcome else "")
        for index, phase, round_, outcome in view.progress.seen
    ]
    return "; ".join(votes)


def _evidence(found: ReportEvidence, names: Mapping[int, str]) -> dict[str, Any]:
    request = found.first.request
    return {
        "validator": names.get(found.first.validator, str(found.first.validator)),
        "height": str(request.height),
        "view": str(request.round),
        "phase": request.phase.name.lower(),
    }


def _heard_of(status: Status) -> dict[str, Any]:
    return {
        "id": status.node.hex(),
        "name": status.name,
        "organisation": status.organisation,
        "state": "heard_of",
        "rtt_ms": None,
        "reason": "",
    }
