"""Peers with a valid certificate that misbehave.

Each is measured, slowed down or cut off, with the reason in the snapshot, while an honest peer's
votes keep arriving.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bubi.messages import Priority
from bubi.network import Address, ConnectionLimits, DoorLimits, channels
from bubi.network.addresses import Neighbour, encode_neighbours
from bubi.network.channels import QUEUE_LIMITS, QueueLimits
from bubi.network.frames import HEADER, FrameKind, encode
from bubi.network.handshake import encode_accept, encode_hello
from bubi.network.rates import Rate

from .hostile import Hostile, undisturbed
from .world import FAST, Counting, Node, World, connected, run, until

# The friend must answer within these as well, on a machine that may stand still for a second.
VICTIM = ConnectionLimits(
    handshake=3.0,
    silence=3.0,
    ping=0.5,
    answer=3.0,
    frames=Rate(2_000, 1_000),
    bytes=Rate(20_000_000, 5_000_000),
)
Attack = Callable[[Hostile, Node], Awaitable[None]]


def under_attack(folder: Path, attack: Attack, loop: str = "asyncio", **changes: Any) -> None:
    """Runs an attack on a node that an honest friend talks to."""

    async def test(world: World) -> None:
        fields: dict[str, Any] = {
            "limits": VICTIM,
            "policy": replace(FAST, ban_first=30),
            **changes,
        }
        victim = await world.start("victim", **fields)
        friend = await world.start("friend", victim)
        await until(lambda: connected(victim, friend))
        hostile = Hostile(world)
        async with undisturbed(friend, victim):
            await attack(hostile, victim)
        await hostile.close()

    run(folder, test, loop)


def refused(victim: Node) -> dict[str, int]:
    """Reasons with their counts, of all IP addresses."""
    found: Any = victim.network.snapshot()["strangers"]
    return sum((Counter(row["refused"]) for row in found), Counter[str]())


# --- one wrong frame -----------------------------------------------------------------------------

WINDOW = channels._WINDOW.pack
CHUNK = bytes(channels.CHUNK_BYTES_MIN)
FIRST = channels._FIRST.pack(1, 9, 100_000) + CHUNK

WRONG = {
    "huge length": (HEADER.pack(2**32 - 1, FrameKind.WHOLE), "frame_length"),
    "one byte too long": (HEADER.pack(65_537, FrameKind.WHOLE), "frame_length"),
    "unknown kind": (HEADER.pack(0, 200), "frame_kind"),
    "garbage": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "frame_kind"),
    "HELLO after the handshake": (encode(FrameKind.HELLO, b"x"), "frame_kind"),
    "ACCEPT after the handshake": (encode(FrameKind.ACCEPT, encode_accept(1)), "frame_kind"),
    "short ping": (encode(FrameKind.PING, b"x"), "ping"),
    "answer to no ping": (encode(FrameKind.PONG, b"\xff" * 8), "pong"),
    "credit that is not owed": (encode(FrameKind.WINDOW, WINDOW(1, 1)), "window"),
    "credit of nothing": (encode(FrameKind.WINDOW, WINDOW(0, 0)), "window"),
    "unknown priority": (encode(FrameKind.WHOLE, b"\x03\x01"), "message"),
    "chunk of no message": (encode(FrameKind.NEXT, b"\x01" + CHUNK), "message"),
    "two messages at once": (encode(FrameKind.FIRST, FIRST) * 2, "message"),
    "tiny chunks": (encode(FrameKind.FIRST, FIRST) + encode(FrameKind.NEXT, b"\1x"), "message"),
    "message above its limit": (
        encode(FrameKind.FIRST, channels._FIRST.pack(0, 9, 2**32 - 1) + CHUNK),
        "message_length",
    ),
    "malformed neighbours": (encode(FrameKind.NEIGHBOURS, b"\x05abc"), "neighbours"),
    "malformed farewell": (encode(FrameKind.CLOSE, b"\x03A\r\n"), "close"),
}


def test_every_wrong_frame_ends_the_connection_and_bans(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        victim = await world.start("victim", limits=replace(VICTIM, silence=9, answer=9))
        friend = await world.start("friend", victim)
        await until(lambda: connected(victim, friend))
        async with undisturbed(friend, victim):
            for name, (data, reason) in WRONG.items():
                hostile = await Hostile(world, name.replace(" ", "-")).greet(victim)
                hostile.raw(data)
                await hostile.gone()
                seen = victim.peer(hostile.id)
                assert (seen["reason"], seen["state"]) == (reason, "banned"), name
                assert seen["violations"] == 1, name
                assert hostile.closed_with == reason, name
                with contextlib.suppress(OSError):
                    await hostile.close()
            assert victim.network.counters()["violations"] == len(WRONG)

    run(tmp_path, test)


def hello(hostile: Hostile, **changes: Any) -> bytes:
    return encode(FrameKind.HELLO, encode_hello(replace(hostile.hello, **changes)))


ACCEPT = encode(FrameKind.ACCEPT, encode_accept(1))

GREETINGS: dict[str, tuple[Callable[[Hostile], bytes], str]] = {
    "HELLO twice": (lambda one: hello(one) * 2, "handshake"),
    "ACCEPT first": (lambda _: ACCEPT, "handshake"),
    "message first": (lambda _: encode(FrameKind.WHOLE, b"\0\1vote"), "frame_kind"),
    "message before ACCEPT": (
        lambda one: hello(one) + encode(FrameKind.PING, bytes(8)),
        "frame_kind",
    ),
    "wrong version": (lambda one: hello(one, version_min=2, version_max=9), "version"),
    "version that was not chosen": (
        lambda one: hello(one) + encode(FrameKind.ACCEPT, encode_accept(7)),
        "version",
    ),
    "wrong magic": (lambda one: encode(FrameKind.HELLO, b"BUBI" + bytes(200)), "magic"),
    "long HELLO": (lambda _: HEADER.pack(1_025, FrameKind.HELLO), "frame_length"),
    "another's node id": (lambda one: hello(one, node=b"x" * 32), "node_id"),
    "another's name": (lambda one: hello(one, name="victim"), "name"),
    "another's organisation": (lambda one: hello(one, organisation="Beta"), "organisation"),
    "another chain": (lambda one: hello(one, chain=bytes(32)), "chain"),
    "HTTP": (lambda _: b"GET / HTTP/1.1\r\n\r\n", "frame_kind"),
}


def test_every_wrong_greeting_is_refused(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        victim = await world.start("victim", limits=VICTIM)
        friend = await world.start("friend", victim)
        await until(lambda: connected(victim, friend))
        async with undisturbed(friend, victim):
            for name, (data, reason) in GREETINGS.items():
                hostile = await Hostile(world, "g-" + name.replace(" ", "-")).connect(victim)
                hostile.raw(data(hostile))
                await hostile.gone()
                assert victim.peer(hostile.id)["reason"] == reason, name
                assert hostile.closed_with == reason, name
                assert refused(victim)[reason] > 0, name
                await hostile.close()
        assert victim.network.peers == (friend.id,)

    run(tmp_path, test)


# --- silence -------------------------------------------------------------------------------------


def test_no_tls_at_all(tmp_path: Path) -> None:
    async def attack(_: Hostile, victim: Node) -> None:
        assert victim.address is not None
        for data in (b"", b"\x16", b"GET / HTTP/1.1\r\n\r\n"):
            reader, writer = await asyncio.open_connection(
                victim.address.host, victim.address.port
            )
            writer.write(data)
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 60)
            writer.close()
        await until(
            lambda: refused(victim).get("timeout") == 2 and refused(victim).get("tls") == 1
        )

    under_attack(tmp_path, attack)


def test_old_tls_and_no_certificate(tmp_path: Path) -> None:
    async def attack(hostile: Hostile, victim: Node) -> None:
        assert victim.address is not None
        old = hostile._contexts.outside
        old.minimum_version = ssl.TLSVersion.TLSv1_2
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await hostile.connect(victim)
        bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        bare.check_hostname = False
        bare.verify_mode = ssl.CERT_NONE
        reader, writer = await asyncio.open_connection(
            victim.address.host, victim.address.port, ssl=bare, server_hostname=""
        )
        with contextlib.suppress(OSError):
            assert await reader.read() == b""
        writer.close()
        await until(lambda: refused(victim).get("tls") == 2)

    under_attack(tmp_path, attack)


def test_no_handshake_after_tls(tmp_path: Path) -> None:
    async def attack(hostile: Hostile, victim: Node) -> None:
        await hostile.connect(victim)
        await hostile.gone()
        assert hostile.closed_with == "handshake_timeout"
        assert victim.peer(hostile.id)["reason"] == "handshake_timeout"
        assert refused(victim)["handshake_timeout"] == 1

    under_attack(tmp_path, attack)


def test_half_a_handshake(tmp_path: Path) -> None:
    async def attack(hostile: Hostile, victim: Node) -> None:
        await hostile.connect(victim)
        for value in hello(hostile)[:60]:
            hostile.raw(bytes((value,)))
            await asyncio.sleep(0.06)
        await hostile.gone()
        assert victim.peer(hostile.id)["reason"] == "handshake_timeout"

    under_attack(tmp_path, attack)


def test_half_a_frame_and_silence(tmp_path: Path) -> None:
    async def attack(hostile: Hostile, victim: Node) -> None:
        await hostile.greet(victim)
        hostile.raw(encode(FrameKind.WHOLE, b"\0\1" + bytes(1_000))[:500])
        await hostile.gone()
        assert victim.peer(hostile.id)["reason"] in {"silent", "unresponsive"}

    under_attack(tmp_path, attack)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_slow_loris(tmp_path: Path, loop: str) -> None:
    """A byte at a time: there is always something, and never a frame."""

    async def attack(hostile: Hostile, victim: Node) -> None:
        await hostile.greet(victim)
        ends = asyncio.ensure_future(hostile.gone())
        hostile.raw(HEADER.pack(60_000, FrameKind.WHOLE))
        while not ends.done():
            hostile.raw(b"\0")
            await asyncio.sleep(0.01)
        ends.result()
        assert victim.peer(hostile.id)["reason"] in {"silent", "unresponsive"}

    under_attack(tmp_path, attack, loop=loop)


def test_pings_are_not_answered(tmp_path: Path) -> None:
    """It sends votes and looks alive, but nothing that we say arrives."""

    async def attack(hostile: Hostile, victim: Node) -> None:
        await hostile.greet(victim)
        while hostile.id in victim.network.peers:
            hostile.say(FrameKind.WHOLE, b"\0\1vote")
            await asyncio.sleep(0.02)
        assert victim.peer(hostile.id)["reason"] == "unresponsive"
        assert victim.peer(hostile.id)["messages_in"] > 10

    under_attack(tmp_path, attack)


# --- too much ------------------------------------------------------------------------------------


async def flood(hostile: Hostile, victim: Node, piece: bytes) -> dict[str, Any]:
    """Sends as fast as it goes until the victim has held it back a few times."""
    deadline = time.monotonic() + 60
    waiting = hostile.writer.transport.get_write_buffer_size
    while (seen := victim.peer(hostile.id))["throttled"] <= 5 or not waiting():
        assert time.monotonic() < deadline, seen
        hostile.raw(piece)
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(hostile.writer.drain(), 0.2)
        await asyncio.sleep(0)
    return seen


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_flood_of_small_messages(
    tmp_path: Path, loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def attack(hostile: Hostile, victim: Node) -> None:
        await hostile.greet(victim)
        hostile.answer()
        start = time.monotonic()
        piece = encode(FrameKind.WHOLE, b"\0\1v") * 2_000
        seen = await flood(hostile, victim, piece)
        seconds = time.monotonic() - start
        assert seen["messages_in"] <= 1_000 + 2_000 * (seconds + 0.3)

    under_attack(tmp_path, attack, loop=loop, limits=replace(VICTIM, silence=60, answer=60))
    told = [line for line in caplog.messages if "hostile of Alpha Bank is throttled" in line]
    assert len(told) == 1


def test_flood_of_bytes(tmp_path: Path) -> None:
    async def attack(hostile: Hostile, victim: Node) -> None:
        await hostile.greet(victim)
        hostile.answer()
        start = time.monotonic()
        piece = encode(FrameKind.WHOLE, b"\2\1" + bytes(60_000))
        seen = await flood(hostile, victim, piece)
        seconds = time.monotonic() - start
        assert 1_000_000 < seen["bytes_in"] <= 2_000_000 + 2_000_000 * (seconds + 0.3)

    # So few bytes that also a machine with other work sends more.
    slow = Rate(2_000_000, 1_000_000)
    under_attack(tmp_path, attack, limits=replace(VICTIM, silence=60, answer=60, bytes=slow))


def test_invented_reasons(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What a peer says at its end is shown, but does not fill our tables."""

    async def attack(hostile: Hostile, victim: Node) -> None:
        for number in range(20):
            await hostile.connect(victim)
            hostile.raw(encode(FrameKind.CLOSE, b"\x04x" + b"%03d" % number))
            await hostile.gone()
        assert victim.peer(hostile.id)["reason"] == "peer_x019"
        assert refused(victim) == {"by_peer": 20}
        assert victim.network.counters()["closed_by_peer"] == 20

    under_attack(tmp_path, attack)
    told = [
        line for line in caplog.messages if "hostile of Alpha Bank (127.0.0.2): peer_x" in line
    ]
    assert [line[:18] for line in told] == ["no connection from"]


