"""HELLO, its refusals, and which of two connections stays."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bubi.network.addresses import Address
from bubi.network.frames import HANDSHAKE_LIMITS, FrameKind, ViolationError
from bubi.network.handshake import (
    Claims,
    Hello,
    Link,
    check_hello,
    common_version,
    decode_accept,
    decode_close,
    decode_hello,
    encode_accept,
    encode_close,
    encode_hello,
    replaces,
)

OWN = Hello(b"c" * 32, b"a" * 32, b"1" * 16, 0, 1, "a", "Alpha", Address("10.0.0.1", 7000))
PEER = replace(OWN, node=b"b" * 32, instance=b"2" * 16, serial=1, name="b", organisation="Beta")
CLAIMS = Claims(PEER.node, PEER.name, PEER.organisation)

hellos = st.builds(
    Hello,
    chain=st.binary(min_size=32, max_size=32),
    node=st.binary(min_size=32, max_size=32),
    instance=st.binary(min_size=16, max_size=16),
    serial=st.integers(0, 2**64 - 1),
    roles=st.integers(0, 1),
    name=st.text(max_size=16),
    organisation=st.text(max_size=16),
    address=st.sampled_from([None, OWN.address, Address("node.example", 1), Address("::1", 9)]),
    version_min=st.just(1),
    version_max=st.integers(1, 2**32 - 1),
)


@given(hellos)
def test_round_trip(hello: Hello) -> None:
    data = encode_hello(hello)
    assert decode_hello(data) == hello
    assert len(data) <= HANDSHAKE_LIMITS[FrameKind.HELLO]


@given(hellos, st.data())
def test_a_changed_hello_is_refused_or_another_one(hello: Hello, data: st.DataObject) -> None:
    good = encode_hello(hello)
    at = data.draw(st.integers(0, len(good) - 1))
    changed = good[:at] + bytes((good[at] ^ data.draw(st.integers(1, 255)),)) + good[at + 1 :]
    try:
        read = decode_hello(changed)
    except ViolationError as violation:
        assert violation.reason in {"magic", "version", "hello"}
    else:
        assert encode_hello(read) == changed


@given(hellos, st.data())
def test_a_cut_or_longer_hello_is_refused(hello: Hello, data: st.DataObject) -> None:
    good = encode_hello(hello)
    for bad in (good[: data.draw(st.integers(0, len(good) - 1))], good + b"\0"):
        with pytest.raises(ViolationError):
            decode_hello(bad)


@pytest.mark.parametrize(("low", "high", "good"), [(1, 1, 1), (1, 9, 1), (2, 3, 0), (0, 0, 0)])
def test_versions(low: int, high: int, good: int) -> None:
    data = encode_hello(replace(PEER, version_min=low, version_max=high))
    if good:
        assert common_version(OWN, decode_hello(data)) == 1
    else:
        # The rest may have any form in another version.
        with pytest.raises(ViolationError, match="version"):
            decode_hello(data[:40])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"chain": b"d" * 32}, "chain"),
        ({"node": b"x" * 32}, "node_id"),
        ({"name": "x"}, "name"),
        ({"organisation": "x"}, "organisation"),
        ({"serial": 0}, "hello"),
    ],
)
def test_refusals(change: dict[str, object], reason: str | None) -> None:
    changed = replace(PEER, **change)  # type: ignore[arg-type]
    assert check_hello(OWN, changed, CLAIMS, outbound=False) == reason


def test_a_node_does_not_connect_to_itself() -> None:
    claims = Claims(OWN.node, OWN.name, OWN.organisation)
    assert check_hello(OWN, OWN, claims, outbound=True) == "self"


def test_longest_names_fit() -> None:
    longest = Address(".".join(["a" * 62] * 4), 65_535)
    hello = replace(PEER, name="x" * 64, organisation="y" * 64, address=longest)
    assert len(encode_hello(hello)) <= HANDSHAKE_LIMITS[FrameKind.HELLO]
    assert decode_hello(encode_hello(hello)) == hello


def test_accept_and_close() -> None:
    assert decode_accept(encode_accept(1)) == 1
    assert decode_close(encode_close("duplicate")) == "duplicate"
    assert len(encode_close("x" * 64)) == HANDSHAKE_LIMITS[FrameKind.CLOSE]
    for bad in (b"", b"\x01", b"\x01\0\0\0\0"):
        with pytest.raises(ViolationError, match="accept"):
            decode_accept(bad)
    for bad in (b"", b"\0", b"\x01", b"\x01A", b"\x02a", b"\x01a\0", b"\x01\xff"):
        with pytest.raises(ViolationError, match="close"):
            decode_close(bad)


def survivor(own: bytes, peer: bytes, links: list[Link]) -> Link:
    """Which of the connections stays at one side, in their order of arrival there."""
    kept = links[0]
    for link in links[1:]:
        if replaces(own, peer, kept, link):
            kept = link
    return kept


def test_both_sides_keep_the_same_connection_in_any_order() -> None:
    low, high = b"a" * 32, b"b" * 32
    # (dialled by low, serial of the dialler); one instance on each side.
    made = [(True, 1), (True, 2), (False, 1), (False, 3)]
    kept = set()
    for order in permutations(made):
        at_low = [Link(by_low, b"high", serial) for by_low, serial in order]
        at_high = [Link(not by_low, b"low", serial) for by_low, serial in order]
        one, other = survivor(low, high, at_low), survivor(high, low, at_high)
        kept |= {(one.outbound, one.serial), (not other.outbound, other.serial)}
    assert kept == {(True, 2)}


def test_a_restarted_peer_takes_the_place_of_the_old_connection() -> None:
    old, new = Link(True, b"old", 7), Link(False, b"new", 1)
    assert replaces(b"a", b"b", old, new)
