"""Nodes on loopback over real TLS: they find each other, stay connected, keep the unwanted out."""

import asyncio
import hashlib
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bubi.messages import Priority
from bubi.network import (
    Address,
    ConnectionLimits,
    Delivery,
    IpRules,
    NodeLists,
    Policy,
    TrustRules,
)
from bubi.network import certificates as x509
from bubi.network.channels import QUEUE_LIMITS, QueueLimits
from bubi.network.transport import SourceError

from .relay import Proxy, Relay
from .world import (
    CHAIN,
    FAST,
    LIMITS,
    Counting,
    Node,
    Organisation,
    World,
    connected,
    free_port,
    now_ms,
    run,
    until,
)

BOTH = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


def reason(one: Node, other: Node | bytes) -> str:
    return str(one.peer(other).get("reason", ""))


def days_left(one: Node, other: Node) -> int:
    """Of the certificate that a connected node showed; 0 if it is not connected."""
    return one.peer(other).get("certificate_days") or 0


# --- connecting ----------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("algorithm", x509.ALGORITHMS)
def test_messages_of_every_size_and_priority(tmp_path: Path, loop: str, algorithm: str) -> None:
    async def test(world: World) -> None:
        world.organisation("Alpha Bank", algorithm)
        world.organisation("Beta", algorithm)
        one = await world.start("one")
        other = await world.start("other", one, organisation="Beta")
        await until(lambda: connected(one, other))
        assert [(peer.name, peer.organisation) for peer in one.host.up] == [("other", "Beta")]
        assert other.host.up[0].outbound
        assert other.host.up[0].validator
        sizes = [0, 1, 1_000, 32_768, 32_769, 100_000, 3_000_000]
        for priority in Priority:
            for kind, size in enumerate(sizes):
                payload = bytes((kind + 1,)) * size
                assert one.network.send([other.id], kind, payload, priority) == ()
                assert other.network.broadcast(kind, payload, priority) == ()
        for node, peer in ((one, other), (other, one)):
            await until(lambda node=node: len(node.host.messages) == 3 * len(sizes))
            for priority in Priority:
                got = [
                    message
                    for message, arrival in zip(
                        node.host.messages, node.host.arrivals, strict=True
                    )
                    if arrival[0] is priority
                ]
                assert got == [
                    (peer.id, kind, bytes((kind + 1,)) * size) for kind, size in enumerate(sizes)
                ]
            totals = node.network.counters()
            assert totals["messages_in"] == totals["messages_out"] == 3 * len(sizes)
            assert node.peer(peer)["rtt_ms"] is not None
            assert node.peer(peer)["unfinished_bytes"] < 8_000_000
        assert one.network.send([b"x" * 32, other.id], 1, b"", Priority.VOTES) == (b"x" * 32,)

    run(tmp_path, test, loop)


@BOTH
def test_a_restarted_node_is_connected_again(tmp_path: Path, loop: str) -> None:
    async def test(world: World) -> None:
        one = await world.start("one")
        settings = world.settings("other", one)
        other = await world.run(settings)
        await until(lambda: connected(one, other))
        await other.network.stop()
        await until(lambda: one.host.reasons(other.id) == ["peer_stopping"])
        assert one.peer(other)["state"] in {"waiting", "dialling"}
        again = await world.run(settings)
        await until(lambda: connected(one, again))
        assert again.id == other.id
        assert one.network.send([again.id], 1, b"hello", Priority.VOTES) == ()
        await until(lambda: again.host.messages)
        assert one.peer(again)["connects"] >= 2

    run(tmp_path, test, loop)


