"""Follows the node's block stream and feeds the writer, in a thread of its own.

While a group is written the next one is fetched and decoded. At the end of the chain the request
waits at the node, so that a new block comes as soon as it is decided.
"""

import asyncio
import contextlib
import logging
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, InvalidStateError
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from bubi import core
from bubi.gateway.config import NodeSection
from bubi.gateway.index.writer import IndexStoppedError, Origin, Progress, Writer
from bubi.gateway.node import tls

log = logging.getLogger("bubi.gateway.index")
T = TypeVar("T")

WAIT_SECONDS = 2
TIMEOUT_SECONDS = 60.0
RETRY_SECONDS = 0.5
EXPORT_LIMIT = 10_000
INHERITANCE = "/v1/inheritance"
INHERITANCE_FOLDER = "inheritance-"


@dataclass(slots=True)
class State:
    """What the index tells about itself."""

    height: int = 0
    node_height: int = 0
    reason: str | None = "starting"
    begun: bool = False
    """Whether the tables are there, so that they can be read."""
    pauses: int = 0
    """How often the node or the database was away."""

    @property
    def lag(self) -> int:
        """Blocks that the node has and the index not yet."""
        return max(0, self.node_height - self.height)


class Fetched(NamedTuple):
    """A group of blocks; `blocks` is None if the node has no more."""

    blocks: core.BlockRows | None
    node_height: int


class UnreachableError(Exception):
    """The node does not answer now; trying again may help."""


class Source:
    """The node's export."""

    def __init__(self, settings: NodeSection) -> None:
        self._client = httpx.Client(
            base_url=settings.url, timeout=TIMEOUT_SECONDS, verify=tls(settings), trust_env=False
        )

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def origin(self) -> Origin:
        """What the node's chain begins with.

        Raises:
            UnreachableError: the node does not answer.
        """
        network = self._get("/v1/network").json()
        suite = core.Suite[str(network["suite"]).upper()]
        genesis = self._get("/v1/genesis").content
        return Origin(network["chain_id"], network["prefix"], int(suite), genesis)

    def export(self, after: int, wait: int) -> tuple[bytes, int]:
        """Blocks above a height, and the node's newest height.

        Raises:
            UnreachableError: the node does not answer.
        """
        query = {"after": after, "limit": EXPORT_LIMIT, "wait": wait}
        answer = self._get("/v1/blocks/export", query)
        return answer.content, int(answer.headers["Bubi-Height"])

    @contextlib.contextmanager
    def inheritance(self, folder: Path, stopping: threading.Event) -> Iterator[Path]:
        """The end of the chain that the node's chain continues, as a file in a folder.

        Raises:
            UnreachableError: the node does not answer, or not with that file, or we are stopping.
        """
        for left in folder.glob(f"{INHERITANCE_FOLDER}*"):
            # Of a process that was killed meanwhile.
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=INHERITANCE_FOLDER, dir=folder) as own:
            path = Path(own) / "inheritance"
            try:
                with (
                    self._client.stream("GET", INHERITANCE) as answer,
                    path.open("wb") as file,
                ):
                    _check(INHERITANCE, answer)
                    for part in answer.iter_bytes():
                        if stopping.is_set():
                            raise UnreachableError("the gateway is stopping")
                        file.write(part)
            except httpx.HTTPError as error:
                raise _silent(error) from error
            yield path

    def _get(self, path: str, query: dict[str, int] | None = None) -> httpx.Response:
        try:
            answer = self._client.get(path, params=query)
        except httpx.HTTPError as error:
            raise _silent(error) from error
        _check(path, answer)
        return answer


def _silent(error: httpx.HTTPError) -> UnreachableError:
    return UnreachableError(f"the node does not answer ({type(error).__name__})")


def _check(path: str, answer: httpx.Response) -> None:
    if answer.status_code != 200:
        raise UnreachableError(f"the node answered {path} with status {answer.status_code}")


