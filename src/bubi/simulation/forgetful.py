"""An engine that forgets what it signed, before a guard that does not.

The engine of a faulty member runs as it should and now and then asks for a second statement where
it has made one: after each kind of vote, and after a restart for what it was told it had signed.
Driver and guard are the production code. They must refuse, whatever the member did or lost before;
what is refused must never be found signed.
"""

from collections import deque
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from bubi.consensus.engine import (
    Effect,
    Engine,
    Input,
    Progress,
    SignVote,
    Start,
    VoteRefused,
    VoteSigned,
)
from bubi.consensus.guard import VoteRequest

if TYPE_CHECKING:
    from bubi.simulation.cluster import Cluster
    from bubi.simulation.host import Place

ACT = "sign_again"
ODDS = 0.2
REMEMBERED = 64


class Forgetful:
    """See the module."""

    name = "forgetful"

    def __init__(
        self, engine: Engine[Any], cluster: "Cluster", place: "Place", random: Random
    ) -> None:
        self._engine = engine
        self._cluster = cluster
        self._place = place
        self._random = random
        self._asked: deque[VoteRequest] = deque(maxlen=REMEMBERED)

    def initial(self) -> Any:
        """The state before the first height."""
        return self._engine.initial()

    def progress(self, state: Any) -> Progress:
        """Where the height in work stands."""
        return self._engine.progress(state)

    def step(self, state: Any, event: Input) -> tuple[Any, tuple[Effect, ...]]:
        """What the engine does, and the question of its own; only that one it answers itself."""
        if isinstance(event, VoteRefused | VoteSigned) and event.request in self._asked:
            checkers = self._cluster.checkers
            if isinstance(event, VoteSigned):
                checkers.signed_again(self._place, event.request)
            else:
                checkers.refused_again(self._place, event.request)
            return state, ()
        after, effects = self._engine.step(state, event)
        said = _said(event)
        if said is None or self._random.random() >= ODDS:
            return after, effects
        self._cluster.injected[ACT] += 1
        other = replace(said, digest=bytes(255 - byte for byte in said.digest))
        self._asked.append(other)
        return after, (*effects, SignVote(other))


def _said(event: Input) -> VoteRequest | None:
    """What the engine learns that it has signed."""
    if isinstance(event, VoteSigned):
        return event.request
    return event.votes[-1] if isinstance(event, Start) and event.votes else None
