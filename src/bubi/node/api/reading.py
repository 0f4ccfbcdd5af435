"""Routes that read: blocks, accounts, assets, namespaces, cells, the network."""

import json
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BeforeValidator, Field
from starlette.responses import FileResponse, Response

from bubi import core
from bubi.node.api import answers, models, requests, stream
from bubi.node.api.leases import ListName
from bubi.node.api.problems import ProblemError
from bubi.node.api.services import Services
from bubi.node.metrics import CONTENT_TYPE as METRICS_TYPE
from bubi.node.monitoring.gauges import render

LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000
CURSOR_CHARACTERS_MAX = 1_024
EXPORT = "application/vnd.bubi.blocks"
EXPORT_LIMIT = 10_000
EXPORT_BYTES = 8 * 1_048_576
GENESIS = "application/vnd.bubi.genesis"
INHERITANCE = "application/vnd.bubi.inheritance"
BYTES = {"type": "string", "format": "binary"}


class StrictRoute(APIRoute):
    """A route that refuses query parameters it does not declare, and repeated ones."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """The handler with the check in front."""
        handle = super().get_route_handler()
        known = frozenset(parameter.alias for parameter in self.dependant.query_params)

        async def checked(request: Request) -> Response:
            requests.check_query(request, known)
            response: Response = await handle(request)
            return response

        return checked


PROBLEM = {"model": models.Problem, "content": {"application/problem+json": {}}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {**PROBLEM, "description": text}
    for code, text in {
        400: "The request is not valid",
        404: "There is no such object",
        405: "The route does not take this method",
        409: "Nothing is decided yet that could prove it",
        410: "The view or the proof is no longer kept",
        429: "Too many of these are open",
        503: "The node cannot answer now",
    }.items()
}

router = APIRouter(route_class=StrictRoute, responses=RESPONSES)


def _decimal(value: Any) -> Any:
    """Query and path numbers are plain decimal digits."""
    if isinstance(value, str):
        if not value.isascii() or not value.isdigit() or len(value) > 20:
            msg = "give decimal digits"
            raise ValueError(msg)
        return int(value)
    return value


Address = Annotated[str, Path(description="Address of this network", max_length=128)]
Identifier = Annotated[str, Path(description="64 hex digits", pattern="^[0-9a-f]{64}$")]
Height = Annotated[int, BeforeValidator(_decimal), Path(ge=0, le=requests.U64_MAX)]
Limit = Annotated[int, BeforeValidator(_decimal), Query(ge=1, le=LIMIT_MAX)]
Cursor = Annotated[str | None, Query(max_length=CURSOR_CHARACTERS_MAX)]
Proof = Annotated[Literal["0", "1"], Query(description="1: with a proof")]
Name = Annotated[str, AfterValidator(requests.segment), Path(max_length=256)]
OptionalHeight = Annotated[
    Annotated[int, BeforeValidator(_decimal), Field(ge=0, le=requests.U64_MAX)] | None, Query()
]
OptionalVersion = Annotated[
    Annotated[int, BeforeValidator(_decimal), Field(ge=1, le=2**32 - 1)] | None, Query()
]
ExportAfter = Annotated[int, BeforeValidator(_decimal), Query(ge=0, le=requests.U64_MAX)]
ExportLimit = Annotated[int, BeforeValidator(_decimal), Query(ge=1, le=EXPORT_LIMIT)]
Wait = Annotated[
    int,
    BeforeValidator(_decimal),
    Query(ge=0, le=int(requests.TIMEOUT_SECONDS_MAX), description="Seconds to wait for a block"),
]
After = Annotated[
    str | None,
    Query(description="height or height:index", pattern="^[0-9]{1,19}(:[0-9]{1,10})?$"),
]


def _proof(node: Services, proof: str, height: int | None = None) -> bool:
    """Whether a proof is asked for.

    Raises:
        ProblemError: nothing was decided yet that could prove the height asked for.
    """
    if proof == "0":
        return False
    if height == 0:
        detail = "height 0 is the genesis, which no certificate covers: ask for height 1 or above"
        raise ProblemError("parameter_invalid", detail)
    if node.heights.height == 0:
        detail = "no block is decided yet: the state is that of the genesis, without a certificate"
        raise ProblemError("not_provable_yet", detail)
    return True


async def _object(node: Services, read: Callable[[], bytes | None]) -> Response:
    text = await _read(node, read)
    if text is None:
        raise ProblemError("not_found")
    return answers.raw(node, text)


async def _read(node: Services, read: Callable[[], Any]) -> Any:
    try:
        return await node.threads.read(read)
    except core.CoreError as error:
        raise ProblemError.from_core(error) from None


async def _list(node: Services, kind: str, scope: str, cursor: str | None, limit: int) -> Response:
    read = partial(node.leases.page, ListName(kind, scope), cursor, limit, node.clock.now_ms())
    page = await _read(node, read)
    following = json.dumps(page.cursor).encode()
    head = b'{"schema":1,"height":"%d","items":' % page.height
    return answers.respond(node, head + page.items + b',"next":' + following + b"}")


# --- blocks --------------------------------------------------------------------------------------


@router.get("/v1/blocks", response_model=models.Page)
async def blocks(request: Request, after: After = None, limit: Limit = LIMIT_DEFAULT) -> Response:
    """Blocks above a height, ascending; with Accept: text/event-stream, blocks as they come."""
    node = requests.services(request)
    if stream.wanted(request):
        return stream.stream(request, node, partial(stream.block_events, node))
    start = int(after.partition(":")[0]) if after else 0
    newest = node.heights.height
    last = min(newest, start + limit)

    def read() -> bytes:
        found = (node.chain.block_json(height, False) for height in range(start + 1, last + 1))
        return b"[" + b",".join(text for text in found if text is not None) + b"]"

    items = await _read(node, read)
    following = b'"%d"' % last if last < newest else b"null"
    head = b'{"schema":1,"height":"%d","items":' % newest
    return answers.respond(node, head + items + b',"next":' + following + b"}")


@router.get("/v1/blocks/latest", response_model=models.Document)
async def latest_block(request: Request) -> Response:
    """The newest block; 404 before the first."""
    node = requests.services(request)
    return await _object(node, partial(node.chain.block_json, node.heights.height, False))


@router.get(
    "/v1/blocks/export",
    response_class=Response,
    responses={200: {"content": {EXPORT: {"schema": BYTES}}}},
)
async def export(
    request: Request, after: ExportAfter = 0, limit: ExportLimit = EXPORT_LIMIT, wait: Wait = 0
) -> Response:
    """Whole blocks above a height in bytes: records, bodies, receipts, events; empty if none."""
    node = requests.services(request)
    if wait and after >= node.heights.height:
        if node.waiting >= node.settings.waiting_max:
            raise ProblemError("too_many_waiting")
        node.waiting += 1
        try:
            await node.heights.beyond(after, wait)
        finally:
            node.waiting -= 1
    content = await _read(node, partial(node.chain.export, after, limit, EXPORT_BYTES))
    headers = {"Bubi-Height": str(node.heights.height)}
    return Response(content, headers=headers, media_type=EXPORT)


@router.get("/v1/blocks/{height}", response_model=models.Document)
async def block(request: Request, height: Height) -> Response:
    """One block: proposal, outcome, counts."""
    node = requests.services(request)
    return await _object(node, partial(node.chain.block_json, height, False))


@router.get("/v1/blocks/{height}/transactions", response_model=models.Document)
async def block_transactions(request: Request, height: Height) -> Response:
    """One block with its receipts and events."""
    node = requests.services(request)
    return await _object(node, partial(node.chain.block_json, height, True))


@router.get("/v1/blocks/{height}/finality", response_model=models.Document)
async def block_finality(request: Request, height: Height) -> Response:
    """The finality proof of a block."""
    node = requests.services(request)
    return await _object(node, partial(node.chain.finality_json, height))


@router.get("/v1/transactions", responses={406: {**PROBLEM, "description": "Streams only"}})
async def transactions(request: Request, after: After = None) -> Response:
    """Receipts as they come; only as text/event-stream."""
    node = requests.services(request)
    if not stream.wanted(request):
        raise ProblemError(
            "not_acceptable", "ask with Accept: text/event-stream, or for one transaction by hash"
        )
    del after  # read by the stream, together with Last-Event-ID
    return stream.stream(request, node, partial(stream.transaction_events, node))


# --- accounts ------------------------------------------------------------------------------------


@router.get("/v1/accounts", response_model=models.Page)
async def accounts(
    request: Request, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT
) -> Response:
    """All accounts."""
    return await _list(requests.services(request), "accounts", "", cursor, limit)


@router.get("/v1/accounts/{address}", response_model=models.Document)
async def account(request: Request, address: Address, proof: Proof = "0") -> Response:
    """One account."""
    node = requests.services(request)
    requests.address(node, address)
    return await _object(node, partial(node.chain.account_json, address, _proof(node, proof)))


@router.get("/v1/accounts/{address}/events", response_model=models.Page)
async def account_events(
    request: Request,
    address: Address,
    after: After = None,
    height: OptionalHeight = None,
) -> Response:
    """Events of one block for an account (default: the newest), or all as they come."""
    node = requests.services(request)
    requests.address(node, address)
    if stream.wanted(request):
        return stream.stream(request, node, partial(stream.account_events, node, address))
    del after  # read by the stream, together with Last-Event-ID
    newest = node.heights.height
    at = newest if height is None else height
    if at > newest:
        raise ProblemError("not_found", f"the newest height is {newest}")
    items = b"[]"
    if at:
        items = await _read(node, partial(node.chain.account_events_json, address, at))
    head = b'{"schema":1,"height":"%d","items":' % at
    return answers.respond(node, head + items + b',"next":null}')


@router.get("/v1/accounts/{address}/balances/{asset}", response_model=models.Document)
async def balance(
    request: Request, address: Address, asset: Identifier, proof: Proof = "0"
) -> Response:
    """What an account holds of one asset."""
    node = requests.services(request)
    requests.address(node, address)
    shown = _proof(node, proof)
    read = partial(node.chain.balance_json, address, asset, node.clock.now_ms(), shown)
    return await _object(node, read)


@router.get("/v1/accounts/{address}/data/{name}", response_model=models.Document)
async def data_entry(
    request: Request, address: Address, name: Name, proof: Proof = "0"
) -> Response:
    """One data entry of an account."""
    node = requests.services(request)
    requests.address(node, address)
    return await _object(node, partial(node.chain.data_json, address, name, _proof(node, proof)))


@router.get("/v1/accounts/{address}/{kind}", response_model=models.Page)
async def account_list(
    request: Request,
    address: Address,
    kind: Literal["balances", "data", "claims", "holds", "items"],
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """Lists of one account."""
    node = requests.services(request)
    requests.address(node, address)
    return await _list(node, kind, address, cursor, limit)


# --- assets --------------------------------------------------------------------------------------


@router.get("/v1/assets", response_model=models.Page)
async def assets(
    request: Request,
    issuer: Annotated[str | None, Query(max_length=128)] = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """All assets, or those of one issuer."""
    node = requests.services(request)
    if issuer is not None:
        requests.address(node, issuer)
    return await _list(node, "assets", issuer or "", cursor, limit)


@router.get("/v1/assets/{asset}", response_model=models.Document)
async def asset_definition(request: Request, asset: Identifier, proof: Proof = "0") -> Response:
    """Definition and supply of an asset."""
    node = requests.services(request)
    return await _object(node, partial(node.chain.asset_json, asset, _proof(node, proof)))


@router.get("/v1/assets/{asset}/holders", response_model=models.Page)
async def holders(
    request: Request, asset: Identifier, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT
) -> Response:
    """Who holds an asset now."""
    return await _list(requests.services(request), "holders", asset, cursor, limit)


@router.get("/v1/assets/{asset}/items", response_model=models.Page)
async def items(
    request: Request, asset: Identifier, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT
) -> Response:
    """Items of a unique asset."""
    return await _list(requests.services(request), "items_of", asset, cursor, limit)


@router.get("/v1/assets/{asset}/items/{item}", response_model=models.Document)
async def item(request: Request, asset: Identifier, item: Name, proof: Proof = "0") -> Response:
    """One unique item."""
    node = requests.services(request)
    return await _object(node, partial(node.chain.item_json, asset, item, _proof(node, proof)))


# --- namespaces and records ----------------------------------------------------------------------


@router.get("/v1/namespaces", response_model=models.Page)
async def namespaces(
    request: Request, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT
) -> Response:
    """All namespaces."""
    return await _list(requests.services(request), "namespaces", "", cursor, limit)


@router.get("/v1/namespaces/{namespace}", response_model=models.Document)
async def namespace_definition(
    request: Request, namespace: Identifier, proof: Proof = "0"
) -> Response:
    """Owner and writers of a namespace."""
    node = requests.services(request)
    return await _object(node, partial(node.chain.namespace_json, namespace, _proof(node, proof)))


@router.get("/v1/namespaces/{namespace}/records", response_model=models.Page)
async def records(
    request: Request,
    namespace: Identifier,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """Records of a namespace."""
    return await _list(requests.services(request), "records", namespace, cursor, limit)


@router.get("/v1/namespaces/{namespace}/records/{key}", response_model=models.Document)
async def record(
    request: Request,
    namespace: Identifier,
    key: Name,
    version: OptionalVersion = None,
    proof: Proof = "0",
) -> Response:
    """One version of a record; the newest if none is named."""
    node = requests.services(request)
    read = partial(node.chain.record_json, namespace, key, version, _proof(node, proof))
    return await _object(node, read)


@router.get("/v1/namespaces/{namespace}/records/{key}/versions", response_model=models.Page)
async def versions(
    request: Request,
    namespace: Identifier,
    key: Name,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """Versions of a record, ascending."""
    node = requests.services(request)
    return await _list(node, "versions", f"{namespace}/{key}", cursor, limit)


# --- cells ---------------------------------------------------------------------------------------


Owner = Annotated[str, Path(description="Owner key, hex", pattern="^0[0-3][0-9a-f]{64}$")]
CellKey = Annotated[str, Path(pattern="^([0-9a-f]{2})+$", max_length=256)]


@router.get("/v1/cells/{owner}", response_model=models.Page)
async def cells(
    request: Request, owner: Owner, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT
) -> Response:
    """Cells of one owner key (hex)."""
    return await _list(requests.services(request), "cells", owner, cursor, limit)


@router.get("/v1/cells/{owner}/{key}", response_model=models.Document)
async def cell(
    request: Request, owner: Owner, key: CellKey, height: OptionalHeight = None, proof: Proof = "0"
) -> Response:
    """The value of one cell, also at an earlier height that is still provable."""
    node = requests.services(request)
    newest = node.heights.height
    if height is not None and height > newest:
        detail = f"height {height} is not decided yet: the newest is {newest}"
        raise ProblemError("not_provable_yet", detail)
    owner_bytes, key_bytes = bytes.fromhex(owner), bytes.fromhex(key)
    read = partial(
        node.chain.cell_json, owner_bytes, key_bytes, height, _proof(node, proof, height)
    )
    return await _object(node, read)


# --- the network and the node --------------------------------------------------------------------


@router.get("/v1/network", response_model=models.Document)
async def network(request: Request) -> Response:
    """Chain, height, parameters and validators."""
    node = requests.services(request)
    chain, trust = node.chain, node.trust
    validators = core.decode_json(core.validator_set_to_json(chain.validator_set))["v1"]
    return answers.made(
        node,
        {
            "schema": 1,
            "chain_id": chain.chain_id.hex(),
            "name": trust["name"],
            "kind": trust["kind"],
            "prefix": chain.prefix,
            "suite": trust["suite"],
            "height": str(chain.height),
            "time": str(chain.time),
            "state_root": chain.state_root.hex(),
            "parameters": core.decode_json(chain.parameters_json())["v1"],
            "epoch": validators["epoch"],
            "engine": validators["engine"],
            "validators": validators["validators"],
            "version": core.version(),
        },
    )


@router.get(
    "/v1/genesis",
    response_class=Response,
    responses={200: {"content": {GENESIS: {"schema": BYTES}}}},
)
async def genesis(request: Request) -> Response:
    """The genesis in bytes; its hash is the chain id."""
    node = requests.services(request)
    headers = {"Bubi-Height": str(node.heights.height)}
    return Response(node.chain.genesis, headers=headers, media_type=GENESIS)


@router.get(
    "/v1/inheritance",
    response_class=Response,
    responses={
        200: {"content": {INHERITANCE: {"schema": {"type": "string", "format": "binary"}}}}
    },
)
async def inheritance(request: Request) -> Response:
    """The end of the chain that this one continues, in bytes; 404 if it continues none."""
    node = requests.services(request)
    if node.inheritance is None:
        raise ProblemError("not_found", "this chain continues no other one")
    if not node.inheritance.is_file():
        raise ProblemError("damaged", f"{node.inheritance.name} is missing")
    headers = {"Bubi-Height": str(node.heights.height)}
    return FileResponse(node.inheritance, headers=headers, media_type=INHERITANCE)


@router.get("/v1/trust", response_model=models.Document)
async def trust(request: Request) -> Response:
    """The trust file. Take it from the node only if you trust the node for it."""
    node = requests.services(request)
    return answers.made(node, dict(node.trust))


@router.get("/health", responses={200: {"model": models.HealthReport}})
async def health(request: Request) -> Response:
    """Whether the node takes transactions, and if not, why."""
    node = requests.services(request)
    ready = node.health.ready
    document = {
        "schema": 1,
        "status": "ready" if ready else "unavailable",
        "height": str(node.heights.height),
        "reasons": [{"code": reason.code, "text": reason.text} for reason in node.health.reasons],
        "missing": node.explainer.missing(),
    }
    return answers.made(node, document, 200 if ready else 503)


@router.get("/v1/consensus", response_model=models.ConsensusReport)
async def consensus(request: Request) -> Response:
    """Where the height in work stands, who voted, and who is missing."""
    node = requests.services(request)
    return answers.made(node, {"schema": 1, **node.explainer.consensus()})


@router.get("/v1/peers", response_model=models.PeerList)
async def peers(request: Request) -> Response:
    """All nodes that this one knows, with the state of its connection to each."""
    node = requests.services(request)
    return answers.made(node, {"schema": 1, "items": node.explainer.peers()})


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Numbers for monitoring."""
    return Response(render(requests.services(request)), media_type=METRICS_TYPE)
