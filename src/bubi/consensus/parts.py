"""Bytes that several engines write: votes, prepared proposals, certificates, records.

The forms are in spec/consensus/README.md. What follows from the context (epoch, engine, height of
a certificate) is not repeated in the bytes, so that it cannot differ from it.
"""

from dataclasses import dataclass

from bubi.consensus.engine import Certificate, Configuration, first_vote
from bubi.consensus.guard import HASH_BYTES, SIGNATURE_BYTES_MAX, Phase, VoteRequest
from bubi.encoding import Reader, Writer

VALIDATORS_MAX = 256
BATCHES_MAX = 1_024
PROPOSAL_BYTES_MAX = 4_096
JUSTIFICATION_BYTES_MAX = 16_777_216

PROPOSAL_RECORD = 2
PREPARED_RECORD = 4

Votes = tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A proposal with the first votes of a quorum of one round."""

    round: int
    digest: bytes
    proposal: bytes
    payload: tuple[bytes, ...]
    votes: Votes

    def certificate(self, configuration: Configuration, height: int) -> Certificate:
        """Its votes as a certificate of this height."""
        return Certificate(first_vote(configuration, height, self.round, self.digest), self.votes)


@dataclass(frozen=True, slots=True)
class EpochStart:
    """Justifies round 0 of the first height of an epoch."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """Justifies the round in which the parent was decided (one more after a rotation)."""

    parent: Certificate


@dataclass(frozen=True, slots=True)
class Accepted:
    """Record of an accepted proposal; `justification` only where this node made it."""

    round: int
    digest: bytes
    proposal: bytes
    payload: tuple[bytes, ...]
    justification: bytes


def signed_bytes(kind: str, body: bytes) -> bytes:
    """What the digest of an `EngineMessage` is the hash of."""
    return kind.encode() + b"\0" + body


def change_vote(
    configuration: Configuration, height: int, round_: int, digest: bytes
) -> VoteRequest:
    """Request for the signature under a request for a round."""
    return VoteRequest(
        configuration.epoch, configuration.engine, height, round_, Phase.CHANGE, digest
    )


# --- parts ---------------------------------------------------------------------------------------


def write_votes(writer: Writer, votes: Votes) -> None:
    """Writes votes."""

    def one(vote: tuple[int, bytes]) -> None:
        writer.u32(vote[0])
        writer.bytes(vote[1], SIGNATURE_BYTES_MAX)

    writer.list(votes, one, VALIDATORS_MAX)


def read_votes(reader: Reader) -> Votes:
    """Reads votes."""
    return reader.list(lambda: (reader.u32(), reader.bytes(SIGNATURE_BYTES_MAX)), VALIDATORS_MAX)


def _write_payload(writer: Writer, payload: tuple[bytes, ...]) -> None:
    writer.list(payload, lambda digest: writer.fixed(digest, HASH_BYTES), BATCHES_MAX)


def _read_payload(reader: Reader) -> tuple[bytes, ...]:
    return reader.list(lambda: reader.fixed(HASH_BYTES), BATCHES_MAX)


def write_prepared(writer: Writer, prepared: Prepared) -> None:
    """Writes a prepared proposal."""
    writer.u64(prepared.round)
    writer.fixed(prepared.digest, HASH_BYTES)
    writer.bytes(prepared.proposal, PROPOSAL_BYTES_MAX)
    _write_payload(writer, prepared.payload)
    write_votes(writer, prepared.votes)


def read_prepared(reader: Reader) -> Prepared:
    """Reads a prepared proposal."""
    return Prepared(
        reader.u64(),
        reader.fixed(HASH_BYTES),
        reader.bytes(PROPOSAL_BYTES_MAX),
        _read_payload(reader),
        read_votes(reader),
    )


def write_parent(writer: Writer, certificate: Certificate) -> None:
    """Writes the certificate of the block below."""
    writer.u64(certificate.request.round)
    writer.fixed(certificate.request.digest, HASH_BYTES)
    writer.fixed(certificate.request.outcome, HASH_BYTES)
    write_votes(writer, certificate.votes)


def read_parent(reader: Reader, configuration: Configuration, height: int) -> Certificate:
    """Reads the certificate of the block below a height."""
    round_ = reader.u64()
    digest, outcome = reader.fixed(HASH_BYTES), reader.fixed(HASH_BYTES)
    request = VoteRequest(
        configuration.epoch,
        configuration.engine,
        height - 1,
        round_,
        Phase.COMMIT,
        digest,
        outcome,
    )
    return Certificate(request, read_votes(reader))


def read_version(reader: Reader) -> None:
    """Reads the variant that is the version: 0, the only one yet."""
    reader.variant(1)


# --- records -------------------------------------------------------------------------------------


def encode_accepted(accepted: Accepted) -> bytes:
    """Record of an accepted proposal."""
    writer = Writer()
    writer.uleb(0)
    writer.u64(accepted.round)
    writer.fixed(accepted.digest, HASH_BYTES)
    writer.bytes(accepted.proposal, PROPOSAL_BYTES_MAX)
    _write_payload(writer, accepted.payload)
    writer.bytes(accepted.justification, JUSTIFICATION_BYTES_MAX)
    return writer.done()


def decode_accepted(data: bytes) -> Accepted:
    """An accepted proposal from its record.

    Raises:
        EncodingError: not such a record.
    """
    reader = Reader(data)
    read_version(reader)
    accepted = Accepted(
        reader.u64(),
        reader.fixed(HASH_BYTES),
        reader.bytes(PROPOSAL_BYTES_MAX),
        _read_payload(reader),
        reader.bytes(JUSTIFICATION_BYTES_MAX),
    )
    reader.finish()
    return accepted


def encode_prepared(prepared: Prepared) -> bytes:
    """Record of a prepared proposal."""
    writer = Writer()
    writer.uleb(0)
    write_prepared(writer, prepared)
    return writer.done()


def decode_prepared(data: bytes) -> Prepared:
    """A prepared proposal from its record.

    Raises:
        EncodingError: not such a record.
    """
    reader = Reader(data)
    read_version(reader)
    prepared = read_prepared(reader)
    reader.finish()
    return prepared
