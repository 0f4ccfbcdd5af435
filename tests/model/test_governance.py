"""Governance worked out by hand: the life of proposals, evidence under each policy, epochs."""

from dataclasses import replace
from typing import Any

import pytest

from . import compare, generator, keys, ledger
from . import values as v
from .bcs import encode
from .governance import Council, quorum, slot
from .invariants import invariant_breaches
from .ledger import Ledger, Transaction
from .values import Code, ProposalStatus

T0 = 1_000_000
DAY = 86_400_000
VOICES = keys.VALID[:4]
"""Keys of the governance accounts of four organisations."""
NAMES = ["a", "b", "c", "d"]


class Chain:
    """Four organisations with one validator each; a block per call."""

    def __init__(
        self, weights: tuple[int, ...] = (1, 1, 1, 1), engine: str = "pbft", **parameters: Any
    ) -> None:
        members = tuple(
            v.Validator(f"n{at}", NAMES[at], keys.VOTE_KEYS[at], weight)
            for at, weight in enumerate(weights)
        )
        genesis = v.Genesis(
            bytes(32),
            "t",
            v.NetworkKind.DEVELOPMENT,
            v.Suite.STANDARD,
            T0,
            1,
            v.ParameterFields(**parameters),
            v.ValidatorSet(0, engine, members, 0, 1),
            (),
        )
        namer = Ledger(encode(genesis))
        self.voices = [namer.own_address(key) for key in VOICES]
        accounts = [
            v.GenesisAccount(address, (v.Signer(key, 1),), v.Thresholds(1))
            for address, key in zip(self.voices, VOICES, strict=True)
        ]
        organisations = tuple(
            v.GenesisOrganisation(name, voice, b"x")
            for name, voice in zip(NAMES, self.voices, strict=True)
        )
        self.genesis = encode(
            replace(
                genesis,
                accounts=tuple(sorted(accounts, key=lambda one: one.address)),
                organisations=organisations,
            )
        )
        self.ledger = Ledger(self.genesis)
        self.keys = {self.ledger.own_address(key): key for key in (*VOICES, *keys.VOTE_KEYS)}
        self.time = T0
        self.count = 0
        self.blocks: list[generator.BlockInput] = []

    @property
    def council(self) -> Council:
        """Governance now."""
        return Council(self.ledger, [])

    def block(self, *transactions: Transaction, after: int = 1) -> ledger.BlockResult:
        """The next block."""
        self.time += after
        batches = [list(transactions)] if transactions else []
        self.blocks.append((self.time, batches))
        self.last = self.ledger.execute(self.time, batches)
        assert not invariant_breaches(self.ledger)
        return self.last

    def send(self, source: bytes, *operations: v.OperationBody, after: int = 1) -> Code:
        """A block with one transaction; its code."""
        self.count += 1
        body = v.Body(
            source,
            v.ReplayId(self.count.to_bytes(16, "big")),
            self.time + 60_000,
            (),
            b"",
            tuple(v.Operation(None, one) for one in operations),
        )
        one = Transaction(encode(body), frozenset([self.keys[source]]))
        result = self.block(one, after=after)
        assert not result.skipped
        self.events = result.events
        return Code(result.receipts[0].code)

    def propose(self, *changes: v.Change, expires: int = DAY, **more: Any) -> bytes:
        """A proposal of the first organisation."""
        before = set(self.council.agenda.open)
        op = v.Propose(changes, self.time + expires, **more)
        assert self.send(self.voices[0], op) == Code.FINAL
        (proposal,) = set(self.council.agenda.open) - before
        return proposal

    def vote(self, proposal: bytes, *voters: int, approve: bool = True) -> list[Code]:
        """Votes of organisations, each in a block of its own."""
        return [self.send(self.voices[one], v.Vote(proposal, approve)) for one in voters]

    def ready(self, proposal: bytes, *members: int) -> list[Code]:
        """Members of the present set say that they are ready."""
        own = [self.ledger.own_address(keys.VOTE_KEYS[one]) for one in members]
        return [self.send(account, v.Ready(proposal)) for account in own]

    def status(self, proposal: bytes) -> ProposalStatus:
        """What became of a proposal."""
        return self.council.proposal(proposal).status

    def report(self, member: int, round_: int = 0, reporter: int = 0) -> Code:
        """Evidence of two first votes of a member."""
        key = keys.VOTE_KEYS[member]
        where = (0, "pbft", 1_000, round_, 3)
        halves = [v.SignedVote(v.VoteStatement(*where, bytes([one]) * 32)) for one in (1, 2)]
        signatures = [
            keys.sign(key, b"bubi:vote......." + self.ledger.chain + encode(half.vote))
            for half in halves
        ]
        op = v.ReportEvidence(key, halves[0], signatures[0], halves[1], signatures[1])
        return self.send(self.voices[reporter], op)

    def action(self) -> v.EvidenceAction:
        """What the newest evidence led to."""
        (event,) = [
            one for events in self.events for one in events if isinstance(one, v.EvidenceRecorded)
        ]
        return event.action