def test_more_than_the_window(tmp_path: Path) -> None:
    """The host is behind; a peer that sends on regardless is cut off, memory stays bounded."""

    async def test(world: World) -> None:
        fast = replace(VICTIM, frames=Rate(1e6, 1e6), bytes=Rate(1e9, 1e9))
        host = Counting(finish=False)
        victim = await world.start("victim", limits=fast, host=host)
        friend = await world.start("friend", victim)
        await until(lambda: connected(victim, friend))
        hostile = await Hostile(world).greet(victim)
        async with undisturbed(friend, victim):
            while hostile.id in victim.network.peers:
                hostile.raw(encode(FrameKind.WHOLE, b"\1\1" + bytes(60_000)))
                await asyncio.sleep(0)
        held = sum(len(one.payload) for one in host.deliveries if one.peer == hostile.id)
        assert held <= channels.WINDOW_BYTES[Priority.BATCHES] + 65_536
        assert victim.peer(hostile.id)["reason"] == "window"
        await hostile.close()

    run(tmp_path, test)


def test_ping_flood(tmp_path: Path) -> None:
    async def attack(hostile: Hostile, victim: Node) -> None:
        await hostile.greet(victim)
        for number in range(200):
            hostile.say(FrameKind.PING, number.to_bytes(8, "big"))
        await hostile.gone()
        assert victim.peer(hostile.id)["reason"] == "ping_flood"
        assert victim.peer(hostile.id)["state"] == "banned"

    under_attack(tmp_path, attack)


