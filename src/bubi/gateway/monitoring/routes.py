"""Routes that show what is watched."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, cast

import httpx
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bubi.gateway import shapes
from bubi.gateway.access import Role, require
from bubi.gateway.answers import RESPONSES, Listed, Part, StrictRoute, Wanted, answer
from bubi.gateway.index.paging import WHOLE_MAX, Gathered, Page, by, window
from bubi.gateway.monitoring.catalogue import CATALOGUE
from bubi.gateway.monitoring.figures import Scrape, quantile
from bubi.gateway.monitoring.poller import Watched
from bubi.gateway.monitoring.service import Monitor, monitor_of
from bubi.gateway.problems import ProblemError
from bubi.gateway.series.store import Key, Series

router = APIRouter(
    prefix="/monitoring", tags=["monitoring"], route_class=StrictRoute, responses=RESPONSES
)
reader = Depends(require(Role.READ_ONLY))
auditor = Depends(require(Role.AUDITOR))
operator = Depends(require(Role.OPERATOR))

HOUR_MS = 3_600_000
LOG_LINES = 100
LOG_LINES_MAX = 1_000
"""Of one answer of a node."""
CURSOR = re.compile("[0-9]{1,18}")
"""Numbers of a log's lines."""
Time = Annotated[int | None, Query(ge=0, le=2**53)]


Name = Annotated[str | None, Query(max_length=200)]


def _series(monitor: Monitor, items: list[shapes.Series]) -> Response:
    found: shapes.AllSeries = {"items": items, "next": None, "height": monitor.height()}
    return JSONResponse(found)


async def _answer(
    request: Request,
    part: Wanted,
    items: Sequence[Mapping[str, Any]],
    *names: str,
    **wanted: str | None,
) -> Response:
    """Items that fit all filters (those that are None fit all), in the order of these texts."""
    fitting = [
        one
        for one in items
        if all(value in {None, str(one[name])} for name, value in wanted.items())
    ]
    page = part.of(lambda asked: window(fitting, by(*names), asked))
    return await answer(request, part, page, height=monitor_of(request).height())


@router.get("/nodes", dependencies=[reader], response_model=Listed[shapes.Node])
async def nodes(
    request: Request,
    part: Part,
    organisation: Name = None,
    role: Literal["validator", "observer"] | None = None,
    state: Literal["up", "not_ready", "down"] | None = None,
) -> Response:
    """Every node: watched ones with what they answer, others with what they say of themselves."""
    monitor = monitor_of(request)
    found = {name: _node(node, monitor.clock()) for name, node in monitor.poller.nodes.items()}
    for node in monitor.poller.nodes.values():
        for peer in node.peers:
            found.setdefault(str(peer["name"]), _other(peer))
    _add_validators(monitor, found)
    items = [one for one in found.values() if state in {None, _state(one)}]
    return await _answer(request, part, items, "name", organisation=organisation, role=role)


def _state(node: shapes.Node) -> str:
    """In a word, as the console shows it."""
    if not node["reachable"]:
        return "down"
    return "not_ready" if node["ready"] is False else "up"


def _node(node: Watched, now: int) -> shapes.Node:
    metrics = node.newest
    return {
        "name": node.target.name,
        "organisation": "",
        "watched": True,
        "url": node.target.url,
        "operator": node.target.operator is not None,
        "reachable": node.reachable,
        "ready": node.reachable and node.health.get("status") == "ready",
        "error": node.error,
        "answered": None if node.answered is None else str(node.answered),
        "silent_seconds": node.silent_ms(now) // 1000,
        "height": node.health.get("height"),
        "reasons": list(node.health.get("reasons", ())),
        "role": "observer",
        "pool": None if metrics is None else metrics.value("bubi_pool_transactions"),
        "peers": None if metrics is None else metrics.value("bubi_peers"),
        "certificate_days": None if metrics is None else metrics.value("bubi_certificate_days"),
    }


def _other(peer: Any) -> shapes.Node:
    return {
        "name": peer["name"],
        "organisation": peer["organisation"],
        "watched": False,
        "url": None,
        "operator": False,
        "reachable": peer["state"] == "connected",
        "ready": None,
        "error": peer["reason"],
        "answered": None,
        "silent_seconds": None,
        "height": peer.get("height"),
        "reasons": [],
        "role": peer.get("role", "observer"),
        "pool": None,
        "peers": None,
        "certificate_days": peer.get("certificate_days"),
    }


def _add_validators(monitor: Monitor, found: dict[str, shapes.Node]) -> None:
    """What the set says of a node goes before what the node says of itself."""
    for node in monitor.poller.nodes.values():
        for one in node.documents.get("consensus", {}).get("validators", ()):
            entry = found.get(str(one["name"]))
            if entry is not None:
                entry["role"], entry["organisation"] = "validator", one["organisation"]
                if not entry["watched"] and one["seconds_ago"] is not None:
                    entry["silent_seconds"] = one["seconds_ago"]
                    entry["reachable"] = not one["missing"]


