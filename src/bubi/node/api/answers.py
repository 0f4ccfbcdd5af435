"""Writing answers: JSON of the core is passed on as it is, with schema and height."""

import json
from typing import Any

from starlette.responses import Response

from bubi.node.api.services import Services

JSON = "application/json"


def raw(node: Services, document: bytes, status: int = 200) -> Response:
    """A JSON object of the core, with `schema` in front."""
    assert document.startswith(b"{")
    rest = document[1:]
    comma = b"" if rest.lstrip().startswith(b"}") else b","
    return respond(node, b'{"schema":1' + comma + rest, status)


def made(node: Services, document: dict[str, Any], status: int = 200) -> Response:
    """A JSON object made here."""
    return respond(node, json.dumps(document, ensure_ascii=False).encode(), status)


def respond(node: Services, content: bytes, status: int = 200) -> Response:
    """JSON text; the header says which height this node stands at."""
    headers = {"Bubi-Height": str(node.heights.height)}
    return Response(content, status, headers, media_type=JSON)
