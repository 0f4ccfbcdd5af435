"""Statuses: what the nodes of the network say of themselves, the newest of each.

A validator's status is signed with its vote key. Heard on the node's own connection it proves
which member that node is; relayed it tells where the member stands. The two are kept apart: a
member may claim any node id in what it signs, but only the connection shows whose it is.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bubi.consensus.engine import Configuration
from bubi.messages import Status
from bubi.replica.events import Action, Peer, SendTo, SignStatus
from bubi.replica.settings import Checks
from bubi.replica.view import HeardStatus

STATUSES_MAX = 256
"""Members whose newest status is kept: as many as a set can have."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """A status with the second it was heard in and, if it is signed, the member's key."""

    status: Status
    tick: int
    key: bytes | None
    links: dict[bytes, None]


class Statuses:
    """See the module."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._configuration: Configuration | None = None
        self._direct: dict[Peer, _Heard] = {}
        self._signed: dict[bytes, _Heard] = {}
        self._members: dict[Peer, int] = {}
        self._peers: dict[int, Peer] = {}
        self._tick = 0

    def configure(self, configuration: Configuration) -> None:
        """Takes the set in force; members keep their place by their keys.

        A connected node may have said before that it is a member of this set.
        """
        self._configuration = configuration
        keys = {member.key: None for member in configuration.members}
        self._signed = {key: heard for key, heard in self._signed.items() if key in keys}
        for peer, heard in self._direct.items():
            if heard.key is None:
                key = self._signer(heard.status, must_be_new=False)
                if key is not None:
                    self._direct[peer] = self._signed[key] = replace(heard, key=key)
        self._map()

    def tick(self) -> None:
        """A second passed."""
        self._tick += 1

    def peer_down(self, peer: Peer) -> None:
        """A connection ended: its node may come back anew, with any sequence."""
        if self._direct.pop(peer, None) is not None:
            self._map()

    def member(self, peer: Peer) -> int | None:
        """The member that a connected node proved to be."""
        return self._members.get(peer)

    def peer(self, member: int) -> Peer | None:
        """The connected node that proved to be a member."""
        return self._peers.get(member)

    def node(self, member: int) -> bytes | None:
        """The node id that a member gives, connected or not."""
        assert self._configuration is not None
        heard = self._signed.get(self._configuration.members[member].key)
        return None if heard is None else heard.status.node

    def links(self, peer: Peer) -> dict[bytes, None] | None:
        """The nodes that a connected node says it is connected to; None if it said nothing."""
        heard = self._direct.get(peer)
        return None if heard is None else heard.links

    def of_member(self, key: bytes) -> HeardStatus | None:
        """The newest status of a member."""
        heard = self._signed.get(key)
        return None if heard is None else HeardStatus(heard.status, self._tick - heard.tick)

    def observers(self) -> tuple[HeardStatus, ...]:
        """The newest statuses of connected nodes that are no members."""
        return tuple(
            HeardStatus(heard.status, self._tick - heard.tick)
            for peer, heard in self._direct.items()
            if peer not in self._members
        )

    def accept(self, peer: Peer, status: Status) -> bool:
        """Takes a status; False if it is old, or relayed without a member's signature.

        No one is blamed for a signature that does not fit: a node of another epoch has other
        members in mind.
        """
        direct = status.node == peer
        before = self._direct.get(peer) if direct else None
        if before is not None and status.sequence <= before.status.sequence:
            return False
        key = self._signer(status, must_be_new=not direct)
        if key is None and not direct:
            return False
        links = {link.peer: None for link in status.links}
        heard = _Heard(status, self._tick, key, links)
        if key is not None and (key in self._signed or len(self._signed) < STATUSES_MAX):
            self._signed[key] = heard
        if direct:
            self._direct[peer] = heard
            if before is None or before.key != key:
                self._map()
        return True

    def _signer(self, status: Status, *, must_be_new: bool) -> bytes | None:
        configuration = self._configuration
        index = status.validator
        if configuration is None or index is None or not 0 <= index < len(configuration.members):
            return None
        key = configuration.members[index].key
        heard = self._signed.get(key)
        if must_be_new and heard is not None and status.sequence <= heard.status.sequence:
            return None
        return key if self._checks.verify_status(configuration, status) else None

    def _map(self) -> None:
        self._members = {}
        self._peers = {}
        if self._configuration is None:
            return
        indexes = {member.key: member.index for member in self._configuration.members}
        for peer, heard in self._direct.items():
            index = indexes.get(heard.key) if heard.key is not None else None
            if index is not None:
                self._members[peer] = index
                self._peers[index] = peer


class OwnStatus:
    """Signs and sends this node's status; one signature is under way at a time.

    `draft` makes a status of a sequence number from what the replica knows.
    """

    def __init__(
        self, out: list[Action], first_sequence: int, draft: Callable[[int], Status]
    ) -> None:
        self._out = out
        self._sequence = first_sequence
        self._draft = draft
        self._newest: Status | None = None
        self._signing = False
        self._to_all = False
        self._to: dict[Peer, None] = {}

    def tell(self, peer: Peer, height: int) -> None:
        """Sends it to one peer: the newest, if it is of this height."""
        if self._newest is not None and self._newest.height == height:
            self._out.append(SendTo((peer,), self._newest))
            return
        self._to[peer] = None
        self._sign()

    def tell_all(self) -> None:
        """Signs a new one for all peers."""
        self._to_all = True
        self._sign()

    def signed(self, status: Status, peers: tuple[Peer, ...]) -> None:
        """The host signed it."""
        self._signing = False
        self._newest = status
        waiting = peers if self._to_all else tuple(peer for peer in self._to if peer in peers)
        self._to_all = False
        self._to.clear()
        if waiting:
            self._out.append(SendTo(waiting, status))

    def _sign(self) -> None:
        if not self._signing:
            self._signing = True
            self._sequence += 1
            self._out.append(SignStatus(self._draft(self._sequence)))
