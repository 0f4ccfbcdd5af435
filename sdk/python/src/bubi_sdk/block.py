"""Blocks.

Batches, proposal, outcome, receipts, votes and certificates (core/codec/src/block.rs).
"""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeAlias

from bubi_sdk import checks, hashes, limits
from bubi_sdk.address import PREFIXES, Address
from bubi_sdk.codec import U8, U16, U32, U64, Fields, Hash, Shape, SignatureBytes, at_most
from bubi_sdk.errors import Malformed
from bubi_sdk.events import Event
from bubi_sdk.governance import CommitStatement, VoteStatement, check_organisation
from bubi_sdk.hashes import HashSuite
from bubi_sdk.keys import PublicKey
from bubi_sdk.operations import AccountSigner, Thresholds, check_authority
from bubi_sdk.state import Parameters, ValidatorSet, check_parameters

__all__ = [
    "BatchHeader",
    "BlockOutcome",
    "BlockRecord",
    "Certificate",
    "CertificateVote",
    "CommitStatement",
    "Genesis",
    "GenesisAccount",
    "GenesisOrganisation",
    "NetworkKind",
    "Predecessor",
    "Proposal",
    "Receipt",
    "SignedBatch",
    "VoteStatement",
    "digest",
]

BareParameters: TypeAlias = Annotated[Parameters, Fields(Parameters)]
"""Parameters without a version of their own: the genesis has one."""


class NetworkKind(enum.Enum):
    """Kind of a network; chooses the prefix of addresses."""

    MAIN = "main"
    TEST = "test"
    DEVELOPMENT = "development"

    @property
    def prefix(self) -> str:
        """Prefix of its addresses."""
        return PREFIXES[self.value]


TURN_BLOCKS_MIN = {
    NetworkKind.MAIN: 100,
    NetworkKind.TEST: 100,
    NetworkKind.DEVELOPMENT: 4,
}
"""Fewest blocks between planned changes of the leader."""


@dataclass(frozen=True, slots=True)
class GenesisAccount(Shape):
    """An account of the genesis."""

    address: Address
    signers: tuple[AccountSigner, ...]
    thresholds: Thresholds
    organisation: str | None = None


@dataclass(frozen=True, slots=True)
class GenesisOrganisation(Shape):
    """An organisation of the genesis.

    `governance` is the account that votes for it (None: it has no voice), `certificate` its
    authority's root certificate (X.509, DER; empty: it vouches for no node).
    """

    name: str
    governance: Address | None
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Predecessor(Shape):
    """The end of an earlier chain."""

    chain: Hash
    certificate: Hash
    state_root: Hash


@dataclass(frozen=True, slots=True)
class Genesis(Shape):
    """What a network starts from. Its hash is the chain id."""

    VERSION: ClassVar[str] = "v1"
    BYTES_MAX: ClassVar[int] = 64 * 1_048_576
    nonce: Hash
    name: str
    kind: NetworkKind
    suite: HashSuite
    time: U64
    protocol_version: U32
    parameters: BareParameters
    validators: ValidatorSet
    accounts: tuple[GenesisAccount, ...]
    organisations: tuple[GenesisOrganisation, ...]
    predecessor: Predecessor | None

    def check(self) -> None:
        """Raises `TooLarge` or `Malformed` for a genesis that can never be valid."""
        checks.text("network name", self.name, limits.NAME_BYTES_MAX)
        self.validators.check()
        at_most(limits.GENESIS_ACCOUNTS_MAX, "accounts", len(self.accounts))
        checks.ascending("accounts", [account.address for account in self.accounts])
        for account in self.accounts:
            check_authority(account.signers, account.thresholds)
        self._check_organisations()
        self._check_validators()
        check_parameters(self.parameters)
        least = TURN_BLOCKS_MIN[self.kind]
        if self.parameters.turn_blocks < least:
            raise Malformed(f"turn_blocks: a leader keeps its turn for at least {least} blocks")

    def _check_organisations(self) -> None:
        at_most(limits.ORGANISATIONS_MAX, "organisations", len(self.organisations))
        checks.ascending("organisations", [one.name.encode() for one in self.organisations])
        names = {one.name for one in self.organisations}
        if any(one.organisation not in {None, *names} for one in self.accounts):
            raise Malformed("organisation: an account belongs to one of the genesis or to none")
        accounts = {account.address for account in self.accounts}
        voters = [one.governance for one in self.organisations if one.governance is not None]
        for one in self.organisations:
            check_organisation(one.name, one.certificate)
        if len(set(voters)) != len(voters):
            raise Malformed("governance: an account votes for one organisation only")
        # A successor's may be accounts of the state that it continues, which is not here.
        if self.predecessor is None and not accounts.issuperset(voters):
            raise Malformed("governance: the account must be one of the genesis")

    def _check_validators(self) -> None:
        validators = self.validators.validators
        if self.validators.epoch:
            raise Malformed("epoch: a network begins with epoch 0")
        if len({one.name for one in validators}) != len(validators):
            raise Malformed("validator name: each validator needs a name of its own")
        if not {one.key.number for one in validators} <= set(self.parameters.vote_algorithms):
            raise Malformed("vote_algorithms: they must name those of all validators' keys")

    @property
    def chain_id(self) -> bytes:
        """Hash of the encoded genesis in its own suite."""
        return self.suite.hash(hashes.GENESIS, self.encode())


