"""Fixed values of governance and evidence, for vectors and tests."""

from __future__ import annotations

from bubi_sdk import events
from bubi_sdk import governance as gov
from bubi_sdk import governance_state as cells
from bubi_sdk import operations as ops
from bubi_sdk.address import Address
from bubi_sdk.codec import Shape
from bubi_sdk.governance import CommitStatement, Validator, VoteStatement
from bubi_sdk.hashes import sha256
from bubi_sdk.keys import Algorithm, PublicKey, SecretKey
from bubi_sdk.state import ValidatorSet

TIME = 1_790_000_000_000


def filled(name: str, length: int = 32) -> bytes:
    """Bytes that look random and never change."""
    return sha256(b"bubi vectors: " + name.encode())[:length]


CHAIN = filled("chain")
ALICE, BOB = (Address(filled(f"address {name}")) for name in ("alice", "bob"))
PROPOSAL, EVIDENCE, NODE = filled("proposal"), filled("evidence"), filled("node")
KEYS: list[PublicKey] = sorted(
    SecretKey(algorithm, filled(f"{algorithm.value} alice")).public_key for algorithm in Algorithm
)
VALIDATOR = Validator("validator-9", "组织 9", KEYS[0], 2**32 - 1)
CHANGES: tuple[gov.Change, ...] = (
    gov.SetParameter("evidence_policy", 2**64 - 1),
    gov.AddValidator(VALIDATOR),
    gov.RemoveValidator("validator-1"),
    gov.ChangeValidator("validator-2", 7),
    gov.ChangeValidator("validator-2", None, KEYS[3]),
    gov.ChangeValidator("validator-2", 1, KEYS[1]),
    gov.SetOrganisation("组织 1", BOB, filled("certificate 1") * 20),
    gov.SetOrganisation("silent", None, b""),
    gov.RemoveOrganisation("组织 2"),
    gov.SetEngine("raft"),
    gov.SetQuorum(9, 10),
    gov.SetAlgorithms((0, 3), (0,), TIME),
    gov.SetProtocolVersion(2),
    gov.AllowNode(NODE),
    gov.DenyNode(NODE),
    gov.ClearNode(NODE),
    gov.RevokeCertificate(NODE),
)
SLOT = (3, "pbft", 70, 2)
VOTER = SecretKey(Algorithm.ED25519, filled("ed25519 voter"))
VOTES = tuple(
    gov.Vote(VoteStatement(*SLOT, 3, filled(f"digest {name}"))) for name in ("one", "two")
)
COMMITS = tuple(
    gov.Commit(CommitStatement(*SLOT, filled(f"digest {name}"), filled("outcome")))
    for name in ("one", "two")
)


def signature(statement: gov.Statement, key: SecretKey = VOTER, chain: bytes = CHAIN) -> bytes:
    """The signature of a validator under a statement."""
    return key.sign(gov.statement_bytes(chain, statement))


def evidence(one: gov.Statement, two: gov.Statement) -> ops.ReportEvidence:
    """A report of two statements of the voter."""
    return ops.ReportEvidence(VOTER.public_key, one, signature(one), two, signature(two))


OPERATIONS: dict[str, ops.OperationBody] = {
    "propose": ops.Propose(
        CHANGES, TIME, 2**64 - 1, ("no_fault_tolerance", "validator-9"), "Why 为什么"
    ),
    "propose without more": ops.Propose(CHANGES[:1], 1),
    "vote": ops.Vote(PROPOSAL, True),
    "vote against": ops.Vote(PROPOSAL, False),
    "withdraw_proposal": ops.WithdrawProposal(PROPOSAL),
    "ready": ops.Ready(PROPOSAL),
    "report_evidence of votes": evidence(*VOTES),
    "report_evidence of commit votes": evidence(*COMMITS),
    "ask_membership": ops.AskMembership("组织 1"),
    "ask_membership leaving": ops.AskMembership(None),
    "set_member": ops.SetMember(BOB, True),
    "set_member letting go": ops.SetMember(BOB, False),
}

