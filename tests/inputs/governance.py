"""Bad proposals, votes and evidence, with the codes that spec/ledger.md promises.

Every attempt is one transaction, so that nothing of it stays: the network of the node is never
changed, and the cases do not meet each other.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bubi_sdk import Algorithm, PublicKey, SecretKey, TransactionBuilder
from bubi_sdk import governance as gov
from bubi_sdk import operations as ops
from bubi_sdk.codec import Fields
from bubi_sdk.transaction import Transaction

from bubi import core
from bubi.node.files import read_key

from ..integration.nodes import Account
from .world import DAY, World, now

Attempt = Callable[[World], dict[str, Any]]
Parts = list[tuple[str, ops.OperationBody]]
"""Operations with the names of the accounts that act."""

ORGANISATION, VALIDATOR = "development", "node-1"
HARMLESS = gov.SetParameter("timeout_max", 31_000)
OTHER = gov.SetParameter("timeout_max", 32_000)
ZEROS = bytes(32)


def json_of(operation: ops.OperationBody) -> Any:
    """The JSON form of an operation that breaks its own rules."""
    return Fields(ops.Operation).to_json(ops.Operation(None, operation), "bubidev")["body"]


def public(key: core.SigningKey) -> PublicKey:
    """The key as the SDK has it."""
    return PublicKey.from_tagged(key.public_key)


def new_key() -> PublicKey:
    """A key of nobody."""
    return SecretKey.generate(Algorithm.ED25519).public_key


def proposed(*changes: gov.Change, expires: int | None = None, **more: Any) -> ops.Propose:
    """A proposal that is open for a day."""
    return ops.Propose(changes, now() + DAY if expires is None else expires, **more)


def validator_account(world: World) -> Account:
    """The account of the node's vote key."""
    key = read_key(world.node.made.directory / "validator.key")
    return Account(key, core.address_to_text("bubidev", core.key_address(0, key.public_key)))


def send(world: World, make: Callable[[Transaction], Parts]) -> dict[str, Any]:
    """One transaction of the council; `make` may use the ids that its operations will derive."""
    people = {**world.accounts, "validator": validator_account(world)}
    council = world.network.address(people["council"].address)
    identifier = secrets.token_bytes(16)
    many = [ops.Ready(ZEROS)] * 64
    shape = TransactionBuilder(world.network, council).id(identifier)
    for one in many:
        shape.add(one)
    parts = make(shape.build())
    operations = [
        {
            "source": None if name == "council" else people[name].address,
            "body": json_of(body),
        }
        for name, body in parts
    ]
    made = world.node.body([], source=people["council"], replay={"id": identifier.hex()})
    made["v1"]["operations"] = operations
    signers = {"council", *(name for name, _ in parts)}
    answer: dict[str, Any] = world.submit(
        world.node.sign(made, *(people[name] for name in signers))
    ).json()
    return answer


def alone(operation: Callable[[], ops.OperationBody], by: str = "council") -> Attempt:
    """One operation of one account."""
    return lambda world: send(world, lambda _: [(by, operation())])


def proposing(*changes: gov.Change, **more: Any) -> Attempt:
    """One proposal of the council."""
    return alone(lambda: proposed(*changes, **more))


def approved(then: Callable[[bytes], Parts], *changes: gov.Change) -> Attempt:
    """A proposal that passes at once, and what follows in the same transaction."""

    def make(shape: Transaction) -> Parts:
        proposal = shape.proposal_id(0)
        passing: Parts = [
            ("council", proposed(*(changes or (HARMLESS,)))),
            ("council", ops.Vote(proposal, True)),
        ]
        return [*passing, *then(proposal)]

    return lambda world: send(world, make)


def withdrawn_first(world: World) -> dict[str, Any]:
    """A vote on what was taken back."""

    def make(shape: Transaction) -> Parts:
        proposal = shape.proposal_id(0)
        return [
            ("council", proposed(HARMLESS)),
            ("council", ops.WithdrawProposal(proposal)),
            ("council", ops.Vote(proposal, True)),
        ]

    return send(world, make)


def two_changes(world: World) -> dict[str, Any]:
    """A second change is approved while the first one waits."""

    def make(shape: Transaction) -> Parts:
        return [
            ("council", proposed(HARMLESS)),
            ("council", ops.Vote(shape.proposal_id(0), True)),
            ("council", proposed(OTHER)),
            ("council", ops.Vote(shape.proposal_id(2), True)),
        ]

    return send(world, make)


FOUR = (
    gov.SetEngine("pbft"),
    *(
        gov.AddValidator(gov.Validator(f"n{number}", ORGANISATION, new_key(), 1))
        for number in range(3)
    ),
)
"""A network of four, of which the present validator is one: it alone is not enough to be ready."""


def member(name: str, organisation: str = ORGANISATION) -> gov.Change:
    """One more validator."""
    return gov.AddValidator(gov.Validator(name, organisation, new_key(), 1))


# --- evidence ------------------------------------------------------------------------------------

