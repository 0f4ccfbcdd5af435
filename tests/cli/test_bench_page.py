"""The page of `bubi bench network`: what it says, and by which promise it judges."""

import pytest

from bubi.cli import bench_network, bench_network_run, bench_page
from bubi.cli.bench_bounds import promises
from bubi.cli.bench_network import Run, Usage
from bubi.cli.output import Failure

NAMES = (
    "bubi_store_fsyncs",
    "bubi_store_guard_fsyncs",
    "bubi_store_signatures_verified",
    "bubi_view_changes_total",
)


def plan(**changed):
    fields = {
        "nodes": 4, "engine": "pbft", "workload": "transfer", "accounts": 10, "zipf": None,
        "rate": None, "seconds": 2.0, "warm_up": 0.0, "request": None, "repeat": 1,
        "crash": False, "slow": False, "delay": 0.0, "overload": None, "soak": False,
    }  # fmt: skip
    return bench_network_run.Plan(**{**fields, **changed})


def a_run():
    run = Run(sent=20_000, seconds=2.0, final=18_000, committed=18_000, blocks=10, heights=10)
    run.latencies = [(0.3, 18_000)]
    run.before = [Usage(1.0, {"write": 0.5}, 10**9, 0, dict.fromkeys(NAMES, 0.0))] * 4
    run.after = [Usage(2.0, {"write": 0.7}, 15 * 10**8, 9, dict.fromkeys(NAMES, 30.0))] * 4
    run.peaks = [16 * 10**8] * 4
    run.roots_equal = True
    return run


def fields_of(**changed):
    """All fields that the command can give for a plan."""
    one, run = plan(**changed), a_run()
    found = {
        "engine": one.engine,
        "nodes": one.nodes,
        "cores": 2,
        "machine": bench_page.machine(),
        **one.fields(),
        **bench_network.report(run, 100_000.0),
        "tls": True,
        "request": 25,
        "transaction_bytes": 246,
    }
    if one.overload is not None:
        found["overload"] = bench_network_run.overload_fields(one.overload, 10_000.0, [run])
    if one.soak:
        found["soak"] = bench_network_run.soak_fields(run)
    return found, run


def cells(page, text):
    """The cells of the row that begins with a text."""
    (line,) = (one for one in page.splitlines() if one.startswith(f"| {text} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_says_every_field_with_words_unit_verdict_command_and_machine():
    fields, run = fields_of()
    fields["spread"] = {"committed_per_second": [8_900, 9_100]}
    profile = bench_network.profile(run)
    page = bench_page.page(fields, profile, "bubi bench network --nodes 4", "2026-01-02")
    assert page.startswith("# 4 nodes, pbft, transfer: 9,000 committed per second\n")
    assert "`bubi bench network --nodes 4`" in page
    assert f"cores {fields['machine']['cores']}" in page
    assert cells(page, "committed per second")[1:] == [
        "9,000 /s",
        "7,000 /s",
        "10,000 /s",
        "floor",
    ]
    assert cells(page, "share of V / 4")[1:] == ["0.36", "0.35", "0.6", "floor"]
    assert cells(page, "committed, as the blocks say")[1:4] == ["9,000 /s", "8,900 /s", "9,100 /s"]
    assert cells(page, "greatest memory of each node")[1] == "1.60 / 1.60 / 1.60 / 1.60 GB"
    assert cells(page, "write")[1].startswith("0.04")
    assert "CPU time of one validator" in page
    shown = {one for one in fields if one not in bench_page.NESTED}
    assert all(f"| `{one}` |" in page for one in shown)
    assert shown <= set(bench_page.words()), "each field has words"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (12_345.67, "ms", "12,346 ms"),
        (0.1584, "s", "0.1584 s"),
        (99.94, "", "99.94"),
        (1_600_000_000, "GB", "1.60 GB"),
        ({"pool_full": 12_345}, "", "pool_full 12,345"),
        ([1, 2.5], "%/h", "1 / 2.5 %/h"),
        (True, "", "yes"),
        (None, "s", "–"),
    ],
)
def test_values_are_written_for_people(value, unit, text):
    assert bench_page.shown(value, unit) == text


