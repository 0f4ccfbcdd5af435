"""Consensus.

Engines behind one interface, the driver, the signer guard, quorum arithmetic. All of it is pure.
"""

from typing import Any

from bubi.consensus.engine import Engine
from bubi.consensus.solo import SoloEngine

__all__ = ["ENGINES", "Engine", "engine_named"]

ENGINES: dict[str, Engine[Any]] = {SoloEngine.name: SoloEngine()}
"""The engines that this version runs, by the name that stands in a validator set."""


def engine_named(name: str) -> Engine[Any]:
    """The engine with this name.

    Raises:
        ValueError: there is none.
    """
    try:
        return ENGINES[name]
    except KeyError:
        msg = f"unknown engine {name!r}; this version runs: {', '.join(sorted(ENGINES))}"
        raise ValueError(msg) from None