class Follower:
    """The index as a part of the gateway."""

    def __init__(self, engine: Engine, settings: NodeSection, folder: Path) -> None:
        """`folder` is where large files of the node are kept while they are read."""
        self.engine = engine
        self.state = State()
        self._settings = settings
        self._folder = folder
        self._stopping = threading.Event()
        self._asked: Future[Any] | None = None
        self._listeners: list[Callable[[Progress], None]] = []

    def listen(self, heard: Callable[[Progress], None]) -> None:
        """Calls a function, in the event loop, after each group."""
        self._listeners.append(heard)

    async def run(self) -> None:
        """Works until it is cancelled.

        Raises:
            IndexStoppedError: the index cannot go on; the message says why.
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def tell(progress: Progress) -> None:
            loop.call_soon_threadsafe(self._tell, progress)

        def work() -> None:
            error: BaseException | None = None
            try:
                self.follow(tell)
            except BaseException as caught:
                error = caught
            loop.call_soon_threadsafe(_end, ended, error)

        thread = threading.Thread(target=work, name="index", daemon=True)
        thread.start()
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            self.stop()
            await ended
            raise

    def stop(self) -> None:
        """Makes `follow` return after the group that is being written."""
        self._stopping.set()
        asked = self._asked
        if asked is not None:
            asked.cancel()

    def _tell(self, progress: Progress) -> None:
        for heard in self._listeners:
            heard(progress)

    def follow(self, tell: Callable[[Progress], None], until: int | None = None) -> None:
        """Writes what the node has and what comes, until stopped or at a height."""
        source = Source(self._settings)
        try:
            while not self._stopping.is_set():
                try:
                    inheritance = partial(source.inheritance, self._folder, self._stopping)
                    writer = Writer(self.engine, self._ask(source.origin).result(), inheritance)
                    self.state.height = writer.progress.height
                    self.state.begun = True
                    self._write(writer, source, tell, until)
                    return
                except (UnreachableError, OperationalError) as error:
                    self._pause(str(error))
        except CancelledError:
            return  # stopped while the node had not answered yet
        finally:
            source.close()

    def _ask(self, work: Callable[[], T]) -> Future[T]:
        """Asks the node in a thread of its own: whoever stops does not wait for the answer."""
        asked: Future[T] = Future()

        def run() -> None:
            # What was cancelled meanwhile takes no answer any more.
            with contextlib.suppress(InvalidStateError):
                try:
                    answer = work()
                except Exception as error:
                    asked.set_exception(error)
                else:
                    asked.set_result(answer)

        self._asked = asked
        if self._stopping.is_set():
            asked.cancel()
        threading.Thread(target=run, name="index-fetch", daemon=True).start()
        return asked

    def _pause(self, reason: str) -> None:
        if self.state.reason != reason:
            log.warning("the index waits: %s", reason)
        self.state.reason = reason
        self.state.pauses += 1
        self._stopping.wait(RETRY_SECONDS)

    def _write(
        self,
        writer: Writer,
        source: Source,
        tell: Callable[[Progress], None],
        until: int | None,
    ) -> None:
        def fetch(after: int, wait: int) -> Fetched:
            content, height = source.export(after, wait)
            return Fetched(writer.decode(content) if content else None, height)

        following = self._ask(partial(fetch, writer.progress.height, 0))
        while not self._stopping.is_set():
            blocks, self.state.node_height = following.result()
            self.state.reason = None
            last = writer.progress.height if blocks is None else blocks.last
            following = self._ask(partial(fetch, last, WAIT_SECONDS))
            if blocks is not None:
                progress = writer.write(blocks)
                self.state.height = progress.height
                tell(progress)
            if until is not None and writer.progress.height >= until:
                return


def _end(future: asyncio.Future[None], error: BaseException | None) -> None:
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


__all__ = ["Follower", "IndexStoppedError", "Source", "State", "UnreachableError"]
