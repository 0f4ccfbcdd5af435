"""Messages in the forms of mail and of each robot, delivered to real local sinks."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from bubi.gateway.alarms.channels import ChannelError, Message, check, deliver, form
from bubi.gateway.alarms.records import Channel
from bubi.gateway.alarms.rules import Severity
from tests.gateway.sinks import HttpSink, MailSink

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
        assert deliver(channel("mail", **settings), MESSAGE) == ""
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
    assert deliver(channel(kind, url=f"{web.url}/robot?access_token=abc"), MESSAGE) == ""
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
        channel("feishu", url=f"{web.url}/robot"), MESSAGE
    )


def test_a_plain_webhook_is_signed(web: HttpSink) -> None:
    assert deliver(channel("webhook", url=f"{web.url}/hook", secret="s3cret"), MESSAGE) == ""
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


def test_failures_are_told_without_the_secret(web: HttpSink) -> None:
    web.status = 500
    secret = f"{web.url}/robot?access_token=topsecret"
    said = deliver(channel("wecom", url=secret), MESSAGE)
    assert "500" in said
    assert "topsecret" not in said
    assert deliver(channel("wecom", url="http://127.0.0.1:1/x"), MESSAGE) == "ConnectError"
    settings = {"host": "127.0.0.1", "port": "1", "from": "a@example.org", "to": "b@example.org"}
    assert deliver(channel("mail", **settings), MESSAGE)


def test_a_heartbeat_is_a_plain_call(web: HttpSink) -> None:
    assert deliver(channel("heartbeat", url=f"{web.url}/alive"), Message("", "", {})) == ""
    assert [one.path for one in web.requests] == ["/alive"]


def test_any_address_of_apprise(web: HttpSink) -> None:
    address = f"json://{urlsplit(web.url).netloc}/hook"
    assert deliver(channel("apprise", url=address), MESSAGE) == ""
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
