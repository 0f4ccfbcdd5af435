"""What each engine says and how long it takes, in virtual time: messages, bytes, time to finality.

Engine, driver and guard are the production code; network, disk and ledger are those of the twins
(`bubi.simulation.twins`): a link takes as long as told, a sync 1 ms, the rest no time at all. So
the figures depend on the protocol only, and are the same on every machine.

Run: python benchmarks/engines.py [--sizes 4,7,10,16,31] [--links 1,10,50]
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from bubi import messages
from bubi.consensus import engine as engines
from bubi.consensus import engine_named
from bubi.consensus.engine import Configuration, ConsensusMessage, VoteMessage
from bubi.consensus.guard import VoteRequest
from bubi.simulation.scheduler import MILLISECOND, SECOND
from bubi.simulation.twins import Run, Scenario, Table

ENGINES = ("pbft", "raft", "paxos")
SIZES = (4, 7, 10, 16, 31)
LINKS_MS = (1, 10, 50)
SIGNATURE_BYTES = 64
PROPOSAL_BYTES = 256
"""About as long as a header is; batches travel on their own."""
TIMEOUT_MS = 2_000
HEIGHTS = 4
"""Of which the first is not counted: it needs no certificate of a parent."""
CRASH_HEIGHT = 4
"""The leader dies when it should propose this height."""
TIME_MAX = 60 * SECOND
EVENTS_MAX = 10_000_000


class Signatures(Table):
    """Signatures as long as real ones."""

    def sign(self, member: int, request: VoteRequest) -> bytes:
        """The signature of a member."""
        return super().sign(member, request).ljust(SIGNATURE_BYTES, b"\0")

    def verify(self, configuration: Configuration, vote: VoteMessage) -> bool:
        """Whether the member signed this."""
        made = self._signed.get((vote.validator, vote.request), b"")
        return bool(made) and made.ljust(SIGNATURE_BYTES, b"\0") == vote.signature


@dataclass(frozen=True, slots=True)
class Height:
    """What one height took.

    The time is that from the proposal, or the crash of its leader, to the last live member.
    """

    messages: int
    bytes: int
    microseconds: int


class Measure(Run):
    """A network of members of which none has a twin and no link is cut."""

    def __init__(self, engine: str, members: int, link_ms: int, *, crash: bool) -> None:
        super().__init__(Scenario(members, 0, ()), engine)
        self.table = Signatures()
        self.engine = engine_named(engine, self.table)
        self.link = link_ms * MILLISECOND
        self.crash = crash
        self.dead: set[int] = set()
        self.configurations = [
            replace(
                one,
                leaders=tuple(range(members)),
                turn_blocks=1_000,
                timeout_ms=TIMEOUT_MS,
                timeout_ms_max=30_000,
            )
            for one in self.configurations
        ]
        self.sizes: dict[int, tuple[ConsensusMessage, int]] = {}
        self.counted: dict[int, list[int]] = {}
        self.started: dict[int, int] = {}
        self.finished: dict[int, int] = {}

    def play(self) -> dict[int, Height]:
        """Runs to the last height; what each one took."""
        for instance in self.instances:
            self._begin(instance)
        self.scheduler.run(TIME_MAX, self._is_over, EVENTS_MAX)
        if self.violations or not self._is_over():
            msg = f"{self.engine.name}: {self.violations or 'no decision'}"
            raise RuntimeError(msg)
        return {
            height: Height(*self.counted[height], self.finished[height] - self.started[height])
            for height in range(1, HEIGHTS + 1)
        }

    def _is_over(self) -> bool:
        alive = (one for one in self.instances if one.number not in self.dead)
        return bool(self.violations) or all(one.height > HEIGHTS for one in alive)

    def _feed(self, instance: Any, event: Any) -> None:
        if instance.number not in self.dead:
            super()._feed(instance, event)

    def _send(self, instance: Any, action: engines.Send) -> None:
        if instance.number in self.dead:
            return
        message = action.message
        size = self._size(message)
        event = engines.Message(message.signed.validator, message)
        counted = self.counted.setdefault(message.height, [0, 0])
        for other in self.instances:
            if other.number != instance.number and action.to in {None, other.member}:
                counted[0] += 1
                counted[1] += size
                self.scheduler.after(self.link, self._arrive, (other, event))

    def _size(self, message: ConsensusMessage) -> int:
        known = self.sizes.get(id(message))
        if known is None or known[0] is not message:
            known = message, len(messages.encode(messages.Consensus(message)))
            self.sizes[id(message)] = known
        return known[1]

    def _arrive(self, sent: tuple[Any, engines.Message]) -> None:
        instance, event = sent
        if self.table.verify(self.configurations[0], event.message.signed):
            self._feed(instance, event)

    def _propose(self, instance: Any, action: engines.RequestPayload) -> None:
        if self.crash and action.height == CRASH_HEIGHT and not self.dead:
            self.dead.add(instance.number)
            self.started[action.height] = self.scheduler.now
            return
        head = b"%d %d %d %d " % (
            action.height,
            action.parent_round,
            instance.number,
            action.round,
        )
        room = PROPOSAL_BYTES - len(head) - 32
        # The round is padded: the ledger's double reads numbers and the parent's digest.
        proposal = head[:-1].rjust(len(head) - 1 + room, b"0") + b" " + instance.digests[-1]
        digest = self.table.hash(proposal)
        self.started.setdefault(action.height, self.scheduler.now)
        ready = engines.PayloadReady(action.height, action.round, digest, proposal, ())
        self._feed(instance, ready)

    def _commit(self, instance: Any, certificate: engines.Certificate) -> None:
        self.finished[certificate.request.height] = self.scheduler.now
        super()._commit(instance, certificate)


def spoken(sizes: Iterable[int]) -> list[str]:
    """Messages and bytes of one height, in the good case and with the leader crashed."""
    lines = [
        "| engine | n | messages | bytes | bytes of a member "
        "| messages, leader crashed | bytes, leader crashed |",
        "|---|---|---|---|---|---|---|",
    ]
    for members in sizes:
        for engine in ENGINES:
            good = Measure(engine, members, 10, crash=False).play()[HEIGHTS]
            bad = Measure(engine, members, 10, crash=True).play()[CRASH_HEIGHT]
            lines.append(
                f"| {engine} | {members} | {good.messages:,} | {good.bytes:,} "
                f"| {good.bytes // members:,} | {bad.messages:,} | {bad.bytes:,} |"
            )
    return lines


def timed(sizes: Iterable[int], links: Iterable[int]) -> list[str]:
    """Time to finality by delay of a link, in the good case and with the leader crashed."""
    links = tuple(links)
    names = [f"{link} ms" for link in links]
    heads = [*names, *(f"{name}, leader crashed" for name in names)]
    lines = ["| engine | n | " + " | ".join(heads) + " |", "|---" * (len(heads) + 2) + "|"]
    for members in sizes:
        for engine in ENGINES:
            cells = [
                Measure(engine, members, link, crash=crash).play()[CRASH_HEIGHT].microseconds
                for crash in (False, True)
                for link in links
            ]
            told = " | ".join(f"{cell / 1_000:g}" for cell in cells)
            lines.append(f"| {engine} | {members} | {told} |")
    return lines


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--links", default=",".join(map(str, LINKS_MS)))
    chosen = parser.parse_args()
    sizes = [int(one) for one in chosen.sizes.split(",")]
    print("\n".join(spoken(sizes)))
    print()
    print("\n".join(timed(sizes[:1], [int(one) for one in chosen.links.split(",")])))


if __name__ == "__main__":
    main()
