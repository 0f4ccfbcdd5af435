"""Numbers for monitoring, in the Prometheus text format at `/metrics`.

All names begin with `bubi_`.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bubi import core
from bubi.node.monitoring.clients import Clients
from bubi.node.monitoring.stages import LoopClock, thread_seconds

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LONG_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
FINAL = 0
"""The result code of what is final."""
FSYNC_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class NetworkMetrics:
    """What this node measures of its connections."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"bubi_{name}", text, labels, registry=registry)

        self.connected = gauge("peer_connected", "Whether connected", "peer", "organisation")
        self.round_trip = gauge("peer_rtt_seconds", "Round-trip time to a peer", "peer")
        self.bytes = gauge("peer_bytes", "Bytes since the start", "peer", "direction")
        self.queue = gauge("peer_queue_bytes", "Bytes that wait for a peer", "peer")
        self.peer_certificate = gauge(
            "peer_certificate_days", "Days that a peer's certificate is still valid", "peer"
        )
        self.certificate = gauge(
            "certificate_days", "Days that this node's certificate is still valid"
        )
        self.clock_offset = gauge(
            "peer_clock_offset_seconds", "A peer's clock minus this node's", "peer"
        )
        self.clock_median = gauge(
            "clock_offset_seconds", "Median of the peers' clocks minus this node's"
        )
        self.disconnects = Counter(
            "bubi_peer_disconnects",
            "Connections that ended",
            ["peer", "reason"],
            registry=registry,
        )


class ConsensusMetrics:
    """How the validators agree, as this node sees it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"bubi_{name}", text, labels, registry=registry)

        self.interval = Histogram(
            "bubi_block_interval_seconds",
            "Time between two decisions",
            buckets=LONG_SECONDS,
            registry=registry,
        )
        self.view_changes = Counter(
            "bubi_view_changes", "Views that ended without a decision", registry=registry
        )
        self.evidence = Counter(
            "bubi_evidence", "Contradicting statements of a validator", registry=registry
        )
        self.outcomes = Counter(
            "bubi_outcomes", "Transactions in decided blocks by code", ["code"], registry=registry
        )
        self.view = gauge("view", "View of the height in work")
        self.margin = gauge("quorum_margin", "Votes present beyond the quorum; negative: halted")
        self.lag = gauge("height_lag", "Blocks that this node has to fetch")
        self.halted = gauge("halted", "Whether nothing can be decided")
        self.validator_up = gauge("validator_up", "Whether a validator is heard of", "validator")
        self.validator_height = gauge("validator_height", "Height it tells", "validator")
        self.validator_silence = gauge(
            "validator_silence_seconds", "Since its last status", "validator"
        )


class DoorMetrics:
    """How transactions and requests fare at this node."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.time_to_final = Histogram(
            "bubi_time_to_final_seconds",
            "From the admission of a group to its decision",
            buckets=LONG_SECONDS,
            registry=registry,
        )
        self.verification = Histogram(
            "bubi_verification_seconds",
            "Time to check one group at the door",
            buckets=SECONDS,
            registry=registry,
        )
        self.requests = Counter(
            "bubi_api_requests", "Requests", ["route", "method", "status"], registry=registry
        )
        self.latency = Histogram(
            "bubi_api_seconds",
            "Time until an answer begins",
            ["route", "method"],
            buckets=LONG_SECONDS,
            registry=registry,
        )
        self.clients = Counter(
            "bubi_api_client_requests",
            "Requests by client",
            ["client", "status"],
            registry=registry,
        )
        self.client_latency = Histogram(
            "bubi_api_client_seconds",
            "Time until an answer to a client begins",
            ["client"],
            buckets=LONG_SECONDS,
            registry=registry,
        )
        self.client_transactions = Counter(
            "bubi_client_transactions",
            "Transactions of a client by what became of them",
            ["client", "result", "code"],
            registry=registry,
        )
        self.subscription_lag = Gauge(
            "bubi_subscription_lag_blocks",
            "Blocks that the slowest open event stream of a client is behind",
            ["client"],
            registry=registry,
        )
        self.names = Clients()

    def admitted(self, clients: Mapping[str, int]) -> None:
        """Counts transactions that were admitted, by client."""
        for client, count in clients.items():
            self._count(client, "admitted", "", count)

    def refused(self, refusals: Iterable[tuple[str, str]]) -> None:
        """Counts refusals: client and code of each."""
        for (client, code), count in Tally(refusals).items():
            self._count(client, "refused", code, count)

    def decided(self, clients: str | tuple[str, ...], codes: bytes) -> None:
        """Counts outcomes: one code (u16, little-endian) per transaction of these clients."""
        numbers = memoryview(codes).cast("H")
        if isinstance(clients, tuple):
            tally = Tally(zip(clients, numbers, strict=True))
        elif codes.count(0) == len(codes):
            # The hot path: everything of one client is final.
            tally = Tally({(clients, FINAL): len(numbers)})
        else:
            tally = Tally((clients, number) for number in numbers)
        names = core.code_names()
        for (client, number), count in tally.items():
            if number == FINAL:
                self._count(client, "final", "", count)
            elif number == core.SKIPPED:
                self._count(client, "skipped", "", count)
            else:
                self._count(client, "rejected", names[number], count)

    def _count(self, client: str, result: str, code: str, count: int) -> None:
        if client:
            self.client_transactions.labels(client, result, code).inc(count)


