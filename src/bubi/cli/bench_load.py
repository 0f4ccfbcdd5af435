"""The load generator of `bubi bench network`: a process of its own that only sends.

It reads what to send from standard input (one JSON object), sends presigned bulk requests at fixed
times whatever the nodes answer, and writes what came back. Latency counts from the time a request
should have gone out. What is refused is counted and not sent again; what has no answer a while
after the last request was due counts as unanswered, so that a run under overload ends too.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bubi_sdk import codes
from bubi_sdk.flows import BULK_TYPE

WARNING_SECONDS: Final = 0.3
"""Between the start of the process's work and the first request."""
CONNECTING_AT_ONCE: Final = 64
"""Connections being opened to one node at a time."""


@dataclass(frozen=True)
class Plan:
    """What to send: bodies in a file, each with its end and its number of transactions.

    `nodes` are (host, port); the bodies go to them in turn. `wait` is how long after the last
    request was due answers still count (s).
    """

    file: str
    ends: list[int]
    counts: list[int]
    nodes: list[tuple[str, int]]
    interval: float
    wait: float


@dataclass
class Said:
    """What came back. `answers` holds (latency in s, final transactions) of answered requests."""

    answers: list[tuple[float, int]] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    final: int = 0
    began_ms: int = 0
    seconds: float = 0.0


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
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


async def send(plan: Plan) -> Said:
    """Sends everything and waits for the answers, as long as the plan says."""
    said = Said()
    nodes = [_Node(host, port, plan.wait) for host, port in plan.nodes]
    # Never closed: answers may be late, and the process ends with this.
    view = memoryview(_mapped(Path(plan.file)))
    starts = [0, *plan.ends[:-1]]
    began = time.monotonic() + WARNING_SECONDS
    said.began_ms = time.time_ns() // 1_000_000 + int(WARNING_SECONDS * 1_000)
    tasks: list[asyncio.Task[None]] = []
    for number, (start, end) in enumerate(zip(starts, plan.ends, strict=True)):
        due = began + number * plan.interval
        if (ahead := due - time.monotonic()) > 0:
            await asyncio.sleep(ahead)
        node = nodes[number % len(nodes)]
        work = _one(said, node, view[start:end], plan.counts[number], due, began)
        tasks.append(asyncio.create_task(work))
    _, late = await asyncio.wait(tasks, timeout=plan.wait)
    for number, task in enumerate(tasks):
        if task in late:
            said.others["unanswered"] += plan.counts[number]
            task.cancel()
        elif (error := task.exception()) is not None:
            raise error
    await asyncio.gather(*tasks, return_exceptions=True)
    for node in nodes:
        node.abort()
    return said


async def _one(
    said: Said, node: _Node, body: memoryview, count: int, due: float, began: float
) -> None:
    try:
        status, answer = await node.send(body)
    except OSError as error:
        said.others[type(error).__name__] += count
        return
    now = time.monotonic()
    final = _count(said, status, answer, count)
    if final:
        said.answers.append((now - due, final))
        said.final += final
        said.seconds = max(said.seconds, now - began)


def _count(said: Said, status: int, answer: bytes, count: int) -> int:
    """Counts the transactions of an answer; returns how many are final."""
    document = json.loads(answer)
    if status != 200:
        said.others[document["code"] if status >= 400 else "pending"] += count
        return 0
    for entry in document["refused"]:
        said.others[entry["code"]] += 1
    encoded = base64.b64decode(document.get("codes") or "")
    final = len(encoded) // 2
    if encoded.strip(b"\0"):
        numbers = Counter(memoryview(encoded).cast("H"))
        final = numbers.pop(0, 0)
        for number, found in numbers.items():
            said.others["skipped" if number == codes.SKIPPED else codes.name(number)] += found
    return final


def _run(plan: Plan) -> Said:
    try:
        import uvloop  # noqa: PLC0415 - optional: there are machines without wheels for it
    except ImportError:
        return asyncio.run(send(plan))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(send(plan))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Entry of the process."""
    fields = json.load(sys.stdin)
    fields["nodes"] = [(host, port) for host, port in fields["nodes"]]
    before = _cpu_seconds()
    said = _run(Plan(**fields))
    result: dict[str, Any] = {
        "answers": said.answers,
        "others": dict(said.others),
        "final": said.final,
        "began_ms": said.began_ms,
        "seconds": said.seconds,
        "cpu_seconds": _cpu_seconds() - before,
    }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
