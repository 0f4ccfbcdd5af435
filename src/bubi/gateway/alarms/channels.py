"""Ways to tell somebody: mail, robots, webhooks, any address of apprise.

All go through apprise. Robots are reached at the address that their owner was given, so that a
company's own relay works as well as the vendor's; a secret signs what is sent, as DingTalk and
Feishu ask for.
"""

import base64
import hashlib
import hmac
import json
import logging
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import apprise
import httpx
from apprise.plugins import N_MGR, url_to_dict
from apprise.plugins.base import NotifyBase

from bubi.gateway.alarms.reach import REFUSED, Network, limited
from bubi.gateway.alarms.records import Channel

SECONDS = 10.0
KINDS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "mail": (
        frozenset({"host", "port", "from", "to"}),
        frozenset({"user", "password", "security"}),
    ),
    "webhook": (frozenset({"url"}), frozenset({"secret"})),
    "dingtalk": (frozenset({"url"}), frozenset({"secret"})),
    "wecom": (frozenset({"url"}), frozenset()),
    "feishu": (frozenset({"url"}), frozenset({"secret"})),
    "apprise": (frozenset({"url"}), frozenset()),
    "heartbeat": (frozenset({"url"}), frozenset()),
}
"""Settings of each kind: required, optional. `heartbeat` is called every minute, with no alarm."""
SECRET = frozenset({"password", "secret", "url"})
"""Settings that are never given out again."""
UNSENT = (httpx.HTTPError, httpx.InvalidURL, ValueError)
"""What a request ends with that got no answer; of the last kind are names that are none."""
HEARTBEAT = "heartbeat"
FAILURES = frozenset(
    {REFUSED, "answer_refused", "internal", "not_delivered", "settings_invalid", "unanswered"}
)
"""Codes of what went wrong with a message."""


class ChannelError(Exception):
    """The settings of a channel cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is told. `fields` are for programs."""

    head: str
    body: str
    fields: Mapping[str, Any]


def check(kind: str, settings: Mapping[str, Any]) -> None:
    """Refuses settings that can never work.

    Raises:
        ChannelError: something is missing, unknown or wrong.
    """
    if kind not in KINDS:
        msg = f"kind must be one of {', '.join(KINDS)}"
        raise ChannelError(msg)
    _check_names(kind, settings)
    if kind == "mail":
        _check_mail(settings)
    elif kind != "apprise":
        _check_url(settings["url"])
    if kind != HEARTBEAT:
        _target(kind, settings)


def _check_names(kind: str, settings: Mapping[str, Any]) -> None:
    required, optional = KINDS[kind]
    for name in sorted(required - set(settings)):
        msg = f"{name} is missing"
        raise ChannelError(msg)
    for name, value in sorted(settings.items()):
        if name not in required | optional:
            msg = f"{name} is not a setting of {kind}"
            raise ChannelError(msg)
        if not isinstance(value, str) or not value or len(value) > 2_000:
            msg = f"{name} must be a text of 1 to 2000 characters"
            raise ChannelError(msg)


def _check_mail(settings: Mapping[str, Any]) -> None:
    if settings.get("security", "none") not in {"none", "starttls", "ssl"}:
        msg = "security must be none, starttls or ssl"
        raise ChannelError(msg)
    port = settings["port"]
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        msg = "port must be a number from 1 to 65535"
        raise ChannelError(msg)


def _check_url(url: str) -> None:
    try:
        parts, host = urlsplit(url), httpx.URL(url).host
        # Asking for the address of a name encodes it so.
        host.encode("idna")
        # Looking at the port checks it.
        usable = parts.port != 0
    except (httpx.InvalidURL, ValueError):
        usable = False
    if not usable:
        msg = "url is no address"
        raise ChannelError(msg)
    if parts.scheme not in {"http", "https"}:
        msg = "url must begin with http:// or https://"
        raise ChannelError(msg)
    if not host:
        msg = "url names no host"
        raise ChannelError(msg)


