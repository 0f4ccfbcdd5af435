"""The OpenAPI document: FastAPI describes the reading routes, this file adds the hot ones."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from bubi import core
from bubi.node.api import models, requests

MODELS = (
    models.Outcome,
    models.FullOutcome,
    models.BulkResult,
    models.Encoded,
    models.Document,
    models.Problem,
)
BINARY = {"type": "string", "format": "binary"}
OBJECT = {"type": "object"}


def document(app: FastAPI) -> dict[str, Any]:
    """The complete document."""
    result = get_openapi(
        title="Bubi node",
        version=core.version(),
        openapi_version="3.1.0",
        description="State, blocks, proofs and submission of one node. Rules: spec/api.md.",
        routes=app.routes,
    )
    _, definitions = models_json_schema(
        [(model, "serialization") for model in MODELS],
        ref_template="#/components/schemas/{model}",
    )
    components = result.setdefault("components", {}).setdefault("schemas", {})
    components.update(definitions["$defs"])
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    paths: dict[str, Any] = result["paths"]
    for operations in paths.values():
        for operation in operations.values():
            # Parameters that FastAPI refuses are answered as problems with status 400.
            operation["responses"].pop("422", None)
    for path, method, operation in _hot():
        paths.setdefault(path, {})[method] = operation
    return result


def _hot() -> list[tuple[str, str, dict[str, Any]]]:
    chain = _parameter("header", "Bubi-Chain", {"type": "string"}, "Refuse another chain")
    waiting = [
        _parameter("query", "wait", {"enum": ["final"]}, "Answer when the outcome is known"),
        _parameter(
            "query",
            "timeout",
            {"type": "number", "minimum": 0, "maximum": int(requests.TIMEOUT_SECONDS_MAX)},
            "Seconds to wait at most, with up to three decimals",
        ),
    ]
    proof = _parameter("query", "proof", {"enum": ["0", "1"]}, "1: with a proof")
    hash_ = _parameter(
        "path", "hash", {"type": "string", "pattern": "^[0-9a-f]{64}$"}, "Its hash", required=True
    )
    signed = {requests.JSON: OBJECT, requests.TRANSACTION: BINARY}
    base = "/v1/transactions"
    return [
        (
            base,
            "post",
            _operation("Submit one transaction", [chain, *waiting], signed, "Outcome", True),
        ),
        (
            f"{base}/bulk",
            "post",
            _operation(
                "Submit thousands",
                [chain, *waiting],
                {requests.TRANSACTIONS: BINARY, requests.OCTETS: BINARY},
                "BulkResult",
                True,
            ),
        ),
        (
            f"{base}/encode",
            "post",
            _operation("Encode a body", [], {requests.JSON: OBJECT}, "Encoded"),
        ),
        (
            f"{base}/decode",
            "post",
            _operation("Decode a signed transaction", [], signed, "Document"),
        ),
        (
            f"{base}/simulate",
            "post",
            _operation("What would happen now", [chain], signed, "Document"),
        ),
        (
            f"{base}/{{hash}}",
            "get",
            _operation("Outcome of a transaction", [hash_, proof, *waiting], None, "FullOutcome"),
        ),
    ]


def _parameter(
    place: str, name: str, schema: dict[str, Any], text: str, required: bool = False
) -> dict[str, Any]:
    return {
        "in": place,
        "name": name,
        "schema": schema,
        "description": text,
        "required": required,
    }


def _operation(
    summary: str,
    parameters: list[dict[str, Any]],
    bodies: dict[str, Any] | None,
    answer: str,
    pending: bool = False,
) -> dict[str, Any]:
    good = {"application/json": {"schema": {"$ref": f"#/components/schemas/{answer}"}}}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    texts = {
        "400": "The request or the transaction is not valid",
        "403": "The signatures do not reach a threshold",
        "404": "Unknown account or transaction",
        "405": "The route does not take this method",
        "409": "It contradicts what is known",
        "410": "No longer kept",
        "413": "Too large",
        "415": "The route does not take this content type",
        "429": "Too many requests wait",
        "503": "The node cannot take it now",
    }
    responses: dict[str, Any] = {"200": {"description": "The outcome", "content": good}}
    if pending:
        responses["202"] = {"description": "Not decided yet", "content": good}
    for status, text in texts.items():
        responses[status] = {"description": text, "content": problem}
    operation: dict[str, Any] = {
        "summary": summary,
        "parameters": parameters,
        "responses": responses,
    }
    if bodies is not None:
        content = {kind: {"schema": schema} for kind, schema in bodies.items()}
        operation["requestBody"] = {"required": True, "content": content}
    return operation
