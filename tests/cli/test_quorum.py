"""`bubi quorum` against the definition, by counting."""

import json

import pytest

from bubi.cli.quorum import RATIOS, quorum, quorum_rows
from bubi.node.ceremony import make_request


@pytest.mark.parametrize("total", [1, 2, 3, 4, 7, 10, 31, 100, 2**32 - 1])
@pytest.mark.parametrize(("numerator", "denominator"), RATIOS)
def test_a_quorum_is_the_least_number_that_is_safe_and_asked_for(total, numerator, denominator):
    votes = quorum(total, numerator, denominator)

    def enough(count):
        return 3 * count > 2 * total and denominator * count >= numerator * total

    assert enough(votes)
    assert not enough(votes - 1)
    assert votes <= total


def test_four_members_survive_one_liar_or_one_silent_member():
    assert quorum_rows(4)[0] == {"ratio": "2/3", "quorum": 3, "safe": 1, "live": 1}


def test_unanimity_survives_most_liars_and_no_silence():
    assert quorum_rows(4)[-1] == {"ratio": "1/1", "quorum": 4, "safe": 3, "live": 0}


def test_thresholds_are_attacked(run):
    said = run("sim", "thresholds", "4", "--json")
    assert said.status == 0
    rows = {row["ratio"]: row for row in json.loads(said.out)["rows"]}
    assert [rows["2/3"][name] for name in ("safe", "held", "fork", "forked")] == [1, True, 2, True]
    assert [rows["1/1"][name] for name in ("safe", "held", "fork")] == [3, True, None]


@pytest.mark.parametrize("weights", ["2", "14", "x", "1,0,2", "1,1,1,9000000", ""])
def test_sizes_that_cannot_be_attacked_are_refused(run, weights):
    assert run("sim", "thresholds", weights).status == 2


@pytest.fixture
def requests(tmp_path):
    folder = tmp_path / "requests"
    folder.mkdir()
    for number in range(1, 4):
        made = make_request(
            tmp_path / f"n{number}", name=f"n{number}", organisation=f"o{number}", address=None
        )
        (folder / f"{number}.json").write_text(json.dumps(made.document()))
    return folder


@pytest.mark.parametrize(
    ("language", "words"), [("en", "at least 4 validators"), ("zh", "至少使用 4 个验证节点")]
)
def test_a_genesis_without_tolerance_needs_its_name(run, requests, tmp_path, language, words):
    out = tmp_path / "out"
    arguments = ("--requests", requests, "--out", out)
    refused = run("--lang", language, "network", "create", *arguments)
    assert refused.status == 1
    assert words in refused.err
    assert '--acknowledge "no_fault_tolerance"' in refused.err
    assert not out.exists()
    named = ("--acknowledge", "no_fault_tolerance")
    assert run("network", "create", *arguments, *named, "--json").status == 0
    assert run("network", "join", tmp_path / "n1", "--network", out).status == 1
    known = ("--seed", "127.0.0.1:8901", *named)
    assert run("network", "join", tmp_path / "n1", "--network", out, *known).status == 0


def test_a_heavy_validator_needs_its_name(run, requests, tmp_path):
    arguments = ("--requests", requests, "--out", tmp_path / "out", "--quorum", "2/3")
    heavy = ("--weight", "n1=2", "--weight", "n2=2")
    refused = run("network", "create", *arguments, *heavy)
    assert refused.status == 1
    assert "n1 (2), n2 (2)" in refused.err
    assert '--acknowledge "n1" --acknowledge "n2"' in refused.err
    for wrong in ("n1", "n1=0", "=3", "n1=x", f"n1={2**32}"):
        assert run("network", "create", *arguments, "--weight", wrong).status == 2
    named = ("--acknowledge", "n1", "--acknowledge", "n2")
    assert run("network", "create", *arguments, *heavy, *named).status == 0


def test_the_table_says_which_rows_need_a_name(run):
    assert "--acknowledge no_fault_tolerance" in run("quorum", "4").out
    assert run("quorum", "1").status == 0
