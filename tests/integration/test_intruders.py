"""Nodes with valid certificates attack a running network of four, all at the same time.

The network goes on deciding, and every node says in its peers, metrics and log what was done to
it. What one connection can do is in tests/network/test_hostile.py; here whole nodes are attacked
by what the frames carry as well.
"""

import asyncio
import contextlib
import os
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from network import Net, command, get, wait_for

from bubi.consensus.engine import EngineMessage, VoteMessage
from bubi.consensus.guard import Phase, VoteRequest
from bubi.ledger import decode_certificate
from bubi.messages import Blocks, BlocksRequest, Consensus
from bubi.network import certificates as x509
from bubi.network.channels import _FIRST, CHUNK_BYTES_MIN
from bubi.network.frames import HEADER, FrameKind, encode
from bubi.node.certificates import organisation_of, read_certificate, to_der

from .intruder import Intruder, Place

TRANSACTIONS_MIN = 8
AHEAD = 8
"""Heights from the newest one on for which is forged: the network decides meanwhile."""
REPLAYS = 2_000


async def garbage(one: Intruder) -> None:
    one.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await one.gone()


async def malformed(one: Intruder) -> None:
    """A good frame with bytes that are no message."""
    one.say(FrameKind.WHOLE, b"\0\0" + os.urandom(200))
    await one.gone()


async def huge_frame(one: Intruder) -> None:
    one.raw(HEADER.pack(2**32 - 1, FrameKind.WHOLE))
    await one.gone()


async def huge_message(one: Intruder) -> None:
    one.say(FrameKind.FIRST, _FIRST.pack(0, 0, 2**32 - 1) + bytes(CHUNK_BYTES_MIN))
    await one.gone()


async def half_a_frame(one: Intruder) -> None:
    """And then nothing at all, not even an answer to a ping."""
    one.raw(HEADER.pack(1_000, FrameKind.WHOLE) + bytes(500))
    await one.gone()


async def flood_of_pings(one: Intruder) -> None:
    one.raw(encode(FrameKind.PING, bytes(8)) * 1_000)
    await one.gone()


async def flood_of_requests(one: Intruder) -> None:
    for number in range(400):
        one.tell(BlocksRequest(number, 1, 1))
    await one.fetch(1)


async def forged_votes(one: Intruder) -> None:
    """Votes of members for the heights in work, with signatures of nobody."""
    round_ = 0
    while not one.closed_with:
        height = await one.victim_height()
        for ahead in range(AHEAD):
            round_ += 1
            vote = VoteRequest(0, "pbft", height + ahead, round_, Phase.FIRST, os.urandom(32))
            one.tell(Consensus(VoteMessage(round_ % 4, vote, os.urandom(64))))
    await one.gone()


async def forged_view_changes(one: Intruder) -> None:
    """A stale view and a view far ahead, in the names of all members."""
    while not (await one.seen())["misdeeds"]:
        height = await one.victim_height()
        for ahead in range(AHEAD):
            for member, round_ in enumerate((0, 1, 7, 2**40)):
                wanted = VoteRequest(
                    0, "pbft", height + ahead, round_, Phase.CHANGE, os.urandom(32)
                )
                said = VoteMessage(member, wanted, os.urandom(64))
                one.tell(Consensus(EngineMessage(said, "view_change", os.urandom(40))))