@BOTH
def test_nodes_that_dial_each_other_keep_one_connection_and_the_same(
    tmp_path: Path, loop: str
) -> None:
    async def test(world: World) -> None:
        for number in range(5):
            ports = Address("127.0.0.1", free_port()), Address("127.0.0.1", free_port())
            settings = [
                world.settings(
                    f"{'ab'[side]}{number}",
                    ports[1 - side],
                    listen=ports[side],
                    advertised=ports[side],
                )
                for side in (0, 1)
            ]
            one, other = await asyncio.gather(*(world.run(each) for each in settings))
            await until(lambda one=one, other=other: connected(one, other))
            # A dial that was under way may still replace the connection.
            await asyncio.sleep(0.15)
            await until(lambda one=one, other=other: one_connection(one, other))
            ups = [event for event in one.host.events if event[0] == "up"]
            downs = [event for event in one.host.events if event[0] == "down"]
            assert len(ups) == len(downs) + 1
            await asyncio.gather(one.network.stop(), other.network.stop())

    run(tmp_path, test, loop)


def one_connection(one: Node, other: Node) -> bool:
    """Whether both have one connection, the same one."""
    counts = [len(node.network._connections) for node in (one, other)]
    ends = {one.peer(other)["direction"], other.peer(one)["direction"]}
    return connected(one, other) and counts == [1, 1] and ends == {"in", "out"}


