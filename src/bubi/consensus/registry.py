"""Engines by the names that stand in validator sets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bubi.consensus.engine import Engine, Signatures
from bubi.consensus.switching import SwitchingEngine

Factory = Callable[[Signatures], Engine[Any]]


class UnknownEngineError(ValueError):
    """No engine has this name here; the message says which there are, or why one cannot run."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Engines by name. `faults` says of each installed one that cannot run why not."""

    engines: Mapping[str, Factory]
    faults: Mapping[str, str]

    @property
    def names(self) -> frozenset[str]:
        """Names of all that run."""
        return frozenset(self.engines)

    def make(self, name: str, signatures: Signatures) -> Engine[Any]:
        """The engine with this name.

        Raises:
            UnknownEngineError: there is none that runs.
        """
        factory = self.engines.get(name)
        if factory is None:
            reason = self.faults.get(name, f"there are: {', '.join(sorted(self.engines))}")
            msg = f"no engine {name!r} runs here: {reason}"
            raise UnknownEngineError(msg)
        return factory(signatures)

    def in_force(self, signatures: Signatures) -> SwitchingEngine:
        """The engine that the configuration of each height names."""
        return SwitchingEngine(partial(self.make, signatures=signatures))
