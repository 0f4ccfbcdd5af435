"""Sync: fetches decided blocks that this node lacks, from several peers, trusting none. Pure.

A peer's height is what its own status says. Heights above the tip are asked for in chunks, from
several peers at once, and applied strictly in order; the ledger verifies each block against its
own validator set (protocol.md 4; research/reliability.md 2.0 rule 7). A peer that gives a wrong
block, whose height falls, or that twice says that it has none of what it claims is banned. One
that does not answer may only be cut off: it loses its chunk to another, is asked last, and then
its claims count for nothing for a while; the third time, without a block in between, it is banned
as well. What it sends late counts: its link may just be thin. Serving others is here too, bounded
per peer.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bubi.consensus.engine import TimerId
from bubi.messages import BlockParts, Blocks, BlocksRequest
from bubi.replica.events import (
    Action,
    ApplyBlock,
    BatchHandle,
    BlocksRead,
    Peer,
    PenalisePeer,
    ReadBlocks,
    SendTo,
    SetTimer,
)

WINDOW = 64
"""Heights above the tip that are fetched or wait to be applied."""
CHUNK = 8
"""Heights in one request."""
REQUESTS_PER_PEER_MAX = 2
"""Requests to one peer under way."""
BUFFER_BYTES_MAX = 128 * 1024 * 1024
"""Bytes of blocks that wait to be applied; beyond it only the next height is fetched."""
BEAT_MS = 500
"""Beat of time-outs while something is fetched."""
REQUEST_BEATS = 4
"""Beats after which a chunk goes to another peer."""
UNDELIVERED_MAX = 2
"""Empty answers about a claimed height after which a peer is banned."""
SLOW_MAX = 2
"""Time-outs in a row after which a peer is penalised, and not believed for a while."""
DISTRUST_TICKS = 5
"""Seconds for which it is not believed; doubled each time, up to the cap."""
DISTRUST_TICKS_MAX = 80
STALLS_MAX = 3
"""Times that a peer is not believed any more, without a block of it in between, until its ban."""
STRAY_PER_SECOND_MAX = 8
"""Answers that nobody waits for; an honest peer has a few when it was slow."""
READS_PER_PEER_MAX = 4
"""Requests of one peer that are being read."""
READS_MAX = 32
"""Requests of all peers that are being read; more wait for their turn."""
LATE_MAX = 2
"""Requests to one peer that ran out and whose answers are still taken: the newest."""
READ_BYTES_MAX = 8 * 1024 * 1024
"""Bytes of blocks in one answer."""

SYNC_TIMER = TimerId(0, 0, "sync")


@dataclass(slots=True, eq=False)
class _Source:
    """A connected peer. `height` is what it claims (-1: nothing yet).

    `stated` is the height of its newest status; its votes may have shown a later one. `late` are
    its newest requests that ran out, by number.
    `resting`: it lacked a height that it had not claimed; it is not asked again in this beat.
    `distrusted` are the seconds for which its claims still count for nothing, `stalls` how often
    that began since it delivered a block.
    """

    height: int = -1
    stated: int = -1
    requests: int = 0
    undelivered: int = 0
    slow: int = 0
    distrusted: int = 0
    distrust: int = DISTRUST_TICKS
    stalls: int = 0
    banned: bool = False
    resting: bool = False
    reads: int = 0
    strays: int = 0
    refused: bool = False
    late: "dict[int, _Request]" = field(default_factory=dict)

    @property
    def believed(self) -> bool:
        return not self.banned and not self.distrusted


@dataclass(slots=True, eq=False)
class _Request:
    """Heights asked of a peer."""

    peer: Peer
    first: int
    last: int
    claimed: bool
    age: int = 0


@dataclass(slots=True, eq=False)
class _Arrived:
    """A block that waits to be applied, and who gave it."""

    parts: BlockParts
    peer: Peer
    size: int


@dataclass(slots=True)
class SyncCounters:
    """What happened so far; for metrics and the tests."""

    requests: int = 0
    blocks: int = 0
    timeouts: int = 0
    wrong_blocks: int = 0
    bans: int = 0
    served: int = 0


@dataclass(slots=True, eq=False)
class Sync:
    """See the module. `out` receives the actions, in order.

    `eager`: this node takes no part in consensus and fetches each block as soon as it hears of it.
    `known` gives the verified batches that wait here.
    """

    out: list[Action]
    known: Callable[[], tuple[BatchHandle, ...]] = tuple
    eager: bool = False
    counters: SyncCounters = field(default_factory=SyncCounters)
    _tip: int = 0
    _wanted: int = 0
    _behind_ticks: int = 0
    _active: bool = False
    _sources: dict[Peer, _Source] = field(default_factory=dict)
    _requests: dict[int, _Request] = field(default_factory=dict)
    _arrived: dict[int, _Arrived] = field(default_factory=dict)
    _bytes: int = 0
    _numbers: int = 0
    _applying: int | None = None
    _blocked: bool = False
    _stopped: bool = False
    _timer: bool = False
    _reads: int = 0
    _unread: deque[tuple[Peer, BlocksRequest]] = field(default_factory=deque)

    # --- what the replica asks ---------------------------------------------------------------

    @property
    def applying(self) -> int | None:
        """The height that the ledger is applying from a peer."""
        return self._applying

    @property
    def shown_by_consensus(self) -> int:
        """The highest height that consensus showed to be decided."""
        return self._wanted

    @property
    def active(self) -> bool:
        """Whether blocks are being fetched."""
        return self._active

    @property
    def target(self) -> int:
        """Highest height that a believed peer claims or that consensus showed."""
        claims = (source.height for source in self._sources.values() if source.believed)
        return max(self._wanted, max(claims, default=0))

    def heights(self) -> tuple[tuple[Peer, int, bool], ...]:
        """Per connected peer: its claimed height (-1: none yet) and whether it is believed."""
        return tuple(
            (peer, source.height, source.believed) for peer, source in self._sources.items()
        )

    # --- heights -----------------------------------------------------------------------------

    def opened(self, tip: int) -> None:
        """The ledger is open at this height."""
        self._tip = tip

    def peer_up(self, peer: Peer) -> None:
        """A peer that may be asked."""
        self._sources[peer] = _Source()

    def peer_down(self, peer: Peer) -> None:
        """A connection ended; what was asked of it goes to others."""
        self._sources.pop(peer, None)
        self._unread = deque(one for one in self._unread if one[0] != peer)
        for number in [key for key, request in self._requests.items() if request.peer == peer]:
            del self._requests[number]
        self._advance()

    def claimed(self, peer: Peer, height: int) -> None:
        """A peer's status says that it has this height."""
        source = self._sources.get(peer)
        if source is None or source.banned:
            return
        if height < source.stated:
            self._ban(peer, source, f"its height fell from {source.stated} to {height}")
            return
        source.stated = height
        source.height = max(source.height, height)
        self._advance()

    def shown(self, peer: Peer, height: int) -> None:
        """A peer's vote shows that it has this height.

        Votes overtake statuses on their way, so that a later status may well name a lower height.
        """
        source = self._sources.get(peer)
        if source is not None and not source.banned and height > source.height:
            source.height = height
            self._advance()

    def wanted(self, last: int) -> None:
        """Consensus showed that this height is decided and cannot decide it here."""
        self._wanted = max(self._wanted, last)
        self._advance()

    def tick(self) -> None:
        """Once a second: a node that stays one height behind fetches it."""
        for source in self._sources.values():
            source.refused = False
            source.strays = 0
            source.distrusted = max(0, source.distrusted - 1)
        if self._tip < self.target:
            self._behind_ticks += 1
            self._advance()
        else:
            self._behind_ticks = 0

    # --- blocks ------------------------------------------------------------------------------

    def received(self, peer: Peer, message: Blocks) -> None:
        """An answer of a peer. What was not asked for is dropped."""
        source = self._sources.get(peer)
        if source is None:
            return
        request = self._answered(peer, source, message.number)
        if request is None:
            source.strays += 1
            if source.strays == STRAY_PER_SECOND_MAX + 1:
                self.out.append(PenalisePeer(peer, "flood of blocks that nobody asked for"))
            return
        heights = [parts.height for parts in message.blocks]
        if heights != list(range(request.first, request.first + len(heights))) or (
            heights and heights[-1] > request.last
        ):
            self._ban(peer, source, "blocks that were not asked for")
            self._advance()
            return
        if not heights:
            self._undelivered(peer, source, request)
            self._advance()
            return
        source.slow = 0
        source.undelivered = 0
        source.distrusted = 0
        source.distrust = DISTRUST_TICKS
        source.stalls = 0
        for parts in message.blocks:
            if parts.height > self._tip and parts.height not in self._arrived:
                size = len(parts.proposal) + len(parts.certificate)
                size += sum(map(len, parts.headers)) + sum(map(len, parts.bodies))
                self._arrived[parts.height] = _Arrived(parts, peer, size)
                self._bytes += size
                self.counters.blocks += 1
        self._advance()

    def _answered(self, peer: Peer, source: _Source, number: int) -> _Request | None:
        """What this answer is for; it is not waited for any longer."""
        request = self._requests.get(number)
        if request is None or request.peer != peer:
            return source.late.pop(number, None)
        del self._requests[number]
        source.requests -= 1
        return request

    def tip_moved(self, tip: int) -> None:
        """A block became part of the ledger, applied from here or decided by consensus."""
        self._tip = tip
        self._behind_ticks = 0
        if self._applying is not None and self._applying <= tip:
            self._applying = None
        for height in [height for height in self._arrived if height <= tip]:
            self._forget(height)
        self._advance()

    def failed(self, height: int, reason: str) -> None:
        """The ledger refused the block it was given: whoever gave it is not believed again."""
        if self._applying == height:
            self._applying = None
        arrived = self._arrived.get(height)
        if arrived is None:
            return
        self.counters.wrong_blocks += 1
        giver = arrived.peer
        for other in [key for key, entry in self._arrived.items() if entry.peer == giver]:
            self._forget(other)
        source = self._sources.get(giver)
        if source is not None and not source.banned:
            self._ban(giver, source, f"a wrong block {height}: {reason}")
        self._advance()

    def block(self, *, blocked: bool) -> None:
        """Holds applying back while consensus commits the next height itself."""
        self._blocked = blocked
        if not blocked:
            self._advance()

    def stop(self) -> None:
        """Fetches and applies nothing more; others are still served."""
        self._stopped = True
        self._active = False

    def elapsed(self) -> None:
        """A beat: chunks of slow peers go to others."""
        self._timer = False
        for source in self._sources.values():
            source.resting = False
        for number in list(self._requests):
            request = self._requests.get(number)
            if request is None:
                continue
            request.age += 1
            if request.age < REQUEST_BEATS:
                continue
            del self._requests[number]
            self.counters.timeouts += 1
            source = self._sources[request.peer]
            source.requests -= 1
            source.late[number] = request
            if len(source.late) > LATE_MAX:
                del source.late[min(source.late)]
            source.slow += 1
            if source.slow == SLOW_MAX:
                self._stalled(request.peer, source)
        self._advance()

    def _stalled(self, peer: Peer, source: _Source) -> None:
        """It let several requests run out in a row."""
        source.slow = 0
        source.stalls += 1
        if source.stalls == STALLS_MAX:
            self._ban(peer, source, "does not deliver the blocks that it was asked for")
            return
        source.distrusted = source.distrust
        source.distrust = min(2 * source.distrust, DISTRUST_TICKS_MAX)
        self.out.append(PenalisePeer(peer, "delivers blocks too slowly"))

    # --- serving -----------------------------------------------------------------------------

    def requested(self, peer: Peer, message: BlocksRequest) -> None:
        """A peer asks for blocks."""
        source = self._sources.get(peer)
        if source is None:
            return
        if not 1 <= message.first <= message.last:
            self.out.append(PenalisePeer(peer, "asks for blocks that cannot be"))
            return
        if source.reads >= READS_PER_PEER_MAX:
            if not source.refused:
                source.refused = True
                self.out.append(PenalisePeer(peer, "asks for too many blocks at a time"))
            return
        if message.first > self._tip:
            self.out.append(SendTo((peer,), Blocks(message.number, ())))
            return
        source.reads += 1
        if self._reads >= READS_MAX:
            self._unread.append((peer, message))
        else:
            self._read(peer, message)

    def _read(self, peer: Peer, message: BlocksRequest) -> None:
        self._reads += 1
        last = min(message.last, self._tip, message.first + WINDOW - 1)
        self.out.append(ReadBlocks(peer, message.number, message.first, last, READ_BYTES_MAX))

    def read(self, event: BlocksRead) -> None:
        """The host read blocks for a peer."""
        self._reads = max(0, self._reads - 1)
        if self._unread:
            self._read(*self._unread.popleft())
        source = self._sources.get(event.peer)
        if source is None:
            return
        source.reads = max(0, source.reads - 1)
        self.counters.served += len(event.blocks)
        self.out.append(SendTo((event.peer,), Blocks(event.number, event.blocks)))

    # --- inside ------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Applies what is next, and asks for what is missing."""
        target = self.target
        gap = target - self._tip
        if gap <= 0 or self._stopped:
            self._active = False
        elif gap > 1 or self.eager or self._behind_ticks > 1 or self._wanted > self._tip:
            self._active = True
        if not self._active:
            return
        self._apply()
        self._ask(target)
        if not self._timer:
            self._timer = True
            self.out.append(SetTimer(SYNC_TIMER, BEAT_MS))

    def _apply(self) -> None:
        """Gives the next block to the ledger, one at a time."""
        following = self._tip + 1
        if self._applying is None and not self._blocked and following in self._arrived:
            self._applying = following
            self.out.append(ApplyBlock(self._arrived[following].parts, self.known()))

    def _ask(self, target: int) -> None:
        first = self._tip + 1
        last = min(target, self._tip + WINDOW)
        if self._bytes > BUFFER_BYTES_MAX:
            last = first
        asked = [(request.first, request.last) for request in self._requests.values()]
        height = first
        while height <= last:
            if height in self._arrived or any(low <= height <= high for low, high in asked):
                height += 1
                continue
            end = height
            while (
                end < min(last, height + CHUNK - 1)
                and end + 1 not in self._arrived
                and not any(low <= end + 1 <= high for low, high in asked)
            ):
                end += 1
            peer = self._choose(height)
            if peer is None:
                return
            source = self._sources[peer]
            claimed = source.height >= height
            end = min(end, source.height) if claimed else end
            self._numbers += 1
            source.requests += 1
            self._requests[self._numbers] = _Request(peer, height, end, claimed)
            asked.append((height, end))
            self.counters.requests += 1
            self.out.append(SendTo((peer,), BlocksRequest(self._numbers, height, end)))
            height = end + 1

    def _choose(self, height: int) -> Peer | None:
        """The peer to ask: one that claims the height, the fastest and least busy first."""
        best: Peer | None = None
        best_rank = (0, 0, 0, 0)
        sources = [
            (peer, source)
            for peer, source in self._sources.items()
            if source.believed and (source.height >= height or height <= self._wanted)
        ]
        turn = self._numbers % max(1, len(sources))
        for place, (peer, source) in enumerate(sources):
            claims = source.height >= height
            if source.resting or source.requests >= REQUESTS_PER_PEER_MAX:
                continue
            rank = (
                0 if claims else 1,
                source.slow,
                source.requests,
                (place - turn) % len(sources),
            )
            if best is None or rank < best_rank:
                best, best_rank = peer, rank
        return best

    def _undelivered(self, peer: Peer, source: _Source, request: _Request) -> None:
        if not request.claimed:
            source.resting = True
            return
        if request.first <= self._tip:
            return
        source.undelivered += 1
        if source.undelivered >= UNDELIVERED_MAX:
            self._ban(peer, source, f"claims height {source.height} and does not deliver it")

    def _ban(self, peer: Peer, source: _Source, reason: str) -> None:
        source.banned = True
        self.counters.bans += 1
        for number in [key for key, request in self._requests.items() if request.peer == peer]:
            del self._requests[number]
        source.requests = 0
        self.out.append(PenalisePeer(peer, reason, ban=True))

    def _forget(self, height: int) -> None:
        self._bytes -= self._arrived.pop(height).size
