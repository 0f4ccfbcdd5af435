"""Changes by vote on four real processes: parameters, engines, quorum, members, lists."""

import json
import signal
import subprocess
import sys

import httpx
import pytest
from bubi_sdk import governance as changes
from bubi_sdk.proof import FinalityProof
from governance import PATIENCE, Governed, Load
from network import Net, command, environment, get, wait_for

from bubi.consensus import ENGINES
from tests.ports import free_port

ORGANISATIONS = [f"organisation{number}" for number in range(1, 5)]
OTHER_ENGINES = sorted(set(ENGINES) - {"pbft", "solo"})


@pytest.fixture(scope="module")
def governed(tmp_path_factory):
    """A running network of four, and its four organisations."""
    folder = tmp_path_factory.mktemp("governed") / "network"
    started = command("up", "--detach", "--data", folder, "--json")
    assert started.status == 0, started.err
    try:
        yield Governed(Net(folder), ORGANISATIONS)
    finally:
        assert command("reset", "--yes", "--data", folder).status == 0


def validators(governed, name="node1"):
    return get(f"{governed.net.url(name)}/v1/validators").json()


def level_and_sound(governed):
    """A transaction at each node is final, and all agree."""
    for name in governed.net.nodes:
        governed.net.transact(name, within=PATIENCE)
    governed.net.level(*governed.net.nodes, seconds=PATIENCE)


def test_a_parameter_is_changed_by_the_votes_of_three(governed):
    assert set(governed.accounts) >= set(ORGANISATIONS)
    proposed = governed.said(
        "governance", "propose", "--parameter", "block_transactions=15000", "--memo", "smaller",
        "--as", "organisation1",
    )  # fmt: skip
    proposal = proposed["proposal"]
    shown = governed.said("governance", "show", proposal)
    assert (shown["state"], shown["proposer"], shown["memo"]) == (
        "open",
        "organisation1",
        "smaller",
    )
    assert shown["diff"] == [
        {
            "change": "set_parameter",
            "name": "block_transactions",
            "before": "20000",
            "after": "15000",
        }
    ]
    listed = governed.said("governance", "list")["items"]
    assert [one["id"] for one in listed] == [proposal]
    governed.said("governance", "vote", proposal, "--yes", "--as", "organisation1")
    governed.vote(proposal, "organisation2")
    assert governed.show(proposal)["approving"] == 2
    # No vote, no change; a vote may be taken back while it is open.
    governed.vote(proposal, "organisation2", approve=False)
    assert governed.show(proposal)["approving"] == 1
    governed.vote(proposal, "organisation2", "organisation3")
    shown = governed.in_force(proposal)
    assert [one["approve"] for one in shown["votes"]] == [True] * 3
    for name in governed.net.nodes:
        fields = get(f"{governed.net.url(name)}/v1/network").json()
        assert fields["parameters"]["block_transactions"] == 15_000
        assert (fields["epoch"], int(fields["height"]) + 1) >= (
            "1",
            int(shown["activation_height"]),
        )
    level_and_sound(governed)
    people = governed.net.command("--lang", "zh", "governance", "show", proposal)
    assert people.status == 0
    assert "set_parameter block_transactions" in people.out
    assert "已生效" in people.out


def test_what_must_not_be_proposed_is_refused_with_its_code(governed):
    refused = {
        changes.SetEngine("tendermint"): "engine_unknown",
        changes.SetParameter("block_weight", 1): "parameter_unknown",
        changes.SetParameter("timeout", 1): "parameter_invalid",
        changes.SetQuorum(9, 10): "not_acknowledged",
        changes.RemoveValidator("node9"): "validator_missing",
        changes.ChangeValidator("node1", 2): "not_acknowledged",
        changes.SetProtocolVersion(7): "version_invalid",
    }
    for change, code in refused.items():
        assert governed.propose(change) == code, change
    done = governed.net.command(
        "governance", "propose", "--engine", "raft", "--as", "alice", "--json"
    )
    assert (done.status, done.json["code"]) == (1, "not_voter")
    proposal = governed.propose(changes.SetEngine("raft"))
    done = governed.net.command(
        "governance", "withdraw", proposal, "--as", "organisation2", "--json"
    )
    assert (done.status, done.json["code"]) == (1, "not_permitted")
    governed.said("governance", "withdraw", proposal, "--as", "organisation1")
    assert governed.show(proposal)["state"] == "withdrawn"
    rejected = governed.propose(changes.SetEngine("raft"))
    governed.vote(rejected, "organisation2", "organisation3", approve=False)
    assert governed.show(rejected)["state"] == "rejected"


