"""Bytes of PBFT: view changes, justifications of proposals, records in the log.

The forms are in spec/consensus/pbft.md, section 6. What follows from the context (epoch, engine,
height of a certificate) is not repeated in the bytes, so that it cannot differ from it.
"""

from dataclasses import dataclass

from bubi import encoding
from bubi.consensus.engine import Certificate, Configuration, VoteMessage, first_vote
from bubi.consensus.guard import HASH_BYTES, SIGNATURE_BYTES_MAX, Phase, VoteRequest
from bubi.encoding import EncodingError, Reader, Writer

VIEW_CHANGE = "view_change"
VALIDATORS_MAX = 256
BATCHES_MAX = 1_024
PROPOSAL_BYTES_MAX = 4_096
CHANGE_BYTES_MAX = 131_072
"""Body of a view change: a proposal, its batch digests and a certificate."""
JUSTIFICATION_BYTES_MAX = 16_777_216

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
class SignedChange:
    """A view change as a new view repeats it; round and height are those of the new view."""

    member: int
    signature: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class EpochStart:
    """Justifies round 0 of the first height of an epoch."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """Justifies the round in which the parent was decided (one more after a rotation)."""

    parent: Certificate


@dataclass(frozen=True, slots=True)
class NewView:
    """Justifies any round: a quorum asked for it. `parent` is None at the start of an epoch."""

    changes: tuple[SignedChange, ...]
    parent: Certificate | None


Justification = EpochStart | Fresh | NewView


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


# --- parts ---------------------------------------------------------------------------------------


def _write_votes(writer: Writer, votes: Votes) -> None:
    def one(vote: tuple[int, bytes]) -> None:
        writer.u32(vote[0])
        writer.bytes(vote[1], SIGNATURE_BYTES_MAX)

    writer.list(votes, one, VALIDATORS_MAX)


def _read_votes(reader: Reader) -> Votes:
    return reader.list(lambda: (reader.u32(), reader.bytes(SIGNATURE_BYTES_MAX)), VALIDATORS_MAX)


def _write_payload(writer: Writer, payload: tuple[bytes, ...]) -> None:
    writer.list(payload, lambda digest: writer.fixed(digest, HASH_BYTES), BATCHES_MAX)


def _read_payload(reader: Reader) -> tuple[bytes, ...]:
    return reader.list(lambda: reader.fixed(HASH_BYTES), BATCHES_MAX)


def _write_prepared(writer: Writer, prepared: Prepared) -> None:
    writer.u64(prepared.round)
    writer.fixed(prepared.digest, HASH_BYTES)
    writer.bytes(prepared.proposal, PROPOSAL_BYTES_MAX)
    _write_payload(writer, prepared.payload)
    _write_votes(writer, prepared.votes)


def _read_prepared(reader: Reader) -> Prepared:
    return Prepared(
        reader.u64(),
        reader.fixed(HASH_BYTES),
        reader.bytes(PROPOSAL_BYTES_MAX),
        _read_payload(reader),
        _read_votes(reader),
    )


def _write_parent(writer: Writer, certificate: Certificate) -> None:
    writer.u64(certificate.request.round)
    writer.fixed(certificate.request.digest, HASH_BYTES)
    writer.fixed(certificate.request.outcome, HASH_BYTES)
    _write_votes(writer, certificate.votes)


def _read_parent(reader: Reader, configuration: Configuration, height: int) -> Certificate:
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
    return Certificate(request, _read_votes(reader))


def _version(reader: Reader) -> None:
    reader.variant(1)


# --- whole values --------------------------------------------------------------------------------


def encode_change(prepared: Prepared | None) -> bytes:
    """Body of a view change."""
    writer = Writer()
    writer.uleb(0)
    writer.option(prepared, lambda value: _write_prepared(writer, value))
    return writer.done()


def decode_change(data: bytes) -> Prepared | None:
    """What a view change carries.

    Raises:
        EncodingError: not a canonical body.
    """
    if len(data) > CHANGE_BYTES_MAX:
        raise EncodingError(encoding.LIMIT)
    reader = Reader(data)
    _version(reader)
    prepared = reader.option(lambda: _read_prepared(reader))
    reader.finish()
    return prepared


def encode_justification(justification: Justification) -> bytes:
    """Justification of a proposal."""
    writer = Writer()
    match justification:
        case EpochStart():
            writer.uleb(0)
        case Fresh():
            writer.uleb(1)
            _write_parent(writer, justification.parent)
        case NewView():
            writer.uleb(2)

            def one(change: SignedChange) -> None:
                writer.u32(change.member)
                writer.bytes(change.signature, SIGNATURE_BYTES_MAX)
                writer.bytes(change.body, CHANGE_BYTES_MAX)

            writer.list(justification.changes, one, VALIDATORS_MAX)
            writer.option(justification.parent, lambda value: _write_parent(writer, value))
    return writer.done()


def decode_justification(data: bytes, configuration: Configuration, height: int) -> Justification:
    """Justification of a proposal for this height.

    Raises:
        EncodingError: not a canonical justification.
    """
    reader = Reader(data)
    justification: Justification
    match reader.variant(3):
        case 0:
            justification = EpochStart()
        case 1:
            justification = Fresh(_read_parent(reader, configuration, height))
        case _:
            changes = reader.list(
                lambda: SignedChange(
                    reader.u32(),
                    reader.bytes(SIGNATURE_BYTES_MAX),
                    reader.bytes(CHANGE_BYTES_MAX),
                ),
                VALIDATORS_MAX,
            )
            parent = reader.option(lambda: _read_parent(reader, configuration, height))
            justification = NewView(changes, parent)
    reader.finish()
    return justification


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
    _version(reader)
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
    _write_prepared(writer, prepared)
    return writer.done()


def decode_prepared(data: bytes) -> Prepared:
    """A prepared proposal from its record.

    Raises:
        EncodingError: not such a record.
    """
    reader = Reader(data)
    _version(reader)
    prepared = _read_prepared(reader)
    reader.finish()
    return prepared


def change_vote(
    configuration: Configuration, height: int, round_: int, digest: bytes
) -> VoteRequest:
    """Request for the signature of a view change."""
    return VoteRequest(
        configuration.epoch, configuration.engine, height, round_, Phase.CHANGE, digest
    )


def as_vote(
    configuration: Configuration, height: int, round_: int, digest: bytes, change: SignedChange
) -> VoteMessage:
    """The signed statement of a repeated view change."""
    return VoteMessage(
        change.member, change_vote(configuration, height, round_, digest), change.signature
    )
