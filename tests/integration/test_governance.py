"""Changes by vote on four real processes: parameters, engines, quorum, members, lists."""

import contextlib
import json
import re
import signal
import subprocess
import sys

import httpx
import pytest
from bubi_sdk import governance as changes
from bubi_sdk.errors import RequestRefused
from bubi_sdk.keys import Algorithm, SecretKey
from bubi_sdk.proof import FinalityProof
from governance import PATIENCE, Governed, Load
from network import Net, command, environment, get, wait_for

from bubi.consensus import ENGINES
from bubi.node.certificates import make_authority
from tests.ports import free_port

ORGANISATIONS = [f"organisation{number}" for number in range(1, 5)]
ROUND = ("raft", "paxos", "pbft")
"""Engines that follow each other, beginning and ending with the same one."""


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
        changes.SetEngine("cometbft"): "engine_unknown",
        changes.SetEngine("solo"): "validators_invalid",
        changes.SetQuorum(9, 8): "quorum_invalid",
        changes.RemoveOrganisation("organisation1"): "organisation_in_use",
        changes.RemoveOrganisation("organisation9"): "organisation_missing",
        changes.ClearNode(bytes(32)): "listing_invalid",
        changes.SetAlgorithms((0,), (3,), 0): "algorithm_disabled",
    }
    for change, code in refused.items():
        assert governed.propose(change) == code, change
    without = [changes.RemoveValidator(f"node{number}") for number in (1, 2, 3)]
    assert governed.propose(*without) == "validators_invalid"
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


def test_what_nobody_decides_in_time_expires(governed):
    proposal = governed.propose(changes.SetEngine("raft"), days=3 / 86_400)
    # A due moment is no reason for a block: transactions go on until one comes after it.
    wait_for(
        lambda: governed.net.transact("node1") and governed.show(proposal)["state"] == "expired",
        PATIENCE,
    )
    vote = governed.net.command(
        "governance", "vote", proposal, "--yes", "--as", "organisation2", "--json"
    )
    assert (vote.status, vote.json["code"]) == (1, "proposal_closed")


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


def test_engines_take_over_from_each_other_under_load(governed):
    """Each engine hands over to the next; clients wait a little and lose nothing."""
    net, pauses = governed.net, []
    assert set(ROUND) == set(ENGINES) - {"solo"}
    with Load(net, clients=6) as load:
        wait_for(lambda: len(load.outcomes) >= 6, PATIENCE)
        for engine in ROUND:
            before = validators(governed)["engine"]
            shown = governed.enact(changes.SetEngine(engine))
            assert {validators(governed, one)["engine"] for one in net.nodes} == {engine}
            done = len(load.outcomes)
            wait_for(lambda done=done: len(load.outcomes) >= done + 12, PATIENCE)
            pauses.append((before, engine, pause_at(governed, int(shown["activation_height"]))))
    assert not load.failures
    assert {outcome.status.value for _, outcome in load.outcomes} == {"final"}
    assert len({transaction for transaction, _ in load.outcomes}) == len(load.outcomes)
    net.level(*net.nodes, seconds=PATIENCE)
    for name in net.nodes:
        with httpx.Client(base_url=net.url(name), timeout=PATIENCE, trust_env=False) as client:
            for transaction, outcome in load.outcomes:
                found = client.get(f"/v1/transactions/{transaction}").json()
                assert found["height"] == str(outcome.height)
    for before, after, pause in pauses:
        print(f"{before} to {after}: {pause} ms from the last block to the first")  # noqa: T201
    print(f"{len(load.outcomes)} transactions, the slowest {load.longest:.2f} s")  # noqa: T201


def pause_at(governed, activation):
    """Milliseconds from the last block of an epoch to the first of the next, by their times."""
    last, first = (
        int(get(f"{governed.url}/v1/blocks/{height}").json()["time"])
        for height in (activation - 1, activation)
    )
    return first - last


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


