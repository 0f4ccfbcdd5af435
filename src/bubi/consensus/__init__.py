"""Consensus.

Engines behind one interface, the driver, the signer guard, quorum arithmetic. All of it is pure.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from bubi.consensus.engine import Engine, Signatures
from bubi.consensus.paxos import PaxosEngine
from bubi.consensus.pbft import PbftEngine
from bubi.consensus.raft import RaftEngine
from bubi.consensus.solo import SoloEngine
from bubi.consensus.switching import SwitchingEngine

__all__ = [
    "ENGINES",
    "Engine",
    "PaxosEngine",
    "PbftEngine",
    "RaftEngine",
    "SoloEngine",
    "SwitchingEngine",
    "engine_in_force",
    "engine_named",
]

ENGINES: dict[str, Callable[[Signatures], Engine[Any]]] = {
    PaxosEngine.name: PaxosEngine,
    PbftEngine.name: PbftEngine,
    RaftEngine.name: RaftEngine,
    SoloEngine.name: lambda _: SoloEngine(),
}
"""The engines that this version runs, by the name that stands in a validator set."""


def engine_named(name: str, signatures: Signatures) -> Engine[Any]:
    """The engine with this name.

    Raises:
        ValueError: there is none.
    """
    try:
        make = ENGINES[name]
    except KeyError:
        msg = f"unknown engine {name!r}; this version runs: {', '.join(sorted(ENGINES))}"
        raise ValueError(msg) from None
    return make(signatures)


def engine_in_force(signatures: Signatures) -> SwitchingEngine:
    """The engine that the configuration of each height names."""
    return SwitchingEngine(partial(engine_named, signatures=signatures))
