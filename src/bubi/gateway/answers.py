"""Parameters that many routes share, and how lists are answered: JSON pages, or CSV."""

import asyncio
import csv
import io
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Depends, Path, Query
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from bubi import core
from bubi.gateway.index.paging import (
    LIMIT_DEFAULT,
    LIMIT_MAX,
    WHOLE_BYTES,
    WHOLE_MAX,
    Asked,
    CursorError,
    Page,
    whole,
)
from bubi.gateway.index.reader import AheadError, NotReadyError, Reader
from bubi.gateway.problems import ProblemError
from bubi.gateway.service import gateway_of

Result = TypeVar("Result")
Row = TypeVar("Row")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet would compute; those of full width as well."""
SLASH = "\0"
"""A slash that the client sent as %2F, while the path is routed."""
HEIGHT_MAX = 2**63 - 2


SENDING_SECONDS = 120.0
"""How long a client may take to read a whole list."""
SENT_BYTES = 1 << 16
"""Bytes that the server takes at a time: it waits until those before have almost gone."""
log = logging.getLogger("bubi.gateway")


class StrictRoute(APIRoute):
    """A route that refuses query parameters it does not declare, and repeated ones.

    Whole lists go out few at a time.
    """

    def get_route_handler(self) -> Callable[[Request], Any]:
        """The handler with the check in front."""
        handle = super().get_route_handler()
        known = frozenset(_query_names(self.dependant))

        async def checked(request: Request) -> Response:
            seen: set[str] = set()
            for name, _ in request.query_params.multi_items():
                if name not in known:
                    raise ProblemError("unknown_parameter", f"unknown parameter {name[:64]!r}")
                if name in seen:
                    raise ProblemError("parameter_invalid", f"{name} is given twice")
                seen.add(name)
            response: Response
            if _asks_whole(request):
                response = await _exported(request, handle)
            else:
                response = await handle(request)
            return response

        return checked


def _asks_whole(request: Request) -> bool:
    """Whether it asks for a file with all of a list."""
    query = request.query_params
    return query.get("format") == "csv" and "limit" not in query


async def _exported(request: Request, handle: Callable[[Request], Any]) -> Response:
    """A whole list: it costs as much as hundreds of pages, from the reading until it is sent."""
    exports = gateway_of(request).exports
    await exports.acquire()
    try:
        response: Response = await handle(request)
    except BaseException:
        exports.release()
        raise
    return Export(response, exports.release)


class Export(Response):
    """A file that goes out in parts; `sent` is called when the last one went or nobody took it."""

    def __init__(self, response: Response, sent: Callable[[], None]) -> None:
        super().__init__(response.body, response.status_code)
        self.raw_headers = response.raw_headers
        self._sent = sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends; who reads too slowly gets a part only, and sees that by the length."""
        del receive
        try:
            async with asyncio.timeout(SENDING_SECONDS):
                await self._send(send)
        except TimeoutError:
            log.warning("%s: the client read too slowly, the file was cut", scope["path"])
        finally:
            self._sent()

    async def _send(self, send: Send) -> None:
        head = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **head})
        for start in range(0, len(self.body), SENT_BYTES):
            part = self.body[start : start + SENT_BYTES]
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _query_names(dependant: Dependant) -> Iterator[str]:
    """Parameters that a route declares, and those that it depends on declare."""
    for parameter in dependant.query_params:
        yield parameter.alias
    for other in dependant.dependencies:
        yield from _query_names(other)


class Some(BaseModel, Generic[Row]):
    """A page of a list; `next` is null at the end."""

    model_config = ConfigDict(extra="forbid")
    items: list[Row]
    next: str | None


class Listed(Some[Row], Generic[Row]):
    """A page of a list. `height` is what it is consistent with; `next` is null at the end."""

    height: str


class Problem(BaseModel):
    """A refusal (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")
    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool


PROBLEM = {"model": Problem, "content": {"application/problem+json": {}}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {**PROBLEM, "description": words}
    for code, words in {
        400: "The request is not valid",
        401: "It needs a login",
        403: "The role does not permit it",
        404: "There is no such object",
        405: "The route does not take this method",
        409: "Not yet",
        410: "No longer kept by the node",
        429: "Too many of these",
        502: "The node gave an unusable answer",
        503: "The node or the index is not reached",
    }.items()
}


def _no_nul(value: str) -> str:
    if "\0" in value:
        msg = "a text holds no NUL"
        raise ValueError(msg)
    return value


def _segment(value: str) -> str:
    return value.replace(SLASH, "/")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of a list is asked for, and in which form."""

    cursor: str | None
    limit: int | None
    form: str

    @property
    def asked(self) -> Asked:
        """The page."""
        return Asked(self.cursor, LIMIT_DEFAULT if self.limit is None else self.limit)

    @property
    def whole(self) -> bool:
        """Whether it is a file with all that lies behind the cursor."""
        return self.form == "csv" and self.limit is None

    def of(self, fetch: Callable[[Asked], Page]) -> Page:
        """What is asked for.

        Raises:
            ProblemError: the cursor is not of this list.
        """
        try:
            return whole(fetch, self.cursor) if self.whole else fetch(self.asked)
        except CursorError as error:
            raise ProblemError("cursor_invalid", str(error)) from error


