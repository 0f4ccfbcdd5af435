"""Alarms from end to end without a network: readings, messages, silences, restarts, routes."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bubi.gateway import stream
from bubi.gateway.access import Role
from bubi.gateway.alarms import service
from bubi.gateway.alarms.channels import Message
from bubi.gateway.alarms.machine import Event, Reading, Transition
from bubi.gateway.alarms.reach import REFUSED
from bubi.gateway.alarms.readings import KnownClients, readings
from bubi.gateway.alarms.records import Channel, Records, Wish
from bubi.gateway.alarms.rules import BY_CODE, Severity
from bubi.gateway.alarms.service import Alarms
from bubi.gateway.index.reader import CODES
from bubi.gateway.monitoring.figures import parse
from bubi.gateway.monitoring.poller import Target, Watched
from bubi.node.metrics import Metrics
from tests.gateway.world import Clock, World, code

PATIENCE = 60.0
DOWN, UP = Reading("validator_down", "node2", 12.0), Reading("validator_down", "node2", 1.0)


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*arguments: Any, **more: Any) -> None:
        asyncio.run(test(*arguments, **more))

    return run


class Post:
    """Where messages arrive, unless it is broken."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.broken = False
        self.defect = False

    def __call__(self, channel: Channel, message: Message) -> str:
        if self.broken:
            return "no one is there"
        if self.defect:
            msg = "topsecret"
            raise RuntimeError(msg)
        self.sent.append((channel.name, message.head))
        return ""


def channel(name: str, severity: Severity = Severity.INFO, language: str = "en") -> Channel:
    return Channel(0, name, "webhook", severity, language, enabled=True,
                   settings={"url": "http://127.0.0.1:1"})  # fmt: skip


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Post:
    monkeypatch.setattr(service, "RETRY_SECONDS", (0.01, 0.01))
    return Post()


