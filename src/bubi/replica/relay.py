"""Relay: consensus messages are taken once each, and passed on to peers that may lack them.

Each message is verified once. It goes on to the peers that, by their own newest status, have no
direct link to its author, so that any connected graph of correct nodes decides (protocol.md 5)
and a full mesh relays nothing.
"""

from collections.abc import Callable

from bubi.consensus.engine import ConsensusMessage, EngineMessage, ProposalMessage
from bubi.replica.events import Peer

PER_AUTHOR_MAX = 1_024
"""Different messages of one member kept for the height in work."""
PER_AUTHOR_EARLY_MAX = 64
"""The same for each height above."""
PER_AUTHOR_BYTES_MAX = 64 * 1024 * 1024
"""Bytes of what is kept of one member for the height in work; more than a round of any set."""
PER_AUTHOR_EARLY_BYTES_MAX = 16 * 1024 * 1024 + 65_536
"""The same for each height above; at least one message of any size."""
BYTES_PER_MEMBER_MAX = 131_072
"""Bytes of one message per member of the set, and as many again: a new view carries a view change
of each, with a proposal and its certificate."""
VARIANTS_MAX = 4
"""Different messages with one signature (what it does not cover may have been changed).

Its author has as many again: others must not be able to shut out the true one.
"""

Verdict = str
NEW, KNOWN, FULL = "new", "known", "full"


class Seen:
    """Messages taken so far, by height; heights at or below the tip are forgotten."""

    def __init__(self) -> None:
        self._heights: dict[int, dict[bytes, list[ConsensusMessage]]] = {}
        self._counts: dict[tuple[int, int], int] = {}
        self._bytes: dict[tuple[int, int], int] = {}

    def look(
        self, message: ConsensusMessage, height: int, *, early: bool, direct: bool
    ) -> Verdict:
        """Whether a message is new here and may be taken.

        `direct`: it came from its author. Variants that others made of its signature must not
        keep out what the author says next with the same signature.
        """
        signed = message.signed
        taken = self._heights.get(height)
        if taken is not None:
            variants = taken.get(signed.signature)
            if variants is not None:
                if message in variants:
                    return KNOWN
                if len(variants) >= (2 * VARIANTS_MAX if direct else VARIANTS_MAX):
                    return FULL
        key = (height, signed.validator)
        most = PER_AUTHOR_EARLY_MAX if early else PER_AUTHOR_MAX
        bytes_max = PER_AUTHOR_EARLY_BYTES_MAX if early else PER_AUTHOR_BYTES_MAX
        size = self._bytes.get(key, 0) + size_of(message)
        return FULL if self._counts.get(key, 0) >= most or size > bytes_max else NEW

    def take(self, message: ConsensusMessage, height: int) -> None:
        """Remembers a message that was verified."""
        signed = message.signed
        taken = self._heights.setdefault(height, {})
        taken.setdefault(signed.signature, []).append(message)
        key = (height, signed.validator)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._bytes[key] = self._bytes.get(key, 0) + size_of(message)

    def clear(self, height: int) -> None:
        """Forgets the height in work: what is sent again reaches the engine again.

        What came early was kept by the driver, whose memory these bounds are for too.
        """
        self.forget(height)

    def forget(self, tip: int) -> None:
        """Forgets decided heights."""
        for height in [height for height in self._heights if height <= tip]:
            del self._heights[height]
        for key in [key for key in self._counts if key[0] <= tip]:
            del self._counts[key]
            del self._bytes[key]


def size_of(message: ConsensusMessage) -> int:
    """Bytes of a message that its author may make long."""
    if isinstance(message, EngineMessage):
        return len(message.body)
    if isinstance(message, ProposalMessage):
        payload = sum(map(len, message.payload))
        return len(message.proposal) + payload + len(message.justification)
    return 0


class Routes:
    """To whom a member's messages are passed on; computed once per change of peers or links."""

    def __init__(
        self,
        node_of: Callable[[int], bytes | None],
        links_of: Callable[[bytes], dict[bytes, None] | None],
    ) -> None:
        self._node_of = node_of
        self._links_of = links_of
        self._peers: tuple[Peer, ...] = ()
        self._routes: dict[int, tuple[Peer, ...]] = {}

    def changed(self, peers: tuple[Peer, ...]) -> None:
        """Peers that take part, after a change of connections, links or members."""
        self._peers = peers
        self._routes.clear()

    def beyond(self, author: int, peer: Peer) -> tuple[Peer, ...]:
        """Peers that a message of this author, received from a peer, is passed on to."""
        route = self._routes.get(author)
        if route is None:
            self._routes[author] = route = self._compute(author)
        if route and peer in route:
            return tuple(other for other in route if other != peer)
        return route

    def _compute(self, author: int) -> tuple[Peer, ...]:
        node = self._node_of(author)
        if node is None:
            return self._peers
        route = []
        for peer in self._peers:
            links = self._links_of(peer)
            if peer != node and (links is None or node not in links):
                route.append(peer)
        return tuple(route)
