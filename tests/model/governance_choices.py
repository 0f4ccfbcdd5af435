"""What the generator proposes, votes on, gets ready for and reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from . import keys
from . import values as v
from .bcs import encode
from .governance import PARAMETER_BITS, Council

if TYPE_CHECKING:
    from .generator import Chosen, Generator

ORGANISATIONS = ["Alpha", "Beta", "Gamma", "Delta", "银行"]
MEMBERS = [("n1", 0, 2), ("n2", 1, 2), ("n3", 2, 2), ("n4", 3, 1), ("n5", 4, 1), ("n6", 0, 1)]
"""Validators of the genesis: name, organisation, weight."""
HARMLESS = (
    "evidence_policy",
    "due_per_block",
    "quota_operations",
    "organisation_operations",
    "timeout_max",
    "turn_blocks",
)


def first_validators() -> v.ValidatorSet:
    """Six validators of five organisations, decided by pbft."""
    members = tuple(
        v.Validator(name, ORGANISATIONS[at], keys.VOTE_KEYS[number], weight)
        for number, (name, at, weight) in enumerate(MEMBERS)
    )
    return v.ValidatorSet(0, "pbft", members, 2, 3)


def first_organisations(accounts: Sequence[bytes]) -> tuple[v.GenesisOrganisation, ...]:
    """Four with a voice, the last of which has several signers, and one without."""
    voters = [accounts[0], accounts[1], accounts[2], accounts[9], None]
    named = [
        v.GenesisOrganisation(name, voter, name.encode() * 3)
        for name, voter in zip(ORGANISATIONS, voters, strict=True)
    ]
    return tuple(sorted(named, key=lambda one: one.name.encode()))


def first_organisation(number: int) -> str | None:
    """To which organisation an account of the genesis belongs."""
    return {4: "Alpha", 5: "Beta", 6: "银行"}.get(number)


def governance_choices(generator: Generator) -> list[tuple[int, Callable[[], Chosen]]]:
    """Weights and choices, as those of the generator itself."""
    speaker = Speaker(generator)
    return [
        (6, speaker.propose),
        (12, speaker.vote),
        (1, speaker.withdraw),
        (6, speaker.ready),
        (6, speaker.report),
        (5, speaker.ask_membership),
        (5, speaker.set_member),
    ]


def reports(generator: Generator) -> list[Chosen]:
    """More evidence than a block checks, in one transaction."""
    speaker = Speaker(generator)
    source = generator.account()
    return [(source, speaker.evidence(sound=True)) for _ in range(generator.pick([4, 17]))]


def proposals(generator: Generator) -> list[Chosen]:
    """More proposals than an organisation may have open, in one transaction."""
    speaker = Speaker(generator)
    source = speaker.voter()
    expires = generator.time + generator.trial.parameters.proposal_lifetime
    return [(source, v.Propose((v.SetQuorum(2, 3),), expires)) for _ in range(5)]


def urgent(generator: Generator) -> Chosen | None:
    """What moves governance on, as far as something waits for it."""
    agenda = Council(generator.trial, []).agenda
    speaker = Speaker(generator)
    if agenda.pending is not None and agenda.pending.activation is None:
        if agenda.open and generator.often(12):
            return speaker.vote()
        return speaker.ready() if generator.often(12) else None
    return speaker.vote() if agenda.open and generator.often(9) else None


class Speaker:
    """Chooses for organisations and validators."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self.random = generator.random
        self.often = generator.often
        self.numbers = 0

    @property
    def council(self) -> Council:
        """Governance in the state as it would be next."""
        return Council(self.generator.trial, [])

    def voter(self) -> bytes:
        """A governance account, mostly."""
        known = [one.governance for one in self.council.organisations().values()]
        voters = [one for one in known if one is not None]
        if not voters or self.often(3):
            return self.generator.account()
        return self.generator.pick(voters)

    def proposal(self) -> bytes:
        """A proposal, mostly open."""
        council = self.council
        agenda = council.agenda
        known = list(council.named(b"\7"))
        if agenda.open and self.often(92):
            # Votes that spread over all proposals would decide none.
            return agenda.open[0] if self.often(70) else self.generator.pick(agenda.open)
        if known and self.often(80):
            return self.generator.pick(known)
        return self.generator.hash()

    # Operations

    def propose(self) -> Chosen:
        """24."""
        generator, source = self.generator, self.voter()
        if self.often(25):
            # One organisation that proposes much meets its limit.
            source = self.loud() or source
        lifetime = generator.trial.parameters.proposal_lifetime
        expires = generator.time + self.random.randrange(1, lifetime)
        if self.often(4):
            expires = generator.time + generator.pick([0, lifetime + 1])
        height = generator.trial.height
        not_before = generator.pick([None, None, None, 0, height + 5, height + 1_000_001])
        changes = tuple(self.change() for _ in range(generator.pick([1, 1, 1, 2, 3])))
        members = [one.name for one in self.council.validators.validators]
        named = set(members) if self.often(60) else set()
        if self.often(60):
            named.add("no_fault_tolerance")
        acknowledged = tuple(sorted(named, key=str.encode))
        return source, v.Propose(changes, expires, not_before, acknowledged, "why 为什么")

    def loud(self) -> bytes | None:
        """The voice of the first organisation that has one."""
        voices = [one.governance for one in self.council.organisations().values()]
        return next((one for one in voices if one is not None), None)

    def vote(self) -> Chosen:
        """25: mostly for, and mostly where it is still missing."""
        council, source = self.council, self.voter()
        pending = council.agenda.pending
        if pending is not None and self.often(15):
            # Now and then enough of them take back what they approved.
            return source, v.Vote(pending.proposal, self.often(10))
        proposal = self.proposal()
        if not council.agenda.open and self.often(80):
            return self.propose()
        known = council.cells.get((b"\0" + bytes(32), b"\7" + proposal))
        if known is not None and self.activates_version(known):
            # The core stops where it does not know the version in force; that is tested apart.
            return source, v.Vote(proposal, False)
        if known is not None and self.often(75):
            said = {one.organisation for one in known.votes}
            silent = [
                one.governance
                for name, one in council.organisations().items()
                if one.governance is not None and name not in said
            ]
            source = self.generator.pick(silent) if silent else source
        return source, v.Vote(proposal, self.often(92))

    def activates_version(self, proposal: v.ChangeProposal) -> bool:
        """Whether it would raise the protocol version."""
        return any(isinstance(one, v.SetProtocolVersion) for one in proposal.changes)

    def withdraw(self) -> Chosen:
        """26."""
        council, proposal = self.council, self.proposal()
        known = council.cells.get((b"\0" + bytes(32), b"\7" + proposal))
        proposer = None if known is None else council.organisations().get(known.proposer or "")
        if proposer is None or proposer.governance is None or self.often(30):
            return self.voter(), v.WithdrawProposal(proposal)
        return proposer.governance, v.WithdrawProposal(proposal)

    def ready(self) -> Chosen:
        """27."""
        pending = self.council.agenda.pending
        if pending is None and self.often(85):
            return self.vote()
        if pending is None or self.often(8):
            return self.generator.account(), v.Ready(self.proposal())
        waiting = [one.account for one in pending.members if not one.ready]
        everyone = [one.account for one in pending.members]
        source = self.generator.pick(waiting if waiting and self.often(85) else everyone)
        proposal = pending.proposal if self.often(96) else self.proposal()
        return source if self.often(95) else self.generator.account(), v.Ready(proposal)

    def report(self) -> Chosen:
        """28."""
        known = self.generator.reported
        if known and self.often(25):
            return self.generator.account(), self.generator.pick(known[-20:])
        return self.generator.account(), self.evidence()

    def ask_membership(self) -> Chosen:
        """29."""
        members = [account for account, _ in self.generator.world.memberships]
        if members and self.often(25):
            return self.generator.pick(members), v.AskMembership(None)
        leaves = self.often(5)
        return self.generator.account(), v.AskMembership(None if leaves else self.organisation())

    def set_member(self) -> Chosen:
        """30: mostly by the organisation that is asked, or to which the account belongs."""
        rows, council = self.generator.world.memberships, self.council
        if not rows or self.often(15):
            return self.voter(), v.SetMember(self.generator.account(), self.often(50))
        account, known = self.generator.pick(rows)
        member = known.asks is not None and self.often(80)
        name = known.asks if member else known.organisation or known.asks
        asked = council.organisations().get(name or "")
        source = asked.governance if asked is not None and asked.governance else self.voter()
        return source, v.SetMember(account, member)

    def evidence(self, *, sound: bool = False) -> v.ReportEvidence:
        """Two statements of a validator of some epoch, mostly contradicting."""
        made = self.sound_evidence() if sound else self.any_evidence()
        self.generator.reported.append(made)
        return made

    def sound_evidence(self) -> v.ReportEvidence:
        """Of a validator in force, with nothing wrong."""
        members = self.council.validators
        signing = [one.key for one in members.validators if one.key in keys.SECRETS]
        key = self.generator.pick(signing or keys.VOTE_KEYS)
        where = (members.epoch, members.engine, self.generator.trial.height)
        round_ = self.random.randrange(10**9)
        one, two = (
            v.SignedVote(v.VoteStatement(*where, round_, 3, bytes([digest]) * 32))
            for digest in (1, 2)
        )
        signatures = [self.signature(key, one, good=True), self.signature(key, two, good=True)]
        return v.ReportEvidence(key, one, signatures[0], two, signatures[1])

    def any_evidence(self) -> v.ReportEvidence:
        """Of some epoch, with something wrong now and then."""
        generator, pick = self.generator, self.generator.pick
        epochs = self.council.named(b"\x08")
        epoch = pick(sorted(epochs))
        record: v.EpochRecord = epochs[epoch]
        members = [one for one in record.validators.validators if one.key in keys.SECRETS]
        key = pick(members).key if members and self.often(95) else keys.VOTE_KEYS[-1]
        number = int.from_bytes(epoch, "big") + (9 if self.often(4) else 0)
        engine = "other" if self.often(3) else record.validators.engine
        old = max(1, generator.trial.height - generator.trial.parameters.evidence_max_age)
        height = pick([generator.trial.height, old, max(1, old - 1)])
        if self.often(50):
            height = generator.trial.height
        round_ = self.random.randrange(3) if self.often(20) else self.random.randrange(10**6)
        one, two = self.halves(v.VoteStatement(number, engine, height, round_, 3, bytes(32)))
        halves = [self.signature(key, one), self.signature(key, two)]
        return v.ReportEvidence(key, one, halves[0], two, halves[1])

    def halves(self, shape: v.VoteStatement) -> tuple[v.Statement, v.Statement]:
        """Two statements in a slot, sometimes of different slots or the same."""
        first, second = self.generator.hash(), self.generator.hash()
        if self.often(16):
            second = first
        other = replace(shape, round=shape.round + 1) if self.often(4) else shape
        phase = self.generator.pick([0, 1, 2, 3])
        if self.often(50):
            outcomes = [bytes(32), bytes(32) if self.often(60) else b"\1" * 32]
            where = (shape.epoch, shape.engine, shape.height)
            one: v.Statement = v.SignedCommit(
                v.CommitStatement(*where, shape.round, first, outcomes[0])
            )
            two: v.Statement = v.SignedCommit(
                v.CommitStatement(*where, other.round, second, outcomes[1])
            )
        else:
            one = v.SignedVote(replace(shape, phase=phase, digest=first))
            two = v.SignedVote(replace(other, phase=phase, digest=second))
        return (one, v.SignedVote(shape)) if self.often(3) else (one, two)

    def signature(self, key: bytes, statement: v.Statement, *, good: bool = False) -> bytes:
        """A signature, mostly or always good."""
        commit = isinstance(statement, v.SignedCommit)
        domain = b"bubi:commit-vote" if commit else b"bubi:vote......."
        made = keys.sign(key, domain + self.generator.ledger.chain + encode(statement.vote))
        return made if good or self.often(96) else made[:-1] + bytes([made[-1] ^ 1])

    # Changes

    def change(self) -> v.Change:
        """One change, mostly possible."""
        makers: list[tuple[int, Callable[[], v.Change]]] = [
            (5, self.set_parameter),
            (5, self.add_validator),
            (4, self.remove_validator),
            (5, self.change_validator),
            (4, self.set_organisation),
            (2, self.remove_organisation),
            (3, self.set_engine),
            (3, self.set_quorum),
            (2, self.set_algorithms),
            (1, self.set_version),
            (7, self.list_node),
        ]
        chance = self.random.randrange(sum(share for share, _ in makers))
        for share, make in makers:
            if chance < share:
                return make()
            chance -= share
        raise AssertionError("the shares add up to the total")

    def set_parameter(self) -> v.Change:
        """0: values that leave the run lively, and wrong ones."""
        if self.often(15):
            unknown = ["id_bucket", "algorithms", "speed"] * 4
            name = self.generator.pick([*unknown, *PARAMETER_BITS])
            return v.SetParameter(name, self.generator.pick([0, 2**32, 2**64 - 1]))
        name = self.generator.pick(HARMLESS)
        values = {
            "evidence_policy": [0, 1, 2, 3, 3],
            "due_per_block": [1, 3, 9],
            "quota_operations": [0, 0, 30],
            "organisation_operations": [0, 99, 100, 150],
            "timeout_max": [30_000, 60_000],
            "turn_blocks": [4, 8],
        }
        return v.SetParameter(name, self.generator.pick(values[name]))

    def name(self) -> str:
        """A validator, mostly one of the set."""
        names = [one.name for one in self.council.validators.validators]
        return self.generator.pick(["n1", "n9"] if self.often(7) else names)

    def organisation(self) -> str:
        """An organisation, mostly one that exists."""
        return self.generator.pick([*ORGANISATIONS, "Omega"])

    def vote_key(self) -> bytes:
        """A key of a validator, mostly good and free."""
        return self.generator.pick(keys.DOUBTFUL if self.often(6) else keys.VOTE_KEYS)

    def add_validator(self) -> v.Change:
        """1."""
        name = f"n{self.random.randrange(1, 10)}"
        weight = self.generator.pick([1, 1, 2, 2, 50, 2**32 - 1])
        return v.AddValidator(v.Validator(name, self.organisation(), self.vote_key(), weight))

    def remove_validator(self) -> v.Change:
        """2."""
        return v.RemoveValidator(self.name())

    def change_validator(self) -> v.Change:
        """3."""
        weight = self.generator.pick([1, 1, 2, 3, 40]) if self.often(70) else None
        key = self.vote_key() if weight is None or self.often(30) else None
        return v.ChangeValidator(self.name(), weight, key)

    def set_organisation(self) -> v.Change:
        """4."""
        governance = self.generator.account() if self.often(75) else None
        certificate = self.generator.hash() if self.often(50) else b""
        return v.SetOrganisation(self.organisation(), governance, certificate)

    def remove_organisation(self) -> v.Change:
        """5."""
        return v.RemoveOrganisation(self.organisation())

    def set_engine(self) -> v.Change:
        """6."""
        engines = ["pbft", "raft", "paxos", "third.party", "solo", "cometbft", "other"]
        return v.SetEngine(self.generator.pick(engines))

    def set_quorum(self) -> v.Change:
        """7."""
        ratios = [(2, 3), (3, 4), (9, 10), (1, 1), (0, 1), (5, 4), (1, 0)]
        return v.SetQuorum(*self.generator.pick(ratios))

    def set_algorithms(self) -> v.Change:
        """8."""
        accounts = self.generator.pick([(0, 1, 2, 3), (0, 1, 3), (0, 2), (1, 2)])
        votes = self.generator.pick([(0, 1, 2, 3), (0,), (1, 3)])
        return v.SetAlgorithms(accounts, votes, self.generator.soon())

    def set_version(self) -> v.Change:
        """9."""
        return v.SetProtocolVersion(self.generator.pick([0, 1, 2, 2, 3]))

    def list_node(self) -> v.Change:
        """10 to 13."""
        node = bytes([self.random.randrange(6)]) * 32
        kinds: list[Callable[[bytes], v.Change]] = [
            v.AllowNode,
            v.DenyNode,
            v.ClearNode,
            v.RevokeCertificate,
        ]
        kind: Callable[[bytes], v.Change] = self.generator.pick(kinds)
        return kind(node)
