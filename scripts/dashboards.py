"""Writes the Grafana dashboards of deploy/grafana: `python scripts/dashboards.py`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "deploy" / "grafana"
WIDTH, HEIGHT, PER_ROW = 8, 7, 3


@dataclass(frozen=True)
class Panel:
    """A chart: title, unit of Grafana, and queries with their legends."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"


def rate(metric: str, by: str, where: str = "") -> str:
    """Growth per second, summed."""
    chosen = f'node=~"$node"{"," + where if where else ""}'
    return f"sum by ({by}) (rate({metric}{{{chosen}}}[$__rate_interval]))"


def value(metric: str, where: str = "") -> str:
    """A gauge of the chosen nodes."""
    return f'{metric}{{node=~"$node"{"," + where if where else ""}}}'


def quantile(share: float, metric: str, by: str = "node") -> str:
    """A quantile of a histogram."""
    buckets = rate(f"{metric}_bucket", f"{by}, le")
    return f"histogram_quantile({share}, {buckets})"


NODE = "{{node}}"
DASHBOARDS: dict[str, tuple[str, tuple[Panel, ...]]] = {
    "overview": (
        "Bubi: overview",
        (
            Panel("Height", "none", ((value("bubi_height"), NODE),)),
            Panel("Final per second", "ops",
                  ((rate("bubi_transactions_total", "node", 'outcome="final"'), NODE),)),
            Panel("Time to final, p95", "s",
                  ((quantile(0.95, "bubi_time_to_final_seconds"), NODE),)),
            Panel("Votes beyond the quorum", "none", ((value("bubi_quorum_margin"), NODE),),
                  "stat"),
            Panel("Ready", "none", ((value("bubi_ready"), NODE),), "stat"),
            Panel("Missing validators", "none", ((value("bubi_missing_validators"), NODE),),
                  "stat"),
            Panel("Waiting transactions", "none", ((value("bubi_pool_transactions"), NODE),)),
            Panel("Disk free", "percentunit",
                  ((value("bubi_host_disk_bytes", 'what="free"') + " / ignoring(what) "
                    + value("bubi_host_disk_bytes", 'what="total"'), NODE),)),
            Panel("Alarms in an hour", "none",
                  (('sum by (node, code) (increase(bubi_alarms_total{node=~"$node"}[1h]))',
                    "{{node}} {{code}}"),)),
        ),
    ),
    "machines": (
        "Bubi: machines",
        (
            Panel("Processors in use", "percentunit", ((value("bubi_host_cpu_ratio"), NODE),)),
            Panel("Load", "none", ((value("bubi_host_load1"), NODE),)),
            Panel("Memory", "bytes", ((value("bubi_host_memory_bytes"), "{{node}} {{what}}"),
                                      (value("bubi_process_resident_bytes"), "{{node}} process"))),
            Panel("Disk", "bytes", ((value("bubi_host_disk_bytes"), "{{node}} {{what}}"),)),
            Panel("Until the disk is full", "s", ((value("bubi_host_disk_fill_seconds"), NODE),)),
            Panel("Sync, p99", "s",
                  ((quantile(0.99, "bubi_host_fsync_seconds", "node, of"), "{{node}} {{of}}"),)),
            Panel("Open files", "none", ((value("bubi_process_open_files"), NODE),
                                         (value("bubi_process_open_files_limit"), "limit"))),
            Panel("Traffic", "Bps",
                  ((rate("bubi_host_network_bytes", "node, direction"),
                    "{{node}} {{direction}}"),)),
            Panel("Clock minus the others'", "s", ((value("bubi_clock_offset_seconds"), NODE),)),
        ),
    ),
    "connections": (
        "Bubi: connections",
        (
            Panel("Round trips", "s", ((value("bubi_peer_rtt_seconds"), "{{node}} {{peer}}"),)),
            Panel("Bytes", "Bps", ((rate("bubi_peer_bytes", "node, peer, direction"),
                                    "{{node}} {{peer}} {{direction}}"),)),
            Panel("Queues", "bytes", ((value("bubi_peer_queue_bytes"), "{{node}} {{peer}}"),)),
            Panel("Connected", "none", ((value("bubi_peers"), NODE),)),
            Panel("Ended, by reason", "none",
                  (('sum by (node, reason) (increase(bubi_peer_disconnects_total'
                    '{node=~"$node"}[5m]))', "{{node}} {{reason}}"),)),
            Panel("Certificates, days left", "d", ((value("bubi_certificate_days"), NODE),
                  (value("bubi_peer_certificate_days"), "{{peer}} as {{node}} sees it"))),
        ),
    ),
    "consensus": (
        "Bubi: consensus",
        (
            Panel("Time between blocks, p50", "s",
                  ((quantile(0.5, "bubi_block_interval_seconds"), NODE),)),
            Panel("Phases, p95", "s",
                  ((quantile(0.95, "bubi_block_phase_seconds", "node, phase"),
                    "{{node}} {{phase}}"),)),
            Panel("View", "none", ((value("bubi_view"), NODE),)),
            Panel("View changes", "none", ((rate("bubi_view_changes_total", "node"), NODE),)),
            Panel("Silence of validators", "s",
                  ((value("bubi_validator_silence_seconds"), "{{validator}} at {{node}}"),)),
            Panel("Heights of validators", "none",
                  ((value("bubi_validator_height"), "{{validator}} at {{node}}"),)),
            Panel("Behind", "none", ((value("bubi_height_lag"), NODE),)),
            Panel("Halted", "none", ((value("bubi_halted"), NODE),), "stat"),
            Panel("Evidence", "none", ((value("bubi_evidence_total"), NODE),), "stat"),
        ),
    ),
    "business": (
        "Bubi: business",
        (
            Panel("Admitted and refused", "ops", ((rate("bubi_admitted_total", "node"), NODE),
                  (rate("bubi_refused_total", "node, code"), "{{node}} {{code}}"))),
            Panel("Outcomes by code", "ops",
                  ((rate("bubi_outcomes_total", "node, code"), "{{node}} {{code}}"),)),
            Panel("Signatures verified", "ops",
                  ((rate("bubi_store_signatures_verified", "node"), NODE),)),
            Panel("Waiting to be checked", "bytes",
                  ((value("bubi_verification_backlog_bytes"), NODE),)),
            Panel("Check of a group, p95", "s",
                  ((quantile(0.95, "bubi_verification_seconds"), NODE),)),
            Panel("Oldest that waits", "s", ((value("bubi_pool_oldest_seconds"), NODE),)),
            Panel("Requests by route", "reqps",
                  ((rate("bubi_api_requests_total", "node, route"), "{{node}} {{route}}"),)),
            Panel("Latency by route, p95", "s",
                  ((quantile(0.95, "bubi_api_seconds", "node, route"), "{{node}} {{route}}"),)),
            Panel("Requests by client", "reqps",
                  ((rate("bubi_api_client_requests_total", "node, client"),
                    "{{node}} {{client}}"),)),
            Panel("Latency by client, p95", "s",
                  ((quantile(0.95, "bubi_api_client_seconds", "node, client"),
                    "{{node}} {{client}}"),)),
            Panel("Transactions by client", "ops",
                  ((rate("bubi_client_transactions_total", "node, client, result"),
                    "{{node}} {{client}} {{result}}"),)),
        ),
    ),
}  # fmt: skip


def document(name: str) -> dict[str, Any]:
    """One dashboard."""
    title, panels = DASHBOARDS[name]
    return {
        "uid": f"bubi-{name}",
        "title": title,
        "tags": ["bubi"],
        "schemaVersion": 37,
        "editable": True,
        "refresh": "5s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_source(), _nodes()]},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}


def _nodes() -> dict[str, Any]:
    return {
        "name": "node",
        "label": "Node",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "$source"},
        "query": "label_values(bubi_height, node)",
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    column, row = number % PER_ROW, number // PER_ROW
    source = {"type": "prometheus", "uid": "$source"}
    return {
        "id": number + 1,
        "title": panel.title,
        "type": panel.kind,
        "datasource": source,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": source, "expr": expr,
             "legendFormat": legend}
            for place, (expr, legend) in enumerate(panel.queries)
        ],
    }  # fmt: skip


def text(name: str) -> str:
    """The file of one dashboard."""
    return json.dumps(document(name), indent=2) + "\n"


if __name__ == "__main__":
    for one in DASHBOARDS:
        (FOLDER / f"{one}.json").write_text(text(one), encoding="utf-8")
