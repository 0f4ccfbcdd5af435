"""Work on several processes, and engines by name."""

import importlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any

from bubi.consensus import SwitchingEngine, engine_in_force, engine_named
from bubi.engines import installed

AHEAD = 4
"""Runs handed out per process at a time, so that results come in order of work."""


def load_factory(name: str) -> Callable[[Any], Any]:
    """What makes an engine from a `Signatures`: by `MODULE:NAME`, or by its name if installed.

    Raises:
        ValueError, ImportError, AttributeError: there is no such thing.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        registry = installed()
        if name not in registry.engines:
            reason = registry.faults.get(name, "neither MODULE:ENGINE nor an installed engine")
            raise ValueError(reason)
        return registry.engines[name]
    factory: Callable[[Any], Any] = getattr(importlib.import_module(module), attribute)
    return factory


def make_engine(name: str, signatures: Any, factory: Callable[[Any], Any] | None) -> Any:
    """An engine of this package by its name, or what a factory of others makes."""
    return engine_named(name, signatures) if factory is None else factory(signatures)


def switching_engine(
    name: str, signatures: Any, factory: Callable[[Any], Any] | None
) -> SwitchingEngine:
    """The engine that each height names; what makes `name` may be a factory of others."""
    if factory is None:
        return engine_in_force(signatures)

    def named(wanted: str) -> Any:
        return make_engine(wanted, signatures, factory if wanted == name else None)

    return SwitchingEngine(named)


def end_with_parent() -> None:
    """Lets a worker die with the process that started it, also when that was killed.

    Such a worker would otherwise finish all that was handed to it, for nobody.
    """

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def each(call: Callable[[Any], Any], arguments: Sequence[Any], processes: int) -> Iterator[Any]:
    """Results in the order in which they come."""
    if processes <= 1:
        yield from map(call, arguments)
        return
    # A fresh interpreter each: threads of the core do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, end_with_parent) as pool:
        waiting: set[Future[Any]] = set()
        for argument in arguments:
            waiting.add(pool.submit(call, argument))
            if len(waiting) >= AHEAD * processes:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        for one in waiting:
            yield one.result()
