"""The benchmarks run and report what they promise; their figures are not judged here."""

import pytest
from network import command

from bubi.cli.bench_profile import STAGES


def test_bench_verify_reports_a_rate_with_and_without_bad_signatures():
    said = command(
        "bench", "verify", "--count", "2000", "--batch", "500", "--rounds", "3", "--json"
    )
    assert said.status == 0, said.err
    fields = said.json
    assert {"verifications_per_second", "cores", "algorithm", "backend", "batch"} <= set(fields)
    assert fields["verifications_per_second"] > 0
    assert fields["with_bad_per_second"] > 0


def test_bench_verify_reports_the_spread_of_both():
    said = command("bench", "verify", "--count", "500", "--rounds", "3", "--json")
    assert said.status == 0, said.err
    fields = said.json
    low, high = fields["with_bad_spread"]
    assert 0 < low <= fields["with_bad_per_second"] <= high
    assert fields["slowest_per_second"] <= fields["verifications_per_second"]


@pytest.mark.parametrize("suite", ["standard", "national"])
def test_bench_ledger_reports_what_is_promised(suite):
    said = command(
        "bench", "ledger", "--accounts", "1000", "--block-size", "100", "--blocks", "2",
        "--rounds", "2", "--suite", suite, "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    fields = said.json
    promised = {
        "accounts", "block_size", "prechecked_per_second", "signed_per_second",
        "verifications_per_second", "ratio", "root_ms_per_block", "fsyncs", "rss_bytes",
        "start_seconds",
    }  # fmt: skip
    assert promised <= set(fields)
    assert (fields["accounts"], fields["block_size"], fields["suite"]) == (1_000, 100, suite)
    assert fields["blocks"] == 4
    # The issuer and each account: a header and a holding or the quota of what it did.
    assert fields["cells"] > 2_000
    assert fields["fsyncs"] >= fields["blocks"]
    for name in ("prechecked", "prechecked_round", "signed"):
        low, high = fields[f"{name}_spread"]
        assert 0 < low <= fields[f"{name}_per_second"] <= high, name
    assert fields["signed_per_second"] == pytest.approx(
        fields["ratio"] * fields["verifications_per_second"], rel=0.2
    )
    assert min(fields["root_ms_per_block"], fields["rss_bytes"]) > 0
    assert fields["start_seconds"] >= 0, "of so few accounts it may take next to nothing"


def test_bench_refuses_a_suite_that_there_is_not():
    for name in ("ledger", "api"):
        said = command("bench", name, "--suite", "imperial", "--json")
        assert (said.status, said.json["error"]["code"]) == (2, "usage"), name
        assert "national" in said.err


@pytest.mark.parametrize("suite", ["standard", "national"])
def test_bench_api_loads_a_real_node_without_failures(suite):
    said = command(
        "bench", "api", "--transactions", "3000", "--request", "500", "--singles", "300",
        "--connections", "8", "--offered", "0.2", "--suite", suite, "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    fields = said.json
    assert fields["suite"] == suite
    assert fields["failures"] == 0
    assert fields["bulk_per_second"] > 0
    assert fields["single_per_second"] > 0
    assert 0 < fields["p50_ms"] <= fields["p99_ms"]


def test_bench_network_measures_four_real_nodes(tmp_path):
    page = tmp_path / "page.md"
    said = command(
        "bench", "network", "--accounts", "40", "--seconds", "2", "--rate", "100",
        "--request", "20", "--profile", "--page", page, "--json",
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
    told = page.read_text(encoding="utf-8")
    assert f"| {fields['p99_ms']} ms |" in told
    assert "CPU time of one validator per transaction" in told
    assert "`bubi bench network --accounts 40 --seconds 2 --rate 100 --request 20" in told
    assert all(count > 0 for count in fields["fsyncs"] + fields["rss_bytes"])
    assert fields["cpu_s_per_1000_nodes"] > fields["cpu_s_per_1000_generator"] > 0
    stages = fields["profile"]["stages"]
    assert tuple(stages) == STAGES
    # Threads that used less than a tick of the clock count as the rest.
    assert 0.9 < sum(one["share"] for one in stages.values()) < 1.2
    assert stages["engine"]["us_per_transaction"] > 0
    assert isinstance(fields["view_changes"], int), "how many depends on the machine"
    assert all(
        0 < now <= peak
        for now, peak in zip(fields["rss_bytes"], fields["rss_peak_bytes"], strict=True)
    )


def test_bench_network_runs_smallbank_twice_on_one_node():
    said = command(
        "bench", "network", "--nodes", "1", "--workload", "smallbank", "--accounts", "50",
        "--zipf", "0.99", "--seconds", "1", "--rate", "100", "--repeat", "2", "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    fields = said.json
    assert (fields["engine"], fields["workload"], fields["repeat"]) == ("solo", "smallbank", 2)
    # One in five is signed by the customer and by the bank.
    assert fields["signatures_verified"][0] >= 100
    assert (fields["failures"], fields["not_final"]) == (0, {})
    low, high = fields["spread"]["committed_per_second"]
    assert low <= fields["committed_per_second"] <= high


@pytest.mark.long
def test_bench_network_watches_the_recovery_from_an_overload_with_links_that_are_slow():
    said = command(
        "bench", "network", "--accounts", "50", "--seconds", "3", "--rate", "50",
        "--overload", "2", "--delay", "5ms", "--crash", "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    fields = said.json
    assert (fields["delay_ms"], fields["crash"], fields["offered_per_second"]) == (5, True, 100)
    assert len(fields["signatures_verified"]) == 3
    assert fields["overload"]["factor"] == 2
    assert len(fields["overload"]["rss_before_bytes"]) == 3
    assert fields["overload"]["rss_peak_ratio"] >= 1
    assert fields["roots_equal"] is True


@pytest.mark.long
def test_bench_network_soaks_one_node():
    said = command(
        "bench", "network", "--nodes", "1", "--accounts", "50", "--soak", "--rate", "50",
        "--warm-up", "5", "--seconds", "15", "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    fields = said.json
    assert fields["failures"] == 0
    assert len(fields["soak"]["growth_percent_per_hour"]) == 1
    assert len(fields["soak"]["samples"]) >= 3