def deliver(channel: Channel, message: Message, allowed: Sequence[Network] = ()) -> str:
    """Tells one channel; blocks for seconds at most. What went wrong, or nothing.

    What went wrong begins with one of `FAILURES`; after it may stand a colon and a detail.
    It reaches public addresses, and of internal networks those that are `allowed`.
    """
    try:
        if channel.kind == HEARTBEAT:
            with limited(allowed) as refused:
                error = _beat(channel.settings["url"])
                # A name may mean several addresses, of which one was permitted and answered.
                return error and (REFUSED if refused() else error)
        target = _target(channel.kind, channel.settings)
    except ChannelError as error:
        return f"settings_invalid: {error}"
    if isinstance(target, Robot):
        target.message = message
    stopped = _limit(target, allowed)
    teller = apprise.Apprise()
    teller.add(target)
    with apprise.LogCapture(level=logging.WARNING) as output:  # type: ignore[no-untyped-call]
        told = teller.notify(
            title=message.head, body=message.body, notify_type=apprise.NotifyType.WARNING
        )
        said = output.getvalue().strip()
    if told:
        return ""
    if stopped:
        return REFUSED
    failure = target.failure if isinstance(target, Robot) else ""
    return _without_secrets(failure or _not_delivered(said), channel.settings)


def _not_delivered(said: str) -> str:
    """The failure of a kind that says why in its log only."""
    return ": ".join(("not_delivered", *said.splitlines()[-1:]))


def _limit(target: NotifyBase, allowed: Sequence[Network]) -> list[bool]:
    """Keeps a target within the networks, in whichever thread it works; notes if it left them.

    The target does not hold itself by it: it ends with its delivery, not at some later moment in
    whichever thread then looks for cycles.
    """
    found, stopped = weakref.ref(target), []

    def within(*arguments: Any, **named: Any) -> bool:
        one = found()
        if one is None:
            return False
        with limited(allowed) as refused:
            told = bool(type(one).notify(one, *arguments, **named))
            if refused():
                stopped.append(True)
            return told

    target.notify = within  # type: ignore[method-assign]
    return stopped


def _without_secrets(text: str, settings: Mapping[str, Any]) -> str:
    code, colon, detail = text.partition(":")
    for name in SECRET & set(settings):
        detail = detail.replace(str(settings[name]), "***")
    return f"{code}{colon}{detail}"[:300]


def _beat(url: str) -> str:
    try:
        answer = httpx.get(url, timeout=SECONDS, trust_env=False)
    except UNSENT as error:
        return _unanswered(error)
    return "" if answer.is_success else f"answer_refused: status {answer.status_code}"


def _unanswered(error: Exception) -> str:
    return f"unanswered: {type(error).__name__}"


def _target(kind: str, settings: Mapping[str, Any]) -> NotifyBase:
    if kind in {"webhook", "dingtalk", "wecom", "feishu"}:
        return Robot(kind, settings["url"], settings.get("secret"))
    return _of_apprise(_mail_address(settings) if kind == "mail" else settings["url"])


def _of_apprise(address: str) -> NotifyBase:
    # What is made here has nothing to send yet: it needs to reach nothing.
    with limited(()):
        parts = _parts(address)
        if parts is not None and _ends_with_code(N_MGR[parts["schema"]]):
            msg = (
                f"{parts['schema']}:// cannot be used: it still sends when nobody watches what it"
                " reaches"
            )
            raise ChannelError(msg)
        made = None if parts is None else apprise.Apprise.instantiate(parts)
    if not isinstance(made, NotifyBase):
        msg = "the address is none that can be used"
        raise ChannelError(msg)
    return made


def _parts(address: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] | None = url_to_dict(address)  # type: ignore[no-untyped-call]
    except Exception:
        # Each kind of address has a parser of its own; some raise TypeError at what is no address.
        return None
    return found


def _ends_with_code(kind: type) -> bool:
    """Whether Python runs code of a class when one of its objects is put away.

    Nobody knows when that is and in which thread: some of them log out there, over the network.
    """
    return any("__del__" in vars(one) for one in kind.__mro__)


