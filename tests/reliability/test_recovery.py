"""The judge of recoveries: nodes are waited for together, and one that comes late is refused."""

import time
from types import SimpleNamespace

import pytest
import recovery


def test_nodes_share_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    monkeypatch.setattr(recovery, "wait_height", lambda _node, _height, left: given.append(left))
    began = time.monotonic() - 30.0
    assert recovery.wait_level(["one", "other"], 5, began, 1_000.0) >= 30.0
    assert len(given) == 2
    assert max(given) <= 970.0, "what passed since the end of the fault counts for each"
    with pytest.raises(AssertionError, match="after the fault, more than 20 s"):
        recovery.wait_level(["one"], 5, began, 20.0)


def test_what_was_acknowledged_before_is_no_recovery() -> None:
    order: list[str] = []
    run = SimpleNamespace(
        journal=SimpleNamespace(read=lambda: order.append("read")),
        take=lambda _wanted: order.append("take"),
    )
    assert recovery.wait_decided(run, time.monotonic(), 1_000.0) < 1_000.0
    assert order == ["read", "take"]
    with pytest.raises(AssertionError, match="after the fault"):
        recovery.wait_decided(run, time.monotonic() - 11.0, recovery.RECOVERY_SECONDS)
