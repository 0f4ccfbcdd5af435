"""Intake: which consensus messages of peers reach the engine, and which are passed on.

A message is verified once. A repetition is dropped; what concerns another height only tells who
is behind: a peer, which gets this node's status, or this node itself.
"""

from collections.abc import Callable

from bubi.consensus import driver, guard
from bubi.consensus.engine import (
    Configuration,
    ConsensusMessage,
    EngineMessage,
    Message,
    VoteMessage,
)
from bubi.messages import Consensus
from bubi.replica.events import Action, Alarm, Peer, PenalisePeer, SendTo
from bubi.replica.links import CONSENSUS_PER_SECOND, INVALID_PER_SECOND, Link, Links
from bubi.replica.relay import BYTES_PER_MEMBER_MAX, KNOWN, NEW, Routes, Seen, size_of
from bubi.replica.settings import Checks
from bubi.replica.status import Statuses

EARLY_HEIGHTS = driver.FUTURE_HEIGHTS
"""Heights above the one in work whose messages are taken."""


class Intake:
    """See the module. `out` receives the actions.

    `behind` is called with a peer that seems to be behind, `ahead` with one that shows a height.
    """

    def __init__(
        self,
        out: list[Action],
        checks: Checks,
        links: Links,
        statuses: Statuses,
        behind: Callable[[Peer], None],
        ahead: Callable[[Peer, int], None],
    ) -> None:
        self._out = out
        self._checks = checks
        self._links = links
        self._statuses = statuses
        self._behind = behind
        self._ahead = ahead
        self._seen = Seen()
        self._routes = Routes(statuses.node, statuses.links)
        self._configuration: Configuration | None = None
        self._height = 0
        self._quiet = False
        self._twin = False

    def start(self, height: int, configuration: Configuration) -> None:
        """A height begins."""
        before = self._configuration
        if before is not None and before.epoch != configuration.epoch:
            # What came early was said by the members of another set, under other numbers.
            self._seen = Seen()
        self._height = height
        self._configuration = configuration
        self._quiet = False
        self._seen.forget(height - 1)

    def tick(self, *, quiet: bool) -> None:
        """Once a second; `quiet`: nothing was decided in it."""
        if self._quiet:
            # Two seconds without a block: what is sent again may be needed again.
            self._seen.clear(self._height)
        self._quiet = quiet

    def links_changed(self) -> None:
        """Connections, or what peers say of theirs, changed."""
        self._routes.changed(self._links.validators)

    def take(
        self, peer: Peer, link: Link, envelope: Consensus, signed_here: guard.GuardState
    ) -> Message | None:
        """What the engine shall see of a message. `signed_here` is this node's own guard."""
        signed = envelope.message.signed
        request = signed.request
        ahead = request.height - self._height
        configuration = self._configuration
        assert configuration is not None
        link.consensus += 1
        if link.consensus > CONSENSUS_PER_SECOND or link.invalid > INVALID_PER_SECOND:
            self._links.flood(peer, link, "consensus messages")
        elif ahead < 0:
            self._stale(peer, link, ahead)
        elif request.epoch != configuration.epoch:
            # Of an epoch that this node does not know yet: it will be said again.
            pass
        elif signed.validator == configuration.own:
            self._own(link, signed, signed_here)
        elif ahead > EARLY_HEIGHTS:
            self._far_ahead(peer, link, signed)
        else:
            return self._current(peer, link, envelope)
        return None

    def _current(self, peer: Peer, link: Link, envelope: Consensus) -> Message | None:
        """A message of the height in work or soon to come: taken once, and passed on."""
        message = envelope.message
        signed = message.signed
        height = signed.request.height
        configuration = self._configuration
        assert configuration is not None
        if size_of(message) > (len(configuration.members) + 1) * BYTES_PER_MEMBER_MAX:
            # Before anything is verified or passed on.
            self._out.append(PenalisePeer(peer, "a consensus message longer than any may be"))
            return None
        direct = self._statuses.member(peer) == signed.validator
        verdict = self._seen.look(message, height, early=height > self._height, direct=direct)
        if verdict != NEW:
            if verdict != KNOWN and direct:
                self._links.flood(peer, link, "messages of one validator")
            return None
        if not self._is_authentic(message):
            link.invalid += 1
            self._out.append(PenalisePeer(peer, "a consensus message with a wrong signature"))
            return None
        self._seen.take(message, height)
        route = self._routes.beyond(signed.validator, peer)
        if route:
            self._out.append(SendTo(route, envelope))
        return Message(signed.validator, message)

    def _is_authentic(self, message: ConsensusMessage) -> bool:
        """Whether its author said this: `signed` is theirs, and covers what else is in it.

        (What a proposal carries beside its digest is the engine's to check.)
        """
        configuration = self._configuration
        assert configuration is not None
        signed = message.signed
        if not 0 <= signed.validator < len(configuration.members):
            return False
        if isinstance(message, EngineMessage):
            covered = self._checks.hash(message.kind.encode() + b"\0" + message.body)
            if covered != signed.request.digest:
                return False
        return self._checks.verify(configuration, signed)

    def _stale(self, peer: Peer, link: Link, ahead: int) -> None:
        """Tells a peer that is behind where this node stands, once a second.

        The last votes of the newest block come late in normal work; they say nothing.
        """
        if not link.told and (ahead < -1 or self._quiet):
            link.told = True
            self._behind(peer)

    def _far_ahead(self, peer: Peer, link: Link, signed: VoteMessage) -> None:
        """A message of its own author far ahead shows which height that node has."""
        if self._statuses.member(peer) != signed.validator or link.judged:
            return
        link.judged = True
        assert self._configuration is not None
        if self._checks.verify(self._configuration, signed):
            self._ahead(peer, signed.request.height - 1)

    def _own(self, link: Link, signed: VoteMessage, signed_here: guard.GuardState) -> None:
        """Its own message come back, or a sign that another process has this node's key."""
        request = signed.request
        if self._twin or link.judged or request.height != self._height:
            return
        if request in guard.signed_at(signed_here, self._height):
            return
        link.judged = True
        assert self._configuration is not None
        if self._checks.verify(self._configuration, signed):
            self._twin = True
            self._out.append(
                Alarm(
                    "key_used_elsewhere",
                    f"a vote for height {request.height} carries this node's signature, which it "
                    "never gave: another process runs with its key",
                )
            )
