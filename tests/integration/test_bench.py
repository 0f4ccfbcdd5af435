"""The benchmarks run and report what they promise; their figures are not judged here."""

from network import command


def test_bench_verify_reports_a_rate_with_and_without_bad_signatures():
    said = command(
        "bench", "verify", "--count", "2000", "--batch", "500", "--rounds", "3", "--json"
    )
    assert said.status == 0, said.err
    fields = said.json
    assert {"verifications_per_second", "cores", "algorithm", "backend", "batch"} <= set(fields)
    assert fields["verifications_per_second"] > 0
    assert fields["with_bad_per_second"] > 0


def test_bench_api_loads_a_real_node_without_failures():
    said = command(
        "bench", "api", "--transactions", "3000", "--request", "500", "--singles", "300",
        "--connections", "8", "--offered", "0.2", "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    fields = said.json
    assert fields["failures"] == 0
    assert fields["bulk_per_second"] > 0
    assert fields["single_per_second"] > 0
    assert 0 < fields["p50_ms"] <= fields["p99_ms"]


def test_bench_network_measures_four_real_nodes():
    said = command(
        "bench", "network", "--accounts", "40", "--seconds", "2", "--rate", "100",
        "--request", "20", "--profile", "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    fields = said.json
    assert (fields["engine"], fields["nodes"], fields["tls"]) == ("pbft", 4, True)
    assert fields["failures"] == 0
    assert fields["roots_equal"] is True
    assert fields["offered_per_second"] == 100
    assert 0 < fields["committed_per_second"] <= 100
    assert 0 < fields["p50_ms"] <= fields["p95_ms"] <= fields["p99_ms"]
    assert fields["signatures_verified"] == [200] * 4
    assert all(count > 0 for count in fields["fsyncs"] + fields["rss_bytes"])
    assert fields["cpu_s_per_1000_nodes"] > fields["cpu_s_per_1000_generator"] > 0
    assert {"verify", "execute", "write"} <= set(fields["profile"]["threads"])
    assert fields["view_changes"] == 0
    assert all(0 < now <= peak for now, peak in zip(
        fields["rss_bytes"], fields["rss_peak_bytes"], strict=True
    ))


def test_bench_network_overloads_one_node_with_smallbank():
    """Several runs, two phases, groups of two signatures, and a streamed search of accounts."""
    said = command(
        "bench", "network", "--nodes", "1", "--workload", "smallbank", "--accounts", "50",
        "--zipf", "0.99", "--seconds", "1", "--rate", "50", "--overload", "2", "--repeat", "2",
        "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    fields = said.json
    assert (fields["engine"], fields["workload"], fields["repeat"]) == ("solo", "smallbank", 2)
    # 100 in the overload and 4,000 while the recovery is watched.
    assert fields["signatures_verified"][0] >= 4_100
    assert fields["failures"] == 0
    assert fields["offered_per_second"] == 100
    assert set(fields["overload"]["refused"]) == set()
    assert 0 <= fields["overload"]["normal_after_seconds"] <= 40
    low, high = fields["spread"]["committed_per_second"]
    assert low <= fields["committed_per_second"] <= high
