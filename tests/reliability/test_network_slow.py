"""A node that is stopped for a while, one that is ten times slower, and links that misbehave."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster import COUNT, Cluster, DutyCycle, Run, position, under_load
from harness import Node
from links import Links
from recovery import PATIENCE, RECOVERY_SECONDS, judged, wait_decided, wait_level

RATE = 250
RATE_LONG = 1_000
SHARE_KEPT = 0.8
"""Throughput with one slow node, against that without, as promised.

The load here is far below what four nodes carry: this finds a network that waits for its slow
node. How much of the most that it carries is left tells `benchmarks/figures.py`, row `slow`.
"""


def other_than(place: int) -> list[int]:
    return [one for one in range(COUNT) if one != place]


@judged
def test_a_node_that_was_stopped_catches_up(tmp_path: Path, limit: float) -> None:
    cluster = Cluster.make(tmp_path, 11, {"turn_blocks": 16})
    with under_load(cluster, tmp_path, RATE) as run:
        run.take(200)
        leader = cluster.leader()
        assert leader is not None
        for victim in (leader, (leader + 2) % COUNT):
            node = cluster.nodes[victim]
            assert node.process is not None
            node.process.send_signal(signal.SIGSTOP)
            # The three others decide, whoever led.
            run.take(600)
            height = max(position(cluster.nodes[one])[0] for one in other_than(victim))
            node.process.send_signal(signal.SIGCONT)
            took = wait_level([node], height, time.monotonic(), limit)
            run.take(100)
            print(f"stopped: level {took:.2f} s after it went on")  # noqa: T201


@contextmanager
def slow_leader(run: Run, limit: float) -> Iterator[None]:
    """Slows down the worst choice, the node that leads; at the end it must become level."""
    cluster = run.cluster
    victim = cluster.leader()
    assert victim is not None
    node = cluster.nodes[victim]
    assert node.process is not None
    cycle = DutyCycle(node.process)
    try:
        yield
    finally:
        cycle.end()
    began = time.monotonic()
    height = max(position(cluster.nodes[one])[0] for one in other_than(victim))
    took = wait_level([node], height, began, limit)
    print(f"one node ten times slower: level {took:.2f} s after")  # noqa: T201


def test_one_slow_node(tmp_path: Path) -> None:
    """The others go on: how fast is not judged where other work may share the machine."""
    cluster = Cluster.make(tmp_path, 12)
    with under_load(cluster, tmp_path, RATE) as run:
        run.take(300)
        with slow_leader(run, PATIENCE):
            run.take(1_500)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_one_slow_node_long(tmp_path: Path) -> None:
    seconds = 60.0
    cluster = Cluster.make(tmp_path, 12)
    with under_load(cluster, tmp_path, RATE_LONG) as run:
        run.take(300)
        whole = run.count(seconds)
        with slow_leader(run, RECOVERY_SECONDS):
            slowed = run.count(seconds)
        print(f"{slowed / whole:.2f} of the throughput ({whole}, {slowed})")  # noqa: T201
        assert slowed >= SHARE_KEPT * whole


def one_node_cut_off(run: Run, links: Links, victim: int, wanted: int, limit: float) -> None:
    """The three others go on; the one cut off does not, and is level soon after the cure."""
    cluster, node = run.cluster, run.cluster.nodes[victim]
    links.cut(links.of(victim))
    run.take(50)  # what was under way while the links were cut
    (before,) = settled([node])
    run.take(wanted)
    alone = position(node)[0]
    others = max(position(cluster.nodes[one])[0] for one in other_than(victim))
    assert alone <= before + 1 < others, (before, alone, others)
    links.heal(links.of(victim))
    took = wait_level([node], others, time.monotonic(), limit)
    run.take(100)
    print(f"cut off: {others - alone} blocks behind, level {took:.2f} s after")  # noqa: T201


def settled(nodes: Sequence[Node]) -> list[int]:
    """Heights once what was under way has ended: the same for two seconds."""
    ends = time.monotonic() + PATIENCE
    seen: list[int] = []
    while (now := [position(node)[0] for node in nodes]) != seen:
        assert time.monotonic() < ends, f"still deciding: {seen}, {now}"
        seen = now
        time.sleep(2.0)
    return seen


def no_quorum_on_either_side(run: Run, links: Links, seconds: float, limit: float) -> None:
    """Two and two: nobody decides anything, and nothing that was waiting is lost."""
    nodes = run.cluster.nodes
    across = [link for (one, other), link in links.between.items() if one // 2 != other // 2]
    links.cut(across)
    still = settled(nodes)
    time.sleep(seconds)
    after = [position(node)[0] for node in nodes]
    # What had arrived before the cut may decide one more on a machine that was late with it.
    assert max(after) <= max(still) + 1 and min(after) >= min(still), (still, after)
    links.heal(across)
    took = wait_decided(run, time.monotonic(), limit)
    print(f"halves: decides again {took:.2f} s after")  # noqa: T201
    run.take(200)


@judged
def test_links_that_are_slow_lossy_and_cut(tmp_path: Path, limit: float) -> None:
    cluster = Cluster.make(tmp_path, 13, {"turn_blocks": 16})
    with Links(cluster.ports) as links:
        cluster.join_by(links)
        with under_load(cluster, tmp_path, RATE, other_than(3)) as run:
            run.take(200)
            passed = [link.passed for link in links.all()]
            assert sum(1 for count in passed if count) >= 6, "each pair talks through a relay"
            links.condition(links.all(), delay=0.05, jitter=0.02)
            run.take(400)
            links.condition(links.all(), delay=0.02, jitter=0.02, loss=0.02)
            run.take(400)
            links.condition(links.all())
            one_node_cut_off(run, links, 3, 600, limit)
            no_quorum_on_either_side(run, links, 3.0, limit)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_links_cut_for_so_long_that_connections_end(tmp_path: Path) -> None:
    cluster = Cluster.make(tmp_path, 17, {"turn_blocks": 16})
    with Links(cluster.ports) as links:
        cluster.join_by(links)
        with under_load(cluster, tmp_path, RATE, other_than(3)) as run:
            run.take(200)
            for seconds in (20.0, 60.0):
                links.cut(links.of(3))
                time.sleep(seconds)
                run.take(100)
                height = max(position(cluster.nodes[one])[0] for one in other_than(3))
                assert position(cluster.nodes[3])[0] < height
                links.heal(links.of(3))
                healed = time.monotonic()
                took = wait_level([cluster.nodes[3]], height, healed, RECOVERY_SECONDS)
                print(f"cut for {seconds:.0f} s: level {took:.2f} s after")  # noqa: T201
            for seconds in (20.0, 60.0):
                links.cut(links.all())
                time.sleep(seconds)
                links.heal(links.all())
                took = wait_decided(run, time.monotonic(), RECOVERY_SECONDS)
                print(f"all cut for {seconds:.0f} s: decides {took:.2f} s after")  # noqa: T201
                run.take(200)
