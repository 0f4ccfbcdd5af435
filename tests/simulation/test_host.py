"""The host of a simulated node: its writes wait for one another and for space."""

from itertools import pairwise

import pytest

from bubi import core
from bubi.simulation.cluster import Cluster
from bubi.simulation.host import FULL_RETRY
from bubi.simulation.ledger import Ledger

REFUSALS = 5


def test_an_append_that_finds_no_space_waits_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new segment of the log needs space before anything is synced."""
    cluster = Cluster(7, 4, engine="pbft", classes=())
    refused: list[int] = []
    first: list[Ledger] = []
    real = Ledger.append

    def append(self: Ledger, kind: int, height: int, data: bytes) -> None:
        if len(refused) < REFUSALS and (not refused or self is first[0]):
            first.append(self)
            refused.append(cluster.scheduler.now)
            raise core.StorageFull("storage_full", "no space")
        real(self, kind, height, data)

    monkeypatch.setattr(Ledger, "append", append)
    result = cluster.run()
    assert result.violations == ()
    assert result.marks["write_refused_for_space"] == REFUSALS
    waited = {after - before for before, after in pairwise(refused)}
    assert waited == {FULL_RETRY}
    assert result.heights >= 30
