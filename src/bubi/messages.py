"""What nodes say to each other, beside the frames that carry it. Pure.

Each message is a frozen dataclass; `encode` and `decode` give its canonical bytes
(spec/messages.md). The transport sorts them into three queues by `priority`: votes go before
batches, batches before sync.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from bubi import encoding
from bubi.consensus.engine import (
    ConsensusMessage,
    EngineMessage,
    ProposalMessage,
    VoteMessage,
)
from bubi.consensus.guard import Phase, VoteRequest
from bubi.encoding import EncodingError, Reader, Writer

HASH_BYTES = 32
NODE_BYTES = 32
"""Bytes of a node id."""
NAME_BYTES_MAX = 64
"""Name of a node, organisation, engine or kind of engine message."""
SIGNATURE_BYTES_MAX = 255
VALIDATORS_MAX = 256
PROPOSAL_BYTES_MAX = 4_096
"""An encoded proposal header."""
JUSTIFICATION_BYTES_MAX = 16_777_216
"""What an engine needs to accept a proposal: at most a quorum of view changes."""
ENGINE_BODY_BYTES_MAX = 16_777_216
BLOCK_BATCHES_MAX = 1_024
BATCH_HEADER_BYTES_MAX = 4_096
BULK_BYTES_MAX = 16_777_216 + 131_072
"""Transactions of a batch (16 MiB at most) and their lengths."""
DIGESTS_MAX = 1_024
"""Batches named by one announcement or request."""
LINKS_MAX = 512
"""Connections told in a status; a node with more of them tells the first ones."""
CERTIFICATE_BYTES_MAX = 65_536
BLOCKS_MAX = 64
"""Blocks in one answer."""


class Priority(IntEnum):
    """Queue of a message; lower numbers are sent first."""

    VOTES = 0
    BATCHES = 1
    SYNC = 2


@dataclass(frozen=True, slots=True)
class Consensus:
    """A signed message of an engine, from its author or relayed once."""

    message: ConsensusMessage


@dataclass(frozen=True, slots=True)
class BatchBody:
    """A batch: the encoded `SignedBatch` and its transactions as a bulk body."""

    digest: bytes
    header: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class BatchHave:
    """The sender holds these batches, verified: an announcement and an acknowledgement."""

    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class BatchWant:
    """The sender asks for these batches."""

    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class BlockWanted:
    """The sender needs a block later than this time (ms), for a transaction that expired."""

    time: int


@dataclass(frozen=True, slots=True)
class Transactions:
    """Transactions that an observer admitted, as a bulk body, for a validator's batch."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Link:
    """One connection in a status: the peer's node id and its round-trip time (µs)."""

    peer: bytes
    round_trip_us: int


