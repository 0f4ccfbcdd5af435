"""What the rules look at, from the newest answers of the nodes. Pure."""

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bubi.gateway.alarms.machine import Reading
from bubi.gateway.monitoring.figures import Scrape, increase, quantile
from bubi.gateway.monitoring.poller import Watched

FIVE_MINUTES, FIFTEEN_MINUTES = 300_000, 900_000
OK_DAYS = 1_000_000.0
"""Days of a certificate that another rule is about, or none."""
STATUS_SECONDS = 7.0
"""Nodes tell their status every 5 s; so long without one, it was missed."""
CLIENT_TRANSACTIONS_MIN = 20
"""Of fewer within five minutes no share is told."""
OUTSIDE = "403"
"""Status with which nodes count requests that their IP rules keep outside; others by class."""
STRANGE_CLIENTS_NAMED = 5
"""In an alarm; of more, their number."""
RTT_FLOOR = 0.05
"""Round trips below this (s) are never slow, however much they grew."""
CERTIFICATES = (
    ("certificate_1", -1e9, 1.0),
    ("certificate_7", 1.0, 7.0),
    ("certificate_30", 7.0, 30.0),
)


class KnownClients:
    """Clients that are named: names in certificates (`O/CN`), addresses, networks."""

    def __init__(self, named: Sequence[str]) -> None:
        self._names: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for one in named:
            try:
                self._networks.append(ipaddress.ip_network(one))
            except ValueError:
                self._names.add(one)

    def has(self, client: str) -> bool:
        """Whether a client, as the metrics of nodes call it, is named."""
        if client in self._names:
            return True
        try:
            address = ipaddress.ip_address(client)
        except ValueError:
            return False
        return any(one.version == address.version and address in one for one in self._networks)


def readings(
    nodes: Mapping[str, Watched],
    now: int,
    usual_rtt: Callable[[str, str], float | None],
    clients: KnownClients | None = None,
) -> Iterator[Reading]:
    """Everything that is known at this moment (ms).

    `usual_rtt` gives the median round trip (s) of the last day from a node to a peer. Without
    `clients`, nobody is unknown.
    """
    watched = list(nodes.values())
    yield from _silences(watched, now)
    yield from _certificates(watched)
    for node in watched:
        name = node.target.name
        yield Reading("node_unreachable", name, node.silent_ms(now) / 1000)
        yield from _consensus(node)
        if node.newest is not None:
            yield from _host(name, node.newest, node.before)
            yield from _business(name, node.newest, node.before)
            yield from _recent(name, node.newest, node.history)
            yield from _subscriptions(name, node.newest, node.history)
            if clients is not None:
                yield from _strange_clients(name, node.newest, node.history, clients)
            yield from _round_trips(name, node.newest, usual_rtt)
        starts = [at for at in node.starts if now - at < FIFTEEN_MINUTES]
        yield Reading("restart_loop", name, float(len(starts)))
    last = min((node.silent_ms(now) for node in watched), default=0)
    yield Reading("monitoring_blind", "gateway", last / 1000)


def _silences(watched: Sequence[Watched], now: int) -> Iterator[Reading]:
    """Seconds without a sign of life of each validator, whoever heard it last."""
    heard: dict[str, list[float]] = {}
    answered: dict[str, float] = {}
    for node in watched:
        for one in node.consensus.get("validators", ()):
            silence = None if one["own"] else _silence(one, node, now)
            if silence is not None:
                heard.setdefault(str(one["name"]), []).append(silence)
        # Its last words name it as a validator, also after it fell silent.
        for one in node.documents.get("consensus", {}).get("validators", ()):
            if one["own"]:
                answered[str(one["name"])] = node.silent_ms(now) / 1000
    for name in sorted(heard.keys() | answered.keys()):
        silences = [min(heard[name])] if name in heard else []
        if name in answered and not (silences and silences[0] < STATUS_SECONDS):
            # The others missed its status as well: since when it is gone, its answers tell best.
            silences = [answered[name]]
        elif name in answered:
            silences.append(answered[name])
        yield Reading("validator_down", name, min(silences))


