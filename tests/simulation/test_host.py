"""The host of a simulated node: its writes wait for one another and for space."""

from itertools import pairwise

import pytest

from bubi import core
from bubi.simulation import runner
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


@pytest.mark.parametrize("name", ["sync_error", "disk_full"])
def test_a_fault_of_a_disk_counts_when_something_meets_it(name: str) -> None:
    cluster = Cluster(7, 4, engine="pbft", classes=(name,))
    nemesis = cluster.nemesis
    strike = nemesis._strikes[name]
    place = cluster.places[0]
    # Nobody writes yet.
    cluster.start_node(place)
    assert strike()
    assert cluster.injected[name] == 0
    nemesis.met(place, name)
    assert cluster.injected[name] == 1
    # Every further write into the same full disk is that strike.
    nemesis.met(place, name)
    nemesis.met(cluster.places[1], name)
    assert cluster.injected[name] == 1


@pytest.mark.parametrize("name", ["sync_error", "disk_full"])
def test_strikes_of_disks_are_those_that_disks_saw(name: str) -> None:
    cluster = Cluster(7, 4, engine="pbft", classes=(name,))
    result = cluster.run()
    assert result.violations == ()
    counter = {"sync_error": "errors", "disk_full": "no_space"}[name]
    seen = sum(place.disk.counts[counter] for place in cluster.places)
    assert 0 < result.injected[name] <= seen


def test_a_second_machine_with_one_key_counts_when_it_signs() -> None:
    cluster = Cluster(3, 4, engine="pbft", classes=("twin_key",))
    twins = [place for place in cluster.places if place.twin]
    assert len(twins) == 1
    assert cluster.injected["twin_key"] == 0
    signed = cluster.run().injected["twin_key"]
    assert signed > 10


def test_a_class_that_no_size_can_meet_says_why() -> None:
    totals = runner.Totals("pbft")
    totals.sizes = {4}
    totals.demand(["exclusion", "drop"])
    assert totals.details == [
        "no fault of class exclusion was injected: it needs 5 nodes at least",
        "no fault of class drop was injected",
    ]
    totals = runner.Totals("pbft")
    totals.sizes = {4, 7}
    totals.demand(["exclusion"])
    assert totals.details == ["no fault of class exclusion was injected"]
    totals = runner.Totals("pbft")
    totals.sizes = {1}
    totals.demand(["drop"])
    assert totals.details == ["no fault of class drop was injected: it needs more than one node"]