def _mail_address(settings: Mapping[str, Any]) -> str:
    security = settings.get("security", "none")
    scheme = "mailto" if security == "none" else "mailtos"
    login = ""
    if "user" in settings:
        login = (
            f"{quote(settings['user'], safe='')}:{quote(settings.get('password', ''), safe='')}@"
        )
    query = {
        "smtp": settings["host"],
        "from": settings["from"],
        "to": settings["to"],
        "mode": "insecure" if security == "none" else security,
        "format": "text",
    }
    return f"{scheme}://{login}{settings['host']}:{settings['port']}?{urlencode(query)}"


class Robot(NotifyBase):  # type: ignore[no-untyped-call]
    """Posts JSON in the form of one kind of robot."""

    service_name = "Bubi robot"  # type: ignore[assignment]
    protocol = "bubi-robot"  # type: ignore[assignment]
    body_maxlen = 16_000
    title_maxlen = 500
    request_rate_per_sec = 0

    def __init__(self, kind: str, url: str, secret: str | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kind = kind
        self._url = url
        self._secret = secret
        self.failure = ""
        self.message = Message("", "", {})

    def url(self, privacy: bool = True, *args: Any, **kwargs: Any) -> str:
        """Names the kind only: the address is a secret."""
        del privacy, args, kwargs
        return f"{self.protocol}://{self._kind}"

    def send(
        self,
        body: str,
        title: str = "",
        notify_type: apprise.NotifyType = apprise.NotifyType.INFO,
        **kwargs: Any,
    ) -> bool:
        """Posts a message; true if the robot took it."""
        del notify_type, kwargs
        try:
            self.failure = refusal(self._post(Message(title, body, self.message.fields)))
        except UNSENT as error:
            self.failure = _unanswered(error)
        return not self.failure

    def _post(self, message: Message) -> httpx.Response:
        url, document = form(self._kind, self._url, self._secret, message, int(time.time()))
        headers = {"Content-Type": "application/json"}
        content = json.dumps(document, ensure_ascii=False).encode()
        if self._kind == "webhook" and self._secret is not None:
            digest = hmac.new(self._secret.encode(), content, hashlib.sha256).hexdigest()
            headers["Bubi-Signature"] = f"sha256={digest}"
        with httpx.Client(timeout=SECONDS, trust_env=False) as client:
            return client.post(url, content=content, headers=headers)


def refusal(answer: httpx.Response) -> str:
    """Why a robot did not take a message; they answer 200 with a code of their own."""
    if answer.status_code >= 300:
        return f"answer_refused: status {answer.status_code}"
    try:
        document = answer.json()
    except ValueError:
        return ""
    if not isinstance(document, dict):
        return ""
    for name in ("errcode", "code", "StatusCode"):
        if document.get(name) not in {None, 0}:
            said = str(document.get("errmsg") or document.get("msg"))
            return f"answer_refused: {name} {document[name]}: {said[:200]}"
    return ""


def form(
    kind: str, url: str, secret: str | None, message: Message, second: int
) -> tuple[str, dict[str, Any]]:
    """Address and document of a message, as its kind of robot wants them."""
    text = f"{message.head}\n{message.body}"
    if kind == "dingtalk":
        if secret is not None:
            url = _signed_address(url, secret, second)
        return url, {"msgtype": "text", "text": {"content": text}}
    if kind == "wecom":
        return url, {"msgtype": "text", "text": {"content": text}}
    if kind == "feishu":
        document: dict[str, Any] = {"msg_type": "text", "content": {"text": text}}
        if secret is not None:
            # Feishu signs nothing with a key made of the time and the secret.
            key = f"{second}\n{secret}".encode()
            document["timestamp"] = str(second)
            document["sign"] = base64.b64encode(hmac.digest(key, b"", "sha256")).decode()
        return url, document
    return url, {"title": message.head, "text": message.body, **message.fields}


def _signed_address(url: str, secret: str, second: int) -> str:
    stamp = str(second * 1000)
    digest = hmac.digest(secret.encode(), f"{stamp}\n{secret}".encode(), "sha256")
    query = urlencode({"timestamp": stamp, "sign": base64.b64encode(digest).decode()})
    return f"{url}{'&' if urlsplit(url).query else '?'}{query}"
