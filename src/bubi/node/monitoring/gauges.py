"""Fills the gauges of a node from what it knows at the moment it is asked."""

from collections.abc import Mapping
from typing import Any

from bubi.node.api.services import Services
from bubi.node.explain import is_missing
from bubi.node.metrics import ConsensusMetrics, NetworkMetrics
from bubi.replica.view import ReplicaView


def render(node: Services, *, host: bool = False) -> bytes:
    """All metrics of a node as text; `host`: with those of its machine."""
    peers = node.explainer.peers()
    view = node.explainer.view()
    fill_peers(node.metrics.peers, peers)
    if view is None:
        fill_members(node.metrics.consensus, node.explainer.consensus()["validators"])
    else:
        fill_consensus(node.metrics.consensus, view)
    node.metrics.consensus.halted.set(node.explainer.halted())
    fill_subscriptions(node)
    for name, total in node.explainer.totals().items():
        node.metrics.network.labels(name).set(total)
    return node.metrics.render(lambda: _values(node, peers), host=host)


def _values(node: Services, peers: list[dict[str, Any]]) -> dict[str, float]:
    values = {f"store_{name}": float(count) for name, count in node.chain.statistics.items()}
    values["height"] = float(node.heights.height)
    values["block_time_seconds"] = node.chain.time / 1000
    values["pool_transactions"] = float(node.door.pool.transactions)
    values["pool_bytes"] = float(node.door.pool.bytes)
    values["pool_oldest_seconds"] = node.door.oldest_seconds()
    values["verification_backlog_transactions"] = float(node.door.backlog)
    values["verification_backlog_bytes"] = float(node.door.backlog_bytes)
    values["waiting_requests"] = float(node.waiting)
    values["event_streams"] = float(node.streams)
    values["peers"] = float(sum(1 for one in peers if one["state"] == "connected"))
    values["missing_validators"] = float(len(node.explainer.missing()))
    values["ready"] = float(node.health.ready)
    return values


def fill_subscriptions(node: Services) -> None:
    """How far the slowest open stream of each client is behind."""
    behind: dict[str, int] = {}
    for one in node.subscriptions:
        lag = max(0, node.heights.height - one.height)
        behind[one.client] = max(lag, behind.get(one.client, 0))
    for client, lag in behind.items():
        node.metrics.door.subscription_lag.labels(client).set(lag)


def fill_peers(metrics: NetworkMetrics, peers: list[dict[str, Any]]) -> None:
    """Gauges of every known node; those of a node that is known no more go away."""
    for gauge in (
        metrics.connected,
        metrics.round_trip,
        metrics.bytes,
        metrics.queue,
        metrics.peer_certificate,
    ):
        gauge.clear()
    for one in peers:
        _fill_peer(metrics, one)


def _fill_peer(metrics: NetworkMetrics, one: Mapping[str, Any]) -> None:
    name = str(one["name"])
    metrics.connected.labels(name, str(one["organisation"])).set(one["state"] == "connected")
    if one.get("rtt_ms") is not None:
        metrics.round_trip.labels(name).set(float(one["rtt_ms"]) / 1000)
    if "bytes_in" in one:
        metrics.bytes.labels(name, "in").set(one["bytes_in"])
        metrics.bytes.labels(name, "out").set(one["bytes_out"])
        metrics.queue.labels(name).set(one.get("queued_bytes") or 0)
    if one.get("certificate_days") is not None:
        metrics.peer_certificate.labels(name).set(one["certificate_days"])


def fill_members(metrics: ConsensusMetrics, validators: list[dict[str, Any]]) -> None:
    """Which validators are there, where an external engine decides; it has metrics of its own."""
    metrics.validator_up.clear()
    for one in validators:
        metrics.validator_up.labels(one["name"]).set(not one["missing"])


def fill_consensus(metrics: ConsensusMetrics, view: ReplicaView) -> None:
    """Gauges of the height in work and of the validators."""
    for gauge in (metrics.validator_up, metrics.validator_height, metrics.validator_silence):
        gauge.clear()
    present = 0
    for member in view.members:
        missing = is_missing(member, view)
        present += 0 if missing else member.weight
        metrics.validator_up.labels(member.name).set(not missing)
        if member.own:
            metrics.validator_height.labels(member.name).set(view.tip)
            metrics.validator_silence.labels(member.name).set(0)
        elif member.heard is not None:
            metrics.validator_height.labels(member.name).set(member.heard.status.height)
            metrics.validator_silence.labels(member.name).set(member.heard.seconds_ago)
    metrics.view.set(view.round)
    metrics.margin.set(present - view.quorum)
    metrics.lag.set(max(0, view.target - view.tip))