@pytest.fixture
def chain() -> Chain:
    return Chain()


def test_the_whole_life_of_a_change(chain: Chain) -> None:
    proposal = chain.propose(v.SetQuorum(3, 4), v.SetEngine("raft"))
    assert chain.vote(proposal, 0, 1) == [Code.FINAL] * 2
    assert chain.status(proposal) == ProposalStatus.OPEN
    assert chain.vote(proposal, 2) == [Code.FINAL]
    pending = chain.council.agenda.pending
    assert pending is not None
    assert (pending.approved, pending.quorum, pending.activation) == (4, 3, None)
    assert chain.vote(proposal, 3) == [Code.FINAL]
    assert chain.status(proposal) == ProposalStatus.APPROVED
    assert chain.ready(proposal, 0, 0, 1) == [Code.FINAL, Code.READY_KNOWN, Code.FINAL]
    before = chain.council.validators
    assert chain.ready(proposal, 3) == [Code.FINAL]
    fixed = chain.council.agenda.pending
    assert fixed is not None
    # Height 9: the later of 4 + 3 and 9 + 2.
    assert fixed.activation == 11
    assert chain.council.validators == before
    # At its end the change comes into force: it is too late to take it back.
    assert chain.vote(proposal, 3, approve=False) == [Code.PROPOSAL_CLOSED]
    result = chain.last
    after = chain.council.validators
    assert (after.epoch, after.engine, after.quorum_numerator) == (1, "raft", 3)
    assert chain.status(proposal) == ProposalStatus.ACTIVE
    digest = chain.ledger.hash(b"bubi:validators.", chain.ledger.chain, encode(after))
    assert result.outcome.validators == digest
    assert result.events[-1][-1] == v.EpochBegins(1, 11)
    assert compare.run_both(chain.genesis, chain.blocks)[0] == []


def test_not_before_moves_the_barrier(chain: Chain) -> None:
    proposal = chain.propose(v.SetParameter("evidence_policy", 3), not_before=40)
    chain.vote(proposal, 0, 1, 2)
    chain.ready(proposal, 0, 1, 2)
    while chain.ledger.height < 39:
        assert chain.ledger.parameters.evidence_policy == 1
        chain.block()
    assert chain.ledger.parameters.evidence_policy == 3
    assert chain.council.validators.epoch == 1


@pytest.mark.parametrize("fixed", [False, True])
def test_what_was_approved_is_taken_back_by_as_many(chain: Chain, fixed: bool) -> None:
    first = chain.propose(v.SetEngine("raft"), not_before=10_000)
    chain.vote(first, 0, 1, 2)
    if fixed:
        chain.ready(first, 0, 1, 2)
    pending = chain.council.agenda.pending
    assert pending is not None
    assert pending.activation == (10_000 if fixed else None)
    # One that changes its mind is not enough, nor is it counted for ever.
    chain.vote(first, 0, 1, 3, approve=False)
    assert chain.status(first) == ProposalStatus.WITHDRAWN
    assert chain.council.agenda == v.Governance()
    assert chain.vote(first, 0, 1, 2) == [Code.PROPOSAL_CLOSED] * 3
    second = chain.propose(v.SetEngine("paxos"))
    chain.vote(second, 0, 1, 2)
    chain.vote(second, 1, 2, approve=False)
    chain.vote(second, 1)
    chain.vote(second, 0, approve=False)
    assert chain.status(second) == ProposalStatus.APPROVED
    chain.ready(second, 0, 1, 2)
    chain.block()
    assert chain.council.validators.engine == "paxos"
    assert compare.run_both(chain.genesis, chain.blocks)[0] == []


