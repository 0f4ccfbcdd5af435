"""Bytes of Byzantine Paxos: what 1a, 1b and 1c carry.

The forms are in spec/consensus/paxos.md, section 6.
"""

from dataclasses import dataclass

from bubi import encoding
from bubi.consensus.engine import Certificate, Configuration
from bubi.consensus.guard import HASH_BYTES, SIGNATURE_BYTES_MAX, Phase, VoteRequest
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

PHASE_1A = "1a"
PHASE_1B = "1b"
NEXT = b"\0"
"""Body of a 1a: nothing but its version."""


@dataclass(frozen=True, slots=True)
class Claim:
    """mbal and mval: the newest ballot in which a member may have given a 2b, and the digest."""

    ballot: int
    digest: bytes

    @property
    def place(self) -> tuple[int, bytes]:
        """Ballot and digest."""
        return self.ballot, self.digest


@dataclass(frozen=True, slots=True)
class Shown:
    """What a 1b shows beside its signature: its claim and the 2av of a quorum that prove it."""

    claim: Claim
    votes: Votes


@dataclass(frozen=True, slots=True)
class Promise:
    """A 1b as a 1c repeats it."""

    member: int
    signature: bytes
    claim: Claim | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """2av of a quorum, given in `ballot` for the value that a 1c names."""

    ballot: int
    votes: Votes


@dataclass(frozen=True, slots=True)
class Phase1:
    """Justifies any ballot: 1b of a quorum, and the 2av of one that make the value safe.

    `parent` is None at the first height of an epoch.
    """

    promises: tuple[Promise, ...]
    evidence: Evidence | None
    parent: Certificate | None


Proof = EpochStart | Fresh | Phase1


def promise_vote(
    configuration: Configuration, height: int, round_: int, digest: bytes
) -> VoteRequest:
    """Request for the signature under a 1b."""
    return VoteRequest(
        configuration.epoch, configuration.engine, height, round_, Phase.GRANT, digest
    )


def check_next(data: bytes) -> None:
    """Checks the body of a 1a.

    Raises:
        EncodingError: it is another one.
    """
    if data != NEXT:
        raise EncodingError(encoding.RULE)


def _write_claim(writer: Writer, claim: Claim) -> None:
    writer.u64(claim.ballot)
    writer.fixed(claim.digest, HASH_BYTES)


def _read_claim(reader: Reader) -> Claim:
    return Claim(reader.u64(), reader.fixed(HASH_BYTES))


def encode_claim(claim: Claim | None) -> bytes:
    """What the signature of a 1b covers, under its kind."""
    writer = Writer()
    writer.uleb(0)
    writer.option(claim, lambda value: _write_claim(writer, value))
    return writer.done()


def encode_shown(shown: Shown | None) -> bytes:
    """What a 1b shows."""
    writer = Writer()
    writer.uleb(0)

    def one(value: Shown) -> None:
        _write_claim(writer, value.claim)
        write_votes(writer, value.votes)

    writer.option(shown, one)
    return writer.done()


def decode_shown(data: bytes) -> Shown | None:
    """What a 1b shows.

    Raises:
        EncodingError: not a canonical form.
    """
    reader = Reader(data)
    read_version(reader)
    shown = reader.option(lambda: Shown(_read_claim(reader), read_votes(reader)))
    reader.finish()
    return shown


def _write_phase_1(writer: Writer, proof: Phase1) -> None:
    def promise(one: Promise) -> None:
        writer.u32(one.member)
        writer.bytes(one.signature, SIGNATURE_BYTES_MAX)
        writer.option(one.claim, lambda claim: _write_claim(writer, claim))

    def evidence(one: Evidence) -> None:
        writer.u64(one.ballot)
        write_votes(writer, one.votes)

    writer.list(proof.promises, promise, VALIDATORS_MAX)
    writer.option(proof.evidence, evidence)
    writer.option(proof.parent, lambda parent: write_parent(writer, parent))


def _read_phase_1(reader: Reader, configuration: Configuration, height: int) -> Phase1:
    return Phase1(
        reader.list(
            lambda: Promise(
                reader.u32(),
                reader.bytes(SIGNATURE_BYTES_MAX),
                reader.option(lambda: _read_claim(reader)),
            ),
            VALIDATORS_MAX,
        ),
        reader.option(lambda: Evidence(reader.u64(), read_votes(reader))),
        reader.option(lambda: read_parent(reader, configuration, height)),
    )


def encode_proof(proof: Proof) -> bytes:
    """What a 1c carries beside its value."""
    writer = Writer()
    match proof:
        case EpochStart():
            writer.uleb(0)
        case Fresh():
            writer.uleb(1)
            write_parent(writer, proof.parent)
        case Phase1():
            writer.uleb(2)
            _write_phase_1(writer, proof)
    return writer.done()


def decode_proof(data: bytes, configuration: Configuration, height: int) -> Proof:
    """What a 1c of this height carries beside its value.

    Raises:
        EncodingError: not a canonical proof.
    """
    reader = Reader(data)
    proof: Proof
    match reader.variant(3):
        case 0:
            proof = EpochStart()
        case 1:
            proof = Fresh(read_parent(reader, configuration, height))
        case _:
            proof = _read_phase_1(reader, configuration, height)
    reader.finish()
    return proof