@router.get("/hosts", dependencies=[reader], response_model=Listed[shapes.Host])
async def hosts(request: Request, part: Part, node: Name = None) -> Response:
    """Machines of the nodes whose operator listener the gateway may ask."""
    monitor = monitor_of(request)
    items: list[shapes.Host] = [
        {
            "name": name,
            "available": one.host is not None,
            "figures": cast("shapes.HostFigures | None", one.host),
        }
        for name, one in monitor.poller.nodes.items()
        if one.target.operator is not None
    ]
    return await _answer(request, part, items, "name", name=node)


@router.get("/consensus", dependencies=[reader], response_model=Listed[shapes.Consensus])
async def consensus(request: Request, part: Part, node: Name = None) -> Response:
    """Who voted when, as each watched node sees it."""
    monitor = monitor_of(request)
    items: list[shapes.Consensus] = [
        {
            "name": name,
            "reachable": one.reachable,
            "view": cast("shapes.ConsensusView | None", one.consensus or None),
        }
        for name, one in monitor.poller.nodes.items()
    ]
    return await _answer(request, part, items, "name", name=node)


@router.get("/peers", dependencies=[reader], response_model=Listed[shapes.Peer])
async def peers(
    request: Request, part: Part, node: Name = None, peer: Name = None, state: Name = None
) -> Response:
    """The matrix of connections: round trips, bytes and queues from each watched node.

    `node` is where a connection is seen from, `peer` where it leads.
    """
    monitor = monitor_of(request)
    items: list[shapes.Peer] = [
        {
            "from": name,
            "to": other["name"],
            "organisation": other["organisation"],
            "state": other["state"],
            "rtt_ms": other.get("rtt_ms"),
            "bytes_in": str(other.get("bytes_in") or 0),
            "bytes_out": str(other.get("bytes_out") or 0),
            "queued_bytes": str(other.get("queued_bytes") or 0),
            "queues": other.get("queues") or {},
            "certificate_days": other.get("certificate_days"),
            "reason": other["reason"],
        }
        for name, one in monitor.poller.nodes.items()
        for other in one.peers
    ]
    return await _answer(
        request, part, items, "from", "to", **{"from": node, "to": peer, "state": state}
    )


@router.get("/clients", dependencies=[auditor], response_model=Listed[shapes.Client])
async def clients(
    request: Request, part: Part, node: Name = None, client: Name = None
) -> Response:
    """Who uses the interface of each watched node, and how the routes fare."""
    items: list[shapes.Client] = []
    for name, watched in monitor_of(request).poller.nodes.items():
        scrape = watched.newest
        if scrape is None:
            continue
        before = watched.history[0] if watched.history else scrape
        items += [_client(name, one, scrape, before) for one in _clients(scrape)]
    return await _answer(request, part, items, "node", "client", node=node, client=client)


def _clients(scrape: Scrape) -> list[str]:
    found = scrape.matching("bubi_api_client_requests_total", {})
    return sorted({labels["client"] for labels, _ in found})


def _client(node: str, client: str, now: Scrape, before: Scrape) -> shapes.Client:
    """What a client did at a node since the start; how fast its answers came lately."""
    seconds = quantile(before, now, "bubi_api_client_seconds", 0.95, client=client)
    return {
        "node": node,
        "client": client,
        "requests": _by(
            now.matching("bubi_api_client_requests_total", {"client": client}), "status"
        ),
        "seconds": now.value("bubi_api_client_seconds_sum", client=client),
        "p95_seconds": seconds,
        "admitted": _total(now, client, "admitted"),
        "final": _total(now, client, "final"),
        "skipped": _total(now, client, "skipped"),
        "refused": _by(_became(now, client, "refused"), "code"),
        "rejected": _by(_became(now, client, "rejected"), "code"),
    }


Samples = Iterator[tuple[Mapping[str, str], float]]


def _became(scrape: Scrape, client: str, result: str) -> Samples:
    wanted = {"client": client, "result": result}
    return scrape.matching("bubi_client_transactions_total", wanted)


def _total(scrape: Scrape, client: str, result: str) -> str:
    return str(int(sum(value for _, value in _became(scrape, client, result))))


def _by(samples: Samples, label: str) -> dict[str, str]:
    return {labels[label]: str(int(value)) for labels, value in samples}


