"""Which series are kept of a node, from which metrics."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bubi.gateway.monitoring.figures import Scrape, quantile, rate
from bubi.gateway.series.store import Key

Kind = Literal["value", "rate", "p50", "p95", "p99"]
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Kept:
    """A series: its name and unit, and what of which metric it is.

    `label` names the label that tells several series of a node apart; `where` fixes others.
    """

    name: str
    unit: str
    metric: str
    kind: Kind = "value"
    label: str = ""
    where: tuple[tuple[str, str], ...] = ()


CATALOGUE = (
    # The machine.
    Kept("cpu_ratio", "ratio", "bubi_host_cpu_ratio"),
    Kept("load1", "count", "bubi_host_load1"),
    Kept("memory_bytes", "bytes", "bubi_host_memory_bytes", label="what"),
    Kept("disk_bytes", "bytes", "bubi_host_disk_bytes", label="what"),
    Kept("disk_fill_seconds", "seconds", "bubi_host_disk_fill_seconds"),
    Kept("fsync_p99_seconds", "seconds", "bubi_host_fsync_seconds", "p99", "of"),
    Kept("network_bytes_per_second", "bytes/s", "bubi_host_network_bytes", "rate", "direction"),
    Kept("process_cpu_ratio", "ratio", "bubi_process_cpu_seconds", "rate"),
    Kept("process_resident_bytes", "bytes", "bubi_process_resident_bytes"),
    Kept("open_files", "count", "bubi_process_open_files"),
    Kept("log_lines_per_second", "1/s", "bubi_log_lines_total", "rate", "level"),
    # Connections.
    Kept("peers", "count", "bubi_peers"),
    Kept("rtt_seconds", "seconds", "bubi_peer_rtt_seconds", label="peer"),
    Kept("peer_queue_bytes", "bytes", "bubi_peer_queue_bytes", label="peer"),
    Kept("bytes_in_per_second", "bytes/s", "bubi_peer_bytes", "rate", "peer",
         (("direction", "in"),)),
    Kept("bytes_out_per_second", "bytes/s", "bubi_peer_bytes", "rate", "peer",
         (("direction", "out"),)),
    Kept("clock_offset_seconds", "seconds", "bubi_clock_offset_seconds"),
    Kept("certificate_days", "days", "bubi_certificate_days"),
    # Agreement.
    Kept("height", "count", "bubi_height"),
    Kept("blocks_per_second", "1/s", "bubi_blocks_total", "rate"),
    Kept("block_interval_p50_seconds", "seconds", "bubi_block_interval_seconds", "p50"),
    Kept("phase_p95_seconds", "seconds", "bubi_block_phase_seconds", "p95", "phase"),
    Kept("view", "count", "bubi_view"),
    Kept("view_changes_per_second", "1/s", "bubi_view_changes_total", "rate"),
    Kept("quorum_margin", "count", "bubi_quorum_margin"),
    Kept("height_lag", "count", "bubi_height_lag"),
    Kept("missing_validators", "count", "bubi_missing_validators"),
    # Business.
    Kept("transactions_per_second", "1/s", "bubi_transactions_total", "rate", "outcome"),
    Kept("admitted_per_second", "1/s", "bubi_admitted_total", "rate"),
    Kept("refused_per_second", "1/s", "bubi_refused_total", "rate", "code"),
    Kept("outcomes_per_second", "1/s", "bubi_outcomes_total", "rate", "code"),
    Kept("time_to_final_p50_seconds", "seconds", "bubi_time_to_final_seconds", "p50"),
    Kept("time_to_final_p95_seconds", "seconds", "bubi_time_to_final_seconds", "p95"),
    Kept("pool_transactions", "count", "bubi_pool_transactions"),
    Kept("pool_oldest_seconds", "seconds", "bubi_pool_oldest_seconds"),
    Kept("verified_per_second", "1/s", "bubi_store_signatures_verified", "rate"),
    Kept("verification_backlog_bytes", "bytes", "bubi_verification_backlog_bytes"),
    Kept("requests_per_second", "1/s", "bubi_api_requests_total", "rate", "route"),
    Kept("request_p95_seconds", "seconds", "bubi_api_seconds", "p95", "route"),
    Kept("client_requests_per_second", "1/s", "bubi_api_client_requests_total", "rate", "client"),
    Kept("client_request_p95_seconds", "seconds", "bubi_api_client_seconds", "p95", "client"),
    Kept("client_final_per_second", "1/s", "bubi_client_transactions_total", "rate", "client",
         (("result", "final"),)),
    Kept("client_rejected_per_second", "1/s", "bubi_client_transactions_total", "rate", "client",
         (("result", "rejected"),)),
    Kept("client_refused_per_second", "1/s", "bubi_client_transactions_total", "rate", "client",
         (("result", "refused"),)),
)  # fmt: skip


def samples(node: str, before: Scrape | None, after: Scrape) -> Iterator[tuple[Key, float]]:
    """What is kept of one look at a node; rates and quantiles need the look before."""
    for one in CATALOGUE:
        labels = _labels(one, after)
        for label in labels:
            value = _value(one, label, before, after)
            if value is not None:
                yield Key(one.name, node, label), value


def _labels(one: Kept, after: Scrape) -> list[str]:
    if not one.label:
        return [""]
    metric = f"{one.metric}_count" if one.kind in SHARES else one.metric
    found = after.matching(metric, dict(one.where))
    return sorted({labels[one.label] for labels, _ in found if one.label in labels})


def _value(one: Kept, label: str, before: Scrape | None, after: Scrape) -> float | None:
    where = dict(one.where)
    if one.label:
        where[one.label] = label
    if one.kind == "value":
        return after.value(one.metric, **where)
    if before is None or (one.kind == "rate" and one.metric not in after.samples):
        return None
    if one.kind == "rate":
        return rate(before, after, one.metric, **where)
    return quantile(before, after, one.metric, SHARES[one.kind], **where)
