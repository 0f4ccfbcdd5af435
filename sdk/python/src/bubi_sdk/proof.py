"""Proofs that leave the node, and their check with nothing but a trust file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, TypeAlias, TypeVar, cast

from bubi_sdk import block, codes, comet, hashes, limits, merkle
from bubi_sdk.block import BlockOutcome, Certificate, Proposal, Receipt
from bubi_sdk.codec import (
    U64,
    Bytes,
    Hash,
    Json,
    Pair,
    Shape,
    TopLevel,
    at_most,
    codec_of,
    uleb,
)
from bubi_sdk.codec import Sequence as SequenceCodec
from bubi_sdk.comet import LightBlock
from bubi_sdk.errors import EncodingError, ProofInvalid
from bubi_sdk.events import EVENT, Event
from bubi_sdk.hashes import HashSuite
from bubi_sdk.merkle import LeafTag
from bubi_sdk.network import Trust
from bubi_sdk.operations import Digest, PutRecord
from bubi_sdk.state import ValidatorSet
from bubi_sdk.transaction import TransactionBody

OwnerKey: TypeAlias = Annotated[bytes, Bytes(33)]
Cells: TypeAlias = Annotated[tuple[tuple[bytes, bytes], ...], SequenceCodec(Pair())]

S = TypeVar("S", bound=Shape)

EMPTY_ROOT: Final = bytes(32)
"""Root of a trie without leaves."""


@dataclass(frozen=True, slots=True)
class Handover(Shape):
    """Change of the validator set.

    The last block of an epoch names the next set in its outcome.
    """

    proposal: Proposal
    outcome: BlockOutcome
    certificate: Certificate
    next: ValidatorSet


@dataclass(frozen=True, slots=True)
class CometHandover(Shape):
    """Change of the epoch where CometBFT decides."""

    proposal: Proposal
    outcome: BlockOutcome
    light: LightBlock
    next: ValidatorSet


class _Finality(Shape):
    """What the proofs of all engines share: they are variants of one type."""

    __slots__ = ()

    def encode(self) -> bytes:
        """The canonical bytes."""
        return FINALITY.encode(self)  # type: ignore[arg-type] # both subclasses are meant

    @classmethod
    def decode(cls, data: bytes) -> Any:
        """Reads the proof of any engine; every second form is refused."""
        return FINALITY.decode(data)

    def to_json(self, prefix: str) -> Json:
        """The JSON form."""
        return FINALITY.to_json(self, prefix)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class FinalityProof(_Finality):
    """Proof by a native engine that a block is final, with the epochs since the trust file."""

    VARIANT: ClassVar[str] = "native"
    BYTES_MAX: ClassVar[int] = 16 * 1_048_576
    proposal: Proposal
    outcome: BlockOutcome
    certificate: Certificate
    handovers: tuple[Handover, ...]

    def check(self) -> None:
        """Raises for a proof that can never be valid."""
        at_most(limits.HANDOVERS_MAX, "hand-overs", len(self.handovers))
        self.certificate.check()
        for handover in self.handovers:
            handover.certificate.check()
            handover.next.check()


@dataclass(frozen=True, slots=True)
class CometFinalityProof(_Finality):
    """Proof that a block is final where CometBFT decides: a light block binds it."""

    VARIANT: ClassVar[str] = "comet"
    proposal: Proposal
    outcome: BlockOutcome
    light: LightBlock
    handovers: tuple[CometHandover, ...]

    def check(self) -> None:
        """Raises for a proof that can never be valid."""
        at_most(limits.HANDOVERS_MAX, "hand-overs", len(self.handovers))
        self.light.check()
        for handover in self.handovers:
            handover.light.check()
            handover.next.check()


Finality: TypeAlias = FinalityProof | CometFinalityProof
FINALITY: Final[TopLevel[Finality]] = TopLevel(
    "FinalityProof",
    codec_of(Finality),
    FinalityProof.BYTES_MAX,
    lambda proof: proof.check(),
)


@dataclass(frozen=True, slots=True)
class ListPath(Shape):
    """Position of a leaf in an RFC 9162 tree; siblings lowest first."""

    index: U64
    size: U64
    siblings: tuple[Hash, ...]


@dataclass(frozen=True, slots=True)
class ReceiptProof(Shape):
    """Proof of a receipt, with the transaction it belongs to and its events."""

    VERSION: ClassVar[str] = "v1"
    BYTES_MAX: ClassVar[int] = 32 * 1_048_576
    body: bytes
    receipt: Receipt
    events: tuple[Event, ...]
    path: ListPath
    finality: Finality

    def check(self) -> None:
        """Raises for a proof that can never be valid."""
        at_most(limits.TRANSACTION_BYTES_MAX, "body", len(self.body))
        at_most(limits.LIST_SIBLINGS_MAX, "siblings", len(self.path.siblings))
        self.finality.check()


@dataclass(frozen=True, slots=True)
class NothingThere(Shape):
    """Nothing stands where the absent one would be."""

    VARIANT: ClassVar[str] = "empty"


@dataclass(frozen=True, slots=True)
class OtherCell(Shape):
    """Another cell of the owner, the only one below this prefix."""

    VARIANT: ClassVar[str] = "other"
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class OtherOwner(Shape):
    """Another owner, the only one below this prefix."""

    VARIANT: ClassVar[str] = "other"
    owner: OwnerKey
    cells_root: Hash


@dataclass(frozen=True, slots=True)
class CellPresent(Shape):
    """The cell exists. Siblings from the top: in the owner's trie, in the owners' trie."""

    VARIANT: ClassVar[str] = "present"
    value: bytes
    lower: tuple[Hash, ...]
    upper: tuple[Hash, ...]


@dataclass(frozen=True, slots=True)
class CellAbsent(Shape):
    """The owner exists without this cell."""

    VARIANT: ClassVar[str] = "cell_absent"
    gap: NothingThere | OtherCell
    lower: tuple[Hash, ...]
    upper: tuple[Hash, ...]


@dataclass(frozen=True, slots=True)
class CellOwnerAbsent(Shape):
    """The owner has no cells at all."""

    VARIANT: ClassVar[str] = "owner_absent"
    gap: NothingThere | OtherOwner
    upper: tuple[Hash, ...]


@dataclass(frozen=True, slots=True)
class CellProof(Shape):
    """Proof of one cell's value or absence."""

    VERSION: ClassVar[str] = "v1"
    BYTES_MAX: ClassVar[int] = 8 * 1_048_576
    owner: OwnerKey
    key: bytes
    evidence: CellPresent | CellAbsent | CellOwnerAbsent


