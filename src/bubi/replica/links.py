"""Links: the direct connections of a node, and what each may send within a second."""

from dataclasses import dataclass

from bubi.replica.events import Action, Peer, PeerUp, PenalisePeer

# Beyond these numbers messages of a peer are dropped until the second ends, and it is reported.
CONSENSUS_PER_SECOND = 20_000
INVALID_PER_SECOND = 16
"""Consensus messages with a wrong signature; after so many none is checked any more."""
BATCHES_PER_SECOND = 2_000
WISHES_PER_SECOND = 512
WISHES_GRANTED_MAX = 8
"""Wishes for a block that count before a peer must wait; more are no offence, because peers pass
them on."""
WISH_TICKS = 4
"""Seconds after which one more of them counts: so often a liar can get an empty block."""
DIGESTS_PER_SECOND = 65_536
"""Batches named by announcements; an honest peer holds 2,048 and names each a few times."""
TRANSACTIONS_PER_SECOND = 256
STATUSES_PER_SECOND = 1_024
BLOCKS_PER_SECOND = 512


@dataclass(slots=True, eq=False)
class Link:
    """A direct connection; what follows `grants` starts again every second.

    `grants` are the wishes for a block that still count.
    `told`: it was sent this node's status because it seems to be behind. `judged`: a signature of
    it was checked that is worth one check a second. `reported`: its flood was reported.
    """

    name: str
    organisation: str
    observer: bool
    grants: int = WISHES_GRANTED_MAX
    consensus: int = 0
    invalid: int = 0
    batches: int = 0
    digests: int = 0
    wishes: int = 0
    transactions: int = 0
    statuses: int = 0
    blocks: int = 0
    told: bool = False
    judged: bool = False
    reported: bool = False


class Links:
    """See the module. Observers take no part in consensus and dissemination."""

    def __init__(self, out: list[Action]) -> None:
        self._out = out
        self._links: dict[Peer, Link] = {}
        self._ticks = 0
        self.peers: tuple[Peer, ...] = ()
        self.validators: tuple[Peer, ...] = ()
        self.observers: tuple[Peer, ...] = ()

    def __contains__(self, peer: Peer) -> bool:
        return peer in self._links

    def get(self, peer: Peer) -> Link | None:
        """The connection to a peer, if there is one."""
        return self._links.get(peer)

    def items(self) -> tuple[tuple[Peer, Link], ...]:
        """All connections, oldest first."""
        return tuple(self._links.items())

    def up(self, event: PeerUp) -> None:
        """A connection was made."""
        self._links[event.peer] = Link(event.name, event.organisation, event.observer)
        self._sort()

    def down(self, peer: Peer) -> None:
        """A connection ended."""
        self._links.pop(peer, None)
        self._sort()

    def joined(self, link: Link) -> None:
        """An observer became a member of the set."""
        link.observer = False
        self._sort()

    def left(self, link: Link) -> None:
        """A member left the set: it is an observer now."""
        link.observer = True
        self._sort()

    def tick(self) -> None:
        """Once a second: allowances start again."""
        self._ticks += 1
        for link in self._links.values():
            if self._ticks % WISH_TICKS == 0:
                link.grants = min(WISHES_GRANTED_MAX, link.grants + 1)
            link.consensus = link.invalid = link.batches = link.digests = link.wishes = 0
            link.transactions = link.statuses = link.blocks = 0
            link.told = link.judged = link.reported = False

    def flood(self, peer: Peer, link: Link, what: str) -> None:
        """Reports a peer that sends too much, once a second."""
        if not link.reported:
            link.reported = True
            self._out.append(PenalisePeer(peer, f"flood of {what}"))

    def _sort(self) -> None:
        self.peers = tuple(self._links)
        self.validators = tuple(p for p, link in self._links.items() if not link.observer)
        self.observers = tuple(p for p, link in self._links.items() if link.observer)
