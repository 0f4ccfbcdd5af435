"""Batches of other validators on their way through verification.

One call of the core verifies at a time, and takes everything that waits when it begins: a batch
that is alone waits for nobody, and under load many signatures in one call cost less than few.
"""

from collections import deque
from collections.abc import Callable
from functools import partial

from bubi import core
from bubi.node.ports import Threads
from bubi.replica.events import BatchChecked, CheckBatch

TOGETHER_BYTES_MAX = 1_048_576
"""Bytes of the batches in one call (one batch at least), some four thousand transfers: more save
nothing, and all verdicts of a call come at its end."""


class Verifier:
    """See the module. Belongs to the event loop's thread; `answer` gets each verdict."""

    def __init__(
        self,
        chain: core.Chain,
        threads: Threads,
        answer: Callable[[BatchChecked[core.Batch]], None],
    ) -> None:
        self._chain = chain
        self._threads = threads
        self._answer = answer
        self._waiting: deque[CheckBatch] = deque()
        self._verifying = False

    def put(self, action: CheckBatch) -> bool:
        """Queues a batch; whether nobody verifies now, so that `run` must be started."""
        self._waiting.append(action)
        return not self._verifying

    async def run(self) -> None:
        """Verifies what waits, until nothing does."""
        if self._verifying:
            return
        self._verifying = True
        try:
            while self._waiting:
                taken = self._take()
                work = partial(self._chain.decode_batches, [(a.header, a.body) for a in taken])
                verdicts = await self._threads.admit(work)
                for action, verdict in zip(taken, verdicts, strict=True):
                    self._answer(_checked(action, verdict))
        finally:
            self._verifying = False

    def _take(self) -> list[CheckBatch]:
        taken = [self._waiting.popleft()]
        size = len(taken[0].body)
        while self._waiting and size + len(self._waiting[0].body) <= TOGETHER_BYTES_MAX:
            taken.append(self._waiting.popleft())
            size += len(taken[-1].body)
        return taken


def _checked(action: CheckBatch, verdict: core.Batch | core.CoreError) -> BatchChecked[core.Batch]:
    if isinstance(verdict, core.CoreError):
        reason = f"{core.error_code(verdict)}: {core.error_detail(verdict)}"
        return BatchChecked(action.digest, None, reason)
    if verdict.digest != action.digest:
        return BatchChecked(action.digest, None, "its digest is another one")
    return BatchChecked(action.digest, verdict)
