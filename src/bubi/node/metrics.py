"""Numbers for monitoring, in the Prometheus text format at `/metrics`.

All names begin with `bubi_`.
"""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The node's own registry; gauges are filled when they are asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        make = self.registry
        self.blocks = Counter("bubi_blocks", "Blocks decided since the start", registry=make)
        self.transactions = Counter(
            "bubi_transactions", "Transactions in decided blocks", ["outcome"], registry=make
        )
        self.admitted = Counter("bubi_admitted", "Transactions admitted", registry=make)
        self.refused = Counter("bubi_refused", "Transactions refused", ["code"], registry=make)
        self.alarms = Counter("bubi_alarms", "Alarms raised", ["code"], registry=make)
        self.penalties = Counter(
            "bubi_peer_penalties", "Misdeeds of peers", ["reason"], registry=make
        )
        self.unsent = Counter(
            "bubi_peer_unsent", "Messages that a peer's full queue did not take", registry=make
        )
        self.network = Gauge(
            "bubi_network", "Totals of the peer network since the start", ["what"], registry=make
        )
        self.phase = Histogram(
            "bubi_block_phase_seconds",
            "Time per phase of a block",
            ["phase"],
            buckets=SECONDS,
            registry=make,
        )
        self._gauges: dict[str, Gauge] = {}

    def set_gauge(self, name: str, value: float) -> None:
        """Sets `bubi_<name>`."""
        if name not in self._gauges:
            text = name.replace("_", " ").capitalize()
            self._gauges[name] = Gauge(f"bubi_{name}", text, registry=self.registry)
        self._gauges[name].set(value)

    def render(self, sources: Callable[[], Mapping[str, float]]) -> bytes:
        """The metrics as text, with gauges taken from `sources`."""
        for name, value in sources().items():
            self.set_gauge(name, value)
        return generate_latest(self.registry)
