"""Links between nodes that are slow, lossy or cut: a relay for each link, in user space.

A relay sees bytes, not packets. Loss is therefore what TCP makes of it: what a lost packet held is
late by a retransmission time-out, and everything behind it waits. A cut link is silent: nothing is
closed, nothing arrives, and what was sent arrives after it heals.
"""

import asyncio
import contextlib
import random
import socket
import threading
from collections.abc import Callable
from typing import Self

PIECE = 16_384
RETRANSMISSION_SECONDS = 0.25


class Link:
    """One link; its conditions may be changed from any thread while bytes flow."""

    def __init__(self, target: int, chance: random.Random) -> None:
        self.target = target
        self.delay = 0.0
        self.jitter = 0.0
        self.loss = 0.0
        self.passed = 0
        self.chance = chance
        self.healed = asyncio.Event()
        self.healed.set()
        listener = socket.create_server(("127.0.0.1", 0))
        self.listener = listener
        self.port: int = listener.getsockname()[1]
        self.tasks: set[asyncio.Task[None]] = set()

    def lateness(self) -> float:
        """Seconds that the next piece takes."""
        seconds = self.delay + self.jitter * self.chance.random()
        while self.chance.random() < self.loss:
            seconds += RETRANSMISSION_SECONDS
        return seconds

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from end to end."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        far: asyncio.StreamWriter | None = None
        try:
            await self.healed.wait()
            back, far = await asyncio.open_connection("127.0.0.1", self.target, limit=PIECE)
            ways = [
                asyncio.ensure_future(self.pump(reader, far)),
                asyncio.ensure_future(self.pump(back, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            pass  # the node behind is down
        finally:
            writer.transport.abort()
            if far is not None:
                far.transport.abort()
            self.tasks.discard(task)

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes bytes on in their order, each piece when it is due."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(256)
        loop = asyncio.get_running_loop()

        async def deliver() -> None:
            while True:
                due, data = await waiting.get()
                if not data:
                    return
                if (rest := due - loop.time()) > 0:
                    await asyncio.sleep(rest)
                await self.healed.wait()
                self.passed += len(data)
                writer.write(data)
                await writer.drain()

        delivery = asyncio.ensure_future(deliver())
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(PIECE):
                    await waiting.put((loop.time() + self.lateness(), data))
                await waiting.put((0.0, b""))
                await delivery
        finally:
            delivery.cancel()
            await asyncio.gather(delivery, return_exceptions=True)


class Links:
    """A link for each ordered pair of nodes: the first one dials, the second one listens."""

    def __init__(self, ports: list[int], seed: int = 1) -> None:
        self.chance = random.Random(seed)
        self.count = len(ports)
        self.between = {
            (one, other): Link(ports[other], self.chance)
            for one in range(self.count)
            for other in range(self.count)
            if one != other
        }
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self.loop.run_until_complete(self._serve())
        self.loop.close()

    async def _serve(self) -> None:
        self.over = asyncio.Event()
        servers = [
            await asyncio.start_server(link.serve, sock=link.listener, limit=PIECE)
            for link in self.between.values()
        ]
        await self.over.wait()
        for server in servers:
            server.close()
        tasks = [task for link in self.between.values() for task in link.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self.over.set)
        self.thread.join(10)

    def _call(self, work: Callable[[], None]) -> None:
        self.loop.call_soon_threadsafe(work)

    def of(self, node: int) -> list[Link]:
        """Both directions of every link of a node."""
        return [link for pair, link in self.between.items() if node in pair]

    def all(self) -> list[Link]:
        """Every link."""
        return list(self.between.values())

    def condition(
        self, links: list[Link], delay: float = 0.0, jitter: float = 0.0, loss: float = 0.0
    ) -> None:
        """Seconds each way, seconds more at random, and the share of pieces lost."""
        for link in links:
            link.delay, link.jitter, link.loss = delay, jitter, loss

    def cut(self, links: list[Link]) -> None:
        """Nothing passes any more; nobody is told."""
        for link in links:
            self._call(link.healed.clear)

    def heal(self, links: list[Link]) -> None:
        """Everything passes again."""
        for link in links:
            self._call(link.healed.set)
