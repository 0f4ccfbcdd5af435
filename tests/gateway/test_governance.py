"""Epochs, proposals, votes and evidence in the index, against ledgers that are governed."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from sqlalchemy import Engine, text

from bubi import core
from bubi.gateway import governance
from bubi.gateway.index import check, migrations, schema
from bubi.gateway.index.paging import Asked
from bubi.gateway.index.reader import Reader
from bubi.gateway.index.settings import EFFECTS, Settings
from bubi.gateway.index.writer import Writer

from ..model import keys
from ..model import values as v
from ..model.test_governance import DAY, five
from ..model.test_governance import Chain as Council
from .conftest import Databases
from .ledgers import Simulated

ALL = Asked(limit=100_000)


def decided(model: Council) -> Simulated:
    """The blocks of a ledger that was worked out by hand."""
    made = Simulated(1, model.genesis, ideal=False)
    for time, batches in model.blocks:
        made.decide(time, batches)
    return made


def changed(model: Council, *changes: v.Change, ready: Sequence[int] = (0, 1, 2, 3), **more: Any
            ) -> bytes:  # fmt: skip
    """A change that comes into force."""
    proposal = model.propose(*changes, **more)
    for one in range(4):
        if model.status(proposal) == v.ProposalStatus.OPEN:
            model.vote(proposal, one)
    for one in ready:
        model.ready(proposal, one)
    while model.status(proposal) != v.ProposalStatus.ACTIVE:
        model.block()
    return proposal


def votes() -> Council:
    """Every end that a proposal may have, several proposals at once, second thoughts."""
    model = Council()
    short = model.propose(v.SetQuorum(3, 4), expires=50)
    model.vote(short, 0)
    model.vote(short, 0, approve=False)
    model.block(after=100)
    rejected = model.propose(v.SetEngine("raft"))
    model.vote(rejected, 1, approve=False)
    model.vote(rejected, 1)
    model.vote(rejected, 2, 3, approve=False)
    withdrawn = model.propose(v.SetEngine("paxos"), memo="为什么")
    model.send(model.voices[0], v.WithdrawProposal(withdrawn))
    expires = model.time + DAY
    model.send(
        model.voices[1],
        v.Propose((v.SetParameter("timeout", 3_000),), expires),
        v.Propose((v.SetParameter("block_transactions", 9_000), v.SetQuorum(3, 4)), expires),
    )
    lapses = model.propose(v.SetQuorum(2, 3), not_before=400)
    model.vote(lapses, 0, 1, 2)
    model.ready(lapses, 0)
    model.block(after=3_600_000)
    taken_back = model.propose(v.SetEngine("paxos"), not_before=9_000)
    model.vote(taken_back, 0, 1, 2)
    model.ready(taken_back, 0, 1, 2)
    model.vote(taken_back, 1, 2, 3, approve=False)
    changed(model, v.SetParameter("proposal_lifetime", 3 * DAY), memo="longer")
    approved = model.propose(v.SetEngine("raft"), acknowledged=("no_fault_tolerance",))
    model.vote(approved, 0, 1, 2)
    model.ready(approved, 1)
    return model


def changes() -> Council:
    """Every kind of change."""
    model = Council()
    node, other, paper = (bytes([one]) * 32 for one in (1, 2, 3))
    fifth = v.Validator("n9", "new", keys.VOTE_KEYS[9], 1)
    changed(
        model,
        v.SetParameter("evidence_policy", 3),
        v.SetOrganisation("new", None, b"certificate"),
        v.AddValidator(fifth),
        ready=(0, 1, 2, 3, 9),
    )
    changed(
        model,
        v.AllowNode(node),
        v.DenyNode(other),
        v.RevokeCertificate(paper),
        v.SetAlgorithms((0, 1), (0,), model.time + DAY),
        ready=(0, 1, 2, 3, 9),
    )
    changed(
        model,
        v.ClearNode(other),
        v.SetQuorum(4, 5),
        v.SetEngine("raft"),
        v.ChangeValidator("n3", None, keys.VOTE_KEYS[8]),
        v.SetAlgorithms((0, 2), (0,), model.time + 2 * DAY),
        acknowledged=("no_fault_tolerance",),
        ready=(0, 1, 2, 8, 9),
    )
    changed(
        model,
        v.RemoveValidator("n9"),
        v.RemoveOrganisation("new"),
        v.ChangeValidator("n0", 2, None),
        v.SetOrganisation("a", model.voices[0], b"another"),
        acknowledged=("n0", "no_fault_tolerance"),
        ready=(0, 1, 2, 8),
    )
    return model


def proposed() -> Council:
    """Evidence that opens a proposal, and evidence that finds it open."""
    model = five(2)
    model.report(3, round_=1)
    model.report(3, round_=2)
    model.report(2, round_=2**64 - 1)
    (proposal, *_) = model.council.agenda.open
    model.vote(proposal, 0, 1, 2, 3)
    return model


def excluded() -> Council:
    """Evidence that removes a member at once, and evidence that waits until it may."""
    model = five(3)
    changed(
        model,
        v.AddValidator(v.Validator("n8", "a", keys.VOTE_KEYS[8], 1)),
        ready=(0, 1, 2, 3, 9),
    )
    model.report(3)
    model.report(2, round_=1)
    for waits in (False, True):
        pending = model.council.agenda.pending
        assert pending is not None
        for one in (0, 1, 2, 9, 8):
            model.ready(pending.proposal, one)
        while model.status(pending.proposal) != v.ProposalStatus.ACTIVE:
            model.block()
        if not waits:
            model.block()
    model.report(3, round_=2)
    return model


SCRIPTS = (votes, changes, proposed, excluded)


@pytest.fixture(scope="module")
def ledgers() -> list[Simulated]:
    return [decided(script()) for script in SCRIPTS]


def write(engine: Engine, ledger: Simulated, step: int) -> Reader:
    writer, chain = Writer(engine, ledger.origin), ledger.chain
    while writer.progress.height < chain.height:
        writer.write(writer.decode(chain.export(writer.progress.height, step, 1 << 30)))
    return Reader(engine, chain.prefix, chain.suite, chain.chain_id.hex())


def listed(chain: core.Chain, kind: str) -> dict[str, dict[str, Any]]:
    """What the ledger's state holds, by id."""
    page = getattr(chain, f"list_{kind}")
    found, after = {}, b""
    while True:
        answer = json.loads(page(after, 1_000))
        found.update({one["id"]: one["value"]["v1"] for one in answer["items"]})
        if answer["next"] is None:
            return found
        after = bytes.fromhex(answer["next"])


