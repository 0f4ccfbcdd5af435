"""What a node says about a network that decides, stands still, or leaves it behind."""

from dataclasses import replace

import pytest

from bubi.consensus.engine import Progress
from bubi.messages import Link, Status
from bubi.node.explain import Explainer
from bubi.node.health import Health
from bubi.replica.view import HeardStatus, MemberView, ReplicaView
from bubi.sync import SyncCounters

NAMES = ("a", "b", "c", "d")


def heard(index: int, seconds: int) -> HeardStatus:
    status = Status(
        bytes([index]) * 32, NAMES[index], f"org {NAMES[index]}", index, 1, 1_000, 7, b"", b"", 3,
        0, 90, (),
    )  # fmt: skip
    return HeardStatus(status, seconds)


def view(*silent: int, **more: object) -> ReplicaView:
    """The view of validator a, with others not heard for so many seconds."""
    seconds = (0, *silent, *[1] * 3)[:4]
    members = tuple(
        MemberView(
            index, name, f"org {name}", 1, index == 0, seconds[index] < 12,
            None if index == 0 else heard(index, seconds[index]),
        )
        for index, name in enumerate(NAMES)
    )  # fmt: skip
    made = ReplicaView(
        height=8, tip=7, round=3, leader=1, phase="waiting", progress=None, members=members,
        quorum=3, peers=(), observers=(), unordered=0, own_unordered=0, missing=0, work=False,
        in_sync=True, target=7, quiet_seconds=0, silent=None, halted=None, counters=SyncCounters(),
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


class Clock:
    """A clock that a test sets."""

    now = 5_000

    def now_ms(self) -> int:
        return self.now


class World:
    """An explainer that sees what a test shows."""

    def __init__(self) -> None:
        self.shown = view()
        self.health = Health()
        self.health.clear("starting")
        self.clock = Clock()
        self.explainer = Explainer(self, self.health, self.clock, list, list, dict)

    def view(self) -> ReplicaView:
        return self.shown

    def codes(self, shown: ReplicaView) -> list[str]:
        self.shown = shown
        self.explainer.look()
        return [reason.code for reason in self.health.reasons]


@pytest.mark.parametrize(
    ("shown", "codes"),
    [
        (view(), []),
        (view(13), []),
        (view(13, 20), ["no_quorum"]),
        (view(12, 12), []),
        (view(work=True, quiet_seconds=15), []),
        (view(work=True, quiet_seconds=16), ["stalled"]),
        (view(work=False, quiet_seconds=999), []),
        (view(13, 20, work=True, quiet_seconds=16), ["no_quorum"]),
        (view(in_sync=False, target=9), []),
        (view(in_sync=False, target=10), ["catching_up"]),
    ],
)
def test_reasons(shown: ReplicaView, codes: list[str]) -> None:
    world = World()
    assert world.codes(shown) == codes
    assert world.codes(view()) == []


def test_the_missing_are_named_since_the_halt_began() -> None:
    world = World()
    world.codes(view(13, 20))
    world.clock.now = 9_000
    told = world.explainer.consensus()
    assert told["halted"] is True
    assert told["since"] == "5000"
    assert [one["name"] for one in told["validators"] if one["missing"]] == ["b", "c"]
    assert world.explainer.missing() == ["b", "c"]
    assert "b (org b), c (org c)" in told["reasons"][0]["text"]
    assert world.health.blocking() is None, "transactions wait in the pool meanwhile"
    world.shown = view()
    assert world.explainer.consensus()["since"] is None


def test_a_warning_is_no_halt() -> None:
    world = World()
    world.health.warn("change_unsupported", "install a newer version")
    told = world.explainer.consensus()
    assert (told["halted"], told["reasons"]) == (False, [])
    assert told["warnings"] == [{"code": "change_unsupported", "text": "install a newer version"}]
    assert world.health.ready
    world.health.clear_warning("change_unsupported")
    assert world.explainer.consensus()["warnings"] == []


OWN = b"\xaa" * 32


def left(shown: ReplicaView, index: int, *, knew: bool = True) -> ReplicaView:
    """The same, and the connection to a member has ended that its last status still named."""
    members = list(shown.members)
    before = members[index].heard
    assert before is not None
    links = (Link(OWN if knew else b"\xbb" * 32, 100),)
    said = HeardStatus(replace(before.status, links=links), before.seconds_ago)
    members[index] = replace(members[index], connected=False, heard=said)
    return replace(shown, members=tuple(members), node=OWN)


def stuck(*spoke: int, quiet: int = 4, **more: object) -> ReplicaView:
    """A height that stands still, at which these members have said something."""
    seen = tuple((index, "change", 3, b"") for index in spoke)
    progress = Progress(8, 3, 1, "waiting", seen)
    fields = {"work": True, "quiet_seconds": quiet, "progress": progress, **more}
    return view(3, 1, **fields)


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        # Its connection ended, perhaps only that to this node: the others pass on what it says.
        (left(view(12), 1), []),
        (left(view(13), 1), ["b"]),
        (left(view(13), 1, knew=False), ["b"]),
        (view(12), []),
        # Nothing is decided, the others have spoken: told at once.
        (left(stuck(0, 2, 3), 1), ["b"]),
        (left(stuck(0, 1, 3), 2), []),
        (left(stuck(0, 1, 2, 3), 1), []),
        (left(stuck(0), 1), []),
        (left(stuck(0, 2, quiet=3), 1), []),
        (left(stuck(0, 2, work=False), 1), []),
        (left(stuck(0, 2, in_sync=False), 1), []),
        (left(stuck(0, 2), 1, knew=False), []),
        (stuck(0, 2), []),
    ],
)
def test_who_left_is_missed_soon(shown: ReplicaView, missing: list[str]) -> None:
    world = World()
    world.shown = shown
    assert world.explainer.missing() == missing


def test_different_outcomes_are_listed_by_validator() -> None:
    seen = ((1, "commit", 3, b"\1" * 32), (2, "commit", 3, b"\2" * 32))
    progress = Progress(8, 3, 1, "waiting", seen)
    world = World()
    world.shown = view(work=True, quiet_seconds=20, progress=progress)
    told = world.explainer.consensus()
    votes = {one["name"]: one["vote"] for one in told["validators"] if one["vote"]}
    assert votes["b"] == {"phase": "commit", "view": "3", "outcome": "01" * 32}
    assert votes["c"]["outcome"] == "02" * 32
    assert "b commit in view 3 with outcome 01010101" in told["reasons"][0]["text"]


def test_a_node_that_catches_up_has_not_halted() -> None:
    world = World()
    world.shown = view(in_sync=False, target=100)
    told = world.explainer.consensus()
    assert told["halted"] is False
    assert told["catching_up"] == {"height": "100"}
    assert not world.health.ready


def test_a_silent_guard_is_a_halt() -> None:
    world = World()
    world.shown = view(silent="the two places disagree")
    assert world.explainer.consensus()["halted"] is True


def test_all_known_nodes_are_listed() -> None:
    world = World()
    observer = replace(heard(3, 1).status, node=b"\x09" * 32, name="watcher", validator=None)
    world.shown = view(observers=(HeardStatus(observer, 1),))
    peers = world.explainer.peers()
    assert [(one["name"], one["role"], one["state"]) for one in peers] == [
        ("b", "validator", "heard_of"),
        ("c", "validator", "heard_of"),
        ("d", "validator", "heard_of"),
        ("watcher", "observer", "heard_of"),
    ]
    assert {"id", "name", "state", "rtt_ms", "reason"} <= set(peers[0])
