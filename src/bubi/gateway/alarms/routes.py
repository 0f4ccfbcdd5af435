"""Routes of the alarms."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from bubi.gateway import shapes
from bubi.gateway.access import Principal, Role, require
from bubi.gateway.accounts.audit import audit
from bubi.gateway.alarms.channels import KINDS, SECRET, ChannelError, check
from bubi.gateway.alarms.records import Channel, Delivery, Silence, UnknownError, Wish
from bubi.gateway.alarms.rules import BY_CODE, Rule, Severity
from bubi.gateway.alarms.service import Alarms
from bubi.gateway.answers import (
    RESPONSES,
    Listed,
    Part,
    Since,
    Some,
    StrictRoute,
    Until,
    answer,
)
from bubi.gateway.index.paging import Asked, Key, Page, by, decoded, encoded, window
from bubi.gateway.monitoring.service import monitor_of
from bubi.gateway.problems import ProblemError

router = APIRouter(tags=["alarms"], route_class=StrictRoute, responses=RESPONSES)

reader = Depends(require(Role.READ_ONLY))
operator = require(Role.OPERATOR)
administrator = require(Role.ADMINISTRATOR)
Operator = Annotated[Principal, Depends(operator)]
Administrator = Annotated[Principal, Depends(administrator)]

Number = Annotated[int, Path(ge=1, le=2**53)]
Text = Annotated[str | None, Query(max_length=200)]
SeverityName = Literal["info", "warning", "critical"]
LayerName = Literal["host", "network", "consensus", "business", "gateway"]

PLACES = {code: place for place, code in enumerate(BY_CODE)}
SILENCE_HOURS_MAX = 24 * 90
Result = TypeVar("Result")


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Acknowledgement(_Strict):
    """Why somebody takes care of an alarm."""

    comment: str = Field(default="", max_length=500)


class NewSilence(_Strict):
    """Whom not to tell about what for how long; without code and key, about anything."""

    code: str | None = Field(default=None, max_length=64)
    key: str | None = Field(default=None, max_length=200)
    minutes: int = Field(ge=1, le=SILENCE_HOURS_MAX * 60)
    comment: str = Field(default="", max_length=500)


class RuleChange(_Strict):
    """New settings of one rule."""

    code: str
    severity: Literal["info", "warning", "critical"]
    threshold: float = Field(allow_inf_nan=False)
    seconds: int = Field(ge=0, le=86_400)
    clear_seconds: int = Field(ge=0, le=86_400)
    repeat_seconds: int = Field(ge=0, le=30 * 86_400)
    enabled: bool


class RuleChanges(_Strict):
    """Rules to change; the others stay."""

    items: list[RuleChange] = Field(max_length=len(BY_CODE))


class ChannelSettings(_Strict):
    """A channel. A secret that is left out of a change stays as it is."""

    name: str = Field(min_length=1, max_length=64)
    kind: str
    severity: Literal["info", "warning", "critical"] = "warning"
    language: Literal["en", "zh"] = "en"
    enabled: bool = True
    settings: dict[str, str]


def _alarms(request: Request) -> Alarms:
    return monitor_of(request).alarms


def _found(action: Callable[[], Result]) -> Result:
    try:
        return action()
    except UnknownError:
        raise ProblemError("not_found") from None
    except sqlite3.IntegrityError:
        raise ProblemError("conflict", "there is another one with this name") from None


# --- alarms --------------------------------------------------------------------------------------


@router.get("/alarms", dependencies=[reader], response_model=Listed[shapes.Alarm])
async def alarms(  # noqa: PLR0913, PLR0917 - one per filter
    request: Request,
    part: Part,
    state: Literal["active", "history"] = "active",
    severity: SeverityName | None = None,
    layer: LayerName | None = None,
    code: Text = None,
    key: Text = None,
    since: Since = None,
    until: Until = None,
) -> Any:
    """Alarms that are active, or those that ended, newest first, that fit all filters.

    `key` is what an alarm is about; `from` and `to` bound when it fired (ms).
    """
    service = _alarms(request)
    wanted = Wish(
        active=state == "active",
        severity=severity,
        layer=layer,
        code=code,
        key=key,
        since=since,
        until=until,
    )

    def fetch(asked: Asked) -> Page:
        before = None if asked.cursor is None else decoded(asked.cursor, [int])[0]
        found = service.records.alarms(wanted, before, asked.limit + 1)
        shown = found[: asked.limit]
        following = encoded([shown[-1].id]) if len(found) > len(shown) else None
        return Page([service.document(one) for one in shown], following, 0)

    page = await asyncio.to_thread(part.of, fetch)
    return await answer(request, part, page, height=monitor_of(request).height())


@router.get("/alarms/rules", dependencies=[reader], response_model=Some[shapes.Rule])
async def rules(
    request: Request,
    part: Part,
    severity: SeverityName | None = None,
    layer: LayerName | None = None,
    state: Literal["on", "off", "changed"] | None = None,
) -> Any:
    """The rules in force that fit all filters."""
    items = [
        one
        for one in _rules(request)
        if severity in {None, one["severity"]}
        and layer in {None, one["layer"]}
        and (
            state in {None, "on" if one["enabled"] else "off"}
            or (state == "changed" and not one["default"])
        )
    ]
    page = part.of(lambda asked: window(items, Key(_place), asked))
    return await answer(request, part, page)


def _place(rule: Mapping[str, Any]) -> list[str]:
    """Rules stand in their own order, from the machine up."""
    return [f"{PLACES[rule['code']]:04}"]


def _rules(request: Request) -> list[shapes.Rule]:
    return [_rule(one) for one in _alarms(request).records.rules()]


@router.put("/alarms/rules")
async def change_rules(request: Request, changes: RuleChanges, who: Operator) -> Some[shapes.Rule]:
    """Changes rules; in force at once."""
    service = _alarms(request)
    old = {rule.code: rule for rule in service.records.rules()}
    new = []
    for one in changes.items:
        if one.code not in old:
            raise ProblemError("parameter_invalid", f"there is no rule {one.code!r}")
        fields = one.model_dump(exclude={"code", "severity"})
        new.append(replace(old[one.code], severity=Severity(one.severity), **fields))
    service.set_rules(new)
    for rule in new:
        audit(request, who, "change_rule", rule.code, _rule(rule))
    return Some(items=_rules(request), next=None)


@router.get("/alarms/silences", dependencies=[reader], response_model=Some[shapes.Silence])
async def silences(
    request: Request, part: Part, code: Text = None, key: Text = None, name: Text = None
) -> Any:
    """Silences in force that fit all filters; `name` is who made them."""
    monitor = monitor_of(request)
    found = [
        _silence(one)
        for one in monitor.alarms.records.silences(monitor.clock())
        if code in {None, one.code} and key in {None, one.key} and name in {None, one.made_by}
    ]
    page = part.of(lambda asked: window(found, by("until", "id"), asked))
    return await answer(request, part, page)


@router.post("/alarms/silences", status_code=201)
async def add_silence(request: Request, wanted: NewSilence, who: Operator) -> shapes.Silence:
    """Nobody is told about these alarms for a while; they are still shown."""
    if wanted.code is not None and wanted.code not in BY_CODE:
        raise ProblemError("parameter_invalid", f"there is no rule {wanted.code!r}")
    monitor = monitor_of(request)
    until = monitor.clock() + wanted.minutes * 60_000
    made = monitor.alarms.records.silence(wanted.code, wanted.key, until, who.name, wanted.comment)
    audit(request, who, "silence", str(made.id), _silence(made))
    return _silence(made)


@router.delete("/alarms/silences/{number}", status_code=204)
async def end_silence(request: Request, number: Number, who: Operator) -> Response:
    """Ends a silence."""
    _found(lambda: _alarms(request).records.end_silence(number))
    audit(request, who, "end_silence", str(number))
    return Response(status_code=204)


class Channels(Some[shapes.Channel]):
    """Channels, and what kinds of them there are."""

    kinds: dict[str, shapes.ChannelKind]


@router.get("/alarms/channels", response_model=Channels)
async def channels(
    request: Request,
    who: Operator,
    part: Part,
    kind: Text = None,
    state: Literal["on", "off", "failing"] | None = None,
) -> Any:
    """Channels that fit all filters, without their secrets, and how their newest messages fared.

    `failing`: the newest message did not arrive.
    """
    del who
    records = _alarms(request).records
    deliveries = records.deliveries(1_000)
    items = [
        one
        for one in (_channel(channel, deliveries) for channel in records.channels())
        if kind in {None, one["kind"]}
        and (
            state in {None, "on" if one["enabled"] else "off"}
            or (state == "failing" and one["newest"] and not one["newest"]["delivered"])
        )
    ]
    kinds: dict[str, shapes.ChannelKind] = {
        kind: {"required": sorted(required), "optional": sorted(optional)}
        for kind, (required, optional) in KINDS.items()
    }
    page = part.of(lambda asked: window(items, by("name"), asked))
    return await answer(request, part, page, kinds=kinds)


@router.post("/alarms/channels", status_code=201)
async def add_channel(
    request: Request, wanted: ChannelSettings, who: Administrator
) -> shapes.Channel:
    """Makes a channel."""
    channel = await _checked(0, wanted, {})
    made = _found(lambda: _alarms(request).records.save_channel(channel))
    audit(request, who, "add_channel", made.name, {"kind": made.kind})
    return _channel(made, [])


@router.put("/alarms/channels/{number}")
async def change_channel(
    request: Request, number: Number, wanted: ChannelSettings, who: Administrator
) -> shapes.Channel:
    """Changes a channel."""
    records = _alarms(request).records
    old = _found(lambda: records.channel(number))
    kept = {name: old.settings[name] for name in SECRET & set(old.settings)}
    if wanted.settings.get("host") != old.settings.get("host"):
        # A password is for the server that it was given for.
        kept.pop("password", None)
    if "url" in wanted.settings and wanted.settings["url"] != old.settings.get("url"):
        kept.pop("secret", None)
    channel = await _checked(number, wanted, kept if wanted.kind == old.kind else {})
    made = _found(lambda: records.save_channel(channel))
    audit(request, who, "change_channel", made.name, {"kind": made.kind})
    return _channel(made, [])


@router.delete("/alarms/channels/{number}", status_code=204)
async def remove_channel(request: Request, number: Number, who: Administrator) -> Response:
    """Removes a channel."""
    _found(lambda: _alarms(request).records.remove_channel(number))
    audit(request, who, "remove_channel", str(number))
    return Response(status_code=204)


@router.post("/alarms/channels/{number}/test")
async def test_channel(request: Request, number: Number, who: Operator) -> shapes.ChannelTest:
    """Sends a test message and tells how it fared."""
    service = _alarms(request)
    channel = _found(lambda: service.records.channel(number))
    audit(request, who, "test_channel", channel.name)
    error = await service.test(channel)
    return {"delivered": not error, "error": error}


@router.get("/alarms/{number}", dependencies=[reader])
async def alarm(request: Request, number: Number) -> shapes.AlarmDetail:
    """One alarm and who was told about it."""
    service = _alarms(request)
    found = _found(lambda: service.records.alarm(number))
    names = {one.id: one.name for one in service.records.channels()}
    told: list[shapes.Delivery] = [
        {
            "channel": names.get(one.channel, str(one.channel)),
            "event": one.event,
            "time": str(one.time),
            "delivered": one.delivered,
            "error": one.error,
        }
        for one in service.records.deliveries(100, number)
    ]
    shown = service.document(found)
    return {**shown, "deliveries": told}


@router.post("/alarms/{number}/acknowledge")
async def acknowledge(
    request: Request, number: Number, said: Acknowledgement, who: Operator
) -> shapes.Alarm:
    """Somebody takes care of it: it is not repeated."""
    service = _alarms(request)
    found = _found(lambda: service.acknowledge(number, who.name, said.comment))
    audit(request, who, "acknowledge", str(number), {"comment": said.comment})
    return service.document(found)


# --- documents -----------------------------------------------------------------------------------


def _rule(rule: Rule) -> shapes.Rule:
    return {
        "code": rule.code,
        "layer": rule.layer.value,
        "severity": rule.severity.value,
        "comparison": rule.comparison.value,
        "threshold": rule.threshold,
        "unit": rule.unit,
        "seconds": rule.seconds,
        "clear_seconds": rule.clear_seconds,
        "repeat_seconds": rule.repeat_seconds,
        "enabled": rule.enabled,
        "default": BY_CODE[rule.code] == rule,
    }


def _silence(silence: Silence) -> shapes.Silence:
    return {
        "id": str(silence.id),
        "code": silence.code,
        "key": silence.key,
        "until": str(silence.until),
        "by": silence.made_by,
        "comment": silence.comment,
    }


def _channel(channel: Channel, deliveries: list[Delivery]) -> shapes.Channel:
    newest = next((one for one in deliveries if one.channel == channel.id), None)
    shown = {name: None if name in SECRET else value for name, value in channel.settings.items()}
    return {
        "id": str(channel.id),
        "name": channel.name,
        "kind": channel.kind,
        "severity": channel.severity.value,
        "language": channel.language,
        "enabled": channel.enabled,
        "settings": shown,
        "newest": None
        if newest is None
        else {
            "time": str(newest.time),
            "event": newest.event,
            "delivered": newest.delivered,
            "error": newest.error,
        },
    }


async def _checked(number: int, wanted: ChannelSettings, kept: dict[str, Any]) -> Channel:
    settings = {**kept, **wanted.settings}
    try:
        # The first look at an address loads the ways that apprise knows, which takes a second.
        await asyncio.to_thread(check, wanted.kind, settings)
    except ChannelError as error:
        raise ProblemError("parameter_invalid", str(error)) from None
    return Channel(
        number, wanted.name, wanted.kind, Severity(wanted.severity), wanted.language,
        wanted.enabled, settings,
    )  # fmt: skip
