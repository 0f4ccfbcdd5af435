"""The explorer's routes. Lists come from the index; current objects and proofs from the node."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from bubi.gateway import answers, entries, governance, organisations, records, stream, words
from bubi.gateway.access import Role, principal_of, reader
from bubi.gateway.answers import (
    DEFAULT,
    RESPONSES,
    Account,
    AccountFilter,
    Cursor,
    Format,
    Hash,
    Height,
    Identifier,
    Limit,
    Listed,
    Since,
    StrictRoute,
    Text,
    Until,
    found,
    listed,
    read,
)
from bubi.gateway.index.paging import Asked, Page
from bubi.gateway.index.reader import CODES, KINDS, Filters, Reader
from bubi.gateway.problems import ProblemError
from bubi.gateway.service import gateway_of

router = APIRouter(
    dependencies=[Depends(reader)], tags=["explorer"], route_class=StrictRoute, responses=RESPONSES
)

History = Annotated[Literal["0", "1"], Query(description="1: also what no longer stands")]
HASH_LENGTH = 64


@router.get("/network")
async def network(request: Request) -> dict[str, Any]:
    """What identifies the network, its limits, its trust file."""
    gateway = gateway_of(request)
    now = await gateway.node.get("/v1/network")
    return {
        "chain_id": now["chain_id"],
        "name": now["name"],
        "kind": now["kind"],
        "prefix": now["prefix"],
        "suite": now["suite"],
        "engine": now["engine"],
        "epoch": now["epoch"],
        "version": now["version"],
        "parameters": now["parameters"],
        "operations": KINDS,
        "codes": [words.result(code) for code in CODES],
        "development": now["kind"] == "development",
        "sandbox": gateway.sandbox is not None,
        "public": gateway.config.explorer.public,
        "predecessor": await _predecessor(request),
        "trust": await gateway.node.network(),
    }


async def _predecessor(request: Request) -> dict[str, Any] | None:
    """The end of the chain that this one continues, and where that can be looked at.

    Its height and time are unknown until the index has begun.
    """
    gateway = gateway_of(request)
    named = (await gateway.node.network()).get("predecessor")
    if named is None:
        return None
    end = None
    if gateway.follower is not None and gateway.follower.state.begun:
        end = await read(request, lambda index: index.predecessor())
    return {
        "chain_id": named["chain"],
        "certificate": named["certificate"],
        "state_root": named["state_root"],
        "height": None if end is None else end["height"],
        "time": None if end is None else end["time"],
        "url": gateway.config.explorer.predecessor,
    }


@router.get("/overview")
async def overview(request: Request) -> dict[str, Any]:
    """Where the network stands: height, rate, finality, validators, quorum, charts."""
    gateway = gateway_of(request)
    index = await read(request, lambda index: index.overview())
    state = gateway.follower.state if gateway.follower is not None else None
    consensus = await gateway.node.get("/v1/consensus")
    seen = consensus["validators"]
    total = sum(int(one["weight"]) for one in seen)
    missing = sum(int(one["weight"]) for one in seen if one["missing"])
    return {
        **index,
        "height": consensus["decided"],
        "lag": str(max(0, int(consensus["decided"]) - int(index["indexed_height"]))),
        "index": {
            "state": "following" if state and state.reason is None else "waiting",
            "reason": state.reason if state else None,
        },
        "finality_ms": gateway.finality_ms(),
        "halted": consensus["halted"],
        "reasons": consensus["reasons"],
        "validators": [
            {name: one[name] for name in ("name", "organisation", "weight", "missing")}
            for one in seen
        ],
        "quorum": {
            "quorum": consensus["quorum"],
            "total": total,
            "missing": missing,
            "missing_allowed": total - consensus["quorum"],
        },
    }


@router.get("/search")
async def search(
    request: Request, q: Annotated[str, Query(min_length=1, max_length=256)]
) -> dict[str, Any]:
    """What a text may mean: height, hash, digest, address, asset, name, record key, id."""
    if "\0" in q:
        raise ProblemError("parameter_invalid", "a text holds no NUL")
    return {"items": await read(request, lambda index: index.search(q.strip()))}


@router.get("/stream", response_class=Response, responses={200: {"content": {stream.MEDIA: {}}}})
async def news(request: Request) -> Response:
    """Events as they come: `block`, `status`, and for those who are logged in `alarm`."""
    who = await principal_of(request)
    hidden = stream.NOT_PUBLIC if who is None else frozenset[str]()
    sessions = gateway_of(request).sessions
    # What a session opened ends with it; what everybody may see does not.
    lasts = stream.always if who is None or sessions is None else sessions.lasting(request)
    return stream.answer(request, gateway_of(request), hidden, lasts)


# --- blocks and transactions ---------------------------------------------------------------------


@router.get("/blocks", response_model=Listed)
async def blocks(
    request: Request,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002 - the name of the parameter
    since: Since = None,
    until: Until = None,
) -> Response:
    """Blocks, newest first."""
    return await listed(
        request, cursor, limit, format, lambda index, asked: index.blocks(asked, since, until)
    )


def _block_name(name: str) -> str:
    """A height in decimal digits, or a digest.

    Raises:
        ProblemError: it is neither.
    """
    is_height = name.isascii() and name.isdigit() and len(name) <= 18
    is_digest = len(name) == HASH_LENGTH and set(name) <= set("0123456789abcdef")
    if not (is_height or is_digest):
        raise ProblemError("parameter_invalid", "name a block by its height or its digest")
    return name


@router.get("/blocks/{block}")
async def block(request: Request, block: str) -> dict[str, Any]:
    """One block, by height or digest."""
    name = _block_name(block)
    return await found(request, lambda index: index.block(name))


@router.get("/blocks/{block}/transactions", response_model=Listed)
async def block_transactions(
    request: Request,
    block: str,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
) -> Response:
    """Transactions of a block, in its order."""
    name = _block_name(block)
    one = await found(request, lambda index: index.block(name))
    height = int(one["height"])
    return await listed(
        request,
        cursor,
        limit,
        format,
        lambda index, asked: index.block_transactions(height, asked),
    )


@router.get("/transactions", response_model=Listed)
async def transactions(  # noqa: PLR0913, PLR0917 - one per filter
    request: Request,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
    account: AccountFilter = None,
    asset: Identifier = None,
    kind: Text = None,
    code: Text = None,
    since: Since = None,
    until: Until = None,
) -> Response:
    """Transactions that fit all filters, newest first."""
    if account is not None:
        await answers.address_of(request, account)
    if kind is not None and kind not in KINDS:
        raise ProblemError("parameter_invalid", f"kind must be one of {', '.join(KINDS)}")
    if code is not None and code not in CODES:
        raise ProblemError("parameter_invalid", f"code must be one of {', '.join(CODES)}")
    filters = Filters(account, asset, kind, code, since, until)
    return await listed(
        request, cursor, limit, format, lambda index, asked: index.transactions(filters, asked)
    )


@router.get("/transactions/{hash}")
async def transaction(request: Request, hash: Hash) -> dict[str, Any]:  # noqa: A002
    """One transaction: body, result in words, events, signatures against thresholds."""
    one = await found(request, lambda index: index.transaction(hash))
    return {**one, "result": words.result(one["code"])}


@router.get("/transactions/{hash}/proof")
async def transaction_proof(request: Request, hash: Hash) -> dict[str, Any]:  # noqa: A002
    """The receipt proof with the trust file that it is checked against.

    A proof holds the whole body. Where that holds something private, a login is needed.
    """
    one = await found(request, lambda index: index.transaction(hash))
    if one["hidden"]:
        principal = await principal_of(request)
        if principal is None or principal.role < Role.AUDITOR:
            raise ProblemError("role_missing", "the proof holds private fields: an auditor may")
    node = gateway_of(request).node
    full = await node.get(f"/v1/transactions/{hash}", {"proof": "1"})
    return {"proof": full["proof"], "height": full["height"], "trust": await node.network()}


# --- accounts ------------------------------------------------------------------------------------


@router.get("/accounts", response_model=Listed)
async def accounts(
    request: Request,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
) -> Response:
    """Accounts, newest first."""
    return await listed(request, cursor, limit, format, lambda index, asked: index.accounts(asked))


@router.get("/accounts/{address}")
async def account(request: Request, address: Account) -> dict[str, Any]:
    """One account: signers, thresholds, its organisation, when it was opened and by whom."""
    await answers.address_of(request, address)
    one = await found(request, lambda index: index.account(address))
    height = int(one["indexed_height"])
    one |= await read(request, lambda index: organisations.belonging(index, address, height))
    if one["thresholds"] is None and one["closed"] is None:
        # A validator's account that a vote opened: its signers are in no operation.
        full = await gateway_of(request).node.get(f"/v1/accounts/{address}")
        header = full["value"].get("v1", {})
        one |= {"signers": header.get("signers", []), "thresholds": header.get("thresholds")}
    return one


@router.get("/accounts/{address}/holdings", response_model=Listed)
async def holdings(
    request: Request,
    address: Account,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
    height: Height = None,
) -> Response:
    """What an account has, or had at a height."""
    await answers.address_of(request, address)
    return await listed(
        request,
        cursor,
        limit,
        format,
        lambda index, asked: index.holdings(address, height, asked),
    )


@router.get("/accounts/{address}/transactions", response_model=Listed)
async def account_transactions(
    request: Request,
    address: Account,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
) -> Response:
    """Transactions that name an account, newest first."""
    await answers.address_of(request, address)
    filters = Filters(account=address)
    return await listed(
        request, cursor, limit, format, lambda index, asked: index.transactions(filters, asked)
    )


@router.get("/accounts/{address}/quota")
async def account_quota(request: Request, address: Account) -> dict[str, Any]:
    """What an account and its organisation used of their quotas, as the node has it now."""
    await answers.address_of(request, address)
    return await organisations.account_quota(gateway_of(request).node, address)


@router.get("/accounts/{address}/proof")
async def account_proof(request: Request, address: Account) -> dict[str, Any]:
    """A proof of all cells of an account, with the trust file that it is checked against."""
    await answers.address_of(request, address)
    node = gateway_of(request).node
    full = await node.get(f"/v1/accounts/{address}", {"proof": "1"})
    return {"account": full, "trust": await node.network()}


@router.get("/accounts/{address}/{kind}", response_model=Listed)
async def account_list(
    request: Request,
    address: Account,
    kind: entries.Kind,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
    height: Height = None,
    history: History = "0",
) -> Response:
    """Claims about an account, its data, holds, items, memberships: now or at a height.

    `history=1` lists what no longer stands, too: each from block `since` to before `until`.
    """
    await answers.address_of(request, address)
    whole = history == "1"
    return await listed(
        request,
        cursor,
        limit,
        format,
        lambda index, asked: entries.entries(index, address, kind, height, whole, asked),
    )


# --- assets --------------------------------------------------------------------------------------


@router.get("/assets", response_model=Listed)
async def assets(
    request: Request,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
    issuer: AccountFilter = None,
    kind: Annotated[Literal["fungible", "unique", "dated"] | None, Query()] = None,
) -> Response:
    """Assets, newest first."""
    if issuer is not None:
        await answers.address_of(request, issuer)
    return await listed(
        request, cursor, limit, format, lambda index, asked: index.assets(asked, issuer, kind)
    )


@router.get("/assets/{asset}")
async def asset(request: Request, asset: Hash) -> dict[str, Any]:
    """One asset: definition and supply."""
    return await found(request, lambda index: index.asset(asset))


@router.get("/assets/{asset}/holders", response_model=Listed)
async def holders(
    request: Request,
    asset: Hash,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
    height: Height = None,
) -> Response:
    """Who holds an asset, or held it at a height."""
    await found(request, lambda index: index.asset(asset))
    return await listed(
        request, cursor, limit, format, lambda index, asked: index.holders(asset, height, asked)
    )


@router.get("/assets/{asset}/history", response_model=Listed)
async def history(
    request: Request,
    asset: Hash,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
) -> Response:
    """How the supply of an asset changed, newest first."""
    await found(request, lambda index: index.asset(asset))
    return await listed(
        request, cursor, limit, format, lambda index, asked: index.supply(asset, asked)
    )


@router.get("/assets/{asset}/proof")
async def asset_proof(request: Request, asset: Hash) -> dict[str, Any]:
    """A proof of the definition and the supply, with the trust file."""
    node = gateway_of(request).node
    full = await node.get(f"/v1/assets/{asset}", {"proof": "1"})
    return {"asset": full, "trust": await node.network()}


# --- records -------------------------------------------------------------------------------------


@router.get("/namespaces", response_model=Listed)
async def namespaces(
    request: Request,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
) -> Response:
    """Namespaces by name."""
    return await listed(request, cursor, limit, format, records.namespaces)


@router.get("/records", response_model=Listed)
async def record_list(
    request: Request,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
    namespace: Identifier = None,
    key: Text = None,
    digest: Identifier = None,
    writer: AccountFilter = None,
) -> Response:
    """Versions of records that fit all filters, newest first."""
    if writer is not None:
        await answers.address_of(request, writer)
    return await listed(
        request,
        cursor,
        limit,
        format,
        lambda index, asked: records.records(index, asked, namespace, key, digest, writer),
    )


Version = Annotated[int | None, Query(ge=1, le=2**32 - 1)]


@router.get("/records/{namespace}/{key}")
async def record(
    request: Request, namespace: Hash, key: answers.Key, version: Version = None
) -> dict[str, Any]:
    """One version of a record (default: the newest), with its parents."""
    return await found(request, lambda index: records.record(index, namespace, key, version))


@router.get("/records/{namespace}/{key}/versions", response_model=Listed)
async def record_versions(
    request: Request,
    namespace: Hash,
    key: answers.Key,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
) -> Response:
    """Versions of a record, newest first."""
    return await listed(
        request,
        cursor,
        limit,
        format,
        lambda index, asked: records.versions(index, namespace, key, asked),
    )


@router.get("/records/{namespace}/{key}/graph")
async def record_graph(
    request: Request, namespace: Hash, key: answers.Key, version: Version = None
) -> dict[str, Any]:
    """What a record came from and what came from it: `nodes` and `edges` from parent to child."""
    return await found(request, lambda index: records.graph(index, namespace, key, version))


# --- organisations -------------------------------------------------------------------------------


@router.get("/organisations", response_model=Listed)
async def organisation_list(
    request: Request,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
    height: Height = None,
) -> Response:
    """Organisations by name, now or at a height."""
    return await listed(
        request,
        cursor,
        limit,
        format,
        lambda index, asked: organisations.organisations(index, asked, height),
    )


@router.get("/organisations/{organisation}")
async def organisation(
    request: Request, organisation: answers.Key, height: Height = None
) -> dict[str, Any]:
    """One organisation: who votes for it, its validators, how many belong to it."""
    return await found(
        request, lambda index: organisations.organisation(index, organisation, height)
    )


@router.get("/organisations/{organisation}/members", response_model=Listed)
async def organisation_members(
    request: Request,
    organisation: answers.Key,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
    height: Height = None,
    state: Annotated[organisations.Kind, Query(description="asks: who asks for it")] = "member",
    history: History = "0",
) -> Response:
    """Accounts that belong to an organisation, or ask for it: now or at a height.

    `history=1` lists who no longer does, too: each from block `since` to before `until`.
    """
    whole = history == "1"

    def work(index: Reader, asked: Asked) -> Page:
        page = organisations.members(index, organisation, asked, height, state, history=whole)
        if page is None:
            raise ProblemError("not_found")
        return page

    return await listed(request, cursor, limit, format, work)


@router.get("/organisations/{organisation}/quota")
async def organisation_quota(request: Request, organisation: answers.Key) -> dict[str, Any]:
    """What the accounts of an organisation used of the quota that they share, as of now."""
    await found(request, lambda index: organisations.organisation(index, organisation))
    return await organisations.quota(gateway_of(request).node, organisation)


# --- consensus and governance --------------------------------------------------------------------


@router.get("/validators", response_model=dict[str, Any])
async def validators(request: Request, format: Format = "json") -> Any:  # noqa: A002
    """Validators in force, and what the node sees of them."""
    now = await found(request, governance.epoch)
    consensus = await gateway_of(request).node.get("/v1/consensus")
    seen = {one["name"]: one for one in consensus["validators"]}
    document = {
        "items": [{**seen.get(one["name"], {}), **one} for one in now["validators"]],
        "next": None,
        "height": now["indexed_height"],
        "epoch": now["epoch"],
        "engine": now["engine"],
        "quorum": now["quorum"],
        "total": now["total"],
    }
    return answers.table(document, format)


@router.get("/epochs", response_model=Listed)
async def epochs(
    request: Request,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
) -> Response:
    """Epochs with their validators, newest first."""
    return await listed(request, cursor, limit, format, governance.epochs)


@router.get("/epochs/{epoch}")
async def epoch(
    request: Request, epoch: Annotated[int, Path(ge=0, le=answers.HEIGHT_MAX)]
) -> dict[str, Any]:
    """One epoch: validators, organisations, rules, and the proposal that began it."""
    return await found(request, lambda index: governance.epoch(index, epoch))


@router.get("/proposals", response_model=Listed)
async def proposals(
    request: Request,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
    state: Annotated[governance.State | None, Query()] = None,
    organisation: Text = None,
) -> Response:
    """Proposals that fit all filters, newest first; `organisation` is the proposer."""
    return await listed(
        request,
        cursor,
        limit,
        format,
        lambda index, asked: governance.proposals(index, asked, state, organisation),
    )


@router.get("/proposals/{proposal}")
async def proposal(request: Request, proposal: Hash) -> dict[str, Any]:
    """One proposal: what it changes, every vote, whose readiness it has."""
    return await found(request, lambda index: governance.proposal(index, proposal))


@router.get("/evidence", response_model=Listed)
async def evidence_list(
    request: Request,
    cursor: Cursor = None,
    limit: Limit = DEFAULT,
    format: Format = "json",  # noqa: A002
    validator: Text = None,
) -> Response:
    """Recorded evidence of contradicting statements, newest first."""
    return await listed(
        request,
        cursor,
        limit,
        format,
        lambda index, asked: governance.evidence_list(index, asked, validator),
    )


@router.get("/evidence/{evidence}")
async def evidence(request: Request, evidence: Hash) -> dict[str, Any]:
    """One piece of evidence: what a validator signed twice, who reported it, what came of it."""
    return await found(request, lambda index: governance.evidence(index, evidence))