ACTIONS: tuple[gov.EvidenceAction, ...] = (
    gov.Ignored(),
    gov.Alarmed(),
    gov.Proposed(PROPOSAL),
    gov.Scheduled(PROPOSAL),
    gov.Queued(),
    gov.Kept(),
    gov.Gone(),
)
EVENTS: dict[str, events.Event] = {
    **{
        f"proposal_changed to {status.value}": events.ProposalChanged(PROPOSAL, status)
        for status in gov.ProposalStatus
    },
    "voted": events.Voted(PROPOSAL, "组织 1", False),
    "validator_ready": events.ValidatorReady(PROPOSAL, "validator-9"),
    "activation_fixed": events.ActivationFixed(PROPOSAL, 2**64 - 1),
    "epoch_begins": events.EpochBegins(1, 2**64 - 1),
    **{
        f"evidence_recorded, {action.variant_name()}": events.EvidenceRecorded(
            EVIDENCE, "validator-1", action
        )
        for action in ACTIONS
    },
    "membership_changed": events.MembershipChanged(BOB, "组织 1", None),
    "membership_changed, both": events.MembershipChanged(BOB, "a", "组织 1"),
    "membership_changed, none": events.MembershipChanged(BOB, None, None),
}
MEMBERS = (
    cells.NextMember("validator-1", ALICE, 1, True),
    cells.NextMember("validator-2", BOB, 2**32 - 1, False),
)
CELLS: tuple[tuple[str, Shape], ...] = (
    (
        "open",
        gov.ChangeProposal(
            "组织 1",
            None,
            CHANGES,
            5,
            TIME,
            9,
            ("no_fault_tolerance",),
            "why",
            (gov.OrganisationVote("a", True), gov.OrganisationVote("组织 1", False)),
            gov.ProposalStatus.OPEN,
            5,
        ),
    ),
    (
        "by evidence",
        gov.ChangeProposal(
            None,
            EVIDENCE,
            CHANGES[2:3],
            5,
            TIME,
            None,
            (),
            "",
            (),
            gov.ProposalStatus.LAPSED,
            2**64 - 1,
        ),
    ),
    ("nothing", cells.Governance((), None, ())),
    (
        "everything",
        cells.Governance(
            (PROPOSAL, NODE),
            cells.PendingChange(PROPOSAL, 7, TIME, 2**64 - 1, 4, MEMBERS),
            (cells.Exclusion(EVIDENCE, KEYS[2]),),
        ),
    ),
    ("with a voice", gov.Organisation(BOB, filled("certificate 1") * 20)),
    ("without", gov.Organisation(None, b"")),
    ("first", cells.Voter("组织 1")),
    (
        "second epoch",
        cells.EpochRecord(20, TIME, ValidatorSet(1, "raft", (VALIDATOR,), 0, 1)),
    ),
    ("two", cells.ProtocolVersion(2)),
    *(
        (
            f"action {number}",
            cells.EvidenceRecord(
                KEYS[1],
                "validator-1",
                *SLOT,
                gov.COMMIT_PHASE,
                filled("digest one"),
                filled("digest two"),
                ALICE,
                80,
                action,
            ),
        )
        for number, action in enumerate(ACTIONS)
    ),
)
"""Values of cells by name; the type is that of the value."""


def proposing(*changes: gov.Change) -> ops.Propose:
    """A proposal of these changes."""
    return ops.Propose(changes, TIME)


PHASE_FOUR = gov.Vote(VoteStatement(*SLOT, 4, filled("digest one")))
NO_ENGINE = gov.Commit(CommitStatement(3, "", 70, 2, filled("a"), filled("b")))
INVALID: list[tuple[str, ops.OperationBody, str]] = [
    ("proposal of no change", proposing(), "malformed"),
    ("proposal of 65 changes", proposing(*[gov.SetQuorum(2, 3)] * 65), "too_large"),
    (
        "proposal of 32,786 bytes",
        proposing(*[gov.SetOrganisation("a", None, bytes(4_092))] * 8),
        "too_large",
    ),
    ("parameter without a name", proposing(gov.SetParameter("", 1)), "malformed"),
    ("engine of 65 bytes", proposing(gov.SetEngine("a" * 65)), "too_large"),
    (
        "new validator of weight 0",
        proposing(gov.AddValidator(Validator("a", "b", KEYS[0], 0))),
        "malformed",
    ),
    (
        "new validator without an organisation",
        proposing(gov.AddValidator(Validator("a", "", KEYS[0], 1))),
        "malformed",
    ),
    ("validator changed to weight 0", proposing(gov.ChangeValidator("a", 0)), "malformed"),
    ("validator changed in nothing", proposing(gov.ChangeValidator("a")), "malformed"),
    ("removed validator with a line end", proposing(gov.RemoveValidator("a\n")), "malformed"),
    (
        "certificate of 4,097 bytes",
        proposing(gov.SetOrganisation("a", None, bytes(4_097))),
        "too_large",
    ),
    ("organisation without a name", proposing(gov.SetOrganisation("", None, b"")), "malformed"),
    ("no algorithm for accounts", proposing(gov.SetAlgorithms((), (0,), TIME)), "malformed"),
    ("algorithms not sorted", proposing(gov.SetAlgorithms((1, 0), (0,), TIME)), "malformed"),
    ("algorithm 4 for votes", proposing(gov.SetAlgorithms((0,), (4,), TIME)), "malformed"),
    (
        "acknowledgements not sorted",
        ops.Propose(CHANGES[:1], TIME, None, ("b", "a")),
        "malformed",
    ),
    ("empty acknowledgement", ops.Propose(CHANGES[:1], TIME, None, ("",)), "malformed"),
    (
        "257 acknowledgements",
        ops.Propose(CHANGES[:1], TIME, None, tuple(f"{n:03}" for n in range(257))),
        "too_large",
    ),
    ("memo of 257 bytes", ops.Propose(CHANGES[:1], TIME, memo="a" * 257), "too_large"),
    ("membership of no name", ops.AskMembership(""), "malformed"),
    ("membership of 65 bytes", ops.AskMembership("a" * 65), "too_large"),
    ("memo with a line end", ops.Propose(CHANGES[:1], TIME, memo="a\nb"), "malformed"),
    (
        "evidence of a vote with the phase of commit votes",
        ops.ReportEvidence(VOTER.public_key, PHASE_FOUR, bytes(64), VOTES[0], bytes(64)),
        "malformed",
    ),
    (
        "evidence without an engine",
        ops.ReportEvidence(VOTER.public_key, COMMITS[0], bytes(64), NO_ENGINE, bytes(64)),
        "malformed",
    ),
]
"""Operations that no ledger ever sees, with the code of their refusal."""
