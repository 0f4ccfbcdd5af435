"""Messages in the forms of mail and of each robot, delivered to real local sinks."""

import base64
import contextlib
import gc
import hashlib
import hmac
import json
import socket
import weakref
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from apprise.plugins.base import NotifyBase

from bubi.gateway import config
from bubi.gateway.alarms import channels
from bubi.gateway.alarms.channels import ChannelError, Message, check, deliver, form
from bubi.gateway.alarms.reach import REFUSED, InternalAddressError, limited, permitted
from bubi.gateway.alarms.records import Channel
from bubi.gateway.alarms.rules import Severity
from tests.gateway.sinks import HttpSink, MailSink

LOOPBACK = (ip_network("127.0.0.0/8"),)
MESSAGE = Message("[Bubi] [critical] down", "value 12", {"event": "fired"})


def channel(kind: str, **settings: str) -> Channel:
    check(kind, settings)
    return Channel(1, kind, kind, Severity.INFO, "en", enabled=True, settings=settings)


@pytest.fixture
def web() -> Iterator[HttpSink]:
    with HttpSink() as sink:
        yield sink


def test_mail_arrives() -> None:
    with MailSink() as sink:
        settings = {"host": "127.0.0.1", "port": str(sink.port), "from": "bubi@example.org",
                    "to": "operator@example.org"}  # fmt: skip
        assert deliver(channel("mail", **settings), MESSAGE, LOOPBACK) == ""
        (mail,) = sink.mails
        assert mail["Subject"] == MESSAGE.head
        assert mail["To"] == "operator@example.org"
        assert MESSAGE.body in mail.as_string()


@pytest.mark.parametrize(
    ("kind", "path"),
    [("dingtalk", ("text", "content")), ("wecom", ("text", "content")),
     ("feishu", ("content", "text"))],
)  # fmt: skip
def test_robots_get_their_own_form(web: HttpSink, kind: str, path: tuple[str, str]) -> None:
    web.answer = b'{"errcode": 0, "code": 0}'
    assert deliver(channel(kind, url=f"{web.url}/robot?access_token=abc"), MESSAGE, LOOPBACK) == ""
    (request,) = web.requests
    document = json.loads(request.body)
    assert request.path == "/robot?access_token=abc"
    assert document[path[0]][path[1]] == f"{MESSAGE.head}\n{MESSAGE.body}"
    assert document.get("msgtype", document.get("msg_type")) == "text"


@pytest.mark.parametrize(
    "answer", [b'{"errcode": 310000, "errmsg": "sign not match"}', b'{"code": 19021, "msg": "no"}']
)
def test_a_robot_that_says_no_with_status_200_has_not_taken_it(
    web: HttpSink, answer: bytes
) -> None:
    web.answer = answer
    assert str(json.loads(answer).popitem()[1]) in deliver(
        channel("feishu", url=f"{web.url}/robot"), MESSAGE, LOOPBACK
    )


def test_a_plain_webhook_is_signed(web: HttpSink) -> None:
    assert (
        deliver(channel("webhook", url=f"{web.url}/hook", secret="s3cret"), MESSAGE, LOOPBACK)
        == ""
    )
    (request,) = web.requests
    wanted = hmac.new(b"s3cret", request.body, hashlib.sha256).hexdigest()
    assert request.headers["Bubi-Signature"] == f"sha256={wanted}"
    assert json.loads(request.body) == {
        "title": MESSAGE.head, "text": MESSAGE.body, "event": "fired",
    }  # fmt: skip


def test_signatures_of_robots() -> None:
    url, _ = form("dingtalk", "https://example.org/send?access_token=a", "SEC", MESSAGE, 1_700)
    query = parse_qs(urlsplit(url).query)
    digest = hmac.digest(b"SEC", b"1700000\nSEC", "sha256")
    assert query["sign"] == [base64.b64encode(digest).decode()]
    assert query["timestamp"] == ["1700000"]
    _, document = form("feishu", "https://example.org", "SEC", MESSAGE, 1_700)
    sign = hmac.digest(b"1700\nSEC", b"", "sha256")
    assert document["sign"] == base64.b64encode(sign).decode()


