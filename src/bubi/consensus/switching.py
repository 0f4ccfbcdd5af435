"""The engine that the configuration of a height names.

The engine is a setting of the ledger: a vote changes it at an epoch barrier. Whoever drives
consensus holds this one engine. At a `Start` whose configuration names another engine, that one
begins with nothing; rounds begin at 0 there, and messages of the epoch before are not its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bubi.consensus.engine import Effect, Engine, Input, Progress, Start

NOT_STARTED = Progress(0, 0, None, "opening")


@dataclass(frozen=True, slots=True)
class Running:
    """The engine in work, None before the first height, and its state."""

    engine: Engine[Any] | None = None
    state: Any = None


class SwitchingEngine:
    """See the module. `named` makes an engine; it raises ValueError for one it does not know."""

    name = "switching"

    def __init__(self, named: Callable[[str], Engine[Any]]) -> None:
        self._named = named

    def initial(self) -> Running:
        """The state before the first height."""
        return Running()

    def step(self, state: Running, event: Input) -> tuple[Running, tuple[Effect, ...]]:
        """Advances the engine in work by one input.

        Raises:
            ValueError: the height is to be decided by an engine that this version does not run.
        """
        engine, inner = state.engine, state.state
        if isinstance(event, Start) and (
            engine is None or engine.name != event.configuration.engine
        ):
            engine = self._named(event.configuration.engine)
            inner = engine.initial()
        if engine is None:
            return state, ()
        after, effects = engine.step(inner, event)
        return Running(engine, after), effects

    def progress(self, state: Running) -> Progress:
        """Where the height in work stands."""
        return NOT_STARTED if state.engine is None else state.engine.progress(state.state)
