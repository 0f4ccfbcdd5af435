"""Frames: any split of the bytes gives the same frames; limits hold before anything is stored."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bubi.network.frames import (
    ESTABLISHED_LIMITS,
    HANDSHAKE_LIMITS,
    HEADER,
    HEADER_BYTES,
    Decoder,
    FrameKind,
    ViolationError,
    encode,
)

KINDS = sorted(ESTABLISHED_LIMITS)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[tuple[int, bytes]], list[bytes]]:
    """Frames, and their bytes in arbitrary pieces."""
    kinds = draw(st.lists(st.sampled_from(KINDS), max_size=12))
    sent = [(kind, draw(st.binary(max_size=min(ESTABLISHED_LIMITS[kind], 300)))) for kind in kinds]
    data = b"".join(encode(FrameKind(kind), payload) for kind, payload in sent)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=20)))
    edges = [0, *cuts, len(data)]
    return sent, [data[start:end] for start, end in pairwise(edges)]


@given(streams())
def test_every_split_gives_the_same_frames(
    stream: tuple[list[tuple[int, bytes]], list[bytes]],
) -> None:
    sent, pieces = stream
    decoder = Decoder(ESTABLISHED_LIMITS)
    got = []
    for piece in pieces:
        decoder.push(piece)
        got += list(decoder.frames())
    assert got == sent
    assert decoder.pending == 0


@given(streams())
def test_frames_may_be_taken_one_at_a_time_while_more_arrives(
    stream: tuple[list[tuple[int, bytes]], list[bytes]],
) -> None:
    sent, pieces = stream
    decoder = Decoder(ESTABLISHED_LIMITS)
    got = []
    for piece in pieces:
        decoder.push(piece)
        got += [frame for frame in [next(decoder.frames(), None)] if frame]
    got += list(decoder.frames())
    assert got == sent


def test_byte_by_byte() -> None:
    payload = bytes(range(256)) * 200
    data = encode(FrameKind.WHOLE, payload) + encode(FrameKind.PING, b"12345678")
    decoder = Decoder(ESTABLISHED_LIMITS)
    got = []
    for value in data:
        decoder.push(bytes((value,)))
        got += list(decoder.frames())
    assert got == [(FrameKind.WHOLE, payload), (FrameKind.PING, b"12345678")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_length_above_the_limit_is_refused_by_its_header(kind: int) -> None:
    limit = ESTABLISHED_LIMITS[kind]
    good = Decoder(ESTABLISHED_LIMITS)
    good.push(HEADER.pack(limit, kind))
    assert list(good.frames()) == []
    assert good.pending == HEADER_BYTES
    for length in (limit + 1, 2**32 - 1):
        decoder = Decoder(ESTABLISHED_LIMITS)
        decoder.push(HEADER.pack(length, kind))
        with pytest.raises(ViolationError, match="frame_length"):
            list(decoder.frames())


@pytest.mark.parametrize("kind", sorted(set(range(256)) - set(KINDS)))
def test_an_unknown_kind_is_refused(kind: int) -> None:
    decoder = Decoder(ESTABLISHED_LIMITS)
    decoder.push(HEADER.pack(0, kind))
    with pytest.raises(ViolationError, match="frame_kind"):
        list(decoder.frames())


def test_before_the_handshake_messages_are_refused_and_after_it_a_hello() -> None:
    for limits, kind in ((HANDSHAKE_LIMITS, FrameKind.WHOLE), (ESTABLISHED_LIMITS, 1)):
        decoder = Decoder(limits)
        decoder.push(encode(FrameKind(kind), b""))
        with pytest.raises(ViolationError, match="frame_kind"):
            list(decoder.frames())


def test_limits_change_between_two_frames_of_one_piece() -> None:
    decoder = Decoder()
    decoder.push(encode(FrameKind.ACCEPT, b"\x01\0\0\0") + encode(FrameKind.PING, b"12345678"))
    got = []
    for kind, _ in decoder.frames():
        got.append(kind)
        decoder.limits = ESTABLISHED_LIMITS
    assert got == [FrameKind.ACCEPT, FrameKind.PING]


@given(st.binary(max_size=300), st.integers(0, 40))
def test_any_bytes_are_frames_or_a_violation(data: bytes, step: int) -> None:
    decoder = Decoder(ESTABLISHED_LIMITS)
    taken = 0
    try:
        for start in range(0, len(data), step + 1):
            decoder.push(data[start : start + step + 1])
            taken += sum(HEADER_BYTES + len(payload) for _, payload in decoder.frames())
    except ViolationError as violation:
        assert violation.reason in {"frame_kind", "frame_length"}
    else:
        assert taken + decoder.pending == len(data)
