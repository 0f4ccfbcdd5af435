"""Consensus.

Engines behind one interface, the driver, the signer guard, quorum arithmetic. All of it is pure.
"""

from typing import Any

from bubi.consensus.engine import Engine, Signatures
from bubi.consensus.paxos import PaxosEngine
from bubi.consensus.pbft import PbftEngine
from bubi.consensus.raft import RaftEngine
from bubi.consensus.registry import Factory, Registry, UnknownEngineError
from bubi.consensus.solo import SoloEngine
from bubi.consensus.switching import SwitchingEngine

__all__ = [
    "ENGINES",
    "OURS",
    "Engine",
    "PaxosEngine",
    "PbftEngine",
    "RaftEngine",
    "Registry",
    "SoloEngine",
    "SwitchingEngine",
    "UnknownEngineError",
    "engine_in_force",
    "engine_named",
]

ENGINES: dict[str, Factory] = {
    PaxosEngine.name: PaxosEngine,
    PbftEngine.name: PbftEngine,
    RaftEngine.name: RaftEngine,
    SoloEngine.name: lambda _: SoloEngine(),
}
"""The engines of this package, by the name that stands in a validator set."""
OURS = Registry(ENGINES, {})


def engine_named(name: str, signatures: Signatures) -> Engine[Any]:
    """The engine of this package with this name.

    Raises:
        UnknownEngineError: there is none.
    """
    return OURS.make(name, signatures)


def engine_in_force(signatures: Signatures) -> SwitchingEngine:
    """The engine of this package that the configuration of each height names."""
    return OURS.in_force(signatures)
