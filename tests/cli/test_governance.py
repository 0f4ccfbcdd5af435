"""What `bubi governance show` says of a proposal, without a node."""

import contextlib
from types import SimpleNamespace

import pytest

from bubi.cli import governance

PROPOSAL = "07" * 32
FIELDS = {
    "id": PROPOSAL,
    "state": "open",
    "proposer": "organisation1",
    "evidence": None,
    "memo": "",
    "expires": "86400000",
    "not_before": None,
    "acknowledged": [],
    "approving": 1,
    "rejecting": 0,
    "quorum": 3,
    "activation_height": None,
    "diff": [
        {"change": "set_parameter", "name": "timeout", "before": "2000", "after": "3000"},
        {"change": "allow_node", "name": "aa", "before": None, "after": "allowed"},
    ],
    "votes": [],
    "ready": [],
}


@pytest.fixture
def show(run, monkeypatch):
    """Shows a proposal with these fields; lines of what is said."""

    def call(**fields):
        node = SimpleNamespace(proposal=lambda _id: SimpleNamespace(data={**FIELDS, **fields}))
        monkeypatch.setattr(governance, "client", lambda *_: contextlib.nullcontext((node, None)))
        found = run("governance", "show", PROPOSAL)
        assert found.status == 0, found.err
        return found.out.splitlines()

    return call


def line(lines, start):
    """Words of the line that begins so."""
    (found,) = [one for one in lines if start in one]
    return " ".join(found.replace("│", " ").split())


def test_an_open_proposal_is_told_with_what_is_in_force(show):
    lines = show()
    assert line(lines, "set_parameter").endswith("timeout 2000 3000")
    assert line(lines, "allow_node").endswith("aa - allowed")
    assert line(lines, "Not before height").endswith("-")
    assert line(lines, "Accepted risks").endswith("-")


@pytest.mark.parametrize("state", ["active", "rejected", "withdrawn", "expired", "lapsed"])
def test_of_a_closed_one_what_stood_before_is_not_kept(show, state):
    """A dash would say that nothing was there."""
    lines = show(state=state, diff=[{**one, "before": None} for one in FIELDS["diff"]])
    assert line(lines, "set_parameter").endswith("timeout not kept 3000")
    assert line(lines, "allow_node").endswith("aa not kept allowed")


def test_the_height_and_the_risks_that_it_names_are_told(show):
    lines = show(not_before="4000", acknowledged=["no_fault_tolerance", "v1"])
    assert line(lines, "Not before height").endswith("4000")
    assert line(lines, "Accepted risks").endswith("no_fault_tolerance, v1")
