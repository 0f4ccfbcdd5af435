"""Joins the replica's host with the network: messages to bytes and back, peers to inputs."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bubi import messages
from bubi.encoding import RULE, EncodingError
from bubi.messages import Link, PeerMessage, Priority, Status
from bubi.network.addresses import Address, IpRules
from bubi.network.admission import DoorLimits
from bubi.network.certificates import Authority, CertificateError
from bubi.network.channels import TooLongError
from bubi.network.connection import PEER_SAID, Delivery
from bubi.network.mesh import Network, PeerInfo, Settings
from bubi.network.peers import NodeLists, Policy, TrustRules
from bubi.network.transport import SourceError
from bubi.node.certificates import organisation_of, read_certificates, to_der
from bubi.node.config import NetworkSection
from bubi.node.files import FileError
from bubi.node.host import ReplicaHost
from bubi.node.metrics import Metrics
from bubi.node.misdeeds import Misdeeds
from bubi.node.monitoring.clocks import Clocks
from bubi.node.monitoring.stages import NETWORK
from bubi.node.ports import Clock
from bubi.replica.events import Peer, PeerDown, PeerUp, Received

log = logging.getLogger("bubi.network")

MESSAGE_KIND = 0
"""The one kind of messages in this version; which one it is stands in its first byte."""
RELAYED_BYTES_MAX = 1_024
"""Longest message with the votes that is recognised: votes and statuses, not new views."""
RELAYED_MAX = 1_024
"""Messages recognised at a time, a few heights of a large set; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the mesh needs to know of the node."""

    chain_id: bytes
    authorities: tuple[Authority, ...]
    observer: bool


class Relayed:
    """Votes and statuses that came lately, by their bytes.

    Where not everyone is connected to everyone a vote comes by several peers. It is decoded once,
    and an equal object is found equal at once where it was taken and verified before.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, PeerMessage] = {}

    def decode(self, payload: bytes) -> PeerMessage:
        """A message that travels with the votes.

        Raises:
            EncodingError: it is none.
        """
        known = self._known.get(payload)
        if known is not None:
            return known
        message = messages.decode(payload)
        if len(payload) <= RELAYED_BYTES_MAX:
            self._known[payload] = message
            if len(self._known) > RELAYED_MAX:
                del self._known[next(iter(self._known))]
        return message


