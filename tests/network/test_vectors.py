"""The vectors of spec/network.md: what they say is what the code does, both ways."""

import json
from pathlib import Path
from typing import Any

import pytest

from bubi.messages import Priority
from bubi.network import addresses, channels, frames, handshake
from bubi.network.addresses import Address, Neighbour
from bubi.network.frames import (
    ESTABLISHED_LIMITS,
    HANDSHAKE_LIMITS,
    Decoder,
    FrameKind,
    ViolationError,
)
from bubi.network.handshake import Hello, Link

ROOT = Path(__file__).resolve().parents[2]
VECTORS: dict[str, Any] = json.loads((ROOT / "spec/vectors/frames.json").read_bytes())
LIMITS = {"handshake": HANDSHAKE_LIMITS, "established": ESTABLISHED_LIMITS}


def hello(fields: dict[str, Any]) -> Hello:
    return Hello(
        chain=bytes.fromhex(fields["chain"]),
        node=bytes.fromhex(fields["node"]),
        instance=bytes.fromhex(fields["instance"]),
        serial=int(fields["serial"]),
        roles=fields["roles"],
        name=fields["name"],
        organisation=fields["organisation"],
        address=Address.parse(fields["address"]) if fields["address"] else None,
        version_min=fields["version_min"],
        version_max=fields["version_max"],
    )


def neighbours(listed: list[dict[str, Any]]) -> tuple[Neighbour, ...]:
    return tuple(
        Neighbour(bytes.fromhex(one["node"]), one["roles"], Address.parse(one["address"]))
        for one in listed
    )


def encoded(kind: str, fields: Any) -> bytes:
    """Payload of a frame of the network itself."""
    match kind:
        case "HELLO":
            return handshake.encode_hello(hello(fields))
        case "ACCEPT":
            return handshake.encode_accept(fields["version"])
        case "CLOSE":
            return handshake.encode_close(fields["reason"])
        case "PING" | "PONG":
            return bytes.fromhex(fields["nonce"])
        case "NEIGHBOURS":
            return addresses.encode_neighbours(neighbours(fields["neighbours"]))
        case "WINDOW":
            return channels._WINDOW.pack(Priority[fields["priority"]], fields["bytes"])
    raise AssertionError(kind)


def ids(vectors: list[dict[str, Any]]) -> list[str]:
    return [one["name"] for one in vectors]


@pytest.mark.parametrize("vector", VECTORS["control"], ids=ids(VECTORS["control"]))
def test_frames_of_the_network(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["frame"])
    kind = FrameKind[vector["kind"]]
    assert frames.encode(kind, encoded(vector["kind"], vector["fields"])) == data
    decoder = Decoder(LIMITS[vector["state"]])
    decoder.push(data)
    assert [one for one, _ in decoder.frames()] == [kind]


@pytest.mark.parametrize("vector", VECTORS["messages"], ids=ids(VECTORS["messages"]))
def test_messages(vector: dict[str, Any]) -> None:
    """Payloads repeat a byte, so that long ones need no room here."""
    priority = Priority[vector["priority"]]
    payload = bytes.fromhex(vector["byte"]) * vector["size"]
    outgoing, incoming = channels.Outgoing(), channels.Incoming()
    outgoing.put(channels.Item(priority, vector["kind"], payload))
    decoder = Decoder(ESTABLISHED_LIMITS)
    decoder.push(b"".join(outgoing.take(10_000_000)))
    got = list(decoder.frames())
    assert [
        {
            "kind": FrameKind(kind).name,
            "head": data[: len(bytes.fromhex(one["head"]))].hex(),
            "length": len(data),
        }
        for (kind, data), one in zip(got, vector["frames"], strict=True)
    ] == vector["frames"]
    complete = [incoming.take(kind, data) for kind, data in got]
    assert complete[:-1] == [None] * (len(got) - 1)
    assert complete[-1] == (priority, vector["kind"], payload)


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=ids(VECTORS["refused"]))
def test_refusals(vector: dict[str, Any]) -> None:
    decoder, incoming = Decoder(LIMITS[vector["state"]]), channels.Incoming()
    readers = {
        FrameKind.HELLO: handshake.decode_hello,
        FrameKind.ACCEPT: handshake.decode_accept,
        FrameKind.CLOSE: handshake.decode_close,
        FrameKind.NEIGHBOURS: addresses.decode_neighbours,
        FrameKind.WINDOW: channels.read_window,
    }
    decoder.push(bytes.fromhex(vector["bytes"]))
    with pytest.raises(ViolationError) as caught:
        for kind, payload in decoder.frames():
            if kind >= FrameKind.WHOLE:
                incoming.take(kind, payload)
            else:
                readers[FrameKind(kind)](payload)
    assert caught.value.reason == vector["reason"]


@pytest.mark.parametrize("vector", VECTORS["duplicates"], ids=ids(VECTORS["duplicates"]))
def test_which_of_two_connections_stays(vector: dict[str, Any]) -> None:
    own, peer = bytes.fromhex(vector["own"]), bytes.fromhex(vector["peer"])
    old, new = (
        Link(one["outbound"], bytes.fromhex(one["instance"]), int(one["serial"]))
        for one in (vector["old"], vector["new"])
    )
    assert handshake.replaces(own, peer, old, new) == vector["replaces"]


def test_the_page_has_the_limits_of_the_code() -> None:
    page = (ROOT / "spec/network.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| ")
    ]
    kinds = {row[1]: (int(row[0]), row[2]) for row in rows if row[0].isdigit()}
    assert set(kinds) == {one.name for one in FrameKind}
    for one in FrameKind:
        number, limit = kinds[one.name]
        both = {**ESTABLISHED_LIMITS, **HANDSHAKE_LIMITS}
        assert (number, int(limit.replace(",", ""))) == (one.value, both[one])
    queues = {row[1]: row for row in rows if row[1] in Priority.__members__}
    for priority in Priority:
        number, _, longest, window = queues[priority.name]
        assert int(number[1:]) == priority
        assert int(longest.replace(",", "")) == channels.MESSAGE_BYTES_MAX[priority]
        assert int(window.replace(",", "")) == channels.WINDOW_BYTES[priority]
