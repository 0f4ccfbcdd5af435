"""Three queues over one connection, with credit in both directions. Pure.

Every message belongs to a priority. Votes go first; batches and sync share what is left, four
chunks to one, so that a node that catches up is not starved. A long message is cut into chunks, so
that a vote waits for one chunk at most.

Credit: the receiver grants a window of bytes per priority. A sender begins a message only while
what it has begun and the receiver's host has not finished is below the window. So a host that is
behind with batches stops batches and nothing else, and what a peer can make us hold is bounded by
window + longest message, per priority.
"""

import struct
from collections import deque
from dataclasses import dataclass, field

from bubi.messages import Priority
from bubi.network.frames import CHUNK_BYTES_MAX, HEADER, FrameKind, ViolationError, encode

MIB = 1_048_576
MESSAGE_CHARGE = 256
"""Bytes a message counts beside its payload: small ones cost memory and time too."""

_WHOLE = struct.Struct("<BB")
_FIRST = struct.Struct("<BBI")
_WINDOW = struct.Struct("<BI")

CHUNK_BYTES = 32_768
"""Bytes of a message in one frame, as this node sends them."""
CHUNK_BYTES_MIN = 4_096
"""A peer sends at least so many in every chunk but the last: fewer would only cost time."""

MESSAGE_BYTES_MAX: dict[Priority, int] = {
    Priority.VOTES: 18 * MIB,
    Priority.BATCHES: 18 * MIB,
    Priority.SYNC: 64 * MIB,
}
"""Longest message per priority."""

WINDOW_BYTES: dict[Priority, int] = {
    Priority.VOTES: 4 * MIB,
    Priority.BATCHES: 8 * MIB,
    Priority.SYNC: 8 * MIB,
}
"""Credit per priority and connection, part of the protocol version."""

BATCH_CHUNKS_PER_SYNC = 4


QUEUED_BYTES_MAX = 256 * MIB
"""Bytes of the messages that wait for all peers together; what waits for several counts once."""
VOTES_RESERVED = MIB
"""Bytes of votes that may wait for a peer even so: votes are small and must get through."""


class TooLongError(ValueError):
    """A message that is longer than its priority allows."""


class Budget:
    """Counts the bytes of messages that wait, for all connections of a process."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int = QUEUED_BYTES_MAX) -> None:
        self.limit = limit
        self.used = 0

    def has_room(self, item: "Item") -> bool:
        """Whether a message may wait; one that waits already takes no more memory."""
        return item.queued > 0 or self.used + item.charge <= self.limit

    def take(self, item: "Item") -> None:
        """One more peer waits for this message."""
        if not item.queued:
            self.used += item.charge
        item.queued += 1

    def give_back(self, item: "Item") -> None:
        """One peer less waits for it."""
        item.queued -= 1
        if not item.queued:
            self.used -= item.charge


def charge(size: int) -> int:
    """What a message of `size` bytes takes from the window."""
    return size + MESSAGE_CHARGE


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Most bytes and messages of one priority that wait for one peer."""

    bytes: int
    messages: int


QUEUE_LIMITS: dict[Priority, QueueLimits] = {
    Priority.VOTES: QueueLimits(16 * MIB, 16_384),
    Priority.BATCHES: QueueLimits(32 * MIB, 4_096),
    Priority.SYNC: QueueLimits(32 * MIB, 256),
}


class Item:
    """A message to be sent; one object serves all peers.

    What fits one chunk is encoded once. `queued` counts the queues that it waits in.
    """

    __slots__ = ("charge", "frame", "kind", "payload", "priority", "queued", "size")

    def __init__(self, priority: Priority, kind: int, payload: bytes) -> None:
        if len(payload) > MESSAGE_BYTES_MAX[priority]:
            msg = f"a message of {len(payload)} bytes is too long for {priority.name.lower()}"
            raise TooLongError(msg)
        self.queued = 0
        self.priority = priority
        self.kind = kind
        self.payload = payload
        self.size = len(payload)
        self.charge = charge(self.size)
        self.frame: bytes | None = None
        if self.size <= CHUNK_BYTES:
            head = HEADER.pack(_WHOLE.size + self.size, FrameKind.WHOLE)
            self.frame = b"".join((head, _WHOLE.pack(priority, kind), payload))


@dataclass(slots=True)
class _Queue:
    """Messages of one priority for one peer."""

    limits: QueueLimits
    window: int
    items: deque[Item] = field(default_factory=deque)
    bytes: int = 0
    outstanding: int = 0
    current: Item | None = None
    offset: int = 0

    @property
    def ready(self) -> bool:
        return self.current is not None or (bool(self.items) and self.outstanding < self.window)

    @property
    def full(self) -> bool:
        return self.bytes >= self.limits.bytes or len(self.items) >= self.limits.messages


