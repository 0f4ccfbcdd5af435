"""`Client` and `AsyncClient`: the same verbs over the same flows, with and without asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from types import TracebackType
from typing import Literal, Self, TypeVar

import httpx

from bubi_sdk import flows
from bubi_sdk.address import Address
from bubi_sdk.codec import Json
from bubi_sdk.errors import InvalidInput
from bubi_sdk.flows import Flow, NoAnswer, Pause, Reply, Request, Response, Retry, path_of
from bubi_sdk.network import AddressLike, IdLike, Network, Trust, identifier
from bubi_sdk.outcome import Answer, BulkOutcome, Outcome, Page
from bubi_sdk.stream import StreamEvent, StreamReader
from bubi_sdk.transaction import Envelope, Transaction

T = TypeVar("T")
_USUAL = 30.0
"""Seconds that a request may take if the node was not asked to wait."""
_QUIET = 60.0
"""Seconds without a byte after which a stream is taken for dead; nodes comment more often."""


def _given(**values: str | int | None) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}


def _proof(wanted: bool) -> dict[str, str]:
    return {"proof": "1"} if wanted else {}


def flows_network(retry: Retry) -> Flow[Network]:
    """Asks for the identity of the network."""
    answer = yield from flows.get(path_of("network"), {}, retry)
    return Network.from_json(dict(answer.data))


def flows_trust(retry: Retry) -> Flow[Trust]:
    """Asks for the trust file."""
    response = yield from flows.get_response(path_of("trust"), retry)
    return Trust.parse(response.content)


class _Base:
    """What both clients share: where the node is, how often to try, which network it must be."""

    def __init__(self, network: Network | None, retry: Retry | None) -> None:
        self._known = network
        self._retry = retry or Retry()

    def _text(self, address: AddressLike) -> str:
        if isinstance(address, str):
            return address
        if self._known is None:
            kind = "an Address" if isinstance(address, Address) else "a PublicKey"
            raise InvalidInput(
                f"to use {kind}, give the client its network, or call network() first"
            )
        return self._known.text(address)

    def _get(
        self,
        path: str,
        *,
        proof: bool = False,
        height: int | None = None,
        version: int | None = None,
    ) -> Flow[Answer]:
        given = _given(height=height, version=version)
        return flows.get(path, given | _proof(proof), self._retry)

    def _page(self, path: str, **values: str | int | None) -> Flow[Page]:
        return flows.get_page(path, _given(**values), self._retry)

    def _outcome(self, transaction: IdLike, proof: bool, wait: float) -> Flow[Outcome]:
        parameters = _proof(proof) | flows.waiting(wait)
        return flows.outcome(identifier(transaction), parameters, self._retry, wait)

    def _account(self, address: AddressLike, *rest: str | bytes) -> str:
        return path_of("accounts", self._text(address), *rest)


def _loopback(url: str) -> bool:
    # A proxy of the environment cannot reach a node on this machine.
    return httpx.URL(url).host in ("127.0.0.1", "localhost", "::1")


def _reply(response: httpx.Response) -> Response:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Response(response.status_code, headers, response.content)


def _timeout(request: Request) -> httpx.Timeout:
    return httpx.Timeout(_USUAL + request.wait, connect=10.0)


def _detail(error: Exception) -> str:
    return str(error) or type(error).__name__


class Client(_Base):
    """Talks to one node. Safe to share between threads."""

    def __init__(
        self,
        url: str,
        network: Network | None = None,
        *,
        retry: Retry | None = None,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(network, retry)
        self._http = httpx.Client(
            base_url=url,
            verify=verify,
            transport=transport,
            trust_env=not _loopback(url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _perform(self, command: Request | Pause) -> Reply:
        if isinstance(command, Pause):
            time.sleep(command.seconds)
            return None
        try:
            response = self._http.request(
                command.method,
                command.path,
                params=dict(command.parameters),
                headers=dict(command.headers),
                content=command.content,
                timeout=_timeout(command),
            )
        except httpx.HTTPError as error:
            return NoAnswer(_detail(error))
        return _reply(response)

    def _run(self, flow: Flow[T]) -> T:
        try:
            command = next(flow)
            while True:
                command = flow.send(self._perform(command))
        except StopIteration as end:
            result: T = end.value
            return result

    def network(self) -> Network:
        """Identity of the network: enough to build and sign off-line; the client remembers it."""
        found = self._run(flows_network(self._retry))
        self._known = self._known or found
        return found

    def status(self) -> Answer:
        """`/v1/network`: name, height, parameters, validators."""
        return self._run(self._get(path_of("network")))

    def trust(self) -> Trust:
        """The trust file as this node tells it. Compare it with one from somebody you trust."""
        return self._run(flows_trust(self._retry))

    def submit(self, envelope: Envelope) -> Outcome:
        """Sends once and returns at once: `pending`, or the outcome if it is known.

        Raises `OutcomeUnknown` if no answer came; sending the same envelope again is safe.
        """
        return self._run(flows.submit(envelope))

    def submit_and_wait(self, envelope: Envelope, within: float | None = None) -> Outcome:
        """Sends until the outcome is certain: final, rejected or expired.

        Raises `OutcomeUnknown` after `within` seconds (default: some time after `valid_until`).
        """
        return self._run(flows.submit_and_wait(envelope, within, self._retry, time.time))

    def submit_bulk(
        self, transactions: Sequence[Envelope | bytes], wait: float = 0.0
    ) -> BulkOutcome:
        """Sends thousands in one request; with `wait` (seconds) the verdicts are outcomes."""
        return self._run(flows.submit_bulk(transactions, wait, self._retry))

    def simulate(self, transaction: Envelope | Transaction) -> Answer:
        """What it would do if it were next: receipt, events; unsigned, as if all had signed."""
        return self._run(flows.simulate(transaction, self._retry))

    def encode(self, body: Json) -> Answer:
        """Lets the node encode a body; check what you sign."""
        return self._run(flows.post_json(path_of("transactions", "encode"), body, self._retry))

    def transaction(
        self, transaction: IdLike, *, proof: bool = False, wait: float = 0.0
    ) -> Outcome:
        """What became of a transaction; `NotFound` if the node never saw it."""
        return self._run(self._outcome(transaction, proof, wait))

    def block(self, height: int | Literal["latest"] = "latest") -> Answer:
        """One block."""
        return self._run(self._get(path_of("blocks", height)))

    def blocks(self, *, after: int | str | None = None, limit: int | None = None) -> Page:
        """Blocks above a height; `Page.next` is the `after` of the next page."""
        return self._run(self._page(path_of("blocks"), after=after, limit=limit))

    def block_transactions(self, height: int) -> Answer:
        """A block with its receipts and events."""
        return self._run(self._get(path_of("blocks", height, "transactions")))

    def finality(self, height: int) -> Answer:
        """Finality proof of a block."""
        return self._run(self._get(path_of("blocks", height, "finality")))

    def account(self, address: AddressLike, *, proof: bool = False) -> Answer:
        """An account: signers, thresholds."""
        return self._run(self._get(self._account(address), proof=proof))

    def balances(
        self, address: AddressLike, *, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """What an account holds."""
        return self._run(
            self._page(self._account(address, "balances"), cursor=cursor, limit=limit)
        )

    def balance(self, address: AddressLike, asset: IdLike, *, proof: bool = False) -> Answer:
        """What an account holds of one asset."""
        return self._run(
            self._get(self._account(address, "balances", identifier(asset)), proof=proof)
        )

    def data(
        self, address: AddressLike, *, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Data entries of an account."""
        return self._run(self._page(self._account(address, "data"), cursor=cursor, limit=limit))

    def data_entry(self, address: AddressLike, name: str, *, proof: bool = False) -> Answer:
        """One data entry."""
        return self._run(self._get(self._account(address, "data", name), proof=proof))

    def claims(
        self, address: AddressLike, *, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Claims about an account."""
        return self._run(self._page(self._account(address, "claims"), cursor=cursor, limit=limit))

    def holds(
        self, address: AddressLike, *, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Holds of an account."""
        return self._run(self._page(self._account(address, "holds"), cursor=cursor, limit=limit))

    def items(
        self, address: AddressLike, *, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Items that an account holds."""
        return self._run(self._page(self._account(address, "items"), cursor=cursor, limit=limit))

    def assets(
        self,
        *,
        issuer: AddressLike | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page:
        """All assets, or those of one issuer."""
        chosen = None if issuer is None else self._text(issuer)
        return self._run(self._page(path_of("assets"), issuer=chosen, cursor=cursor, limit=limit))

    def item(self, asset: IdLike, item: str, *, proof: bool = False) -> Answer:
        """One item of a unique asset."""
        path = path_of("assets", identifier(asset), "items", item)
        return self._run(self._get(path, proof=proof))

    def asset(self, asset: IdLike, *, proof: bool = False) -> Answer:
        """One asset."""
        return self._run(self._get(path_of("assets", identifier(asset)), proof=proof))

    def holders(
        self, asset: IdLike, *, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Who holds an asset now."""
        return self._run(
            self._page(path_of("assets", identifier(asset), "holders"), cursor=cursor, limit=limit)
        )

    def proposals(self, *, cursor: str | None = None, limit: int | None = None) -> Page:
        """Proposals of changes of the network, of every state."""
        return self._run(self._page(path_of("proposals"), cursor=cursor, limit=limit))

    def proposal(self, proposal: IdLike) -> Answer:
        """One proposal: what it changes, who voted how, when it is in force."""
        return self._run(self._get(path_of("proposals", identifier(proposal))))

    def validators(self) -> Answer:
        """Validators and organisations in force, and the change under way."""
        return self._run(self._get(path_of("validators")))

    def evidence(self, *, cursor: str | None = None, limit: int | None = None) -> Page:
        """Evidence against validators."""
        return self._run(self._page(path_of("evidence"), cursor=cursor, limit=limit))

    def evidence_record(self, evidence: IdLike) -> Answer:
        """One piece of evidence."""
        return self._run(self._get(path_of("evidence", identifier(evidence))))

    def namespace(self, namespace: IdLike, *, proof: bool = False) -> Answer:
        """One namespace."""
        return self._run(self._get(path_of("namespaces", identifier(namespace)), proof=proof))

    def records(
        self, namespace: IdLike, *, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Records of a namespace."""
        return self._run(
            self._page(
                path_of("namespaces", identifier(namespace), "records"), cursor=cursor, limit=limit
            )
        )

    def record(
        self, namespace: IdLike, key: str, *, version: int | None = None, proof: bool = False
    ) -> Answer:
        """A record, newest version unless one is named."""
        return self._run(
            self._get(
                path_of("namespaces", identifier(namespace), "records", key),
                version=version,
                proof=proof,
            )
        )

    def record_versions(
        self,
        namespace: IdLike,
        key: str,
        *,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page:
        """Versions of a record."""
        path = path_of("namespaces", identifier(namespace), "records", key, "versions")
        return self._run(self._page(path, cursor=cursor, limit=limit))

    def cells(self, owner: bytes, *, cursor: str | None = None, limit: int | None = None) -> Page:
        """Cells of an owner key."""
        return self._run(self._page(path_of("cells", owner), cursor=cursor, limit=limit))

    def cell(
        self, owner: bytes, key: bytes, *, height: int | None = None, proof: bool = False
    ) -> Answer:
        """A cell of the state by owner key and cell key (`bubi_sdk.state`)."""
        return self._run(self._get(path_of("cells", owner, key), height=height, proof=proof))

    def every(self, page: Callable[[str | None], Page]) -> Iterator[Json]:
        """Every item: `client.every(lambda cursor: client.assets(cursor=cursor))`."""
        cursor: str | None = None
        while True:
            found = page(cursor)
            yield from found.items
            cursor = found.next
            if cursor is None:
                return

    def follow_blocks(self, after: str | None = None) -> Iterator[StreamEvent]:
        """Blocks as they are decided, for ever, from the event id `after` on."""
        return self._follow(StreamReader(path_of("blocks"), after=after))

    def follow_transactions(self, after: str | None = None) -> Iterator[StreamEvent]:
        """Transactions as they are decided, for ever, from the event id `after` on."""
        return self._follow(StreamReader(path_of("transactions"), after=after))

    def follow_account(
        self, address: AddressLike, after: str | None = None
    ) -> Iterator[StreamEvent]:
        """Events of an account, for ever, from the event id `after` on."""
        return self._follow(StreamReader(self._account(address, "events"), after=after))

    def _follow(self, reader: StreamReader) -> Iterator[StreamEvent]:
        while True:
            # Streams break; what was missed is sent again after the last id.
            with contextlib.suppress(httpx.HTTPError):
                yield from self._connection(reader)
            time.sleep(reader.pause())

    def _connection(self, reader: StreamReader) -> Iterator[StreamEvent]:
        request = reader.request()
        with self._http.stream(
            request.method,
            request.path,
            params=dict(request.parameters),
            headers=dict(request.headers),
            timeout=httpx.Timeout(_QUIET, connect=10.0),
        ) as response:
            if response.status_code != 200:
                response.read()
            content = response.content if response.is_closed else b""
            headers = {name.lower(): value for name, value in response.headers.items()}
            if not reader.opened(Response(response.status_code, headers, content)):
                return
            for chunk in response.iter_bytes():
                yield from reader.feed(chunk)


class AsyncClient(_Base):
    """Talks to one node with asyncio."""

    def __init__(
        self,
        url: str,
        network: Network | None = None,
        *,
        retry: Retry | None = None,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(network, retry)
        self._http = httpx.AsyncClient(
            base_url=url,
            verify=verify,
            transport=transport,
            trust_env=not _loopback(url),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def _perform(self, command: Request | Pause) -> Reply:
        if isinstance(command, Pause):
            await asyncio.sleep(command.seconds)
            return None
        try:
            response = await self._http.request(
                command.method,
                command.path,
                params=dict(command.parameters),
                headers=dict(command.headers),
                content=command.content,
                timeout=_timeout(command),
            )
        except httpx.HTTPError as error:
            return NoAnswer(_detail(error))
        return _reply(response)

    async def _run(self, flow: Flow[T]) -> T:
        try:
            command = next(flow)
            while True:
                command = flow.send(await self._perform(command))
        except StopIteration as end:
            result: T = end.value
            return result

    async def network(self) -> Network:
        """Identity of the network: enough to build and sign off-line; the client remembers it."""
        found = await self._run(flows_network(self._retry))
        self._known = self._known or found
        return found

    async def status(self) -> Answer:
        """`/v1/network`: name, height, parameters, validators."""
        return await self._run(self._get(path_of("network")))

    async def trust(self) -> Trust:
        """The trust file as this node tells it. Compare it with one from somebody you trust."""
        return await self._run(flows_trust(self._retry))

    async def submit(self, envelope: Envelope) -> Outcome:
        """Sends once and returns at once: `pending`, or the outcome if it is known.

        Raises `OutcomeUnknown` if no answer came; sending the same envelope again is safe.
        """
        return await self._run(flows.submit(envelope))

    async def submit_and_wait(self, envelope: Envelope, within: float | None = None) -> Outcome:
        """Sends until the outcome is certain: final, rejected or expired.

        Raises `OutcomeUnknown` after `within` seconds (default: some time after `valid_until`).
        """
        return await self._run(flows.submit_and_wait(envelope, within, self._retry, time.time))

    async def submit_bulk(
        self, transactions: Sequence[Envelope | bytes], wait: float = 0.0
    ) -> BulkOutcome:
        """Sends thousands in one request; with `wait` (seconds) the verdicts are outcomes."""
        return await self._run(flows.submit_bulk(transactions, wait, self._retry))

    async def simulate(self, transaction: Envelope | Transaction) -> Answer:
        """What it would do if it were next: receipt, events; unsigned, as if all had signed."""
        return await self._run(flows.simulate(transaction, self._retry))

    async def encode(self, body: Json) -> Answer:
        """Lets the node encode a body; check what you sign."""
        return await self._run(
            flows.post_json(path_of("transactions", "encode"), body, self._retry)
        )

    async def transaction(
        self, transaction: IdLike, *, proof: bool = False, wait: float = 0.0
    ) -> Outcome:
        """What became of a transaction; `NotFound` if the node never saw it."""
        return await self._run(self._outcome(transaction, proof, wait))

    async def block(self, height: int | Literal["latest"] = "latest") -> Answer:
        """One block."""
        return await self._run(self._get(path_of("blocks", height)))

    async def blocks(self, *, after: int | str | None = None, limit: int | None = None) -> Page:
        """Blocks above a height; `Page.next` is the `after` of the next page."""
        return await self._run(self._page(path_of("blocks"), after=after, limit=limit))

    async def block_transactions(self, height: int) -> Answer:
        """A block with its receipts and events."""
        return await self._run(self._get(path_of("blocks", height, "transactions")))

    async def finality(self, height: int) -> Answer:
        """Finality proof of a block."""
        return await self._run(self._get(path_of("blocks", height, "finality")))

    async def account(self, address: AddressLike, *, proof: bool = False) -> Answer:
        """An account: signers, thresholds."""
        return await self._run(self._get(self._account(address), proof=proof))

    async def balances(
        self, address: AddressLike, *, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """What an account holds."""
        return await self._run(
            self._page(self._account(address, "balances"), cursor=cursor, limit=limit)
        )

    async def balance(self, address: AddressLike, asset: IdLike, *, proof: bool = False) -> Answer:
        """What an account holds of one asset."""
        return await self._run(
            self._get(self._account(address, "balances", identifier(asset)), proof=proof)
        )

    async def data(
        self, address: AddressLike, *, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Data entries of an account."""
        return await self._run(
            self._page(self._account(address, "data"), cursor=cursor, limit=limit)
        )

    async def data_entry(self, address: AddressLike, name: str, *, proof: bool = False) -> Answer:
        """One data entry."""
        return await self._run(self._get(self._account(address, "data", name), proof=proof))

    async def claims(
        self, address: AddressLike, *, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Claims about an account."""
        return await self._run(
            self._page(self._account(address, "claims"), cursor=cursor, limit=limit)
        )

    async def holds(
        self, address: AddressLike, *, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Holds of an account."""
        return await self._run(
            self._page(self._account(address, "holds"), cursor=cursor, limit=limit)
        )

    async def items(
        self, address: AddressLike, *, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Items that an account holds."""
        return await self._run(
            self._page(self._account(address, "items"), cursor=cursor, limit=limit)
        )

    async def assets(
        self,
        *,
        issuer: AddressLike | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page:
        """All assets, or those of one issuer."""
        chosen = None if issuer is None else self._text(issuer)
        return await self._run(
            self._page(path_of("assets"), issuer=chosen, cursor=cursor, limit=limit)
        )

    async def item(self, asset: IdLike, item: str, *, proof: bool = False) -> Answer:
        """One item of a unique asset."""
        path = path_of("assets", identifier(asset), "items", item)
        return await self._run(self._get(path, proof=proof))

    async def asset(self, asset: IdLike, *, proof: bool = False) -> Answer:
        """One asset."""
        return await self._run(self._get(path_of("assets", identifier(asset)), proof=proof))

    async def holders(
        self, asset: IdLike, *, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Who holds an asset now."""
        return await self._run(
            self._page(path_of("assets", identifier(asset), "holders"), cursor=cursor, limit=limit)
        )

    async def proposals(self, *, cursor: str | None = None, limit: int | None = None) -> Page:
        """Proposals of changes of the network, of every state."""
        return await self._run(self._page(path_of("proposals"), cursor=cursor, limit=limit))

    async def proposal(self, proposal: IdLike) -> Answer:
        """One proposal: what it changes, who voted how, when it is in force."""
        return await self._run(self._get(path_of("proposals", identifier(proposal))))

    async def validators(self) -> Answer:
        """Validators and organisations in force, and the change under way."""
        return await self._run(self._get(path_of("validators")))

    async def evidence(self, *, cursor: str | None = None, limit: int | None = None) -> Page:
        """Evidence against validators."""
        return await self._run(self._page(path_of("evidence"), cursor=cursor, limit=limit))

    async def evidence_record(self, evidence: IdLike) -> Answer:
        """One piece of evidence."""
        return await self._run(self._get(path_of("evidence", identifier(evidence))))

    async def namespace(self, namespace: IdLike, *, proof: bool = False) -> Answer:
        """One namespace."""
        return await self._run(
            self._get(path_of("namespaces", identifier(namespace)), proof=proof)
        )

    async def records(
        self, namespace: IdLike, *, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Records of a namespace."""
        return await self._run(
            self._page(
                path_of("namespaces", identifier(namespace), "records"), cursor=cursor, limit=limit
            )
        )

    async def record(
        self, namespace: IdLike, key: str, *, version: int | None = None, proof: bool = False
    ) -> Answer:
        """A record, newest version unless one is named."""
        return await self._run(
            self._get(
                path_of("namespaces", identifier(namespace), "records", key),
                version=version,
                proof=proof,
            )
        )

    async def record_versions(
        self,
        namespace: IdLike,
        key: str,
        *,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page:
        """Versions of a record."""
        path = path_of("namespaces", identifier(namespace), "records", key, "versions")
        return await self._run(self._page(path, cursor=cursor, limit=limit))

    async def cells(
        self, owner: bytes, *, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Cells of an owner key."""
        return await self._run(self._page(path_of("cells", owner), cursor=cursor, limit=limit))

    async def cell(
        self, owner: bytes, key: bytes, *, height: int | None = None, proof: bool = False
    ) -> Answer:
        """A cell of the state by owner key and cell key (`bubi_sdk.state`)."""
        return await self._run(self._get(path_of("cells", owner, key), height=height, proof=proof))

    async def every(self, page: Callable[[str | None], Awaitable[Page]]) -> AsyncIterator[Json]:
        """Every item: `client.every(lambda cursor: client.assets(cursor=cursor))`."""
        cursor: str | None = None
        while True:
            found = await page(cursor)
            for item in found.items:
                yield item
            cursor = found.next
            if cursor is None:
                return

    def follow_blocks(self, after: str | None = None) -> AsyncIterator[StreamEvent]:
        """Blocks as they are decided, for ever, from the event id `after` on."""
        return self._follow(StreamReader(path_of("blocks"), after=after))

    def follow_transactions(self, after: str | None = None) -> AsyncIterator[StreamEvent]:
        """Transactions as they are decided, for ever, from the event id `after` on."""
        return self._follow(StreamReader(path_of("transactions"), after=after))

    def follow_account(
        self, address: AddressLike, after: str | None = None
    ) -> AsyncIterator[StreamEvent]:
        """Events of an account, for ever, from the event id `after` on."""
        return self._follow(StreamReader(self._account(address, "events"), after=after))

    async def _follow(self, reader: StreamReader) -> AsyncIterator[StreamEvent]:
        while True:
            try:
                async for event in self._connection(reader):
                    yield event
            except httpx.HTTPError:
                # Streams break; what was missed is sent again after the last id.
                pass
            await asyncio.sleep(reader.pause())

    async def _connection(self, reader: StreamReader) -> AsyncIterator[StreamEvent]:
        request = reader.request()
        async with self._http.stream(
            request.method,
            request.path,
            params=dict(request.parameters),
            headers=dict(request.headers),
            timeout=httpx.Timeout(_QUIET, connect=10.0),
        ) as response:
            if response.status_code != 200:
                await response.aread()
            content = response.content if response.is_closed else b""
            headers = {name.lower(): value for name, value in response.headers.items()}
            if not reader.opened(Response(response.status_code, headers, content)):
                return
            async for chunk in response.aiter_bytes():
                for event in reader.feed(chunk):
                    yield event
