"""What a node tells the network, and what cannot be told."""

from types import SimpleNamespace
from typing import Any

import pytest

from bubi import messages
from bubi.consensus.engine import EngineMessage, VoteMessage
from bubi.consensus.guard import Phase, VoteRequest
from bubi.messages import BlockParts, Blocks, Consensus, Status
from bubi.network.addresses import Address, Neighbour
from bubi.network.channels import MESSAGE_BYTES_MAX, TooLongError
from bubi.network.peers import PeerTable, Policy
from bubi.node import links as links_module
from bubi.node.links import Links, Relayed
from bubi.node.metrics import Metrics
from bubi.node.misdeeds import Misdeeds
from bubi.node.monitoring.clocks import Clocks


class Network:
    """A network with so many peers that takes what fits a message."""

    def __init__(self, peers: int) -> None:
        self.peers = tuple(number.to_bytes(32, "little") for number in range(peers))
        self.sent: list[bytes] = []

    def round_trip(self, peer: bytes) -> float:
        return 0.001

    def send(self, peers: Any, kind: int, payload: bytes, priority: Any) -> tuple[bytes, ...]:
        if len(payload) > MESSAGE_BYTES_MAX[priority]:
            raise TooLongError
        self.sent.append(payload)
        return ()


def links_of(network: Network) -> Links:
    links = Links.__new__(Links)
    links._network, links._metrics = network, Metrics()  # type: ignore[assignment]
    return links


def test_a_status_tells_as_many_links_as_it_may() -> None:
    links = links_of(Network(messages.LINKS_MAX + 500))
    told = links.links()
    assert len(told) == messages.LINKS_MAX
    status = Status(bytes(32), "n", "o", None, 1, 1, 1, bytes(32), bytes(32), 0, 0, 0, told)
    assert messages.decode(messages.encode(status)) == status


@pytest.mark.parametrize("bodies", [(bytes(2**24),) * 5, (bytes(2**25),)])
def test_what_is_too_large_to_be_sent_is_an_alarm_and_no_failure(
    bodies: tuple[bytes, ...],
) -> None:
    network = Network(2)
    links = links_of(network)
    blocks = Blocks(1, (BlockParts(1, b"p", b"c", (b"h",) * len(bodies), bodies),))
    links.send(network.peers, blocks)
    assert network.sent == []
    alarms = links._metrics.alarms.labels("message_unsendable")
    assert alarms._value.get() == 1
    assert links._metrics.unsent._value.get() == 2
    links.send(network.peers, Blocks(2, ()))
    assert len(network.sent) == 1


def vote(number: int) -> bytes:
    request = VoteRequest(0, "pbft", number, 0, Phase.FIRST, bytes(32), b"")
    return messages.encode(Consensus(VoteMessage(1, request, bytes(64))))


def test_a_vote_that_comes_again_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    relayed, decoded = Relayed(), []
    decode = messages.decode
    monkeypatch.setattr(messages, "decode", lambda data: (decoded.append(data), decode(data))[1])
    first = relayed.decode(vote(1))
    assert first == decode(vote(1))
    assert relayed.decode(vote(1)) is first
    assert relayed.decode(vote(2)) != first
    assert decoded == [vote(1), vote(2)]


def test_what_is_recognised_is_bounded() -> None:
    relayed = Relayed()
    first = relayed.decode(vote(0))
    for number in range(1, links_module.RELAYED_MAX):
        relayed.decode(vote(number))
    assert relayed.decode(vote(0)) is first
    relayed.decode(vote(links_module.RELAYED_MAX))
    assert len(relayed._known) == links_module.RELAYED_MAX
    assert relayed.decode(vote(0)) is not first
    # A long message is not kept, nor one that is none.
    request = VoteRequest(0, "pbft", 1, 1, Phase.CHANGE, bytes(32), b"")
    body = bytes(links_module.RELAYED_BYTES_MAX)
    long = messages.encode(Consensus(EngineMessage(VoteMessage(1, request, b"s"), "x", body)))
    assert relayed.decode(long) is not relayed.decode(long)
    for _ in range(2):
        with pytest.raises(messages.MessageError):
            relayed.decode(b"\0\0\1")
    assert len(relayed._known) == links_module.RELAYED_MAX


class Telling:
    """A network that tells what a table of peers knows."""

    def __init__(self, table: PeerTable) -> None:
        self._table = table
        self.certificate = SimpleNamespace(days=lambda now_ms: 100)

    def snapshot(self) -> dict[str, Any]:
        return {"peers": self._table.snapshot(0), "addresses": self._table.addresses(0)}


def links_that_tell(table: PeerTable) -> Links:
    links = Links.__new__(Links)
    links._network, links._metrics = Telling(table), Metrics()  # type: ignore[assignment]
    links._misdeeds, links._clocks, links._names = Misdeeds(), Clocks(), {}
    links._clock = SimpleNamespace(now_ms=lambda: 0)  # type: ignore[assignment]
    return links


def test_seeds_that_were_never_reached_are_told_beside_a_peer_without_an_address() -> None:
    seed, moved, told = (Address("10.0.0.1", port) for port in (1, 2, 3))
    table = PeerTable(bytes(32), Policy())
    table.add_seed(seed)
    # It only dials out: nobody is told where it is.
    table.up(table.seen(b"s" * 32, "silent", "Alpha"), 1, None, 0)
    table.up(table.seen(b"k" * 32, "known", "Alpha"), 1, moved, 0)
    table.down(b"k" * 32, "lost", 0)
    lesson = [Neighbour(b"k" * 32, 1, Address("10.0.0.1", 4)), Neighbour(b"n" * 32, 1, told)]
    assert table.learn(b"s" * 32, lesson, 0) == 0
    shown = [(one["id"], one["name"], one["address"]) for one in links_that_tell(table).snapshot()]
    assert shown == [
        ((b"k" * 32).hex(), "known", str(moved)),
        ((b"s" * 32).hex(), "silent", None),
        (str(seed), str(seed), str(seed)),
        ((b"n" * 32).hex(), str(told), str(told)),
    ]