@dataclass(frozen=True, slots=True)
class BatchHeader(Shape):
    """Header of a batch of transactions."""

    VERSION: ClassVar[str] = "v1"
    author: PublicKey
    number: U64
    count: U32
    bytes: U32
    root: Hash


@dataclass(frozen=True, slots=True)
class SignedBatch(Shape):
    """A batch header with its author's signature."""

    BYTES_MAX: ClassVar[int] = 512
    header: BatchHeader
    signature: SignatureBytes

    def check(self) -> None:
        """Raises `TooLarge` or `Malformed` for a batch that can never be valid."""
        at_most(limits.BATCH_TRANSACTIONS_MAX, "transactions of a batch", self.header.count)
        at_most(limits.BATCH_BYTES_MAX, "bytes of a batch", self.header.bytes)
        if self.header.count == 0:
            raise Malformed("count: a batch holds at least one transaction")


@dataclass(frozen=True, slots=True)
class Proposal(Shape):
    """What consensus orders."""

    VERSION: ClassVar[str] = "v1"
    BYTES_MAX: ClassVar[int] = 1_024
    chain: Hash
    height: U64
    time: U64
    parent: Hash
    parent_outcome: Hash
    parent_round: U64
    payload_root: Hash
    validators: Hash
    parameters: Hash
    protocol_version: U32


@dataclass(frozen=True, slots=True)
class BlockOutcome(Shape):
    """What executing a proposal gives; computed by every node, never proposed."""

    VERSION: ClassVar[str] = "v1"
    BYTES_MAX: ClassVar[int] = 256
    receipt_root: Hash
    state_root: Hash
    validators: Hash
    parameters: Hash


@dataclass(frozen=True, slots=True)
class CertificateVote(Shape):
    """One member's vote inside a certificate."""

    validator: U32
    signature: SignatureBytes


@dataclass(frozen=True, slots=True)
class Certificate(Shape):
    """Proof that a quorum decided a proposal with an outcome."""

    VERSION: ClassVar[str] = "v1"
    BYTES_MAX: ClassVar[int] = 65_536
    statement: CommitStatement
    votes: tuple[CertificateVote, ...]

    def check(self) -> None:
        """Raises `TooLarge` or `Malformed` for a certificate that can never be valid."""
        at_most(limits.VALIDATORS_MAX, "votes", len(self.votes))
        if any(one.validator >= two.validator for one, two in itertools.pairwise(self.votes)):
            raise Malformed("votes: they must ascend by validator and must not repeat")


@dataclass(frozen=True, slots=True)
class Receipt(Shape):
    """What became of one transaction.

    `transaction` is 32 zero bytes for what fell due by itself.
    """

    VERSION: ClassVar[str] = "v1"
    BYTES_MAX: ClassVar[int] = 256
    transaction: Hash
    batch: U32
    index: U32
    code: U16
    operation: U8 | None
    events_root: Hash


@dataclass(frozen=True, slots=True)
class BlockRecord(Shape):
    """A decided block as the log keeps it."""

    VERSION: ClassVar[str] = "v1"
    BYTES_MAX: ClassVar[int] = 1 << 30
    proposal: Proposal
    batches: tuple[SignedBatch, ...]
    outcome: BlockOutcome
    certificate: Certificate
    receipts: tuple[Receipt, ...]
    events: tuple[tuple[Event, ...], ...]


def digest(suite: HashSuite, domain: bytes, chain_id: bytes, value: Shape) -> bytes:
    """Digest of a batch header, proposal, outcome, validator set or parameters."""
    return suite.hash(domain, chain_id, value.encode())
