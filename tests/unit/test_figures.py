"""The program that takes all figures: what it keeps, what it tells, and in which order."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def program(name, path, patch):
    """A program outside of the package, known by its name as long as the test runs."""
    spec = importlib.util.spec_from_file_location(name, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    patch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def figures(monkeypatch):
    return program("figures", "benchmarks/figures.py", monkeypatch)


@pytest.fixture
def peer(monkeypatch):
    return program("peer", "benchmarks/peers/peer.py", monkeypatch)


def network_result(rate, **more):
    return {
        "committed_per_second": rate,
        "verifications_per_second": 100_000,
        "block_interval_ms": 150.0,
        "fsyncs_per_block": 3.0,
        "cpu_s_per_1000_nodes": 0.2,
        "ratio": rate / 25_000,
        "p50_ms": 90.0,
        "p99_ms": 700.0,
        "failures": 0,
        "view_changes": 0,
        "rss_bytes": [10**9],
        "rss_peak_bytes": [2 * 10**9],
        "spread": {"committed_per_second": [rate - 1, rate + 1]},
        "repeat": 5,
        **more,
    }


OVERLOAD = {
    "goodput_ratio": 0.667,
    "goodput_ratio_spread": [0.6, 0.7],
    "refused": {"pool_full": 12_345},
    "normal_after_seconds": None,
    "view_changes": 1,
    "rss_before_bytes": [10**9],
    "rss_peak_bytes": [18 * 10**8],
    "rss_peak_ratio": 1.8,
}


def documents_of(said):
    return {
        name: {
            "said": one,
            "command": f"bubi {name}",
            "load_before": 2.0,
            "machine": {"processor": "P", "cores": 2},
        }
        for name, one in said.items()
    }


def test_a_folder_is_told_from_a_row(figures, tmp_path, monkeypatch):
    assert figures.split([]) == (figures.FOLDER, [])
    assert figures.split(["verify", "soak"]) == (figures.FOLDER, ["verify", "soak"])
    assert figures.split(["new/folder", "soak"]) == (Path("new/folder"), ["soak"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    assert figures.split(["there"]) == (Path("there"), [])
    # A mistake in the name of a row makes no folder.
    assert figures.split(["verfy"]) == (figures.FOLDER, ["verfy"])


def test_all_rows_can_be_forgotten(figures, tmp_path, monkeypatch):
    for name in ("verify", "soak"):
        (tmp_path / f"{name}.json").write_text("{}")
    words = ["figures.py", f"{tmp_path}/", "--again", "all", "--list"]
    monkeypatch.setattr(sys, "argv", words)
    figures.main()
    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_is_small(figures):
    said = {"soak": {"worst": 1, "samples": [[0.0, 1]] * 60}, "rows": [{"samples": [1], "a": 2}]}
    assert figures.stripped(said) == {"soak": {"worst": 1}, "rows": [{"a": 2}]}


def test_promises_are_medians_of_five_where_they_are_short(figures):
    results = {figures.PEAK: network_result(8_000)}
    for name in ("pbft", "half-load", "light-load", "solo", "solo-100k", "solo-10m", "crash",
                 "raft", "paxos", "overload-5"):  # fmt: skip
        words = figures.by_name(name).words(results)
        assert words[words.index("--repeat") + 1] == "5", name
    assert "--repeat" not in figures.by_name("overload-2").words(results)


def test_every_row_has_a_command_and_what_it_needs_comes_before(figures):
    results = {figures.PEAK: network_result(8_000)}
    names = [row.name for row in figures.ROWS]
    assert len(names) == len(set(names))
    for place, row in enumerate(figures.ROWS):
        assert set(row.needs) <= set(names[:place])
        words = row.words(results)
        assert "--json" in words
        assert words[0] == sys.executable
    half = figures.by_name("half-load").words(results)
    assert half[half.index("--rate") + 1] == "4000"
    assert [row.name for row in figures.wanted(["crash"])] == [figures.PEAK, "crash"]


def test_a_row_is_kept_and_a_failed_one_says_why(figures, tmp_path):
    good = figures.Row(
        "verify", 1, lambda _: [sys.executable, "-c", "print('{\"rate\": 7}')"], lambda _: []
    )
    assert figures.take(good, tmp_path)
    document = json.loads((tmp_path / "verify.json").read_text())
    assert document["said"] == {"rate": 7}
    assert document["machine"]["cores"] >= 1
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert document["commit"].removesuffix("+") == head.stdout.strip()
    bad = figures.Row(
        "api", 1, lambda _: [sys.executable, "-c", "raise SystemExit('no room')"], lambda _: []
    )
    assert not figures.take(bad, tmp_path)
    assert "no room" in (tmp_path / "api.failed").read_text()
    assert list(figures.read(tmp_path)) == ["verify"]
    needy = figures.Row("crash", 1, lambda _: [], lambda _: [], ("pbft",))
    assert not figures.take(needy, tmp_path)
    assert "needs pbft" in (tmp_path / "crash.failed").read_text()


def test_the_table_judges_by_floor_and_goal(figures):
    said = {
        figures.PEAK: network_result(9_000),
        "crash": network_result(9_500),
        "half-load": network_result(4_500),
        "overload-5": network_result(6_000, overload=dict(OVERLOAD)),
        "soak": network_result(2_000, soak={"worst_percent_per_hour": 3.0}),
        "accounts-10k": network_result(10_000),
        "slow": network_result(7_000),
        "solo-100k": network_result(50_000),
        "solo-10m": network_result(40_000),
        "verify": {
            "verifications_per_second": 180_000,
            "slowest_per_second": 1,
            "fastest_per_second": 2,
            "with_bad_ratio": 0.6,
        },
    }
    documents = documents_of(said)
    lines = figures.table(documents).splitlines()

    def line(text):
        return next(one for one in lines if text in one)

    assert "| **9,000** | 8,999 – 9,001 | floor | `bubi pbft` |" in line("committed per second (V")
    assert line("share of V/4 by V of the same run").count("| floor |") == 1
    assert "(180,000) |  |  | **0.2** |" in line("by the greatest V of this machine")
    assert "| 0.8 |  | **0.7** |  | **missed** |" in line("slower / all four")
    assert "**1.8**" in line("memory of a node, peak / before (peak 1.80 GB)")
    assert "| 0.6 – 0.7 |" in line("goodput / peak")
    for judged in ("half of that rate", "goodput / peak", "soak", "memory at 10 M", "at 100 k ("):
        assert "block interval 150 ms, 3 syncs per block" in line(judged)
    assert "one run" in line("soak")
    assert "| 0.8 | 1 | **1.06** |  | goal |" in line("crashed / all four, pbft")
    assert "| 1,000 | 500 | **700 ms** |  | floor |" in line("at half of that rate")
    assert "**missed**" in line("goodput / peak")
    assert "pool_full 12,345" in line("normal again after")
    assert "not known" in line("normal again after")
    assert "**missed**" in line("view changes")
    assert "crash" in line("Other work was on the machine")
    assert "day not known, commit not known: processor P, cores 2." in line("Machine, ")
    # Rows of two machines are not compared, and it is said where each was taken.
    documents["crash"]["machine"] = {"processor": "Q", "cores": 2}
    documents["crash"] |= {"began": "2026-01-02T03:04:05Z", "commit": "0123456789abcdef+"}
    told = figures.table(documents)
    assert "crashed" not in told
    assert "Left out, compared with rows of another machine: crash (pbft)." in told
    assert "2026-01-02, commit 0123456789ab+: processor Q, cores 2 (crash)." in told
    # A row that an older version took lacks fields, and does not cost the table.
    for name in ("goodput_ratio_spread", "view_changes", "rss_peak_ratio", "rss_peak_bytes"):
        del documents["overload-5"]["said"]["overload"][name]
    assert "| not known |" in next(
        one for one in figures.table(documents).splitlines() if "peak / before" in one
    )
    # Without the row that it is compared with, a row waits, and it is said so.
    del documents[figures.PEAK]
    told = figures.table(documents)
    assert "crashed" not in told
    assert "compared with rows that are not there: half-load (pbft), crash (pbft)" in told


def test_a_rate_of_a_peer_is_the_highest_that_is_sustained(peer):
    tried = []

    def attempt(rate, seconds):
        tried.append((rate, seconds))
        wait = 0.1 if rate <= 5_000 else 3.0
        return peer.Attempt(1_000, 1_000, rate, wait, wait)

    found = peer.search(attempt, 800.0, 20.0)
    assert 5_000 / peer.STEP_CLOSE <= found.committed <= 5_000
    assert tried[-1] == (found.committed, 20.0)
    load = peer.Load(dict.fromkeys(range(10), 100.0), dict.fromkeys(range(9), 101.0))
    load.commit("not ours")
    one = load.attempt(0.5)
    assert (one.sent, one.seen, one.committed) == (10, 9, 9.0)
    assert not one.sustained()


def test_a_peer_that_cannot_be_installed_is_named(peer, monkeypatch):
    run = program("run", "benchmarks/peers/run.py", monkeypatch)
    cometbft = program("cometbft", "benchmarks/peers/cometbft.py", monkeypatch)

    def refuse():
        raise peer.UnavailableError("the command `go` is not installed")

    monkeypatch.setattr(cometbft, "install", refuse)
    row = run.row("cometbft", 1.0)
    rows = [row, {**row, "skipped": ""} | {"title": "Other"}]
    text = run.markdown({"cores": 3, "seconds": 1.0, "rows": rows})
    assert text.startswith("3 cores, 1 s each")
    assert "skipped: the command `go` is not installed" in text


def test_a_peer_that_fails_costs_no_other_row(peer, monkeypatch, capsys, tmp_path):
    run = program("run", "benchmarks/peers/run.py", monkeypatch)
    failing = program("cometbft", "benchmarks/peers/cometbft.py", monkeypatch)
    good = program("anvil", "benchmarks/peers/anvil.py", monkeypatch)

    def fail(_seconds):
        raise ValueError("block 7 has no\ntime | at all")

    figures = {"rate": 3_840.0, "p50_ms": 1.0, "p99_ms": 2.0}
    for one in (failing, good):
        monkeypatch.setattr(one, "install", lambda: None)
    monkeypatch.setattr(failing, "measure", fail)
    monkeypatch.setattr(good, "measure", lambda _seconds: figures)
    # One that cannot even be imported.
    monkeypatch.setitem(sys.modules, "litesvm", None)
    monkeypatch.setattr(sys, "argv", ["run.py", "cometbft", "litesvm", "anvil", "--json"])
    with pytest.raises(SystemExit) as ended:
        run.main()
    # Who keeps what was measured takes it again.
    assert ended.value.code == 1
    said = capsys.readouterr()
    document = json.loads(said.out)
    rows = {one["name"]: one for one in document["rows"]}
    assert rows["cometbft"]["failed"] == "ValueError: block 7 has no\ntime | at all"
    assert rows["litesvm"]["failed"].startswith("ModuleNotFoundError")
    assert rows["anvil"]["rate"] == 3_840.0
    assert "Traceback" in said.err
    text = run.markdown(document)
    assert "| failed: ValueError: block 7 has no time / at all |" in text
    assert "skipped" not in text
    assert "| 3,840 |" in text