@dataclass(frozen=True, slots=True)
class AccountComplete(Shape):
    """The owner has exactly these cells, keys ascending."""

    VARIANT: ClassVar[str] = "complete"
    cells: Cells
    upper: tuple[Hash, ...]


@dataclass(frozen=True, slots=True)
class AccountAbsent(Shape):
    """The owner has no cells."""

    VARIANT: ClassVar[str] = "absent"
    gap: NothingThere | OtherOwner
    upper: tuple[Hash, ...]


@dataclass(frozen=True, slots=True)
class AccountProof(Shape):
    """Proof of all cells of one owner, with nothing left out."""

    VERSION: ClassVar[str] = "v1"
    BYTES_MAX: ClassVar[int] = 8 * 1_048_576
    owner: OwnerKey
    evidence: AccountComplete | AccountAbsent


@dataclass(frozen=True, slots=True)
class ProvenBlock:
    """A block that a quorum decided."""

    chain_id: bytes
    height: int
    time: int
    digest: bytes
    state_root: bytes
    signers: tuple[str, ...]
    weight: int
    quorum: int


@dataclass(frozen=True, slots=True)
class ProvenReceipt:
    """What a receipt proof shows.

    This body ended with this code and these events, in this block.
    """

    block: ProvenBlock
    receipt: Receipt
    body: TransactionBody | None
    events: tuple[Event, ...]

    @property
    def code(self) -> str:
        """Name of the result code; `final` if everything happened."""
        return codes.name(self.receipt.code)

    def records_of(self, document: bytes, salt: bytes = b"") -> tuple[PutRecord, ...]:
        """The records of a final transaction whose digest is that of `document`."""
        if self.body is None or self.receipt.code != 0:
            return ()
        records = [one.body for one in self.body.operations if isinstance(one.body, PutRecord)]
        return tuple(one for one in records if _digest_fits(one.digest, document, salt))


