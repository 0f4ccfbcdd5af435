"""Fixed values of every type, and proofs made of them, for vectors and tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import governance_samples
from bubi_sdk import block, comet, events, governance_state, hashes, merkle, proof, state
from bubi_sdk import operations as ops
from bubi_sdk import transaction as tx
from bubi_sdk.address import Address
from bubi_sdk.codec import Shape, TopLevel
from bubi_sdk.hashes import HashSuite, sha256
from bubi_sdk.keys import Algorithm, SecretKey
from bubi_sdk.merkle import LeafTag
from bubi_sdk.network import Network, Trust

PREFIX = "bubidev"
TIME = 1_790_000_000_000


def filled(name: str, length: int = 32) -> bytes:
    """Bytes that look random and never change."""
    return sha256(b"bubi vectors: " + name.encode())[:length]


def secret(algorithm: Algorithm, name: str = "alice") -> SecretKey:
    """The key of a person."""
    return SecretKey(algorithm, filled(f"{algorithm.value} {name}"))


def address(name: str) -> Address:
    """The address of a person."""
    return Address(filled(f"address {name}"))


ALICE, BOB, CAROL = address("alice"), address("bob"), address("carol")
ASSET, OTHER_ASSET = sorted((filled("asset one"), filled("asset two")))
NAMESPACE, HOLD, DIGEST = filled("namespace"), filled("hold"), filled("digest")
CHAIN = filled("chain")
KEYS = sorted(secret(algorithm).public_key for algorithm in Algorithm)
LIMITS = ops.SignerLimits(
    (8, 9, 23), (ASSET, OTHER_ASSET), (NAMESPACE,), ops.AmountLimit(ASSET, 10**38 - 1, 1), TIME
)
SIGNERS = (
    ops.AccountSigner(KEYS[0], 1, None),
    ops.AccountSigner(KEYS[1], 2, ops.SignerLimits()),
    ops.AccountSigner(KEYS[2], 2**32 - 1, LIMITS),
    ops.AccountSigner(KEYS[3], 3, None),
)
THRESHOLDS = ops.Thresholds(2, {0: 3, 8: 2**32 - 1, 23: 1})
SHA = ops.Digest(ops.DigestAlgorithm.SHA256, DIGEST)
SALTED = ops.Digest(ops.DigestAlgorithm.SALTED_SM3, filled("salted"))
PARENTS = tuple(
    sorted((ops.RecordReference(NAMESPACE, "a", 1), ops.RecordReference(NAMESPACE, "件-7", 2)))
)
WRITERS = ops.Listed(tuple(sorted((BOB, CAROL))))

OPERATIONS: dict[str, ops.OperationBody] = {
    "create_account of a key": ops.CreateAccount(ops.KeyTarget(KEYS[0])),
    "create_account with signers": ops.CreateAccount(ops.KeyTarget(KEYS[3]), SIGNERS, THRESHOLDS),
    "create_account derived": ops.CreateAccount(
        ops.DerivedTarget(), SIGNERS[:1], ops.Thresholds()
    ),
    "set_signers": ops.SetSigners(SIGNERS, THRESHOLDS),
    "set_data": ops.SetData("profile/名", b"\x00\xff", 2**64 - 1),
    "set_data empty": ops.SetData("profile", b"", 0),
    "set_data deleting": ops.SetData("profile", None),
    "close_account": ops.CloseAccount(),
    "set_claim": ops.SetClaim(BOB, "kyc.level-2", DIGEST, TIME),
    "set_claim without expiry": ops.SetClaim(BOB, "kyc", DIGEST),
    "revoke_claim": ops.RevokeClaim(ALICE, BOB, "kyc"),
    "create_asset fungible": ops.CreateAsset(
        "POINT.A-1", "Points 积分", ops.AssetKind.FUNGIBLE, 18, 10**38 - 1, ops.AssetFeatures(True)
    ),
    "create_asset unique": ops.CreateAsset(
        "art", "Art", ops.AssetKind.UNIQUE, 0, 1, ops.AssetFeatures(False, True, True)
    ),
    "create_asset dated": ops.CreateAsset(
        "miles", "Miles", ops.AssetKind.DATED, 2, None, ops.AssetFeatures()
    ),
    "issue": ops.Issue(ASSET, BOB, 2**64, None),
    "issue a lot": ops.Issue(ASSET, BOB, 1, TIME),
    "transfer": ops.Transfer(ASSET, BOB, 100),
    "transfer the largest amount": ops.Transfer(ASSET, BOB, 10**38 - 1),
    "burn": ops.Burn(ASSET, 255),
    "clawback": ops.Clawback(ASSET, BOB, CAROL, 256),
    "clawback destroying": ops.Clawback(ASSET, BOB, None, 65_536),
    "freeze_asset": ops.FreezeAsset(ASSET, True),
    "freeze_holder": ops.FreezeHolder(ASSET, BOB, False),
    "authorise_holder": ops.AuthoriseHolder(ASSET, BOB, True),
    "issue_item": ops.IssueItem(ASSET, "编号 1", BOB, DIGEST),
    "issue_item without digest": ops.IssueItem(ASSET, "no 1", BOB),
    "transfer_item": ops.TransferItem(ASSET, "no 1", BOB),
    "burn_item": ops.BurnItem(ASSET, "no 1"),
    "clawback_item": ops.ClawbackItem(ASSET, "no 1", BOB),
    "clawback_item destroying": ops.ClawbackItem(ASSET, "no 1", None),
    "reserve": ops.Reserve(ASSET, BOB, 7, TIME + 1),
    "capture": ops.Capture(ALICE, HOLD, 7),
    "release": ops.Release(ALICE, HOLD),
    "create_namespace": ops.CreateNamespace("notary.example-1", ops.Everyone(), False),
    "create_namespace with writers": ops.CreateNamespace("notary", WRITERS, True),
    "set_namespace": ops.SetNamespace(NAMESPACE, BOB, WRITERS, False),
    "put_record": ops.PutRecord(NAMESPACE, "file/一", SHA, ops.NoContent()),
    "put_record with content": ops.PutRecord(
        NAMESPACE, "file", SALTED, ops.PlainContent(b"content"), PARENTS, 0
    ),
    "put_record with ciphertext": ops.PutRecord(
        NAMESPACE,
        "file",
        ops.Digest(ops.DigestAlgorithm.SM3, DIGEST),
        ops.CipherContent(ops.CipherSuite.SM4_GCM, bytes(range(28))),
        (),
        2**32 - 1,
    ),
    "put_record with AES ciphertext": ops.PutRecord(
        NAMESPACE,
        "file",
        ops.Digest(ops.DigestAlgorithm.SALTED_SHA256, DIGEST),
        ops.CipherContent(ops.CipherSuite.AES256_GCM, bytes(128)),
    ),
}

OPERATIONS |= governance_samples.OPERATIONS

EVENTS: tuple[events.Event, ...] = (
    events.AccountCreated(BOB, ALICE),
    events.SignersChanged(ALICE),
    events.AccountClosed(ALICE),
    events.DataSet(ALICE, "profile", 0),
    events.ClaimSet(ALICE, BOB, "kyc"),
    events.ClaimRevoked(ALICE, BOB, "kyc"),
    events.AssetCreated(ASSET, ALICE),
    events.AssetFrozen(ASSET, True),
    events.HolderFrozen(ASSET, BOB, False),
    events.HolderAuthorised(ASSET, BOB, True),
    events.Issued(ASSET, BOB, 10**38 - 1, TIME),
    events.Transferred(ASSET, ALICE, BOB, 100),
    events.Burned(ASSET, BOB, 1),
    events.Lapsed(ASSET, BOB, 5, TIME),
    events.ItemIssued(ASSET, "编号 1", BOB),
    events.ItemTransferred(ASSET, "no 1", BOB, CAROL),
    events.ItemBurned(ASSET, "no 1", CAROL),
    events.Reserved(HOLD, ASSET, ALICE, BOB, 7, TIME),
    events.Captured(HOLD, 7),
    events.Released(HOLD),
    events.HoldExpired(HOLD, ALICE),
    events.NamespaceCreated(NAMESPACE, ALICE),
    events.NamespaceChanged(NAMESPACE, BOB),
    events.RecordPut(NAMESPACE, "file/一", 2**32 - 1, ALICE),
    *governance_samples.EVENTS.values(),
)

PRECONDITIONS: tuple[tx.Precondition, ...] = (
    tx.BalancePrecondition(ALICE, ASSET, 10**38 - 1),
    tx.DataVersionPrecondition(ALICE, "profile", 2**64 - 1),
    tx.RecordVersionPrecondition(NAMESPACE, "file", 0),
    tx.HeightPrecondition(1, 2**64 - 1),
    tx.TimePrecondition(TIME, TIME),
)


def body(*operations: ops.OperationBody, **changes: object) -> tx.TransactionBody:
    """A body with these operations."""
    fields = {
        "source": ALICE,
        "replay": tx.Id(filled("id", 16)),
        "valid_until": TIME,
        "preconditions": (),
        "memo": b"",
        "operations": tuple(ops.Operation(None, one) for one in operations),
    } | changes
    return tx.TransactionBody(**fields)  # type: ignore[arg-type]


TRANSFER = ops.Transfer(ASSET, BOB, 100)
BODIES: dict[str, tx.TransactionBody] = {
    **{name: body(operation) for name, operation in OPERATIONS.items()},
    "every kind of precondition, a memo": body(
        TRANSFER, preconditions=PRECONDITIONS, memo=bytes(range(256))
    ),
    "sequence mode, operations of several accounts": body(
        replay=tx.Sequence(2**32 - 1, 2**64 - 1),
        valid_until=2**64 - 1,
        operations=(
            ops.Operation(None, TRANSFER),
            ops.Operation(BOB, ops.Transfer(OTHER_ASSET, ALICE, 1)),
        ),
    ),
    "a hundred operations": body(*[TRANSFER] * 100),
}

VALIDATORS = tuple(
    state.Validator(f"validator-{at}", f"组织 {at}", key, at + 1) for at, key in enumerate(KEYS)
)
PARAMETERS = state.Parameters(
    600_000,
    5_000,
    10_000,
    20_000,
    33_554_432,
    1_000,
    10_000,
    0,
    (0, 1, 2, 3),
    128,
    2_000,
    30_000,
    (0, 1, 2, 3),
    (),
    604_800_000,
    3_600_000,
    1,
    1_000_000,
    0,
)
OTHER_PARAMETERS = replace(
    PARAMETERS,
    algorithms=(0, 3),
    vote_algorithms=(0,),
    retired_algorithms=(state.RetiredAlgorithm(1, TIME), state.RetiredAlgorithm(2, 2**64 - 1)),
    evidence_policy=3,
    organisation_operations=2**64 - 1,
)
VALIDATOR_SET = state.ValidatorSet(2**64 - 1, "pbft", VALIDATORS, 9, 10)
HASHES = [filled(f"hash {number}") for number in range(8)]
H0, H1, H2, H3, H4 = HASHES[:5]
PROPOSAL = block.Proposal(CHAIN, 2**64 - 1, TIME, H0, H1, 2**64 - 2, H2, H3, H4, 1)
OUTCOME = block.BlockOutcome(*HASHES[:4])
STATEMENT = block.CommitStatement(1, "pbft", 2, 3, HASHES[0], HASHES[1])
SIGNATURE = filled("signature a") + filled("signature b")
CERTIFICATE = block.Certificate(
    STATEMENT, (block.CertificateVote(0, SIGNATURE), block.CertificateVote(2, SIGNATURE))
)
RECEIPT = block.Receipt(HASHES[0], 1, 2, 124, 3, HASHES[1])
BATCH = block.SignedBatch(block.BatchHeader(KEYS[3], 9, 20_000, 16_777_216, HASHES[2]), SIGNATURE)
SIGNED = tx.SignedTransaction(
    body(TRANSFER).encode(), tuple(tx.SignatureEntry(key, SIGNATURE) for key in KEYS)
)
HANDOVER = proof.Handover(PROPOSAL, OUTCOME, CERTIFICATE, VALIDATOR_SET)
FINALITY = proof.FinalityProof(PROPOSAL, OUTCOME, CERTIFICATE, (HANDOVER,))
LIGHT = comet.LightBlock(
    comet.Header(
        11,
        1,
        comet.chain_name(CHAIN),
        2**63 - 1,
        comet.Time(2**63 - 1, 999_999_999),
        comet.BlockId(H0, 1, H1),
        *(H2, H3, H4, H0, H1, H2, H3, H4),
        HASHES[5][:20],
    ),
    comet.Commit(
        2**31 - 1,
        2**32 - 1,
        H4,
        (
            comet.CometVote(1, comet.Time(0, 0), SIGNATURE),
            comet.CometVote(3, comet.Time(1, 2), SIGNATURE),
        ),
    ),
)
COMET_HANDOVER = proof.CometHandover(PROPOSAL, OUTCOME, LIGHT, VALIDATOR_SET)
COMET_FINALITY = proof.CometFinalityProof(PROPOSAL, OUTCOME, LIGHT, (COMET_HANDOVER,))
RECEIPT_PROOF = proof.ReceiptProof(
    body(TRANSFER).encode(),
    RECEIPT,
    EVENTS[:2],
    proof.ListPath(1, 3, (HASHES[0], HASHES[1])),
    FINALITY,
)
GENESIS = block.Genesis(
    filled("nonce"),
    "样本 network",
    block.NetworkKind.DEVELOPMENT,
    HashSuite.NATIONAL,
    TIME,
    1,
    PARAMETERS,
    replace(VALIDATOR_SET, epoch=0),
    tuple(
        block.GenesisAccount(one, SIGNERS[:2], THRESHOLDS, "组织 1" if one == BOB else None)
        for one in sorted((ALICE, BOB))
    ),
    (
        block.GenesisOrganisation("组织 0", ALICE, filled("certificate 0") * 20),
        block.GenesisOrganisation("组织 1", None, b""),
    ),
    block.Predecessor(*HASHES[:3]),
)
LOTS = (state.Lot(TIME, 1), state.Lot(TIME + 1, 10**38 - 2))

TOP_LEVEL: dict[str, tuple[str, Shape]] = {
    # label: (name of the type in core/codec, value)
    **{f"body: {label}": ("TransactionBody", value) for label, value in BODIES.items()},
    "signed transaction": ("SignedTransaction", SIGNED),
    **{f"event: {one.variant_name()}": ("Event", one) for one in EVENTS},
    **{f"event: {label}": ("Event", one) for label, one in governance_samples.EVENTS.items()},
    "event: issued without expiry": ("Event", events.Issued(ASSET, BOB, 1, None)),
    "proposal": ("Proposal", PROPOSAL),
    "outcome": ("Outcome", OUTCOME),
    "commit statement": ("CommitStatement", STATEMENT),
    "vote statement": ("VoteStatement", block.VoteStatement(1, "paxos", 2, 3, 1, HASHES[0])),
    "certificate": ("Certificate", CERTIFICATE),
    "receipt": ("Receipt", RECEIPT),
    "receipt of what fell due": (
        "Receipt",
        block.Receipt(bytes(32), 1, 0, 0, None, HASHES[1]),
    ),
    "signed batch": ("SignedBatch", BATCH),
    "block record": (
        "BlockRecord",
        block.BlockRecord(
            PROPOSAL, (BATCH,), OUTCOME, CERTIFICATE, (RECEIPT, RECEIPT), (EVENTS[:3], ())
        ),
    ),
    "finality proof": ("FinalityProof", FINALITY),
    "finality proof of CometBFT": ("FinalityProof", COMET_FINALITY),
    "light block": ("LightBlock", LIGHT),
    "receipt proof": ("ReceiptProof", RECEIPT_PROOF),
    "genesis": ("Genesis", GENESIS),
    "account header": ("AccountHeader", state.OpenAccount(SIGNERS, THRESHOLDS, 5)),
    "account header, closed": ("AccountHeader", state.ClosedAccount(2**64 - 1)),
    "holding": ("Holding", state.Holding(10**38 - 1, 5, False, True, LOTS, 2)),
    "data entry": ("DataEntry", state.DataEntry(3, b"value")),
    "claim": ("Claim", state.Claim(DIGEST, None)),
    "hold": ("Hold", state.Hold(ASSET, BOB, 7, TIME, LOTS)),
    "use": ("Use", state.Use(9, 2**127)),
    "membership": ("Membership", state.Membership("组织 1", None)),
    "membership asked for": ("Membership", state.Membership(None, "组织 1")),
    "asset definition": (
        "AssetDefinition",
        state.AssetDefinition(
            ALICE, "A", "A", ops.AssetKind.DATED, 2, 9, ops.AssetFeatures(True), True, 8
        ),
    ),
    "item": ("Item", state.Item(BOB, DIGEST)),
    "namespace": ("Namespace", state.Namespace("notary", ALICE, WRITERS, True)),
    "record head": ("RecordHead", state.RecordHead(ALICE, 4)),
    "record version": (
        "RecordVersion",
        state.RecordVersion(ALICE, TIME, SHA, ops.PlainContent(b"x"), PARENTS),
    ),
    "id bucket": ("IdBucket", state.IdBucket(2, HASHES[3])),
    "leader schedule": (
        "Schedule",
        state.Schedule(
            2**64 - 1,
            3,
            8,
            (state.Strike(0, 7, 64), state.Strike(2, 1, 0)),
            1,
            state.FormerSchedule(7, 2, (state.Strike(0, 6, 32),)),
        ),
    ),
    "parameters": ("Parameters", PARAMETERS),
    "parameters of a vote": ("Parameters", OTHER_PARAMETERS),
    "validator set": ("ValidatorSet", VALIDATOR_SET),
    **{
        f"{type(value).__name__}, {label}": (type(value).__name__, value)
        for label, value in governance_samples.CELLS
    },
    "node allowed": ("NodeListing", governance_state.NodeListing.ALLOWED),
    "node denied": ("NodeListing", governance_state.NodeListing.DENIED),
}
SPECIAL = {
    "Event": events.EVENT,
    "AccountHeader": state.ACCOUNT_HEADER,
    "FinalityProof": proof.FINALITY,
    "NodeListing": governance_state.NODE_LISTING,
}

TYPES: dict[str, TopLevel[object]] = {
    name: (
        SPECIAL.get(name)  # type: ignore[misc]
        or TopLevel.of(type(value))
    )
    for name, value in TOP_LEVEL.values()
}


@dataclass(frozen=True)
class World:
    """A chain of a few blocks with real keys: what a proof needs."""

    suite: HashSuite
    algorithm: Algorithm = Algorithm.ED25519
    engine: ClassVar[str] = "pbft"

    @property
    def keys(self) -> list[SecretKey]:
        """Keys of the four validators of every epoch; the algorithm may be mixed in by index."""
        return [secret(self.algorithm, f"validator {number}") for number in range(4)]

    def set_of(self, epoch: int) -> state.ValidatorSet:
        """The validators of an epoch."""
        members = tuple(
            state.Validator(f"v{at}", f"o{at}", key.public_key, 1)
            for at, key in enumerate(self.keys)
        )
        return state.ValidatorSet(epoch, self.engine, members, 2, 3)

    @property
    def trust(self) -> Trust:
        """The trust file."""
        return Trust(Network(CHAIN, PREFIX, self.suite, "sample"), "development", self.set_of(0))

    def digest(self, domain: bytes, value: Shape) -> bytes:
        """A digest on this chain."""
        return block.digest(self.suite, domain, CHAIN, value)

    def made_block(
        self, height: int, receipt_root: bytes, state_root: bytes, epoch: int, next_epoch: int
    ) -> tuple[block.Proposal, block.BlockOutcome]:
        """A proposal with its outcome."""
        named = self.digest(hashes.VALIDATORS, self.set_of(epoch))
        proposal = block.Proposal(CHAIN, height, TIME + height, H0, H1, 0, H2, named, H4, 1)
        following = self.digest(hashes.VALIDATORS, self.set_of(next_epoch))
        return proposal, block.BlockOutcome(receipt_root, state_root, following, HASHES[4])

    def certify(
        self,
        proposal: block.Proposal,
        outcome: block.BlockOutcome,
        epoch: int,
        voters: tuple[int, ...] = (0, 1, 3),
    ) -> block.Certificate:
        """Votes of these validators."""
        statement = block.CommitStatement(
            epoch,
            "pbft",
            proposal.height,
            0,
            self.digest(hashes.PROPOSAL, proposal),
            self.digest(hashes.OUTCOME, outcome),
        )
        message = hashes.COMMIT_VOTE + CHAIN + statement.encode()
        keys = self.keys
        votes = [block.CertificateVote(at, keys[at].sign(message)) for at in voters]
        return block.Certificate(statement, tuple(votes))

    def finality(
        self,
        receipt_root: bytes,
        state_root: bytes,
        epochs: int = 2,
        voters: tuple[int, ...] = (0, 1, 3),
    ) -> proof.Finality:
        """A final block after some hand-overs."""
        handovers = []
        for epoch in range(epochs):
            past, result = self.made_block(10 * epoch + 9, HASHES[5], HASHES[6], epoch, epoch + 1)
            certificate = self.certify(past, result, epoch)
            handovers.append(proof.Handover(past, result, certificate, self.set_of(epoch + 1)))
        proposal, outcome = self.made_block(
            10 * epochs + 5, receipt_root, state_root, epochs, epochs
        )
        certificate = self.certify(proposal, outcome, epochs, voters)
        return proof.FinalityProof(proposal, outcome, certificate, tuple(handovers))

    def receipt_proof(
        self, index: int = 2, size: int = 5, voters: tuple[int, ...] = (0, 1, 3), epochs: int = 2
    ) -> proof.ReceiptProof:
        """A proof that a document was recorded."""
        document = ops.Digest.of(b"a document")
        recorded = body(ops.PutRecord(NAMESPACE, "file", document, ops.NoContent()))
        happened = (events.RecordPut(NAMESPACE, "file", 1, ALICE),)
        encoded = [events.EVENT.encode(event) for event in happened]
        leaves = [merkle.leaf_hash(self.suite, LeafTag.EVENT, one) for one in encoded]
        receipt = block.Receipt(
            self.suite.hash(hashes.TRANSACTION, CHAIN, recorded.encode()),
            0,
            index,
            0,
            None,
            merkle.root(self.suite, leaves),
        )
        receipts = [
            merkle.leaf_hash(self.suite, LeafTag.RECEIPT, filled(f"receipt {at}"))
            for at in range(size)
        ]
        receipts[index] = merkle.leaf_hash(self.suite, LeafTag.RECEIPT, receipt.encode())
        path = proof.ListPath(index, size, merkle.path(self.suite, receipts, index))
        root = merkle.root(self.suite, receipts)
        finality = self.finality(root, HASHES[7], epochs, voters)
        return proof.ReceiptProof(recorded.encode(), receipt, happened, path, finality)


class CometWorld(World):
    """A chain that CometBFT decides: light blocks bind its blocks."""

    engine: ClassVar[str] = comet.ENGINE

    def light(
        self,
        proposal: block.Proposal,
        outcome: block.BlockOutcome,
        epoch: int,
        voters: tuple[int, ...] = (0, 1, 3),
    ) -> comet.LightBlock:
        """The light block behind a block, with the precommits of these validators."""
        bound = comet.app_hash(
            CHAIN, self.digest(hashes.PROPOSAL, proposal), self.digest(hashes.OUTCOME, outcome)
        )
        members = comet.validators_hash(self.set_of(epoch))
        header = comet.Header(
            11,
            1,
            comet.chain_name(CHAIN),
            proposal.height + 1,
            comet.Time(1_790_000_000, 0),
            comet.BlockId(H0, 1, H1),
            *(H2, H3, members, members, H4, bound, H0, H1),
            HASHES[5][:20],
        )
        commit = comet.Commit(0, 1, H2, ())
        identity, keys = comet.header_hash(header), self.keys
        votes = []
        for at in voters:
            vote = comet.CometVote(at, comet.Time(1_790_000_001, at * 7), b"")
            signed = keys[at].sign(comet.sign_bytes(header, identity, commit, vote))
            votes.append(replace(vote, signature=signed))
        return comet.LightBlock(header, replace(commit, votes=tuple(votes)))

    def finality(
        self,
        receipt_root: bytes,
        state_root: bytes,
        epochs: int = 2,
        voters: tuple[int, ...] = (0, 1, 3),
    ) -> proof.Finality:
        """A final block after some hand-overs, each bound by a light block."""
        handovers = []
        for epoch in range(epochs):
            past, result = self.made_block(10 * epoch + 9, HASHES[5], HASHES[6], epoch, epoch + 1)
            light = self.light(past, result, epoch)
            handovers.append(proof.CometHandover(past, result, light, self.set_of(epoch + 1)))
        last = self.made_block(10 * epochs + 5, receipt_root, state_root, epochs, epochs)
        light = self.light(*last, epochs, voters)
        return proof.CometFinalityProof(*last, light, tuple(handovers))
