"""The explorer's routes."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from bubi.gateway.access import reader
from bubi.gateway.service import gateway_of

router = APIRouter(dependencies=[Depends(reader)], tags=["explorer"])


@router.get("/network")
async def network(request: Request) -> dict[str, Any]:
    """What identifies the network, its limits, its trust file."""
    gateway = gateway_of(request)
    found = await gateway.node.get("/v1/network")
    trust = await gateway.node.network()
    return {
        "chain_id": found["chain_id"],
        "name": found["name"],
        "kind": found["kind"],
        "prefix": found["prefix"],
        "suite": found["suite"],
        "engine": found["engine"],
        "epoch": found["epoch"],
        "version": found["version"],
        "parameters": found["parameters"],
        "development": found["kind"] == "development",
        "sandbox": gateway.config.sandbox.keystore is not None,
        "public": gateway.config.explorer.public,
        "trust": trust,
    }


@router.get("/blocks")
async def blocks(
    request: Request,
    cursor: Annotated[str | None, Query(pattern="^[0-9]{1,19}$")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> dict[str, Any]:
    """Blocks, newest first."""
    node = gateway_of(request).node
    newest = int((await node.get("/v1/network"))["height"])
    last = min(newest, int(cursor) - 1) if cursor else newest
    after = max(0, last - limit)
    if last <= after:
        return {"items": [], "next": None, "height": str(newest)}
    page = await node.get("/v1/blocks", {"after": after, "limit": last - after})
    following = str(after + 1) if after > 0 else None
    return {"items": page["items"][::-1], "next": following, "height": str(newest)}


@router.get("/overview")
async def overview(request: Request) -> dict[str, Any]:
    """Where the network stands."""
    found = await gateway_of(request).node.get("/v1/network")
    consensus = await gateway_of(request).node.get("/v1/consensus")
    seen = consensus["validators"]
    total = sum(int(one["weight"]) for one in seen)
    missing = sum(int(one["weight"]) for one in seen if one["missing"])
    return {
        "height": found["height"],
        "time": found["time"],
        "validators": seen,
        "quorum": {
            "quorum": consensus["quorum"],
            "total": total,
            "missing": missing,
            "missing_allowed": total - consensus["quorum"],
        },
    }
