"""The index as a part of the gateway: feeds the reader and announces new blocks."""

import asyncio
import time

from sqlalchemy import Engine

from bubi import core
from bubi.gateway.index.reader import Reader
from bubi.gateway.index.writer import Progress
from bubi.gateway.problems import ProblemError
from bubi.gateway.service import Gateway

RETRY_SECONDS = 0.5


class Index:
    """Follows the node as long as the gateway works."""

    def __init__(self, gateway: Gateway, engine: Engine) -> None:
        self._gateway = gateway
        self._engine = engine
        self._level: int | None = None
        """Number of pauses when the index had all that the node has; None while it has not."""

    async def run(self) -> None:
        """Works until it is cancelled.

        Raises:
            IndexStoppedError: the index cannot go on; the message says why.
        """
        follower = self._gateway.follower
        assert follower is not None
        follower.listen(self._announce)
        opening = asyncio.create_task(self._open())
        try:
            await follower.run()
        finally:
            opening.cancel()
            self._engine.dispose()

    async def _open(self) -> None:
        """Lets routes read as soon as the node said which network it is."""
        while self._gateway.reader is None:
            try:
                network = await self._gateway.node.network()
            except ProblemError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            suite = core.Suite[str(network["suite"]).upper()]
            self._gateway.reader = Reader(
                self._engine, network["prefix"], int(suite), network["chain_id"]
            )

    def _announce(self, progress: Progress) -> None:
        follower = self._gateway.follower
        assert follower is not None
        state = follower.state
        is_level = state.node_height <= progress.height and progress.height > 0
        if is_level and self._level == state.pauses:
            # What was caught up says nothing of how long a block took.
            delay = time.time_ns() // 1_000_000 - progress.time
            self._gateway.delays.append(max(0, delay))
        self._level = state.pauses if is_level else None
        self._gateway.news.tell(
            "block",
            {
                "height": str(progress.height),
                "time": str(progress.time),
                "transactions": str(progress.transactions),
                "node_height": str(max(progress.height, follower.state.node_height)),
            },
            keep=True,
        )