def test_neighbour_flood(tmp_path: Path) -> None:
    async def attack(hostile: Hostile, victim: Node) -> None:
        await hostile.greet(victim)
        for _ in range(40):
            hostile.say(FrameKind.NEIGHBOURS, encode_neighbours(()))
        await hostile.gone()
        assert victim.peer(hostile.id)["reason"] == "neighbour_flood"

    under_attack(tmp_path, attack)


def test_bogus_addresses(tmp_path: Path) -> None:
    """Made-up nodes are tried a few times, forgotten, and counted against who told of them."""

    async def attack(hostile: Hostile, victim: Node) -> None:
        await hostile.greet(victim)
        hostile.answer()
        for round_ in range(10):
            told = (
                Neighbour(os.urandom(32), 1, Address("127.0.0.1", 1 + round_ * 50 + number))
                for number in range(50)
            )
            lesson = tuple(sorted(told, key=lambda one: one.node))
            hostile.say(FrameKind.NEIGHBOURS, encode_neighbours(lesson))
        await until(lambda: victim.network.counters()["addresses_ignored"] > 300)
        known: Any = victim.network.snapshot()["addresses"]
        assert sum(entry["source"] == "neighbour" for entry in known) <= 128
        await until(lambda: victim.peer(hostile.id)["bogus_addresses"] > 20)
        dialling: Any = victim.network.snapshot()["addresses"]
        assert sum(entry["dialling"] for entry in dialling) <= 8

    fast = replace(FAST, dial_first=0.01, dial_max=0.05)
    under_attack(tmp_path, attack, policy=fast, limits=replace(VICTIM, silence=60, answer=60))