@dataclass(frozen=True, slots=True)
class Status:
    """What a node says of itself every 5 s and after it caught up. Relayed once if signed.

    `validator` is its index in the set in force and `signature` that of its vote key over the
    rest; an observer has neither and is heard by its direct peers only. `sequence` ascends with
    every status of a node. `certificate_days` are the days that its certificate is still valid.
    """

    node: bytes
    name: str
    organisation: str
    validator: int | None
    sequence: int
    time: int
    height: int
    digest: bytes
    state_root: bytes
    round: int
    pool: int
    certificate_days: int
    links: tuple[Link, ...]
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class BlocksRequest:
    """Asks for decided blocks `first` to `last`; the answer may stop earlier."""

    number: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class BlockParts:
    """A decided block as a peer gives it: nothing in it is trusted."""

    height: int
    proposal: bytes
    certificate: bytes
    headers: tuple[bytes, ...]
    bodies: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Answer to a request, in order from its first height; empty if the peer has none."""

    number: int
    blocks: tuple[BlockParts, ...]


PeerMessage = (
    Consensus
    | BatchBody
    | BatchHave
    | BatchWant
    | BlockWanted
    | Transactions
    | Status
    | BlocksRequest
    | Blocks
)


class MessageError(EncodingError):
    """Bytes that are no message, or a message that has no bytes: the one error of this module."""


_PRIORITIES: dict[type[Any], Priority] = {
    Consensus: Priority.VOTES,
    BatchBody: Priority.BATCHES,
    BatchHave: Priority.BATCHES,
    BatchWant: Priority.BATCHES,
    BlockWanted: Priority.BATCHES,
    Transactions: Priority.BATCHES,
    Status: Priority.VOTES,
    BlocksRequest: Priority.SYNC,
    Blocks: Priority.SYNC,
}


def priority(message: PeerMessage) -> Priority:
    """The queue of a message; a status is small and steers sync, it goes with the votes."""
    return _PRIORITIES[type(message)]


# --- encoding ------------------------------------------------------------------------------------

_VERSION = b"\0"


def encode(message: PeerMessage) -> bytes:
    """Canonical bytes of a message.

    Raises:
        MessageError: a field is beyond its limit.
    """
    writer = Writer()
    writer.raw(_VERSION)
    number, write = _WRITERS[type(message)]
    writer.uleb(number)
    try:
        write(writer, message)
    except EncodingError as error:
        raise MessageError(*error.args) from error
    return writer.done()


def status_statement(status: Status) -> bytes:
    """What the signature of a status covers (under its domain): the message without it."""
    return encode(replace(status, signature=b""))


def _write_request(writer: Writer, request: VoteRequest) -> None:
    writer.u64(request.epoch)
    writer.text(request.engine, NAME_BYTES_MAX)
    writer.u64(request.height)
    writer.u64(request.round)
    writer.uleb(int(request.phase))
    writer.fixed(request.digest, HASH_BYTES)
    if request.phase is Phase.COMMIT:
        writer.fixed(request.outcome, HASH_BYTES)
    elif request.outcome:
        raise EncodingError(encoding.RULE)


def _write_vote(writer: Writer, vote: VoteMessage) -> None:
    if vote.validator >= VALIDATORS_MAX:
        raise EncodingError(encoding.LIMIT)
    writer.u32(vote.validator)
    _write_request(writer, vote.request)
    writer.bytes(vote.signature, SIGNATURE_BYTES_MAX)


def _write_consensus(writer: Writer, message: Consensus) -> None:
    inner = message.message
    match inner:
        case ProposalMessage():
            writer.uleb(0)
            _write_vote(writer, inner.signed)
            writer.bytes(inner.proposal, PROPOSAL_BYTES_MAX)
            _write_digests(writer, inner.payload, BLOCK_BATCHES_MAX)
            writer.bytes(inner.justification, JUSTIFICATION_BYTES_MAX)
        case VoteMessage():
            writer.uleb(1)
            _write_vote(writer, inner)
        case EngineMessage():
            writer.uleb(2)
            _write_vote(writer, inner.signed)
            writer.text(inner.kind, NAME_BYTES_MAX)
            writer.bytes(inner.body, ENGINE_BODY_BYTES_MAX)


def _write_digests(writer: Writer, digests: tuple[bytes, ...], limit: int) -> None:
    writer.list(digests, lambda digest: writer.fixed(digest, HASH_BYTES), limit)


def _write_body(writer: Writer, message: BatchBody) -> None:
    writer.fixed(message.digest, HASH_BYTES)
    writer.bytes(message.header, BATCH_HEADER_BYTES_MAX)
    writer.bytes(message.body, BULK_BYTES_MAX)


def _write_named(writer: Writer, message: BatchHave | BatchWant) -> None:
    _write_digests(writer, message.digests, DIGESTS_MAX)


def _write_wanted(writer: Writer, message: BlockWanted) -> None:
    writer.u64(message.time)


def _write_transactions(writer: Writer, message: Transactions) -> None:
    writer.bytes(message.body, BULK_BYTES_MAX)


def _write_status(writer: Writer, status: Status) -> None:
    writer.fixed(status.node, NODE_BYTES)
    writer.text(status.name, NAME_BYTES_MAX)
    writer.text(status.organisation, NAME_BYTES_MAX)
    writer.option(status.validator, writer.u32)
    for number in (status.sequence, status.time, status.height):
        writer.u64(number)
    writer.fixed(status.digest, HASH_BYTES)
    writer.fixed(status.state_root, HASH_BYTES)
    writer.u64(status.round)
    writer.u64(status.pool)
    # The days may be negative: an expired certificate is told, too.
    writer.u32(status.certificate_days & 0xFFFF_FFFF)
    if not -(2**31) <= status.certificate_days < 2**31:
        raise EncodingError(encoding.RANGE)

    def one(link: Link) -> None:
        writer.fixed(link.peer, NODE_BYTES)
        writer.u32(link.round_trip_us)

    writer.list(status.links, one, LINKS_MAX)
    writer.bytes(status.signature, SIGNATURE_BYTES_MAX)


def _write_blocks_request(writer: Writer, message: BlocksRequest) -> None:
    writer.u64(message.number)
    writer.u64(message.first)
    writer.u64(message.last)
    if message.last < message.first:
        raise EncodingError(encoding.RULE)


def _write_blocks(writer: Writer, message: Blocks) -> None:
    writer.u64(message.number)

    def one(parts: BlockParts) -> None:
        writer.u64(parts.height)
        writer.bytes(parts.proposal, PROPOSAL_BYTES_MAX)
        writer.bytes(parts.certificate, CERTIFICATE_BYTES_MAX)
        writer.list(
            parts.headers,
            lambda header: writer.bytes(header, BATCH_HEADER_BYTES_MAX),
            BLOCK_BATCHES_MAX,
        )
        writer.list(
            parts.bodies, lambda body: writer.bytes(body, BULK_BYTES_MAX), BLOCK_BATCHES_MAX
        )
        if len(parts.headers) != len(parts.bodies):
            raise EncodingError(encoding.RULE)

    writer.list(message.blocks, one, BLOCKS_MAX)


_WRITERS: dict[type[Any], tuple[int, Callable[[Writer, Any], None]]] = {
    Consensus: (0, _write_consensus),
    BatchBody: (1, _write_body),
    BatchHave: (2, _write_named),
    BatchWant: (3, _write_named),
    BlockWanted: (4, _write_wanted),
    Transactions: (5, _write_transactions),
    Status: (6, _write_status),
    BlocksRequest: (7, _write_blocks_request),
    Blocks: (8, _write_blocks),
}


# --- decoding ------------------------------------------------------------------------------------


def decode(data: bytes) -> PeerMessage:
    """A message from its bytes.

    Raises:
        MessageError: they are not the canonical form of a message.
    """
    reader = Reader(data)
    try:
        reader.variant(1)
        message = _READERS[reader.variant(len(_READERS))](reader)
        reader.finish()
    except EncodingError as error:
        raise MessageError(*error.args) from error
    return message


def _read_vote(reader: Reader) -> VoteMessage:
    validator = reader.u32()
    if validator >= VALIDATORS_MAX:
        raise EncodingError(encoding.LIMIT)
    epoch = reader.u64()
    engine = reader.text(NAME_BYTES_MAX)
    height, round_ = reader.u64(), reader.u64()
    phase = _PHASES[reader.variant(len(_PHASES))]
    digest = reader.fixed(HASH_BYTES)
    outcome = reader.fixed(HASH_BYTES) if phase is Phase.COMMIT else b""
    request = VoteRequest(epoch, engine, height, round_, phase, digest, outcome)
    return VoteMessage(validator, request, reader.bytes(SIGNATURE_BYTES_MAX))


_PHASES = tuple(Phase)


def _read_consensus(reader: Reader) -> Consensus:
    match reader.variant(3):
        case 0:
            proposal = ProposalMessage(
                _read_vote(reader),
                reader.bytes(PROPOSAL_BYTES_MAX),
                _read_digests(reader, BLOCK_BATCHES_MAX),
                reader.bytes(JUSTIFICATION_BYTES_MAX),
            )
            return Consensus(proposal)
        case 1:
            return Consensus(_read_vote(reader))
        case _:
            vote = _read_vote(reader)
            kind = reader.text(NAME_BYTES_MAX)
            return Consensus(EngineMessage(vote, kind, reader.bytes(ENGINE_BODY_BYTES_MAX)))


def _read_digests(reader: Reader, limit: int) -> tuple[bytes, ...]:
    return reader.list(lambda: reader.fixed(HASH_BYTES), limit)


def _read_body(reader: Reader) -> BatchBody:
    return BatchBody(
        reader.fixed(HASH_BYTES),
        reader.bytes(BATCH_HEADER_BYTES_MAX),
        reader.bytes(BULK_BYTES_MAX),
    )


def _read_status(reader: Reader) -> Status:
    return Status(
        node=reader.fixed(NODE_BYTES),
        name=reader.text(NAME_BYTES_MAX),
        organisation=reader.text(NAME_BYTES_MAX),
        validator=reader.option(reader.u32),
        sequence=reader.u64(),
        time=reader.u64(),
        height=reader.u64(),
        digest=reader.fixed(HASH_BYTES),
        state_root=reader.fixed(HASH_BYTES),
        round=reader.u64(),
        pool=reader.u64(),
        certificate_days=int.from_bytes(reader.fixed(4), "little", signed=True),
        links=reader.list(lambda: Link(reader.fixed(NODE_BYTES), reader.u32()), LINKS_MAX),
        signature=reader.bytes(SIGNATURE_BYTES_MAX),
    )


def _read_blocks_request(reader: Reader) -> BlocksRequest:
    request = BlocksRequest(reader.u64(), reader.u64(), reader.u64())
    if request.last < request.first:
        raise EncodingError(encoding.RULE)
    return request


def _read_parts(reader: Reader) -> BlockParts:
    parts = BlockParts(
        reader.u64(),
        reader.bytes(PROPOSAL_BYTES_MAX),
        reader.bytes(CERTIFICATE_BYTES_MAX),
        reader.list(lambda: reader.bytes(BATCH_HEADER_BYTES_MAX), BLOCK_BATCHES_MAX),
        reader.list(lambda: reader.bytes(BULK_BYTES_MAX), BLOCK_BATCHES_MAX),
    )
    if len(parts.headers) != len(parts.bodies):
        raise EncodingError(encoding.RULE)
    return parts


_READERS: tuple[Callable[[Reader], PeerMessage], ...] = (
    _read_consensus,
    _read_body,
    lambda reader: BatchHave(_read_digests(reader, DIGESTS_MAX)),
    lambda reader: BatchWant(_read_digests(reader, DIGESTS_MAX)),
    lambda reader: BlockWanted(reader.u64()),
    lambda reader: Transactions(reader.bytes(BULK_BYTES_MAX)),
    _read_status,
    _read_blocks_request,
    lambda reader: Blocks(reader.u64(), reader.list(lambda: _read_parts(reader), BLOCKS_MAX)),
)
