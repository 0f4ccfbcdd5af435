"""The handshake inside TLS: are we on the same chain, do we speak a common version. Pure.

Both sides send HELLO at once, check the other's and answer ACCEPT or CLOSE. What HELLO claims is
bound to the certificate of the TLS connection: the node id is the hash of its public key, name and
organisation are those in it.
"""

import re
from dataclasses import dataclass

from bubi.encoding import EncodingError, Reader, Writer
from bubi.network.addresses import NODE_BYTES, ROLES_ALL, Address, read_address, write_address
from bubi.network.frames import ViolationError

MAGIC = b"bubi"
VERSION_MIN = 1
VERSION_MAX = 1
NAME_BYTES_MAX = 64
ORGANISATION_BYTES_MAX = 64
CHAIN_BYTES = 32
INSTANCE_BYTES = 16
ACCEPT_BYTES = 4
REASON_BYTES_MAX = 64

_REASON = re.compile(r"[a-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class Hello:
    """What a node says first.

    `instance` is random and made at each start, so that a restarted node is told from a second
    connection of the same one. `serial` numbers the connections that an instance dials, from 1;
    it is 0 from the side that was dialled. `address` is None for a node that only dials out.
    """

    chain: bytes
    node: bytes
    instance: bytes
    serial: int
    roles: int
    name: str
    organisation: str
    address: Address | None
    version_min: int = VERSION_MIN
    version_max: int = VERSION_MAX


def encode_hello(hello: Hello) -> bytes:
    """Payload of a HELLO frame."""
    writer = Writer()
    writer.raw(MAGIC)
    writer.u32(hello.version_min)
    writer.u32(hello.version_max)
    writer.fixed(hello.chain, CHAIN_BYTES)
    writer.fixed(hello.node, NODE_BYTES)
    writer.fixed(hello.instance, INSTANCE_BYTES)
    writer.u64(hello.serial)
    writer.u8(hello.roles)
    writer.text(hello.name, NAME_BYTES_MAX)
    writer.text(hello.organisation, ORGANISATION_BYTES_MAX)
    write_address(writer, hello.address)
    return writer.done()


def decode_hello(payload: bytes) -> Hello:
    """Reads it.

    Raises:
        ViolationError: `magic`, `version` (no common one; then the rest is not read), `hello`.
    """
    try:
        return _read_hello(Reader(payload))
    except EncodingError as error:
        raise ViolationError("hello") from error


def _read_hello(reader: Reader) -> Hello:
    if reader.fixed(len(MAGIC)) != MAGIC:
        raise ViolationError("magic")
    low, high = reader.u32(), reader.u32()
    if low > high or high < VERSION_MIN or low > VERSION_MAX:
        raise ViolationError("version")
    result = Hello(
        version_min=low,
        version_max=high,
        chain=reader.fixed(CHAIN_BYTES),
        node=reader.fixed(NODE_BYTES),
        instance=reader.fixed(INSTANCE_BYTES),
        serial=reader.u64(),
        roles=reader.u8(),
        name=reader.text(NAME_BYTES_MAX),
        organisation=reader.text(ORGANISATION_BYTES_MAX),
        address=read_address(reader),
    )
    reader.finish()
    if result.roles & ~ROLES_ALL:
        raise ViolationError("hello")
    return result


@dataclass(frozen=True, slots=True)
class Claims:
    """What the certificate of the connection says."""

    node: bytes
    name: str
    organisation: str


def check_hello(own: Hello, peer: Hello, claims: Claims, *, outbound: bool) -> str | None:
    """Why the peer is refused, None if it is not.

    `outbound` tells whether this side dialled; then the peer's serial is 0, else it is not.
    """
    checks = (
        ("chain", peer.chain == own.chain),
        ("node_id", peer.node == claims.node),
        ("name", peer.name == claims.name),
        ("organisation", peer.organisation == claims.organisation),
        ("hello", (peer.serial == 0) == outbound),
        ("self", peer.node != own.node),
    )
    return next((reason for reason, good in checks if not good), None)


def common_version(own: Hello, peer: Hello) -> int:
    """The version that both speak after the handshake."""
    return min(own.version_max, peer.version_max)


def encode_accept(version: int) -> bytes:
    """Payload of an ACCEPT frame."""
    writer = Writer()
    writer.u32(version)
    return writer.done()


def decode_accept(payload: bytes) -> int:
    """The version in it.

    Raises:
        ViolationError: `accept`.
    """
    if len(payload) != ACCEPT_BYTES:
        raise ViolationError("accept")
    return Reader(payload).u32()


def encode_close(reason: str) -> bytes:
    """Payload of a CLOSE frame."""
    writer = Writer()
    writer.text(reason, REASON_BYTES_MAX)
    return writer.done()


def decode_close(payload: bytes) -> str:
    """The reason in it.

    Raises:
        ViolationError: `close`.
    """
    reader = Reader(payload)
    try:
        reason = reader.text(REASON_BYTES_MAX)
        reader.finish()
    except EncodingError as error:
        raise ViolationError("close") from error
    if not _REASON.fullmatch(reason):
        raise ViolationError("close")
    return reason


@dataclass(frozen=True, slots=True)
class Link:
    """What decides between two connections of one pair of nodes."""

    outbound: bool
    instance: bytes
    serial: int


def replaces(own: bytes, peer: bytes, old: Link, new: Link) -> bool:
    """Whether a new connection takes the place of an old one; both sides find the same.

    A restarted peer always replaces. Of two that were dialled from opposite sides, the one dialled
    by the smaller node id stays; of two from the same side, the later one.
    """
    if new.instance != old.instance:
        return True
    if new.outbound == old.outbound:
        return new.serial > old.serial
    return new.outbound == (own < peer)