async def until(found: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not found():  # noqa: ASYNC110 - threads end, which tells no event of the loop
            await asyncio.sleep(0.01)


async def settled(alarms: Alarms) -> None:
    await until(lambda: not alarms._tasks)


@in_a_loop
async def test_an_alarm_is_told_once_when_it_begins_and_once_when_it_ends(
    tmp_path: Path, post: Post
) -> None:
    alarms = Alarms(Records(tmp_path / "a"), Clock(), post)
    alarms.records.save_channel(channel("english"))
    alarms.records.save_channel(channel("chinese", language="zh"))
    told: list[str] = []
    alarms.publish = lambda document: told.append(document["event"])
    for reading in (DOWN, DOWN, DOWN, UP, UP):
        alarms.observe([reading])
        await settled(alarms)
    assert sorted(post.sent) == [
        ("chinese", "[Bubi] [严重] 验证节点 node2 已停止"),
        ("chinese", "[Bubi] [已恢复] 验证节点 node2 已停止"),
        ("english", "[Bubi] [critical] The validator node2 is down"),
        ("english", "[Bubi] [over] The validator node2 is down"),
    ]
    assert told == ["fired", "resolved"]
    (ended,) = alarms.records.alarms(Wish(active=False), None, 10)
    assert ended.resolved is not None


@in_a_loop
async def test_an_alarm_says_whom_it_is_about(tmp_path: Path, post: Post) -> None:
    clock = Clock()
    alarms = Alarms(Records(tmp_path / "a"), clock, post)
    alarms.records.save_channel(channel("all"))
    alarms.observe([Reading("client_unknown", "node1", 3.0, "10.2.2.3")])
    await settled(alarms)
    clock.now += 3_600_000
    alarms.observe([Reading("client_unknown", "node1", 4.0, "10.2.2.3, 10.2.2.4")])
    await settled(alarms)
    assert [head.rpartition(" of ")[2] for _, head in post.sent] == [
        "node1: 10.2.2.3",
        "node1: 10.2.2.3, 10.2.2.4",
    ]
    (alarm,) = alarms.records.active()
    assert alarms.document(alarm)["detail"] == "10.2.2.3, 10.2.2.4"


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    made = Records(tmp_path / "a")
    made.apply(Transition(Event.FIRED, BY_CODE["disk_low"], "node1", 0.05, 1))
    made._run("ALTER TABLE alarms DROP COLUMN detail")
    made.close()
    (alarm,) = Records(tmp_path / "a").active()
    assert (alarm.key, alarm.detail) == ("node1", "")


@in_a_loop
async def test_channels_hear_from_their_severity_up(tmp_path: Path, post: Post) -> None:
    alarms = Alarms(Records(tmp_path / "a"), Clock(), post)
    alarms.records.save_channel(channel("bad only", Severity.CRITICAL))
    alarms.records.save_channel(channel("all"))
    alarms.observe([Reading("certificate_30", "node1", 20.0)])
    await settled(alarms)
    assert [name for name, _ in post.sent] == ["all"]


@in_a_loop
async def test_a_silence_keeps_quiet_but_shows(tmp_path: Path, post: Post) -> None:
    clock = Clock()
    alarms = Alarms(Records(tmp_path / "a"), clock, post)
    alarms.records.save_channel(channel("all"))
    alarms.records.silence("validator_down", None, clock() + 60_000, "ann", "")
    alarms.observe([DOWN, Reading("node_unreachable", "node2", 12.0)])
    await settled(alarms)
    assert [head for _, head in post.sent] == ["[Bubi] [critical] The node node2 does not answer"]
    assert {one.code for one in alarms.records.active()} == {"validator_down", "node_unreachable"}
    clock.now += 60_000
    alarms.observe([UP])
    await settled(alarms)
    assert post.sent[-1][1] == "[Bubi] [over] The validator node2 is down"


@in_a_loop
async def test_a_message_that_does_not_arrive_is_tried_again_and_then_an_alarm_itself(
    tmp_path: Path, post: Post
) -> None:
    alarms = Alarms(Records(tmp_path / "a"), Clock(), post)
    broken = alarms.records.save_channel(channel("broken"))
    post.broken = True
    alarms.observe([DOWN])
    await settled(alarms)
    tries = alarms.records.deliveries(10)
    assert [(one.channel, one.delivered) for one in tries] == [(broken.id, False)] * 3
    alarms.observe([])
    found = {(one.code, one.key) for one in alarms.records.active()}
    assert ("channel_failing", "broken") in found
    post.broken = False
    assert await alarms.test(alarms.records.channel(broken.id)) == ""
    await settled(alarms)
    alarms.observe([])
    await settled(alarms)
    assert {one.code for one in alarms.records.active()} == {"validator_down"}
    # The channel that failed is not told about itself.
    assert all("do not arrive" not in head for _, head in post.sent)


@in_a_loop
async def test_a_defect_of_what_sends_is_a_failure_as_well(tmp_path: Path, post: Post) -> None:
    alarms = Alarms(Records(tmp_path / "a"), Clock(), post)
    broken = alarms.records.save_channel(channel("broken"))
    post.defect = True
    alarms.observe([DOWN])
    await settled(alarms)
    tries = alarms.records.deliveries(10)
    assert [(one.channel, one.delivered, one.error) for one in tries] == [
        (broken.id, False, "internal: RuntimeError")
    ] * 3
    assert await alarms.test(alarms.records.channel(broken.id)) == "internal: RuntimeError"
    alarms.observe([])
    found = {(one.code, one.key) for one in alarms.records.active()}
    assert ("channel_failing", "broken") in found


@in_a_loop
async def test_a_restart_tells_what_was_not_told_and_nothing_twice(
    tmp_path: Path, post: Post
) -> None:
    first = Alarms(Records(tmp_path / "a"), Clock(), post)
    first.records.save_channel(channel("one"))
    first.observe([DOWN])
    await settled(first)
    first.records.save_channel(channel("two"))
    first.records.close()
    again = Alarms(Records(tmp_path / "a"), Clock(), post)
    running = asyncio.create_task(again.run())
    await until(lambda: len(post.sent) == 2)
    again.observe([DOWN])
    await settled(again)
    assert [name for name, _ in post.sent] == ["one", "two"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@in_a_loop
async def test_heartbeats_go_out_without_any_alarm(tmp_path: Path, post: Post) -> None:
    alarms = Alarms(Records(tmp_path / "a"), Clock(), post)
    beat = Channel(0, "dead man", "heartbeat", Severity.INFO, "en", enabled=True,
                   settings={"url": "http://127.0.0.1:1"})  # fmt: skip
    alarms.records.save_channel(beat)
    running = asyncio.create_task(alarms.run())
    await until(lambda: post.sent)
    alarms.observe([DOWN])
    await settled(alarms)
    assert post.sent == [("dead man", "")]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


# --- readings ------------------------------------------------------------------------------------


def watched(name: str, others: dict[str, int | None], now: int, *, silent: int = 0) -> Watched:
    """A validator that answered `silent` s ago and heard the others so many seconds ago."""
    seen = [
        {"name": one, "own": False, "connected": False, "seconds_ago": ago, "missing": ago is None}
        for one, ago in others.items()
    ]
    own = {"name": name, "own": True, "connected": False, "seconds_ago": None, "missing": False}
    document = {"halted": False, "decided": "5", "catching_up": None, "validators": [own, *seen]}
    node = Watched(Target(name, "http://127.0.0.1:1"), since=now - 3_600_000)
    node.documents = {"consensus": document, "health": {"height": "5"}}
    node.reachable, node.answered = silent < 3, now - silent * 1000
    return node


def silences(*nodes: Watched, now: int) -> dict[str, float | None]:
    found = readings({one.target.name: one for one in nodes}, now, lambda _a, _b: None)
    return {one.key: one.value for one in found if one.code == "validator_down"}


def test_a_validator_is_silent_only_if_nobody_hears_it() -> None:
    now = 1_800_000_000_000
    one, two = watched("a", {"b": 2, "c": 40}, now), watched("b", {"a": 1, "c": 3}, now)
    assert silences(one, two, now=now) == {"a": 0, "b": 0, "c": 3}


def test_a_validator_whose_interface_hangs_but_that_is_heard_is_not_down() -> None:
    now = 1_800_000_000_000
    one, two = watched("a", {"b": 4}, now), watched("b", {"a": 1}, now, silent=60)
    assert silences(one, two, now=now)["b"] == 4


def test_a_killed_validator_is_down_as_long_as_it_does_not_answer() -> None:
    now = 1_800_000_000_000
    one, two = watched("a", {"b": 8}, now), watched("b", {"a": 1}, now, silent=11)
    assert silences(one, two, now=now)["b"] == 11


def test_with_all_nodes_gone_each_is_down() -> None:
    now = 1_800_000_000_000
    one, two = watched("a", {"b": 1}, now, silent=30), watched("b", {"a": 1}, now, silent=20)
    assert silences(one, two, now=now) == {"a": 30, "b": 20}


def test_a_validator_never_heard_of_is_silent_since_the_gateway_looks() -> None:
    now = 1_800_000_000_000
    assert silences(watched("a", {"b": None}, now), now=now)["b"] == 3600


def test_certificates_belong_to_one_rule_at_a_time() -> None:
    now = 1_800_000_000_000
    node = watched("a", {}, now)
    for days, expected in ((40, set()), (30, {"certificate_30"}), (7, {"certificate_7"}),
                           (1, {"certificate_1"}), (0, {"certificate_1"})):  # fmt: skip
        node.documents["peers"] = {"items": [{"name": "b", "certificate_days": days}]}
        found = readings({"a": node}, now, lambda _a, _b: None)
        bad = {
            one.code for one in found if one.value is not None and BY_CODE[one.code].bad(one.value)
        }
        assert bad == expected


def test_a_node_that_does_not_answer_leaves_the_rest_unknown() -> None:
    now = 1_800_000_000_000
    node = watched("a", {}, now, silent=20)
    found = {one.code: one.value for one in readings({"a": node}, now, lambda _a, _b: None)}
    assert found["halted"] is None
    assert found["node_unreachable"] == 20
    assert found["monitoring_blind"] == 20


def test_a_subscription_that_does_not_keep_up_is_told_until_it_does() -> None:
    now = 1_800_000_000_000
    node, metrics = watched("a", {}, now), Metrics()

    def lags(at: int, metrics: Metrics) -> dict[str, float | None]:
        node.newest = parse(metrics.render(dict).decode(), at)
        node.history.append(node.newest)
        found = readings({"a": node}, at, lambda _a, _b: None)
        return {one.key: one.value for one in found if one.code == "subscription_lag"}

    metrics.door.subscription_lag.labels("Shop/till").set(1_500)
    metrics.door.subscription_lag.labels("10.0.0.1").set(3)
    assert lags(now, metrics) == {"a/Shop/till": 1_500, "a/10.0.0.1": 3}
    metrics.door.subscription_lag.labels("Shop/till").set(0)
    assert lags(now + 5_000, metrics) == {"a/Shop/till": 0, "a/10.0.0.1": 3}
    # A node that began anew knows of none: so none of them is behind.
    assert lags(now + 10_000, Metrics()) == {"a/Shop/till": 0, "a/10.0.0.1": 0}


def test_a_divergence_is_neither_evidence_nor_a_mere_alarm_of_a_node() -> None:
    now = 1_800_000_000_000
    node, metrics = watched("a", {}, now), Metrics()

    def bad(at: int) -> set[str]:
        node.newest = parse(metrics.render(dict).decode(), at)
        node.history.append(node.newest)
        found = readings({"a": node}, at, lambda _a, _b: None)
        return {
            one.code for one in found if one.value is not None and BY_CODE[one.code].bad(one.value)
        }

    for alarm in ("divergence", "evidence", "guard_silent"):
        metrics.alarms.labels(alarm).inc(0)
    quiet = bad(now)
    metrics.alarms.labels("divergence").inc()
    assert bad(now + 5_000) - quiet == {"divergence"}
    assert BY_CODE["divergence"].severity is Severity.CRITICAL


def test_clients_that_nobody_named_are_told_while_they_ask() -> None:
    now = 1_800_000_000_000
    node, metrics = watched("a", {}, now), Metrics()
    known = KnownClients(["Shop/till", "10.1.0.0/16", "::1"])

    def strange(at: int, named: KnownClients | None) -> list[Reading]:
        node.newest = parse(metrics.render(dict).decode(), at)
        node.history.append(node.newest)
        found = readings({"a": node}, at, lambda _a, _b: None, named)
        return [one for one in found if one.code == "client_unknown"]

    everybody = ("Shop/till", "Shop/other", "10.1.2.3", "10.2.2.3", "::1", "other")
    metrics.door.clients.labels("10.1.2.3", "2xx").inc()
    assert strange(now, known) == [Reading("client_unknown", "a", 0)]
    for client in everybody:
        metrics.door.clients.labels(client, "2xx").inc(4)
    # One alarm of a node, however many they are; who is kept outside is none of them.
    metrics.door.clients.labels("192.0.2.1", "403").inc(9)
    told = Reading("client_unknown", "a", 12, "10.2.2.3, Shop/other, other")
    assert strange(now + 5_000, known) == [told]
    assert BY_CODE["client_unknown"].bad(12)
    for number in range(60):
        metrics.door.clients.labels(f"203.0.113.{number}", "4xx").inc()
    (many,) = strange(now + 10_000, known)
    assert many.value == 72
    assert many.detail == ("10.2.2.3, 203.0.113.0, 203.0.113.1, 203.0.113.10, 203.0.113.11 + 58")
    # Who is silent for five minutes is no alarm any more.
    node.history.clear()
    assert strange(now + 600_000, known) == [Reading("client_unknown", "a", 0)]
    assert strange(now + 605_000, None) == []


def test_the_configuration_names_clients(tmp_path: Path) -> None:
    names = ["Shop/till", "127.0.0.0/8"]
    for section, expected in (({}, None), ({"clients": names}, names)):
        made = World(tmp_path, monitoring=section)
        node = made.monitor.poller.nodes["own"]
        metrics = Metrics()
        metrics.door.clients.labels("10.9.9.9", "2xx").inc()
        node.newest = parse(metrics.render(dict).decode(), made.clock())
        found = [one for one in made.monitor.readings() if one.code == "client_unknown"]
        assert [one.key for one in found] == (["own"] if expected else [])


def test_a_client_whose_transactions_are_rejected_is_told_apart() -> None:
    now = 1_800_000_000_000
    node, metrics = watched("a", {}, now), Metrics()

    def shares(at: int) -> dict[str, float | None]:
        node.newest = parse(metrics.render(dict).decode(), at)
        node.history.append(node.newest)
        found = readings({"a": node}, at, lambda _a, _b: None)
        return {one.key: one.value for one in found if one.code == "client_rejections"}

    assert shares(now) == {}
    rejected = CODES["balance_insufficient"].to_bytes(2, "little")
    metrics.door.decided("Shop/till", bytes(2 * 90) + rejected * 10)
    metrics.door.decided("10.0.0.1", bytes(2 * 40))
    metrics.door.refused([("10.0.0.1", "expired")] * 10)
    metrics.door.refused([("10.0.0.2", "expired")] * 19)
    assert shares(now + 5_000) == {
        "a/Shop/till": pytest.approx(0.1),
        "a/10.0.0.1": pytest.approx(0.2),
        "a/10.0.0.2": 0.0,
    }
    # Five minutes later it is over.
    for minute in range(1, 7):
        last = shares(now + 5_000 + minute * 60_000)
    assert set(last.values()) == {0.0}


# --- routes --------------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_rules_are_changed_and_stay_changed(world: World, tmp_path: Path) -> None:
    operator = world.user(Role.OPERATOR)
    rules = operator.ask("GET", "/alarms/rules").json()["items"]
    assert {one["code"] for one in rules} == set(BY_CODE)
    change = {"code": "disk_low", "severity": "warning", "threshold": 0.2, "seconds": 60,
              "clear_seconds": 0, "repeat_seconds": 0, "enabled": True}  # fmt: skip
    answer = operator.ask("PUT", "/alarms/rules", {"items": [change]})
    (changed,) = [one for one in answer.json()["items"] if not one["default"]]
    assert changed["threshold"] == 0.2
    assert code(operator.ask("PUT", "/alarms/rules", {"items": [{**change, "code": "x"}]})) == (
        "parameter_invalid"
    )
    again = World(tmp_path).user(Role.OPERATOR)
    found = again.ask("GET", "/alarms/rules").json()["items"]
    assert [one["threshold"] for one in found if one["code"] == "disk_low"] == [0.2]


def test_secrets_of_channels_are_never_given_out(world: World) -> None:
    admin = world.user(Role.ADMINISTRATOR)
    secret = "http://127.0.0.1:1/robot?access_token=topsecret"
    wanted = {"name": "ding", "kind": "dingtalk", "settings": {"url": secret, "secret": "SEC1"}}
    made = admin.ask("POST", "/alarms/channels", wanted)
    assert made.status_code == 201
    number = made.json()["id"]
    renamed = {"name": "robot", "kind": "dingtalk", "settings": {}}
    assert admin.ask("PUT", f"/alarms/channels/{number}", renamed).status_code == 200
    told = admin.ask("POST", f"/alarms/channels/{number}/test").json()
    assert told == {"delivered": False, "error": REFUSED}
    everything = [admin.ask("GET", path).text for path in ("/alarms/channels", "/audit")]
    everything += [made.text]
    assert all("topsecret" not in text and "SEC1" not in text for text in everything)
    # They are still there.
    monitor = world.monitor.alarms.records.channel(int(number))
    assert monitor.settings == wanted["settings"]
    assert monitor.name == "robot"
    assert admin.ask("DELETE", f"/alarms/channels/{number}").status_code == 204
    assert code(admin.ask("DELETE", f"/alarms/channels/{number}")) == "not_found"


def test_a_stored_password_goes_to_no_other_server(world: World) -> None:
    admin = world.user(Role.ADMINISTRATOR)
    mail = {"host": "mail.example", "port": "25", "from": "a@b.example", "to": "c@d.example"}
    login = {"user": "u", "password": "topsecret"}
    wanted = {"name": "mail", "kind": "mail", "settings": {**mail, **login}}
    number = admin.ask("POST", "/alarms/channels", wanted).json()["id"]

    def kept(host: str) -> str | None:
        settings = {**mail, "user": "u", "host": host}
        changed = {"name": "mail", "kind": "mail", "settings": settings}
        assert admin.ask("PUT", f"/alarms/channels/{number}", changed).status_code == 200
        stored = world.monitor.alarms.records.channel(int(number)).settings
        return stored.get("password")

    assert kept("mail.example") == "topsecret"
    assert kept("evil.example") is None


def test_channels_that_cannot_work_and_names_twice_are_refused(world: World) -> None:
    admin = world.user(Role.ADMINISTRATOR)
    good = {"name": "a", "kind": "wecom", "settings": {"url": "http://127.0.0.1:1"}}
    assert code(admin.ask("POST", "/alarms/channels", {**good, "settings": {}})) == (
        "parameter_invalid"
    )
    assert admin.ask("POST", "/alarms/channels", good).status_code == 201
    assert code(admin.ask("POST", "/alarms/channels", good)) == "conflict"


def test_a_channel_with_an_address_that_is_none_is_no_defect(world: World) -> None:
    admin = world.user(Role.ADMINISTRATOR)
    for url in ("http://[::1", "http://a..b/", "http://exa mple\0.com/"):
        wanted = {"name": "odd", "kind": "webhook", "settings": {"url": url}}
        assert code(admin.ask("POST", "/alarms/channels", wanted)) == "parameter_invalid"
        # One that an earlier version took.
        made = world.monitor.alarms.records.save_channel(
            replace(channel(f"old {url!r}"), settings={"url": url})
        )
        told = admin.ask("POST", f"/alarms/channels/{made.id}/test")
        assert (told.status_code, told.json()["delivered"]) == (200, False)


def test_alarms_are_listed_acknowledged_and_kept(world: World) -> None:
    operator = world.user(Role.OPERATOR)

    async def observe(reading: Reading) -> None:
        world.monitor.alarms.observe([reading])

    asyncio.run(observe(DOWN))
    (alarm,) = operator.ask("GET", "/alarms").json()["items"]
    assert (alarm["state"], alarm["severity"], alarm["acknowledged"]) == (
        "active", "critical", None,
    )  # fmt: skip
    done = operator.ask("POST", f"/alarms/{alarm['id']}/acknowledge", {"comment": "on it"})
    assert done.json()["acknowledged"]["by"] == "operator"
    assert operator.ask("GET", f"/alarms/{alarm['id']}").json()["deliveries"] == []
    asyncio.run(observe(UP))
    assert operator.ask("GET", "/alarms").json()["items"] == []
    (ended,) = operator.ask("GET", "/alarms?state=history").json()["items"]
    assert ended["resolved"] is not None
    assert code(operator.ask("POST", "/alarms/99/acknowledge", {})) == "not_found"


class Listener:
    """A request of somebody who goes on listening."""

    async def is_disconnected(self) -> bool:
        return False


@pytest.mark.parametrize("logged_in", [True, False])
def test_open_consoles_hear_of_alarms_at_once_and_strangers_do_not(
    world: World, logged_in: bool
) -> None:
    hidden = frozenset() if logged_in else stream.NOT_PUBLIC

    async def work() -> list[str]:
        listener: Any = Listener()
        events = stream._events(listener, world.gateway, hidden, stream.always)
        said = [await anext(events)]
        world.monitor.alarms.observe([DOWN])
        world.gateway.news.tell("status", {"status": "ready"})
        while "event: status" not in said[-1]:
            said.append(await asyncio.wait_for(anext(events), PATIENCE))
        await events.aclose()
        return said

    said = "".join(asyncio.run(work()))
    assert ("event: alarm" in said) == logged_in
    assert ('"event":"fired"' in said) == logged_in
