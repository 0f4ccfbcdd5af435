"""One connection: frames in, frames out, over a transport of asyncio that it is given.

It enforces what a peer may cost: deadlines, rates, bytes in memory. What a connection means for
the node is decided by its hub (`transport.py`).
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, cast

from bubi.messages import Priority
from bubi.network import addresses, channels, frames, handshake
from bubi.network.addresses import Address, IPAddress
from bubi.network.certificates import CertificateError, NodeCertificate
from bubi.network.frames import FrameKind, ViolationError
from bubi.network.handshake import Hello
from bubi.network.peers import PeerStatistics
from bubi.network.rates import Bucket, Rate

log = logging.getLogger("bubi.network")

WRITE_BYTES = 65_536
"""Bytes given to the transport at once, and waiting in it when we stop giving."""
WRITES_AT_ONCE = 16
FRAMES_AT_ONCE = 256
"""Frames handled before other connections get their turn."""
CONTROL_WAITING_MAX = 256
CLOSE_SECONDS = 1.0
PING_BYTES = 8
PEER_SAID = "peer_"
"""Before a reason that the other side gave."""
SMOOTHING = 8
"""The round-trip time moves by an eighth of each new measurement (as in TCP)."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one peer may cost. Times in s.

    `handshake`: from accepted to established. `silence`: longest time without a complete frame.
    `answer`: longest time without an answer to a ping. Beyond `frames` and `bytes` a peer is read
    more slowly; beyond the other two it is cut off.
    """

    handshake: float = 5.0
    silence: float = 15.0
    ping: float = 5.0
    answer: float = 15.0
    frames: Rate = Rate(10_000, 20_000)  # noqa: RUF009 - frozen
    bytes: Rate = Rate(64 * channels.MIB, 64 * channels.MIB)  # noqa: RUF009 - frozen
    pings: Rate = Rate(2, 20)  # noqa: RUF009 - frozen
    neighbours: Rate = Rate(1, 16)  # noqa: RUF009 - frozen
    queues: Mapping[Priority, channels.QueueLimits] = field(
        default_factory=lambda: channels.QUEUE_LIMITS
    )


class State(Enum):
    """How far a connection is."""

    OPENING = "opening"
    GREETING = "greeting"
    ESTABLISHED = "established"
    CLOSED = "closed"


class Hub(Protocol):
    """What a connection asks of whoever holds it.

    `budget` counts what waits for all peers.
    """

    budget: channels.Budget

    @property
    def work(self) -> Callable[[Callable[[], None]], None]:
        """Runs a piece of work on what arrived or goes out."""
        ...

    def hello(self, connection: "Connection") -> Hello:
        """What this node says first."""
        ...

    def certified(self, connection: "Connection", certificate: bytes) -> NodeCertificate:
        """Checks the peer's certificate; raises CertificateError."""
        ...

    def greeted(self, connection: "Connection", hello: Hello) -> str | None:
        """Why the peer is refused after its HELLO, None if it is not."""
        ...

    def established(self, connection: "Connection") -> None:
        """Both sides have accepted."""
        ...

    def message(self, delivery: "Delivery") -> None:
        """A message for the host."""
        ...

    def neighbours(
        self, connection: "Connection", neighbours: tuple[addresses.Neighbour, ...]
    ) -> None:
        """The peer told addresses."""
        ...

    def closed(
        self, connection: "Connection", reason: str, *, established: bool, violation: bool
    ) -> None:
        """It is over for us; called once. `established` tells whether it had got so far."""
        ...

    def gone(self, connection: "Connection") -> None:
        """Its transport has ended as well."""
        ...


