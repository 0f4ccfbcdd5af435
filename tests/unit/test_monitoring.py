"""What a node measures of itself."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bubi.node.config import ConfigError, parse
from bubi.node.metrics import DoorMetrics, Metrics
from bubi.node.monitoring.clients import CLIENT, NAMES_MAX, Clients
from bubi.node.monitoring.clocks import Clocks
from bubi.node.monitoring.host import FILL_SECONDS_MAX, HostMeter, fill_seconds
from bubi.node.monitoring.logbook import Filter, Logbook
from bubi.node.monitoring.requests import Metered


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    found = metrics.registry.get_sample_value(name, labels)
    return found if found is not None else metrics.host_registry.get_sample_value(name, labels)


# --- clocks --------------------------------------------------------------------------------------


def test_a_late_status_does_not_make_a_clock_look_late() -> None:
    clocks = Clocks()
    for delay in (900, 5, 3_000):
        clocks.heard(b"a", 10_000, 10_000 + delay, 0.0)
    assert clocks.offsets()[b"a"] == -0.005


def test_the_own_clock_is_wrong_if_all_others_differ() -> None:
    clocks = Clocks()
    assert clocks.median() is None
    for peer in (b"a", b"b", b"c"):
        clocks.heard(peer, 62_000, 60_000, 0.02)
    assert clocks.median() == pytest.approx(2.01)
    clocks.forget(b"a")
    assert set(clocks.offsets()) == {b"b", b"c"}


def test_one_wrong_clock_among_the_others_is_not_ours() -> None:
    clocks = Clocks()
    for peer, offset in ((b"a", 0), (b"b", 3_600_000), (b"c", 1)):
        clocks.heard(peer, 60_000 + offset, 60_000, None)
    assert clocks.median() == pytest.approx(0.001)


# --- the disk ------------------------------------------------------------------------------------


@given(st.integers(1, 10**6), st.integers(2, 700), st.integers(10**9, 10**13))
def test_a_steady_pace_tells_when_the_disk_is_full(pace: int, looks: int, free: int) -> None:
    readings = [(5.0 * look, free - pace * 5 * look) for look in range(looks)]
    expected = readings[-1][1] / pace
    if readings[-1][0] < 60:
        assert fill_seconds(readings) == FILL_SECONDS_MAX
    else:
        assert fill_seconds(readings) == pytest.approx(min(expected, FILL_SECONDS_MAX), rel=1e-3)


def test_a_disk_that_gets_emptier_never_fills() -> None:
    assert fill_seconds([(0.0, 5), (100.0, 6)]) == FILL_SECONDS_MAX
    assert fill_seconds([]) == FILL_SECONDS_MAX


def test_the_machine_is_measured(tmp_path: Path) -> None:
    metrics = Metrics()
    meter = HostMeter(tmp_path, metrics.host)
    meter.probe()
    figures = meter.look()
    assert 0 < figures.memory_available < figures.memory_total
    assert 0 < figures.disk_free <= figures.disk_total
    assert 0 < figures.open_files < figures.open_files_limit
    assert figures.fsync_seconds is not None
    assert value(metrics, "bubi_host_disk_bytes", what="free") == figures.disk_free
    assert value(metrics, "bubi_host_fsync_seconds_count", of="probe") == 1
    assert list(tmp_path.iterdir()) == []
    document = figures.document()
    assert document["memory_total"] == str(figures.memory_total)
    assert isinstance(document["cores"], int)


def test_a_probe_of_a_folder_that_is_gone_is_no_crash(tmp_path: Path) -> None:
    meter = HostMeter(tmp_path / "gone", Metrics().host)
    meter.probe()
    assert meter._fsync is None


# --- the log -------------------------------------------------------------------------------------


def test_the_newest_lines_are_found_by_filters() -> None:
    metrics = Metrics()
    book = Logbook(metrics.host, kept=5)
    log = logging.getLogger("bubi.test_logbook")
    log.setLevel(logging.DEBUG)
    log.propagate = False
    log.addHandler(book)
    for number in range(7):
        log.info("line %d", number)
    log.error("Broken Disk")
    texts = [line.text for line in book.tail(Filter(), 10)]
    assert texts == ["Broken Disk", "line 6", "line 5", "line 4", "line 3"]
    assert [line.text for line in book.tail(Filter(level="error"), 10)] == ["Broken Disk"]
    assert [line.text for line in book.tail(Filter(contains="broken"), 10)] == ["Broken Disk"]
    assert book.tail(Filter(part="bubi.network"), 10) == []
    newest, *_ = book.tail(Filter(), 1)
    assert [line.text for line in book.tail(Filter(before=newest.number), 2)] == [
        "line 6", "line 5",
    ]  # fmt: skip
    assert book.tail(Filter(after=newest.number), 10) == []
    assert value(metrics, "bubi_log_lines_total", level="info") == 7


# --- requests ------------------------------------------------------------------------------------


async def _thing(request: Request) -> Response:
    if request.path_params["name"] == "bad":
        msg = "a defect"
        raise RuntimeError(msg)
    return PlainTextResponse("good")


def ask(app: Any, method: str, path: str, client: str = "10.0.0.1") -> None:
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": b"", "headers": [], "client": (client, 1), "server": ("x", 1),
        "scheme": "http", "root_path": "", "http_version": "1.1",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        del message

    asyncio.run(app(scope, receive, send))


def metered(metrics: DoorMetrics) -> Metered:
    inner = Starlette(routes=[Route("/things/{name}", _thing)])
    return Metered(inner, metrics, inner.routes)


def test_requests_are_counted_by_route_not_by_path() -> None:
    metrics = Metrics()
    app = metered(metrics.door)
    for path in ("/things/a", "/things/b", "/elsewhere"):
        ask(app, "GET", path)
    ask(app, "BREW", "/things/a")
    with pytest.raises(RuntimeError):
        ask(app, "GET", "/things/bad")
    route = "/things/{name}"
    name = "bubi_api_requests_total"
    assert value(metrics, name, route=route, method="GET", status="200") == 2
    assert value(metrics, name, route=route, method="GET", status="500") == 1
    assert value(metrics, name, route=route, method="other", status="405") == 1
    assert value(metrics, name, route="unknown", method="GET", status="404") == 1
    assert value(metrics, "bubi_api_seconds_count", route=route, method="GET") == 3


def test_clients_are_told_apart_up_to_a_bound() -> None:
    metrics = Metrics()
    app = metered(metrics.door)
    for number in range(NAMES_MAX + 3):
        ask(app, "GET", "/things/a", f"10.0.{number // 256}.{number % 256}")
    name = "bubi_api_client_requests_total"
    assert value(metrics, name, client="10.0.0.0", status="2xx") == 1
    assert value(metrics, name, client="other", status="2xx") == 3
    assert value(metrics, "bubi_api_client_seconds_count", client="other") == 3


def test_many_addresses_take_no_room_from_certificates() -> None:
    clients = Clients()
    labels = {clients.label({"client": (f"10.0.0.{number}", 1)}) for number in range(200)}
    assert len(labels) == NAMES_MAX + 1
    known = {"client": ("10.0.0.199", 1), CLIENT: "Shop/till"}
    assert clients.label(known) == "Shop/till"
    named = {clients.label({CLIENT: f"Shop/{number}"}) for number in range(200)}
    assert len(named | {"Shop/till"}) == NAMES_MAX + 1
    assert clients.label(known) == "Shop/till"
    assert clients.label({CLIENT: "x" * 10_000}) == "other"
    assert clients.label({}) == "unknown"


def test_who_is_kept_outside_takes_no_room_from_who_is_let_in() -> None:
    clients = Clients()
    outside = [{"client": (f"192.0.2.{number}", 1)} for number in range(200)]
    assert len({clients.label(one, outside=True) for one in outside}) == NAMES_MAX + 1
    assert clients.label({"client": ("10.0.0.1", 1)}) == "10.0.0.1"


# --- configuration -------------------------------------------------------------------------------

NODE = {"name": "n", "organisation": "o"}


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        ({"port": 9000, "host": "10.0.0.1"}, "operator.host 10.0.0.1 is not a loopback"),
        ({"port": 9000, "tls_key": "k"}, "operator.tls_certificate and operator.tls_key"),
        ({"port": 9000, "client_authority": "k"}, "operator.client_authority needs"),
        ({"port": 0}, "operator.port must be"),
    ],
)
def test_an_operator_listener_that_is_open_to_others_is_refused(
    operator: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        parse({"node": NODE, "operator": operator}, Path("/folder"))


def test_there_is_no_operator_listener_unless_it_is_wanted() -> None:
    assert parse({"node": NODE}, Path("/folder")).operator.port is None
