"""Peer messages: one canonical form, every length bounded, one error whatever the bytes."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bubi import messages
from bubi.consensus.engine import EngineMessage, ProposalMessage, VoteMessage
from bubi.consensus.guard import Phase, VoteRequest
from bubi.encoding import EncodingError, Reader, Writer
from bubi.messages import (
    BatchBody,
    BatchHave,
    BatchWant,
    BlockParts,
    Blocks,
    BlocksRequest,
    BlockWanted,
    Consensus,
    Link,
    MessageError,
    PeerMessage,
    Priority,
    Status,
    Transactions,
)

VECTORS = Path(__file__).resolve().parents[2] / "spec" / "vectors" / "messages.json"

u32, u64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
hashes, short = st.binary(min_size=32, max_size=32), st.binary(max_size=40)
names = st.text(max_size=16)
requests = st.builds(
    lambda epoch, engine, height, round_, phase, digest, outcome: VoteRequest(
        epoch, engine, height, round_, phase, digest, outcome if phase is Phase.COMMIT else b""
    ),
    u64,
    names,
    u64,
    u64,
    st.sampled_from(Phase),
    hashes,
    hashes,
)
votes = st.builds(VoteMessage, st.integers(0, 255), requests, st.binary(max_size=80))
digests = st.lists(hashes, max_size=4).map(tuple)
engine_messages = st.one_of(
    votes,
    st.builds(ProposalMessage, votes, short, digests, short),
    st.builds(EngineMessage, votes, names, short),
)
statuses = st.builds(
    Status,
    node=hashes,
    name=names,
    organisation=names,
    validator=st.none() | u32,
    sequence=u64,
    time=u64,
    height=u64,
    digest=hashes,
    state_root=hashes,
    round=u64,
    pool=u64,
    certificate_days=st.integers(-(2**31), 2**31 - 1),
    links=st.lists(st.builds(Link, hashes, u32), max_size=3).map(tuple),
    signature=st.binary(max_size=80),
)
parts = st.builds(
    lambda height, proposal, certificate, batches: BlockParts(
        height,
        proposal,
        certificate,
        tuple(header for header, _ in batches),
        tuple(body for _, body in batches),
    ),
    u64,
    short,
    short,
    st.lists(st.tuples(short, short), max_size=3),
)
peer_messages: st.SearchStrategy[PeerMessage] = st.one_of(
    st.builds(Consensus, engine_messages),
    st.builds(BatchBody, hashes, short, short),
    st.builds(BatchHave, digests),
    st.builds(BatchWant, digests),
    st.builds(BlockWanted, u64),
    st.builds(Transactions, short),
    statuses,
    st.builds(lambda number, a, b: BlocksRequest(number, min(a, b), max(a, b)), u64, u64, u64),
    st.builds(Blocks, u64, st.lists(parts, max_size=3).map(tuple)),
)


@given(peer_messages)
@settings(max_examples=300, deadline=None)
def test_round_trip(message: PeerMessage) -> None:
    assert messages.decode(messages.encode(message)) == message


def accepted_once(data: bytes) -> bool:
    """Whether bytes are a message; if so they are its only form."""
    try:
        message = messages.decode(data)
    except MessageError:
        return False
    assert messages.encode(message) == data
    return True


@given(peer_messages, st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_bytes(message: PeerMessage, data: st.DataObject) -> None:
    encoded = messages.encode(message)
    at = data.draw(st.integers(0, len(encoded) - 1))
    damaged = bytearray(encoded)
    damaged[at] ^= data.draw(st.integers(1, 255))
    accepted_once(bytes(damaged))
    assert not accepted_once(encoded[:at])
    assert not accepted_once(encoded + b"\0")


@given(st.binary(max_size=200), st.integers(0, 9))
@settings(max_examples=300, deadline=None)
def test_any_bytes(data: bytes, variant: int) -> None:
    accepted_once(data)
    accepted_once(bytes([0, variant]) + data)


HASH = b"h" * 32
REQUEST = VoteRequest(1, "pbft", 7, 3, Phase.COMMIT, HASH, b"o" * 32)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (BatchHave((HASH,) * (messages.DIGESTS_MAX + 1)), "a length is above its limit"),
        (BatchHave((HASH[1:],)), "a number is out of range"),
        (BlockWanted(2**64), "a number is out of range"),
        (BlockWanted(-1), "a number is out of range"),
        (BlocksRequest(1, 5, 4), "the fields contradict each other"),
        (Blocks(1, (BlockParts(1, b"", b"", (b"x",), ()),)), "the fields contradict each other"),
        (
            Consensus(VoteMessage(0, VoteRequest(0, "e", 1, 0, Phase.FIRST, HASH, HASH), b"")),
            "the fields contradict each other",
        ),
        (Consensus(VoteMessage(256, REQUEST, b"")), "a length is above its limit"),
        (Consensus(VoteMessage(0, REQUEST, b"s" * 256)), "a length is above its limit"),
        (BatchBody(HASH, b"x" * 5_000, b""), "a length is above its limit"),
    ],
)
def test_what_has_no_bytes(message: PeerMessage, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        messages.encode(message)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("", "truncated"),
        ("01", "unknown variant"),
        ("0009", "unknown variant"),
        ("000401", "truncated"),
        ("0002ffffffff07", "a length is above its limit"),
        ("0002ffffffffffff", "a length is not in its shortest form"),
        ("00028000", "a length is not in its shortest form"),
        ("0002818000" + "00" * 32, "a length is not in its shortest form"),
        ("000400000000000000000000", "trailing bytes"),
        ("0006" + "00" * 32 + "02c328", "text is not UTF-8"),
        ("0006" + "00" * 32 + "000002", "an option byte is neither 0 nor 1"),
        (
            "0007" + "00" * 8 + "02" + "00" * 7 + "01" + "00" * 7,
            "the fields contradict each other",
        ),
    ],
)
def test_refusals_are_named(data: str, text: str) -> None:
    with pytest.raises(MessageError, match=f"^{text}$"):
        messages.decode(bytes.fromhex(data))


def test_votes_go_first() -> None:
    vote = Consensus(VoteMessage(0, REQUEST, b""))
    order = [vote, BatchBody(HASH, b"", b""), Blocks(1, ())]
    assert [messages.priority(message) for message in order] == list(Priority)


def test_the_signature_of_a_status_is_not_signed() -> None:
    status = Status(HASH, "n", "o", 1, 2, 3, 4, HASH, HASH, 5, 6, -7, (Link(HASH, 8),), b"s" * 64)
    unsigned = messages.decode(messages.status_statement(status))
    assert isinstance(unsigned, Status)
    assert (unsigned.signature, unsigned.certificate_days) == (b"", -7)


def samples() -> dict[str, PeerMessage]:
    """One message of each kind, with numbers that tell the fields apart."""
    vote = VoteMessage(2, REQUEST, b"s" * 64)
    first = VoteRequest(1, "pbft", 7, 3, Phase.FIRST, HASH)
    change = VoteRequest(1, "pbft", 7, 4, Phase.CHANGE, HASH)
    status = Status(
        b"n" * 32, "alpha", "org", 1, 300, 1_790_000_000_000, 7, HASH, b"r" * 32, 3, 12, 365,
        (Link(b"p" * 32, 1_500),), b"s" * 64,
    )  # fmt: skip
    parts_ = BlockParts(7, b"proposal", b"certificate", (b"header",), (b"body",))
    return {
        "vote": Consensus(vote),
        "proposal": Consensus(
            ProposalMessage(VoteMessage(0, first, b"s" * 64), b"proposal", (b"b" * 32,), b"\0")
        ),
        "view change": Consensus(
            EngineMessage(VoteMessage(1, change, b"s" * 64), "view_change", b"\0\0")
        ),
        "batch body": BatchBody(HASH, b"header", b"body"),
        "batches held": BatchHave((HASH, b"i" * 32)),
        "batches wanted": BatchWant((HASH,)),
        "block wanted": BlockWanted(1_790_000_000_001),
        "transactions": Transactions(b"\1\3abc"),
        "status": status,
        "status of an observer": Status(
            b"n" * 32, "watch", "org", None, 1, 2, 3, HASH, HASH, 0, 0, -1, ()
        ),
        "blocks request": BlocksRequest(9, 5, 300),
        "blocks": Blocks(9, (parts_,)),
        "no blocks": Blocks(9, ()),
    }


def vectors() -> dict[str, Any]:
    return {
        "about": "Peer messages of spec/messages.md; hex.",
        "valid": [
            {"name": name, "bytes": messages.encode(message).hex()}
            for name, message in samples().items()
        ],
    }


def test_vectors() -> None:
    stored = json.loads(VECTORS.read_text())
    assert stored["valid"] == vectors()["valid"]
    kinds = set()
    for entry, message in zip(stored["valid"], samples().values(), strict=True):
        assert messages.decode(bytes.fromhex(entry["bytes"])) == message
        kinds.add(type(message))
    assert kinds == set(PeerMessage.__args__)
    for entry in stored["invalid"]:
        with pytest.raises(MessageError, match=f"^{entry['reason']}$"):
            messages.decode(bytes.fromhex(entry["bytes"]))


def test_the_page_names_every_limit() -> None:
    page = (VECTORS.parents[1] / "messages.md").read_text(encoding="utf-8")
    limits = {name: value for name, value in vars(messages).items() if name.endswith("_MAX")}
    assert len(limits) > 10
    for name, value in limits.items():
        assert f"{value:,}" in page, name


# --- the parts -----------------------------------------------------------------------------------


@given(st.integers(0, 2**31 - 1))
def test_lengths_have_one_form(value: int) -> None:
    writer = Writer()
    writer.uleb(value)
    reader = Reader(writer.done())
    assert reader.uleb() == value
    reader.finish()


@given(st.integers(0, 2**128 - 1), st.booleans())
def test_numbers_and_options(value: int, present: bool) -> None:
    writer = Writer()
    writer.u128(value)
    writer.u8(value & 0xFF)
    writer.option(value & 0xFFFF if present else None, writer.u32)
    reader = Reader(writer.done())
    assert (reader.u128(), reader.u8()) == (value, value & 0xFF)
    assert reader.option(reader.u32) == (value & 0xFFFF if present else None)
    reader.finish()


def test_what_cannot_be_written() -> None:
    writer = Writer()
    for write in (
        lambda: writer.u8(256),
        lambda: writer.uleb(2**31),
        lambda: writer.uleb(-1),
        lambda: writer.text("\udc80", 10),
        lambda: writer.text("ab", 1),
    ):
        with pytest.raises(EncodingError):
            write()