def wanted_of(
    cursor: Annotated[str | None, Query(max_length=1_024, pattern="^[A-Za-z0-9_-]*$")] = None,
    limit: Annotated[
        int | None,
        Query(ge=1, le=LIMIT_MAX, description=f"Rows of a page, {LIMIT_DEFAULT} unless given"),
    ] = None,
    form: Annotated[
        Literal["json", "csv"],
        Query(
            alias="format",
            description=(
                f"csv: a table; without `limit` of all rows, up to {WHOLE_MAX} rows "
                f"or {WHOLE_BYTES >> 20} MiB"
            ),
        ),
    ] = "json",
) -> Wanted:
    """The parameters of every list."""
    return Wanted(cursor, limit, form)


Part = Annotated[Wanted, Depends(wanted_of)]
Hash = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="64 hex digits")]
Identifier = Annotated[str | None, Query(pattern="^[0-9a-f]{64}$")]
Height = Annotated[int | None, Query(ge=0, le=HEIGHT_MAX, description="As of this height")]
Since = Annotated[int | None, Query(alias="from", ge=0, le=HEIGHT_MAX, description="Time in ms")]
Until = Annotated[int | None, Query(alias="to", ge=0, le=HEIGHT_MAX, description="Time in ms")]
Text = Annotated[str | None, AfterValidator(_no_nul), Query(max_length=256)]
Key = Annotated[str, AfterValidator(_segment), Path(max_length=256)]
Account = Annotated[str, Path(max_length=128, description="Address of this network")]
AccountFilter = Annotated[str | None, Query(max_length=128)]


async def read(request: Request, work: Callable[[Reader], Result]) -> Result:
    """Asks the index, in a thread.

    Raises:
        ProblemError: the index is not that far, or the cursor is not of this list.
    """
    reader = gateway_of(request).reader
    if reader is None:
        raise ProblemError("index_starting")
    try:
        return await run_in_threadpool(work, reader)
    except CursorError as error:
        raise ProblemError("cursor_invalid", str(error)) from error
    except AheadError as error:
        raise ProblemError("height_ahead", str(error)) from error
    except NotReadyError as error:
        raise ProblemError("index_starting", str(error)) from error


async def found(request: Request, work: Callable[[Reader], Result | None]) -> Result:
    """One object.

    Raises:
        ProblemError: there is none.
    """
    result = await read(request, work)
    if result is None:
        raise ProblemError("not_found")
    return result


async def listed(
    request: Request, part: Wanted, work: Callable[[Reader, Asked], Page]
) -> Response:
    """Part of a list of the index, as JSON or CSV; all of it is of one moment."""

    def fetch(reader: Reader) -> Page:
        with reader.standing() as one:
            return part.of(lambda asked: work(one, asked))

    page = await read(request, fetch)
    return await answer(request, part, page, height=str(page.height))


async def answer(request: Request, part: Wanted, page: Page, **more: Any) -> Response:
    """A part of a list, as JSON with these members beside it, or as CSV."""
    headers = {"Bubi-Height": more["height"]} if "height" in more else {}
    if part.form == "json":
        return JSONResponse({"items": page.items, "next": page.next, **more}, headers=headers)
    name = re.sub("[^a-z_]", "", request.url.path.rpartition("/")[2]) or "list"
    if page.next is not None:
        headers["Bubi-Next"] = page.next
        if part.whole:
            name += f"-first-{len(page.items)}"
    headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    text = await run_in_threadpool(as_csv, page.items)
    return Response(text, headers=headers, media_type="text/csv; charset=utf-8")


def as_csv(items: Sequence[Mapping[str, Any]]) -> str:
    """A table with one column per field; nested values as JSON."""
    names = list(dict.fromkeys(name for item in items for name in item))
    out = io.StringIO(newline="")
    table = csv.writer(out)
    table.writerow(names)
    for item in items:
        table.writerow([_csv_cell(item.get(name)) for name in names])
    return out.getvalue()


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return json.dumps(value, ensure_ascii=False)


async def address_of(request: Request, text: str) -> str:
    """An address of this network.

    Raises:
        ProblemError: it is none.
    """
    prefix = (await gateway_of(request).node.network())["prefix"]
    try:
        core.address_from_text(prefix, text)
    except core.CoreError as error:
        raise ProblemError("address_invalid", core.error_detail(error)) from None
    return text
