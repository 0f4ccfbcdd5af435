"""The load generator of `bubi bench network`: a process of its own that only sends.

Standard input has one JSON object a line: first where to send, then segments of presigned bulk
requests, which may still be made while earlier ones are sent. Requests go out at fixed times
whatever the nodes answer; latency counts from the time a request should have gone out. What is
refused is counted and not sent again; what has no answer a while after the last request was due
counts as unanswered, so that a run under overload ends too.
"""

from __future__ import annotations

import asyncio
import base64
import json
import mmap
import resource
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from bubi_sdk import codes
from bubi_sdk.flows import BULK_TYPE

WARNING_SECONDS: Final = 0.3
"""Between the start of the process's work and the first request."""
CONNECTING_AT_ONCE: Final = 64
"""Connections being opened to one node at a time."""


@dataclass(frozen=True)
class Segment:
    """Bodies in a file, each with its end and its number of transactions; `interval` in s.

    The file is removed as soon as it is open. `phase` tells what the requests are for.
    """

    file: str
    ends: list[int]
    counts: list[int]
    interval: float
    phase: str


@dataclass(frozen=True)
class Reply:
    """What became of one request: when it was due (s after the first), how long its answer took.

    `seconds` is None if none came, or none that says what became of its transactions.
    """

    phase: str
    due: float
    seconds: float | None
    final: int
    count: int


@dataclass
class Said:
    """What came back. `others` counts by phase and code what is not final; times in s."""

    replies: list[Reply] = field(default_factory=list)
    others: dict[str, Counter[str]] = field(default_factory=dict)
    began_ms: int = 0
    late: float = 0.0
    """Longest time by which the generator itself sent too late."""

    def count(self, phase: str, code: str, number: int) -> None:
        """Counts transactions that are not final."""
        self.others.setdefault(phase, Counter())[code] += number

    def document(self, cpu_seconds: float) -> dict[str, object]:
        """All of it for JSON."""
        return {
            "replies": [asdict(one) for one in self.replies],
            # `asdict` of Python 3.11 would count the pairs of a Counter again.
            "others": {phase: dict(counted) for phase, counted in self.others.items()},
            "began_ms": self.began_ms,
            "late": self.late,
            "cpu_seconds": cpu_seconds,
        }


class _Connection(asyncio.Protocol):
    """One connection that carries one request at a time."""

    def __init__(self, idle: list[_Connection]) -> None:
        self._idle = idle
        self._buffer = bytearray()
        self._end = -1
        self._start = 0
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not checked: the transport of uvloop has the methods but not the class.
        self._transport = transport  # type: ignore[assignment]

    def ask(self, head: bytes, body: memoryview) -> asyncio.Future[tuple[int, bytes]]:
        """Sends a request; the status and body of its answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.writelines((head, body))
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._end < 0:
            head, found, _ = bytes(self._buffer).partition(b"\r\n\r\n")
            if not found:
                return
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            self._start = len(head) + 4
            self._end = self._start + length
        if len(self._buffer) < self._end:
            return
        status, body = int(self._buffer[9:12]), bytes(self._buffer[self._start : self._end])
        self._buffer.clear()
        self._end = -1
        answer, self._answer = self._answer, None
        self._idle.append(self)
        if answer is not None and not answer.done():
            answer.set_result((status, body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._idle:
            self._idle.remove(self)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    def abort(self) -> None:
        """Ends it without waiting."""
        if self._transport is not None:
            self._transport.abort()


class _Node:
    """One node's door, with as many connections as requests are under way."""

    def __init__(self, host: str, port: int, wait: float) -> None:
        self._host, self._port = host, port
        self._idle: list[_Connection] = []
        self._all: list[_Connection] = []
        self._opening = asyncio.Semaphore(CONNECTING_AT_ONCE)
        self._head = (
            f"POST /v1/transactions/bulk?wait=final&timeout={max(1, int(wait))} HTTP/1.1\r\n"
            f"Host: {host}:{port}\r\nContent-Type: {BULK_TYPE}\r\nContent-Length: "
        ).encode()

    async def send(self, body: memoryview) -> tuple[int, bytes]:
        """Sends one request on an idle connection or a new one."""
        connection = self._idle.pop() if self._idle else await self._open()
        head = self._head + str(len(body)).encode() + b"\r\n\r\n"
        return await connection.ask(head, body)

    async def _open(self) -> _Connection:
        async with self._opening:
            loop = asyncio.get_running_loop()
            _, made = await loop.create_connection(
                lambda: _Connection(self._idle), self._host, self._port
            )
        self._all.append(made)
        return made

    def abort(self) -> None:
        """Ends all connections."""
        for connection in self._all:
            connection.abort()


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        path.unlink()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