FAR = 2**40
"""A height that is never too old."""


def vote(digest: int = 1, height: int = FAR, **more: Any) -> gov.Statement:
    """A first vote of the node's validator, in a round that nothing else uses."""
    fields = {"epoch": 0, "engine": "solo", "round": 0, "phase": 3, **more}
    return gov.Vote(gov.VoteStatement(height=height, digest=bytes([digest]) * 32, **fields))


def commit(digest: int = 1, outcome: int = 1) -> gov.Statement:
    """A commit vote of the node's validator."""
    return gov.Commit(
        gov.CommitStatement(0, "solo", FAR, 0, bytes([digest]) * 32, bytes([outcome]) * 32)
    )


def report(world: World, one: gov.Statement, two: gov.Statement) -> ops.ReportEvidence:
    """Both statements with good signatures."""
    key = validator_account(world).key
    chain = world.network.chain_id
    signatures = [key.sign(gov.statement_bytes(chain, half)) for half in (one, two)]
    return ops.ReportEvidence(public(key), one, signatures[0], two, signatures[1])


def evidence(one: gov.Statement, two: gov.Statement) -> Attempt:
    """Anyone reports these two statements."""
    return lambda world: send(world, lambda _: [("alice", report(world, one, two))])


def changed(**fields: Any) -> Attempt:
    """Good evidence of which something was exchanged."""
    return lambda world: send(
        world, lambda _: [("alice", replace(report(world, vote(1), vote(2)), **fields))]
    )


def twice(world: World) -> dict[str, Any]:
    """The same slot again, with other digests."""
    first, second = report(world, vote(1), vote(2)), report(world, vote(3), vote(4))
    return send(world, lambda _: [("alice", first), ("bob", second)])


def many(world: World) -> dict[str, Any]:
    """More than a block checks."""
    reports = [report(world, vote(1, round=one), vote(2, round=one)) for one in range(17)]
    return send(world, lambda _: [("alice", one) for one in reports])