class Delivery:
    """A message of a peer. The host calls `done` once it has finished with it.

    Until then its bytes count against the peer's window, so that a host that is behind slows the
    peer down.
    """

    __slots__ = ("_connection", "kind", "payload", "peer", "priority")

    def __init__(
        self, connection: "Connection", peer: bytes, priority: Priority, kind: int, payload: bytes
    ) -> None:
        self._connection: Connection | None = connection
        self.peer = peer
        self.priority = priority
        self.kind = kind
        self.payload = payload

    def done(self) -> None:
        """Gives the peer its credit back; a second call does nothing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release(self.priority, len(self.payload))


class Connection(asyncio.Protocol):
    """A connection to one peer, from the end of the TLS handshake on."""

    def __init__(
        self,
        hub: Hub,
        limits: ConnectionLimits,
        ip: IPAddress | None,
        dialled: Address | None = None,
        serial: int = 0,
    ) -> None:
        self._hub = hub
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self.ip = ip
        self.dialled = dialled
        self.serial = serial
        self.state = State.OPENING
        self.opened = now
        self.certificate: NodeCertificate | None = None
        self.certificate_bytes = b""
        self.peer: Hello | None = None
        self.statistics = PeerStatistics()
        self.round_trip: float | None = None
        self.throttled_told = 0
        self.neighbours_sent: tuple[float, int] = (0.0, -1)
        self._transport: asyncio.Transport | None = None
        self._decoder = frames.Decoder()
        self._incoming = channels.Incoming()
        self._outgoing = channels.Outgoing(dict(limits.queues), budget=hub.budget)
        self._frames = Bucket(limits.frames, now)
        self._bytes = Bucket(limits.bytes, now)
        self._pings = Bucket(limits.pings, now)
        self._lists = Bucket(limits.neighbours, now)
        self._arrived = 0
        self._last_frame = now
        self._ping_sent: float | None = None
        self._ping_due = now
        self._answer = limits.answer
        self._ping_number = 0
        self._flushing = False
        self._write_paused = False
        self._read_paused = False
        self._held: asyncio.Handle | None = None

    # --- life ------------------------------------------------------------------------------------

    @property
    def outbound(self) -> bool:
        """Whether this side dialled."""
        return self.dialled is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TLS handshake is done: look at the certificate, say HELLO."""
        # Not checked: the transport of uvloop has the methods but not the class.
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        if self.state is State.CLOSED:
            transport.abort()
            return
        self.state = State.GREETING
        self._last_frame = self._loop.time()
        transport.set_write_buffer_limits(high=WRITE_BYTES, low=WRITE_BYTES // 4)
        tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
        self.certificate_bytes = tls.getpeercert(binary_form=True) or b""
        try:
            self.certificate = self._hub.certified(self, self.certificate_bytes)
        except CertificateError as error:
            self.close(error.reason)
            return
        self._control(FrameKind.HELLO, handshake.encode_hello(self._hub.hello(self)))

    def connection_lost(self, exception: Exception | None) -> None:
        """The transport is gone."""
        # In TLS 1.3 the side that dialled hears only now that its certificate was not accepted.
        reason = "tls" if isinstance(exception, ssl.SSLError) else "lost"
        self._end(reason)
        self._transport = None
        self._hub.gone(self)

    def abort(self) -> None:
        """Ends it without a word."""
        self._end("stopping")
        if self._transport is not None:
            self._transport.abort()

    def eof_received(self) -> None:
        """The peer has said its last; answer in kind."""
        self._end("lost")

    def close(self, reason: str, *, violation: bool = False) -> None:
        """Ends it, tells the peer why if there is room to."""
        if self.state is State.CLOSED:
            return
        self._end(reason, violation=violation)
        transport = self._transport
        if transport is None:
            return
        if self._write_paused:
            transport.abort()
            return
        transport.write(frames.encode(FrameKind.CLOSE, handshake.encode_close(reason)))
        transport.close()
        # A peer that does not take the farewell must not hold the socket.
        self._loop.call_later(CLOSE_SECONDS, transport.abort)

    def _end(self, reason: str, *, violation: bool = False) -> None:
        if self.state is State.CLOSED:
            return
        established = self.state is State.ESTABLISHED
        self.state = State.CLOSED
        self._outgoing.discard()
        self._hub.closed(self, reason, established=established, violation=violation)
        if self._held is not None:
            self._held.cancel()
            self._held = None

    def totals(self) -> PeerStatistics:
        """What this connection added up to so far."""
        self.statistics.messages_in = self._incoming.messages
        self.statistics.messages_out = self._outgoing.messages
        self.statistics.dropped = self._outgoing.dropped
        return self.statistics

    def tick(self, now: float) -> None:
        """Deadlines and pings; called a few times per second."""
        limits = self._limits
        if self.state is State.GREETING and now - self.opened > limits.handshake:
            self.close("handshake_timeout")
        if self.state is not State.ESTABLISHED:
            return
        if now - self._last_frame > limits.silence:
            self.close("silent")
        elif self._ping_sent is not None and now - self._ping_sent > self._answer:
            self.close("unresponsive")
        elif self._ping_sent is None and now >= self._ping_due:
            self._send_ping(now)

    def _send_ping(self, now: float) -> None:
        self._ping_number += 1
        self._ping_sent = now
        self._ping_due = now + self._limits.ping
        self._control(FrameKind.PING, self._ping_number.to_bytes(PING_BYTES, "little"))

    def doubt(self) -> None:
        """The peer dials anew as if this connection were dead: it has little time to answer."""
        if self.state is State.ESTABLISHED and self._answer == self._limits.answer:
            self._answer = min(self._limits.answer, self._limits.handshake)
            if self._ping_sent is None:
                self._send_ping(self._loop.time())

    # --- reading ---------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes of the peer."""
        if self.state is State.CLOSED:
            return
        self.statistics.bytes_in += len(data)
        self._arrived += len(data)
        self._decoder.push(data)
        if self._held is None:
            self._hub.work(self._read)

    def _read(self) -> None:
        """Handles what is here; then holds back a peer that is ahead of its rates."""
        self._held = None
        size, self._arrived = self._arrived, 0
        count = 0
        try:
            for kind, payload in self._decoder.frames():
                self._handle(kind, payload)
                count += 1
                if self.state is State.CLOSED:
                    return
                if count == FRAMES_AT_ONCE:
                    break
        except ViolationError as violation:
            self.close(violation.reason, violation=True)
            return
        now = self._loop.time()
        if count:
            self._last_frame = now
        delay = max(self._frames.take(count, now), self._bytes.take(size, now))
        if delay > 0:
            self.statistics.throttled += 1
        self._pace(delay, more=count == FRAMES_AT_ONCE)

    def _pace(self, delay: float, *, more: bool) -> None:
        transport = self._transport
        if transport is None:
            return
        if delay > 0:
            self._held = self._loop.call_later(delay, self._hub.work, self._read)
        elif more:
            self._held = self._loop.call_soon(self._hub.work, self._read)
        paused = self._held is not None
        if paused != self._read_paused:
            self._read_paused = paused
            if paused:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def _handle(self, kind: int, payload: bytes) -> None:
        if kind >= FrameKind.WHOLE:
            self._message(kind, payload)
        elif kind == FrameKind.WINDOW:
            self._outgoing.credit(payload)
            self._schedule()
        elif kind == FrameKind.PING:
            self._ping(payload)
        elif kind == FrameKind.PONG:
            self._pong(payload)
        elif kind == FrameKind.NEIGHBOURS:
            if self._lists.take(1, self._loop.time()) > 0:
                raise ViolationError("neighbour_flood")
            self._hub.neighbours(self, addresses.decode_neighbours(payload))
        elif kind == FrameKind.CLOSE:
            self._farewell(handshake.decode_close(payload))
        else:
            self._greet(kind, payload)

    def _greet(self, kind: int, payload: bytes) -> None:
        if kind == FrameKind.HELLO:
            self._hello(payload)
            return
        if self.peer is None:
            raise ViolationError("handshake")
        own = self._hub.hello(self)
        if handshake.decode_accept(payload) != handshake.common_version(own, self.peer):
            raise ViolationError("version")
        self.state = State.ESTABLISHED
        self._decoder.limits = frames.ESTABLISHED_LIMITS
        self._hub.established(self)

    def _hello(self, payload: bytes) -> None:
        if self.peer is not None:
            raise ViolationError("handshake")
        hello = handshake.decode_hello(payload)
        reason = self._hub.greeted(self, hello)
        if reason is not None:
            self.close(reason)
            return
        self.peer = hello
        version = handshake.common_version(self._hub.hello(self), hello)
        self._control(FrameKind.ACCEPT, handshake.encode_accept(version))

    def _farewell(self, reason: str) -> None:
        self._end(PEER_SAID + reason)
        if self._transport is not None:
            self._transport.close()
            self._loop.call_later(CLOSE_SECONDS, self._transport.abort)

    def _ping(self, payload: bytes) -> None:
        if len(payload) != PING_BYTES:
            raise ViolationError("ping")
        if self._pings.take(1, self._loop.time()) > 0:
            raise ViolationError("ping_flood")
        self._control(FrameKind.PONG, payload)

    def _pong(self, payload: bytes) -> None:
        expected = self._ping_number.to_bytes(PING_BYTES, "little")
        if self._ping_sent is None or payload != expected:
            raise ViolationError("pong")
        measured = self._loop.time() - self._ping_sent
        self._ping_sent = None
        self._answer = self._limits.answer
        if self.round_trip is None:
            self.round_trip = measured
        else:
            self.round_trip += (measured - self.round_trip) / SMOOTHING

    def _message(self, frame: int, payload: bytes) -> None:
        message = self._incoming.take(frame, payload)
        if message is not None:
            assert self.certificate is not None
            self._hub.message(Delivery(self, self.certificate.node, *message))

    def release(self, priority: Priority, size: int) -> None:
        """The host has finished a message."""
        window = self._incoming.release(priority, size)
        if window is not None and self.state is State.ESTABLISHED:
            self._outgoing.put_control(window)
            self._schedule()

    # --- writing ---------------------------------------------------------------------------------

    def send(self, item: channels.Item) -> bool:
        """Queues a message; False if not taken. A full queue of votes ends the connection."""
        if self.state is not State.ESTABLISHED:
            return False
        taken = self._outgoing.put(item)
        if not taken and item.priority is Priority.VOTES:
            self.close("slow")
        elif taken:
            self._schedule()
        return taken

    def send_neighbours(self, neighbours: tuple[addresses.Neighbour, ...]) -> None:
        """Tells the peer addresses."""
        self._control(FrameKind.NEIGHBOURS, addresses.encode_neighbours(neighbours))

    def _control(self, kind: FrameKind, payload: bytes) -> None:
        if self._outgoing.control_waiting >= CONTROL_WAITING_MAX:
            self.close("slow")
            return
        self._outgoing.put_control(frames.encode(kind, payload))
        self._schedule()

    def _schedule(self) -> None:
        if not self._flushing and not self._write_paused:
            self._flushing = True
            self._loop.call_soon(self._hub.work, self._flush)

    def _flush(self) -> None:
        self._flushing = False
        transport = self._transport
        for _ in range(WRITES_AT_ONCE):
            if self._write_paused or transport is None or self.state is State.CLOSED:
                return
            parts = self._outgoing.take(WRITE_BYTES)
            if not parts:
                return
            data = b"".join(parts)
            self.statistics.bytes_out += len(data)
            transport.write(data)
            if len(data) < WRITE_BYTES:
                # All that may be sent now.
                return
        self._schedule()

    def pause_writing(self) -> None:
        """The transport has enough."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """The transport has room."""
        self._write_paused = False
        self._schedule()

    # --- telling ---------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, object]:
        """What is special to a live connection."""
        return {
            "direction": "out" if self.outbound else "in",
            "ip": str(self.ip) if self.ip else None,
            "rtt_ms": round(self.round_trip * 1000, 3) if self.round_trip is not None else None,
            "queued_bytes": self._outgoing.bytes_waiting,
            "queues": self._outgoing.waiting(),
            "unfinished_bytes": self._incoming.bytes_outstanding,
        }