class Generator:
    """Sends segments to nodes in turn. `wait` is how long answers count after the last request."""

    def __init__(self, nodes: Sequence[tuple[str, int]], wait: float) -> None:
        self._nodes = [_Node(host, port, wait) for host, port in nodes]
        self._wait = wait
        self._said = Said()
        self._waiting: dict[asyncio.Task[None], tuple[str, float, int]] = {}
        self._began = 0.0
        self._due = 0.0
        self._sent = 0
        self._error: BaseException | None = None

    async def send(self, segments: AsyncIterator[Segment]) -> Said:
        """Sends everything and waits for the answers."""
        async for segment in segments:
            if not self._began:
                self._began = time.monotonic() + WARNING_SECONDS
                self._said.began_ms = time.time_ns() // 1_000_000 + int(WARNING_SECONDS * 1_000)
            await self._send_segment(segment)
        if self._waiting:
            await asyncio.wait(list(self._waiting), timeout=self._wait)
        for task, (phase, due, count) in list(self._waiting.items()):
            self._said.count(phase, "unanswered", count)
            self._said.replies.append(Reply(phase, due, None, 0, count))
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        for node in self._nodes:
            node.abort()
        if self._error is not None:
            raise self._error
        return self._said

    async def _send_segment(self, segment: Segment) -> None:
        # Not closed: requests under way read from it; it goes with the last of them.
        view = memoryview(_mapped(Path(segment.file)))
        start = 0
        for end, count in zip(segment.ends, segment.counts, strict=True):
            moment = self._began + self._due
            if (ahead := moment - time.monotonic()) > 0:
                await asyncio.sleep(ahead)
            self._said.late = max(self._said.late, time.monotonic() - moment)
            node = self._nodes[self._sent % len(self._nodes)]
            work = self._one(node, view[start:end], segment.phase, self._due, count)
            task = asyncio.create_task(work)
            self._waiting[task] = segment.phase, self._due, count
            task.add_done_callback(self._done)
            start = end
            self._sent += 1
            self._due += segment.interval

    def _done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        self._waiting.pop(task)
        self._error = self._error or task.exception()

    async def _one(
        self, node: _Node, body: memoryview, phase: str, due: float, count: int
    ) -> None:
        seconds, final = None, 0
        try:
            status, answer = await node.send(body)
        except OSError as error:
            self._said.count(phase, type(error).__name__, count)
        else:
            final, known = self._count(phase, status, answer, count)
            if known:
                seconds = time.monotonic() - self._began - due
        self._said.replies.append(Reply(phase, due, seconds, final, count))

    def _count(self, phase: str, status: int, answer: bytes, count: int) -> tuple[int, bool]:
        """Counts what an answer says: how many are final, and whether it says so of all."""
        document = json.loads(answer)
        if status != 200:
            self._said.count(phase, document["code"] if status >= 400 else "pending", count)
            return 0, False
        for entry in document["refused"]:
            self._said.count(phase, entry["code"], 1)
        encoded = base64.b64decode(document.get("codes") or "")
        final = len(encoded) // 2
        if encoded.strip(b"\0"):
            numbers = Counter(memoryview(encoded).cast("H"))
            final = numbers.pop(0, 0)
            for number, found in numbers.items():
                name = "skipped" if number == codes.SKIPPED else codes.name(number)
                self._said.count(phase, name, found)
        return final, True


async def _told() -> AsyncIterator[Segment]:
    """Segments from standard input. The next one is read while one is sent."""
    loop = asyncio.get_running_loop()
    reading = loop.run_in_executor(None, sys.stdin.readline)
    while line := await reading:
        reading = loop.run_in_executor(None, sys.stdin.readline)
        yield Segment(**json.loads(line))


async def _serve() -> Said:
    plan = json.loads(sys.stdin.readline())
    nodes = [(host, port) for host, port in plan["nodes"]]
    return await Generator(nodes, plan["wait"]).send(_told())


def _run() -> Said:
    try:
        import uvloop  # noqa: PLC0415 - optional: there are machines without wheels for it
    except ImportError:
        return asyncio.run(_serve())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve())


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Entry of the process."""
    before = _cpu_seconds()
    said = _run()
    json.dump(said.document(_cpu_seconds() - before), sys.stdout)


if __name__ == "__main__":
    main()