def test_these_ledgers_hold_what_the_tests_need(ledgers: list[Simulated]) -> None:
    proposals = [one for made in ledgers for one in listed(made.chain, "proposals").values()]
    assert {one["status"] for one in proposals} == set(get_args(governance.State))
    assert {one["evidence"] is None for one in proposals} == {True, False}
    kinds = {next(iter(change)) for one in proposals for change in one["changes"]}
    assert kinds == set(EFFECTS) - {"set_protocol_version"}
    evidence = [one for made in ledgers for one in listed(made.chain, "evidence").values()]
    actions = {one["action"] if isinstance(one["action"], str) else next(iter(one["action"]))
               for one in evidence}  # fmt: skip
    assert actions == {"proposed", "scheduled", "queued", "gone"}


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_it_has_what_the_state_has(
    ledgers: list[Simulated], number: int, database: Databases
) -> None:
    ledger = ledgers[number]
    index = write(database.engine(), ledger, 7)
    compare_proposals(ledger.chain, index)
    compare_evidence(ledger.chain, index)
    compare_epochs(ledger.chain, index)


def test_each_change_stands_beside_what_those_before_it_leave() -> None:
    key = {"ed25519": "11" * 32}
    members = [{"name": "v1", "organisation": "o1", "weight": 1, "key": key}]
    retired = {"algorithm": 2, "until": "9"}
    parameters = {"algorithms": [0, 3], "vote_algorithms": [0], "retired_algorithms": [retired]}
    now = Settings("pbft", 2, 3, 1, members, parameters, {}, {}, [])
    changes: list[dict[str, Any]] = [
        {"set_algorithms": {"accounts": [0], "votes": [0], "old_until": "5"}},
        {"set_algorithms": {"accounts": [0, 1], "votes": [0, 1], "old_until": "6"}},
        {"change_validator": {"name": "v1", "weight": 2, "key": None}},
        {"change_validator": {"name": "v1", "weight": 3, "key": None}},
        {"set_quorum": {"numerator": 9, "denominator": 10}},
        {"set_quorum": {"numerator": 8, "denominator": 10}},
        {"set_organisation": {"name": "o2", "governance": None, "certificate": "00fe"}},
        {"set_organisation": {"name": "o2", "governance": None, "certificate": "00ff"}},
    ]
    second = [retired, {"algorithm": 3, "until": "5"}]
    first = {"accounts": [0, 3], "votes": [0], "retired": [retired]}
    organisation = {
        "governance": None,
        "certificate_bytes": 2,
        "certificate_sha256": hashlib.sha256(b"\x00\xfe").hexdigest(),
    }
    assert now.compared(changes) == [
        first,
        {"accounts": [0], "votes": [0], "retired": second},
        members[0],
        {**members[0], "weight": 2},
        [2, 3],
        [9, 10],
        None,
        organisation,
    ]
    # What is in force is only read.
    assert (now.validators, now.parameters["algorithms"]) == (members, [0, 3])
    assert members[0]["weight"] == 1


