"""Addresses, rules on IP addresses, neighbour lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bubi.network.addresses import (
    NEIGHBOURS_MAX,
    Address,
    IpRules,
    Neighbour,
    as_ip,
    decode_neighbours,
    encode_neighbours,
)
from bubi.network.frames import ESTABLISHED_LIMITS, FrameKind, ViolationError


@pytest.mark.parametrize(
    "text",
    ["10.0.0.1:1", "[::1]:65535", "node-1.example.org:7000", "localhost:80", "[2001:db8::5]:9"],
)
def test_good_addresses(text: str) -> None:
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.1",
        "10.0.0.1:",
        "10.0.0.1:0",
        "10.0.0.1:65536",
        "10.0.0.1:080",
        "10.0.0.1:+80",
        "10.0.0.1:٣",
        "010.0.0.1:80",
        "10.0.0:80",
        "2130706433:80",
        "0x7f000001:80",
        "::1:80",
        "[::1:80",
        "[10.0.0.1]:80",
        "[0:0:0:0:0:0:0:1]:80",
        "[::FFFF:10.0.0.1]:80",
        "[fe80::1%eth0]:80",
        "Node.example:80",
        "-a.example:80",
        "a..b:80",
        "a_b:80",
        "a b:80",
        "a\r\nX: y:80",
        "ä.example:80",
        "a" * 64 + ":80",
        ".".join(["a" * 60] * 5) + ":80",
        "http://a:80",
        "user@a:80",
    ],
)
def test_bad_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        Address.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_an_address_in_its_only_form_or_refused(text: str) -> None:
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert str(address) == text


def test_rules() -> None:
    rules = IpRules.parse(("10.0.0.0/8", "2001:db8::/32"), ("10.1.0.0/16", "10.0.0.9"))
    permitted = {
        "10.0.0.1": True,
        "10.1.2.3": False,
        "10.0.0.9": False,
        "11.0.0.1": False,
        "2001:db8::1": True,
        "::1": False,
        "::ffff:10.0.0.1": True,
        "::ffff:10.1.0.1": False,
    }
    for text, expected in permitted.items():
        ip = as_ip(text)
        assert ip is not None
        assert rules.permits(ip) == expected, text
    everyone = as_ip("8.8.8.8")
    assert everyone is not None
    assert IpRules().permits(everyone)
    with pytest.raises(ValueError, match="host bits"):
        IpRules.parse(("10.0.0.1/8",))


def neighbour(number: int, host: str = "10.0.0.1") -> Neighbour:
    return Neighbour(bytes((number,)) * 32, number % 2, Address(host, number + 1))


def test_lists() -> None:
    full = tuple(neighbour(number, ".".join(["a" * 62] * 4)) for number in range(NEIGHBOURS_MAX))
    for one in ((), (neighbour(1),), full):
        data = encode_neighbours(one)
        assert decode_neighbours(data) == one
        assert len(data) <= ESTABLISHED_LIMITS[FrameKind.NEIGHBOURS]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\x01",
        b"\0\0",
        b"\x80\0",
        encode_neighbours((neighbour(1), neighbour(1))),
        encode_neighbours((neighbour(2), neighbour(1))),
        encode_neighbours((Neighbour(b"n" * 32, 2, Address("10.0.0.1", 1)),)),
        encode_neighbours((Neighbour(b"n" * 32, 1, Address("A", 1)),)),
        encode_neighbours((Neighbour(b"n" * 32, 1, Address("10.0.0.1", 0)),)),
        b"\x01" + b"n" * 32 + b"\x01\0",
        bytes((NEIGHBOURS_MAX + 1,))
        + b"".join(encode_neighbours((neighbour(n),))[1:] for n in range(NEIGHBOURS_MAX + 1)),
    ],
)
def test_bad_lists(bad: bytes) -> None:
    with pytest.raises(ViolationError, match="neighbours"):
        decode_neighbours(bad)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_in_its_only_form_or_a_violation(data: bytes) -> None:
    try:
        read = decode_neighbours(data)
    except ViolationError:
        return
    assert encode_neighbours(read) == data
