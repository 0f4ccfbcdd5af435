"""Sections 10 to 12 of spec/ledger.md: proposals, evidence, epochs.

`Council` reads and writes the cells of governance; `Draft` is a copy of all that changes can
touch, `draft.judge` decides whether it may come into force.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from . import tree
from . import values as v
from .bcs import encode
from .values import Code, ProposalStatus

if TYPE_CHECKING:
    from .ledger import CellKey, Ledger

ORGANISATIONS_MAX, LISTED_MAX, OPEN_MAX, OPEN_OF_ONE_MAX = 128, 1_024, 64, 4
AHEAD_MAX, REPORTS_MAX, VALIDATORS_MAX, CELL_MAX = 1_000_000, 16, 256, 65_536
REPORTS_OF_VALIDATOR = 4
NO_FAULT_TOLERANCE = "no_fault_tolerance"
ENGINES = ("solo", "pbft", "raft", "paxos")
VOTE_NUMBER, READY_NUMBER = 25, 27
PARAMETER_BITS: dict[str, int] = {
    field.name: 8 * field.type.__metadata__[0].size
    for field in fields(v.ParameterFields)
    if hasattr(field.type, "__metadata__")
}
"""Width of each integer among the parameters."""


class RejectedError(Exception):
    """A check failed."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


def refuse(code: Code, when: bool) -> None:
    """A check of the tables: the first that fails gives the code."""
    if when:
        raise RejectedError(code)