def test_nobody_takes_back_a_change_whose_time_to_get_ready_is_over() -> None:
    chain = Chain(ready_lifetime=30_000)
    proposal = chain.propose(v.SetEngine("raft"))
    chain.vote(proposal, 0, 1, 2)
    chain.vote(proposal, 0, 1, approve=False)
    pending = chain.council.agenda.pending
    assert pending is not None
    late = pending.until - chain.time
    op = v.Vote(proposal, False)
    assert chain.send(chain.voices[3], op, after=late) == Code.PROPOSAL_CLOSED
    assert chain.status(proposal) == ProposalStatus.LAPSED
    assert compare.run_both(chain.genesis, chain.blocks)[0] == []


def test_an_exclusion_can_be_taken_back_and_the_next_one_begins() -> None:
    chain = five(3)
    chain.report(3)
    scheduled = chain.action()
    assert isinstance(scheduled, v.Scheduled)
    chain.report(2, round_=1)
    chain.vote(scheduled.proposal, 0, 1, 2, approve=False)
    assert chain.status(scheduled.proposal) == ProposalStatus.WITHDRAWN
    pending = chain.council.agenda.pending
    assert pending is not None
    assert chain.council.proposal(pending.proposal).changes == (v.RemoveValidator("n2"),)
    assert compare.run_both(chain.genesis, chain.blocks)[0] == []


def test_two_against_of_four_reject(chain: Chain) -> None:
    proposal = chain.propose(v.SetQuorum(3, 4))
    chain.vote(proposal, 1, approve=False)
    assert chain.status(proposal) == ProposalStatus.OPEN
    chain.vote(proposal, 1)
    chain.vote(proposal, 2, 3, approve=False)
    assert chain.status(proposal) == ProposalStatus.REJECTED


def test_weights_count(chain: Chain) -> None:
    heavy = Chain((4, 1, 1, 1))
    named = ("n0",)
    proposal = heavy.propose(v.SetQuorum(2, 3), acknowledged=named)
    assert quorum(heavy.council.validators) == 5
    heavy.vote(proposal, 0, 1)
    assert heavy.status(proposal) == ProposalStatus.APPROVED
    refused = v.Propose((v.SetQuorum(2, 3),), heavy.time + DAY)
    assert heavy.send(heavy.voices[0], refused) == Code.NOT_ACKNOWLEDGED


def test_proposals_expire_and_lapse(chain: Chain) -> None:
    short = chain.propose(v.SetQuorum(3, 4), expires=50)
    other = chain.propose(v.SetQuorum(2, 3))
    chain.vote(other, 0, 1, 2)
    assert chain.vote(short, 1) == [Code.FINAL]
    chain.block(after=100)
    assert chain.status(short) == ProposalStatus.EXPIRED
    assert chain.status(other) == ProposalStatus.APPROVED
    chain.block(after=3_600_000)
    assert chain.status(other) == ProposalStatus.LAPSED
    assert chain.council.agenda == v.Governance()
    assert compare.run_both(chain.genesis, chain.blocks)[0] == []


def test_only_one_change_at_a_time(chain: Chain) -> None:
    one, two = chain.propose(v.SetQuorum(3, 4)), chain.propose(v.SetEngine("raft"))
    chain.vote(one, 0, 1, 2)
    assert chain.vote(two, 0, 1, 2) == [Code.FINAL, Code.FINAL, Code.CHANGE_PENDING]
    assert chain.status(two) == ProposalStatus.OPEN


