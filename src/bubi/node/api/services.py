"""What the routes need from the node."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bubi import core
from bubi.node.api.leases import LeaseTable
from bubi.node.config import ApiSection
from bubi.node.door import Door
from bubi.node.health import Health
from bubi.node.heights import Heights
from bubi.node.metrics import Metrics
from bubi.node.ports import Clock, Threads
from bubi.replica.view import ReplicaView


class Explaining(Protocol):
    """Says why the network decides, or does not."""

    def consensus(self) -> dict[str, Any]:
        """The document of `/v1/consensus`."""
        ...

    def missing(self) -> list[str]:
        """Names of the validators that are missing."""
        ...

    def halted(self) -> bool:
        """Whether this node, or the network as it sees it, decides nothing."""
        ...

    def view(self) -> ReplicaView | None:
        """A moment of the replica; None where an external engine decides."""
        ...

    def totals(self) -> dict[str, int]:
        """Totals since the start, for metrics."""
        ...

    def peers(self) -> list[dict[str, Any]]:
        """The items of `/v1/peers`."""
        ...


@dataclass(slots=True, eq=False)
class Subscription:
    """An open event stream: whose it is, and the newest block that it was given."""

    client: str
    height: int


@dataclass(slots=True)
class Services:
    """One per process; routes reach it through the application's state."""

    chain: core.Chain
    threads: Threads
    clock: Clock
    door: Door
    heights: Heights
    health: Health
    metrics: Metrics
    settings: ApiSection
    trust: Mapping[str, Any]
    leases: LeaseTable
    stopping: asyncio.Event
    explainer: Explaining
    inheritance: Path | None = None
    """Where the end of the chain before lies, if this chain continues one."""
    waiting: int = 0
    streams: int = 0
    subscriptions: list[Subscription] = field(default_factory=list)
