"""The one registry of consensus engines: those of this package, and those that others installed.

A distribution offers an engine by an entry point of the group `bubi.engines`. Its name there is
the name that stands in a validator set and must hold a dot, so that it never meets one of ours;
its value is what makes the engine from a `Signatures`. Installing one runs its code in the node.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from bubi.consensus import ENGINES
from bubi.consensus.engine import Engine, Signatures
from bubi.consensus.registry import Factory, Registry, UnknownEngineError

GROUP = "bubi.engines"
NAME_BYTES_MAX = 64
"""As in a validator set."""


def installed() -> Registry:
    """All engines of this installation. Their modules are imported here, not later."""
    return registry_of(entry_points(group=GROUP))


def registry_of(points: Iterable[EntryPoint]) -> Registry:
    """Our engines and those of these entry points."""
    engines: dict[str, Factory] = dict(ENGINES)
    faults: dict[str, str] = {}
    for point in sorted(points, key=lambda one: (one.name, one.value)):
        reason = _name_fault(point.name, engines)
        if reason is None:
            try:
                engines[point.name] = _checked(point.name, point.load())
                continue
            except Exception as error:
                reason = f"{point.value} cannot be used: {error!r}"
        faults[point.name] = reason
    return Registry(engines, faults)


def _name_fault(name: str, known: Mapping[str, Factory]) -> str | None:
    if "." not in name or len(name.encode()) > NAME_BYTES_MAX or not name.isprintable():
        return f"the name of an installed engine has a dot and at most {NAME_BYTES_MAX} bytes"
    return "two distributions offer this name" if name in known else None


def _checked(name: str, found: Any) -> Factory:
    if not callable(found):
        msg = "it is not callable"
        raise TypeError(msg)

    def make(signatures: Signatures) -> Engine[Any]:
        engine: Engine[Any] = found(signatures)
        if engine.name != name:
            msg = f"the engine installed as {name!r} calls itself {engine.name!r}"
            raise UnknownEngineError(msg)
        return engine

    return make


__all__ = ["GROUP", "installed", "registry_of"]
