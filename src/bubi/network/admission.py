"""Who may open a connection at all, before a certificate is seen. Pure; time (s) is given.

Rules on IP addresses, connections per IP address, connections in their handshake, connections in
all, new connections per second, of one IP address and of all. What is refused is counted per IP
address.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from bubi.network.addresses import IPAddress, IpRules
from bubi.network.rates import Bucket, Rate

STRANGERS_MAX = 256


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """Limits of incoming connections."""

    total: int = 128
    per_ip: int = 32
    half_open: int = 32
    half_open_per_ip: int = 16
    rate: Rate = Rate(8, 64)  # noqa: RUF009 - frozen
    total_rate: Rate = Rate(50, 200)  # noqa: RUF009 - frozen


@dataclass(slots=True)
class _Stranger:
    """What is known of an IP address."""

    bucket: Bucket
    open: int = 0
    half_open: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    last: str = ""
    since: float = 0.0


class Door:
    """Counts incoming connections."""

    def __init__(self, limits: DoorLimits, rules: IpRules) -> None:
        self.limits = limits
        self.rules = rules
        self._known: OrderedDict[IPAddress, _Stranger] = OrderedDict()
        self._all: Bucket | None = None
        self._open = 0
        self._half_open = 0

    def admit(self, ip: IPAddress, now: float) -> str | None:
        """Counts a new connection, or tells why it is refused."""
        stranger = self._stranger(ip, now)
        limits = self.limits
        self._all = self._all or Bucket(limits.total_rate, now)
        checks = (
            ("ip_denied", not self.rules.permits(ip)),
            ("connections", self._open >= limits.total),
            ("connections_of_ip", stranger.open >= limits.per_ip),
            ("half_open", self._half_open >= limits.half_open),
            ("half_open_of_ip", stranger.half_open >= limits.half_open_per_ip),
        )
        reason = next((reason for reason, refused in checks if refused), None)
        if reason is None and not stranger.bucket.allow(now):
            reason = "connection_rate"
        if reason is None and not self._all.allow(now):
            reason = "connection_rate_of_all"
        if reason is not None:
            self._note(stranger, reason, now)
            return reason
        self._open += 1
        self._half_open += 1
        stranger.open += 1
        stranger.half_open += 1
        return None

    def greeted(self, ip: IPAddress) -> None:
        """Its handshake ended well."""
        self._half_open -= 1
        self._known[ip].half_open -= 1

    def closed(self, ip: IPAddress, *, greeted: bool, reason: str, now: float) -> None:
        """It ended; `greeted` tells whether its handshake had ended well."""
        stranger = self._known[ip]
        self._open -= 1
        stranger.open -= 1
        if not greeted:
            self._half_open -= 1
            stranger.half_open -= 1
            self._note(stranger, reason, now)

    def _note(self, stranger: _Stranger, reason: str, now: float) -> None:
        stranger.refused[reason] = stranger.refused.get(reason, 0) + 1
        stranger.last, stranger.since = reason, now

    def _stranger(self, ip: IPAddress, now: float) -> _Stranger:
        stranger = self._known.get(ip)
        if stranger is None:
            self._forget(now)
            stranger = self._known[ip] = _Stranger(Bucket(self.limits.rate, now))
        self._known.move_to_end(ip)
        return stranger

    def _forget(self, now: float) -> None:
        """Makes room: whoever is not connected, longest unseen first."""
        if len(self._known) < STRANGERS_MAX:
            return
        idle = (ip for ip, one in self._known.items() if not one.open)
        oldest = next(idle, None)
        if oldest is not None:
            del self._known[oldest]

    def snapshot(self) -> list[Mapping[str, object]]:
        """IP addresses whose connections were refused or failed in their handshake."""
        return [
            {"ip": str(ip), "open": one.open, "reason": one.last, "refused": dict(one.refused)}
            for ip, one in self._known.items()
            if one.refused
        ]