def test_a_change_for_a_far_height_is_taken_back(governed):
    far = int(validators(governed)["height"]) + 500_000
    proposal = governed.said(
        "governance", "propose", "--engine", "raft", "--not-before", str(far),
        "--as", "organisation1",
    )["proposal"]  # fmt: skip
    governed.vote(proposal, *ORGANISATIONS[:3])
    wait_for(lambda: governed.show(proposal)["activation_height"] == str(far), PATIENCE)
    blocked = governed.propose(changes.SetParameter("due_per_block", 900))
    governed.vote(blocked, *ORGANISATIONS[:2])
    refused = governed.net.command(
        "governance", "vote", blocked, "--yes", "--as", "organisation3", "--json"
    )
    assert (refused.status, refused.json["code"]) == (1, "change_pending")
    governed.vote(proposal, "organisation4", "organisation2", approve=False)
    people = governed.net.command("governance", "show", proposal)
    assert "--no" in people.out
    assert governed.show(proposal)["rejecting"] == 2
    governed.said("governance", "vote", proposal, "--no", "--as", "organisation3")
    shown = governed.show(proposal)
    assert (shown["state"], shown["activation_height"]) == ("withdrawn", None)
    assert validators(governed)["pending"] is None
    # The other one passes now.
    governed.vote(blocked, "organisation3")
    assert governed.in_force(blocked)["state"] == "active"


def test_an_organisation_takes_accounts_in_and_has_a_quota(governed):
    shown = governed.said("account", "show", "alice")["account"]
    assert (shown["organisation"], shown["membership"], shown["quota"]) == (None, None, None)
    uninvited = governed.net.command(
        "governance", "member", "alice", "--in", "--as", "organisation1", "--json"
    )
    assert (uninvited.status, uninvited.json["code"]) == (1, "membership_missing")
    governed.said("account", "join", "organisation1", "--as", "alice")
    assert "organisation1" in governed.net.command("account", "show", "alice").out
    governed.said("governance", "member", "alice", "--in", "--as", "organisation1")
    assert governed.said("account", "show", "alice")["account"]["organisation"] == "organisation1"
    # The longest window, so that it does not end in between.
    quota = (
        changes.SetParameter("organisation_operations", 100),
        changes.SetParameter("quota_window", 604_800_000),
    )
    assert governed.enact(*quota)["state"] == "active"
    try:
        code = ""
        for _ in range(3):  # a new window may begin once
            outcome = governed.act("alice", hundred_entries)[1]
            code = outcome.code
            if not outcome.final:
                break
        assert code == "organisation_quota_exceeded"
        used = governed.said("account", "show", "alice")["account"]["quota"]
        assert used["organisation"] == {"used": "100", "limit": "100"}
        assert used["account"] is None
        people = governed.net.command("--lang", "zh", "account", "show", "alice")
        assert "100 / 100" in people.out
        assert governed.act("bob", lambda one: one.set_data("a", b"b"))[1].final
        assert governed.act("organisation1", lambda one: one.set_data("a", b"b"))[1].final
    finally:
        off = (
            changes.SetParameter("organisation_operations", 0),
            changes.SetParameter("quota_window", 10_000),
        )
        governed.enact(*off)
    governed.said("account", "leave", "--as", "alice")
    assert governed.said("account", "show", "alice")["account"]["organisation"] is None


def hundred_entries(builder):
    for _ in range(100):
        builder.set_data("a", b"b")


@pytest.mark.parametrize("engine", OTHER_ENGINES)
def test_engines_take_over_from_each_other_under_load(governed, engine):
    with Load(governed.net) as load:
        wait_for(lambda: len(load.outcomes) >= 4, PATIENCE)
        for name in (engine, "pbft"):
            governed.enact(changes.SetEngine(name))
            assert {validators(governed, one)["engine"] for one in governed.net.nodes} == {name}
            done = len(load.outcomes)
            wait_for(lambda done=done: len(load.outcomes) >= done + 4, PATIENCE)
    assert not load.failures
    assert {outcome.status.value for _, outcome in load.outcomes} == {"final"}
    governed.net.level(*governed.net.nodes, seconds=PATIENCE)
    for name in governed.net.nodes:
        for transaction, outcome in load.outcomes[-10:]:
            url = f"{governed.net.url(name)}/v1/transactions/{transaction}"
            assert get(url).json()["height"] == str(outcome.height)


def test_the_quorum_is_raised_and_lowered_again(governed):
    governed.enact(changes.SetQuorum(9, 10), acknowledged=["no_fault_tolerance"])
    assert validators(governed)["quorum"] == 4
    level_and_sound(governed)
    # Now everybody must agree.
    governed.enact(changes.SetQuorum(2, 3), voters=ORGANISATIONS)
    assert validators(governed)["quorum"] == 3


def test_weights_are_changed(governed):
    governed.enact(changes.ChangeValidator("node1", 2), acknowledged=["node1"])
    fields = governed.said("validator", "list")
    assert (fields["quorum"], fields["total"]) == (4, 5)
    assert {one["name"]: one["weight"] for one in fields["items"]}["node1"] == 2
    level_and_sound(governed)
    governed.enact(changes.ChangeValidator("node1", 1))
    assert validators(governed)["total"] == 4


