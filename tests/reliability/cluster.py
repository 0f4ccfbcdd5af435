"""Four validators in processes of their own, TLS between them, and what they must agree on."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from harness import (
    Account,
    Journal,
    Node,
    Signer,
    await_acknowledged,
    check_supply,
    load_process,
    look_up,
    open_chain,
    receipts,
)
from links import Links

from bubi import core
from bubi.network.addresses import Address
from bubi.node import ceremony
from tests.ports import free_port

COUNT = 4
LEVEL_SECONDS = 240.0
SETTINGS = "\n[store]\nsegment_bytes = 1048576\n"


@dataclass
class Cluster:
    """A network of four organisations, each with one validator."""

    nodes: list[Node]
    ports: list[int]
    seed: int
    secrets: list[bytes] = field(default_factory=list)

    @classmethod
    def make(
        cls, folder: Path, seed: int, parameters: dict[str, Any] | None = None, accounts: int = 16
    ) -> "Cluster":
        """Makes the network by the ceremony that its owners would hold."""
        source = random.Random(seed)
        secrets = [source.randbytes(32) for _ in range(accounts)]
        ports = [free_port() for _ in range(2 * COUNT)]
        requests = [
            ceremony.make_request(
                folder / f"node{place + 1}",
                name=f"node{place + 1}",
                organisation=f"organisation{place + 1}",
                address=Address("127.0.0.1", ports[place]),
            )
            for place in range(COUNT)
        ]
        ceremony.create(
            folder / "public",
            requests,
            network="reliability",
            kind="development",
            engine="pbft",
            accounts=[Account.of(secret).key.public_key for secret in secrets],
            parameters=parameters,
        )
        nodes = []
        for place in range(COUNT):
            made = ceremony.join(
                folder / f"node{place + 1}", folder / "public", api_port=ports[COUNT + place]
            )
            with made.config.open("a", encoding="utf-8") as config:
                config.write(SETTINGS)
            nodes.append(Node(made, secrets))
        return cls(nodes, ports[:COUNT], seed, secrets)

    def join_by(self, links: Links) -> None:
        """Makes every connection pass the relay of its pair; nobody is told another address."""
        for place, node in enumerate(self.nodes):
            seeds = [
                f'"127.0.0.1:{links.between[place, other].port}"'
                for other in range(COUNT)
                if other != place
            ]
            text = node.made.config.read_text(encoding="utf-8")
            text = re.sub(r"(?m)^seeds = .*$", f"seeds = [{', '.join(seeds)}]", text)
            text = re.sub(r"(?m)^advertise = .*\n", "", text)
            node.made.config.write_text(text, encoding="utf-8")

    def start(self) -> None:
        """Starts all and waits until all take transactions."""
        for node in self.nodes:
            if node.process is None:
                node.spawn()
        for node in self.nodes:
            node.wait_ready()

    def close(self) -> None:
        """Ends what still runs."""
        for node in self.nodes:
            if node.process is not None:
                node.process.send_signal(signal.SIGCONT)
            node.close()

    def prepare(self) -> Signer:
        """Issues an asset to every account."""
        # Another seed than that of the load: ids must not repeat.
        signer = self.nodes[0].prepare_asset(self.seed + 1)
        self.level()
        return signer

    def level(self, seconds: float = LEVEL_SECONDS) -> float:
        """Waits until all stand at the same height with the same root; gives the seconds.

        Without load only: else they pass one another.
        """
        began = time.monotonic()
        while True:
            seen = {position(node) for node in self.nodes}
            took = time.monotonic() - began
            if len(seen) == 1:
                return took
            assert took < seconds, seen
            time.sleep(0.05)

    def leader(self) -> int | None:
        """The place of the node that leads now, as the first one that answers tells."""
        for node in self.nodes:
            try:
                name = node.client.get("/v1/consensus", timeout=60).json()["leader"]
            except httpx.TransportError:
                continue
            return None if name is None else int(name.removeprefix("node")) - 1
        return None

    def cpu_seconds(self) -> float:
        """Processor time of all nodes since their start."""
        ticks = 0
        for node in self.nodes:
            assert node.process is not None
            text = Path(f"/proc/{node.process.pid}/stat").read_text(encoding="ascii")
            fields = text.rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def position(node: Node) -> tuple[int, str]:
    """Height and state root of a running node."""
    document = node.client.get("/v1/network").json()
    return int(document["height"]), str(document["state_root"])


def wait_height(node: Node, height: int, seconds: float) -> float:
    """Waits until a node has a height and takes transactions; gives the seconds."""
    began = time.monotonic()
    while True:
        took = time.monotonic() - began
        try:
            # Every transaction that is acknowledged after a restart also passed this node's gates.
            if node.client.get("/health").status_code == 200 and position(node)[0] >= height:
                return took
        except httpx.TransportError:
            assert node.process is not None
            assert node.process.poll() is None, node.log.read_text(encoding="utf-8")[-4_000:]
        assert took < seconds, f"{node.made.directory.name} is not at {height} after {seconds} s"
        time.sleep(0.05)


@dataclass
class Run:
    """A cluster under load, with the journal."""

    cluster: Cluster
    signer: Signer
    journal: Journal
    load: subprocess.Popen[bytes]
    acknowledged: dict[str, int] = field(default_factory=dict)

    def take(self, wanted: int) -> dict[str, int]:
        """Waits until so many more were acknowledged; gives them."""
        assert self.load.poll() is None, "the load ended"
        fresh = await_acknowledged(self.journal, wanted)
        self.acknowledged.update(fresh)
        return fresh

    def count(self, seconds: float) -> int:
        """How many were acknowledged in so many seconds."""
        self.journal.read()
        before = len(self.journal.acknowledged)
        time.sleep(seconds)
        self.journal.read()
        return len(self.journal.acknowledged) - before

    def quiet(self) -> None:
        """Ends the load."""
        self.load.terminate()
        self.load.wait(120)
        self.journal.read()


@contextmanager
def under_load(
    cluster: Cluster, folder: Path, rate: int, targets: Sequence[int] = range(COUNT)
) -> Iterator[Run]:
    """Starts the cluster, loads some of its nodes, and at the end compares all ledgers."""
    load: subprocess.Popen[bytes] | None = None
    try:
        cluster.start()
        signer = cluster.prepare()
        journal = Journal(folder / "journal")
        nodes = [cluster.nodes[place] for place in targets]
        load = load_process(nodes, signer, journal.path, cluster.seed, rate)
        run = Run(cluster, signer, journal, load)
        yield run
        run.quiet()
        settled = cluster.level()
        for node in cluster.nodes:
            assert node.stop() == 0, node.log.read_text(encoding="utf-8")[-2_000:]
        check_agreement(cluster, journal, signer.asset)
        print(  # noqa: T201 - the figures are what a person wants to see
            f"{len(journal.sent)} sent, {len(journal.acknowledged)} acknowledged, "
            f"level {settled:.1f} s after the load"
        )
    finally:
        if load is not None and load.poll() is None:
            load.kill()
            load.wait()
        cluster.close()


def check_agreement(cluster: Cluster, journal: Journal, asset: str) -> None:
    """All four ledgers against one another, and one whole against the journal."""
    histories = []
    for node in cluster.nodes:
        chain = open_chain(node.data, node.made.directory / "genesis.bin")
        try:
            histories.append([decided(chain, height) for height in range(1, chain.height + 1)])
            assert chain.snapshot_root() == chain.state_root
            check_supply(chain, asset, len(cluster.secrets))
            if node is cluster.nodes[-1]:
                check_journal(chain, journal, len(cluster.secrets) + 1)
        finally:
            chain.close()
    # They are stopped one after another: those that stop later may have decided more.
    for place, history in enumerate(histories[1:], start=2):
        pairs = enumerate(zip(histories[0], history, strict=False), start=1)
        forked = [height for height, (one, other) in pairs if one != other]
        assert not forked, f"node1 and node{place} decided differently at {forked[:5]}"


def decided(chain: core.Chain, height: int) -> tuple[bytes, bytes]:
    """Digest and outcome that a quorum certified at a height."""
    return certified(chain, height)[:2]


def certified(chain: core.Chain, height: int) -> tuple[bytes, bytes, frozenset[int]]:
    """Digest, outcome and the validators whose commit votes decided a height."""
    parts = chain.block_parts(height)
    assert parts is not None
    _, _, at, _, digest, outcome, votes = core.certificate_fields(parts[1])
    assert at == height
    voters = frozenset(index for index, _ in votes)
    assert len(voters) >= 3, f"height {height} was decided by {sorted(voters)}"
    return digest, outcome, voters


def check_journal(chain: core.Chain, journal: Journal, setup: int) -> None:
    """Nothing acknowledged is missing, nothing stands twice, nothing came from nowhere."""
    found = receipts(chain)
    for digest, height in journal.acknowledged.items():
        assert found.get(digest) == (height, "final"), f"{digest} was acknowledged"
    for digest in journal.sent - journal.acknowledged.keys():
        assert found.get(digest, (0, "final"))[1] == "final", "final or absent, never half"
    assert len(found.keys() - journal.sent) == setup, "nothing that nobody sent"


def look_up_at(node: Node, entries: dict[str, int], seconds: float) -> None:
    """A node knows each acknowledged transaction, once it has the blocks."""
    if entries:
        wait_height(node, max(entries.values()), seconds)
        look_up(node, entries)


class DutyCycle:
    """Makes a process ten times slower: it runs one tenth of the time."""

    def __init__(self, process: subprocess.Popen[bytes], on: float = 0.01, share: int = 10):
        script = (
            "import os, signal, sys, time\n"
            "pid, on, off = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])\n"
            "while True:\n"
            "    os.kill(pid, signal.SIGSTOP)\n"
            "    time.sleep(off)\n"
            "    os.kill(pid, signal.SIGCONT)\n"
            "    time.sleep(on)\n"
        )
        self.slowed = process
        words = [str(process.pid), str(on), str(on * (share - 1))]
        # A process of its own: the test's threads would disturb its beat.
        self.beat = subprocess.Popen([sys.executable, "-S", "-c", script, *words])

    def end(self) -> None:
        """Lets the process run again."""
        assert self.beat.poll() is None, "the slowed process ended"
        self.beat.kill()
        self.beat.wait()
        self.slowed.send_signal(signal.SIGCONT)