def test_connection_storm(tmp_path: Path) -> None:
    async def attack(hostile: Hostile, victim: Node) -> None:
        assert victim.address is not None
        place = (victim.address.host, victim.address.port)
        held = []
        for _ in range(600):
            one = socket.socket()
            one.setblocking(False)
            one.bind(("127.0.0.3", 0))
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().sock_connect(one, place)
            held.append(one)
        storm = ("half_open_of_ip", "connection_rate")
        await until(lambda: sum(refused(victim).get(why, 0) for why in storm) > 500)
        assert len(victim.network._connections) <= 20
        # Another address still gets in.
        await hostile.greet(victim)
        for one in held:
            one.close()

    under_attack(tmp_path, attack)


def test_handshake_storm(tmp_path: Path) -> None:
    """Complete TLS handshakes, as fast as they go: the rate per address bounds what they cost."""

    async def attack(hostile: Hostile, victim: Node) -> None:
        done = 0
        start = time.monotonic()
        while time.monotonic() - start < 1 or refused(victim).get("connection_rate", 0) < 5:
            assert time.monotonic() - start < 60
            try:
                await hostile.connect(victim, "127.0.0.3")
                done += 1
            except OSError:
                await asyncio.sleep(0.001)
            else:
                hostile.writer.transport.abort()
        assert done <= 4 + 4 * (time.monotonic() - start + 0.5)

    # So few that also a slow machine asks for more.
    door = DoorLimits(rate=Rate(4, 4))
    under_attack(tmp_path, attack, door=door)


