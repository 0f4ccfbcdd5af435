"""Statuses: what the nodes of the network say of themselves, the newest of each.

A validator's status is signed with its vote key and is the proof of which member a node is. An
observer's counts only on its own connection.
"""

from dataclasses import dataclass, replace

from bubi.consensus.engine import Configuration
from bubi.messages import Status
from bubi.replica.events import Peer
from bubi.replica.settings import Checks
from bubi.replica.view import HeardStatus

STATUSES_MAX = 256
"""Nodes whose newest status is kept; the one heard longest ago goes first."""
LINKS_MAX = 256
"""Links in one status."""


@dataclass(slots=True, eq=False)
class _Heard:
    status: Status
    tick: int
    key: bytes | None
    links: dict[bytes, None]


class Statuses:
    """See the module."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._configuration: Configuration | None = None
        self._heard: dict[bytes, _Heard] = {}
        self._members: dict[bytes, int] = {}
        self._nodes: dict[int, bytes] = {}
        self._tick = 0

    def configure(self, configuration: Configuration) -> None:
        """Takes the set in force; nodes keep their place by their keys."""
        self._configuration = configuration
        self._map()

    def tick(self) -> None:
        """A second passed."""
        self._tick += 1

    def member(self, node: bytes) -> int | None:
        """The member that a node proved to be."""
        return self._members.get(node)

    def node(self, member: int) -> bytes | None:
        """The node that proved to be a member, the newest if there are several."""
        return self._nodes.get(member)

    def links(self, node: bytes) -> dict[bytes, None] | None:
        """The nodes that a node says it is connected to; None if it has said nothing."""
        heard = self._heard.get(node)
        return None if heard is None else heard.links

    def newest(self, node: bytes) -> HeardStatus | None:
        """The newest status of a node."""
        heard = self._heard.get(node)
        return None if heard is None else HeardStatus(heard.status, self._tick - heard.tick)

    def observers(self) -> tuple[HeardStatus, ...]:
        """The newest statuses of nodes that are no members."""
        return tuple(
            HeardStatus(heard.status, self._tick - heard.tick)
            for node, heard in self._heard.items()
            if node not in self._members
        )

    def peer_up(self, peer: Peer) -> None:
        """A new connection: its node may have started anew, with any sequence."""
        heard = self._heard.get(peer)
        if heard is not None:
            heard.status = replace(heard.status, sequence=-1)

    def is_new(self, status: Status) -> bool:
        """Whether it is later than what is known of that node."""
        heard = self._heard.get(status.node)
        return heard is None or status.sequence > heard.status.sequence

    def accept(self, peer: Peer, status: Status) -> str | None:
        """Takes a status that is new; returns why not if it is refused."""
        configuration = self._configuration
        if len(status.links) > LINKS_MAX:
            return "a status with too many links"
        key: bytes | None = None
        if status.validator is None:
            if status.node != peer:
                return "a status of an observer that is not connected here"
        elif configuration is None or not 0 <= status.validator < len(configuration.members):
            return "a status of no member of the set"
        elif not self._checks.verify_status(configuration, status):
            return "a status with a wrong signature"
        else:
            key = configuration.members[status.validator].key
        if status.node not in self._heard and len(self._heard) >= STATUSES_MAX:
            oldest = min(self._heard, key=lambda node: (self._heard[node].tick, node))
            del self._heard[oldest]
        links = {link.peer: None for link in status.links}
        # Taken out first: the newest stand last, and `node` finds the newest of a member.
        self._heard.pop(status.node, None)
        self._heard[status.node] = _Heard(status, self._tick, key, links)
        self._map()
        return None

    def _map(self) -> None:
        self._members = {}
        self._nodes = {}
        if self._configuration is None:
            return
        indexes = {member.key: member.index for member in self._configuration.members}
        for node, heard in self._heard.items():
            index = indexes.get(heard.key) if heard.key is not None else None
            if index is not None:
                self._members[node] = index
                self._nodes[index] = node
