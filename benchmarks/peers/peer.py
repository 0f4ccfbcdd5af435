"""What the measurements of peers share: rows, installing, an open loop, the search for a rate."""

from __future__ import annotations

import asyncio
import importlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CACHE = Path.home() / ".cache" / "bubi-peers"
STEP_SECONDS = 5.0
STEP_FACTOR = 1.5
STEP_CLOSE = 1.15
STEPS_MAX = 10
SHARE = 0.95
P99_SECONDS = 2.0
DRAIN_SECONDS = 0.1
LATE_SECONDS = 30.0
"""How long is waited after the last request for what was sent.

What one attempt leaves behind would spoil the next.
"""


class UnavailableError(Exception):
    """A peer cannot be installed or started here; the message says why."""


@dataclass(frozen=True)
class Attempt:
    """One open loop: transactions, how many of them were committed per second, latencies in s."""

    sent: int
    seen: int
    committed: float
    p50: float
    p99: float

    def sustained(self) -> bool:
        """Whether the peer kept up."""
        return self.seen >= SHARE * self.sent and self.p99 <= P99_SECONDS


@dataclass
class Load:
    """What one open loop sent and saw: when each transaction was due, when it was committed."""

    due: dict[Any, float] = field(default_factory=dict)
    seen: dict[Any, float] = field(default_factory=dict)

    def commit(self, name: Any) -> None:
        """A transaction was seen in a block just now; one that is not ours does not count."""
        if name in self.due:
            self.seen.setdefault(name, time.monotonic())

    async def drain(self) -> None:
        """Waits for what was sent and not seen yet."""
        for _ in range(int(LATE_SECONDS / DRAIN_SECONDS)):
            if len(self.seen) == len(self.due):
                return
            await asyncio.sleep(DRAIN_SECONDS)

    def attempt(self, seconds: float) -> Attempt:
        """The figures. The rate counts until the last transaction that was committed."""
        began = min(self.due.values())
        waits = sorted(self.seen[name] - self.due[name] for name in self.seen)
        ended = max(self.seen.values(), default=began)
        return Attempt(
            len(self.due),
            len(self.seen),
            len(self.seen) / max(seconds, ended - began),
            percentile(waits, 0.5),
            percentile(waits, 0.99),
        )


def percentile(ordered: list[float], share: float) -> float:
    """The value that this share stays below; 0 without any."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def search(attempt: Callable[[float, float], Attempt], first: float, seconds: float) -> Attempt:
    """Looks for the highest rate that is sustained, then measures it for longer."""
    best, worst, rate = 0.0, 0.0, first
    for _step in range(STEPS_MAX):
        if attempt(rate, STEP_SECONDS).sustained():
            best = rate
        else:
            worst = rate
        if best and worst and worst <= best * STEP_CLOSE:
            break
        if best and worst:
            rate = (best * worst) ** 0.5
        else:
            rate = best * STEP_FACTOR if best else worst / 2
    return attempt(best or rate, seconds)


async def open_loop(
    rate: float, seconds: float, request: int, send: Callable[[int, float], Awaitable[None]]
) -> None:
    """Calls `send(number, due)` at fixed times whatever comes back, and waits for all of them."""
    began = time.monotonic() + 0.2
    tasks = []
    for number in range(max(1, round(rate * seconds / request))):
        due = began + number * request / rate
        if (ahead := due - time.monotonic()) > 0:
            await asyncio.sleep(ahead)
        tasks.append(asyncio.ensure_future(send(number, due)))
    done, late = await asyncio.wait(tasks, timeout=LATE_SECONDS)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    for task in done:
        task.result()


async def watched_loop(
    load: Load,
    rate: float,
    seconds: float,
    request: int,
    send: Callable[[int, float], Awaitable[None]],
    watch: Coroutine[Any, Any, None],
) -> Attempt:
    """An open loop while `watch` notes in `load` what is in blocks."""
    watching = asyncio.ensure_future(watch)
    try:
        await open_loop(rate, seconds, request, send)
        await load.drain()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return load.attempt(seconds)


class JsonRpc:
    """JSON-RPC over connections of HTTP that are kept; a batch is a list of calls."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(self, document: Any) -> Any:
        """One request; the document of its answer."""
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        body = json.dumps(document).encode()
        writer.write(
            f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        writer.write(body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"content-length:" in head:
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            answer = await reader.readexactly(length)
        else:
            answer = await _chunks(reader)
        self._idle.append((reader, writer))
        return json.loads(answer)

    async def one(self, method: str, *parameters: Any, **named: Any) -> Any:
        """The result of one call."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": named or list(parameters)}
        answer = await self.call(call)
        if "error" in answer:
            msg = f"{method}: {answer['error']}"
            raise RuntimeError(msg)
        return answer["result"]

    def close(self) -> None:
        """Ends the connections."""
        for _reader, writer in self._idle:
            writer.close()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    found = b""
    while size := int(await reader.readline(), 16):
        found += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return found


def free_ports(count: int) -> list[int]:
    """Different ports of loopback that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def run(words: list[str | Path], what: str, **more: Any) -> str:
    """Runs a program to its end; its output.

    Raises:
        UnavailableError: it is not there, or failed.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, **more)
    except OSError as error:
        msg = f"{what}: {error}"
        raise UnavailableError(msg) from error
    if done.returncode != 0:
        msg = f"{what}: {(done.stderr or done.stdout).strip()[-500:]}"
        raise UnavailableError(msg)
    return done.stdout


def python_packages(*names: str) -> None:
    """Makes packages of PyPI importable, kept beside the project's own.

    Raises:
        UnavailableError: pip could not install them.
    """
    place = CACHE / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if str(place) not in sys.path:
        sys.path.append(str(place))
    for name in names:
        if not list(place.glob(f"{name.partition('==')[0].replace('-', '_')}-*.dist-info")):
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", place, name]
            run(pip, f"pip install {name}")
    importlib.invalidate_caches()