def test_who_votes_in_the_external_engine_is_the_genesis_alone() -> None:
    chain = Chain(engine="cometbft")
    member = v.Validator("n9", "a", keys.VOTE_KEYS[9], 1)
    for change in (
        v.AddValidator(member),
        v.RemoveValidator("n0"),
        v.ChangeValidator("n0", 2, None),
        v.SetQuorum(3, 4),
        v.SetEngine("pbft"),
    ):
        op = v.Propose((change,), chain.time + DAY)
        assert chain.send(chain.voices[0], op) == Code.ENGINE_UNKNOWN
    chain.propose(v.SetParameter("timeout", 3_000))
    assert compare.run_both(chain.genesis, chain.blocks)[0] == []


def test_a_validator_that_comes_gets_its_account(chain: Chain) -> None:
    key = keys.VOTE_KEYS[9]
    own = chain.ledger.own_address(key)
    proposal = chain.propose(v.AddValidator(v.Validator("n9", "a", key, 1)))
    assert chain.ledger.header(own) is None
    chain.vote(proposal, 0, 1, 2)
    header = chain.ledger.header(own)
    assert isinstance(header, v.OpenAccount)
    assert chain.events[0][-1] == v.AccountCreated(own, chain.voices[2])
    # Four of five, and the new one counts.
    assert chain.ready(proposal, 0, 1, 9) == [Code.FINAL] * 3
    pending = chain.council.agenda.pending
    assert pending is not None
    assert (pending.quorum, pending.activation) == (4, None)


@pytest.mark.parametrize(
    ("policy", "action"), [(0, v.Ignored), (1, v.Alarmed), (2, v.Proposed), (3, v.Scheduled)]
)
def test_evidence_under_each_policy(policy: int, action: type) -> None:
    chain = Chain(evidence_policy=policy)
    if policy > 1:
        # Of four none can be missed for good: the set of three would tolerate no fault.
        assert chain.report(3) == Code.FINAL
        assert isinstance(chain.action(), v.Kept)
        chain = five(policy)
    assert chain.report(3, round_=1) == Code.FINAL
    assert isinstance(chain.action(), action)
    assert chain.report(3, round_=1, reporter=1) == Code.EVIDENCE_KNOWN
    assert compare.run_both(chain.genesis, chain.blocks)[0] == []


def five(policy: int) -> Chain:
    """A network of five, so that one can go."""
    chain = Chain(evidence_policy=policy)
    proposal = chain.propose(v.AddValidator(v.Validator("n9", "a", keys.VOTE_KEYS[9], 1)))
    chain.vote(proposal, 0, 1, 2)
    chain.ready(proposal, 0, 1, 2, 9)
    chain.block()
    assert len(chain.council.validators.validators) == 5
    return chain


def test_an_excluded_member_goes_and_the_next_one_waits() -> None:
    chain = five(3)
    chain.report(3)
    scheduled = chain.action()
    assert isinstance(scheduled, v.Scheduled)
    chain.report(2, round_=1)
    assert isinstance(chain.action(), v.Queued)
    assert chain.ready(scheduled.proposal, 0, 1, 2) == [Code.FINAL] * 3
    chain.block()
    names = [one.name for one in chain.council.validators.validators]
    assert names == ["n0", "n1", "n2", "n9"]
    # The set of three would tolerate no fault: the one that waited stays.
    chain.block()
    assert chain.council.agenda == v.Governance()
    chain.report(3, round_=2)
    assert isinstance(chain.action(), v.Gone)
    assert compare.run_both(chain.genesis, chain.blocks)[0] == []


def test_the_slot_of_a_commit_vote_has_phase_four() -> None:
    commit = v.SignedCommit(v.CommitStatement(1, "pbft", 2, 3, bytes(32), bytes(32)))
    assert slot(commit) == v.Slot(1, "pbft", 2, 3, 4)