class HostMetrics:
    """The machine and the process. Served by the operator listener only."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"bubi_{name}", text, labels, registry=registry)

        self.cpu = gauge("host_cpu_ratio", "Share of all cores in use")
        self.load = gauge("host_load1", "Load average of one minute")
        self.memory = gauge("host_memory_bytes", "Memory", "what")
        self.disk = gauge("host_disk_bytes", "Disk of the ledger", "what")
        self.fill = gauge("host_disk_fill_seconds", "Until that disk is full at this pace")
        self.traffic = gauge("host_network_bytes", "Bytes on all interfaces", "direction")
        self.process_cpu = gauge("process_cpu_seconds", "Processor time of the node")
        self.resident = gauge("process_resident_bytes", "Memory of the node")
        self.files = gauge("process_open_files", "Files and connections open")
        self.files_limit = gauge("process_open_files_limit", "Most that may be open")
        self.started = gauge("process_start_time_seconds", "Start (seconds since 1970)")
        self.fsync = Histogram(
            "bubi_host_fsync_seconds",
            "Time of one sync to the disk of the ledger",
            ["of"],
            buckets=FSYNC_SECONDS,
            registry=registry,
        )
        self.lines = Counter("bubi_log_lines", "Lines written", ["level"], registry=registry)


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
        self.stages = LoopClock()
        self._loop_cpu = Gauge(
            "bubi_loop_cpu_seconds",
            "Processor time of the event loop's thread by what it was spent on",
            ["stage"],
            registry=make,
        )
        self._thread_cpu = Gauge(
            "bubi_thread_cpu_seconds",
            "Processor time of the threads of one name",
            ["thread"],
            registry=make,
        )
        self.peers = NetworkMetrics(make)
        self.consensus = ConsensusMetrics(make)
        self.door = DoorMetrics(make)
        self.host_registry = CollectorRegistry()
        self.host = HostMetrics(self.host_registry)
        self._gauges: dict[str, Gauge] = {}

    def set_gauge(self, name: str, value: float) -> None:
        """Sets `bubi_<name>`."""
        if name not in self._gauges:
            text = name.replace("_", " ").capitalize()
            self._gauges[name] = Gauge(f"bubi_{name}", text, registry=self.registry)
        self._gauges[name].set(value)

    def render(self, sources: Callable[[], Mapping[str, float]], *, host: bool = False) -> bytes:
        """The metrics as text, with gauges taken from `sources`; `host`: of the machine too."""
        for name, value in sources().items():
            self.set_gauge(name, value)
        for stage, seconds in self.stages.seconds().items():
            self._loop_cpu.labels(stage).set(seconds)
        for thread, seconds in thread_seconds().items():
            self._thread_cpu.labels(thread).set(seconds)
        text = generate_latest(self.registry)
        return text + generate_latest(self.host_registry) if host else text