def quorum(validators: v.ValidatorSet) -> int:
    """max(⌊2T/3⌋ + 1, ⌈T·num/den⌉)."""
    total = sum(one.weight for one in validators.validators)
    numerator, denominator = validators.quorum_numerator, validators.quorum_denominator
    return max(2 * total // 3 + 1, -(-total * numerator // denominator))


def slot(statement: v.Statement) -> v.Slot:
    """Where the member signed."""
    vote = statement.vote
    phase = vote.phase if isinstance(vote, v.VoteStatement) else 4
    return v.Slot(vote.epoch, vote.engine, vote.height, vote.round, phase)


def signed(chain: bytes, key: bytes, statement: v.Statement, signature: bytes) -> bool:
    """Whether an Ed25519 key signed a statement; the generator makes no others."""
    commit = isinstance(statement, v.SignedCommit)
    domain = b"bubi:commit-vote" if commit else b"bubi:vote......."
    try:
        Ed25519PublicKey.from_public_bytes(key[1:]).verify(
            signature, domain + chain + encode(statement.vote)
        )
    except InvalidSignature:
        return False
    return True


def parameters_break_rules(parameters: v.ParameterFields, kind: v.NetworkKind) -> bool:
    """spec/encoding.md 6: what a genesis may hold."""
    p = parameters
    least_turn = 4 if kind == v.NetworkKind.DEVELOPMENT else 100
    lists = (p.algorithms, p.vote_algorithms)
    return not (
        p.clock_tolerance * 20 <= p.max_lifetime <= 3_600_000
        and p.clock_tolerance >= 500
        and 0 < p.id_bucket <= p.max_lifetime
        and 1 <= p.quota_window <= 7 * 24 * 3_600_000
        and 2 <= p.block_transactions <= 1_000_000
        and 2 * 2**20 <= p.block_bytes <= 256 * 2**20
        and 1 <= p.due_per_block <= 100_000
        and all(numbers and max(numbers) <= 3 for numbers in lists)
        and not {one.algorithm for one in p.retired_algorithms} & set(p.algorithms)
        and p.turn_blocks >= least_turn
        and 200 <= p.timeout <= 60_000
        and p.timeout <= p.timeout_max <= 600_000
        and 10_000 <= p.proposal_lifetime <= 365 * 24 * 3_600_000
        and 10_000 <= p.ready_lifetime <= 30 * 24 * 3_600_000
        and p.evidence_policy <= 3
        and 1 <= p.evidence_max_age <= 10**9
        and not 0 < p.organisation_operations < 100
    )


@dataclass
class Draft:
    """What changes touch, apart from the state, so that a failure leaves nothing behind."""

    parameters: v.ParameterFields
    validators: v.ValidatorSet
    organisations: dict[str, v.Organisation]
    nodes: dict[bytes, v.NodeListing]
    revoked: set[bytes]
    version: int
    engine_in_force: str
    version_in_force: int
    named: set[str]
    """Organisations that the changes set."""

    def member(self, name: str) -> int:
        """Position of a validator."""
        names = [one.name for one in self.validators.validators]
        refuse(Code.VALIDATOR_MISSING, name not in names)
        return names.index(name)

    def put(self, members: tuple[v.Validator, ...]) -> None:
        """Other members."""
        self.validators = replace(self.validators, validators=members)

    def new_key(self, key: bytes) -> None:
        """A new vote key."""
        refuse(Code.ALGORITHM_DISABLED, key[0] not in self.parameters.vote_algorithms)
        refuse(Code.KEY_INVALID, not tree.key_valid(key))

    def apply(self, change: v.Change) -> None:
        """One row of the table of changes."""
        decides = (v.AddValidator, v.RemoveValidator, v.ChangeValidator, v.SetQuorum)
        external = self.engine_in_force == "cometbft"
        refuse(Code.ENGINE_UNKNOWN, external and isinstance(change, decides))
        handler: Callable[[Any], None] = getattr(self, CHANGES[type(change)])
        handler(change)

    def set_parameter(self, change: v.SetParameter) -> None:
        """0."""
        unknown = change.name not in PARAMETER_BITS or change.name == "id_bucket"
        refuse(Code.PARAMETER_UNKNOWN, unknown)
        refuse(Code.PARAMETER_INVALID, change.value >> PARAMETER_BITS[change.name] > 0)
        changed: dict[str, Any] = {change.name: change.value}
        self.parameters = replace(self.parameters, **changed)

    def add_validator(self, change: v.AddValidator) -> None:
        """1."""
        new, members = change.validator, self.validators.validators
        taken = any(new.name == one.name or new.key == one.key for one in members)
        refuse(Code.VALIDATOR_EXISTS, taken)
        refuse(Code.ORGANISATION_MISSING, new.organisation not in self.organisations)
        self.new_key(new.key)
        self.put((*members, new))

    def remove_validator(self, change: v.RemoveValidator) -> None:
        """2."""
        at, members = self.member(change.name), self.validators.validators
        self.put(members[:at] + members[at + 1 :])

    def change_validator(self, change: v.ChangeValidator) -> None:
        """3."""
        at, members = self.member(change.name), list(self.validators.validators)
        if change.key is not None:
            others = [one.key for one in members if one.name != change.name]
            refuse(Code.VALIDATOR_EXISTS, change.key in others)
            self.new_key(change.key)
            members[at] = replace(members[at], key=change.key)
        if change.weight is not None:
            members[at] = replace(members[at], weight=change.weight)
        self.put(tuple(members))

    def set_organisation(self, change: v.SetOrganisation) -> None:
        """4."""
        others = {name: one for name, one in self.organisations.items() if name != change.name}
        voters = [one.governance for one in others.values() if one.governance is not None]
        refuse(Code.ORGANISATION_IN_USE, change.governance in voters)
        refuse(Code.ORGANISATION_IN_USE, len(others) >= ORGANISATIONS_MAX)
        known = self.organisations.get(change.name)
        if known is not None and known.certificate and not change.certificate:
            of_it = [one for one in self.validators.validators if one.organisation == change.name]
            refuse(Code.ORGANISATION_IN_USE, bool(of_it))
        self.organisations[change.name] = v.Organisation(change.governance, change.certificate)
        self.named.add(change.name)

    def remove_organisation(self, change: v.RemoveOrganisation) -> None:
        """5."""
        refuse(Code.ORGANISATION_MISSING, change.name not in self.organisations)
        of_it = [one for one in self.validators.validators if one.organisation == change.name]
        refuse(Code.ORGANISATION_IN_USE, bool(of_it))
        del self.organisations[change.name]

    def set_engine(self, change: v.SetEngine) -> None:
        """6."""
        known = change.name in ENGINES or "." in change.name
        refuse(Code.ENGINE_UNKNOWN, not known or self.engine_in_force == "cometbft")
        self.validators = replace(self.validators, engine=change.name)

    def set_quorum(self, change: v.SetQuorum) -> None:
        """7."""
        wrong = change.denominator == 0 or change.numerator > change.denominator
        refuse(Code.QUORUM_INVALID, wrong)
        self.validators = replace(
            self.validators,
            quorum_numerator=change.numerator,
            quorum_denominator=change.denominator,
        )

    def set_algorithms(self, change: v.SetAlgorithms) -> None:
        """8."""
        retired = {one.algorithm: one.until for one in self.parameters.retired_algorithms}
        for number in self.parameters.algorithms:
            retired.setdefault(number, change.old_until)
        left = sorted(set(retired) - set(change.accounts))
        self.parameters = replace(
            self.parameters,
            algorithms=change.accounts,
            vote_algorithms=change.votes,
            retired_algorithms=tuple(v.RetiredAlgorithm(one, retired[one]) for one in left),
        )

    def set_protocol_version(self, change: v.SetProtocolVersion) -> None:
        """9."""
        refuse(Code.VERSION_INVALID, change.version != self.version + 1)
        self.version = change.version

    def list_node(self, node: bytes, listing: v.NodeListing) -> None:
        """10 and 11."""
        others = len(set(self.nodes) - {node})
        refuse(Code.LISTING_INVALID, others >= LISTED_MAX)
        self.nodes[node] = listing

    def allow_node(self, change: v.AllowNode) -> None:
        """10."""
        self.list_node(change.node, v.NodeListing.ALLOWED)

    def deny_node(self, change: v.DenyNode) -> None:
        """11."""
        self.list_node(change.node, v.NodeListing.DENIED)

    def clear_node(self, change: v.ClearNode) -> None:
        """12."""
        refuse(Code.LISTING_INVALID, change.node not in self.nodes)
        del self.nodes[change.node]

    def revoke_certificate(self, change: v.RevokeCertificate) -> None:
        """13."""
        known = change.fingerprint in self.revoked or len(self.revoked) >= LISTED_MAX
        refuse(Code.LISTING_INVALID, known)
        self.revoked.add(change.fingerprint)

    def judge(self, ledger: "Ledger", acknowledged: tuple[str, ...]) -> None:
        """Judge, 1 to 7."""
        members = self.validators.validators
        total = sum(one.weight for one in members)
        broken = parameters_break_rules(self.parameters, ledger.kind)
        refuse(Code.PARAMETER_INVALID, broken)
        alone = (self.validators.engine == "solo") != (len(members) == 1)
        countable = 0 < len(members) <= VALIDATORS_MAX and total < 2**32
        refuse(Code.VALIDATORS_INVALID, not countable or alone)
        for one in members:
            refuse(Code.ORGANISATION_MISSING, one.organisation not in self.organisations)
        for one in members:
            retired = one.key[0] not in self.parameters.vote_algorithms
            refuse(Code.ALGORITHM_DISABLED, retired)
        self.check_weights(acknowledged)
        self.check_accounts(ledger)
        able = {name for name, one in self.organisations.items() if self.can_vote(ledger, one)}
        voice = sum(one.weight for one in members if one.organisation in able)
        able_to_ready = sum(one.weight for one in members if self.can_get_ready(ledger, one.key))
        refuse(Code.GOVERNANCE_LOST, min(voice, able_to_ready) < quorum(self.validators))
        record = v.EpochRecord(0, 0, self.validators)
        refuse(Code.VALIDATORS_INVALID, len(encode(record)) > CELL_MAX)

    def check_weights(self, acknowledged: tuple[str, ...]) -> None:
        """4."""
        if self.validators.engine == "solo":
            return
        members = self.validators.validators
        spare = sum(one.weight for one in members) - quorum(self.validators)
        heavy = {one.name for one in members if one.weight > spare}
        needed = {NO_FAULT_TOLERANCE} if len(heavy) == len(members) else heavy
        refuse(Code.NOT_ACKNOWLEDGED, not needed <= set(acknowledged))

    def check_accounts(self, ledger: "Ledger") -> None:
        """5."""
        for name in sorted(self.named & set(self.organisations), key=str.encode):
            account = self.organisations[name].governance
            if account is not None:
                header = ledger.header(account)
                refuse(Code.ACCOUNT_MISSING, header is None)
                refuse(Code.ACCOUNT_CLOSED, isinstance(header, v.ClosedAccount))
        for one in self.validators.validators:
            own = ledger.header(ledger.own_address(one.key))
            refuse(Code.ACCOUNT_CLOSED, isinstance(own, v.ClosedAccount))

    def can_vote(self, ledger: "Ledger", organisation: v.Organisation) -> bool:
        """6: whether its governance account can still vote by itself."""
        if organisation.governance is None:
            return False
        return self.can_act(ledger.header(organisation.governance), VOTE_NUMBER)

    def can_get_ready(self, ledger: "Ledger", key: bytes) -> bool:
        """6: whether a validator can; an account that is missing will be opened for its key."""
        header = ledger.header(ledger.own_address(key))
        if header is None:
            return key[0] in self.parameters.algorithms
        return self.can_act(header, READY_NUMBER)

    def can_act(self, header: v.OpenAccount | v.ClosedAccount | None, operation: int) -> bool:
        """Whether the signers of an account suffice for an operation."""
        if not isinstance(header, v.OpenAccount):
            return False
        own = {entry.operation: entry.threshold for entry in header.thresholds.operations}
        free = [
            signer.weight
            for signer in header.signers
            if signer.limits is None and signer.key[0] in self.parameters.algorithms
        ]
        return sum(free) >= own.get(operation, header.thresholds.default)


CHANGES: dict[type, str] = {
    v.SetParameter: "set_parameter",
    v.AddValidator: "add_validator",
    v.RemoveValidator: "remove_validator",
    v.ChangeValidator: "change_validator",
    v.SetOrganisation: "set_organisation",
    v.RemoveOrganisation: "remove_organisation",
    v.SetEngine: "set_engine",
    v.SetQuorum: "set_quorum",
    v.SetAlgorithms: "set_algorithms",
    v.SetProtocolVersion: "set_protocol_version",
    v.AllowNode: "allow_node",
    v.DenyNode: "deny_node",
    v.ClearNode: "clear_node",
    v.RevokeCertificate: "revoke_certificate",
}
"""The method of `Draft` for each change."""


class Council:
    """Cells of governance in one state, and what happens to proposals."""

    def __init__(self, ledger: "Ledger", events: list[v.Event]) -> None:
        self.ledger = ledger
        self.cells = ledger.cells
        self.events = events

    # Reading

    @property
    def agenda(self) -> v.Governance:
        """What governance is about now."""
        found: v.Governance = self.cells.get(cell(b"\6"), v.Governance())
        return found

    def set_agenda(self, **changes: Any) -> None:
        """Changes it; nothing at all means no cell."""
        changed = replace(self.agenda, **changes)
        if changed == v.Governance():
            self.cells.pop(cell(b"\6"), None)
        else:
            self.cells[cell(b"\6")] = changed

    @property
    def validators(self) -> v.ValidatorSet:
        """The set in force."""
        found: v.ValidatorSet = self.cells[cell(b"\2")]
        return found

    def is_validators(self, account: bytes) -> bool:
        """Whether it is that of the key of a validator in force or of the pending change."""
        own = [self.ledger.own_address(one.key) for one in self.validators.validators]
        pending = self.agenda.pending
        return account in own or (
            pending is not None and account in [one.account for one in pending.members]
        )

    def named(self, prefix: bytes) -> dict[bytes, Any]:
        """Cells of the system whose keys begin so, by the rest of the key."""
        return {
            key[1:]: value
            for (owner, key), value in self.cells.items()
            if owner == SYSTEM and key[:1] == prefix and len(key) > 1
        }

    def organisations(self) -> dict[str, v.Organisation]:
        """All, by name."""
        return {name.decode(): one for name, one in self.named(b"\5").items()}

    def organisation_of(self, account: bytes) -> str:
        """For whom an account votes."""
        voter = self.cells.get(cell(b"\r" + account))
        if voter is None:
            raise RejectedError(Code.NOT_VOTER)
        name: str = voter.organisation
        return name

    def proposal(self, proposal: bytes) -> v.ChangeProposal:
        """One that was opened."""
        found = self.cells.get(cell(b"\7" + proposal))
        if found is None:
            raise RejectedError(Code.PROPOSAL_MISSING)
        known: v.ChangeProposal = found
        return known

    def open_proposal(self, proposal: bytes) -> v.ChangeProposal:
        """One on which votes are still taken."""
        known = self.proposal(proposal)
        closed = known.status != ProposalStatus.OPEN or known.expires <= self.ledger.time
        refuse(Code.PROPOSAL_CLOSED, closed)
        return known

    def draft(self) -> Draft:
        """Copies of all that changes touch."""
        version = self.cells.get(cell(b"\n"))
        in_force = version.version if version else self.ledger.genesis_version
        return Draft(
            self.ledger.parameters,
            self.validators,
            self.organisations(),
            self.named(b"\x0b"),
            set(self.named(b"\x0c")),
            in_force,
            self.validators.engine,
            in_force,
            set(),
        )

    def result(self, changes: tuple[v.Change, ...], acknowledged: tuple[str, ...]) -> Draft:
        """Apply and judge."""
        draft = self.applied(changes)
        draft.judge(self.ledger, acknowledged)
        return draft

    def applied(self, changes: tuple[v.Change, ...]) -> Draft:
        """Apply."""
        draft = self.draft()
        for change in changes:
            draft.apply(change)
        return draft

    # What happens to proposals

    def put(self, proposal: bytes, value: v.ChangeProposal) -> None:
        """Writes a proposal."""
        self.cells[cell(b"\7" + proposal)] = value

    def change_status(self, proposal: bytes, status: ProposalStatus) -> None:
        """Another status, with its event; lists and due cells follow."""
        known = self.proposal(proposal)
        agenda = self.agenda
        self.cells.pop(due(known.expires, proposal), None)
        if agenda.pending is not None and agenda.pending.proposal == proposal:
            self.cells.pop(due(agenda.pending.until, proposal), None)
            self.set_agenda(pending=None)
        self.set_agenda(open=tuple(one for one in agenda.open if one != proposal))
        self.put(proposal, replace(known, status=status, changed=self.ledger.height))
        self.events.append(v.ProposalChanged(proposal, status))

    def open(self, proposal: bytes, value: v.ChangeProposal) -> None:
        """A new proposal on which votes are taken."""
        self.put(proposal, value)
        self.set_agenda(open=(*self.agenda.open, proposal))
        self.cells[due(value.expires, proposal)] = b""
        self.events.append(v.ProposalChanged(proposal, ProposalStatus.OPEN))

    def approve(self, proposal: bytes, draft: Draft, creator: bytes) -> None:
        """Approved: the next validators get ready."""
        ledger = self.ledger
        self.change_status(proposal, ProposalStatus.APPROVED)
        members = tuple(
            v.NextMember(one.name, ledger.own_address(one.key), one.weight, False)
            for one in draft.validators.validators
        )
        until = ledger.time + ledger.parameters.ready_lifetime
        needed = quorum(draft.validators)
        pending = v.PendingChange(proposal, ledger.height, until, None, needed, members)
        self.set_agenda(pending=pending)
        self.cells[due(until, proposal)] = b""
        for one in draft.validators.validators:
            address = ledger.own_address(one.key)
            if ledger.header(address) is None:
                ledger.open_key_account(one.key, ledger.height)
                self.events.append(v.AccountCreated(address, creator))

    def time_is_over(self, proposal: bytes) -> None:
        """From the due queue."""
        known = self.proposal(proposal)
        was_open = known.status == ProposalStatus.OPEN
        status = ProposalStatus.EXPIRED if was_open else ProposalStatus.LAPSED
        self.change_status(proposal, status)

    # Section 10: operations

    def propose(self, source: bytes, proposal: bytes, op: v.Propose) -> None:
        """24."""
        ledger = self.ledger
        organisation = self.organisation_of(source)
        latest = ledger.time + ledger.parameters.proposal_lifetime
        refuse(Code.EXPIRY_INVALID, not ledger.time < op.expires <= latest)
        ahead = op.not_before is not None and op.not_before > ledger.height + AHEAD_MAX
        refuse(Code.EXPIRY_INVALID, ahead)
        own = [one for one in self.agenda.open if self.proposal(one).proposer == organisation]
        full = len(self.agenda.open) >= OPEN_MAX or len(own) >= OPEN_OF_ONE_MAX
        refuse(Code.PROPOSALS_FULL, full)
        self.result(op.changes, op.acknowledged)
        refuse(Code.ID_CONFLICT, cell(b"\7" + proposal) in self.cells)
        self.open(
            proposal,
            v.ChangeProposal(
                organisation,
                None,
                op.changes,
                ledger.height,
                op.expires,
                op.not_before,
                op.acknowledged,
                op.memo,
                (),
                ProposalStatus.OPEN,
                ledger.height,
            ),
        )

    def vote(self, source: bytes, op: v.Vote) -> None:
        """25."""
        organisation = self.organisation_of(source)
        revoking = self.may_be_taken_back(op.proposal)
        known = self.proposal(op.proposal) if revoking else self.open_proposal(op.proposal)
        others = [one for one in known.votes if one.organisation != organisation]
        votes = [*others, v.OrganisationVote(organisation, op.approve)]
        votes.sort(key=lambda one: one.organisation.encode())
        self.put(op.proposal, replace(known, votes=tuple(votes)))
        self.events.append(v.Voted(op.proposal, organisation, op.approve))
        needed = quorum(self.validators)
        existing = self.organisations()
        if revoking:
            against = [one.organisation for one in votes if not one.approve]
            if self.weight([name for name in against if name in existing]) >= needed:
                self.change_status(op.proposal, ProposalStatus.WITHDRAWN)
            return
        said = {one.organisation for one in votes}
        approving = [one.organisation for one in votes if one.approve]
        silent = [name for name, one in existing.items() if one.governance and name not in said]
        approved = self.weight([name for name in approving if name in existing])
        if approved >= needed:
            refuse(Code.CHANGE_PENDING, self.agenda.pending is not None)
            draft = self.result(known.changes, known.acknowledged)
            self.approve(op.proposal, draft, source)
        elif approved + self.weight(silent) < needed:
            self.change_status(op.proposal, ProposalStatus.REJECTED)

    def may_be_taken_back(self, proposal: bytes) -> bool:
        """Whether it is the change under way and does not come into force after this block."""
        pending = self.agenda.pending
        if pending is None or pending.proposal != proposal:
            return False
        if pending.activation is not None:
            return pending.activation > self.ledger.height + 1
        return pending.until > self.ledger.time

    def weight(self, organisations: list[str]) -> int:
        """Weight of their validators in the set in force."""
        members = self.validators.validators
        return sum(one.weight for one in members if one.organisation in organisations)

    def withdraw(self, source: bytes, op: v.WithdrawProposal) -> None:
        """26."""
        organisation = self.organisation_of(source)
        known = self.open_proposal(op.proposal)
        refuse(Code.NOT_PERMITTED, known.proposer != organisation)
        self.change_status(op.proposal, ProposalStatus.WITHDRAWN)

    def ready(self, source: bytes, op: v.Ready) -> None:
        """27."""
        pending, height = self.agenda.pending, self.ledger.height
        if pending is None or pending.proposal != op.proposal:
            raise RejectedError(Code.CHANGE_MISSING)
        over = pending.activation is not None or pending.until <= self.ledger.time
        refuse(Code.CHANGE_MISSING, over)
        accounts = [one.account for one in pending.members]
        refuse(Code.NOT_VALIDATOR, source not in accounts)
        at = accounts.index(source)
        refuse(Code.READY_KNOWN, pending.members[at].ready)
        member = replace(pending.members[at], ready=True)
        members = (*pending.members[:at], member, *pending.members[at + 1 :])
        self.events.append(v.ValidatorReady(op.proposal, member.name))
        activation = None
        if sum(one.weight for one in members if one.ready) >= pending.quorum:
            earliest = self.proposal(op.proposal).not_before or 0
            activation = max(pending.approved + 3, height + 2, earliest)
            del self.cells[due(pending.until, op.proposal)]
            self.events.append(v.ActivationFixed(op.proposal, activation))
        self.set_agenda(pending=replace(pending, members=members, activation=activation))

    # Section 11: evidence

    def report_evidence(self, source: bytes, op: v.ReportEvidence) -> None:
        """28."""
        ledger = self.ledger
        where, one, two = slot(op.statement_one), op.statement_one, op.statement_two
        refuse(Code.EVIDENCE_INVALID, type(one) is not type(two) or where != slot(two))
        if one.vote.digest == two.vote.digest:
            outcomes = [getattr(half.vote, "outcome", None) for half in (one, two)]
            refuse(Code.EVIDENCE_DIVERGENCE, outcomes[0] != outcomes[1])
            raise RejectedError(Code.EVIDENCE_INVALID)
        age = ledger.parameters.evidence_max_age
        refuse(Code.EVIDENCE_OLD, where.height + age < ledger.height)
        record = self.cells.get(cell(b"\x08" + where.epoch.to_bytes(8, "big")))
        if record is None or record.validators.engine != where.engine:
            raise RejectedError(Code.EVIDENCE_FOREIGN)
        names = {known.key: known.name for known in record.validators.validators}
        refuse(Code.EVIDENCE_FOREIGN, op.member not in names)
        key = ledger.hash(b"bubi:evidence...", ledger.chain, op.member, encode(where))
        refuse(Code.EVIDENCE_KNOWN, cell(b"\t" + key) in self.cells)
        members = [ledger.own_address(one.key) for one in self.validators.validators]
        whose, most = (source, REPORTS_OF_VALIDATOR) if source in members else (None, REPORTS_MAX)
        ledger.reports[whose] = ledger.reports.get(whose, 0) + 1
        refuse(Code.EVIDENCE_FULL, ledger.reports[whose] > most)
        for half, signature in ((one, op.signature_one), (two, op.signature_two)):
            good = signed(ledger.chain, op.member, half, signature)
            refuse(Code.EVIDENCE_SIGNATURE, not good)
        action = self.act(key, op.member, source)
        self.cells[cell(b"\t" + key)] = v.EvidenceRecord(
            op.member,
            names[op.member],
            where.epoch,
            where.engine,
            where.height,
            where.round,
            where.phase,
            one.vote.digest,
            two.vote.digest,
            source,
            ledger.height,
            action,
        )
        self.events.append(v.EvidenceRecorded(key, names[op.member], action))

    def act(self, evidence: bytes, member: bytes, source: bytes) -> v.EvidenceAction:
        """What follows from evidence under the policy."""
        policy = self.ledger.parameters.evidence_policy
        if policy < 2:
            return v.Alarmed() if policy else v.Ignored()
        name = next((one.name for one in self.validators.validators if one.key == member), None)
        if name is None:
            return v.Gone()
        removal = (v.RemoveValidator(name),)
        draft = self.possible(removal)
        if draft is None:
            return v.Kept()
        if policy == 2:
            return self.ask_for_removal(evidence, removal)
        agenda = self.agenda
        waiting = [one.member for one in agenda.exclusions]
        if member in waiting:
            return v.Queued()
        if agenda.pending is not None or waiting:
            queue = (*agenda.exclusions, v.Exclusion(evidence, member))
            self.set_agenda(exclusions=queue)
            return v.Queued()
        return v.Scheduled(self.exclude(evidence, removal, draft, source))

    def possible(self, removal: tuple[v.Change, ...]) -> Draft | None:
        """The network without a member, if that may be."""
        try:
            return self.result(removal, ())
        except RejectedError:
            return None

    def ask_for_removal(self, evidence: bytes, removal: tuple[v.Change, ...]) -> v.EvidenceAction:
        """Policy 2."""
        for one in self.agenda.open:
            known = self.proposal(one)
            if known.evidence is not None and known.changes == removal:
                return v.Proposed(one)
        if len(self.agenda.open) >= OPEN_MAX:
            return v.Alarmed()
        proposal, value = self.by_evidence(evidence, removal)
        self.open(proposal, value)
        return v.Proposed(proposal)

    def by_evidence(
        self, evidence: bytes, removal: tuple[v.Change, ...]
    ) -> tuple[bytes, v.ChangeProposal]:
        """A proposal that no organisation made."""
        ledger = self.ledger
        proposal = ledger.hash(b"bubi:governance.", ledger.chain, evidence)
        expires = ledger.time + ledger.parameters.proposal_lifetime
        height, status = ledger.height, ProposalStatus.OPEN
        value = v.ChangeProposal(
            None, evidence, removal, height, expires, None, (), "", (), status, height
        )
        return proposal, value

    def exclude(
        self, evidence: bytes, removal: tuple[v.Change, ...], draft: Draft, source: bytes
    ) -> bytes:
        """Policy 3: the removal is approved at once."""
        proposal, value = self.by_evidence(evidence, removal)
        self.open(proposal, value)
        self.approve(proposal, draft, source)
        return proposal

    # Section 12: the end of a block

    def barrier(self) -> None:
        """A change comes into force; a waiting exclusion begins."""
        pending = self.agenda.pending
        if pending is not None and pending.activation == self.ledger.height + 1:
            self.activate(pending.proposal)
            return
        while self.agenda.pending is None and self.agenda.exclusions:
            first, *rest = self.agenda.exclusions
            self.set_agenda(exclusions=tuple(rest))
            members = self.validators.validators
            name = next((one.name for one in members if one.key == first.member), None)
            removal = (v.RemoveValidator(name or ""),)
            draft = None if name is None else self.possible(removal)
            if draft is not None:
                self.exclude(first.evidence, removal, draft, bytes(32))

    def activate(self, proposal: bytes) -> None:
        """The next block is the first of a new epoch."""
        known, ledger = self.proposal(proposal), self.ledger
        draft = self.applied(known.changes)
        epoch, height = self.validators.epoch + 1, ledger.height + 1
        validators = replace(draft.validators, epoch=epoch)
        for prefix in (b"\5", b"\r", b"\x0b", b"\x0c"):
            for rest in self.named(prefix):
                del self.cells[cell(prefix + rest)]
        for name, one in draft.organisations.items():
            self.cells[cell(b"\5" + name.encode())] = one
            if one.governance is not None:
                self.cells[cell(b"\r" + one.governance)] = v.Voter(name)
        self.cells.update({cell(b"\x0b" + node): one for node, one in draft.nodes.items()})
        self.cells.update({cell(b"\x0c" + one): b"" for one in draft.revoked})
        self.cells[cell(b"\0")] = v.Parameters(draft.parameters)
        self.cells[cell(b"\2")] = validators
        if draft.version != draft.version_in_force:
            self.cells[cell(b"\n")] = v.ProtocolVersion(draft.version)
        self.cells[cell(b"\x08" + epoch.to_bytes(8, "big"))] = v.EpochRecord(
            height, ledger.time, validators
        )
        self.cells.pop(cell(b"\4"), None)
        self.change_status(proposal, ProposalStatus.ACTIVE)
        self.events.append(v.EpochBegins(epoch, height))


SYSTEM = b"\0" + bytes(32)


def cell(key: bytes) -> "CellKey":
    """A cell of the system."""
    return SYSTEM, key


def due(time: int, proposal: bytes) -> "CellKey":
    """The end of a proposal's time."""
    return cell(b"\3" + time.to_bytes(8, "big") + b"\2" + bytes(32) + proposal)