class Outgoing:
    """What waits for one peer."""

    def __init__(
        self,
        limits: dict[Priority, QueueLimits] | None = None,
        windows: dict[Priority, int] | None = None,
        budget: Budget | None = None,
    ) -> None:
        limits, windows = limits or QUEUE_LIMITS, windows or WINDOW_BYTES
        self._budget = Budget() if budget is None else budget
        self._queues = [_Queue(limits[one], windows[one]) for one in Priority]
        self._control: deque[bytes] = deque()
        self._turn = 0
        self._unsent = 0
        self.dropped = 0
        self.messages = 0

    def put(self, item: Item) -> bool:
        """Queues a message.

        False if it was not taken: a full queue of votes means that the peer is too slow to be
        kept; a full one of sync refuses the newest, one of batches drops its oldest. Where all
        peers together keep too much waiting, each queue counts as full, but for a few votes.
        """
        queue = self._queues[item.priority]
        if item.priority is Priority.BATCHES:
            while queue.items and (queue.full or not self._budget.has_room(item)):
                self._drop_oldest(queue)
        reserved = item.priority is Priority.VOTES and queue.bytes < VOTES_RESERVED
        if queue.full or not (reserved or self._budget.has_room(item)):
            self.dropped += 1
            return False
        self._budget.take(item)
        queue.items.append(item)
        queue.bytes += item.size
        self._unsent += 1
        return True

    def _drop_oldest(self, queue: _Queue) -> None:
        item = queue.items.popleft()
        queue.bytes -= item.size
        self._unsent -= 1
        self._budget.give_back(item)
        self.dropped += 1

    def discard(self) -> None:
        """Forgets what waits: the connection is over."""
        for queue in self._queues:
            for item in queue.items:
                self._budget.give_back(item)
            if queue.current is not None:
                self._budget.give_back(queue.current)
            queue.items.clear()
            queue.bytes, queue.current = 0, None
        self._unsent = 0

    def put_control(self, frame: bytes) -> None:
        """Queues a frame of the network itself, before all messages."""
        self._control.append(frame)

    def credit(self, payload: bytes) -> None:
        """Takes a WINDOW frame.

        Raises:
            ViolationError: `window` if it gives back more than was begun.
        """
        priority, size = read_window(payload)
        queue = self._queues[priority]
        if size == 0 or size > queue.outstanding:
            raise ViolationError("window")
        queue.outstanding -= size

    @property
    def bytes_waiting(self) -> int:
        """Bytes of the messages in the queues."""
        started = (one.current.size - one.offset for one in self._queues if one.current)
        return sum(one.bytes for one in self._queues) + sum(started)

    def waiting(self) -> dict[str, tuple[int, int]]:
        """Messages and bytes in the queue of each priority, by its name."""
        return {
            priority.name.lower(): (len(queue.items), queue.bytes)
            for priority, queue in zip(Priority, self._queues, strict=True)
        }

    @property
    def control_waiting(self) -> int:
        """How many frames of the network itself wait."""
        return len(self._control)

    def take(self, budget: int) -> list[bytes]:
        """Parts to write now, in order, until there are `budget` bytes or nothing may be sent."""
        parts: list[bytes] = []
        size = 0
        while self._control:
            parts.append(self._control.popleft())
            size += len(parts[-1])
        while size < budget and self._unsent and (queue := self._choose()) is not None:
            size += self._advance(queue, parts)
        return parts

    def _choose(self) -> _Queue | None:
        votes, batches, sync = self._queues
        if votes.ready:
            return votes
        if batches.ready and (self._turn < BATCH_CHUNKS_PER_SYNC or not sync.ready):
            self._turn = min(self._turn + 1, BATCH_CHUNKS_PER_SYNC)
            return batches
        if sync.ready:
            self._turn = 0
            return sync
        return None

    def _advance(self, queue: _Queue, parts: list[bytes]) -> int:
        item = queue.current
        if item is None:
            item = queue.items.popleft()
            queue.bytes -= item.size
            queue.outstanding += item.charge
            self.messages += 1
            if item.frame is not None:
                self._budget.give_back(item)
                self._unsent -= 1
                parts.append(item.frame)
                return len(item.frame)
            queue.current, queue.offset = item, 0
            sub = _FIRST.pack(item.priority, item.kind, item.size)
            kind = FrameKind.FIRST
        else:
            sub = bytes((item.priority,))
            kind = FrameKind.NEXT
        end = min(queue.offset + CHUNK_BYTES, item.size)
        chunk = item.payload[queue.offset : end]
        parts += (HEADER.pack(len(sub) + len(chunk), kind) + sub, chunk)
        queue.offset = end
        if end == item.size:
            self._budget.give_back(item)
            self._unsent -= 1
            queue.current = None
        return len(chunk)


