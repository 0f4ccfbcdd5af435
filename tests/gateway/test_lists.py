"""What all lists have: filters, cursors, and files with everything."""

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from bubi.gateway import answers
from bubi.gateway.access import Role
from bubi.gateway.alarms.machine import Event, Transition
from bubi.gateway.alarms.records import Channel
from bubi.gateway.alarms.rules import BY_CODE, Severity
from bubi.gateway.index import paging
from bubi.gateway.index.paging import Asked, CursorError, Page, by, window
from tests.gateway.world import Visitor, World, code

COMMON = {"cursor", "limit", "format"}
PATHS = {"after"}
"""Of the log: a cursor in the other direction."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A gateway with some of everything that it keeps itself."""
    made = World(tmp_path)
    records = made.monitor.alarms.records
    for second, (name, key) in enumerate(
        (("validator_down", "a"), ("disk_low", "a"), ("disk_low", "b"), ("cpu_high", "b"))
    ):
        rule, now = BY_CODE[name], 1_000 * second
        records.apply(Transition(Event.FIRED, rule, key, 1.0, now))
        if key == "b":
            records.apply(Transition(Event.RESOLVED, rule, key, 0.0, now + 500))
    for kind, settings in (
        ("wecom", {"url": "http://10.0.0.1"}),
        ("webhook", {"url": "http://x"}),
    ):
        records.save_channel(
            Channel(0, kind, kind, Severity.INFO, "en", enabled=kind == "wecom", settings=settings)
        )
    for rule_code in ("disk_low", "cpu_high"):
        records.silence(rule_code, None, made.clock() + 60_000, "ann", "")
    return made


def test_every_list_has_filters_a_cursor_and_a_file(world: World) -> None:
    paths = world.visitor().ask("GET", "/openapi.json").json()["paths"]
    lists = {
        path: {
            one["name"] for one in operations["get"].get("parameters", ()) if one["in"] == "query"
        }
        for path, operations in paths.items()
        if "get" in operations and _is_list(operations["get"])
    }
    assert len(lists) > 25
    for path, names in lists.items():
        assert names >= COMMON, path
        assert names - COMMON - PATHS, f"{path} has no filter"


