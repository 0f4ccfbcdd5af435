"""Asks the watched nodes and keeps their newest answers."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from bubi.gateway.monitoring.figures import Scrape, parse

log = logging.getLogger("bubi.gateway.monitoring")

ANSWER_SECONDS = 2.0
DOCUMENTS = ("health", "consensus", "peers")
PATHS = {"health": "/health", "consensus": "/v1/consensus", "peers": "/v1/peers"}
BYTES_MAX = 8 * 1_048_576


@dataclass(frozen=True, slots=True)
class Target:
    """A watched node: its API, and its operator listener where that may be asked."""

    name: str
    url: str
    operator: str | None = None


@dataclass(slots=True)
class Watched:
    """What is known of a node. Times in ms since 1970; documents as the node gave them.

    `since` is when the gateway began to watch it: until the first answer its silence counts from
    there. `starts` are times at which its process was seen to have begun anew.
    """

    target: Target
    since: int
    answered: int | None = None
    error: str = ""
    documents: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    host: Mapping[str, Any] | None = None
    before: Scrape | None = None
    newest: Scrape | None = None
    history: list[Scrape] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    reachable: bool = False

    def silent_ms(self, now: int) -> int:
        """How long it did not answer."""
        last = self.since if self.answered is None else self.answered
        return max(0, now - last)

    @property
    def health(self) -> Mapping[str, Any]:
        """Its last `/health`."""
        return self.documents.get("health", {})

    @property
    def consensus(self) -> Mapping[str, Any]:
        """Its last `/v1/consensus`; empty while it does not answer."""
        return self.documents.get("consensus", {}) if self.reachable else {}

    @property
    def peers(self) -> Sequence[Mapping[str, Any]]:
        """The items of its last `/v1/peers`; none while it does not answer."""
        found = self.documents.get("peers", {}) if self.reachable else {}
        return list(found.get("items", ()))


HISTORY_SECONDS = 900
"""Looks at the metrics that are kept for rules about the last minutes."""


def now_ms() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000


class Poller:
    """See the module. Belongs to the event loop's thread."""

    def __init__(
        self,
        targets: Sequence[Target],
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._clock = clock
        self._client = httpx.AsyncClient(
            timeout=ANSWER_SECONDS, verify=tls if tls is not None else True, trust_env=False
        )
        self.nodes = {one.name: Watched(one, clock()) for one in targets}

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()

    async def look(self) -> None:
        """Asks all nodes for their state, side by side."""
        await asyncio.gather(*(self._look(one) for one in self.nodes.values()))

    async def measure(self) -> None:
        """Asks all nodes for their metrics, side by side."""
        await asyncio.gather(*(self._measure(one) for one in self.nodes.values()))

    async def ask_operator(self, name: str, path: str, query: Mapping[str, str]) -> httpx.Response:
        """An answer of a node's operator listener.

        Raises:
            KeyError: it has none.
            httpx.HTTPError: it does not answer.
        """
        operator = self.nodes[name].target.operator
        if operator is None:
            raise KeyError(name)
        return await self._client.get(operator + path, params=dict(query))

    async def _look(self, node: Watched) -> None:
        try:
            for name in DOCUMENTS:
                node.documents[name] = await self._document(node.target.url + PATHS[name])
        except (httpx.HTTPError, ValueError) as error:
            node.reachable, node.error = False, f"{type(error).__name__}: {error}"
            return
        node.reachable, node.error = True, ""
        node.answered = self._clock()

    async def _document(self, url: str) -> Mapping[str, Any]:
        answer = await self._client.get(url)
        # A node that is not ready answers 503 with its reasons.
        if answer.status_code not in {200, 503}:
            msg = f"status {answer.status_code}"
            raise ValueError(msg)
        document = answer.json()
        if not isinstance(document, dict):
            msg = "no JSON object"
            raise ValueError(msg)
        return document

    async def _measure(self, node: Watched) -> None:
        target = node.target
        try:
            answer = await self._client.get(f"{target.operator or target.url}/metrics")
            answer.raise_for_status()
            scrape = parse(answer.text, self._clock())
            if target.operator is not None:
                node.host = await self._document(f"{target.operator}/v1/host")
        except (httpx.HTTPError, ValueError) as error:
            log.debug("%s gives no metrics: %s", target.name, error)
            node.before = node.newest = node.host = None
            return
        self._note_start(node, scrape)
        node.before, node.newest = node.newest, scrape
        oldest = scrape.time - HISTORY_SECONDS * 1000
        node.history = [one for one in node.history if one.time >= oldest] + [scrape]

    def _note_start(self, node: Watched, scrape: Scrape) -> None:
        """A counter that fell tells that the process began anew, with or without its machine."""
        newest = node.history[-1] if node.history else None
        name = "bubi_process_start_time_seconds"
        started = scrape.value(name)
        if newest is None:
            return
        if started is not None and newest.value(name) is not None:
            again = started != newest.value(name)
        else:
            again = scrape.total("bubi_api_requests_total") < newest.total(
                "bubi_api_requests_total"
            )
        if again:
            node.starts = [*node.starts, scrape.time][-16:]
            node.history.clear()
            node.newest = None