def _digest_fits(digest: Digest, document: bytes, salt: bytes) -> bool:
    if digest.algorithm.value.startswith("salted_") != bool(salt):
        return False
    return Digest.of(document, digest.algorithm, salt) == digest


def verify_certificate(
    trust_set: ValidatorSet,
    suite: HashSuite,
    proposal: Proposal,
    outcome: BlockOutcome,
    certificate: Certificate,
) -> ProvenBlock:
    """Checks that a quorum of the set signed this proposal with this outcome."""
    chain, statement = proposal.chain, certificate.statement
    digest = block.digest(suite, hashes.PROPOSAL, chain, proposal)
    expected = (
        trust_set.epoch,
        trust_set.engine,
        proposal.height,
        digest,
        block.digest(suite, hashes.OUTCOME, chain, outcome),
    )
    found = (
        statement.epoch,
        statement.engine,
        statement.height,
        statement.digest,
        statement.outcome,
    )
    if found != expected or trust_set.engine == comet.ENGINE:
        raise ProofInvalid("the certificate speaks of another block, outcome or epoch")
    if proposal.validators != block.digest(suite, hashes.VALIDATORS, chain, trust_set):
        raise ProofInvalid("the block names another validator set")
    message = hashes.COMMIT_VOTE + chain + statement.encode()
    signers = []
    for vote in certificate.votes:
        if vote.validator >= len(trust_set.validators):
            raise ProofInvalid("a vote comes from outside the validator set")
        member = trust_set.validators[vote.validator]
        if not member.key.verify(message, vote.signature):
            raise ProofInvalid(f"the vote of {member.name} is not valid")
        signers.append(member)
    weight = sum(member.weight for member in signers)
    if weight < trust_set.quorum:
        raise ProofInvalid(f"votes of weight {weight}, the quorum is {trust_set.quorum}")
    return ProvenBlock(
        chain,
        proposal.height,
        proposal.time,
        digest,
        outcome.state_root,
        tuple(member.name for member in signers),
        weight,
        trust_set.quorum,
    )


def _verify_light(
    trust_set: ValidatorSet,
    suite: HashSuite,
    proposal: Proposal,
    outcome: BlockOutcome,
    light: LightBlock,
) -> ProvenBlock:
    chain = proposal.chain
    digest = block.digest(suite, hashes.PROPOSAL, chain, proposal)
    computed = block.digest(suite, hashes.OUTCOME, chain, outcome)
    if proposal.validators != block.digest(suite, hashes.VALIDATORS, chain, trust_set):
        raise ProofInvalid("the block names another validator set")
    signers, weight = comet.verify_light(chain, trust_set, digest, computed, light)
    return ProvenBlock(
        chain,
        proposal.height,
        proposal.time,
        digest,
        outcome.state_root,
        signers,
        weight,
        trust_set.quorum,
    )


def _verify_decided(
    members: ValidatorSet,
    suite: HashSuite,
    decided: Finality | Handover | CometHandover,
) -> ProvenBlock:
    if isinstance(decided, CometFinalityProof | CometHandover):
        return _verify_light(members, suite, decided.proposal, decided.outcome, decided.light)
    return verify_certificate(
        members, suite, decided.proposal, decided.outcome, decided.certificate
    )


def verify_finality(trust: Trust, proof: Finality | bytes) -> ProvenBlock:
    """Checks that a block of the trusted chain is final."""
    found = cast(Finality, _decoded(_Finality, proof))
    suite, current, height = trust.network.suite, trust.validator_set, 0
    proposals = [*(one.proposal for one in found.handovers), found.proposal]
    if any(proposal.chain != trust.network.chain_id for proposal in proposals):
        raise ProofInvalid("the proof belongs to another chain")
    for handover in found.handovers:
        _verify_decided(current, suite, handover)
        named = block.digest(suite, hashes.VALIDATORS, trust.network.chain_id, handover.next)
        if handover.outcome.validators != named:
            raise ProofInvalid("a hand-over gives another set than its block names")
        if handover.next.epoch != current.epoch + 1 or handover.proposal.height <= height:
            raise ProofInvalid("hand-overs do not follow one another")
        current, height = handover.next, handover.proposal.height
    if found.proposal.height <= height:
        raise ProofInvalid("the block is older than the hand-over before it")
    return _verify_decided(current, suite, found)