class Links:
    """See the module. The network's host, and the replica host's links to its peers."""

    def __init__(
        self,
        section: NetworkSection,
        place: Place,
        host: ReplicaHost,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """Reads the certificate and checks it.

        Raises:
            FileError: a certificate cannot be used; the message says why.
        """
        self._host = host
        self._clock = clock
        self._metrics = metrics
        self._misdeeds = Misdeeds()
        self._relayed = Relayed()
        self._clocks = Clocks()
        self._names: dict[bytes, str] = {}
        self._organisations: dict[bytes, str] = {}
        self._own_trust = tuple(_own_trust(section.trust))
        authorities = (*place.authorities, *self._own_trust)
        try:
            self._network = Network(
                _settings(section, place), authorities, self, clock.now_ms, work=self._as_network
            )
        except CertificateError as error:
            msg = (
                f"{section.certificate} cannot be used ({error}): it must be issued by an "
                "authority that the ledger lists for this organisation, or network.trust names"
            )
            raise FileError(msg) from error
        except OSError as error:
            msg = (
                f"{section.certificate} and {section.key} cannot be used ({error}): restore them, "
                "or check [network]"
            )
            raise FileError(msg) from error

    @property
    def node(self) -> bytes:
        """This node's id."""
        return self._network.node

    async def start(self) -> None:
        """Listens and dials.

        Raises:
            FileError: the address cannot be listened on, or not be dialled from.
        """
        try:
            await self._network.start()
        except SourceError as error:
            msg = f"{error}: set network.source to an address of this machine, or leave it out"
            raise FileError(msg) from error
        except OSError as error:
            msg = f"cannot listen for nodes ({error}): set another network.host or network.port"
            raise FileError(msg) from error

    async def stop(self) -> None:
        """Ends all connections."""
        await self._network.stop()

    def _as_network(self, work: Callable[[], None]) -> None:
        """Runs a piece of the network's work on the clock of its stage."""
        clock = self._metrics.stages
        before = clock.enter(NETWORK)
        try:
            work()
        finally:
            clock.leave(before)

    # --- what the replica's host asks ----------------------------------------------------

    def send(self, peers: Sequence[Peer], message: PeerMessage) -> None:
        """Queues a message; a peer whose queue is full misses it and asks again later.

        What is too large for a message cannot be sent to anyone: it raises an alarm.
        """
        clock = self._metrics.stages
        before = clock.enter(NETWORK)
        try:
            payload = messages.encode(message)
            priority = messages.priority(message)
            refused = self._network.send(peers, MESSAGE_KIND, payload, priority)
        except (EncodingError, TooLongError) as error:
            text = f"a message {type(message).__name__} cannot be sent: {error}"
            self.on_alarm("message_unsendable", text)
            refused = tuple(peers)
        finally:
            clock.leave(before)
        if refused:
            self._metrics.unsent.inc(len(refused))

    def penalise(self, peer: Peer, reason: str, ban: bool) -> None:
        """Counts a misdeed; a ban, or too many in a minute, ends the connection for a while."""
        too_many = self._misdeeds.count(peer, reason, time.monotonic())
        log.warning("peer %s: %s%s", peer.hex()[:16], reason, " (banned)" if ban else "")
        if ban:
            self._network.penalise(peer, _code(reason))
        elif too_many:
            self._network.penalise(peer, "too_many_misdeeds")

    def links(self) -> tuple[Link, ...]:
        """Connected peers with their round-trip times, as many as a status may tell."""
        return tuple(
            Link(peer, int((self._network.round_trip(peer) or 0.0) * 1_000_000))
            for peer in self._network.peers[: messages.LINKS_MAX]
        )

    def organisation(self, peer: Peer) -> str | None:
        """Organisation of a connected peer, by its certificate."""
        return self._organisations.get(peer)

    def follow(
        self, authorities: Sequence[Authority], revoked: Sequence[bytes], lists: NodeLists
    ) -> None:
        """Takes what the ledger says of nodes now; this node's own trust list stays beside it."""
        self._network.follow((*authorities, *self._own_trust), revoked, lists)

    def set_observer(self, observer: bool) -> None:
        """Whether this node votes, as it tells others when they connect."""
        self._network.set_observer(observer)

    @property
    def certificate_days(self) -> int:
        """Days that this node's certificate is still valid."""
        return self._network.certificate.days(self._clock.now_ms())

    # --- what the network tells ----------------------------------------------------------

    def on_peer_up(self, peer: PeerInfo) -> None:
        """A connection was accepted by both sides."""
        self._names[peer.node] = peer.name
        self._organisations[peer.node] = peer.organisation
        self._host.put(PeerUp(peer.node, peer.name, peer.organisation, not peer.validator))

    def on_peer_down(self, peer: bytes, reason: str) -> None:
        """It ended."""
        self._clocks.forget(peer)
        self._organisations.pop(peer, None)
        # A peer's own words are not counted one by one: it could invent them without end.
        counted = "by_peer" if reason.startswith(PEER_SAID) else reason
        self._metrics.peers.disconnects.labels(self._names.pop(peer), counted).inc()
        self._host.put(PeerDown(peer))

    def on_message(self, delivery: Delivery) -> None:
        """Decodes a message; what cannot be decoded costs the connection."""
        try:
            message = self._decode(delivery)
        except EncodingError as error:
            delivery.done()
            log.warning("peer %s sent a malformed message: %s", delivery.peer.hex()[:16], error)
            self._metrics.penalties.labels("malformed").inc()
            self._network.penalise(delivery.peer, "malformed")
            return
        if isinstance(message, Status) and message.node == delivery.peer:
            trip = self._network.round_trip(delivery.peer)
            self._clocks.heard(delivery.peer, message.time, self._clock.now_ms(), trip)
        self._host.put(Received(delivery.peer, message), delivery.done)

    def _decode(self, delivery: Delivery) -> PeerMessage:
        votes = delivery.priority is Priority.VOTES
        decode = self._relayed.decode if votes else messages.decode
        message = decode(delivery.payload)
        if delivery.kind != MESSAGE_KIND or delivery.priority is not messages.priority(message):
            raise EncodingError(RULE)
        return message

    def on_alarm(self, code: str, text: str) -> None:
        """Something that an operator must know; it never stops the node."""
        self._metrics.alarms.labels(code).inc()
        log.error("%s: %s", code, text)

    # --- what people ask -----------------------------------------------------------------

    def snapshot(self) -> list[dict[str, Any]]:
        """Nodes that are or were connected, and addresses that never answered.

        Of those some are told by others as a node's; they have its id, and no name yet.
        """
        shown: Any = self._network.snapshot()
        self._fill_clocks()
        items = [self._item(one) for one in shown["peers"]]
        nodes = {one["id"] for one in items}
        places = {one["address"] for one in items if one["address"] is not None}
        items += [
            {
                "id": one["node"] or one["address"],
                "name": one["address"],
                "organisation": "",
                "state": "dialling" if one["dialling"] else "waiting",
                "rtt_ms": None,
                "reason": one["reason"],
                "address": one["address"],
            }
            for one in shown["addresses"]
            if one["address"] not in places and (one["node"] is None or one["node"] not in nodes)
        ]
        return items

    def _item(self, one: Mapping[str, Any]) -> dict[str, Any]:
        count, reason = self._misdeeds.of(bytes.fromhex(one["id"]))
        return {
            **one,
            "role": "validator" if one["validator"] else "observer",
            "misdeeds": count,
            "misdeed": reason,
            "reason": one["reason"] or reason,
        }

    def _fill_clocks(self) -> None:
        metrics = self._metrics.peers
        metrics.certificate.set(self.certificate_days)
        metrics.clock_offset.clear()
        for peer, offset in self._clocks.offsets().items():
            metrics.clock_offset.labels(self._names.get(peer, peer.hex())).set(offset)
        metrics.clock_median.set(self._clocks.median() or 0.0)

    def counters(self) -> Mapping[str, int]:
        """Totals since the start."""
        return self._network.counters()


def _code(reason: str) -> str:
    """A reason as a code of the network: lower case, digits, underscores."""
    return "".join(one if one.isalnum() else "_" for one in reason.lower())[:64]


def _settings(section: NetworkSection, place: Place) -> Settings:
    assert section.certificate is not None
    assert section.key is not None
    rules = IpRules(section.allow, section.deny)
    trust = TrustRules(
        allow_organisations=frozenset(section.allow_organisations),
        deny_organisations=frozenset(section.deny_organisations),
        allow_nodes=frozenset(section.allow_nodes),
        deny_nodes=frozenset(section.deny_nodes),
        allow_certificates=frozenset(section.allow_certificates),
    )
    return Settings(
        chain=place.chain_id,
        certificate=section.certificate,
        key=section.key,
        listen=None if section.outbound_only else Address(section.host, section.port),
        advertised=None if section.outbound_only else section.advertise,
        seeds=section.seeds,
        observer=place.observer,
        source=section.source,
        proxy=section.proxy,
        policy=Policy(target=section.peers_max, trust=trust, rules=rules),
        door=DoorLimits(total=2 * section.peers_max),
    )


def _own_trust(path: Path | None) -> Iterable[Authority]:
    """Authorities that this node accepts beside those of the ledger."""
    if path is None:
        return ()
    return [Authority(organisation_of(one), to_der(one)) for one in read_certificates(path)]