def test_a_validator_leaves_follows_as_an_observer_and_comes_back(governed):
    before = {one["name"]: one for one in validators(governed)["items"]}
    proposed = governed.said(
        "validator", "remove", "node4", "--acknowledge", "no_fault_tolerance",
        "--as", "organisation1",
    )  # fmt: skip
    governed.vote(proposed["proposal"], *ORGANISATIONS[:3])
    governed.in_force(proposed["proposal"])
    assert [one["name"] for one in validators(governed)["items"]] == ["node1", "node2", "node3"]
    # It forwards what it is given to those that have a vote.
    level_and_sound(governed)
    ((algorithm, digits),) = before["node4"]["key"].items()
    proposed = governed.said(
        "validator", "add", "node4", "--organisation", "organisation4",
        "--key", f"{algorithm}:{digits}", "--as", "organisation2",
    )  # fmt: skip
    governed.vote(proposed["proposal"], *ORGANISATIONS[:3])
    governed.in_force(proposed["proposal"])
    assert [one["name"] for one in validators(governed)["items"]][-1] == "node4"
    level_and_sound(governed)


def test_a_new_organisation_joins_by_vote_and_is_black_listed_in_the_end(governed, tmp_path):
    net = governed.net
    newcomer = tmp_path / "node5"
    made = governed.said("account", "create", "organisation5")
    requested = command(
        "network", "request", newcomer, "--name", "node5", "--organisation", "organisation5",
        "--address", f"127.0.0.1:{free_port()}", "--governance", made["keystore"], "--json",
    )  # fmt: skip
    assert requested.status == 0, requested.err
    joined = command(
        "network", "join", newcomer, "--network", net.folder / "public", "--by-vote",
        "--api-port", free_port(), "--json",
    )  # fmt: skip
    assert joined.status == 0, joined.err
    listed = f"organisation5,{made['address']},{newcomer / 'authority.pem'}"
    proposed = governed.said(
        "governance", "propose", "--organisation", listed, "--as", "organisation1"
    )
    governed.vote(proposed["proposal"], *ORGANISATIONS[:3])
    governed.in_force(proposed["proposal"])
    process = _start(newcomer)
    try:
        url = joined.json["url"]
        wait_for(lambda: _answer(url, "/health").get("status") == "ready", PATIENCE)
        # An observer first: it follows and has no vote.
        wait_for(lambda: _answer(url, "/v1/network").get("height") not in {None, "0"}, PATIENCE)
        assert not _own(url)
        proposed = governed.said(
            "validator", "add", "--request", newcomer / "request.json", "--as", "organisation1"
        )
        governed.vote(proposed["proposal"], *ORGANISATIONS[:3])
        wait_for(lambda: _own(url), PATIENCE)
        net.nodes["node5"] = {"url": url}
        level_and_sound(governed)
        # It votes: with a node down the four others need it.
        wait_for(lambda: _votes(net, "node5"), PATIENCE)
        node = _peer(net.url("node1"), "node5")["id"]
        del net.nodes["node5"]
        governed.enact(changes.RemoveValidator("node5"), voters=ORGANISATIONS)
        governed.enact(changes.DenyNode(bytes.fromhex(node)))
        for name in net.nodes:
            wait_for(
                lambda name=name: _peer(net.url(name), "node5")["state"] != "connected", PATIENCE
            )
        wait_for(lambda: _peer(net.url("node1"), "node5")["reason"] == "black_listed", PATIENCE)
        shown = net.command("peers", "--json").json["peers"]
        assert {one["name"]: one["reason"] for one in shown}["node5"] == "black_listed"
        level_and_sound(governed)
    finally:
        net.nodes.pop("node5", None)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def _votes(net, name):
    """Whether a validator's vote stands in the certificate of the newest block of the first."""
    net.transact("node1", within=PATIENCE)
    url = net.url("node1")
    height = get(f"{url}/v1/network").json()["height"]
    members = [one["name"] for one in get(f"{url}/v1/validators").json()["items"]]
    proof = get(f"{url}/v1/blocks/{height}/finality").json()["proof"]
    certificate = FinalityProof.decode(bytes.fromhex(proof)).certificate
    return members.index(name) in {one.validator for one in certificate.votes}


def _start(folder):
    with (folder / "node.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "bubi", "node", "run", str(folder / "config.toml")],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(),
        )


def _answer(url, route):
    try:
        return get(f"{url}{route}").json()
    except (httpx.HTTPError, json.JSONDecodeError):
        return {}


def _own(url):
    return any(one["own"] for one in _answer(url, "/v1/consensus").get("validators", ()))


def _peer(url, name):
    found = [one for one in _answer(url, "/v1/peers").get("items", ()) if one["name"] == name]
    return found[0] if found else {"state": "unknown", "reason": "", "role": ""}
