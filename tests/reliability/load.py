"""Load that never pauses: bulk and single requests in an open loop, the node alive or dead.

A program of its own. Everything is written to the journal, durably, before it is sent, and again
once its outcome was final. What was not acknowledged is sent again later: it must not count twice.
"""

import asyncio
import base64
import json
import os
import random
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[2]))

from harness import Account, Signer

from bubi import core

BULK = "application/vnd.bubi.transactions"
SINGLE = "application/vnd.bubi.transaction"
BULK_SIZE = 100
SINGLES = 5
IN_FLIGHT_MAX = 64
STOCK = 2_000


@dataclass
class Target:
    """A node and the requests that it has not answered; a silent one does not stop the others."""

    client: httpx.AsyncClient
    requests: set[asyncio.Task[None]] = field(default_factory=set)


def read_document(answer: httpx.Response) -> dict[str, Any]:
    """The JSON of an answer; any other answer is a defect of the node, and is shown."""
    try:
        document: dict[str, Any] = answer.json()
    except ValueError as error:
        msg = f"{answer.status_code} with {answer.content[:200]!r}"
        raise AssertionError(msg) from error
    return document


class Load:
    """The open loop."""

    def __init__(self, settings: dict[str, object]) -> None:
        text = {name: str(value) for name, value in settings.items()}
        secrets = settings["secrets"]
        assert isinstance(secrets, list)
        self.signer = Signer(
            bytes.fromhex(text["chain_id"]),
            [Account.of(bytes.fromhex(secret)) for secret in secrets],
            text["asset"],
            random.Random(int(text["seed"])),
        )
        self.rate = int(text["rate"])
        urls = settings["urls"]
        assert isinstance(urls, list)
        limits = httpx.Limits(max_connections=2 * IN_FLIGHT_MAX)
        self.targets = [
            Target(httpx.AsyncClient(base_url=str(url), timeout=60, limits=limits)) for url in urls
        ]
        self.journal = os.open(text["journal"], os.O_WRONLY | os.O_APPEND)
        self.stock: deque[tuple[str, bytes]] = deque()
        self.again: deque[tuple[str, bytes]] = deque(maxlen=20_000)

    def write(self, lines: list[str]) -> None:
        """Appends to the journal, durable on return."""
        if lines:
            os.write(self.journal, "".join(f"{line}\n" for line in lines).encode("ascii"))
            os.fsync(self.journal)

    def take(self, count: int) -> list[tuple[str, bytes]]:
        """New transactions, with a few of those whose outcome is unknown."""
        old = min(len(self.again), count // 4)
        chosen = [self.again.popleft() for _ in range(old)]
        while len(chosen) < count:
            if not self.stock:
                self.sign()
            chosen.append(self.stock.popleft())
        self.write([f"S {digest}" for digest, _ in chosen[old:]])
        return chosen

    def sign(self) -> None:
        """Signs a transaction ahead of its use."""
        transaction = self.signer.transfer()
        self.stock.append((self.signer.hash(transaction), transaction))

    async def bulk(self, client: httpx.AsyncClient) -> None:
        """One request of many."""
        chosen = self.take(BULK_SIZE)
        try:
            answer = await client.post(
                "/v1/transactions/bulk?wait=final&timeout=30",
                content=core.bulk_body([transaction for _, transaction in chosen]),
                headers={"content-type": BULK},
            )
        except httpx.HTTPError:
            self.again.extend(chosen)
            return
        document = read_document(answer)
        if answer.status_code != 200 or not document.get("codes"):
            self.again.extend(chosen)
            return
        refused = {entry["index"] for entry in document["refused"]}
        admitted = [one for index, one in enumerate(chosen) if index not in refused]
        codes = memoryview(base64.b64decode(document["codes"])).cast("H")
        lines = []
        for one, code in zip(admitted, codes, strict=True):
            if code == 0:
                lines.append(f"A {one[0]} {document['height']}")
            else:
                # Rejected for want of funds is impossible here: only a skipped one is asked again.
                assert code == core.SKIPPED, code
        self.write(lines)

    async def single(self, client: httpx.AsyncClient) -> None:
        """One request of one."""
        (chosen,) = self.take(1)
        try:
            answer = await client.post(
                "/v1/transactions?wait=final&timeout=30",
                content=chosen[1],
                headers={"content-type": SINGLE},
            )
        except httpx.HTTPError:
            self.again.append(chosen)
            return
        document = read_document(answer)
        if answer.status_code == 200 and document["status"] == "final":
            assert document["id"] == chosen[0]
            self.write([f"A {chosen[0]} {document['height']}"])
        else:
            self.again.append(chosen)

    async def run(self) -> None:
        """Sends at the rate asked for, whether answers come or not."""
        period = (BULK_SIZE + SINGLES) / self.rate
        due = time.monotonic()
        turn = 0
        while True:
            due += period
            turn += 1
            target = self.targets[turn % len(self.targets)]
            if len(target.requests) < IN_FLIGHT_MAX:
                client = target.client
                works = [self.bulk(client), *(self.single(client) for _ in range(SINGLES))]
                for work in works:
                    task = asyncio.create_task(work)
                    target.requests.add(task)
                    task.add_done_callback(partial(self.finished, target))
            while time.monotonic() < due and len(self.stock) < STOCK:
                self.sign()
                await asyncio.sleep(0)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    @staticmethod
    def finished(target: Target, task: asyncio.Task[None]) -> None:
        """Ends the process on a defect of the load itself."""
        target.requests.discard(task)
        error = task.exception()
        if error is not None:
            sys.stderr.write(f"load: {error!r}\n")
            os._exit(70)


if __name__ == "__main__":
    asyncio.run(Load(json.loads(sys.argv[1])).run())
