"""Messages of ABCI 2.0, by the field numbers of CometBFT v0.38. Pure.

Only what the application reads and answers stands here; other fields are passed over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bubi.comet.protobuf import (
    Fields,
    ProtobufError,
    bytes_field,
    inside_field,
    number_field,
    varint,
)

REQUESTS: Final = {
    1: "echo",
    2: "flush",
    3: "info",
    5: "init_chain",
    6: "query",
    8: "check_tx",
    11: "commit",
    12: "list_snapshots",
    13: "offer_snapshot",
    14: "load_snapshot_chunk",
    15: "apply_snapshot_chunk",
    16: "prepare_proposal",
    17: "process_proposal",
    18: "extend_vote",
    19: "verify_vote_extension",
    20: "finalize_block",
}
RESPONSES: Final = {
    "exception": 1,
    "echo": 2,
    "flush": 3,
    "info": 4,
    "init_chain": 6,
    "query": 7,
    "check_tx": 9,
    "commit": 12,
    "list_snapshots": 13,
    "offer_snapshot": 14,
    "load_snapshot_chunk": 15,
    "apply_snapshot_chunk": 16,
    "prepare_proposal": 17,
    "process_proposal": 18,
    "extend_vote": 19,
    "verify_vote_extension": 20,
    "finalize_block": 21,
}
ACCEPT: Final = 1
REJECT: Final = 2
SNAPSHOT_REJECTED: Final = 3
CHUNK_ABORTED: Final = 2
RECHECK: Final = 1


@dataclass(frozen=True, slots=True)
class Request:
    """A call: its name and its fields."""

    name: str
    fields: Fields


def decode_request(data: bytes) -> Request:
    """A request without its length.

    Raises:
        ProtobufError: it is none, or one of another ABCI.
    """
    outer = Fields(data)
    numbers = outer.numbers
    if len(numbers) != 1 or numbers[0] not in REQUESTS:
        raise ProtobufError(f"no request of ABCI 2.0: fields {numbers}")
    return Request(REQUESTS[numbers[0]], outer.inside(numbers[0]))


def encode_response(name: str, message: bytes = b"") -> bytes:
    """An answer with its length."""
    data = inside_field(RESPONSES[name], message)
    return varint(len(data)) + data


def milliseconds(timestamp: Fields) -> int:
    """A time stamp in ms since 1970, rounded down."""
    return timestamp.number(1) * 1_000 + timestamp.number(2) // 1_000_000


@dataclass(frozen=True, slots=True)
class BlockRequest:
    """A block of CometBFT that is prepared, proposed or decided; `room` only when prepared."""

    height: int
    time: int
    transactions: tuple[bytes, ...]
    hash: bytes
    room: int


def block_request(request: Request) -> BlockRequest:
    """The block of a call about one."""
    fields = request.fields
    preparing = request.name == "prepare_proposal"
    return BlockRequest(
        fields.number(5),
        milliseconds(fields.inside(6)),
        tuple(fields.every(2 if preparing else 1)),
        b"" if preparing else fields.data(4),
        fields.number(1) if preparing else 0,
    )


def info(version: str, height: int, app_hash: bytes) -> bytes:
    """Answer to `info`."""
    return (
        bytes_field(1, b"bubi")
        + bytes_field(2, version.encode())
        + number_field(4, height)
        + bytes_field(5, app_hash)
    )


def checked(code: int, log: str = "") -> bytes:
    """Answer to `check_tx`."""
    return number_field(1, code) + bytes_field(3, log.encode())


def found(value: bytes, height: int) -> bytes:
    """Answer to a query that was understood."""
    return bytes_field(7, value) + number_field(9, height)


def not_understood(log: str) -> bytes:
    """Answer to any other query."""
    return number_field(1, 1) + bytes_field(3, log.encode())


def prepared(transactions: Sequence[bytes]) -> bytes:
    """Answer to `prepare_proposal`."""
    return b"".join(inside_field(1, one) for one in transactions)


def finalized(count: int, app_hash: bytes) -> bytes:
    """Answer to `finalize_block`: every transaction of CometBFT is a part of one block here."""
    return inside_field(2, b"") * count + bytes_field(5, app_hash)


def sent_bytes(transaction: bytes) -> int:
    """Bytes that a transaction takes in a block of CometBFT."""
    return len(inside_field(1, transaction))


def validators(fields: Fields) -> list[tuple[bytes, int]]:
    """Ed25519 keys and weights of the validators in `init_chain`."""
    updates = [Fields(one) for one in fields.every(4)]
    return [(one.inside(1).data(1), one.number(2)) for one in updates]
