"""Routes about governance: proposals, validators and organisations, evidence."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from bubi import core
from bubi.consensus.guard import Phase
from bubi.ledger import LedgerView, key_bytes, set_quorum
from bubi.node.api import answers, models, requests
from bubi.node.api.problems import ProblemError
from bubi.node.api.reading import LIMIT_DEFAULT, RESPONSES, Identifier, Limit, StrictRoute
from bubi.node.api.services import Services
from bubi.node.differences import Present, differences

router = APIRouter(route_class=StrictRoute, responses=RESPONSES)

Cursor = Annotated[
    str | None, Query(description="`next` of the page before", pattern="^[0-9a-f]{64}$")
]
UNDECIDED = frozenset({"open", "approved"})


@router.get("/v1/proposals", response_model=models.Page)
async def proposals(
    request: Request, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT
) -> Response:
    """Proposals of every state, in the order of their ids."""
    node = requests.services(request)

    def shown(identity: str, value: Mapping[str, Any]) -> dict[str, Any]:
        return _proposal(identity, value, pending)

    pending = (await node.threads.read(lambda: _governance(node)))["pending"]
    return await _page(node, node.chain.list_proposals, shown, cursor, limit)


@router.get("/v1/proposals/{proposal}", response_model=models.Document)
async def proposal(request: Request, proposal: Identifier) -> Response:
    """One proposal: what it changes, who voted how, and when it is in force."""
    node = requests.services(request)
    found = await node.threads.read(partial(_whole_proposal, node, proposal))
    if found is None:
        raise ProblemError("not_found")
    return answers.made(node, found)


@router.get("/v1/validators", response_model=models.Document)
async def validators(request: Request) -> Response:
    """Validators and organisations in force, lists of nodes, and the change under way."""
    node = requests.services(request)
    return answers.made(node, await node.threads.read(partial(_validators, node)))


@router.get("/v1/evidence", response_model=models.Page)
async def evidence(
    request: Request, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT
) -> Response:
    """Evidence against validators, in the order of its ids."""
    node = requests.services(request)
    return await _page(node, node.chain.list_evidence, _evidence, cursor, limit)


@router.get("/v1/evidence/{evidence}", response_model=models.Document)
async def evidence_record(request: Request, evidence: Identifier) -> Response:
    """One piece of evidence."""
    node = requests.services(request)
    text = await node.threads.read(partial(node.chain.evidence_json, bytes.fromhex(evidence)))
    if text is None:
        raise ProblemError("not_found")
    found = _evidence(evidence, core.decode_json(text)["v1"])
    # Its `height` is that of the statements, not of the answer.
    return answers.made(node, {"schema": 1, "height": str(node.chain.height), "value": found})


async def _page(
    node: Services,
    read: Callable[[bytes, int], bytes],
    shown: Callable[[str, Mapping[str, Any]], dict[str, Any]],
    cursor: str | None,
    limit: int,
) -> Response:
    after = b"" if cursor is None else bytes.fromhex(cursor)
    found = core.decode_json(await node.threads.read(partial(read, after, limit)))
    items = [shown(one["id"], one["value"]["v1"]) for one in found["items"]]
    document = {"schema": 1, "height": found["height"], "items": items, "next": found["next"]}
    return answers.made(node, document)


# --- proposals -----------------------------------------------------------------------------------


def _governance(node: Services) -> Mapping[str, Any]:
    return core.decode_json(node.chain.governance_json())


def _proposal(
    identity: str, value: Mapping[str, Any], pending: Mapping[str, Any] | None
) -> dict[str, Any]:
    fields = {name: item for name, item in value.items() if name != "status"}
    activation = None
    if pending is not None and pending["proposal"] == identity:
        activation = pending["activation"]
    elif value["status"] == "active":
        # The status comes with the last block before.
        activation = str(int(value["changed"]) + 1)
    return {
        "id": identity,
        **fields,
        "state": value["status"],
        "activation_height": activation,
    }


def _whole_proposal(node: Services, identity: str) -> dict[str, Any] | None:
    text = node.chain.proposal_json(bytes.fromhex(identity))
    if text is None:
        return None
    value = core.decode_json(text)["v1"]
    view = LedgerView(node.chain, None)
    governance, members = view.governance, view.validators
    weights = _weights(members)
    given = {one["organisation"]: one["approve"] for one in value["votes"]}
    undecided = value["status"] in UNDECIDED
    voters = [one["name"] for one in view.organisations if one["governance"] is not None]
    names = sorted(set(given) | (set(voters) if undecided else set()))
    present = Present(view.parameters, members, view.organisations, governance)
    pending = governance["pending"]
    ready: list[dict[str, Any]] = []
    if pending is not None and pending["proposal"] == identity:
        ready = pending["members"]
    return {
        "schema": 1,
        "height": governance["height"],
        **_proposal(identity, value, pending),
        "diff": differences(value["changes"], present if undecided else None),
        "votes": [
            {"organisation": name, "weight": weights.get(name, 0), "approve": given.get(name)}
            for name in names
        ],
        "approving": sum(weights.get(name, 0) for name in names if given.get(name)),
        "rejecting": sum(weights.get(name, 0) for name in names if given.get(name) is False),
        "quorum": set_quorum(members),
        "total": sum(weights.values()),
        "ready": ready,
    }


def _weights(members: Mapping[str, Any]) -> dict[str, int]:
    """Weight of each organisation that has validators."""
    found: dict[str, int] = {}
    for one in members["validators"]:
        found[one["organisation"]] = found.get(one["organisation"], 0) + int(one["weight"])
    return found


# --- validators ----------------------------------------------------------------------------------


def _validators(node: Services) -> dict[str, Any]:
    chain = node.chain
    view = LedgerView(chain, None)
    governance, members = view.governance, view.validators
    weights = _weights(members)
    return {
        "schema": 1,
        "height": governance["height"],
        "epoch": governance["epoch"],
        "epoch_height": governance["epoch_height"],
        "engine": members["engine"],
        "protocol_version": governance["protocol_version"],
        "quorum": set_quorum(members),
        "total": sum(weights.values()),
        "quorum_numerator": members["quorum_numerator"],
        "quorum_denominator": members["quorum_denominator"],
        "items": [
            {**one, "account": _account(chain, key_bytes(one["key"]))}
            for one in members["validators"]
        ],
        "organisations": [
            {**one, "weight": weights.get(one["name"], 0)} for one in view.organisations
        ],
        "allowed": governance["allowed"],
        "denied": governance["denied"],
        "revoked": governance["revoked"],
        "pending": _pending(governance["pending"]),
    }


def _account(chain: core.Chain, key: bytes) -> str:
    return core.address_to_text(chain.prefix, core.key_address(chain.suite, key))


def _pending(pending: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if pending is None:
        return None
    return {
        "proposal": pending["proposal"],
        "approved": pending["approved"],
        "until": pending["until"],
        "activation_height": pending["activation"],
        "quorum": pending["quorum"],
        "ready": str(sum(int(one["weight"]) for one in pending["members"] if one["ready"])),
        "members": pending["members"],
    }


# --- evidence ------------------------------------------------------------------------------------


def _evidence(identity: str, value: Mapping[str, Any]) -> dict[str, Any]:
    action = value["action"]
    proposal = None
    if isinstance(action, Mapping):
        ((action, proposal),) = action.items()
    return {
        "id": identity,
        "member": value["validator"],
        "key": value["member"],
        "kind": Phase(value["phase"]).name.lower(),
        "epoch": value["epoch"],
        "engine": value["engine"],
        "height": value["height"],
        "round": value["round"],
        "digest_one": value["digest_one"],
        "digest_two": value["digest_two"],
        "reporter": value["reporter"],
        "recorded": value["recorded"],
        "action": action,
        "proposal": proposal,
    }