def compare_proposals(chain: core.Chain, index: Reader) -> None:
    expected = listed(chain, "proposals")
    assert {one["id"] for one in governance.proposals(index, ALL).items} == set(expected)
    pending = json.loads(chain.governance_json())["pending"]
    for identity, value in expected.items():
        found = governance.proposal(index, identity)
        assert found is not None
        assert found["state"] == value["status"]
        for name in ("evidence", "expires", "not_before", "acknowledged", "memo", "changed"):
            assert found[name] == value[name], name
        assert found["proposer"] == value["proposer"]
        assert [one["change"] for one in found["diff"]] == [
            next(iter(one)) for one in value["changes"]
        ]
        given = {one["organisation"]: one["approve"] for one in found["votes"]}
        counted = {name: vote for name, vote in given.items() if vote is not None}
        assert counted == {one["organisation"]: one["approve"] for one in value["votes"]}
        assert len(found["history"]) >= len(counted)
        block = json.loads(chain.block_json(int(found["opened"]), False) or b"{}")
        assert block["height"] == found["opened"]
        if pending is not None and pending["proposal"] == identity:
            assert found["activation_height"] == pending["activation"]
            ready = [(one["name"], one["weight"], one["ready"]) for one in found["ready"]]
            members = pending["members"]
            assert ready == [(one["name"], one["weight"], one["ready"]) for one in members]
        if value["status"] == "withdrawn":
            assert found["activation_height"] is None
        if value["status"] == "active":
            assert found["activation_height"] == str(int(value["changed"]) + 1)


def compare_evidence(chain: core.Chain, index: Reader) -> None:
    expected = listed(chain, "evidence")
    found = {one["id"]: one for one in governance.evidence_list(index, ALL).items}
    assert set(found) == set(expected)
    known = set(listed(chain, "proposals"))
    for identity, value in expected.items():
        one = governance.evidence(index, identity)
        assert one == found[identity]
        action, proposal = value["action"], None
        if isinstance(action, dict):
            ((action, proposal),) = action.items()
        assert (one["member"], one["key"]) == (value["validator"], value["member"])
        for name in ("epoch", "engine", "height", "round", "digest_one", "digest_two"):
            assert one[name] == value[name], name
        assert (one["reporter"], one["recorded"]) == (value["reporter"], value["recorded"])
        assert one["kind"] == governance.PHASES[value["phase"]]
        assert one["action"] == action
        assert proposal is None or one["proposal"] == proposal
        assert one["proposal"] is None or one["proposal"] in known


