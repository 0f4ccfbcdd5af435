"""Light blocks of CometBFT, verified (spec/consensus/cometbft.md).

CometBFT hashes and signs protobuf. Its few messages are written here again from the parts that a
proof carries, field by field, because what is hashed must have one form.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

from bubi_sdk import limits
from bubi_sdk.codec import U32, U64, Hash, Shape, SignatureBytes, at_most, uleb
from bubi_sdk.errors import Malformed, ProofInvalid
from bubi_sdk.keys import Algorithm
from bubi_sdk.state import ValidatorSet

ENGINE: Final = "cometbft"
CHAIN_BYTES_MAX: Final = 50
ADDRESS_BYTES: Final = 20
APPLICATION: Final = b"bubi:comet-app.."
"""Domain of the application hash."""
PRECOMMIT: Final = 2
_SIGNED_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Time(Shape):
    """A point in time as CometBFT writes it."""

    seconds: U64
    nanoseconds: U32


@dataclass(frozen=True, slots=True)
class BlockId(Shape):
    """What names a block of CometBFT."""

    hash: Hash
    parts: U32
    parts_hash: Hash


@dataclass(frozen=True, slots=True)
class Header(Shape):
    """A header of CometBFT."""

    block_version: U64
    app_version: U64
    chain: str
    height: U64
    time: Time
    last_block: BlockId
    last_commit: Hash
    data: Hash
    validators: Hash
    next_validators: Hash
    consensus: Hash
    app: Hash
    last_results: Hash
    evidence: Hash
    proposer: bytes


@dataclass(frozen=True, slots=True)
class CometVote(Shape):
    """A precommit; `validator` is the index in the set of the ledger."""

    validator: U32
    time: Time
    signature: SignatureBytes


@dataclass(frozen=True, slots=True)
class Commit(Shape):
    """The precommits that decided a header."""

    round: U32
    parts: U32
    parts_hash: Hash
    votes: tuple[CometVote, ...]


@dataclass(frozen=True, slots=True)
class LightBlock(Shape):
    """A header of CometBFT with the commit that decided it."""

    VERSION: ClassVar[str] = "v1"
    BYTES_MAX: ClassVar[int] = 262_144
    header: Header
    commit: Commit

    def check(self) -> None:
        """Raises for a light block that can never be valid."""
        header, commit = self.header, self.commit
        at_most(CHAIN_BYTES_MAX, "chain of CometBFT", len(header.chain.encode()))
        if not header.chain or len(header.proposer) != ADDRESS_BYTES:
            raise Malformed("chain and proposer: no header of CometBFT")
        at_most(limits.VALIDATORS_MAX, "votes", len(commit.votes))
        pairs = itertools.pairwise(commit.votes)
        if any(one.validator >= two.validator for one, two in pairs):
            raise Malformed("votes: they must ascend by validator and must not repeat")
        times = [header.time, *(vote.time for vote in commit.votes)]
        if any(one.nanoseconds > 999_999_999 or one.seconds > _SIGNED_MAX for one in times):
            raise Malformed("time: it is none that CometBFT writes")
        if header.height > _SIGNED_MAX or commit.round >= 2**31:
            raise Malformed("height: it is none that CometBFT writes")


def chain_name(chain_id: bytes) -> str:
    """Name of the chain of CometBFT that decides for a chain."""
    return f"bubi-{chain_id.hex()[:40]}"


def app_hash(chain_id: bytes, digest: bytes, outcome: bytes) -> bytes:
    """What CometBFT carries as the hash of the application after a block."""
    return hashlib.sha256(APPLICATION + chain_id + digest + outcome).digest()


def _number(field: int, value: int) -> bytes:
    return bytes([field << 3]) + uleb(value) if value else b""


def _fixed(field: int, value: int) -> bytes:
    return bytes([field << 3 | 1]) + value.to_bytes(8, "little") if value else b""


def _inside(field: int, value: bytes) -> bytes:
    """A message in a field, written also when it is empty."""
    return bytes([field << 3 | 2]) + uleb(len(value)) + value


def _bytes(field: int, value: bytes) -> bytes:
    return _inside(field, value) if value else b""


def _time(time: Time) -> bytes:
    return _number(1, time.seconds) + _number(2, time.nanoseconds)


def _block_id(block: bytes, parts: int, parts_hash: bytes) -> bytes:
    return _bytes(1, block) + _inside(2, _number(1, parts) + _bytes(2, parts_hash))


def _root(leaves: Iterable[bytes]) -> bytes:
    level = [hashlib.sha256(b"\0" + leaf).digest() for leaf in leaves]
    return _fold(level)


def _fold(hashes: list[bytes]) -> bytes:
    if len(hashes) == 1:
        return hashes[0]
    half = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _fold(hashes[:half]) + _fold(hashes[half:])).digest()


def header_hash(header: Header) -> bytes:
    """Hash of a header by the rules of CometBFT."""
    last = header.last_block
    return _root(
        (
            _number(1, header.block_version) + _number(2, header.app_version),
            _bytes(1, header.chain.encode()),
            _number(1, header.height),
            _time(header.time),
            _block_id(last.hash, last.parts, last.parts_hash),
            _bytes(1, header.last_commit),
            _bytes(1, header.data),
            _bytes(1, header.validators),
            _bytes(1, header.next_validators),
            _bytes(1, header.consensus),
            _bytes(1, header.app),
            _bytes(1, header.last_results),
            _bytes(1, header.evidence),
            _bytes(1, header.proposer),
        )
    )


def validators_hash(members: ValidatorSet) -> bytes:
    """Hash of the validators by the rules of CometBFT: the heaviest first, then by address."""
    leaves = []
    for one in members.validators:
        if one.key.algorithm is not Algorithm.ED25519:
            raise ProofInvalid("CometBFT votes with Ed25519 keys only")
        address = hashlib.sha256(one.key.raw).digest()[:ADDRESS_BYTES]
        leaf = _inside(1, _bytes(1, one.key.raw)) + _number(2, one.weight)
        leaves.append((-one.weight, address, leaf))
    return _root(leaf for _, _, leaf in sorted(leaves))


def sign_bytes(header: Header, block: bytes, commit: Commit, vote: CometVote) -> bytes:
    """Bytes that a validator of CometBFT signs to decide a block."""
    message = (
        _number(1, PRECOMMIT)
        + _fixed(2, header.height)
        + _fixed(3, commit.round)
        + _inside(4, _block_id(block, commit.parts, commit.parts_hash))
        + _inside(5, _time(vote.time))
        + _bytes(6, header.chain.encode())
    )
    return uleb(len(message)) + message


def verify_light(
    chain_id: bytes, members: ValidatorSet, digest: bytes, outcome: bytes, light: LightBlock
) -> tuple[tuple[str, ...], int]:
    """Checks that a light block binds the block with this digest and outcome hash.

    Gives the signers and their weight; raises `ProofInvalid` unless every link holds.
    """
    header, commit = light.header, light.commit
    if members.engine != ENGINE:
        raise ProofInvalid("another engine than CometBFT decides here")
    if header.chain != chain_name(chain_id):
        raise ProofInvalid("the header is of another chain")
    if header.app != app_hash(chain_id, digest, outcome):
        raise ProofInvalid("the header does not bind this block and its outcome")
    if header.validators != validators_hash(members):
        raise ProofInvalid("the header is of other validators")
    block = header_hash(header)
    signers = []
    for vote in commit.votes:
        if vote.validator >= len(members.validators):
            raise ProofInvalid("a vote comes from outside the validator set")
        member = members.validators[vote.validator]
        if not member.key.verify(sign_bytes(header, block, commit, vote), vote.signature):
            raise ProofInvalid(f"the vote of {member.name} is not valid")
        signers.append(member)
    weight = sum(member.weight for member in signers)
    if weight < members.quorum:
        raise ProofInvalid(f"votes of weight {weight}, the quorum is {members.quorum}")
    return tuple(member.name for member in signers), weight
