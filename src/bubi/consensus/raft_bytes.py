"""Bytes of Byzantine Raft: requests for votes, and what AppendEntries carries beside its entry.

The forms are in spec/consensus/raft.md, section 6.
"""

from dataclasses import dataclass

from bubi import encoding
from bubi.consensus.engine import Certificate, Configuration
from bubi.consensus.guard import HASH_BYTES, SIGNATURE_BYTES_MAX
from bubi.consensus.parts import (
    VALIDATORS_MAX,
    EpochStart,
    Fresh,
    Votes,
    read_parent,
    read_version,
    read_votes,
    write_parent,
    write_votes,
)
from bubi.encoding import EncodingError, Reader, Writer

REQUEST_VOTE = "request_vote"
CLAIM_BYTES_MAX = 64


@dataclass(frozen=True, slots=True)
class Claim:
    """The newest entry for which a member may have given a commit vote: its term and digest."""

    term: int
    digest: bytes

    @property
    def place(self) -> tuple[int, bytes]:
        """Term and digest."""
        return self.term, self.digest


@dataclass(frozen=True, slots=True)
class Ballot:
    """A request for votes as an election certificate repeats it."""

    member: int
    signature: bytes
    claim: Claim | None


@dataclass(frozen=True, slots=True)
class High:
    """Append votes of a quorum for the entry that is appended again, given in `term`."""

    term: int
    votes: Votes


@dataclass(frozen=True, slots=True)
class Election:
    """Justifies any term: a quorum left all terms below, and `high` is at least what it claims.

    `parent` is None at the first height of an epoch.
    """

    ballots: tuple[Ballot, ...]
    high: High | None
    parent: Certificate | None


@dataclass(frozen=True, slots=True)
class Appended:
    """Append votes of a quorum for the entry whose digest the message signs, in its term."""

    votes: Votes


Proof = EpochStart | Fresh | Election | Appended


def _write_claim(writer: Writer, claim: Claim) -> None:
    writer.u64(claim.term)
    writer.fixed(claim.digest, HASH_BYTES)


def _read_claim(reader: Reader) -> Claim:
    return Claim(reader.u64(), reader.fixed(HASH_BYTES))


def encode_claim(claim: Claim | None) -> bytes:
    """Body of a request for votes."""
    writer = Writer()
    writer.uleb(0)
    writer.option(claim, lambda value: _write_claim(writer, value))
    return writer.done()


def decode_claim(data: bytes) -> Claim | None:
    """What a request for votes claims.

    Raises:
        EncodingError: not a canonical body.
    """
    if len(data) > CLAIM_BYTES_MAX:
        raise EncodingError(encoding.LIMIT)
    reader = Reader(data)
    read_version(reader)
    claim = reader.option(lambda: _read_claim(reader))
    reader.finish()
    return claim


def _write_election(writer: Writer, election: Election) -> None:
    def ballot(one: Ballot) -> None:
        writer.u32(one.member)
        writer.bytes(one.signature, SIGNATURE_BYTES_MAX)
        writer.option(one.claim, lambda claim: _write_claim(writer, claim))

    def high(one: High) -> None:
        writer.u64(one.term)
        write_votes(writer, one.votes)

    writer.list(election.ballots, ballot, VALIDATORS_MAX)
    writer.option(election.high, high)
    writer.option(election.parent, lambda parent: write_parent(writer, parent))


def _read_election(reader: Reader, configuration: Configuration, height: int) -> Election:
    return Election(
        reader.list(
            lambda: Ballot(
                reader.u32(),
                reader.bytes(SIGNATURE_BYTES_MAX),
                reader.option(lambda: _read_claim(reader)),
            ),
            VALIDATORS_MAX,
        ),
        reader.option(lambda: High(reader.u64(), read_votes(reader))),
        reader.option(lambda: read_parent(reader, configuration, height)),
    )


def encode_proof(proof: Proof) -> bytes:
    """What AppendEntries carries beside its entry."""
    writer = Writer()
    match proof:
        case EpochStart():
            writer.uleb(0)
        case Fresh():
            writer.uleb(1)
            write_parent(writer, proof.parent)
        case Election():
            writer.uleb(2)
            _write_election(writer, proof)
        case Appended():
            writer.uleb(3)
            write_votes(writer, proof.votes)
    return writer.done()


def decode_proof(data: bytes, configuration: Configuration, height: int) -> Proof:
    """What AppendEntries of this height carries beside its entry.

    Raises:
        EncodingError: not a canonical proof.
    """
    reader = Reader(data)
    proof: Proof
    match reader.variant(4):
        case 0:
            proof = EpochStart()
        case 1:
            proof = Fresh(read_parent(reader, configuration, height))
        case 2:
            proof = _read_election(reader, configuration, height)
        case _:
            proof = Appended(read_votes(reader))
    reader.finish()
    return proof
