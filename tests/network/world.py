"""Nodes on loopback: authorities, certificates, a host that counts."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bubi.messages import Priority
from bubi.network import (
    Address,
    Authority,
    ConnectionLimits,
    Delivery,
    Network,
    PeerInfo,
    Policy,
    Settings,
)
from bubi.network import certificates as x509
from tests.ports import free_port

CHAIN = b"c" * 32
FAST = Policy(dial_first=0.05, dial_max=0.4, stable=1.0)
LIMITS = ConnectionLimits()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Organisation:
    """An authority with its key."""

    name: str
    algorithm: str = "p256"

    def __post_init__(self) -> None:
        self.key = x509.new_key(self.algorithm)
        self.certificate = x509.create_authority(self.name, self.key, now_ms())

    @property
    def authority(self) -> Authority:
        return Authority(self.name, self.certificate)

    def issue(self, folder: Path, name: str, days: int = 100) -> tuple[Path, Path]:
        """Files of a new node: certificate and key."""
        key = x509.new_key(self.algorithm)
        request = x509.create_request(name, self.name, key)
        certificate = x509.sign_request(request, self.certificate, self.key, now_ms(), days)
        files = folder / f"{name}.cert.pem", folder / f"{name}.key.pem"
        files[0].write_bytes(x509.pem(certificate))
        files[1].write_bytes(x509.key_pem(key))
        return files


@dataclass
class Counting:
    """A host that keeps what it hears. With `finish` False it never gives credit back."""

    finish: bool = True
    messages: list[tuple[bytes, int, bytes]] = field(default_factory=list)
    arrivals: list[tuple[Priority, int, float, float]] = field(default_factory=list)
    """Priority and size of each message, processor and wall clock when it came (s)."""
    up: list[PeerInfo] = field(default_factory=list)
    events: list[tuple[str, bytes, str]] = field(default_factory=list)
    alarms: list[tuple[str, str]] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    received: int = 0
    keep: bool = True

    def on_peer_up(self, peer: PeerInfo) -> None:
        self.up.append(peer)
        self.events.append(("up", peer.node, ""))

    def on_peer_down(self, peer: bytes, reason: str) -> None:
        self.events.append(("down", peer, reason))

    def on_message(self, delivery: Delivery) -> None:
        self.received += len(delivery.payload)
        if self.keep:
            self.messages.append((delivery.peer, delivery.kind, delivery.payload))
            clocks = (time.process_time(), time.perf_counter())
            self.arrivals.append((delivery.priority, len(delivery.payload), *clocks))
        if self.finish:
            delivery.done()
        else:
            self.deliveries.append(delivery)

    def on_alarm(self, code: str, text: str) -> None:
        self.alarms.append((code, text))

    def reasons(self, peer: bytes) -> list[str]:
        return [reason for what, node, reason in self.events if what == "down" and node == peer]


@dataclass
class Node:
    """A running network with its host."""

    network: Network
    host: Counting
    address: Address | None

    @property
    def id(self) -> bytes:
        return self.network.node

    def peer(self, other: "Node | bytes") -> dict[str, Any]:
        """What the snapshot says of another node."""
        wanted = other if isinstance(other, bytes) else other.id
        peers: Any = self.network.snapshot()["peers"]
        return next((one for one in peers if one["id"] == wanted.hex()), {})


class World:
    """Organisations and nodes of one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.organisations: dict[str, Organisation] = {}
        self.nodes: list[Node] = []
        self._issued: Counter[str] = Counter()

    def organisation(self, name: str = "Alpha Bank", algorithm: str = "p256") -> Organisation:
        if name not in self.organisations:
            self.organisations[name] = Organisation(name, algorithm)
        return self.organisations[name]

    @property
    def authorities(self) -> tuple[Authority, ...]:
        return tuple(one.authority for one in self.organisations.values())

    def renew(self, name: str, days: int, organisation: str = "Alpha Bank") -> bytes:
        """A new certificate (DER) for the key that a node has."""
        return x509.der(self.renewed_by(self.organisation(organisation), name, days))

    def renewed_by(self, issuer: Organisation, name: str, days: int) -> bytes:
        """The same (PEM) of any authority."""
        key = x509.load_key((self.folder / f"{name}.key.pem").read_bytes())
        request = x509.create_request(name, issuer.name, key)
        made = x509.sign_request(request, issuer.certificate, issuer.key, now_ms(), days)
        return x509.pem(made)

    def settings(
        self,
        name: str,
        *seeds: Node | Address | None,
        organisation: str = "Alpha Bank",
        listening: bool = True,
        days: int = 100,
        **changes: Any,
    ) -> Settings:
        files = self.organisation(organisation).issue(self.folder, name, days)
        address = Address("127.0.0.1", free_port()) if listening else None
        places = (one.address if isinstance(one, Node) else one for one in seeds)
        fields: dict[str, Any] = {
            "chain": CHAIN,
            "certificate": files[0],
            "key": files[1],
            "listen": address,
            "advertised": address,
            "seeds": tuple(one for one in places if one is not None),
            "policy": FAST,
            "limits": LIMITS,
            "tick": 0.02,
        }
        return Settings(**{**fields, **changes})

    async def start(
        self,
        name: str,
        *seeds: Node | Address | None,
        host: Counting | None = None,
        **changes: Any,
    ) -> Node:
        """A running node with a new certificate."""
        authorities = changes.pop("authorities", None)
        settings = self.settings(name, *seeds, **changes)
        return await self.run(settings, host, authorities)

    async def run(
        self,
        settings: Settings,
        host: Counting | None = None,
        authorities: tuple[Authority, ...] | None = None,
    ) -> Node:
        """A running node with these settings."""
        counting = host or Counting()
        network = Network(settings, authorities or self.authorities, counting, now_ms)
        await network.start()
        node = Node(network, counting, settings.listen)
        self.nodes.append(node)
        return node

    async def stop(self) -> None:
        await asyncio.gather(*(node.network.stop() for node in self.nodes))


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """A world that is gone afterwards."""
    made = World(folder)
    try:
        yield made
    finally:
        await made.stop()


async def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Waits for something; fails with its source after so long."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.005)
    return result


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def run(
    folder: Path, test: Callable[["World"], Coroutine[Any, Any, None]], loop: str = "asyncio"
) -> None:
    """Runs a test in a world; nothing of it may be left behind, and no task may have failed."""
    problems: list[dict[str, Any]] = []

    async def guarded() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, one: problems.append(one))
        async with world(folder) as made:
            await test(made)
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(guarded())
    assert problems == []


def connected(one: Node, other: Node) -> bool:
    return other.id in one.network.peers and one.id in other.network.peers
