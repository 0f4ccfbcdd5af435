"""The explorer's routes. Lists come from the index; current objects and proofs from the node."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from bubi.gateway import (
    answers,
    entries,
    governance,
    organisations,
    records,
    shapes,
    stream,
    words,
)
from bubi.gateway.access import Role, principal_of, reader
from bubi.gateway.answers import (
    RESPONSES,
    Account,
    AccountFilter,
    Hash,
    Height,
    Identifier,
    Listed,
    Part,
    Since,
    StrictRoute,
    Text,
    Until,
    Wanted,
    found,
    listed,
    read,
)
from bubi.gateway.index.paging import Asked, Page, by, window
from bubi.gateway.index.reader import CODES, KINDS, Filters, Reader
from bubi.gateway.problems import ProblemError
from bubi.gateway.service import gateway_of

router = APIRouter(
    dependencies=[Depends(reader)], tags=["explorer"], route_class=StrictRoute, responses=RESPONSES
)

History = Annotated[Literal["0", "1"], Query(description="1: also what no longer stands")]
HASH_LENGTH = 64


@router.get("/network")
async def network(request: Request) -> shapes.Network:
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


async def _predecessor(request: Request) -> shapes.Predecessor | None:
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
async def overview(request: Request) -> shapes.Overview:
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
            {
                "name": one["name"],
                "organisation": one["organisation"],
                "weight": one["weight"],
                "missing": one["missing"],
            }
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
) -> shapes.Found:
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


@router.get("/blocks", response_model=Listed[shapes.Block])
async def blocks(
    request: Request,
    part: Part,
    since: Since = None,
    until: Until = None,
) -> Response:
    """Blocks, newest first."""
    return await listed(request, part, lambda index, asked: index.blocks(asked, since, until))


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
async def block(request: Request, block: str) -> shapes.BlockDetail:
    """One block, by height or digest."""
    name = _block_name(block)
    return await found(request, lambda index: index.block(name))


@router.get("/blocks/{block}/transactions", response_model=Listed[shapes.Transaction])
async def block_transactions(
    request: Request,
    block: str,
    part: Part,
    account: AccountFilter = None,
    kind: Text = None,
    code: Text = None,
) -> Response:
    """Transactions of a block that fit all filters, in its order."""
    name = _block_name(block)
    filters = await _filters(request, Filters(account=account, kind=kind, code=code))
    one = await found(request, lambda index: index.block(name))
    height = int(one["height"])
    return await listed(
        request, part, lambda index, asked: index.block_transactions(height, asked, filters)
    )


async def _filters(request: Request, given: Filters) -> Filters:
    """Filters that name what there may be.

    Raises:
        ProblemError: one does not.
    """
    if given.account is not None:
        await answers.address_of(request, given.account)
    if given.kind is not None and given.kind not in KINDS:
        raise ProblemError("parameter_invalid", f"kind must be one of {', '.join(KINDS)}")
    if given.code is not None and given.code not in CODES:
        raise ProblemError("parameter_invalid", f"code must be one of {', '.join(CODES)}")
    return given


@router.get("/transactions", response_model=Listed[shapes.Transaction])
async def transactions(
    request: Request,
    part: Part,
    account: AccountFilter = None,
    asset: Identifier = None,
    kind: Text = None,
    code: Text = None,
    since: Since = None,
    until: Until = None,
) -> Response:
    """Transactions that fit all filters, newest first."""
    filters = await _filters(request, Filters(account, asset, kind, code, since, until))
    return await listed(request, part, lambda index, asked: index.transactions(filters, asked))


@router.get("/transactions/{hash}")
async def transaction(request: Request, hash: Hash) -> shapes.TransactionDetail:  # noqa: A002
    """One transaction: body, result in words, events, signatures against thresholds."""
    one = await found(request, lambda index: index.transaction(hash))
    return {**one, "result": words.result(one["code"])}


@router.get("/transactions/{hash}/proof")
async def transaction_proof(request: Request, hash: Hash) -> shapes.ReceiptProof:  # noqa: A002
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


@router.get("/accounts", response_model=Listed[shapes.Account])
async def accounts(
    request: Request,
    part: Part,
    creator: AccountFilter = None,
    state: Annotated[Literal["open", "closed"] | None, Query()] = None,
) -> Response:
    """Accounts that fit all filters, newest first."""
    if creator is not None:
        await answers.address_of(request, creator)
    closed = None if state is None else state == "closed"
    return await listed(
        request, part, lambda index, asked: index.accounts(asked, creator, closed=closed)
    )


@router.get("/accounts/{address}")
async def account(request: Request, address: Account) -> shapes.AccountDetail:
    """One account: signers, thresholds, its organisation, when it was opened and by whom."""
    await answers.address_of(request, address)
    one = await found(request, lambda index: index.account(address))
    height = int(one["indexed_height"])
    belongs = await read(request, lambda index: organisations.belonging(index, address, height))
    if one["thresholds"] is None and one["closed"] is None:
        # A validator's account that a vote opened: its signers are in no operation.
        full = await gateway_of(request).node.get(f"/v1/accounts/{address}")
        header = full["value"].get("v1", {})
        one |= {"signers": header.get("signers", []), "thresholds": header.get("thresholds")}
    return {**one, **belongs}


@router.get("/accounts/{address}/holdings", response_model=Listed[shapes.Holding])
async def holdings(
    request: Request,
    address: Account,
    part: Part,
    height: Height = None,
    asset: Identifier = None,
) -> Response:
    """What an account has, or had at a height; of one asset if it is named."""
    await answers.address_of(request, address)
    return await listed(
        request, part, lambda index, asked: index.holdings(address, height, asked, asset)
    )


@router.get("/accounts/{address}/transactions", response_model=Listed[shapes.Transaction])
async def account_transactions(
    request: Request,
    address: Account,
    part: Part,
    asset: Identifier = None,
    kind: Text = None,
    code: Text = None,
    since: Since = None,
    until: Until = None,
) -> Response:
    """Transactions that name an account and fit all filters, newest first."""
    filters = await _filters(request, Filters(address, asset, kind, code, since, until))
    return await listed(request, part, lambda index, asked: index.transactions(filters, asked))


@router.get("/accounts/{address}/quota")
async def account_quota(request: Request, address: Account) -> shapes.AccountQuota:
    """What an account and its organisation used of their quotas, as the node has it now."""
    await answers.address_of(request, address)
    return await organisations.account_quota(gateway_of(request).node, address)


@router.get("/accounts/{address}/proof")
async def account_proof(request: Request, address: Account) -> shapes.AccountProof:
    """A proof of all cells of an account, with the trust file that it is checked against."""
    await answers.address_of(request, address)
    node = gateway_of(request).node
    full = await node.get(f"/v1/accounts/{address}", {"proof": "1"})
    return {"account": full, "trust": await node.network()}


async def _entries(
    request: Request,
    address: str,
    kind: entries.Kind,
    part: Wanted,
    height: int | None,
    history: str,
    **given: str | None,
) -> Response:
    """What stands with an account and fits all filters, now or at a height.

    `history` 1: also what no longer stands, each from block `since` to before `until`.
    """
    await answers.address_of(request, address)
    filters = {name: value for name, value in given.items() if value is not None}
    whole = history == "1"
    return await listed(
        request,
        part,
        lambda index, asked: entries.entries(index, address, kind, height, whole, asked, filters),
    )


@router.get("/accounts/{address}/data", response_model=Listed[shapes.DataEntry])
async def account_data(
    request: Request,
    address: Account,
    part: Part,
    height: Height = None,
    history: History = "0",
    name: Text = None,
) -> Response:
    """Data entries of an account, by name."""
    return await _entries(request, address, "data", part, height, history, name=name)


@router.get("/accounts/{address}/claims", response_model=Listed[shapes.Claim])
async def account_claims(
    request: Request,
    address: Account,
    part: Part,
    height: Height = None,
    history: History = "0",
    name: Annotated[Text, Query(description="The kind of a claim")] = None,
    issuer: AccountFilter = None,
) -> Response:
    """Claims about an account."""
    if issuer is not None:
        await answers.address_of(request, issuer)
    return await _entries(
        request, address, "claims", part, height, history, name=name, issuer=issuer
    )


@router.get("/accounts/{address}/holds", response_model=Listed[shapes.Hold])
async def account_holds(
    request: Request,
    address: Account,
    part: Part,
    height: Height = None,
    history: History = "0",
    asset: Identifier = None,
    state: Annotated[entries.HoldState | None, Query()] = None,
) -> Response:
    """Amounts of an account that are reserved; all states but `open` with the history.

    `state` is that at the height.
    """
    return await _entries(
        request, address, "holds", part, height, history, asset=asset, state=state
    )


@router.get("/accounts/{address}/items", response_model=Listed[shapes.Item])
async def account_items(
    request: Request,
    address: Account,
    part: Part,
    height: Height = None,
    history: History = "0",
    asset: Identifier = None,
    name: Text = None,
) -> Response:
    """Unique items of an account."""
    return await _entries(request, address, "items", part, height, history, asset=asset, name=name)


@router.get("/accounts/{address}/memberships", response_model=Listed[shapes.Membership])
async def account_memberships(
    request: Request,
    address: Account,
    part: Part,
    height: Height = None,
    history: History = "0",
    organisation: Text = None,
) -> Response:
    """Organisations that took an account in, or that it asked to."""
    return await _entries(
        request, address, "memberships", part, height, history, organisation=organisation
    )


# --- assets --------------------------------------------------------------------------------------


@router.get("/assets", response_model=Listed[shapes.Asset])
async def assets(
    request: Request,
    part: Part,
    issuer: AccountFilter = None,
    kind: Annotated[Literal["fungible", "unique", "dated"] | None, Query()] = None,
    code: Text = None,
) -> Response:
    """Assets that fit all filters, newest first."""
    if issuer is not None:
        await answers.address_of(request, issuer)
    return await listed(
        request, part, lambda index, asked: index.assets(asked, issuer, kind, code)
    )


@router.get("/assets/{asset}")
async def asset(request: Request, asset: Hash) -> shapes.Asset:
    """One asset: definition and supply."""
    return await found(request, lambda index: index.asset(asset))


@router.get("/assets/{asset}/holders", response_model=Listed[shapes.Holder])
async def holders(
    request: Request,
    asset: Hash,
    part: Part,
    height: Height = None,
    account: AccountFilter = None,
) -> Response:
    """Who holds an asset, or held it at a height; whether one account does if it is named."""
    if account is not None:
        await answers.address_of(request, account)
    await found(request, lambda index: index.asset(asset))
    return await listed(
        request, part, lambda index, asked: index.holders(asset, height, asked, account)
    )


@router.get("/assets/{asset}/history", response_model=Listed[shapes.Supply])
async def history(
    request: Request, asset: Hash, part: Part, since: Since = None, until: Until = None
) -> Response:
    """How the supply of an asset changed, newest first."""
    await found(request, lambda index: index.asset(asset))
    return await listed(
        request, part, lambda index, asked: index.supply(asset, asked, since, until)
    )


@router.get("/assets/{asset}/proof")
async def asset_proof(request: Request, asset: Hash) -> shapes.AssetProof:
    """A proof of the definition and the supply, with the trust file."""
    node = gateway_of(request).node
    full = await node.get(f"/v1/assets/{asset}", {"proof": "1"})
    return {"asset": full, "trust": await node.network()}


# --- records -------------------------------------------------------------------------------------


@router.get("/namespaces", response_model=Listed[shapes.Namespace])
async def namespaces(
    request: Request, part: Part, owner: AccountFilter = None, name: Text = None
) -> Response:
    """Namespaces that fit all filters, by name."""
    if owner is not None:
        await answers.address_of(request, owner)
    return await listed(
        request, part, lambda index, asked: records.namespaces(index, asked, owner, name)
    )


@router.get("/records", response_model=Listed[shapes.Record])
async def record_list(
    request: Request,
    part: Part,
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
        part,
        lambda index, asked: records.records(index, asked, namespace, key, digest, writer),
    )


Version = Annotated[int | None, Query(ge=1, le=2**32 - 1)]


@router.get("/records/{namespace}/{key}")
async def record(
    request: Request, namespace: Hash, key: answers.Key, version: Version = None
) -> shapes.RecordDetail:
    """One version of a record (default: the newest), with its parents."""
    return await found(request, lambda index: records.record(index, namespace, key, version))


@router.get("/records/{namespace}/{key}/versions", response_model=Listed[shapes.Record])
async def record_versions(
    request: Request,
    namespace: Hash,
    key: answers.Key,
    part: Part,
    writer: AccountFilter = None,
) -> Response:
    """Versions of a record, of one writer if it is named, newest first."""
    if writer is not None:
        await answers.address_of(request, writer)
    return await listed(
        request,
        part,
        lambda index, asked: records.versions(index, namespace, key, asked, writer),
    )


@router.get("/records/{namespace}/{key}/graph")
async def record_graph(
    request: Request, namespace: Hash, key: answers.Key, version: Version = None
) -> shapes.Graph:
    """What a record came from and what came from it: `nodes` and `edges` from parent to child."""
    return await found(request, lambda index: records.graph(index, namespace, key, version))


# --- organisations -------------------------------------------------------------------------------


@router.get("/organisations", response_model=Listed[shapes.Organisation])
async def organisation_list(
    request: Request, part: Part, height: Height = None, contains: Text = None
) -> Response:
    """Organisations by name, now or at a height; those whose names contain a text."""
    return await listed(
        request,
        part,
        lambda index, asked: organisations.organisations(index, asked, height, contains or ""),
    )


@router.get("/organisations/{organisation}")
async def organisation(
    request: Request, organisation: answers.Key, height: Height = None
) -> shapes.OrganisationDetail:
    """One organisation: who votes for it, its validators, how many belong to it."""
    return await found(
        request, lambda index: organisations.organisation(index, organisation, height)
    )


@router.get("/organisations/{organisation}/members", response_model=Listed[shapes.Member])
async def organisation_members(
    request: Request,
    organisation: answers.Key,
    part: Part,
    height: Height = None,
    state: Annotated[organisations.Kind, Query(description="asks: who asks for it")] = "member",
    history: History = "0",
    account: AccountFilter = None,
) -> Response:
    """Accounts that belong to an organisation, or ask for it: now or at a height.

    `history=1` lists who no longer does, too: each from block `since` to before `until`.
    """
    if account is not None:
        await answers.address_of(request, account)
    whole = history == "1"

    def work(index: Reader, asked: Asked) -> Page:
        page = organisations.members(
            index, organisation, asked, height, state, history=whole, account=account
        )
        if page is None:
            raise ProblemError("not_found")
        return page

    return await listed(request, part, work)


@router.get("/organisations/{organisation}/quota")
async def organisation_quota(
    request: Request, organisation: answers.Key
) -> shapes.OrganisationQuota:
    """What the accounts of an organisation used of the quota that they share, as of now."""
    await found(request, lambda index: organisations.organisation(index, organisation))
    return await organisations.quota(gateway_of(request).node, organisation)


# --- consensus and governance --------------------------------------------------------------------


class Validators(Listed[shapes.Validator]):
    """Validators in force, with their epoch and what decides."""

    epoch: str
    engine: str
    quorum: int
    total: int


@router.get("/validators", response_model=Validators)
async def validators(
    request: Request,
    part: Part,
    organisation: Text = None,
    state: Annotated[Literal["present", "missing"] | None, Query()] = None,
) -> Response:
    """Validators in force that fit all filters, and what the node sees of them."""
    now = await found(request, governance.epoch)
    consensus = await gateway_of(request).node.get("/v1/consensus")
    seen = {one["name"]: one for one in consensus["validators"]}
    every = [{**seen.get(one["name"], {}), **one} for one in now["validators"]]
    items = [
        one
        for one in every
        if organisation in {None, one["organisation"]}
        and state in {None, "missing" if one.get("missing") else "present"}
    ]
    page = part.of(lambda asked: window(items, by("name"), asked))
    return await answers.answer(
        request,
        part,
        page,
        height=now["indexed_height"],
        epoch=now["epoch"],
        engine=now["engine"],
        quorum=now["quorum"],
        total=now["total"],
    )


@router.get("/epochs", response_model=Listed[shapes.Epoch])
async def epochs(request: Request, part: Part, engine: Text = None) -> Response:
    """Epochs with their validators, newest first; those with an engine if it is named."""
    return await listed(
        request, part, lambda index, asked: governance.epochs(index, asked, engine)
    )


@router.get("/epochs/{epoch}")
async def epoch(
    request: Request, epoch: Annotated[int, Path(ge=0, le=answers.HEIGHT_MAX)]
) -> shapes.EpochDetail:
    """One epoch: validators, organisations, rules, and the proposal that began it."""
    return await found(request, lambda index: governance.epoch(index, epoch))


@router.get("/proposals", response_model=Listed[shapes.Proposal])
async def proposals(
    request: Request,
    part: Part,
    state: Annotated[governance.State | None, Query()] = None,
    organisation: Text = None,
) -> Response:
    """Proposals that fit all filters, newest first; `organisation` is the proposer."""
    return await listed(
        request,
        part,
        lambda index, asked: governance.proposals(index, asked, state, organisation),
    )


@router.get("/proposals/{proposal}")
async def proposal(request: Request, proposal: Hash) -> shapes.ProposalDetail:
    """One proposal: what it changes, every vote, whose readiness it has."""
    return await found(request, lambda index: governance.proposal(index, proposal))


@router.get("/evidence", response_model=Listed[shapes.Evidence])
async def evidence_list(
    request: Request,
    part: Part,
    validator: Text = None,
    kind: Annotated[governance.EvidenceKind | None, Query()] = None,
) -> Response:
    """Recorded evidence of contradicting statements that fits all filters, newest first."""
    phase = None if kind is None else governance.PHASES.index(kind)
    return await listed(
        request,
        part,
        lambda index, asked: governance.evidence_list(index, asked, validator, phase),
    )


@router.get("/evidence/{evidence}")
async def evidence(request: Request, evidence: Hash) -> shapes.Evidence:
    """One piece of evidence: what a validator signed twice, who reported it, what came of it."""
    return await found(request, lambda index: governance.evidence(index, evidence))
