"""This node's connections: whom it is connected with, and what it does about the others.

One connection per pair of nodes. The rules are in the pure modules beside, sockets in
`transport.py`; here they meet the event loop and the host.
"""

import asyncio
import logging
import secrets
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from bubi.messages import Priority
from bubi.network import certificates, transport
from bubi.network.addresses import (
    ROLE_VALIDATOR,
    Address,
    IPAddress,
    Neighbour,
)
from bubi.network.admission import Door, DoorLimits
from bubi.network.certificates import Authority, CertificateError, NodeCertificate
from bubi.network.channels import QUEUED_BYTES_MAX, Budget, Item
from bubi.network.connection import PEER_SAID, Connection, ConnectionLimits, Delivery, State
from bubi.network.handshake import (
    INSTANCE_BYTES,
    Claims,
    Hello,
    Link,
    check_hello,
    common_version,
    replaces,
)
from bubi.network.peers import NodeLists, PeerTable, Policy
from bubi.network.rates import Repeats
from bubi.network.renewal import Identity, OwnFiles
from bubi.network.transport import Contexts, Dialler, Socket

log = logging.getLogger("bubi.network")

SHUTDOWN_SECONDS = 1.0
NEIGHBOURS_EVERY = 30.0
NEIGHBOURS_SOONEST = 2.0
ALARMS_EVERY = 3_600.0
ALARMED_MAX = 4_096
RENEWED_EVERY = 2.0
"""Seconds between two connections that are made anew with a renewed certificate: never all."""
TAKEOVERS = 4
TAKEOVER_SECONDS = 60.0
"""So many take-overs of a live connection by another instance in this time raise an alarm."""


ORDINARY = frozenset(
    {"stopping", "duplicate", "replaced", f"{PEER_SAID}duplicate", f"{PEER_SAID}replaced"}
)
"""Ends of a handshake that mean nothing: two connections of one pair met, or the node stops."""


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """A node with an established connection.

    `validator` is what it says of itself.
    """

    node: bytes
    name: str
    organisation: str
    validator: bool
    address: Address | None
    outbound: bool
    version: int
    certificate_days: int