def test_a_short_secret_spoils_no_code() -> None:
    said = channels._without_secrets("not_delivered: 'i' was refused", {"password": "i"})
    assert said == "not_delivered: '***' was refused"


def test_failures_are_told_without_the_secret(web: HttpSink) -> None:
    web.status = 500
    secret = f"{web.url}/robot?access_token=topsecret"
    said = deliver(channel("wecom", url=secret), MESSAGE, LOOPBACK)
    assert "500" in said
    assert "topsecret" not in said
    assert (
        deliver(channel("wecom", url="http://127.0.0.1:1/x"), MESSAGE, LOOPBACK)
        == "unanswered: ConnectError"
    )
    settings = {"host": "127.0.0.1", "port": "1", "from": "a@example.org", "to": "b@example.org"}
    assert deliver(channel("mail", **settings), MESSAGE, LOOPBACK)


def test_a_heartbeat_is_a_plain_call(web: HttpSink) -> None:
    assert (
        deliver(channel("heartbeat", url=f"{web.url}/alive"), Message("", "", {}), LOOPBACK) == ""
    )
    assert [one.path for one in web.requests] == ["/alive"]


def test_any_address_of_apprise(web: HttpSink) -> None:
    address = f"json://{urlsplit(web.url).netloc}/hook"
    assert deliver(channel("apprise", url=address), MESSAGE, LOOPBACK) == ""
    (request,) = web.requests
    assert json.loads(request.body)["title"] == MESSAGE.head


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("pigeon", {}, "kind"),
        ("mail", {"host": "a"}, "from is missing"),
        ("wecom", {"url": "ftp://x"}, "url"),
        ("wecom", {"url": "http://x", "colour": "red"}, "colour"),
        ("apprise", {"url": "nonsense"}, "address"),
        ("mail", {"host": "a", "port": "0", "from": "a@b.cn", "to": "c@d.cn"}, "port"),
        ("mail", {"host": "a", "port": "25", "from": "a@b.cn", "to": "c@d.cn", "security": "x"},
         "security"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(
    kind: str, settings: dict[str, str], said: str
) -> None:
    with pytest.raises(ChannelError, match=said):
        check(kind, settings)


ODD = (
    "http://[::1", "http://a..b/", "http://exa mple\0.com/", "http://[::1]:99999/", "http://",
    "http://127.0.0.1:99999/", "http://127.0.0.1:0/", "http://127.0.0.1:-1/",
    "http:///x", f"http://{'a' * 64}.example/", "http://[v1.x]/", "https://a:b/",
)  # fmt: skip


@pytest.mark.parametrize("url", ODD)
@pytest.mark.parametrize("kind", ["webhook", "dingtalk", "wecom", "feishu", "heartbeat"])
def test_addresses_that_are_none_are_refused_and_kept_ones_fail(kind: str, url: str) -> None:
    with pytest.raises(ChannelError, match="url"):
        check(kind, {"url": url})
    settings = {"url": url, **({"secret": "SEC"} if kind in {"webhook", "dingtalk"} else {})}
    kept = Channel(1, kind, kind, Severity.INFO, "en", enabled=True, settings=settings)
    assert deliver(kept, MESSAGE, LOOPBACK) != ""


@pytest.mark.parametrize("scheme", ["json", "mailto", "discord", "signal", "workflows", "syslog"])
@pytest.mark.parametrize("rest", ["://[::1", "://a:b@[::1/x?a=b", "://?", "://a..b:x/", "://\0"])
def test_no_address_of_apprise_breaks_the_look_at_it(scheme: str, rest: str) -> None:
    with contextlib.suppress(ChannelError):
        check("apprise", {"url": scheme + rest})


# --- what may be reached -------------------------------------------------------------------------


def ways(port: int, host: str = "127.0.0.1") -> list[Channel]:
    """A channel of every kind that leads to a port."""
    url = f"http://{host}:{port}/x"
    mail = {"host": host, "port": str(port), "from": "a@example.org", "to": "b@example.org"}
    made = [channel(kind, url=url) for kind in ("webhook", "dingtalk", "wecom", "feishu",
                                                "heartbeat")]  # fmt: skip
    made += [channel("mail", **mail), channel("apprise", url=f"json://{host}:{port}/x")]
    made.append(
        channel("apprise", url=f"mailto://{host}:{port}?from=a@example.org&to=b@example.org")
    )
    return made


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_channel_reaches_an_internal_address(host: str) -> None:
    reached: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        for one in ways(server.getsockname()[1], host):
            assert deliver(one, MESSAGE) == REFUSED, one
            with pytest.raises(BlockingIOError):
                reached.append(server.accept())
    assert reached == []


def test_a_server_cannot_send_a_channel_on_to_an_internal_address(web: HttpSink) -> None:
    with HttpSink() as inner:
        web.status, web.headers = 302, {"Location": f"http://127.0.0.2:{inner.port}/secret"}
        address = f"json://{urlsplit(web.url).netloc}/hook"
        allowed = (ip_network("127.0.0.1/32"),)
        assert deliver(channel("apprise", url=address), MESSAGE, allowed) == REFUSED
        assert len(web.requests) == 1
        assert inner.requests == []


@pytest.mark.parametrize("kind", ["heartbeat", "webhook"])
def test_what_arrived_at_a_permitted_address_of_several_arrived(
    web: HttpSink, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    ask = socket.getaddrinfo

    def several(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "several.example":
            return [*ask("127.0.0.2", *rest, **more), *ask("127.0.0.1", *rest, **more)]
        return ask(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", several)
    one = channel(kind, url=f"http://several.example:{web.port}/alive")
    assert deliver(one, MESSAGE, (ip_network("127.0.0.1/32"),)) == ""
    assert len(web.requests) == 1
    assert deliver(one, MESSAGE) == REFUSED
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    "scheme", ["emby", "jellyfin", "matrix", "twist", "ringc", "mqtt", "xmpp", "aprs"]
)
def test_what_sends_when_it_is_put_away_is_no_channel(web: HttpSink, scheme: str) -> None:
    """Its last words would leave in any thread, where nothing watches what they reach."""
    place = urlsplit(web.url).netloc
    settings = {"url": f"{scheme}://user:password@{place}/token"}
    with pytest.raises(ChannelError, match="cannot be used"):
        check("apprise", settings)
    # One that was kept before is refused as well, before it exists.
    kept = Channel(1, scheme, "apprise", Severity.INFO, "en", enabled=True, settings=settings)
    said = deliver(kept, MESSAGE, LOOPBACK)
    assert "cannot be used" in said
    assert "password" not in said
    gc.collect()
    assert web.requests == []


def test_what_carried_a_message_ends_with_it(
    web: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[NotifyBase]] = []
    make = channels._target

    def noted(*arguments: Any) -> NotifyBase:
        target = make(*arguments)
        made.append(weakref.ref(target))
        return target

    monkeypatch.setattr(channels, "_target", noted)
    gc.collect()
    gc.disable()
    try:
        for kind, url in (("webhook", web.url), ("apprise", f"json://{urlsplit(web.url).netloc}")):
            assert deliver(channel(kind, url=url), MESSAGE, LOOPBACK) == ""
        assert [one() for one in made] == [None] * 4
    finally:
        gc.enable()


def test_what_is_made_to_look_at_it_reaches_nothing(
    web: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[bool] = []
    make = channels.apprise.Apprise.instantiate

    def curious(*arguments: Any) -> Any:
        try:
            socket.create_connection(("127.0.0.1", web.port), 5).close()
        except InternalAddressError:
            refused.append(True)
        return make(*arguments)

    monkeypatch.setattr(channels.apprise.Apprise, "instantiate", curious)
    check("apprise", {"url": "json://example.org/x"})
    assert refused == [True]


def test_what_counts_is_the_address_that_is_connected(
    web: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that means a public address when it is looked at and another one later."""
    port = urlsplit(web.url).port
    answers = iter(["203.0.113.1", "127.0.0.1"])
    ask = socket.getaddrinfo

    def rebound(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "rebound.example":
            host = next(answers)
        return ask(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    assert socket.getaddrinfo("rebound.example", port)[0][4][0] == "203.0.113.1"
    assert deliver(channel("webhook", url=f"http://rebound.example:{port}/x"), MESSAGE) == REFUSED
    assert web.requests == []


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("64:ff9b::5db8:d822", True),
        ("127.0.0.1", False), ("10.0.0.1", False), ("172.16.0.1", False), ("192.168.1.1", False),
        ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False),
        ("255.255.255.255", False), ("224.0.0.1", False), ("239.1.1.1", False), ("::1", False),
        ("::", False), ("fe80::1", False), ("fc00::1", False), ("ff02::1", False),
        ("::ffff:10.0.0.1", False), ("64:ff9b::a00:1", False), ("2002:a00:1::", False),
        # Other ways to write an IPv4 address, and what only looks public.
        ("2002:5db8:d822::1", True), ("2001:0:5db8:d822::f5ff:fffe", False),
        ("2001:0:a00:1::a247:27dd", True), ("::ffff:93.184.216.34", True),
        ("64:ff9b:1::a00:1", False), ("64:ff9b:1::5db8:d822", False), ("::127.0.0.1", False),
        ("::10.0.0.1", False), ("::93.184.216.34", False), ("::ffff:0:127.0.0.1", False),
        ("fec0::1", False), ("3fff::1", False), ("5f00::1", False), ("2001:db8::1", False),
        ("2001:2::1", False), ("2001:10::1", False), ("100::1", False), ("4000::1", False),
        ("192.0.0.8", False), ("192.0.0.170", False), ("192.88.99.1", False),
        ("198.18.0.1", False), ("240.0.0.1", False), ("2001:4860:4860::8888", True),
        ("2400:3200::1", True), ("8.8.8.8", True), ("223.5.5.5", True),
    ],
)  # fmt: skip
def test_public_addresses_and_others(address: str, good: bool) -> None:
    assert permitted(ip_address(address), ()) is good
    assert permitted(ip_address("10.1.2.3"), (ip_network("10.1.0.0/16"),))
    assert not permitted(ip_address("10.2.2.3"), (ip_network("10.1.0.0/16"),))
    assert permitted(ip_address("::ffff:10.1.2.3"), (ip_network("10.1.0.0/16"),))


def test_datagrams_and_local_sockets_are_watched_as_well(tmp_path: Path) -> None:
    with limited(()) as refused, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for send in (
            lambda: sender.sendto(b"x", ("127.0.0.1", 514)),
            lambda: sender.sendto(b"x", 0, ("localhost", 514)),
            lambda: sender.sendmsg([b"x"], [], 0, ("127.0.0.1", 514)),
            lambda: sender.connect_ex(("127.0.0.1", 514)),
        ):
            with pytest.raises(InternalAddressError):
                send()
        assert refused()
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as local,
            pytest.raises(InternalAddressError),
        ):
            local.connect(str(tmp_path / "socket"))
    # Outside of it, sockets are as ever.
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


def test_the_configuration_opens_networks(tmp_path: Path) -> None:
    node = {"node": {"url": "http://127.0.0.1:1"}}
    assert config.parse(node, tmp_path).alarms.internal_networks == ()
    opened = {**node, "alarms": {"internal_networks": ["10.1.0.0/16", "fd00::/8"]}}
    found = config.parse(opened, tmp_path).alarms.internal_networks
    assert found == (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    for wrong in ("10.1.0.0/16", ["10.1.0.1/16"], ["inside"], [7]):
        with pytest.raises(config.ConfigError, match=r"alarms\.internal_networks"):
            config.parse({**node, "alarms": {"internal_networks": wrong}}, tmp_path)