def verify_receipt(trust: Trust, proof: ReceiptProof | bytes) -> ProvenReceipt:
    """Checks a receipt proof. Needs no network; raises `ProofInvalid` unless every link holds."""
    found = _decoded(ReceiptProof, proof)
    suite, receipt = trust.network.suite, found.receipt
    proven = verify_finality(trust, found.finality)
    body = _body_of(trust, found)
    try:
        encoded = [EVENT.encode(event) for event in found.events]
    except EncodingError as error:
        raise ProofInvalid(f"an event can never be valid: {error.detail}") from error
    leaves = [merkle.leaf_hash(suite, LeafTag.EVENT, data) for data in encoded]
    if merkle.root(suite, leaves) != receipt.events_root:
        raise ProofInvalid("the events are not those of the receipt")
    leaf = merkle.leaf_hash(suite, LeafTag.RECEIPT, receipt.encode())
    path, root = found.path, found.finality.outcome.receipt_root
    if not merkle.verify(suite, leaf, path.index, path.size, path.siblings, root):
        raise ProofInvalid("the receipt does not stand in this block")
    if receipt.code not in codes.RESULT_CODES:
        raise ProofInvalid("the result code is unknown")
    return ProvenReceipt(proven, receipt, body, found.events)


def _body_of(trust: Trust, proof: ReceiptProof) -> TransactionBody | None:
    if proof.receipt.transaction == bytes(32):
        if proof.body:
            raise ProofInvalid("what fell due by itself has no transaction")
        return None
    network = trust.network
    name = network.suite.hash(hashes.TRANSACTION, network.chain_id, proof.body)
    if name != proof.receipt.transaction:
        raise ProofInvalid("the transaction is not that of the receipt")
    return _decoded(TransactionBody, proof.body)


def _decoded(kind: type[S], value: S | bytes) -> S:
    try:
        if isinstance(value, kind):
            value.check()
            return value
        if isinstance(value, bytes):
            return kind.decode(value)
    except EncodingError as error:
        raise ProofInvalid(f"not a proof: {error.detail}") from error
    raise ProofInvalid(f"{value!r} is not a {kind.__name__}")


def verify_cell(
    trust: Trust, finality: FinalityProof | bytes, proof: CellProof | bytes
) -> tuple[ProvenBlock, bytes | None]:
    """Checks one cell's value after a final block; None if the cell is absent."""
    proven = verify_finality(trust, finality)
    return proven, cell_value(trust.network.suite, proven.state_root, proof)


def verify_account(
    trust: Trust, finality: FinalityProof | bytes, proof: AccountProof | bytes
) -> tuple[ProvenBlock, dict[bytes, bytes]]:
    """Checks all cells of an owner after a final block; an empty map if it has none."""
    proven = verify_finality(trust, finality)
    return proven, account_cells(trust.network.suite, proven.state_root, proof)


def cell_value(suite: HashSuite, root: bytes, proof: CellProof | bytes) -> bytes | None:
    """The value that a cell proof shows below a state root; None if the cell is absent."""
    found = _decoded(CellProof, proof)
    evidence = found.evidence
    _check_cell(found.key, b"")
    if isinstance(evidence, CellOwnerAbsent):
        _check_no_owner(suite, found.owner, evidence.gap, evidence.upper, root)
        return None
    way = _way(suite, found.key)
    if isinstance(evidence, CellPresent):
        _check_cell(found.key, evidence.value)
        start, value = cell_leaf(suite, found.key, evidence.value), evidence.value
    else:
        start, value = _cell_gap(suite, way, evidence), None
    cells_root = _fold(suite, way, evidence.lower, start)
    if cells_root == EMPTY_ROOT:
        raise ProofInvalid("an owner without cells is not in the trie")
    _check_owner(suite, found.owner, cells_root, evidence.upper, root)
    return value


def account_cells(
    suite: HashSuite, root: bytes, proof: AccountProof | bytes
) -> dict[bytes, bytes]:
    """All cells of an owner that an account proof shows below a state root."""
    found = _decoded(AccountProof, proof)
    evidence = found.evidence
    if isinstance(evidence, AccountAbsent):
        _check_no_owner(suite, found.owner, evidence.gap, evidence.upper, root)
        return {}
    keys = [key for key, _ in evidence.cells]
    if not 0 < len(keys) <= limits.PROOF_CELLS_MAX or keys != sorted(set(keys)):
        raise ProofInvalid("cells must ascend by key, and there must be some")
    for key, value in evidence.cells:
        _check_cell(key, value)
    _check_owner(suite, found.owner, trie_root(suite, evidence.cells), evidence.upper, root)
    return dict(evidence.cells)