def _is_list(operation: dict[str, Any]) -> bool:
    """Whether it answers a list: what the description says, or that it comes as a table."""
    content = operation["responses"].get("200", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    return "text/csv" in content or "/Listed_" in reference


def rows_of(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_a_file_holds_the_whole_list_and_says_where_it_was_cut(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    boss = world.user(Role.ADMINISTRATOR)
    for number in range(25):
        world.accounts.records.audit("ann", f"step{number}", "", {}, "", world.clock())
    monkeypatch.setattr(paging, "LIMIT_MAX", 4)
    whole = boss.ask("GET", "/audit?name=ann&format=csv")
    assert [row["action"] for row in rows_of(whole)] == [f"step{n}" for n in range(24, -1, -1)]
    assert whole.headers["Content-Disposition"] == 'attachment; filename="audit.csv"'
    assert "Bubi-Next" not in whole.headers
    monkeypatch.setattr(paging, "WHOLE_MAX", 10)
    cut = boss.ask("GET", "/audit?name=ann&format=csv")
    assert [row["action"] for row in rows_of(cut)] == [f"step{n}" for n in range(24, 14, -1)]
    assert cut.headers["Content-Disposition"] == 'attachment; filename="audit-first-10.csv"'
    rest = boss.ask("GET", f"/audit?name=ann&format=csv&cursor={cut.headers['Bubi-Next']}")
    assert [row["action"] for row in rows_of(rest)] == [f"step{n}" for n in range(14, 4, -1)]
    # With a limit it is one page.
    page = boss.ask("GET", "/audit?name=ann&format=csv&limit=3")
    assert len(rows_of(page)) == 3
    assert page.headers["Bubi-Next"]


def test_a_file_of_large_rows_is_cut_by_its_bytes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    boss = world.user(Role.ADMINISTRATOR)
    for number in range(9):
        world.accounts.records.audit("ann", f"step{number}", "", {"x": "y" * 500}, "", 1)
    monkeypatch.setattr(paging, "LIMIT_MAX", 2)
    monkeypatch.setattr(paging, "WHOLE_BYTES", 2_000)
    seen: list[str] = []
    cursor = ""
    while True:
        part = boss.ask("GET", f"/audit?name=ann&format=csv{cursor}")
        seen += [row["action"] for row in rows_of(part)]
        if "Bubi-Next" not in part.headers:
            break
        assert "audit-first-4.csv" in part.headers["Content-Disposition"]
        cursor = f"&cursor={part.headers['Bubi-Next']}"
    assert seen == [f"step{number}" for number in range(8, -1, -1)]
    assert len(rows_of(part)) == 1


def lines_of_a_log(world: World, count: int) -> None:
    """Lets the only node answer with a log of so many lines."""

    async def ask(node: str, path: str, query: dict[str, str]) -> httpx.Response:
        assert (node, path) == ("node1", "/v1/logs")
        start = int(query.get("before", count))
        end = max(0, start - int(query["limit"]))
        items = [{"message": f"line{number}"} for number in range(start, end, -1)]
        document = {"items": items, "next": str(end) if end else None}
        return httpx.Response(200, json=document, request=httpx.Request("GET", path))

    world.monitor.poller.ask_operator = ask  # type: ignore[method-assign, assignment]


def test_the_file_of_a_log_is_cut_as_well(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lines_of_a_log(world, 25)
    operator = world.user(Role.OPERATOR)
    monkeypatch.setattr(paging, "LIMIT_MAX", 4)
    path = "/monitoring/logs?node=node1&format=csv"
    whole = operator.ask("GET", path)
    assert [row["message"] for row in rows_of(whole)] == [f"line{n}" for n in range(25, 0, -1)]
    for name, value, count in (("WHOLE_MAX", 10, 10), ("WHOLE_BYTES", 1, 4)):
        monkeypatch.setattr(paging, name, value)
        cut = operator.ask("GET", path)
        assert len(rows_of(cut)) == count
        assert f"logs-first-{count}.csv" in cut.headers["Content-Disposition"]
        assert cut.headers["Bubi-Next"] == str(25 - count)


class SlowReader:
    """Asks for a file and stands still at the first part of it until it is told to go on."""

    def __init__(self, visitor: Visitor, path: str) -> None:
        self.app = visitor.app
        self.go_on = asyncio.Event()
        self.stands = asyncio.Event()
        self.parts: list[bytes] = []
        self.length = 0
        cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
        path, _, query = path.partition("?")
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": f"/api/v1{path}",
            "raw_path": f"/api/v1{path}".encode(),
            "query_string": query.encode(),
            "headers": [(b"host", b"testserver"), (b"cookie", cookies.encode())],
            "client": ("127.0.0.1", 1),
            "server": ("testserver", 80),
            "scheme": "http",
            "root_path": "",
        }

    async def read(self) -> None:
        await self.app(self.scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200
            self.length = int(dict(message["headers"])[b"content-length"])
            return
        self.stands.set()
        await self.go_on.wait()
        self.parts.append(message["body"])


WHOLE = ("/audit?format=csv", "/alarms?format=csv", "/alarms/rules?format=csv",
         "/monitoring/nodes?format=csv", "/monitoring/logs?node=node1&format=csv")  # fmt: skip


@pytest.mark.parametrize("path", WHOLE)
def test_a_file_counts_until_it_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    lines_of_a_log(world, 5)
    boss = world.user(Role.ADMINISTRATOR)
    monkeypatch.setattr(answers, "SENT_BYTES", 16)
    exports = world.gateway.exports = asyncio.Semaphore(1)

    async def work() -> None:
        one, other = SlowReader(boss, path), SlowReader(boss, path)
        first = asyncio.create_task(one.read())
        await one.stands.wait()
        assert exports.locked()
        second = asyncio.create_task(other.read())
        one.go_on.set()
        await first
        # Now the other one has its turn.
        await other.stands.wait()
        assert exports.locked()
        assert not other.parts
        other.go_on.set()
        await second
        assert not exports.locked()
        assert b"".join(one.parts) == b"".join(other.parts)
        assert len(b"".join(one.parts)) == one.length
        assert max(map(len, one.parts)) == 16

    asyncio.run(work())
    refused = boss.ask("GET", f"{path}&colour=red")
    assert code(refused) == "unknown_parameter"
    assert code(world.visitor().ask("GET", path)) == "login_required"
    assert not exports.locked(), "what is refused is no longer on its way"


def test_who_does_not_read_a_file_makes_room(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    boss = world.user(Role.ADMINISTRATOR)
    monkeypatch.setattr(answers, "SENDING_SECONDS", 0.01)
    exports = world.gateway.exports = asyncio.Semaphore(1)

    async def work() -> None:
        slow = SlowReader(boss, "/audit?format=csv")
        await slow.read()
        assert not exports.locked()
        assert len(b"".join(slow.parts)) < slow.length, "the client sees that it was cut"

    asyncio.run(work())
    assert "read too slowly" in caplog.text


def everything(visitor: Visitor, path: str, limit: int) -> list[Any]:
    found: list[Any] = []
    cursor = ""
    while True:
        joint = "&" if "?" in path else "?"
        answer = visitor.ask("GET", f"{path}{joint}limit={limit}{cursor}")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= limit
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


LISTS = ("/users", "/audit", "/alarms?state=history", "/alarms", "/alarms/rules",
         "/alarms/silences", "/alarms/channels", "/monitoring/nodes", "/monitoring/hosts",
         "/monitoring/consensus", "/monitoring/peers", "/monitoring/clients")  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
def test_pages_together_are_the_list(world: World, path: str) -> None:
    boss = world.user(Role.ADMINISTRATOR)
    world.add_user("ann", Role.OPERATOR)
    whole = boss.ask("GET", path).json()["items"]
    assert everything(boss, path, 1) == everything(boss, path, 2) == whole
    wrong = "&" if "?" in path else "?"
    assert code(boss.ask("GET", f"{path}{wrong}cursor=W10")) == "cursor_invalid"
    assert code(boss.ask("GET", f"{path}{wrong}colour=red")) == "unknown_parameter"


FILTERS: list[tuple[str, str, Any]] = [
    ("/users", "role=operator", lambda one: one["role"] == "operator"),
    ("/users", "state=disabled", lambda one: one["disabled"]),
    ("/users", "contains=nn", lambda one: "nn" in one["name"]),
    ("/audit", "name=ann", lambda one: one["name"] == "ann"),
    ("/audit", "action=add_user", lambda one: one["action"] == "add_user"),
    ("/audit", "target=bob", lambda one: one["target"] == "bob"),
    ("/alarms?state=history", "code=disk_low", lambda one: one["code"] == "disk_low"),
    ("/alarms?state=history", "severity=warning", lambda one: one["severity"] == "warning"),
    ("/alarms?state=history", "from=2500", lambda one: int(one["fired"]) >= 2500),
    ("/alarms?state=history", "to=2500", lambda one: int(one["fired"]) <= 2500),
    ("/alarms", "layer=network", lambda one: one["layer"] == "network"),
    ("/alarms", "code=disk_low&key=a", lambda one: one["code"] == "disk_low"),
    ("/alarms/rules", "layer=host", lambda one: one["layer"] == "host"),
    ("/alarms/rules", "severity=info", lambda one: one["severity"] == "info"),
    ("/alarms/rules", "state=off", lambda one: not one["enabled"]),
    ("/alarms/rules", "state=changed", lambda one: not one["default"]),
    ("/alarms/silences", "code=cpu_high", lambda one: one["code"] == "cpu_high"),
    ("/alarms/channels", "kind=wecom", lambda one: one["kind"] == "wecom"),
    ("/alarms/channels", "state=off", lambda one: not one["enabled"]),
]


@pytest.mark.parametrize(("path", "query", "fits"), FILTERS)
def test_filters_leave_what_fits(world: World, path: str, query: str, fits: Any) -> None:
    boss = world.user(Role.ADMINISTRATOR)
    world.add_user("ann", Role.OPERATOR)
    made = {"name": "bob", "role": "operator", "password": "a password of bob"}
    assert boss.ask("POST", "/users", made).status_code == 201
    assert boss.ask("PUT", "/users/bob", {"disabled": True}).status_code == 200
    world.accounts.records.audit("ann", "login", "", {}, "", world.clock())
    rule = next(one for one in boss.ask("GET", "/alarms/rules").json()["items"])
    kept = ("code", "severity", "threshold", "seconds", "clear_seconds", "repeat_seconds")
    changed = {**{name: rule[name] for name in kept}, "enabled": False}
    assert boss.ask("PUT", "/alarms/rules", {"items": [changed]}).status_code == 200
    every = boss.ask("GET", path).json()["items"]
    wanted = [one for one in every if fits(one)]
    assert 0 < len(wanted) < len(every)
    joint = "&" if "?" in path else "?"
    assert boss.ask("GET", f"{path}{joint}{query}").json()["items"] == wanted


def test_nodes_are_found_by_their_state(world: World) -> None:
    reader = world.user(Role.READ_ONLY)
    assert [one["name"] for one in reader.ask("GET", "/monitoring/nodes").json()["items"]] == [
        "node1"
    ]
    for query, names in (
        ("state=down", ["node1"]),
        ("state=up", []),
        ("role=observer", ["node1"]),
        ("role=validator", []),
        ("organisation=nobody", []),
    ):
        found = reader.ask("GET", f"/monitoring/nodes?{query}").json()["items"]
        assert [one["name"] for one in found] == names, query
    for name in ("hosts", "consensus"):
        for query, count in (("node=node1", 1), ("node=other", 0)):
            found = reader.ask("GET", f"/monitoring/{name}?{query}").json()["items"]
            assert len(found) == count, (name, query)


def test_what_is_secret_stays_out_of_the_file_of_channels(world: World) -> None:
    rows = rows_of(world.user(Role.OPERATOR).ask("GET", "/alarms/channels?format=csv"))
    assert [row["name"] for row in rows] == ["webhook", "wecom"]
    assert [json.loads(row["settings"]) for row in rows] == [{"url": None}, {"url": None}]


def test_a_window_moves_over_a_list_that_changes() -> None:
    items = [{"name": name} for name in "cabd"]
    first = window(items, by("name"), Asked(limit=2))
    assert [one["name"] for one in first.items] == ["a", "b"]
    # What comes and goes before the cursor moves nothing behind it.
    later = [{"name": name} for name in "aabcde" if name != "b"]
    second = window(later, by("name"), Asked(first.next, 2))
    assert [one["name"] for one in second.items] == ["c", "d"]
    assert window(later, by("name"), Asked(second.next, 2)) == Page([{"name": "e"}], None, 0)
    with pytest.raises(CursorError):
        window([{"name": "a", "other": "b"}], by("name", "other"), Asked(first.next, 2))


def test_a_cursor_lasts_longer_than_the_list(world: World) -> None:
    """What a reader pages through may end meanwhile: that is an empty page, not an error."""
    two = [{"name": "a", "other": str(number)} for number in range(2)]
    following = window(two, by("name", "other"), Asked(limit=1)).next
    assert window([], by("name", "other"), Asked(following)) == Page([], None, 0)
    with pytest.raises(CursorError):
        window([], by("name"), Asked(following))
    boss = world.user(Role.ADMINISTRATOR)
    page = boss.ask("GET", "/alarms/silences?limit=1").json()
    for one in boss.ask("GET", "/alarms/silences").json()["items"]:
        assert boss.ask("DELETE", f"/alarms/silences/{one['id']}").status_code == 204
    rest = boss.ask("GET", f"/alarms/silences?cursor={page['next']}")
    assert rest.json() == {"items": [], "next": None}


def test_rules_stand_in_their_own_order(world: World) -> None:
    reader = world.user(Role.READ_ONLY)
    found = [one["code"] for one in everything(reader, "/alarms/rules", 7)]
    assert found == list(BY_CODE)