class Host(Protocol):
    """Whoever uses the network. All calls come from the event loop and must return at once."""

    def on_peer_up(self, peer: PeerInfo) -> None:
        """A connection was accepted by both sides."""
        ...

    def on_peer_down(self, peer: bytes, reason: str) -> None:
        """It ended. A second one of the same peer may follow at once."""
        ...

    def on_message(self, delivery: Delivery) -> None:
        """A message; call `delivery.done()` once it needs no memory any more."""
        ...

    def on_alarm(self, code: str, text: str) -> None:
        """Something that an operator must know, with a stable code."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """How this node is connected.

    `listen` None: it only dials out. `advertised` None: the address is not told to others.
    `source` is the local IP address that it dials from. `proxy` is an HTTP proxy that knows
    CONNECT. `observer` says that it does not vote. `queued_bytes_max` is what may wait for all
    peers together. Every `certificate_every` seconds the files of the certificate are looked at,
    and taken if they changed.
    """

    chain: bytes
    certificate: Path
    key: Path
    listen: Address | None
    advertised: Address | None = None
    seeds: tuple[Address, ...] = ()
    observer: bool = False
    source: str | None = None
    proxy: Address | None = None
    policy: Policy = field(default_factory=Policy)
    door: DoorLimits = field(default_factory=DoorLimits)
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    tick: float = 0.1
    queued_bytes_max: int = QUEUED_BYTES_MAX
    certificate_every: float = 5.0


def directly(work: Callable[[], None]) -> None:
    """Runs a piece of work and nothing else."""
    work()


class Network:
    """This node's connections."""

    def __init__(
        self,
        settings: Settings,
        authorities: Iterable[Authority],
        host: Host,
        clock_ms: Callable[[], int],
        revoked: Iterable[bytes] = (),
        work: Callable[[Callable[[], None]], None] = directly,
    ) -> None:
        """Reads the certificate and checks it.

        Args:
            settings: How this node is connected.
            authorities: Those of the ledger.
            host: Who is called.
            clock_ms: Wall-clock time (ms), for the dates of certificates only.
            revoked: Fingerprints of certificates that are refused.
            work: Runs a piece of work on what arrived or goes out; for whoever counts its time.

        Raises:
            CertificateError: If the own certificate would be refused by others, or an authority is
                none.
            OSError: If a file cannot be read.
        """
        self._settings = settings
        self._host = host
        self._clock_ms = clock_ms
        self.work = work
        self._files = OwnFiles(settings.certificate, settings.key)
        self._authorities, self._revoked = tuple(authorities), frozenset(revoked)
        self._identity = self._files.read()
        self.certificate, self._tls = self._checked(
            self._identity, self._authorities, self._revoked
        )
        own = self.certificate
        self._hello = Hello(
            chain=settings.chain,
            node=own.node,
            instance=secrets.token_bytes(INSTANCE_BYTES),
            serial=0,
            roles=0 if settings.observer else ROLE_VALIDATOR,
            name=own.name,
            organisation=own.organisation,
            address=settings.advertised,
        )
        self._table = PeerTable(own.node, settings.policy, settings.advertised)
        for seed in settings.seeds:
            self._table.add_seed(seed)
        self._dialler = Dialler(settings.policy.rules, settings.source, settings.proxy)
        self._door = Door(settings.door, settings.policy.rules)
        self.budget = Budget(settings.queued_bytes_max)
        self._peers: dict[bytes, Connection] = {}
        self._connections: set[Connection] = set()
        self._open: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: Socket | None = None
        self._serial = 0
        self._alarms_due = 0.0
        self._certificate_due = 0.0
        self._stale: deque[Connection] = deque()
        self._stale_due = 0.0
        self._repeats = Repeats()
        self._restarts: dict[bytes, deque[float]] = {}
        self._alarmed: dict[bytes, str] = {}
        self._counters: Counter[str] = Counter()
        self._stopping = False

    # --- start and stop --------------------------------------------------------------------------

    def _checked(
        self, own: Identity, authorities: tuple[Authority, ...], revoked: frozenset[bytes]
    ) -> tuple[NodeCertificate, Contexts]:
        """Own certificate and TLS, if these authorities cover it."""
        for one in authorities:
            certificates.check_authority(one)
        found = certificates.check(certificates.der(own.certificate), authorities, revoked)
        return found, transport.contexts(authorities, own.certificate, own.key)

    def _load(self, authorities: tuple[Authority, ...], revoked: frozenset[bytes]) -> None:
        """Takes authorities and what the files hold now; nothing has changed if it fails."""
        own = self._files.read()
        found, tls = self._checked(own, authorities, revoked)
        before = self.certificate
        if found.node != before.node:
            text = "it has another key, which makes another node: start the node again with it"
            raise CertificateError("node_id", text)
        self._authorities, self._revoked = authorities, revoked
        self._identity, self.certificate, self._tls = own, found, tls
        if found.fingerprint != before.fingerprint:
            self._renewed()

    def _renewed(self) -> None:
        """New connections show the new certificate; those that stand are made anew in turn."""
        found = self.certificate
        self._hello = replace(self._hello, name=found.name, organisation=found.organisation)
        self._stale = deque(self._peers.values())
        self._alarms_due = 0.0
        days = found.days(self._clock_ms())
        log.info("the renewed certificate is in use: it is valid for %d days", days)

    def _look_at_certificate(self) -> None:
        """Takes a certificate whose files were replaced; a bad one is told once and left."""
        if not self._files.replaced():
            return
        try:
            self._load(self._authorities, self._revoked)
        except (CertificateError, OSError) as error:
            text = f"the replaced certificate is not used, the one before stays: {error}"
            self._host.on_alarm("own_certificate_refused", text)

    def _renew_connection(self) -> None:
        """One of the connections that still show the certificate of before.

        Where this side dialled, a second connection takes the place of the first without a gap;
        elsewhere the peer is asked to dial again.
        """
        stale = self._stale.popleft()
        if stale not in self._connections or stale.state is not State.ESTABLISHED:
            return
        if stale.dialled is not None:
            self._spawn(self._dial(stale.dialled))
        else:
            stale.close("renewed")

    async def start(self) -> None:
        """Listens and dials.

        Raises:
            SourceError: If the address to dial from is not one of this machine.
            OSError: If the address cannot be listened on.
        """
        if self._settings.source is not None:
            transport.check_source(self._settings.source)
        if self._settings.listen is not None:
            self._listener = transport.listen(self._settings.listen)
            self._spawn(transport.accept(self._listener, self._admit, self._take))
        self._spawn(self._tick())

    async def stop(self) -> None:
        """Ends all connections."""
        self._stopping = True
        # What was begun gets its first turn: cancelled before it, it would not close its socket.
        await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
        for connection in tuple(self._connections):
            connection.close("stopping")
        # The farewells and the end of TLS need a few turns of the loop.
        deadline = self._now() + SHUTDOWN_SECONDS
        while self._open:
            if self._now() >= deadline:
                for connection in self._open:
                    connection.abort()
            await asyncio.sleep(0.01)

    @property
    def port(self) -> int | None:
        """The port that it listens on."""
        return self._listener.getsockname()[1] if self._listener is not None else None

    @property
    def node(self) -> bytes:
        """Own node id."""
        return self.certificate.node

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the network failed", exc_info=error)

    # --- for the host ----------------------------------------------------------------------------

    def send(
        self, peers: Iterable[bytes], kind: int, payload: bytes, priority: Priority
    ) -> tuple[bytes, ...]:
        """Queues a message for peers.

        Returns:
            Those that did not take it: not connected, or their queue is full.

        Raises:
            TooLongError: If it is longer than its priority allows.
        """
        item = Item(priority, kind, payload)
        refused = []
        for peer in peers:
            connection = self._peers.get(peer)
            if connection is None or not connection.send(item):
                refused.append(peer)
        return tuple(refused)

    def broadcast(self, kind: int, payload: bytes, priority: Priority) -> tuple[bytes, ...]:
        """Queues a message for all connected peers; those that did not take it."""
        return self.send(tuple(self._peers), kind, payload, priority)

    @property
    def peers(self) -> tuple[bytes, ...]:
        """Connected nodes."""
        return tuple(self._peers)

    def round_trip(self, peer: bytes) -> float | None:
        """Round-trip time (s) to a connected peer, once measured."""
        connection = self._peers.get(peer)
        return connection.round_trip if connection is not None else None

    def penalise(self, peer: bytes, reason: str, *, ban: float | None = None) -> None:
        """Ends a peer's connection for misconduct and bans it.

        Args:
            peer: A node that is or was connected.
            reason: A stable code of [a-z0-9_].
            ban: Seconds; None takes the growing time of a violation, 0 only disconnects.
        """
        if self._table.record(peer) is None:
            return
        self._table.punish(peer, reason, self._now(), ban)
        self._counters["bans" if ban != 0 else "disconnects"] += 1
        connection = self._peers.get(peer)
        if connection is not None:
            connection.close(reason)

    def pardon(self, peer: bytes) -> bool:
        """Lifts a ban; False if there was none."""
        return self._table.pardon(peer)

    def set_authorities(
        self, authorities: Iterable[Authority], revoked: Iterable[bytes] = ()
    ) -> None:
        """Takes new authorities and revocations; connections that they do not cover are ended.

        Raises:
            CertificateError: As when the network was made; then nothing has changed.
            OSError: If a file cannot be read; then nothing has changed.
        """
        self._load(tuple(authorities), frozenset(revoked))
        self._review()

    def follow(
        self, authorities: Iterable[Authority], revoked: Iterable[bytes], lists: NodeLists
    ) -> None:
        """Takes what the ledger says now; connections that it does not cover are ended.

        Unlike `set_authorities` it never refuses: what cannot be used raises an alarm and is left
        out. A node whose own certificate is covered no more follows as well; the others refuse it.
        """
        usable = tuple(one for one in authorities if self._is_usable(one))
        without = frozenset(revoked)
        try:
            self._load(usable, without)
        except (CertificateError, OSError):
            # What is wrong with the files is told where they are seen to be replaced.
            self._keep(usable, without)
        self._table.lists = lists
        self._review()

    def _keep(self, authorities: tuple[Authority, ...], revoked: frozenset[bytes]) -> None:
        """Takes authorities and goes on with the certificate in use, whatever the files hold."""
        own = self._identity
        try:
            certificates.check(certificates.der(own.certificate), authorities, revoked)
        except CertificateError as error:
            self._host.on_alarm("own_certificate_refused", f"others may refuse this node: {error}")
        self._authorities, self._revoked = authorities, revoked
        try:
            self._tls = transport.contexts(authorities, own.certificate, own.key)
        except OSError as error:
            text = f"TLS goes on with the authorities of before: {error}"
            self._host.on_alarm("own_certificate_refused", text)

    def _is_usable(self, authority: Authority) -> bool:
        try:
            certificates.check_authority(authority)
        except CertificateError as error:
            self._host.on_alarm("authority_unusable", str(error))
            return False
        return True

    def _review(self) -> None:
        """Ends the connections that the rules do not cover any more."""
        for connection in tuple(self._connections):
            if connection.certificate is None:
                continue
            try:
                found = self._check(connection.certificate_bytes)
            except CertificateError as error:
                connection.close(error.reason)
                continue
            reason = self._table.lists.refuses(found.node, found.organisation)
            if reason is not None:
                connection.close(reason)
        self._alarms_due = 0.0

    def set_observer(self, observer: bool) -> None:
        """Whether this node votes, as it tells others when they connect."""
        self._hello = replace(self._hello, roles=0 if observer else ROLE_VALIDATOR)

    def snapshot(self) -> dict[str, object]:
        """What `bubi peers` shows."""
        now = self._now()
        for connection in self._peers.values():
            connection.totals()
        peers = self._table.snapshot(now)
        now_ms = self._clock_ms()
        for one in peers:
            live = self._peers.get(bytes.fromhex(str(one["id"])))
            one.update(_NO_CONNECTION if live is None else live.snapshot())
            if live is not None and live.certificate is not None:
                one["certificate_days"] = live.certificate.days(now_ms)
                statistics = live.totals()
                for name in statistics.__slots__:
                    total = one[name]
                    assert isinstance(total, int)
                    one[name] = total + getattr(statistics, name)
        return {
            "node": self.node.hex(),
            "name": self.certificate.name,
            "organisation": self.certificate.organisation,
            "certificate_days": self.certificate.days(now_ms),
            "listen": str(self._settings.listen) if self._settings.listen else None,
            "advertised": str(self._settings.advertised) if self._settings.advertised else None,
            "peers": peers,
            "addresses": self._table.addresses(now),
            "strangers": self._door.snapshot(),
        }

    def counters(self) -> Mapping[str, int]:
        """Totals since the start, for metrics; names are stable."""
        sums = self._table.totals()
        for connection in self._peers.values():
            sums.add(connection.totals())
        totals = {name: getattr(sums, name) for name in _TOTALS}
        return {**self._counters, **totals, "queued_bytes": self.budget.used}

    # --- connections come and go -----------------------------------------------------------------

    def hello(self, connection: Connection) -> Hello:
        """What this node says first."""
        return replace(self._hello, serial=connection.serial)

    def _check(self, certificate: bytes) -> NodeCertificate:
        return certificates.check(certificate, self._authorities, self._revoked)

    def certified(self, connection: Connection, certificate: bytes) -> NodeCertificate:
        """Checks the certificate of a new connection.

        Raises:
            CertificateError: If it is not good, or its node unwanted.
        """
        self._open.add(connection)
        found = self._check(certificate)
        if found.node != self.node:
            self._table.seen(found.node, found.name, found.organisation)
        reason = self._table.refuses(
            found.node, found.organisation, found.fingerprint, self._now()
        )
        if reason is not None:
            connection.certificate = found
            raise CertificateError(reason, f"{found.name!r} is refused: {reason}")
        return found

    def greeted(self, connection: Connection, hello: Hello) -> str | None:
        """Whether a peer is accepted after its HELLO; one of two connections is chosen here."""
        found = connection.certificate
        assert found is not None
        claims = Claims(found.node, found.name, found.organisation)
        reason = check_hello(self._hello, hello, claims, outbound=connection.outbound)
        if reason is not None:
            return reason
        old = self._peers.get(found.node) or self._greeting(connection, found.node)
        if old is not None and old.peer is not None:
            new_link, old_link = _link(connection, hello), _link(old, old.peer)
            if not replaces(self.node, found.node, old_link, new_link):
                old.doubt()
                return "duplicate"
            old.statistics.replaced += 1
            if old_link.instance != new_link.instance:
                self._restarted(found)
            old.close("replaced")
        return None

    def _restarted(self, found: NodeCertificate) -> None:
        """Another instance took over a live connection: if often, the key was copied."""
        times = self._restarts.setdefault(found.node, deque(maxlen=TAKEOVERS))
        times.append(self._now())
        if len(times) == TAKEOVERS and times[-1] - times[0] < TAKEOVER_SECONDS:
            del self._restarts[found.node]
            self._host.on_alarm(
                "duplicate_identity",
                f"two nodes seem to use the certificate of {found.name} ({found.organisation})",
            )

    def _greeting(self, connection: Connection, node: bytes) -> Connection | None:
        """Another connection of the node that has said HELLO and is not established yet."""
        return next(
            (
                one
                for one in self._connections
                if one is not connection
                and one.state is State.GREETING
                and one.peer is not None
                and one.peer.node == node
            ),
            None,
        )

    def established(self, connection: Connection) -> None:
        """A peer is connected."""
        hello, found = connection.peer, connection.certificate
        assert hello is not None
        assert found is not None
        now = self._now()
        self._peers[found.node] = connection
        if connection.dialled is not None:
            self._table.dial_ended(connection.dialled, found.node, None, now)
        elif connection.ip is not None:
            self._door.greeted(connection.ip)
        record = self._table.seen(found.node, found.name, found.organisation)
        self._table.up(record, hello.roles, hello.address, now)
        self._counters["connects"] += 1
        self._alarm(found)
        log.info("connected to %s of %s (%s)", found.name, found.organisation, connection.ip)
        self._host.on_peer_up(
            PeerInfo(
                node=found.node,
                name=found.name,
                organisation=found.organisation,
                validator=bool(hello.roles & ROLE_VALIDATOR),
                address=hello.address,
                outbound=connection.outbound,
                version=common_version(self._hello, hello),
                certificate_days=found.days(self._clock_ms()),
            )
        )

    def message(self, delivery: Delivery) -> None:
        """Gives a message to the host, whose defects must not cost the peer its connection."""
        try:
            self._host.on_message(delivery)
        except Exception:
            log.exception("a message of kind %d could not be handled", delivery.kind)
            self._counters["unhandled"] += 1
            delivery.done()

    def neighbours(self, connection: Connection, neighbours: tuple[Neighbour, ...]) -> None:
        """Learns addresses."""
        assert connection.certificate is not None
        ignored = self._table.learn(connection.certificate.node, neighbours, self._now())
        self._counters["addresses_ignored"] += ignored

    def gone(self, connection: Connection) -> None:
        """Its transport has ended."""
        self._open.discard(connection)

    def closed(
        self, connection: Connection, reason: str, *, established: bool, violation: bool
    ) -> None:
        """A connection ended, or never came to be."""
        now = self._now()
        found = connection.certificate
        record = self._table.record(found.node) if found is not None else None
        self._connections.discard(connection)
        # A peer's own words are not counted one by one: it could invent them without end.
        counted = "by_peer" if reason.startswith(PEER_SAID) else reason
        self._counters[f"closed_{counted}"] += 1
        if connection.dialled is None and connection.ip is not None:
            self._door.closed(connection.ip, greeted=established, reason=counted, now=now)
        if connection.dialled is not None and not established:
            node = found.node if found is not None else None
            self._table.dial_ended(connection.dialled, node, reason, now)
        if not established and reason not in ORDINARY:
            self._tell_refused(connection, reason, counted)
        if record is None:
            return
        record.statistics.add(connection.totals())
        if violation:
            until = self._table.punish(record.node, reason, now)
            log.warning(
                "%s broke the protocol (%s): banned for %.0f s", record.name, reason, until - now
            )
        if established and self._peers.get(record.node) is connection:
            del self._peers[record.node]
            self._table.down(record.node, reason, now)
            log.info("connection to %s ended: %s", record.name, reason)
            self._host.on_peer_down(record.node, reason)
        elif not record.connected:
            record.reason = reason

    # --- what the log tells of others ------------------------------------------------------------

    def _say(self, key: tuple[str, ...], text: str) -> None:
        """A line in the log, unless the same was said a moment ago: others cannot fill it."""
        kept_back = self._repeats.say(key, self._now())
        if kept_back is not None:
            log.warning("%s%s", text, f" ({kept_back} times more before)" if kept_back else "")

    def _tell_refused(self, connection: Connection, reason: str, counted: str) -> None:
        """A handshake that this side or the other one ended."""
        found = connection.certificate
        place = str(connection.dialled or connection.ip)
        who = place if found is None else f"{found.name} of {found.organisation} ({place})"
        way = "to" if connection.outbound else "from"
        key = place if found is None else found.node.hex()
        self._say(("handshake", key, counted), f"no connection {way} {who}: {reason}")

    def _tell_throttled(self, connection: Connection) -> None:
        """A peer that is ahead of its rates, and is read more slowly."""
        times, found = connection.statistics.throttled, connection.certificate
        if times == connection.throttled_told or found is None:
            return
        connection.throttled_told = times
        text = f"{found.name} of {found.organisation} is throttled: it sends more than its share"
        self._say(("throttled", found.node.hex()), f"{text} ({times} times on this connection)")

    # --- listening -------------------------------------------------------------------------------

    def _admit(self, ip: IPAddress) -> bool:
        reason = self._door.admit(ip, self._now())
        if reason is not None:
            self._counters[f"refused_{reason}"] += 1
            self._say(("door", str(ip), reason), f"a connection from {ip} is refused: {reason}")
        return reason is None

    def _take(self, taken: Socket, ip: IPAddress) -> None:
        if self._stopping:
            taken.close()
            return
        connection = Connection(self, self._settings.limits, ip)
        self._connections.add(connection)
        timeout = self._settings.limits.handshake
        work = transport.accept_tls(taken, connection, self._tls.inside, timeout)
        self._spawn(self._handshake(connection, work))

    async def _handshake(self, connection: Connection, work: Coroutine[Any, Any, None]) -> None:
        """TLS of a connection; what fails before its end is noted here."""
        reason = "stopping"
        try:
            await work
            return
        except OSError as error:
            reason = transport.failure(error)
        finally:
            if connection.state is State.OPENING:
                connection.state = State.CLOSED
                self.closed(connection, reason, established=False, violation=False)

    # --- dialling --------------------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            now = self._now()
            for connection in tuple(self._connections):
                connection.tick(now)
            for peer in tuple(self._peers.values()):
                self._tell_neighbours(peer, now)
                self._tell_throttled(peer)
            for address in self._table.due(now):
                self._spawn(self._dial(address))
            if now >= self._alarms_due:
                self._alarms_due = now + ALARMS_EVERY
                self._alarm_all()
            if now >= self._certificate_due:
                self._certificate_due = now + self._settings.certificate_every
                self._look_at_certificate()
            if self._stale and now >= self._stale_due:
                self._stale_due = now + RENEWED_EVERY
                self._renew_connection()
            await asyncio.sleep(self._settings.tick)

    def _tell_neighbours(self, connection: Connection, now: float) -> None:
        sent, revision = connection.neighbours_sent
        news = revision != self._table.revision
        if now - sent < (NEIGHBOURS_SOONEST if news else NEIGHBOURS_EVERY) and revision >= 0:
            return
        assert connection.certificate is not None
        connection.neighbours_sent = (now, self._table.revision)
        connection.send_neighbours(self._table.neighbours(connection.certificate.node))

    async def _dial(self, address: Address) -> None:
        timeout = self._settings.limits.handshake
        reason: str | None = "stopping"
        try:
            async with asyncio.timeout(timeout):
                taken = await self._dialler.connect(address)
            reason = None
        except (OSError, transport.DialError) as error:
            reason = transport.failure(error)
        finally:
            if reason is not None:
                self._counters[f"undialled_{reason}"] += 1
                self._table.dial_ended(address, None, reason, self._now())
        if reason is not None:
            self._say(("dial", str(address), reason), f"{address} is not reached: {reason}")
            return
        self._serial += 1
        ip = transport.remote(taken)
        connection = Connection(self, self._settings.limits, ip, address, self._serial)
        self._connections.add(connection)
        work = transport.dial_tls(taken, connection, self._tls.outside, timeout)
        await self._handshake(connection, work)

    # --- certificates that run out ---------------------------------------------------------------

    def _alarm_all(self) -> None:
        self._alarm(self.certificate)
        for connection in self._peers.values():
            if connection.certificate is not None:
                self._alarm(connection.certificate)

    def _alarm(self, certificate: NodeCertificate) -> None:
        """Tells the host once per certificate and threshold."""
        now_ms = self._clock_ms()
        code = certificate.alarm(now_ms)
        if code is None or self._alarmed.get(certificate.fingerprint) == code:
            return
        if len(self._alarmed) >= ALARMED_MAX:
            self._alarmed.clear()
        self._alarmed[certificate.fingerprint] = code
        self._host.on_alarm(
            code,
            f"the certificate of {certificate.name} ({certificate.organisation}) has "
            f"{certificate.days(now_ms)} days left",
        )


_TOTALS = (
    "bytes_in",
    "bytes_out",
    "messages_in",
    "messages_out",
    "dropped",
    "throttled",
    "violations",
)
_NO_CONNECTION: Mapping[str, object] = {
    "direction": None,
    "ip": None,
    "rtt_ms": None,
    "queued_bytes": 0,
    "queues": {},
    "unfinished_bytes": 0,
    "certificate_days": None,
}


def _link(connection: Connection, peer: Hello) -> Link:
    serial = connection.serial if connection.outbound else peer.serial
    return Link(connection.outbound, peer.instance, serial)