@contextlib.contextmanager
def newcomer(governed, folder, number):
    """A running node of a new organisation that the others took in; gives its URL."""
    name, organisation = f"node{number}", f"organisation{number}"
    keystore = governed.open_account(organisation)
    requested = command(
        "network", "request", folder, "--name", name, "--organisation", organisation,
        "--address", f"127.0.0.1:{free_port()}", "--governance", keystore, "--json",
    )  # fmt: skip
    assert requested.status == 0, requested.err
    joined = command(
        "network", "join", folder, "--network", governed.net.folder / "public", "--by-vote",
        "--api-port", free_port(), "--json",
    )  # fmt: skip
    assert joined.status == 0, joined.err
    listed = f"{organisation},{governed.accounts[organisation][0]},{folder / 'authority.pem'}"
    governed.enact_by_command("--organisation", listed)
    process = _start(folder)
    try:
        url = joined.json["url"]
        wait_for(lambda: _answer(url, "/health").get("status") == "ready", PATIENCE)
        yield url
    finally:
        governed.net.nodes.pop(name, None)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def test_lists_and_revocations_drop_live_connections(governed, tmp_path):
    """The white list shuts out a node of an organisation without validators, and lets it in."""
    net = governed.net
    with newcomer(governed, tmp_path / "node6", 6) as url:

        def stands(reason=""):
            """Waits until all refuse it for this reason, or are connected if there is none."""
            wanted = (not reason, reason)
            wait_for(
                lambda: (
                    {
                        (one["state"] == "connected", one["reason"])
                        for one in (_peer(net.url(name), "node6") for name in net.nodes)
                    }
                    == {wanted}
                ),
                PATIENCE,
            )

        stands()
        one, other = (_peer(net.url("node1"), name)["id"] for name in ("node2", "node6"))
        governed.enact_by_command("--allow-node", one)
        assert validators(governed)["allowed"] == [one]
        stands("not_white_listed")
        level_and_sound(governed)
        height = net.state("node1")[0]
        assert int(_answer(url, "/v1/network")["height"]) < height
        governed.enact_by_command("--allow-node", other)
        stands()
        wait_for(lambda: int(_answer(url, "/v1/network")["height"]) > height, PATIENCE)
        governed.enact_by_command("--clear-node", one, "--clear-node", other)
        assert validators(governed)["allowed"] == []
        # Another authority of its organisation: what the old one signed is worth nothing.
        ours, address = tmp_path / "node6", governed.accounts["organisation6"][0]
        make_authority(tmp_path / "other", "organisation6")
        for certificate, reason in (
            (tmp_path / "other" / "cert.pem", "authority"),
            (ours / "authority.pem", ""),
        ):
            governed.enact_by_command("--organisation", f"organisation6,{address},{certificate}")
            stands(reason)
        governed.enact_by_command("--revoke-certificate", ours / "cert.pem")
        assert len(validators(governed)["revoked"]) == 1
        stands("revoked")
        level_and_sound(governed)


def test_algorithms_of_signatures_are_switched_off_and_on(governed):
    def entry(builder):
        builder.set_data("a", b"b")

    governed.open_account("older", "secp256k1")
    assert governed.act("older", entry)[1].final
    before = get(f"{governed.url}/v1/network").json()["parameters"]
    assert before["algorithms"] == [0, 1, 2, 3]

    def accounts_may_use(*algorithms, old_until):
        votes = tuple(before["vote_algorithms"])
        governed.enact(changes.SetAlgorithms(algorithms, votes, old_until))

    # No new keys of it; signatures by old ones count until their time.
    accounts_may_use(0, 2, 3, old_until=2**63)
    try:
        made = SecretKey.generate(Algorithm.SECP256K1).public_key
        outcome = governed.act("issuer", lambda builder: builder.create_account(made))[1]
        assert outcome.code == "algorithm_disabled"
        assert governed.act("older", entry)[1].final
        # The time of an algorithm that is gone stays as it was: it must come back first.
        accounts_may_use(0, 1, 2, 3, old_until=0)
        accounts_may_use(0, 2, 3, old_until=0)
        with pytest.raises(RequestRefused, match="threshold_not_met"):
            governed.act("older", entry)
    finally:
        accounts_may_use(0, 1, 2, 3, old_until=0)
    assert governed.act("older", entry)[1].final
    level_and_sound(governed)


def test_what_no_node_can_do_is_told_before_it_comes_and_does_not_come(governed):
    """Neither the engine nor the protocol version exists: nodes alarm and are not ready."""
    net = governed.net
    proposal = governed.propose(changes.SetEngine("acme.quick"), changes.SetProtocolVersion(2))
    governed.vote(proposal, *ORGANISATIONS[:3])
    for name in net.nodes:
        url = net.url(name)
        wait_for(lambda url=url: _alarmed(url) >= 1, PATIENCE)
        (warning,) = _answer(url, "/v1/consensus")["warnings"]
        assert warning["code"] == "change_unsupported"
        assert "engine acme.quick and protocol version 2" in warning["text"]
    told = governed.said("why")
    assert not told["halted"]
    assert [one.partition(":")[0] for one in told["warnings"]] == ["change_unsupported"]
    people = net.command("--lang", "zh", "why")
    assert people.status == 0
    assert "警告：change_unsupported" in people.out
    assert "acme.quick" in people.out
    for _ in range(2):  # four blocks each: more than an activation waits for
        level_and_sound(governed)
    shown = governed.show(proposal)
    assert (shown["state"], shown["activation_height"]) == ("approved", None)
    assert not any(one["ready"] for one in shown["ready"])
    governed.vote(proposal, *ORGANISATIONS[1:], approve=False)
    assert governed.show(proposal)["state"] == "withdrawn"
    for name in net.nodes:
        url = net.url(name)
        wait_for(lambda url=url: _answer(url, "/v1/consensus").get("warnings") == [], PATIENCE)


def _alarmed(url):
    """How often a node raised the alarm about changes that it cannot follow."""
    text = get(f"{url}/metrics").text
    found = re.search(r'bubi_alarms_total\{code="change_unsupported"\} ([0-9.]+)', text)
    return 0.0 if found is None else float(found[1])


def test_a_new_organisation_joins_by_vote_and_is_black_listed_in_the_end(governed, tmp_path):
    net = governed.net
    with newcomer(governed, tmp_path / "node5", 5) as url:
        # An observer first: it follows and has no vote.
        wait_for(lambda: _answer(url, "/v1/network").get("height") not in {None, "0"}, PATIENCE)
        assert not _own(url)
        proposed = governed.said(
            "validator", "add", "--request", tmp_path / "node5" / "request.json",
            "--as", "organisation1",
        )  # fmt: skip
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