def cell_leaf(suite: HashSuite, key: bytes, value: bytes) -> bytes:
    """H(00 ‖ 04 ‖ length ‖ key ‖ length ‖ value)."""
    return merkle.leaf_hash(suite, LeafTag.CELL, uleb(len(key)) + key + uleb(len(value)) + value)


def owner_leaf(suite: HashSuite, owner: bytes, cells_root: bytes) -> bytes:
    """H(00 ‖ 06 ‖ owner key ‖ cells root)."""
    return merkle.leaf_hash(suite, LeafTag.ACCOUNT, owner + cells_root)


def trie_root(suite: HashSuite, cells: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Root of an owner's cells: each leaf at its shortest distinguishing prefix."""
    leaves = sorted((_way(suite, key), cell_leaf(suite, key, value)) for key, value in cells)
    return _subtrie(suite, leaves, 0)


def _subtrie(suite: HashSuite, leaves: list[tuple[bytes, bytes]], level: int) -> bytes:
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0][1]
    right = next((at for at, leaf in enumerate(leaves) if _bit(leaf[0], level)), len(leaves))
    one, two = leaves[:right], leaves[right:]
    return merkle.node_hash(
        suite, _subtrie(suite, one, level + 1), _subtrie(suite, two, level + 1)
    )


def _way(suite: HashSuite, key: bytes) -> bytes:
    return suite.hash(b"\x02", key)


def _bit(way: bytes, level: int) -> int:
    return way[level // 8] >> (7 - level % 8) & 1


def _fold(suite: HashSuite, way: bytes, siblings: Sequence[bytes], start: bytes) -> bytes:
    if len(siblings) > limits.TRIE_PATH_MAX:
        raise ProofInvalid("a path has too many siblings")
    if siblings and siblings[-1] == EMPTY_ROOT:
        raise ProofInvalid("a leaf stands deeper than its shortest prefix")
    for level in range(len(siblings) - 1, -1, -1):
        pair = (siblings[level], start) if _bit(way, level) else (start, siblings[level])
        start = merkle.node_hash(suite, *pair)
    return start


def _check_other(way: bytes, other: bytes, depth: int) -> None:
    same = all(_bit(way, level) == _bit(other, level) for level in range(min(depth, 256)))
    if way == other or not same:
        raise ProofInvalid("the other leaf does not show absence")


def _cell_gap(suite: HashSuite, way: bytes, evidence: CellAbsent) -> bytes:
    gap = evidence.gap
    if isinstance(gap, NothingThere):
        return EMPTY_ROOT
    _check_cell(gap.key, gap.value)
    _check_other(way, _way(suite, gap.key), len(evidence.lower))
    return cell_leaf(suite, gap.key, gap.value)


def _check_cell(key: bytes, value: bytes) -> None:
    if not 0 < len(key) <= limits.CELL_KEY_BYTES_MAX or len(value) > limits.CELL_VALUE_BYTES_MAX:
        raise ProofInvalid("a key or value has a forbidden length")


def _check_owner(
    suite: HashSuite, owner: bytes, cells_root: bytes, upper: Sequence[bytes], root: bytes
) -> None:
    leaf = owner_leaf(suite, owner, cells_root)
    if _fold(suite, _way(suite, owner), upper, leaf) != root:
        raise ProofInvalid("the proof leads to another state root")


def _check_no_owner(
    suite: HashSuite,
    owner: bytes,
    gap: NothingThere | OtherOwner,
    upper: Sequence[bytes],
    root: bytes,
) -> None:
    way, start = _way(suite, owner), EMPTY_ROOT
    if isinstance(gap, OtherOwner):
        _check_other(way, _way(suite, gap.owner), len(upper))
        if gap.cells_root == EMPTY_ROOT:
            raise ProofInvalid("an owner without cells is not in the trie")
        start = owner_leaf(suite, gap.owner, gap.cells_root)
    if _fold(suite, way, upper, start) != root:
        raise ProofInvalid("the proof leads to another state root")