def test_a_banned_peer_that_comes_again_and_again(tmp_path: Path) -> None:
    async def attack(hostile: Hostile, victim: Node) -> None:
        await hostile.greet(victim)
        hostile.raw(HEADER.pack(0, 99))
        await hostile.gone()
        for _ in range(10):
            await hostile.connect(victim)
            await hostile.gone()
            assert hostile.closed_with == "banned"
        seen = victim.peer(hostile.id)
        assert (seen["state"], seen["reason"]) == ("banned", "frame_kind")
        assert refused(victim)["banned"] == 10

    under_attack(tmp_path, attack)


def test_one_certificate_used_again_and_again(tmp_path: Path) -> None:
    """The newest connection stands; each of the others is closed, and all are counted."""

    async def attack(hostile: Hostile, victim: Node) -> None:
        held = []
        for number in range(12):
            await hostile.greet(victim, instance=number.to_bytes(16, "big"))
            held.append(hostile.writer)
            await until(lambda number=number: victim.peer(hostile.id)["connects"] == number + 1)
        assert victim.peer(hostile.id)["replaced"] == 11
        assert [code for code, _ in victim.host.alarms] == ["duplicate_identity"] * 2
        await until(lambda: len(victim.network._connections) == 2)
        for writer in held:
            writer.transport.abort()

    under_attack(tmp_path, attack)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_peer_that_never_reads(tmp_path: Path, loop: str) -> None:
    """What waits for it stays bounded; then it is cut off, by votes or by pings."""

    async def attack(hostile: Hostile, victim: Node) -> None:
        await hostile.greet(victim)
        hostile.reader._transport.pause_reading()  # type: ignore[attr-defined]
        most = 0
        while hostile.id in victim.network.peers:
            for priority in (Priority.BATCHES, Priority.SYNC):
                victim.network.send([hostile.id], 1, bytes(200_000), priority)
            hostile.say(FrameKind.WHOLE, b"\0\1v")
            most = max(most, victim.peer(hostile.id)["queued_bytes"])
            await asyncio.sleep(0.005)
        seen = victim.peer(hostile.id)
        assert seen["reason"] == "unresponsive"
        assert 2_000_000 < most <= 3_000_000
        assert seen["dropped"] > 0

    queues = dict.fromkeys(Priority, QueueLimits(1_000_000, 1_000))
    under_attack(tmp_path, attack, loop=loop, limits=replace(VICTIM, queues=queues))


def test_a_peer_that_is_too_slow_for_votes(tmp_path: Path) -> None:
    async def attack(hostile: Hostile, victim: Node) -> None:
        await hostile.greet(victim)
        hostile.reader._transport.pause_reading()  # type: ignore[attr-defined]
        while hostile.id in victim.network.peers:
            victim.network.send([hostile.id], 1, bytes(100_000), Priority.VOTES)
            assert victim.peer(hostile.id)["queued_bytes"] <= 1_100_000
            await asyncio.sleep(0.002)
        assert victim.peer(hostile.id)["reason"] == "slow"

    queues = {**QUEUE_LIMITS, Priority.VOTES: QueueLimits(1_000_000, 1_000)}
    under_attack(tmp_path, attack, limits=replace(VICTIM, queues=queues, answer=60, silence=60))