def _silence(one: Mapping[str, Any], node: Watched, now: int) -> float | None:
    """Seconds since a validator was heard of at a node; None: that cannot be told."""
    if one["seconds_ago"] is not None:
        # The answer itself is a little old.
        return float(one["seconds_ago"]) + node.silent_ms(now) / 1000
    if one["connected"]:
        return 0.0
    return (now - node.since) / 1000 if one["missing"] else None


def _certificates(watched: Sequence[Watched]) -> Iterator[Reading]:
    days: dict[str, float] = {}
    for node in watched:
        for peer in node.peers:
            if peer.get("certificate_days") is not None:
                days[str(peer["name"])] = float(peer["certificate_days"])
    for node in watched:
        own = None if node.newest is None else node.newest.value("bubi_certificate_days")
        if own is not None:
            days[node.target.name] = own
    for name, left in days.items():
        for code, low, high in CERTIFICATES:
            yield Reading(code, name, left if low < left <= high else OK_DAYS)


def _consensus(node: Watched) -> Iterator[Reading]:
    name = node.target.name
    if not node.consensus:
        for code in ("halted", "behind"):
            yield Reading(code, name, None)
        return
    yield Reading("halted", name, float(bool(node.consensus["halted"])))
    target = node.consensus.get("catching_up")
    lag = float(target["height"]) - float(node.consensus["decided"]) if target else 0.0
    yield Reading("behind", name, lag)


def _host(name: str, new: Scrape, old: Scrape | None) -> Iterator[Reading]:
    free = new.value("bubi_host_disk_bytes", what="free")
    total = new.value("bubi_host_disk_bytes", what="total")
    available = new.value("bubi_host_memory_bytes", what="available")
    memory = new.value("bubi_host_memory_bytes", what="total")
    files = new.value("bubi_process_open_files")
    limit = new.value("bubi_process_open_files_limit")
    yield from _known("disk_low", name, _share(free, total))
    yield from _known("memory_low", name, _share(available, memory))
    yield from _known("files_high", name, _share(files, limit))
    yield from _known("disk_filling", name, new.value("bubi_host_disk_fill_seconds"))
    yield from _known("cpu_high", name, new.value("bubi_host_cpu_ratio"))
    if old is not None:
        slow = quantile(old, new, "bubi_host_fsync_seconds", 0.99)
        yield from _known("fsync_slow", name, slow)
    offset = new.value("bubi_clock_offset_seconds")
    if offset is not None:
        yield Reading("clock_off", name, abs(offset))
        yield Reading("clock_far", name, abs(offset))


def _business(name: str, new: Scrape, old: Scrape | None) -> Iterator[Reading]:
    yield from _known("quorum_lost", name, new.value("bubi_quorum_margin"))
    yield from _known("pool_old", name, new.value("bubi_pool_oldest_seconds"))
    if old is None:
        return
    # Without traffic nothing is slow and nothing is refused.
    slow = quantile(old, new, "bubi_time_to_final_seconds", 0.95)
    yield Reading("finality_slow", name, slow or 0.0)
    refused = increase(old, new, "bubi_refused_total")
    admitted = increase(old, new, "bubi_admitted_total")
    yield Reading("rejections", name, _share(refused, refused + admitted) or 0.0)
    requests = increase(old, new, "bubi_api_requests_total")
    failed = sum(
        increase(old, new, "bubi_api_requests_total", status=status) for status in ("500", "502")
    )
    yield Reading("api_errors", name, _share(failed, requests) or 0.0)


