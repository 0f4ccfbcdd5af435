"""Governance and evidence as a client makes them; proofs over several epochs."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import governance_samples as samples
import pytest
from bubi_sdk import Network, ProofInvalid, Trust, governance, verify_finality
from bubi_sdk import operations as ops
from bubi_sdk.builder import TransactionBuilder
from bubi_sdk.errors import EncodingError
from bubi_sdk.hashes import HashSuite
from bubi_sdk.proof import FinalityProof
from samples import HASHES, World

NETWORK = Network(samples.CHAIN, "bubidev", HashSuite.STANDARD)


def test_the_builder_makes_every_operation() -> None:
    one, two = samples.VOTES
    builder = (
        TransactionBuilder(NETWORK, samples.ALICE)
        .propose(
            *samples.CHANGES, expires=7, not_before=9, acknowledged=["b", "a", "b"], memo="why"
        )
        .vote(samples.PROPOSAL, approve=True)
        .vote(samples.PROPOSAL.hex(), approve=False)
        .withdraw_proposal(samples.PROPOSAL)
        .ready(samples.PROPOSAL, acting=samples.BOB)
        .report_evidence(samples.evidence(one, two))
    )
    made = builder.build(now=0)
    operations = [operation.body for operation in made.body.operations]
    assert operations == [
        ops.Propose(samples.CHANGES, 7, 9, ("a", "b"), "why"),
        ops.Vote(samples.PROPOSAL, True),
        ops.Vote(samples.PROPOSAL, False),
        ops.WithdrawProposal(samples.PROPOSAL),
        ops.Ready(samples.PROPOSAL),
        samples.evidence(one, two),
    ]
    assert made.body.operations[4].source == samples.BOB
    assert made.proposal_id(0) not in {made.hold_id(0), made.proposal_id(1)}


@pytest.mark.parametrize(
    ("operation", "code"),
    [(operation, code) for _, operation, code in samples.INVALID],
    ids=[name for name, _, _ in samples.INVALID],
)
def test_the_builder_refuses_what_no_ledger_takes(operation: ops.OperationBody, code: str) -> None:
    with pytest.raises(EncodingError) as caught:
        TransactionBuilder(NETWORK, samples.ALICE).add(operation)
    assert caught.value.code == code


def test_evidence_is_named_by_member_and_slot_and_not_by_what_was_signed() -> None:
    one, two = samples.VOTES

    def name(statement: governance.Statement, member: int = 0) -> bytes:
        key = samples.KEYS[member]
        return governance.evidence_id(HashSuite.STANDARD, samples.CHAIN, key, statement)

    later = governance.Vote(replace(one.statement, round=3))
    assert name(one) == name(two)
    assert len({name(one), name(one, 1), name(later), name(samples.COMMITS[0])}) == 4
    assert governance.slot_of(samples.COMMITS[0]).phase == governance.COMMIT_PHASE


def test_signatures_of_the_samples_are_those_of_votes() -> None:
    for statement in (*samples.VOTES, *samples.COMMITS):
        message = governance.statement_bytes(samples.CHAIN, statement)
        assert samples.VOTER.public_key.verify(message, samples.signature(statement))


def proof_over(epochs: int, world: World) -> FinalityProof:
    """A final block of an epoch, with every hand-over since the genesis."""
    return world.finality(HASHES[1], HASHES[7], epochs)


@pytest.mark.parametrize("suite", list(HashSuite))
@pytest.mark.parametrize("epochs", [0, 1, 2, 5])
def test_a_proof_leads_over_every_epoch(suite: HashSuite, epochs: int) -> None:
    world = World(suite)
    proven = verify_finality(world.trust, proof_over(epochs, world).encode())
    assert proven.height == 10 * epochs + 5
    assert proven.state_root == HASHES[7]


def test_a_trust_file_of_a_later_epoch_needs_only_later_hand_overs() -> None:
    world = World(HashSuite.STANDARD)
    proof = proof_over(4, world)
    later = Trust(world.trust.network, world.trust.kind, world.set_of(2))
    with pytest.raises(ProofInvalid):
        verify_finality(later, proof)
    assert verify_finality(later, replace(proof, handovers=proof.handovers[2:])).height == 45


def test_every_change_of_a_hand_over_is_seen() -> None:
    world, stranger = World(HashSuite.STANDARD), World(HashSuite.STANDARD)
    proof = proof_over(3, world)
    middle = proof.handovers[1]
    named = middle.next
    engine = replace(named, engine="raft")
    member = replace(named.validators[0], weight=2)
    wrong = [
        replace(middle, next=engine),
        replace(middle, next=replace(named, validators=(member, *named.validators[1:]))),
        replace(middle, next=replace(named, quorum_numerator=1)),
        replace(middle, next=replace(named, epoch=3)),
        replace(middle, outcome=replace(middle.outcome, state_root=bytes(32))),
        replace(middle, proposal=replace(middle.proposal, height=18)),
        replace(middle, certificate=proof.handovers[0].certificate),
        replace(
            middle,
            certificate=stranger.certify(middle.proposal, middle.outcome, 1, (0, 1)),
        ),
        proof.handovers[0],
        proof.handovers[2],
    ]
    for handover in wrong:
        changed = (proof.handovers[0], handover, proof.handovers[2])
        with pytest.raises(ProofInvalid):
            verify_finality(world.trust, replace(proof, handovers=changed))
    assert verify_finality(world.trust, proof).height == 35


def test_a_block_below_the_last_hand_over_is_refused() -> None:
    world = World(HashSuite.STANDARD)
    proof = proof_over(1, world)
    past, outcome = world.made_block(5, HASHES[1], HASHES[7], 1, 1)
    older = dataclasses.replace(
        proof, proposal=past, outcome=outcome, certificate=world.certify(past, outcome, 1)
    )
    with pytest.raises(ProofInvalid, match="older"):
        verify_finality(world.trust, older)