@pytest.mark.parametrize(
    ("changed", "row"),
    [
        ({"overload": 5.0}, ["goodput / peak", "0.9", "0.8", "0.95", "floor"]),
        ({"overload": 5.0}, ["view changes", "120", "0", "0", "**missed**"]),
        ({"overload": 5.0}, ["normal again after", "–", "30 s", "30 s", "not known"]),
        ({"overload": 5.0, "warm_up": 9.0}, ["memory, peak / before", "1.6", "2", "2", "goal"]),
        ({"soak": True}, ["growth of memory, worst node", "0 %/h", "2 %/h", "0.5 %/h", "goal"]),
    ],
)
def test_overload_and_soak_are_judged_by_their_promises(changed, row):
    fields, _ = fields_of(**changed)
    page = bench_page.page(fields, {}, "bubi", "now")
    judged = page.partition("## Figures")[0]
    assert cells(judged, row[0]) == row
    name = next(iter(changed))
    inner = set(fields[name]) - {"samples"}
    assert inner <= set(bench_page.words())
    assert all(f"| `{one}` |" in page for one in inner)


def gigabytes(**changed):
    verifications = 140_000.0
    return bench_network_run.Measurement(plan(**changed), None, verifications)._bytes() / 1e9


def test_the_disk_that_is_asked_for_is_what_nodes_were_seen_to_take():
    # Four nodes, 100,000 accounts, 180,000 transfers: 754 MB at their fullest, without the load.
    seen = gigabytes(accounts=100_000, rate=2_000.0, seconds=90.0)
    assert 0.754 < seen < 2 * 0.754
    # One node, 270,000 transfers: 219 MB.
    assert 0.219 < gigabytes(nodes=1, accounts=100_000, rate=3_000.0, seconds=90.0) < 2 * 0.219
    soak = {"soak": True, "rate": 2_000.0, "warm_up": 900.0, "seconds": 2_700.0}
    assert 7.2e6 * 4 * 476 / 1e9 < gigabytes(**soak, accounts=100_000) < 25
    assert gigabytes(nodes=1, accounts=10_000_000, rate=1.0) > 10_000_000 * 3 * 319 / 1e9


def test_the_disk_that_is_asked_for_follows_what_is_sent():
    usual = {"rate": 1_000.0, "seconds": 60.0}
    one = gigabytes(**usual)
    assert gigabytes(**usual, repeat=5) > 4 * one
    assert gigabytes(**usual, workload="record") > 2 * one
    assert gigabytes(**usual, warm_up=60.0) > 1.5 * one
    # Far above the peak most is refused; it waits signed all the same.
    most = gigabytes(rate=20_000.0, seconds=60.0)
    assert most < gigabytes(rate=20_000.0, seconds=60.0, overload=100.0) < 100 * most / 2
    assert gigabytes(seconds=60.0) > one, "a rate that is searched for is not nothing"


def texts(**changed):
    fields, _ = fields_of(**{name: value for name, value in changed.items() if name != "offered"})
    fields["offered_per_second"] = changed.get("offered", 10_000)
    return [one.text for one in promises(fields)]


def test_a_promise_is_only_held_against_what_it_was_made_for():
    assert texts() == ["committed per second", "share of V / 4"]
    assert texts(nodes=1, engine="solo") == ["share of V"]
    assert texts(nodes=1, engine="solo", rate=50.0) == []
    assert texts(rate=100.0, offered=100) == ["p50, promised at 100 per second"]
    assert "memory, peak / before" not in texts(overload=5.0), "nodes that have just started"
    assert texts(rate=5_000.0) == ["p99, promised at half of the highest rate"]
    for other in (
        {"nodes": 7},
        {"engine": "raft"},
        {"workload": "record"},
        {"crash": True},
        {"slow": True},
        {"delay": 0.02},
    ):
        assert texts(**other) == []
    fields, _ = fields_of(nodes=7)
    assert "No promise fits" in bench_page.page(fields, {}, "bubi", "now")


def test_the_command_on_the_page_measures_again(monkeypatch):
    words = ["bubi", "bench", "network", "--page", "a b.md", "--rate", "5", "--json", "--page=c"]
    monkeypatch.setattr("sys.argv", words)
    assert bench_network_run.command() == "bubi bench network --rate 5"


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path):
    bench_network_run.check_page(tmp_path / "page.md")
    with pytest.raises(Failure, match="No page can be written"):
        bench_network_run.check_page(tmp_path / "nowhere" / "page.md")
