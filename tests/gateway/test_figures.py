"""Prometheus text to values, rates and quantiles, with the registry that the nodes use."""

from bubi.gateway.monitoring.catalogue import CATALOGUE, samples
from bubi.gateway.monitoring.figures import Scrape, increase, parse, quantile, rate
from bubi.node.metrics import Metrics


def scrape(metrics: Metrics, at: int) -> Scrape:
    return parse(metrics.render(dict, host=True).decode(), at)


def test_counters_become_rates_and_begin_anew_after_a_restart() -> None:
    metrics = Metrics()
    metrics.refused.labels("pool_full").inc(10)
    before = scrape(metrics, 0)
    metrics.refused.labels("pool_full").inc(20)
    metrics.refused.labels("too_large").inc(5)
    after = scrape(metrics, 5_000)
    assert rate(before, after, "bubi_refused_total", code="pool_full") == 4
    assert increase(before, after, "bubi_refused_total") == 25
    fresh = Metrics()
    fresh.refused.labels("pool_full").inc(3)
    assert increase(after, scrape(fresh, 10_000), "bubi_refused_total") == 3


def test_quantiles_are_of_what_came_between() -> None:
    metrics = Metrics()
    for _ in range(100):
        metrics.door.time_to_final.observe(200)
    before = scrape(metrics, 0)
    for number in range(100):
        metrics.door.time_to_final.observe(0.9 if number < 90 else 20.0)
    after = scrape(metrics, 5_000)
    middle = quantile(before, after, "bubi_time_to_final_seconds", 0.5)
    assert middle is not None
    assert 0.5 <= middle <= 1
    high = quantile(before, after, "bubi_time_to_final_seconds", 0.95)
    assert high is not None
    assert 10 <= high <= 30
    assert quantile(after, after, "bubi_time_to_final_seconds", 0.5) is None


def test_what_lies_above_the_last_bound_counts_as_it() -> None:
    metrics = Metrics()
    before = scrape(metrics, 0)
    metrics.door.time_to_final.observe(1e6)
    assert quantile(before, scrape(metrics, 1), "bubi_time_to_final_seconds", 0.99) == 300


def names_of(metrics: Metrics) -> dict[str, set[str]]:
    """Labels of every sample name that a node can give."""
    found: dict[str, set[str]] = {}
    for registry in (metrics.registry, metrics.host_registry):
        for collector in registry._collector_to_names:
            for name in registry._collector_to_names[collector]:
                found[name] = set(getattr(collector, "_labelnames", ()))
    return found


FILLED_WHEN_ASKED = {"height", "peers", "missing_validators", "pool_transactions",
                     "pool_oldest_seconds", "verification_backlog_bytes",
                     "store_signatures_verified"}  # fmt: skip


def test_every_kept_series_is_of_a_metric_that_exists() -> None:
    known = names_of(Metrics())
    for one in CATALOGUE:
        if one.metric.removeprefix("bubi_") in FILLED_WHEN_ASKED:
            assert not one.label
            continue
        assert one.metric in known, one.name
        wanted = {one.label, *(label for label, _ in one.where)} - {""}
        assert wanted <= known[one.metric], one.name
        assert len(known[one.metric]) >= len(wanted)


def test_names_of_series_are_unique() -> None:
    assert len({one.name for one in CATALOGUE}) == len(CATALOGUE)


def test_a_look_becomes_samples_of_its_node() -> None:
    metrics = Metrics()
    metrics.set_gauge("height", 7)
    metrics.peers.round_trip.labels("node2").set(0.002)
    metrics.admitted.inc(5)
    before = scrape(metrics, 0)
    metrics.admitted.inc(10)
    after = scrape(metrics, 5_000)
    found = {(key.name, key.label): value for key, value in samples("node1", before, after)}
    assert found["height", ""] == 7
    assert found["rtt_seconds", "node2"] == 0.002
    assert found["admitted_per_second", ""] == 2
    assert all(key.node == "node1" for key, _ in samples("node1", None, after))
    assert ("admitted_per_second", "") not in {
        (key.name, key.label) for key, _ in samples("node1", None, after)
    }
