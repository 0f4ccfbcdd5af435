"""What a node tells the network, and what cannot be told."""

from typing import Any

import pytest

from bubi import messages
from bubi.messages import BlockParts, Blocks, Status
from bubi.network.channels import MESSAGE_BYTES_MAX, TooLongError
from bubi.node.links import Links
from bubi.node.metrics import Metrics


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