@router.get("/logs", dependencies=[operator], response_model=Listed[shapes.LogLine])
async def logs(  # noqa: PLR0913, PLR0917 - one per filter
    request: Request,
    node: Annotated[str, Query(max_length=64)],
    level: Literal["debug", "info", "warning", "error", "critical"] = "info",
    part: Annotated[str, Query(max_length=200)] = "",
    contains: Annotated[str, Query(max_length=200)] = "",
    cursor: Annotated[str | None, Query(pattern="^[0-9]{1,18}$")] = None,
    after: Annotated[str | None, Query(pattern="^[0-9]{1,18}$")] = None,
    limit: Annotated[int | None, Query(ge=1, le=1000)] = None,
    form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> Response:
    """The newest lines of a node's log, newest first; `after` gives only what is new."""
    wanted = Wanted(cursor, LOG_LINES if limit is None and form == "json" else limit, form)
    query = {"level": level, "part": part, "contains": contains}
    query |= {"after": after} if after is not None else {}
    page = await _log(request, node, query, wanted)
    return await answer(request, wanted, page, height=monitor_of(request).height())


async def _log(request: Request, node: str, query: Mapping[str, str], wanted: Wanted) -> Page:
    """The part of a node's log that is asked for; ends whatever the node answers.

    Raises:
        ProblemError: there is no such log, or it cannot be read now.
    """
    gathered = Gathered()
    before = wanted.cursor
    for _ in range(WHOLE_MAX // LOG_LINES_MAX if wanted.whole else 1):
        count = wanted.limit or min(gathered.room, LOG_LINES_MAX)
        lines, following = await _lines(request, node, query, before, count)
        gathered.add(lines)
        falls = following is not None and (before is None or int(following) < int(before))
        before = following
        if not lines or not falls or not gathered.room:
            break
    return Page(gathered.items, before, 0)


async def _lines(
    request: Request, node: str, query: Mapping[str, str], before: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """Lines of a node's log, and the cursor of those before.

    Raises:
        ProblemError: there is no such log, or it cannot be read now.
    """
    asked = {**query, "limit": str(limit), **({} if before is None else {"before": before})}
    try:
        found = await monitor_of(request).poller.ask_operator(node, "/v1/logs", asked)
        found.raise_for_status()
        document = found.json()
    except KeyError:
        raise ProblemError("not_found", f"no log of {node!r} can be read") from None
    except httpx.HTTPError as error:
        detail = f"{node}: {type(error).__name__}"
        raise ProblemError("node_unreachable", detail) from error
    except ValueError as error:
        raise ProblemError("node_failed", f"{node}: no JSON") from error
    lines, following = _shown(node, document)
    if len(lines) > limit:
        raise ProblemError("node_failed", f"{node}: more lines than were asked for")
    return lines, following


def _shown(node: str, document: Any) -> tuple[list[dict[str, Any]], str | None]:
    """Lines and cursor of a node's answer.

    Raises:
        ProblemError: it does not have the form that nodes give it.
    """
    if isinstance(document, dict):
        lines, following = document.get("items"), document.get("next", "")
        ends = following is None or (isinstance(following, str) and CURSOR.fullmatch(following))
        if ends and isinstance(lines, list) and all(isinstance(one, dict) for one in lines):
            return lines, following
    raise ProblemError("node_failed", f"{node}: no lines of a log")


@router.get("/series", dependencies=[reader], response_model=shapes.AllSeries)
async def series(
    request: Request,
    name: Annotated[str | None, Query(max_length=64)] = None,
    node: Annotated[str | None, Query(max_length=64)] = None,
    label: Annotated[str | None, Query(max_length=200)] = None,
    start: Annotated[int | None, Query(alias="from", ge=0, le=2**53)] = None,
    to: Time = None,
    step: Annotated[int, Query(ge=0, le=86_400)] = 0,
) -> Response:
    """Points of a series, times in ms; without a name, which series there are.

    A point is [begin, lowest, average, highest].
    """
    monitor = monitor_of(request)
    wanted = [
        key
        for key in monitor.series.names()
        if name in {None, key.name} and node in {None, key.node} and label in {None, key.label}
    ]
    if name is None:
        return _series(monitor, [_key(key) for key in wanted])
    now = monitor.clock()
    begin = now - HOUR_MS if start is None else start
    end = now + 1 if to is None else to
    found = await asyncio.to_thread(monitor.series.read, wanted, begin, end, now, step)
    return _series(monitor, [_points(one) for one in found])


UNITS = {one.name: one.unit for one in CATALOGUE}


def _key(key: Key) -> shapes.Series:
    unit = UNITS.get(key.name, "count")
    return {"name": key.name, "node": key.node, "label": key.label, "unit": unit}


def _points(series: Series) -> shapes.Series:
    points = [(str(one.time), one.low, one.mean, one.high) for one in series.points]
    return {**_key(series.key), "step": series.step, "points": points}
