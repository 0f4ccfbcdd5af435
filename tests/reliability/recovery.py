"""How long nodes may take to be level again after a fault, and how that is judged.

The promise is RECOVERY_SECONDS from the end of the fault. Tests of the normal run wait for minutes
instead, because other work may share the machine; the long ones hold the promise.
"""

import time
from collections.abc import Sequence

import pytest
from cluster import Run, wait_height
from harness import Node

PATIENCE = 240.0
"""Longest recovery in the normal run."""
RECOVERY_SECONDS = 10.0
"""Longest recovery that is promised."""


def in_time(began: float, limit: float) -> float:
    """The seconds since the end of a fault, which must be fewer than the limit."""
    took = time.monotonic() - began
    assert took < limit, f"recovered {took:.2f} s after the fault, more than {limit:g} s"
    return took


def wait_level(nodes: Sequence[Node], height: int, began: float, limit: float) -> float:
    """Waits until all of these have a height: together, not each, within the limit.

    Args:
        nodes: What was hit by the fault.
        height: What the network had decided when the fault ended.
        began: When it ended, by the monotonic clock.
        limit: Seconds from there.
    """
    for node in nodes:
        wait_height(node, height, limit - (time.monotonic() - began))
    return in_time(began, limit)


def wait_decided(run: Run, began: float, limit: float) -> float:
    """Waits until something that was acknowledged after the end of a fault; as `wait_level`."""
    # What stands in the journal may have been acknowledged before.
    run.journal.read()
    run.take(1)
    return in_time(began, limit)


judged = pytest.mark.parametrize(
    "limit",
    [
        pytest.param(PATIENCE, id="patient"),
        pytest.param(RECOVERY_SECONDS, id="promised", marks=pytest.mark.long),
    ],
)
"""A test that runs twice: with patience, and marked long within what is promised."""