def test_six_nodes_find_each_other_through_one_seed(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        seed = await world.start("seed")
        others = [await world.start(f"node-{number}", seed) for number in range(5)]
        nodes = [seed, *others]
        # Of two that dialled each other one connection goes: both counts must fit at once.
        await until(
            lambda: all(
                len(node.network.peers) == len(node.network._connections) == 5 for node in nodes
            )
        )

    run(tmp_path, test)


def test_a_ring_stays_a_ring_if_neighbours_are_not_learned(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        policy = replace(FAST, learn=False)
        settings = [world.settings(f"node-{number}", policy=policy) for number in range(5)]
        nodes = [
            await world.run(replace(each, seeds=(settings[number - 1].listen,)))
            for number, each in enumerate(settings)
        ]
        await until(lambda: all(len(node.network.peers) == 2 for node in nodes))
        await asyncio.sleep(0.3)
        assert [len(node.network.peers) for node in nodes] == [2] * 5

    run(tmp_path, test)


@BOTH
def test_a_node_that_only_dials_out(tmp_path: Path, loop: str) -> None:
    async def test(world: World) -> None:
        seed = await world.start("seed")
        hidden = await world.start("hidden", seed, listening=False)
        third = await world.start("third", seed)
        await until(lambda: connected(seed, hidden) and connected(hidden, third))
        assert hidden.network.port is None
        assert third.peer(hidden)["direction"] == "in"
        assert third.peer(hidden)["address"] is None
        third.network.send([hidden.id], 1, b"hello", Priority.VOTES)
        await until(lambda: hidden.host.messages)

    run(tmp_path, test, loop)


@BOTH
def test_through_a_proxy(tmp_path: Path, loop: str) -> None:
    async def test(world: World) -> None:
        far = await world.start("far")
        assert far.address is not None
        async with Proxy({str(far.address)}) as proxy:
            near = await world.start("near", far, listening=False, proxy=proxy.address)
            await until(lambda: connected(near, far))
            payload = bytes(1_000_000)
            near.network.send([far.id], 1, payload, Priority.SYNC)
            far.network.send([near.id], 2, payload, Priority.SYNC)
            await until(lambda: far.host.messages and near.host.messages)
            assert proxy.asked == [str(far.address)]
            proxy.permitted.clear()
            proxy.cut()
            await until(lambda: _address(near, far)["reason"] == "proxy_refused")
            assert far.id not in near.network.peers

    run(tmp_path, test, loop)


def _address(one: Node, other: Node) -> dict[str, Any]:
    addresses: Any = one.network.snapshot()["addresses"]
    return next(entry for entry in addresses if entry["address"] == str(other.address))


@pytest.mark.parametrize("failure", ["502 Bad Gateway", "503 Service Unavailable"])
def test_a_proxy_that_reaches_nobody_is_asked_again(tmp_path: Path, failure: str) -> None:
    async def test(world: World) -> None:
        far = await world.start("far")
        async with Proxy({str(far.address)}) as proxy:
            proxy.failure = failure
            near = await world.start("near", far, listening=False, proxy=proxy.address)
            await until(lambda: len(proxy.refused) >= 3)
            assert _address(near, far)["reason"] == "proxy_unreachable"
            assert near.network.counters()["undialled_proxy_unreachable"] >= 2
            proxy.failure = ""
            await until(lambda: connected(near, far))

    run(tmp_path, test)


def test_a_node_that_moved_is_found_again_by_hearsay(tmp_path: Path) -> None:
    """It cannot dial who waits for it: that one only dials out."""

    async def test(world: World) -> None:
        between = await world.start("between")
        moving = await world.start("moving", between)
        waiting = await world.start("waiting", between, listening=False)
        await until(lambda: connected(waiting, moving))
        old = moving.address
        await moving.network.stop()
        await until(lambda: waiting.peer(moving)["state"] != "connected")
        place = Address("127.0.0.1", free_port())
        settings = replace(
            world.settings("other", between),
            certificate=world.folder / "moving.cert.pem",
            key=world.folder / "moving.key.pem",
            listen=place,
            advertised=place,
        )
        moved = await world.run(settings)
        assert moved.id == moving.id
        assert place != old
        await until(lambda: connected(waiting, moved))
        assert waiting.peer(moved)["address"] == str(place)
        assert waiting.peer(moved)["direction"] == "out"

    run(tmp_path, test)


def test_an_address_to_dial_from_that_is_not_of_this_machine(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        with pytest.raises(SourceError, match=r"192\.0\.2\.1"):
            await world.start("one", source="192.0.2.1")

    run(tmp_path, test)


def test_dialling_from_one_interface(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        one = await world.start("one")
        other = await world.start("other", one, listening=False, source="127.0.0.7")
        await until(lambda: connected(one, other))
        assert one.peer(other)["ip"] == "127.0.0.7"

    run(tmp_path, test)


def test_a_full_port_is_told_at_the_start(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        one = await world.start("one")
        with pytest.raises(OSError, match="in use"):
            await world.start("other", listen=one.address)

    run(tmp_path, test)


def test_a_dead_link_is_noticed_and_replaced(tmp_path: Path) -> None:
    """Nothing is closed, nothing arrives: only pings tell."""

    async def test(world: World) -> None:
        limits = replace(LIMITS, ping=0.1, answer=0.5, silence=0.5)
        one = await world.start("one", limits=limits)
        async with Relay(one.address) as relay:
            other = await world.start("other", relay.address, listening=False, limits=limits)
            await until(lambda: connected(one, other))
            relay.open.clear()
            await until(lambda: other.host.reasons(one.id) and one.host.reasons(other.id))
            assert set(other.host.reasons(one.id)) <= {"silent", "unresponsive"}
            relay.open.set()
            relay.cut()
            await until(lambda: connected(one, other))

    run(tmp_path, test)


def test_a_doubted_connection_must_answer_soon(tmp_path: Path) -> None:
    """The peer lost its link without a word and dials anew; the old connection stands first."""

    async def test(world: World) -> None:
        limits = replace(LIMITS, handshake=1.0, ping=60, answer=60, silence=60)
        policy = replace(FAST, learn=False)
        one = await world.start("one", limits=limits, policy=policy)
        other = await world.start("other", limits=limits, policy=policy)
        small, large = sorted((one, other), key=lambda node: node.id)
        async with Relay(large.address) as relay:
            await small.network.stop()
            settings = replace(small.network._settings, seeds=(relay.address,), advertised=None)
            small = await world.run(settings)
            await until(lambda: connected(small, large))
            relay.open.clear()
            assert settings.listen is not None
            large.network._table.add_seed(settings.listen)
            large.network._table.down(small.id, "test", 0)
            await until(lambda: large.host.reasons(small.id) or small.host.reasons(large.id))
            await until(lambda: connected(small, large))
            relay.open.set()

    run(tmp_path, test)


def test_defects_of_the_host_do_not_cost_the_connection(tmp_path: Path) -> None:
    class Defective(Counting):
        def on_message(self, delivery: Delivery) -> None:
            super().on_message(delivery)
            if delivery.kind == 1:
                raise KeyError("defect")

    async def test(world: World) -> None:
        one = await world.start("one", host=Defective())
        other = await world.start("other", one)
        await until(lambda: connected(one, other))
        for kind in (1, 2):
            other.network.send([one.id], kind, b"", Priority.VOTES)
        await until(lambda: len(one.host.messages) == 2)
        assert connected(one, other)
        assert one.network.counters()["unhandled"] == 1

    run(tmp_path, test)


def test_ipv6(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        try:
            with socket.create_server(("::1", 0), family=socket.AF_INET6) as free:
                address = Address("::1", free.getsockname()[1])
        except OSError:
            pytest.skip("no IPv6 here")
        one = await world.start("one", listen=address, advertised=address)
        other = await world.start("other", one)
        await until(lambda: connected(one, other))
        assert one.peer(other)["ip"] == "::1"

    run(tmp_path, test)


# --- priorities and back-pressure ----------------------------------------------------------------


@BOTH
def test_votes_pass_a_saturated_link(tmp_path: Path, loop: str) -> None:
    """32 MB of bulk wait in front of a slow link; votes do not wait behind them.

    Measured in what the link carried between a vote and its arrival, not in time.
    """

    async def test(world: World) -> None:
        one = await world.start("one", policy=replace(FAST, learn=False))
        async with Relay(one.address, rate=4_000_000) as relay:
            other = await world.start("other", relay.address, listening=False)
            await until(lambda: connected(one, other))
            for _ in range(8):
                other.network.send([one.id], 1, bytes(2_000_000), Priority.BATCHES)
                other.network.send([one.id], 2, bytes(2_000_000), Priority.SYNC)
            await until(lambda: relay.passed > 1_000_000)
            carried = []
            for number in range(20):
                before = relay.passed
                other.network.send([one.id], 3, bytes((number,)), Priority.VOTES)
                await until(lambda number=number: _votes(one) > number)
                carried.append(relay.passed - before)
            # The link was busy all the time: most of the bulk is still to come.
            assert other.peer(one)["queued_bytes"] > 10_000_000
            assert sorted(carried)[10] < 1_000_000, carried
            assert max(carried) < 2_000_000, carried
            assert other.peer(one)["rtt_ms"] is not None

    run(tmp_path, test, loop)


def _votes(node: Node) -> int:
    return sum(kind == 3 for _, kind, _ in node.host.messages)


def test_a_host_that_is_behind_with_batches_still_gets_votes(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        queues = {**QUEUE_LIMITS, Priority.BATCHES: QueueLimits(6_000_000, 1_000)}
        one = await world.start("one", host=Counting(finish=False))
        limits = ConnectionLimits(queues=queues)
        other = await world.start("other", one, limits=limits)
        await until(lambda: connected(one, other))
        for _ in range(40):
            other.network.send([one.id], 1, bytes(1_000_000), Priority.BATCHES)
            await asyncio.sleep(0.01)
        await until(lambda: len(one.host.deliveries) >= 8)
        await asyncio.sleep(0.2)
        held = sum(len(delivery.payload) for delivery in one.host.deliveries)
        assert held <= 9_000_000
        assert other.peer(one)["queued_bytes"] <= 7_000_000
        assert other.peer(one)["dropped"] > 20
        other.network.send([one.id], 2, b"vote", Priority.VOTES)
        await until(lambda: one.host.messages[-1][1:] == (2, b"vote"))
        # The newest batches are those that were kept.
        for delivery in one.host.deliveries:
            delivery.done()
            delivery.done()
        one.host.finish = True
        await until(lambda: other.peer(one)["queued_bytes"] == 0)
        assert connected(one, other)

    run(tmp_path, test)


def test_full_queues_of_sync_refuse_and_of_votes_cut_off(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        queues = dict.fromkeys(Priority, QueueLimits(1_000_000, 50))
        one = await world.start("one", host=Counting(finish=False))
        other = await world.start("other", one, limits=ConnectionLimits(queues=queues))
        await until(lambda: connected(one, other))
        for _ in range(30):
            refused = other.network.send([one.id], 1, bytes(1_000_000), Priority.SYNC)
            await asyncio.sleep(0.01)
        assert refused == (one.id,)
        assert connected(one, other)
        while not other.host.reasons(one.id):
            refused = other.network.send([one.id], 1, bytes(500_000), Priority.VOTES)
            await asyncio.sleep(0.005)
        assert refused == (one.id,)
        assert other.host.reasons(one.id) == ["slow"]

    run(tmp_path, test)


# --- admission -----------------------------------------------------------------------------------


def strangers(one: Node) -> dict[str, int]:
    found: Any = one.network.snapshot()["strangers"]
    return {why: count for row in found for why, count in row["refused"].items()}


def test_denied_ip_addresses(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        closed = Policy(rules=IpRules.parse((), ("127.0.0.9",)))
        one = await world.start("one", policy=closed)
        other = await world.start("other", one, listening=False, source="127.0.0.9")
        await until(lambda: strangers(one).get("ip_denied"))
        allowed = await world.start("allowed", one, listening=False)
        await until(lambda: connected(one, allowed))
        assert other.id not in one.network.peers
        assert one.network.counters()["refused_ip_denied"] > 0

        only = replace(FAST, rules=IpRules.parse(("10.0.0.0/8",)))
        outside = await world.start("outside", one, policy=only)
        await until(lambda: _address(outside, one)["reason"] == "ip_denied")

    run(tmp_path, test)


@BOTH
def test_a_connection_that_comes_in_while_the_node_stops(tmp_path: Path, loop: str) -> None:
    async def test(world: World) -> None:
        for number in range(10):
            one = await world.start(f"one{number}")
            assert one.address is not None
            await asyncio.sleep(0.01 * (number % 3))
            with socket.socket() as stranger:
                stranger.connect((one.address.host, one.address.port))
                # The loop is told of the connection in the turn in which this goes on.
                await asyncio.sleep(0)
                await one.network.stop()

    run(tmp_path, test, loop)


@BOTH
def test_an_unknown_authority(tmp_path: Path, loop: str) -> None:
    async def test(world: World) -> None:
        one = await world.start("one")
        world.organisation("Gamma")
        both = world.authorities
        stranger = await world.start("stranger", one, organisation="Gamma", authorities=both)
        # In TLS 1.3 the side that dialled hears of it after its own handshake.
        await until(lambda: strangers(one).get("certificate"))
        await until(lambda: _address(stranger, one)["reason"] in {"tls", "lost"})
        assert not one.host.up
        assert not stranger.host.up

    run(tmp_path, test, loop)


def test_an_authority_speaks_for_its_own_organisation_only(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        alpha, beta = world.organisation("Alpha Bank"), world.organisation("Beta")
        one = await world.start("one")
        settings = world.settings("liar", one)
        key = x509.load_key(settings.key.read_bytes())
        request = x509.create_request("liar", "Beta", key)
        made = x509.sign_request(request, beta.certificate, beta.key, now_ms())
        assert x509.check(made, [beta.authority]).organisation == "Beta"
        # Signed by Beta's key under Alpha's name: TLS accepts it, the ledger's list does not.
        forged = replace(alpha, name="Alpha Bank")
        forged.key, forged.certificate = beta.key, beta.certificate
        with pytest.raises(x509.CertificateError, match="does not sign"):
            forged.issue(world.folder, "liar")
        lying = x509.create_authority("Alpha Bank", beta.key, now_ms())
        forged.certificate = lying
        files = forged.issue(world.folder, "liar")
        with pytest.raises(x509.CertificateError, match="no authority"):
            x509.check(x509.der(files[0].read_bytes()), world.authorities)
        with pytest.raises(x509.CertificateError, match="no authority"):
            await world.run(replace(settings, certificate=files[0], key=files[1]))

    run(tmp_path, test)


def test_another_chain(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        one = await world.start("one")
        other = await world.start("other", one, chain=bytes(32))
        await until(lambda: reason(one, other) == "chain" or reason(one, other) == "peer_chain")
        await until(lambda: "chain" in _address(other, one)["reason"])
        assert not one.host.up

    run(tmp_path, test)


@BOTH
def test_revoked_while_connected(tmp_path: Path, loop: str) -> None:
    async def test(world: World) -> None:
        world.organisation("Beta")
        one = await world.start("one")
        settings = world.settings("other", one)
        other = await world.run(settings)
        third = await world.start("third", one, organisation="Beta")
        await until(lambda: connected(one, other) and connected(one, third))
        fingerprint = hashlib.sha256(x509.der(settings.certificate.read_bytes())).digest()
        one.network.set_authorities(world.authorities, [fingerprint])
        assert one.host.reasons(other.id) == ["revoked"]
        await until(lambda: other.host.reasons(one.id) == ["peer_revoked"])
        await asyncio.sleep(0.6)
        assert other.id not in one.network.peers
        assert reason(one, other) == "revoked"
        # An organisation that leaves: its authority is not in the list any more.
        one.network.set_authorities([world.organisation().authority], [fingerprint])
        assert one.host.reasons(third.id) == ["authority"]
        one.network.set_authorities(world.authorities)
        await until(lambda: connected(one, other) and connected(one, third))
        # What is no authority changes nothing.
        with pytest.raises(x509.CertificateError):
            one.network.set_authorities([x509.Authority("Alpha Bank", b"")])
        with pytest.raises(x509.CertificateError):
            one.network.set_authorities([world.organisation("Beta").authority])
        await asyncio.sleep(0.1)
        assert connected(one, other)

    run(tmp_path, test, loop)


@BOTH
def test_lists_that_the_ledger_changes_while_connected(tmp_path: Path, loop: str) -> None:
    async def test(world: World) -> None:
        world.organisation("Beta")
        one = await world.start("one")
        settings = world.settings("other", one)
        other = await world.run(settings)
        third = await world.start("third", one, organisation="Beta")
        await until(lambda: connected(one, other) and connected(one, third))
        one.network.follow(world.authorities, [], NodeLists(denied=frozenset({other.id})))
        assert one.host.reasons(other.id) == ["black_listed"]
        await until(lambda: other.host.reasons(one.id) == ["peer_black_listed"])
        await until(lambda: reason(other, one) == "peer_black_listed")
        await until(lambda: reason(one, other) == "black_listed")
        assert connected(one, third)
        assert other.id not in one.network.peers
        # The white list: who stands on no list goes, and comes back with it.
        one.network.follow(world.authorities, [], NodeLists(allowed=frozenset({other.id})))
        assert one.host.reasons(third.id) == ["not_white_listed"]
        await until(lambda: connected(one, other))
        # It shuts out nobody whose organisation has a validator.
        lists = NodeLists(allowed=frozenset({other.id}), voters=frozenset({"Beta"}))
        one.network.follow(world.authorities, [], lists)
        await until(lambda: connected(one, other) and connected(one, third))
        one.network.follow(world.authorities, [], NodeLists())
        assert connected(one, third)
        # What is no authority is left out, and the rest holds.
        fingerprint = hashlib.sha256(x509.der(settings.certificate.read_bytes())).digest()
        broken = [*world.authorities, x509.Authority("Alpha Bank", b"none")]
        one.network.follow(broken, [fingerprint], NodeLists())
        assert [code for code, _ in one.host.alarms] == ["authority_unusable"]
        assert one.host.reasons(other.id)[-1] == "revoked"
        # A node that is covered no more follows too: it lets go of those that are not, either.
        third.network.follow([world.organisation().authority], [fingerprint], NodeLists())
        assert [code for code, _ in third.host.alarms] == ["own_certificate_refused"]
        assert connected(third, one)

    run(tmp_path, test, loop)


def test_a_node_says_its_new_role_when_it_connects_again(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        one = await world.start("one")
        other = await world.start("other", one, observer=True)
        await until(lambda: connected(one, other))
        assert [peer.validator for peer in one.host.up] == [False]
        other.network.set_observer(False)
        other.network.penalise(one.id, "test", ban=0)
        await until(lambda: len(one.host.up) == 2)
        assert [peer.validator for peer in one.host.up] == [False, True]

    run(tmp_path, test)


@BOTH
def test_an_expired_certificate_raises_an_alarm_and_is_accepted(tmp_path: Path, loop: str) -> None:
    async def test(world: World) -> None:
        one = await world.start("one")
        old = await world.start("old", one, days=-3)
        late = await world.start("late", one, days=5)
        await until(lambda: connected(one, old) and connected(one, late) and connected(old, late))
        assert tuple(sorted(code for code, _ in one.host.alarms)) == (
            "certificate_expired",
            "certificate_expires_7d",
        )
        assert any("old" in text for _, text in one.host.alarms)
        assert [code for code, _ in old.host.alarms].count("certificate_expired") == 1
        assert one.peer(old)["certificate_days"] in {-4, -3}
        await asyncio.sleep(0.1)
        assert len(one.host.alarms) == 2

    run(tmp_path, test, loop)


def test_a_renewed_certificate_is_taken_without_a_restart(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        one = await world.start("one", days=3, certificate_every=0.02)
        settings = world.settings("other", one)
        other = await world.run(settings)
        third = await world.start("third", other, listening=False, days=3, certificate_every=0.02)
        await until(lambda: connected(one, other) and connected(third, other))
        await until(lambda: connected(one, third))
        before, file = one.id, world.folder / "one.cert.pem"
        # What cannot be used is told and left.
        file.write_bytes(file.read_bytes()[:100])
        await until(lambda: [code for code, _ in one.host.alarms][-1] == "own_certificate_refused")
        file.write_bytes(x509.pem(world.renew("one", 300)))
        await until(lambda: one.network.certificate.days(now_ms()) > 290)
        await until(lambda: days_left(other, one) > 290)
        await until(lambda: days_left(third, one) > 290)
        assert one.id == before
        # Who was dialled is asked to come again; who dialled replaces the connection.
        assert "peer_renewed" in other.host.reasons(one.id)
        (world.folder / "third.cert.pem").write_bytes(x509.pem(world.renew("third", 300)))
        await until(lambda: days_left(other, third) > 290)
        assert {"replaced", "peer_replaced"} & set(other.host.reasons(third.id))
        # Nobody has a reason to raise the alarm again.
        for node in (one, other, third):
            node.host.alarms.clear()
            node.network.set_authorities(world.authorities)
        await until(lambda: connected(one, other) and connected(one, third))
        await until(lambda: connected(third, other))
        await asyncio.sleep(0.1)
        assert [node.host.alarms for node in (one, other, third)] == [[], [], []]

    run(tmp_path, test)


def test_a_new_key_is_a_new_node_and_needs_a_restart(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        one = await world.start("one", certificate_every=0.02)
        before = one.id
        other = await world.start("other", one)
        await until(lambda: connected(one, other))
        world.organisation().issue(world.folder, "one")
        await until(lambda: any("start the node again" in text for _, text in one.host.alarms))
        assert one.id == before
        assert connected(one, other)

    run(tmp_path, test)


def _new_key(world: World) -> None:
    world.organisation().issue(world.folder, "one")


def _of_an_authority_that_is_not_listed(world: World) -> None:
    stranger = Organisation("Alpha Bank")
    (world.folder / "one.cert.pem").write_bytes(world.renewed_by(stranger, "one", 300))


def _half_a_certificate(world: World) -> None:
    file = world.folder / "one.cert.pem"
    file.write_bytes(file.read_bytes()[:100])


def _half_a_key(world: World) -> None:
    file = world.folder / "one.key.pem"
    file.write_bytes(file.read_bytes()[:100])


@pytest.mark.parametrize(
    "replacement",
    [_new_key, _of_an_authority_that_is_not_listed, _half_a_certificate, _half_a_key],
)
def test_a_refused_certificate_stays_refused_when_the_ledger_changes(
    tmp_path: Path, replacement: Callable[[World], None]
) -> None:
    async def test(world: World) -> None:
        one = await world.start("one", certificate_every=0.02)
        before, key = one.id, (world.folder / "one.key.pem").read_bytes()
        certificate = one.network.certificate
        renewed = x509.pem(world.renew("one", 300))
        other = await world.start("other", one)
        await until(lambda: connected(one, other))
        replacement(world)
        await until(lambda: one.host.alarms)
        world.organisation("Beta")
        one.network.follow(world.authorities, [], NodeLists())
        # New connections show the certificate of before, and know the new organisation.
        beta = await world.start("beta", one, organisation="Beta")
        await until(lambda: connected(one, beta))
        assert connected(one, other)
        assert (one.id, one.network.certificate) == (before, certificate)
        # A listing that no longer covers it is followed too, as with good files.
        one.network.follow([world.organisation("Beta").authority], [], NodeLists())
        assert one.host.reasons(other.id) == ["authority"]
        one.network.follow(world.authorities, [], NodeLists())
        (world.folder / "one.key.pem").write_bytes(key)
        (world.folder / "one.cert.pem").write_bytes(renewed)
        await until(lambda: days_left(beta, one) > 290)
        await until(lambda: connected(one, other))
        assert one.id == before

    run(tmp_path, test)


def test_a_certificate_is_taken_once_the_ledger_lists_its_authority(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        one = await world.start("one", certificate_every=0.02)
        new = Organisation("Alpha Bank")
        (world.folder / "one.cert.pem").write_bytes(world.renewed_by(new, "one", 300))
        await until(lambda: one.host.alarms)
        assert one.network.certificate.days(now_ms()) < 290
        one.network.follow([*world.authorities, new.authority], [], NodeLists())
        assert one.network.certificate.days(now_ms()) > 290
        assert [code for code, _ in one.host.alarms] == ["own_certificate_refused"]

    run(tmp_path, test)


def test_own_trust_list(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.organisation("Beta")
        trust = TrustRules(allow_organisations=frozenset({"Beta"}))
        one = await world.start("one", policy=replace(FAST, trust=trust))
        other = await world.start("other", one)
        friend = await world.start("friend", one, organisation="Beta")
        await until(lambda: connected(one, friend))
        await until(lambda: reason(one, other) == "not_trusted")
        await until(lambda: _address(other, one)["reason"] == "peer_not_trusted")

    run(tmp_path, test)


def test_penalties(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        one = await world.start("one")
        other = await world.start("other", one)
        await until(lambda: connected(one, other))
        one.network.penalise(other.id, "wrong_block", ban=60)
        assert one.host.reasons(other.id) == ["wrong_block"]
        assert one.peer(other)["state"] == "banned"
        assert one.peer(other)["reason"] == "wrong_block"
        await until(lambda: other.host.reasons(one.id) == ["peer_wrong_block"])
        await until(lambda: _address(other, one)["reason"] == "peer_banned")
        assert not one.network.peers
        assert one.network.pardon(other.id)
        await until(lambda: connected(one, other))
        one.network.penalise(b"x" * 32, "nobody")

    run(tmp_path, test)


def test_the_own_certificate_must_be_good(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        settings = world.settings("one")
        world.organisation("Beta")
        with pytest.raises(x509.CertificateError, match="no authority"):
            await world.run(settings, None, (world.organisation("Beta").authority,))
        other = world.settings("other")
        with pytest.raises(OSError, match="KEY"):
            await world.run(replace(settings, key=other.key))
        assert settings.chain == CHAIN

    run(tmp_path, test)
