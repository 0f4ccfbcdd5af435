"""The tutorial of docs/monitoring.md: a node is killed, people are told, it comes back."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.sinks import HttpSink, MailSink
from tests.integration.network import command, kill

PATIENCE = 240.0
VICTIM = "node3"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("watched") / "network"
    try:
        started = command("up", "--detach", "--data", path, "--json")
        assert started.status == 0, started.err
        yield path
    finally:
        command("reset", "--yes", "--data", path)


@pytest.fixture(scope="module")
def console(folder: Path) -> Iterator[httpx.Client]:
    """Logged in by the link, as a browser."""
    made = command("gateway", "login-link", "--data", folder, "--json")
    assert made.status == 0, made.err
    base, token = made.json["url"].split("/#/login/")
    with httpx.Client(base_url=f"{base}/api/v1/", timeout=PATIENCE, trust_env=False) as client:
        answer = client.post("session/link", json={"token": token})
        assert answer.status_code == 200, answer.text
        client.headers["Bubi-Csrf"] = answer.json()["csrf"]
        yield client


def until(found: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (value := found()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return value


def active(console: httpx.Client) -> dict[tuple[str, str], dict[str, Any]]:
    items = console.get("alarms").json()["items"]
    return {(one["code"], one["key"]): one for one in items}


def node(console: httpx.Client, name: str) -> dict[str, Any]:
    items = console.get("monitoring/nodes").json()["items"]
    return next(one for one in items if one["name"] == name)


def about_victim(texts: list[str], word: str) -> bool:
    return any(f"The validator {VICTIM} is down" in one and word in one for one in texts)


def told_at(times: list[float], texts: list[str], word: str) -> float:
    """When the first message about it came."""
    return next(
        time_ for time_, text in zip(times, texts, strict=False) if about_victim([text], word)
    )


def add_channels(console: httpx.Client, mail: MailSink, web: HttpSink) -> None:
    settings = {"host": "127.0.0.1", "port": str(mail.port), "from": "bubi@example.org",
                "to": "operator@example.org"}  # fmt: skip
    for name, kind, given in (
        ("mail", "mail", settings),
        ("robot", "dingtalk", {"url": f"{web.url}/robot?access_token=a", "secret": "S"}),
    ):
        wanted = {"name": name, "kind": kind, "settings": given}
        made = console.post("alarms/channels", json=wanted)
        assert made.status_code == 201, made.text
        tested = console.post(f"alarms/channels/{made.json()['id']}/test").json()
        assert tested == {"delivered": True, "error": ""}


def test_a_killed_node_is_seen_and_told_and_over_when_it_is_back(
    folder: Path, console: httpx.Client
) -> None:
    until(lambda: node(console, VICTIM)["ready"], "the network is watched")
    with MailSink() as mail, HttpSink() as web:
        add_channels(console, mail, web)

        def mails() -> list[str]:
            return [str(one["Subject"]) for one in mail.mails]

        def posts() -> list[str]:
            return [one.body.decode() for one in web.requests]

        nodes = command("status", "--data", folder, "--json").json["nodes"]
        kill(next(one["pid"] for one in nodes if one["name"] == VICTIM))
        since = time.monotonic()
        alarm = until(
            lambda: active(console).get(("validator_down", VICTIM)), "the alarm of the validator"
        )
        assert alarm["severity"] == "critical"
        assert alarm["value"] >= 10
        took = {"alarm": time.monotonic() - since}
        assert not node(console, VICTIM)["reachable"]
        until(lambda: about_victim(mails(), "critical"), "the mail")
        took["mail"] = told_at(mail.times, mails(), "critical") - since
        until(lambda: about_victim(posts(), "critical"), "the message of the robot")
        took["POST"] = told_at(web.times, posts(), "critical") - since
        # They depend on the machine: told, and judged by those who look.
        print("after the kill:", ", ".join(f"{what} {s:.1f} s" for what, s in took.items()))  # noqa: T201

        assert command("up", "--node", VICTIM, "--data", folder, "--detach").status == 0
        until(lambda: ("validator_down", VICTIM) not in active(console), "the end of the alarm")
        until(lambda: about_victim(mails(), "over"), "the mail about the end")
        until(lambda: about_victim(posts(), "over"), "the message about the end")
        until(lambda: node(console, VICTIM)["ready"], "the node is ready again")
    ended = console.get("alarms", params={"state": "history"}).json()["items"]
    (shown,) = [one for one in ended if (one["code"], one["key"]) == ("validator_down", VICTIM)]
    told = console.get(f"alarms/{shown['id']}").json()["deliveries"]
    assert {(one["channel"], one["event"], one["delivered"]) for one in told} == {
        (channel, event, True) for channel in ("mail", "robot") for event in ("fired", "resolved")
    }


def test_charts_machines_and_logs_of_all_four_are_there(console: httpx.Client) -> None:
    def heights() -> bool:
        items = console.get("monitoring/series", params={"name": "height"}).json()["items"]
        return {one["node"] for one in items if one["points"]} == {
            "node1", "node2", "node3", "node4",
        }  # fmt: skip

    until(heights, "a series of every node")
    hosts = console.get("monitoring/hosts").json()["items"]
    assert len(hosts) == 4
    assert all(one["figures"]["cores"] >= 1 for one in hosts if one["available"])
    lines = console.get("monitoring/logs", params={"node": "node1", "part": "bubi.network"})
    assert all(one["part"] == "bubi.network" for one in lines.json()["items"])
    assert lines.json()["items"]
    unknown = console.get("monitoring/logs", params={"node": "nobody"})
    assert unknown.status_code == 404

    def pairs() -> set[tuple[str, str]]:
        items = console.get("monitoring/peers").json()["items"]
        return {(one["from"], one["to"]) for one in items}

    until(lambda: {("node1", "node2"), ("node2", "node1")} <= pairs(), "who hears whom")

    def routes() -> set[str]:
        found = console.get("monitoring/series", params={"name": "request_p95_seconds"})
        return {one["label"] for one in found.json()["items"]}

    until(lambda: {"/health", "/v1/consensus"} <= routes(), "a series of every route")


def test_users_are_added_by_command_while_the_gateway_runs(
    folder: Path, console: httpx.Client
) -> None:
    added = command(
        "gateway", "user", "add", "ann", "--role", "auditor", "--password-stdin", "--data", folder,
        "--json", stdin="a good long password\n",
    )  # fmt: skip
    assert added.json == {"schema": 1, "name": "ann", "role": "auditor", "has_password": True}
    again = command("gateway", "user", "add", "ann", "--role", "auditor", "--data", folder)
    assert again.status == 1
    with httpx.Client(base_url=console.base_url, timeout=PATIENCE, trust_env=False) as ann:
        login = {"name": "ann", "password": "a good long password"}
        assert ann.post("session", json=login).json()["role"] == "auditor"
        assert ann.get("audit").json()["intact"] is True
        assert ann.get("users").status_code == 403


def test_a_node_that_moved_is_found_again(folder: Path, console: httpx.Client) -> None:
    """Its port was taken while it was down: the gateway hears of the new one."""

    def urls() -> dict[str, str]:
        return {one["name"]: one["url"] for one in status()["nodes"]}

    def status() -> dict[str, Any]:
        found: dict[str, Any] = command("status", "--data", folder, "--json").json
        return found

    def ready() -> bool:
        try:
            return bool(node(console, VICTIM)["ready"])
        except (httpx.TransportError, KeyError):
            return False  # the gateway starts again

    before = urls()[VICTIM]
    until(ready, "the node is there")
    assert command("down", "--node", VICTIM, "--data", folder).status == 0
    until(lambda: not node(console, VICTIM)["reachable"], "the node is seen to be gone")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(before.rpartition(":")[2])))
        taken.listen()
        up = command("up", "--node", VICTIM, "--data", folder, "--detach")
        assert up.status == 0, up.err
        assert urls()[VICTIM] != before
        assert status()["gateway"]["url"] == str(console.base_url).partition("/api/")[0]
        until(ready, "the node is watched at its new address")
