"""Who uses the interface of a node: what the page of clients shows."""

from pathlib import Path

from bubi.gateway.access import Role
from bubi.gateway.index.reader import CODES
from bubi.gateway.monitoring.figures import parse
from bubi.node.metrics import Metrics
from tests.gateway.world import World


def test_clients_with_what_became_of_their_transactions(tmp_path: Path) -> None:
    world, metrics = World(tmp_path), Metrics()
    (node,) = world.monitor.poller.nodes.values()
    now = world.clock()
    node.history.append(parse(metrics.render(dict).decode(), now - 60_000))
    door = metrics.door
    door.clients.labels("Shop/till", "2xx").inc(7)
    door.clients.labels("10.0.0.1", "4xx").inc(2)
    for _ in range(100):
        door.client_latency.labels("Shop/till").observe(0.07)
    rejected = CODES["balance_insufficient"].to_bytes(2, "little")
    door.admitted({"Shop/till": 5})
    door.decided("Shop/till", bytes(2 * 3) + 2 * rejected)
    door.refused([("10.0.0.1", "expired"), ("10.0.0.1", "malformed")])
    node.newest = parse(metrics.render(dict).decode(), now)
    answer = world.user(Role.AUDITOR).ask("GET", "/monitoring/clients")
    assert answer.status_code == 200, answer.text
    address, shop = answer.json()["items"]
    assert (address["client"], address["requests"]) == ("10.0.0.1", {"4xx": "2"})
    assert address["refused"] == {"expired": "1", "malformed": "1"}
    assert (address["admitted"], address["final"], address["p95_seconds"]) == ("0", "0", None)
    assert (shop["client"], shop["node"]) == ("Shop/till", node.target.name)
    assert (shop["admitted"], shop["final"], shop["skipped"]) == ("5", "3", "0")
    assert shop["rejected"] == {"balance_insufficient": "2"}
    assert shop["refused"] == {}
    assert 0.05 < shop["p95_seconds"] <= 0.1
    assert round(shop["seconds"]) == 7
