"""The organisation's own node, over its public interface only."""

import json
import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from bubi.gateway.config import NodeSection
from bubi.gateway.problems import ProblemError

SECONDS = 20.0
Parameters = Mapping[str, str | int]


class Node:
    """Asks the node; what it refuses ends our request with the same problem."""

    def __init__(self, settings: NodeSection) -> None:
        self.settings = settings
        self._client = httpx.AsyncClient(
            base_url=settings.url, timeout=SECONDS, verify=tls(settings), trust_env=False
        )
        self._network: dict[str, Any] | None = None

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()

    async def send(
        self,
        method: str,
        path: str,
        parameters: Parameters | None = None,
        *,
        content: bytes | None = None,
        content_type: str | None = None,
    ) -> httpx.Response:
        """An answer with a status below 400.

        Raises:
            ProblemError: the node refused, or could not be reached.
        """
        headers = {"Content-Type": content_type} if content_type else {}
        try:
            answer = await self._client.request(
                method, path, params=parameters, content=content, headers=headers
            )
        except httpx.HTTPError as error:
            detail = f"{self.settings.url}: {type(error).__name__}"
            raise ProblemError("node_unreachable", detail) from error
        if answer.status_code >= 400:
            raise _refusal(answer)
        return answer

    async def get(self, path: str, parameters: Parameters | None = None) -> dict[str, Any]:
        """A JSON object.

        Raises:
            ProblemError: the node refused, could not be reached, or did not answer with JSON.
        """
        return document(await self.send("GET", path, parameters))

    async def health(self) -> dict[str, Any]:
        """What the node says about itself; a node that is not ready answers, too.

        Raises:
            ProblemError: it could not be reached.
        """
        try:
            return document(await self._client.get("/health"))
        except httpx.HTTPError as error:
            detail = f"{self.settings.url}: {type(error).__name__}"
            raise ProblemError("node_unreachable", detail) from error

    async def network(self) -> dict[str, Any]:
        """What identifies the network; it never changes, so that it is asked for once."""
        if self._network is None:
            self._network = await self.get("/v1/trust")
        return self._network


def tls(settings: NodeSection) -> ssl.SSLContext:
    """How the node is recognised, and how it recognises us."""
    context = ssl.create_default_context(
        cafile=str(settings.authority) if settings.authority is not None else None
    )
    if settings.certificate is not None and settings.key is not None:
        context.load_cert_chain(settings.certificate, settings.key)
    return context


def document(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer.

    Raises:
        ProblemError: it is none.
    """
    try:
        value = json.loads(answer.content)
    except ValueError as error:
        raise ProblemError("node_failed", "the node's answer is not JSON") from error
    if not isinstance(value, dict):
        raise ProblemError("node_failed", "the node's answer is no JSON object")
    return value


def _refusal(answer: httpx.Response) -> ProblemError:
    try:
        found = json.loads(answer.content)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "code" not in found:
        return ProblemError("node_failed", f"the node answered with status {answer.status_code}")
    return ProblemError.from_node(found, answer.status_code)