def compare_epochs(chain: core.Chain, index: Reader) -> None:
    found = governance.epochs(index, ALL).items
    newest = chain.epoch[0]
    assert [one["epoch"] for one in found] == [str(one) for one in range(newest, -1, -1)]
    for one in found:
        set_ = chain.validator_set_of_epoch(int(one["epoch"]))
        assert set_ is not None
        members = json.loads(core.validator_set_to_json(set_))["v1"]
        assert one["validators"] == members["validators"]
        assert one["engine"] == members["engine"]
    now = governance.epoch(index)
    assert now is not None
    assert now["height"] == str(chain.epoch[1])
    members = json.loads(core.validator_set_to_json(chain.validator_set))["v1"]
    for name in ("quorum_numerator", "quorum_denominator"):
        assert now[name] == members[name]
    assert now["parameters"] == json.loads(chain.parameters_json())["v1"]
    state = json.loads(chain.governance_json())
    assert now["protocol_version"] == state["protocol_version"]
    assert sorted(now["revoked"]) == sorted(state["revoked"])
    for name in ("allowed", "denied"):
        assert sorted(node for node, how in now["listings"].items() if how == name) == sorted(
            state[name]
        )
    organisations = json.loads(chain.organisations_json())
    assert [
        (one["name"], one["governance"], one["certificate_bytes"])
        for one in sorted(now["organisations"], key=lambda one: one["name"].encode())
    ] == [(one["name"], one["governance"], len(one["certificate"]) // 2) for one in organisations]


def test_a_quorum_is_that_of_the_ledger(ledgers: list[Simulated], database: Databases) -> None:
    index = write(database.engine(), ledgers[0], 40)
    for one in governance.epochs(index, ALL).items:
        weights = [member["weight"] for member in one["validators"]]
        assert one["total"] == sum(weights)
        assert 2 * one["total"] < 3 * one["quorum"] <= 3 * one["total"]


def test_every_grouping_gives_the_same(ledgers: list[Simulated], tmp_path: Any) -> None:
    databases = Databases("sqlite", tmp_path, "")
    hashes = []
    for step in (1, 13, 1_000):
        engine = databases.engine()
        write(engine, ledgers[1], step)
        found = check.check(engine)
        assert found is not None
        hashes.append(found.tables)
    databases.close()
    assert hashes[0] == hashes[1] == hashes[2]
    assert {"epochs", "validators", "proposals", "votes", "ready", "evidence"} <= set(hashes[0])


def test_both_databases_hold_the_same(
    ledgers: list[Simulated], tmp_path: Any, postgres: str
) -> None:
    hashes = []
    for kind in ("sqlite", "postgresql"):
        databases = Databases(kind, tmp_path, postgres)
        engine = databases.engine()
        write(engine, ledgers[2], 30)
        hashes.append(check.check(engine))
        databases.close()
    assert hashes[0] == hashes[1]
    assert hashes[0] is not None


def test_search_finds_what_was_proposed_and_proven(
    ledgers: list[Simulated], tmp_path: Any
) -> None:
    databases = Databases("sqlite", tmp_path, "")
    index = write(databases.engine(), ledgers[2], 40)
    for kind, found in (
        ("proposal", governance.proposals(index, ALL).items),
        ("evidence", governance.evidence_list(index, ALL).items),
    ):
        for one in found:
            hits = index.search(one["id"])
            assert {"kind": kind, "id": one["id"], "title": one["id"]} in hits
        assert found
    databases.close()


def test_filters_and_pages(ledgers: list[Simulated], database: Databases) -> None:
    index = write(database.engine(), ledgers[0], 40)
    whole = governance.proposals(index, ALL).items
    seen, asked = [], Asked(limit=3)
    while True:
        page = governance.proposals(index, asked)
        seen += page.items
        if page.next is None:
            break
        asked = Asked(page.next, 3)
    assert seen == whole
    assert len(whole) > 3
    heights = [int(one["opened"]) for one in whole]
    assert heights == sorted(heights, reverse=True)
    for state in {one["state"] for one in whole}:
        fitting = governance.proposals(index, ALL, state).items
        assert fitting == [one for one in whole if one["state"] == state]
    proposers = {one["proposer"] for one in whole} - {None}
    for name in proposers:
        fitting = governance.proposals(index, ALL, None, name).items
        assert fitting == [one for one in whole if one["proposer"] == name]
    assert governance.proposal(index, "00" * 32) is None
    assert governance.evidence(index, "00" * 32) is None
    assert governance.epoch(index, 10**6) is None


def test_an_index_without_governance_begins_again(
    ledgers: list[Simulated], database: Databases
) -> None:
    """Tables of the first number hold no epochs: they are emptied and filled from the ledger."""
    engine = database.engine()
    write(engine, ledgers[0], 40)
    whole = check.check(engine)
    with engine.begin() as connection:
        for table in (
            schema.epochs,
            schema.proposals,
            schema.votes,
            schema.ready,
            schema.evidence,
        ):
            table.drop(connection)
        connection.execute(text("DELETE FROM index_schema WHERE version > 1"))
    assert migrations.migrate(engine) == len(migrations.STEPS)
    write(engine, ledgers[0], 40)
    assert check.check(engine) == whole
