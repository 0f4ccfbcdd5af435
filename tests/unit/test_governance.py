"""What a node does by itself about governance, and how proposals are told."""

import asyncio
import hashlib
import json
import re
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bubi import core
from bubi.consensus import ENGINES, engine_in_force
from bubi.consensus.engine import (
    Progress,
    ReportEvidence,
    RequestPayload,
    Start,
    TimerElapsed,
    TimerId,
    VoteMessage,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.consensus.switching import NOT_STARTED
from bubi.ledger import statement_json
from bubi.network import certificates
from bubi.node.differences import FLAGS, Present, differences
from bubi.node.governance import Governance, authorities_of
from bubi.node.health import Health
from tests.replica.cluster import Checks, configuration_of

ROOT = Path(__file__).parents[2]

# --- the engine in force -------------------------------------------------------------------------


def test_a_start_with_another_engine_begins_with_its_initial_state() -> None:
    switching = engine_in_force(Checks())
    state = switching.initial()
    assert switching.progress(state) == NOT_STARTED
    assert switching.step(state, TimerElapsed(TimerId(1, 0, "progress"))) == (state, ())
    for name in (*sorted(set(ENGINES) - {"solo"}), "pbft"):
        state, effects = switching.step(state, Start(1, configuration_of(4, 0, name)))
        assert state.engine is not None
        assert state.engine.name == name
        found: Progress = switching.progress(state)
        assert (found.height, found.round) == (1, 0)
        assert any(isinstance(effect, RequestPayload) for effect in effects) or name == "paxos"
    before = state.engine
    state, _ = switching.step(state, Start(2, configuration_of(4, 0, "pbft")))
    assert state.engine is before
    with pytest.raises(ValueError, match="no engine"):
        switching.step(state, Start(3, configuration_of(4, 0, "tendermint")))


# --- differences ---------------------------------------------------------------------------------

KEY = {"ed25519": "11" * 32}
OTHER = {"sm2": "02" + "22" * 32}
RETIRED = {"algorithm": 2, "until": "86400000"}
PARAMETERS = {
    "timeout": "2000",
    "algorithms": [0, 3],
    "vote_algorithms": [0],
    "retired_algorithms": [RETIRED],
}
PRESENT = Present(
    PARAMETERS,
    {
        "engine": "pbft",
        "quorum_numerator": 0,
        "quorum_denominator": 1,
        "validators": [{"name": "v1", "organisation": "o1", "weight": 1, "key": KEY}],
    },
    [{"name": "o1", "governance": None, "certificate": "00ff"}],
    {"protocol_version": 1, "allowed": ["aa"], "denied": ["bb"], "revoked": ["cc"]},
)


def sha256(digits: str) -> str:
    return hashlib.sha256(bytes.fromhex(digits)).hexdigest()


P256 = "p256 until 1970-01-02 00:00:00 UTC"
O1 = f"no governance account, certificate SHA-256 {sha256('00ff')}"
V1 = f"o1, weight 1, ed25519:{'11' * 32}"
CASES: list[tuple[dict[str, Any], str, str | None, str | None]] = [
    ({"set_parameter": {"name": "timeout", "value": "3000"}}, "timeout", "2000", "3000"),
    ({"set_parameter": {"name": "new", "value": "1"}}, "new", None, "1"),
    ({"remove_validator": {"name": "v1"}}, "v1", V1, None),
    (
        {"add_validator": {"name": "v2", "organisation": "o1", "weight": 3, "key": OTHER}},
        "v2",
        None,
        f"o1, weight 3, sm2:02{'22' * 32}",
    ),
    (
        {"change_validator": {"name": "v1", "weight": 2, "key": None}},
        "v1",
        V1,
        V1.replace("weight 1", "weight 2"),
    ),
    (
        {"set_organisation": {"name": "o2", "governance": "bubidev1x", "certificate": "00"}},
        "o2",
        None,
        f"bubidev1x, certificate SHA-256 {sha256('00')}",
    ),
    (
        {"set_organisation": {"name": "o1", "governance": None, "certificate": "00fe"}},
        "o1",
        O1,
        O1.replace(sha256("00ff"), sha256("00fe")),
    ),
    (
        {"set_organisation": {"name": "o1", "governance": None, "certificate": ""}},
        "o1",
        O1,
        "no governance account, no certificate",
    ),
    ({"remove_organisation": {"name": "o1"}}, "o1", O1, None),
    ({"set_engine": {"name": "raft"}}, "engine", "pbft", "raft"),
    (
        {"set_quorum": {"numerator": 9, "denominator": 10}},
        "quorum",
        "0/1 (weight 1 of 1)",
        "9/10 (weight 1 of 1)",
    ),
    (
        {"set_algorithms": {"accounts": [0], "votes": [0, 1], "old_until": "5000"}},
        "algorithms",
        f"accounts ed25519 sm2; votes ed25519; old keys of {P256}",
        "accounts ed25519; votes ed25519 secp256k1; "
        f"old keys of {P256}, sm2 until 1970-01-01 00:00:05 UTC",
    ),
    (
        {"set_algorithms": {"accounts": [2], "votes": [0], "old_until": str(2**64 - 1)}},
        "algorithms",
        f"accounts ed25519 sm2; votes ed25519; old keys of {P256}",
        "accounts p256; votes ed25519; old keys of "
        "ed25519 until 18446744073709551615 ms, sm2 until 18446744073709551615 ms",
    ),
    (
        {"set_protocol_version": {"version": 2}},
        "protocol_version",
        "1 (operations 0 to 30)",
        "2 (not known to this node)",
    ),
    ({"allow_node": {"node": "bb"}}, "bb", "denied", "allowed"),
    ({"deny_node": {"node": "dd"}}, "dd", None, "denied"),
    ({"clear_node": {"node": "aa"}}, "aa", "allowed", None),
    ({"revoke_certificate": {"fingerprint": "cc"}}, "cc", "revoked", "revoked"),
]


@pytest.mark.parametrize(("change", "name", "before", "after"), CASES)
def test_each_change_is_told_with_what_is_in_force(
    change: dict[str, Any], name: str, before: str | None, after: str | None
) -> None:
    (kind,) = change
    told = {"change": kind, "name": name, "before": before, "after": after}
    assert differences([change], PRESENT) == [told]
    (closed,) = differences([change], None)
    assert (closed["name"], closed["before"]) == (name, None)


@pytest.mark.parametrize(
    ("numerator", "denominator", "after"),
    [(9, 10, "9/10 (weight 4 of 4)"), (1, 2, "1/2 (weight 3 of 4)")],
)
def test_a_quorum_is_told_as_the_weight_that_it_asks(
    numerator: int, denominator: int, after: str
) -> None:
    """Half of the votes asks for no less than the floor of more than two thirds: it is told."""
    four = [{"weight": 1}] * 4
    present = replace(PRESENT, validators={**PRESENT.validators, "validators": four})
    change = {"set_quorum": {"numerator": numerator, "denominator": denominator}}
    (told,) = differences([change], present)
    assert (told["before"], told["after"]) == ("0/1 (weight 3 of 4)", after)
    (closed,) = differences([change], None)
    assert closed["after"] == f"{numerator}/{denominator}"


def test_a_certificate_is_told_by_its_fingerprint_its_subject_and_its_end() -> None:
    """Two authorities of one name and length differ by the fingerprint at least."""
    day = certificates.DAY_MS
    shown = []
    for _ in range(2):
        made = certificates.create_authority("o1", certificates.new_key("ed25519"), day, 1)
        change = {
            "set_organisation": {"name": "o1", "governance": None, "certificate": made.hex()}
        }
        (told,) = differences([change], PRESENT)
        assert told["after"] is not None
        assert hashlib.sha256(made).hexdigest() in told["after"]
        assert told["after"].endswith("(CN=o1 authority,O=o1, until 1970-01-03 00:00:00 UTC)")
        shown.append(told["after"])
    assert shown[0] != shown[1]


def added(number: int) -> dict[str, Any]:
    name = f"v{number}"
    return {"add_validator": {"name": name, "organisation": "o1", "weight": 1, "key": KEY}}


def test_each_change_is_compared_with_those_before_it() -> None:
    """Six validators more and a quorum of 9/10: the weight is that of all of them."""
    ratio = {"set_quorum": {"numerator": 9, "denominator": 10}}
    changes = [*(added(number) for number in range(2, 8)), ratio]
    told = differences(changes, PRESENT)
    assert (told[-1]["before"], told[-1]["after"]) == (
        "0/1 (weight 5 of 7)",
        "9/10 (weight 7 of 7)",
    )
    assert differences([ratio], PRESENT)[0]["after"] == "9/10 (weight 1 of 1)"


CHAINS: list[tuple[dict[str, Any], dict[str, Any], str | None]] = [
    (
        {"set_parameter": {"name": "timeout", "value": "3000"}},
        {"set_parameter": {"name": "timeout", "value": "4000"}},
        "3000",
    ),
    (added(2), {"remove_validator": {"name": "v2"}}, V1),
    ({"remove_validator": {"name": "v1"}}, added(1), None),
    (
        {"change_validator": {"name": "v1", "weight": 2, "key": None}},
        {"change_validator": {"name": "v1", "weight": None, "key": OTHER}},
        V1.replace("weight 1", "weight 2"),
    ),
    (
        {"set_organisation": {"name": "o1", "governance": "bubidev1x", "certificate": "00ff"}},
        {"set_organisation": {"name": "o1", "governance": "bubidev1y", "certificate": "00ff"}},
        O1.replace("no governance account", "bubidev1x"),
    ),
    (
        {"remove_organisation": {"name": "o1"}},
        {"set_organisation": {"name": "o1", "governance": None, "certificate": ""}},
        None,
    ),
    ({"set_engine": {"name": "raft"}}, {"set_engine": {"name": "paxos"}}, "raft"),
    (
        {"set_quorum": {"numerator": 9, "denominator": 10}},
        {"set_quorum": {"numerator": 8, "denominator": 10}},
        "9/10 (weight 1 of 1)",
    ),
    (
        {"set_algorithms": {"accounts": [0, 2, 3], "votes": [0, 2], "old_until": "5000"}},
        {"set_algorithms": {"accounts": [0], "votes": [0], "old_until": "6000"}},
        "accounts ed25519 p256 sm2; votes ed25519 p256",
    ),
    (
        {"set_protocol_version": {"version": 2}},
        {"set_protocol_version": {"version": 3}},
        "2 (not known to this node)",
    ),
    ({"allow_node": {"node": "dd"}}, {"deny_node": {"node": "dd"}}, "allowed"),
    ({"deny_node": {"node": "aa"}}, {"clear_node": {"node": "aa"}}, "denied"),
    ({"clear_node": {"node": "bb"}}, {"allow_node": {"node": "bb"}}, None),
    (
        {"revoke_certificate": {"fingerprint": "dd"}},
        {"revoke_certificate": {"fingerprint": "dd"}},
        "revoked",
    ),
]


@pytest.mark.parametrize(("first", "second", "before"), CHAINS)
def test_every_kind_of_change_is_seen_by_those_behind_it(
    first: dict[str, Any], second: dict[str, Any], before: str | None
) -> None:
    assert {kind for one, _, _ in CHAINS for kind in one} == {
        kind for one, *_ in CASES for kind in one
    }
    same = PRESENT.validators["validators"]
    told = differences([first, second], PRESENT)
    assert told[1]["before"] == before
    # What is in force is only read.
    assert PRESENT.validators["validators"] is same
    assert PRESENT.parameters == PARAMETERS


def test_the_flags_are_those_of_the_core() -> None:
    source = (ROOT / "core/ledger/src/protocol.rs").read_text()
    released = source.split("#[cfg(test)]")[0]
    known = re.findall(r"(\d+) => Some\(Flags \{ last_operation: (\d+) \}\)", released)
    assert {int(one): f"operations 0 to {last}" for one, last in known} == dict(FLAGS)
    assert max(FLAGS) == core.newest_protocol_version()
    page = (ROOT / "spec/ledger.md").read_text()
    for version, text in FLAGS.items():
        assert f"| {version} | {text} |" in page


# --- what the node says --------------------------------------------------------------------------


class Chain:
    """What governance reads of a ledger."""

    chain_id = bytes(32)
    suite = 0
    prefix = "bubidev"
    time = 1_000

    def __init__(self, member: core.SigningKey) -> None:
        self.pending: dict[str, Any] | None = None
        self.changes: list[dict[str, Any]] = []
        self.denied: list[str] = []
        self.recorded: set[bytes] = set()
        self.organisations = [{"name": "o1", "governance": None, "certificate": ""}]
        key = {"ed25519": member.public_key[1:].hex()}
        fields = {"name": "v", "organisation": "o1", "key": key, "weight": 1}
        validators = {
            "epoch": "0", "engine": "solo", "validators": [fields],
            "quorum_numerator": 0, "quorum_denominator": 1,
        }  # fmt: skip
        self.validators = core.validator_set_from_json(core.encode_json({"v1": validators}))

    def organisations_json(self) -> bytes:
        return json.dumps(self.organisations).encode()

    def proposal_json(self, proposal: bytes) -> bytes:
        return json.dumps({"v1": {"changes": self.changes}}).encode()

    def evidence_json(self, evidence: bytes) -> bytes | None:
        return b"{}" if evidence in self.recorded else None

    def list_evidence(self, after: bytes, limit: int) -> bytes:
        return b'{"items": [], "next": null}'

    def validator_set_of_epoch(self, epoch: int) -> bytes | None:
        return self.validators if epoch == 0 else None


class Ledger:
    def __init__(self, chain: Chain, own: int | None) -> None:
        self.parameters = {"max_lifetime": "600000", "evidence_policy": 1}
        self.chain = chain
        self.own = own

    @property
    def governance(self) -> dict[str, Any]:
        return {"pending": self.chain.pending, "allowed": [], "denied": self.chain.denied,
                "revoked": []}  # fmt: skip

    @property
    def organisations(self) -> list[dict[str, Any]]:
        return self.chain.organisations

    def configuration(self) -> Any:
        return configuration_of(4, self.own, "pbft")


class Ticket:
    def __init__(self) -> None:
        self.decision: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class Decision:
    def __init__(self, number: int) -> None:
        self.codes = number.to_bytes(2, "little")


class Door:
    forwards = False

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.tickets: list[Ticket] = []

    async def bulk(self, body: bytes, origin: str) -> tuple[None, Ticket]:
        self.bodies.append(body)
        self.tickets.append(Ticket())
        return None, self.tickets[-1]


class Admission:
    def __init__(self) -> None:
        self.followed: list[Any] = []
        self.roles: list[bool] = []

    def follow(self, authorities: Any, revoked: Any, lists: Any) -> None:
        self.followed.append((tuple(authorities), tuple(revoked), lists))

    def set_observer(self, observer: bool) -> None:
        self.roles.append(observer)


class Clock:
    @staticmethod
    def now_ms() -> int:
        return 5_000


class World:
    def __init__(self, own: int | None = 0) -> None:
        self.key = core.SigningKey.generate(core.Algorithm.ED25519, secrets.token_bytes(32))
        self.chain = Chain(self.key)
        self.ledger = Ledger(self.chain, own)
        self.door, self.admission = Door(), Admission()
        self.alarms: list[str] = []
        self.health = Health()
        self.governance = Governance(
            self.chain,  # type: ignore[arg-type]
            self.ledger,  # type: ignore[arg-type]
            self.key,
            self.door,  # type: ignore[arg-type]
            Clock(),
            frozenset({"pbft"}),
            self.health,
            lambda code, _text: self.alarms.append(code),
        )
        self.governance.connect(self.admission)

    @property
    def account(self) -> str:
        return core.address_to_text("bubidev", core.key_address(0, self.key.public_key))

    def approve(self, *changes: dict[str, Any], ready: bool = False) -> None:
        self.chain.changes = list(changes)
        member = {"name": "v", "account": self.account, "weight": 1, "ready": ready}
        self.chain.pending = {"proposal": "07" * 32, "activation": None, "members": [member]}


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what it waits for knows no event
            await asyncio.sleep(0.01)


def said(body: bytes) -> Any:
    """The operation of the one transaction in a bulk body."""
    signed = body[1:]
    length, size = 0, 0
    while True:
        byte = signed[size]
        length |= (byte & 0x7F) << 7 * size
        size += 1
        if byte < 0x80:
            break
    shown = json.loads(core.transaction_to_json("bubidev", 0, bytes(32), signed[size:]))
    return shown["v1"]["body"]["v1"]["operations"][0]["body"]


def test_a_node_says_ready_until_a_block_holds_it() -> None:
    async def test() -> None:
        world = World()
        running = asyncio.create_task(world.governance.run())
        world.approve({"set_engine": {"name": "pbft"}})
        world.governance.look()
        world.governance.look()
        await until(lambda: len(world.door.bodies) == 1)
        assert said(world.door.bodies[0]) == {"ready": {"proposal": "07" * 32}}
        # It expired: it is said again, and not once more after it was final.
        world.door.tickets[0].decision.set_result(Decision(core.SKIPPED))
        await until(lambda: len(world.door.bodies) == 2)
        world.door.tickets[1].decision.set_result(Decision(0))
        world.approve({"set_engine": {"name": "pbft"}}, ready=True)
        world.governance.look()
        await asyncio.sleep(1.5)
        assert len(world.door.bodies) == 2
        assert world.alarms == []
        running.cancel()

    asyncio.run(test())


@pytest.mark.parametrize(
    "change",
    [{"set_engine": {"name": "raft"}}, {"set_protocol_version": {"version": 1_000}}],
)
def test_what_this_version_cannot_follow_is_an_alarm_and_no_ready(change: dict[str, Any]) -> None:
    async def test() -> None:
        world = World()
        running = asyncio.create_task(world.governance.run())
        world.approve(change)
        world.governance.look()
        world.governance.look()
        assert world.alarms == ["change_unsupported"]
        (warning,) = world.health.warnings
        assert warning.code == "change_unsupported"
        assert "install a newer one" in warning.text
        await asyncio.sleep(0.2)
        assert world.door.bodies == []
        world.chain.pending = None
        world.governance.look()
        assert world.health.warnings == []
        running.cancel()

    asyncio.run(test())


def vote(digest: bytes, phase: Phase = Phase.FIRST, outcome: bytes = b"") -> VoteMessage:
    return VoteMessage(0, VoteRequest(0, "pbft", 7, 2, phase, digest, outcome), bytes(64))


def test_evidence_is_reported_once() -> None:
    async def test() -> None:
        world = World()
        running = asyncio.create_task(world.governance.run())
        one, two = vote(b"\1" * 32), vote(b"\2" * 32)
        world.governance.report(ReportEvidence(one, two))
        world.governance.report(ReportEvidence(two, one))
        await until(lambda: world.door.bodies)
        operation = said(world.door.bodies[0])["report_evidence"]
        assert operation["member"] == {"ed25519": world.key.public_key[1:].hex()}
        assert operation["statement_one"] == statement_json(one.request)
        assert len(world.door.bodies) == 1
        assert world.alarms == []
        running.cancel()

    asyncio.run(test())


def test_the_network_follows_the_lists_and_the_role() -> None:
    async def test() -> None:
        world = World(own=None)
        world.governance.look()
        world.governance.look()
        assert len(world.admission.followed) == 1
        assert (world.door.forwards, world.admission.roles) == (True, [True])
        world.chain.denied = ["aa" * 32]
        world.ledger.own = 2
        world.governance.look()
        assert world.admission.followed[-1][2].denied == {bytes.fromhex("aa" * 32)}
        assert (world.door.forwards, world.admission.roles) == (False, [True, False])
        members = configuration_of(4, 2, "pbft").members
        # No white list shuts these out.
        voters = {one.organisation for one in members}
        assert voters
        assert world.admission.followed[-1][2].voters == voters

    asyncio.run(test())


def test_an_organisation_without_certificate_vouches_for_nobody() -> None:
    listed = [
        {"name": "a", "governance": None, "certificate": ""},
        {"name": "b", "governance": None, "certificate": "3000"},
    ]
    assert [(one.organisation, one.certificate) for one in authorities_of(listed)] == [
        ("b", b"\x30\x00")
    ]