REJECTIONS: list[tuple[str, Attempt, str]] = [
    ("vote on nothing", alone(lambda: ops.Vote(ZEROS, True)), "proposal_missing"),
    ("nothing taken back", alone(lambda: ops.WithdrawProposal(ZEROS)), "proposal_missing"),
    ("vote on what was taken back", withdrawn_first, "proposal_closed"),
    ("proposal of somebody", alone(lambda: proposed(HARMLESS), "alice"), "not_voter"),
    ("vote of somebody", alone(lambda: ops.Vote(ZEROS, True), "alice"), "not_voter"),
    (
        "five proposals of one organisation",
        lambda world: send(world, lambda _: [("council", proposed(HARMLESS))] * 5),
        "proposals_full",
    ),
    ("expired proposal", proposing(HARMLESS, expires=1), "expiry_invalid"),
    ("proposal for years", proposing(HARMLESS, expires=2**63), "expiry_invalid"),
    ("proposal for a far height", proposing(HARMLESS, not_before=2**63), "expiry_invalid"),
    ("second change approved", two_changes, "change_pending"),
    ("ready for nothing", alone(lambda: ops.Ready(ZEROS)), "change_missing"),
    (
        "ready without being a validator",
        approved(lambda proposal: [("council", ops.Ready(proposal))]),
        "not_validator",
    ),
    (
        "ready twice",
        approved(lambda proposal: [("validator", ops.Ready(proposal))] * 2, *FOUR),
        "ready_known",
    ),
    (
        "ready once more after the activation was fixed",
        approved(lambda proposal: [("validator", ops.Ready(proposal))] * 2),
        "change_missing",
    ),
    ("parameter that is none", proposing(gov.SetParameter("speed", 1)), "parameter_unknown"),
    (
        "parameter that is a list",
        proposing(gov.SetParameter("algorithms", 0)),
        "parameter_unknown",
    ),
    ("parameter fixed for ever", proposing(gov.SetParameter("id_bucket", 1)), "parameter_unknown"),
    ("parameter too small", proposing(gov.SetParameter("timeout", 1)), "parameter_invalid"),
    (
        "parameter beyond its type",
        proposing(gov.SetParameter("block_bytes", 2**32)),
        "parameter_invalid",
    ),
    ("removal of nobody", proposing(gov.RemoveValidator("ghost")), "validator_missing"),
    ("weight of nobody", proposing(gov.ChangeValidator("ghost", 2)), "validator_missing"),
    ("name of another validator", proposing(member(VALIDATOR)), "validator_exists"),
    ("validator of no organisation", proposing(member("n2", "ghost")), "organisation_missing"),
    (
        "removal of no organisation",
        proposing(gov.RemoveOrganisation("ghost")),
        "organisation_missing",
    ),
    (
        "removal of an organisation with validators",
        proposing(gov.RemoveOrganisation(ORGANISATION)),
        "organisation_in_use",
    ),
    ("unknown engine", proposing(gov.SetEngine("fast")), "engine_unknown"),
    ("engine of a genesis only", proposing(gov.SetEngine("cometbft")), "engine_unknown"),
    ("quorum above all votes", proposing(gov.SetQuorum(5, 4)), "quorum_invalid"),
    ("quorum without denominator", proposing(gov.SetQuorum(0, 0)), "quorum_invalid"),
    ("no validator left", proposing(gov.RemoveValidator(VALIDATOR)), "validators_invalid"),
    ("pbft for one validator", proposing(gov.SetEngine("pbft")), "validators_invalid"),
    ("solo for two validators", proposing(member("n2")), "validators_invalid"),
    (
        "two validators without saying so",
        proposing(gov.SetEngine("pbft"), member("n2")),
        "not_acknowledged",
    ),
    (
        "90 % of four without saying so",
        proposing(*FOUR, gov.SetQuorum(9, 10)),
        "not_acknowledged",
    ),
    (
        "a heavy validator without its name",
        proposing(*FOUR, gov.ChangeValidator(VALIDATOR, 3), acknowledged=("no_fault_tolerance",)),
        "not_acknowledged",
    ),
    (
        "nobody left to vote",
        proposing(gov.SetOrganisation(ORGANISATION, None, b"any certificate")),
        "governance_lost",
    ),
    (
        "validators without the certificate of their organisation",
        proposing(gov.SetOrganisation(ORGANISATION, None, b"")),
        "organisation_in_use",
    ),
    ("version in force again", proposing(gov.SetProtocolVersion(1)), "version_invalid"),
    ("version after the next", proposing(gov.SetProtocolVersion(3)), "version_invalid"),
    ("node on no list", proposing(gov.ClearNode(ZEROS)), "listing_invalid"),
    (
        "certificate revoked twice",
        proposing(gov.RevokeCertificate(ZEROS), gov.RevokeCertificate(ZEROS)),
        "listing_invalid",
    ),
    ("evidence of one slot twice", twice, "evidence_known"),
    ("evidence of one statement", evidence(vote(1), vote(1)), "evidence_invalid"),
    ("evidence of two rounds", evidence(vote(1), vote(2, round=1)), "evidence_invalid"),
    ("evidence of two phases", evidence(vote(1), vote(2, phase=0)), "evidence_invalid"),
    ("evidence of vote and commit vote", evidence(vote(1), commit(2)), "evidence_invalid"),
    ("evidence of two outcomes", evidence(commit(1, 1), commit(1, 2)), "evidence_divergence"),
    ("evidence against a stranger", changed(member=new_key()), "evidence_foreign"),
    (
        "evidence of an epoch to come",
        evidence(vote(1, epoch=9), vote(2, epoch=9)),
        "evidence_foreign",
    ),
    (
        "evidence of another engine",
        evidence(vote(1, engine="pbft"), vote(2, engine="pbft")),
        "evidence_foreign",
    ),
    ("evidence without a signature", changed(signature_two=bytes(64)), "evidence_signature"),
    ("evidence of the first block", evidence(vote(1, 1), vote(2, 1)), "evidence_old"),
    ("seventeen reports in one block", many, "evidence_full"),
]


FOURTH_PHASE, NAMELESS = vote(2, phase=4), vote(2, engine="")
MALFORMED: list[tuple[str, Any, str]] = [
    (name, json_of(operation), code)
    for name, operation, code in (
        ("proposal of nothing", proposed(), "malformed"),
        ("65 changes", proposed(*[HARMLESS] * 65), "too_large"),
        ("parameter without a name", proposed(gov.SetParameter("", 1)), "malformed"),
        ("engine of 65 bytes", proposed(gov.SetEngine("e" * 65)), "too_large"),
        ("validator of weight 0", proposed(gov.ChangeValidator("n", 0)), "malformed"),
        ("validator changed in nothing", proposed(gov.ChangeValidator("n")), "malformed"),
        (
            "certificate of 4,097 bytes",
            proposed(gov.SetOrganisation("o", None, bytes(4_097))),
            "too_large",
        ),
        ("no algorithm", proposed(gov.SetAlgorithms((), (0,), 1)), "malformed"),
        ("algorithm 4", proposed(gov.SetAlgorithms((0,), (4,), 1)), "malformed"),
        (
            "acknowledgements not sorted",
            proposed(HARMLESS, acknowledged=("b", "a")),
            "malformed",
        ),
        ("memo of 257 bytes", proposed(HARMLESS, memo="m" * 257), "too_large"),
        ("memo with a line end", proposed(HARMLESS, memo="a\nb"), "malformed"),
        (
            "evidence of phase 4",
            ops.ReportEvidence(new_key(), vote(1), bytes(64), FOURTH_PHASE, bytes(64)),
            "malformed",
        ),
        (
            "evidence without an engine",
            ops.ReportEvidence(new_key(), NAMELESS, bytes(64), vote(1), bytes(64)),
            "malformed",
        ),
    )
]
"""Refused at the door: what an operation alone decides."""
