"""Bytes of PBFT: view changes and justifications of proposals.

The forms are in spec/consensus/pbft.md, section 6.
"""

from dataclasses import dataclass

from bubi import encoding
from bubi.consensus.engine import Certificate, Configuration
from bubi.consensus.guard import SIGNATURE_BYTES_MAX
from bubi.consensus.parts import (
    VALIDATORS_MAX,
    EpochStart,
    Fresh,
    Prepared,
    read_parent,
    read_prepared,
    read_version,
    write_parent,
    write_prepared,
)
from bubi.encoding import EncodingError, Reader, Writer

VIEW_CHANGE = "view_change"
CHANGE_BYTES_MAX = 131_072
"""Body of a view change: a proposal, its batch digests and a certificate."""


@dataclass(frozen=True, slots=True)
class SignedChange:
    """A view change as a new view repeats it; round and height are those of the new view."""

    member: int
    signature: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class NewView:
    """Justifies any round: a quorum asked for it. `parent` is None at the start of an epoch."""

    changes: tuple[SignedChange, ...]
    parent: Certificate | None


Justification = EpochStart | Fresh | NewView


def encode_change(prepared: Prepared | None) -> bytes:
    """Body of a view change."""
    writer = Writer()
    writer.uleb(0)
    writer.option(prepared, lambda value: write_prepared(writer, value))
    return writer.done()


def decode_change(data: bytes) -> Prepared | None:
    """What a view change carries.

    Raises:
        EncodingError: not a canonical body.
    """
    if len(data) > CHANGE_BYTES_MAX:
        raise EncodingError(encoding.LIMIT)
    reader = Reader(data)
    read_version(reader)
    prepared = reader.option(lambda: read_prepared(reader))
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
            write_parent(writer, justification.parent)
        case NewView():
            writer.uleb(2)

            def one(change: SignedChange) -> None:
                writer.u32(change.member)
                writer.bytes(change.signature, SIGNATURE_BYTES_MAX)
                writer.bytes(change.body, CHANGE_BYTES_MAX)

            writer.list(justification.changes, one, VALIDATORS_MAX)
            writer.option(justification.parent, lambda value: write_parent(writer, value))
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
            justification = Fresh(read_parent(reader, configuration, height))
        case _:
            changes = reader.list(
                lambda: SignedChange(
                    reader.u32(),
                    reader.bytes(SIGNATURE_BYTES_MAX),
                    reader.bytes(CHANGE_BYTES_MAX),
                ),
                VALIDATORS_MAX,
            )
            parent = reader.option(lambda: read_parent(reader, configuration, height))
            justification = NewView(changes, parent)
    reader.finish()
    return justification