@dataclass(slots=True)
class _Assembly:
    """What is here of one priority's messages."""

    window: int
    outstanding: int = 0
    released: int = 0
    kind: int = 0
    total: int = 0
    size: int = 0
    parts: list[memoryview] = field(default_factory=list)


class Incoming:
    """Puts messages of one peer together and counts what the host has not finished."""

    def __init__(self, windows: dict[Priority, int] | None = None) -> None:
        windows = windows or WINDOW_BYTES
        self._assemblies = [_Assembly(windows[one]) for one in Priority]
        self.messages = 0

    def take(self, frame: int, payload: bytes) -> tuple[Priority, int, bytes] | None:
        """Takes a WHOLE, FIRST or NEXT frame; the message that it completes, or None.

        Raises:
            ViolationError: `message` (malformed, out of turn), `message_length`, `window`.
        """
        if not payload:
            raise ViolationError("message")
        priority = read_priority(payload[0])
        assembly = self._assemblies[priority]
        if frame == FrameKind.WHOLE:
            if len(payload) < _WHOLE.size or assembly.parts:
                raise ViolationError("message")
            self._begin(assembly, len(payload) - _WHOLE.size)
            self.messages += 1
            return priority, payload[1], payload[_WHOLE.size :]
        if frame == FrameKind.FIRST:
            self._first(assembly, priority, payload)
            return None
        return self._next(assembly, priority, payload)

    def _begin(self, assembly: _Assembly, size: int) -> None:
        if assembly.outstanding >= assembly.window:
            raise ViolationError("window")
        assembly.outstanding += charge(size)

    def _first(self, assembly: _Assembly, priority: Priority, payload: bytes) -> None:
        if len(payload) < _FIRST.size + CHUNK_BYTES_MIN or assembly.parts:
            raise ViolationError("message")
        _, kind, total = _FIRST.unpack_from(payload)
        if total > MESSAGE_BYTES_MAX[priority]:
            raise ViolationError("message_length")
        chunk = memoryview(payload)[_FIRST.size :]
        if total <= len(chunk):
            raise ViolationError("message")
        self._begin(assembly, total)
        assembly.kind, assembly.total = kind, total
        assembly.parts, assembly.size = [chunk], len(chunk)

    def _next(
        self, assembly: _Assembly, priority: Priority, payload: bytes
    ) -> tuple[Priority, int, bytes] | None:
        chunk = memoryview(payload)[1:]
        size = assembly.size + len(chunk)
        if not assembly.parts or size > assembly.total:
            raise ViolationError("message")
        if size < assembly.total:
            if len(chunk) < CHUNK_BYTES_MIN:
                raise ViolationError("message")
            assembly.parts.append(chunk)
            assembly.size = size
            return None
        if not chunk:
            raise ViolationError("message")
        data = b"".join((*assembly.parts, chunk))
        assembly.parts = []
        self.messages += 1
        return priority, assembly.kind, data

    def release(self, priority: Priority, size: int) -> bytes | None:
        """The host has finished a message of `size` bytes; a WINDOW frame if it is time."""
        assembly = self._assemblies[priority]
        assembly.released += charge(size)
        if assembly.released * 4 < assembly.window:
            return None
        given = assembly.released
        assembly.released = 0
        assembly.outstanding -= given
        return encode(FrameKind.WINDOW, _WINDOW.pack(priority, given))

    @property
    def bytes_outstanding(self) -> int:
        """Charged bytes of messages that began and whose credit was not given back."""
        return sum(one.outstanding for one in self._assemblies)


def read_priority(value: int) -> Priority:
    """A priority.

    Raises:
        ViolationError: `message`.
    """
    try:
        return Priority(value)
    except ValueError:
        raise ViolationError("message") from None


def read_window(payload: bytes) -> tuple[Priority, int]:
    """Fields of a WINDOW frame.

    Raises:
        ViolationError: `window`.
    """
    if len(payload) != _WINDOW.size or payload[0] > max(Priority):
        raise ViolationError("window")
    priority, size = _WINDOW.unpack(payload)
    return Priority(priority), size


assert CHUNK_BYTES + _FIRST.size <= CHUNK_BYTES_MAX