async def replayed_votes(one: Intruder) -> None:
    """True votes of old heights and views, again and again: they say nothing and cost little."""
    parts = await one.fetch(1)
    certificate = decode_certificate(parts.certificate)
    for _ in range(REPLAYS // len(certificate.votes)):
        for member, signature in certificate.votes:
            one.tell(Consensus(VoteMessage(member, certificate.request, signature)))
        await asyncio.sleep(0)
    # They were read: an answer to what came behind them is here.
    await one.fetch(1)


async def inflated_height(one: Intruder) -> None:
    """A height that does not exist, and no blocks of it."""
    one.claim(10**9)
    with contextlib.suppress(ConnectionError):
        while True:
            one.tell(Blocks((await one.asked()).number, ()))
    await one.gone()


async def falling_height(one: Intruder) -> None:
    one.claim(1)
    one.claim(0)
    await one.gone()


async def wrong_body(one: Intruder) -> None:
    """A true block under the number of one that nobody decided."""
    parts = await one.fetch(1)
    one.claim(await one.victim_height() + 50)
    # Until one of them is tried: consensus may decide a height before that.
    with contextlib.suppress(ConnectionError):
        while True:
            request = await one.asked()
            heights = range(request.first, request.last + 1)
            one.tell(Blocks(request.number, tuple(replace(parts, height=at) for at in heights)))
    await one.gone()


async def stalled(one: Intruder) -> None:
    """A height that does not exist, and no answer; it stays until that was noticed."""
    one.claim(10**9)
    await one.asked()
    await one.noticed()


SCRIPTS = {
    # name: (script, reason in the peers, name of the counter of the network)
    "garbage": (garbage, "frame_kind", "closed_frame_kind"),
    "malformed": (malformed, "malformed", "closed_malformed"),
    "huge-frame": (huge_frame, "frame_length", "closed_frame_length"),
    "huge-message": (huge_message, "message_length", "closed_message_length"),
    "half-a-frame": (half_a_frame, "silent", "closed_silent"),
    "ping-flood": (flood_of_pings, "ping_flood", "closed_ping_flood"),
    "request-flood": (flood_of_requests, "asks for too many blocks", None),
    "forged-votes": (forged_votes, "too_many_misdeeds", "closed_too_many_misdeeds"),
    "forged-changes": (forged_view_changes, "a consensus message with a wrong signature", None),
    "replayed-votes": (replayed_votes, "", None),
    "inflated": (inflated_height, "claims_height_1000000000_and_does_not_deliver_it", "bans"),
    "falling": (falling_height, "its_height_fell_from_1_to_0", "bans"),
    "wrong-body": (wrong_body, "a_wrong_block_", "bans"),
    "stalled": (stalled, "delivers blocks too slowly", None),
}


@pytest.fixture
def net(tmp_path):
    folder = tmp_path / "network"
    started = command("up", "--detach", "--data", folder, "--json")
    assert started.status == 0, started.err
    try:
        yield Net(folder)
    finally:
        assert command("reset", "--yes", "--data", folder).status == 0


def port_of(net, name):
    text = (Path(net.nodes[name]["data"]) / "config.toml").read_text(encoding="utf-8")
    return int(re.search(r"(?m)^port = (\d+)$", text.partition("[network]")[2])[1])


def places(net):
    """How to reach each node, with a certificate that the first organisation issued."""
    folders = [Path(one["data"]) / "authority" for one in net.nodes.values()]
    found = [read_certificate(folder / "cert.pem") for folder in folders]
    authorities = tuple(x509.Authority(organisation_of(one), to_der(one)) for one in found)
    chain = bytes.fromhex(get(f"{net.url('node1')}/v1/network").json()["chain_id"])
    return {name: Place(chain, authorities, folders[0], port_of(net, name)) for name in net.nodes}


async def attack(intruders):
    """All scripts at once."""

    async def run(script, one):
        await one.connect()
        try:
            await script(one)
        except TimeoutError as error:
            msg = f"{one.name}: nothing happened"
            raise TimeoutError(msg) from error
        finally:
            await one.close()

    await asyncio.gather(*(run(script, one) for script, one in intruders))


def test_the_network_goes_on_and_says_what_was_done_to_it(net, tmp_path):
    for _ in range(3):
        net.transact("node1")
    reach, nodes = places(net), sorted(net.nodes)
    victims = {name: nodes[number % len(nodes)] for number, name in enumerate(SCRIPTS)}
    intruders = [
        (
            script,
            Intruder(
                reach[victims[name]],
                tmp_path / name,
                name,
                lambda own, victim=victims[name]: net.peers(victim)[own],
                lambda victim=victims[name]: net.state(victim)[0],
            ),
        )
        for name, (script, _, _) in SCRIPTS.items()
    ]
    failures = []

    def attacking():
        try:
            asyncio.run(attack(intruders))
        except BaseException as error:
            failures.append(error)

    before = net.state("node1")[0]
    attackers = threading.Thread(target=attacking)
    attackers.start()
    sent = 0
    while attackers.is_alive() or sent < TRANSACTIONS_MIN:
        net.transact(nodes[sent % len(nodes)])
        sent += 1
    attackers.join()
    assert failures == []
    height, _ = net.level(*nodes)
    assert height >= before + TRANSACTIONS_MIN
    for name, (_, reason, counter) in SCRIPTS.items():
        told(net, victims[name], name, reason, counter)
    # Nobody else was blamed, and all still speak with each other.
    for name in nodes:
        found = wait_for(lambda name=name: known_validators(net, name))
        assert {one["violations"] for one in found} == {0}
        # A machine that is busy may be slow, and nothing else.
        assert {one["misdeed"] for one in found} <= {"", "delivers blocks too slowly"}
    assert net.command("why", "--json").status == 0


def known_validators(net, name):
    """The other validators once it is connected with them."""
    found = [one for other, one in net.connected(name).items() if other in net.nodes]
    return found if len(found) == len(net.nodes) - 1 else None


def told(net, victim, name, reason, counter):
    """What was done stands in the peers, in the metrics and in the log."""
    seen = wait_for(lambda: net.peers(victim).get(name))
    said = f"{seen['reason']}|{seen['misdeed']}"
    assert reason in said, (name, said)
    if counter is not None:
        assert net.counter(victim, counter) > 0, name
    penalised = seen["misdeeds"] > 0 or seen["violations"] > 0 or seen["reason"] == "silent"
    assert penalised is bool(reason), (name, seen)
    log = net.log(victim)
    assert f"connected to {name} " in log
    if reason == "silent":
        assert f"connection to {name} ended: silent" in log
    elif seen["violations"]:
        assert re.search(rf"{name} broke the protocol|{seen['id'][:16]}.*", log), name
    elif reason:
        assert re.search(rf"peer {seen['id'][:16]}: ", log), name