def test_lists_and_revocations_come_into_force_together(chain: Chain) -> None:
    node, other, paper = (bytes([one]) * 32 for one in (1, 2, 3))
    proposal = chain.propose(v.AllowNode(node), v.DenyNode(other), v.RevokeCertificate(paper))
    chain.vote(proposal, 0, 1, 2)
    chain.ready(proposal, 0, 1, 2)
    assert chain.council.named(b"\x0b") == {}
    chain.block()
    listed = {node: v.NodeListing.ALLOWED, other: v.NodeListing.DENIED}
    assert chain.council.named(b"\x0b") == listed
    assert chain.council.named(b"\x0c") == {paper: b""}
    assert compare.run_both(chain.genesis, chain.blocks)[0] == []


def test_organisations_share_quotas_and_voices_do_not() -> None:
    chain = Chain(organisation_operations=100, quota_window=1_000_000)
    first, second = chain.voices[:2]
    members = []
    for _ in range(2):
        opened = v.CreateAccount(
            v.TargetDerived(), (v.Signer(chain.keys[second], 1),), v.Thresholds(1)
        )
        assert chain.send(first, opened) == Code.FINAL
        created, joined = chain.events[0]
        assert isinstance(created, v.AccountCreated)
        members.append(created.account)
        assert joined == v.MembershipChanged(created.account, "a", None)
        chain.keys[members[-1]] = chain.keys[second]
    data = [v.SetData("x", b"")] * 60
    assert chain.send(members[0], *data) == Code.FINAL
    assert chain.send(members[1], *data) == Code.ORGANISATION_QUOTA_EXCEEDED
    assert chain.send(members[1], *data[:40]) == Code.FINAL
    assert chain.ledger.cells[ledger.organisation_use_cell("a")].used == 100
    # Leaving is charged to whom it leaves; then it shares with those who belong to nobody.
    assert chain.send(members[1], v.AskMembership(None)) == Code.ORGANISATION_QUOTA_EXCEEDED
    assert chain.send(first, v.SetMember(members[1], False)) == Code.FINAL
    assert chain.send(members[1], *data) == Code.FINAL
    assert chain.ledger.cells[ledger.organisation_use_cell(None)].used == 60
    # The voice has used 3 of its own.
    assert chain.send(first, *data, *data[:37]) == Code.FINAL
    assert chain.send(first, data[0]) == Code.QUOTA_EXCEEDED
    chain.block(after=1_000_000)
    assert chain.send(members[0], data[0]) == Code.FINAL
    assert compare.run_both(chain.genesis, chain.blocks)[0] == []


def test_membership_needs_both_sides() -> None:
    chain = Chain()
    first, second, third = chain.voices[:3]
    stranger = v.CreateAccount(v.TargetKey(keys.VALID[7]))
    assert chain.send(first, v.AskMembership("nobody")) == Code.ORGANISATION_MISSING
    assert chain.send(first, v.AskMembership(None)) == Code.MEMBERSHIP_MISSING
    assert chain.send(first, stranger) == Code.FINAL
    account = chain.ledger.own_address(keys.VALID[7])
    chain.keys[account] = keys.VALID[7]
    assert chain.ledger.organisation_of(account) == "a"
    assert chain.send(second, v.SetMember(account, True)) == Code.MEMBERSHIP_MISSING
    assert chain.send(second, v.SetMember(account, False)) == Code.MEMBERSHIP_MISSING
    assert chain.send(account, v.SetMember(account, True)) == Code.NOT_VOTER
    assert chain.send(account, v.AskMembership("b")) == Code.FINAL
    assert chain.send(third, v.SetMember(account, True)) == Code.MEMBERSHIP_MISSING
    assert chain.ledger.membership(account) == v.Membership("a", "b")
    assert chain.send(second, v.SetMember(account, True)) == Code.FINAL
    assert chain.ledger.membership(account) == v.Membership("b")
    # A governance account belongs to its organisation, whatever its cell says.
    assert chain.send(first, v.AskMembership("b")) == Code.FINAL
    assert chain.send(second, v.SetMember(first, True)) == Code.FINAL
    assert chain.ledger.organisation_of(first) == "a"
    assert chain.send(account, v.AskMembership(None)) == Code.FINAL
    assert ledger.membership_cell(account) not in chain.ledger.cells
    assert compare.run_both(chain.genesis, chain.blocks)[0] == []