def _recent(name: str, new: Scrape, history: Sequence[Scrape]) -> Iterator[Reading]:
    """Counters over the last minutes."""
    five = next((one for one in history if new.time - one.time <= FIVE_MINUTES), new)
    fifteen = next((one for one in history if new.time - one.time <= FIFTEEN_MINUTES), new)
    yield Reading("view_changes", name, increase(five, new, "bubi_view_changes_total"))
    yield Reading("evidence", name, increase(fifteen, new, "bubi_evidence_total"))
    misdeeds = increase(five, new, "bubi_peer_penalties_total")
    yield Reading("peer_misconduct", name, misdeeds)
    yield Reading("strangers", name, _strangers(new) - min(_strangers(five), _strangers(new)))
    yield from _clients(name, new, five)
    for code in ("divergence", "diverged"):
        yield Reading(code, name, increase(fifteen, new, "bubi_alarms_total", code=code))
    defects = increase(fifteen, new, "bubi_alarms_total", code="internal")
    yield Reading("defect", name, defects)
    codes = {found["code"] for found, _ in new.matching("bubi_alarms_total", {})}
    for code in sorted(codes - {"divergence", "diverged", "evidence", "internal"}):
        if not code.startswith("certificate"):
            count = increase(fifteen, new, "bubi_alarms_total", code=code)
            yield Reading("node_alarm", f"{name}/{code}", count)


def _clients(name: str, new: Scrape, old: Scrape) -> Iterator[Reading]:
    """Share of what each client sent that was refused at the door or rejected in a block."""
    metric = "bubi_client_transactions_total"
    for client in sorted({found["client"] for found, _ in new.matching(metric, {})}):
        good, bad = (
            sum(increase(old, new, metric, client=client, result=one) for one in results)
            for results in (("final", "skipped"), ("refused", "rejected"))
        )
        share = bad / (good + bad) if good + bad >= CLIENT_TRANSACTIONS_MIN else 0.0
        yield Reading("client_rejections", f"{name}/{client}", share)


def _subscriptions(name: str, new: Scrape, history: Sequence[Scrape]) -> Iterator[Reading]:
    """Blocks that event streams are behind; who is told of no more is not behind."""
    metric = "bubi_subscription_lag_blocks"
    oldest = history[:1]
    known = {found["client"] for one in (new, *oldest) for found, _ in one.matching(metric, {})}
    for client in sorted(known):
        yield Reading(
            "subscription_lag", f"{name}/{client}", new.value(metric, client=client) or 0
        )


def _strange_clients(
    name: str, new: Scrape, history: Sequence[Scrape], clients: KnownClients
) -> Iterator[Reading]:
    """Requests within five minutes of clients that nobody named; of all of them at a node.

    Who has many addresses makes one alarm of it, and none who is kept outside.
    """
    metric = "bubi_api_client_requests_total"
    five = next((one for one in history if new.time - one.time <= FIVE_MINUTES), new)
    counts: dict[str, float] = {}
    for found, _ in new.matching(metric, {}):
        client, status = found["client"], found["status"]
        if status != OUTSIDE and not clients.has(client):
            count = increase(five, new, metric, client=client, status=status)
            counts[client] = counts.get(client, 0.0) + count
    asking = sorted(client for client, count in counts.items() if count)
    detail = ", ".join(asking[:STRANGE_CLIENTS_NAMED])
    if len(asking) > STRANGE_CLIENTS_NAMED:
        detail += f" + {len(asking) - STRANGE_CLIENTS_NAMED}"
    yield Reading("client_unknown", name, sum(counts.values()), detail)


def _strangers(scrape: Scrape) -> float:
    """Connections that were refused before they became any."""
    return sum(
        value
        for found, value in scrape.matching("bubi_network", {})
        if found.get("what", "").startswith(("refused_", "closed_certificate", "closed_tls"))
    )


def _round_trips(
    name: str, new: Scrape, usual: Callable[[str, str], float | None]
) -> Iterator[Reading]:
    for found, seconds in new.matching("bubi_peer_rtt_seconds", {}):
        median = usual(name, found["peer"])
        times = seconds / median if median and seconds >= RTT_FLOOR else 0.0
        yield Reading("rtt_high", f"{name}/{found['peer']}", times)


def _known(code: str, key: str, value: float | None) -> Iterator[Reading]:
    if value is not None:
        yield Reading(code, key, value)


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None
