"""The host of a replica: order of writes, verdicts of the clock, foreign blocks, halts."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest

from bubi import applying, core
from bubi.consensus.engine import Certificate, Configuration, ReportEvidence, VoteMessage
from bubi.consensus.guard import Phase, VoteRequest
from bubi.mempool import Entry
from bubi.messages import BlockParts
from bubi.node import host as hosts
from bubi.node import writer
from bubi.node.health import Health
from bubi.node.host import ReplicaHost
from bubi.node.metrics import Metrics
from bubi.node.ports import Threads
from bubi.replica.events import (
    Action,
    Append,
    ApplyBlock,
    ApplyFailed,
    BlockNeeded,
    BlocksRead,
    CheckProposal,
    Commit,
    Committed,
    Halt,
    Limits,
    LogSynced,
    MirrorGuard,
    Opened,
    PoolChanged,
    ProposalChecked,
    ReadBlocks,
    ReplicaInput,
    Sign,
    Signed,
    SyncLog,
    Tip,
)

DIGEST, OUTCOME, OTHER = b"\1" * 32, b"\2" * 32, b"\3" * 32
NOW = 1_000_000
TOLERANCE = 5_000
REQUEST = VoteRequest(0, "pbft", 2, 0, Phase.COMMIT, DIGEST, OUTCOME)


class Chain:
    """A ledger at height 1 that records what is done to it."""

    def __init__(self) -> None:
        self.height, self.time, self.chain_id, self.suite = 1, 10, b"\0" * 32, 0
        self.calls: list[tuple[Any, ...]] = []
        self.full = 0
        self.full_at: set[str] = set()
        self.block_time = NOW
        self.refuses: dict[str, str] = {}
        self.outcome = OUTCOME

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or name not in NAMES:
            raise AttributeError(name)

        def call(*arguments: Any) -> Any:
            if name in (self.full_at or WRITES) and self.full:
                self.full -= 1
                code = "storage_full"
                raise core.StorageFull(code, "no space")
            if name in self.refuses:
                raise core.CoreError(self.refuses[name], "refused")
            self.calls.append((name, *arguments))
            if name == "commit":
                self.height += 1
            return ANSWERS[name](self) if name in ANSWERS else []

        return call

    @property
    def names(self) -> list[str]:
        return [call[0] for call in self.calls]


WRITES = {"append", "append_bodies", "sync", "guard_write", "commit"}
NAMES = WRITES | {
    "log_records", "pending_bodies", "ordered_batches", "proposal_fields", "check_proposal",
    "check_certificate", "execute", "decode_batch", "block_parts", "parameters_json",
}  # fmt: skip
ANSWERS: dict[str, Callable[[Chain], Any]] = {
    "proposal_fields": lambda chain: (2, chain.block_time, b"", 0),
    "execute": lambda chain: SimpleNamespace(
        outcome_hash=chain.outcome,
        height=2,
        digest=DIGEST,
        counts=(0, 0, 0),
        alarms=[],
        codes=lambda _: b"",
    ),
    "block_parts": lambda _: (b"p" * 10, b"c", [b"h"], [b"b" * 100]),
    "decode_batch": lambda _: SimpleNamespace(digest=DIGEST),
}


class Ledger:
    """What the host reads for the replica."""

    parameters: ClassVar[dict[str, Any]] = {}
    clock_tolerance_ms = TOLERANCE

    def tip(self) -> Tip:
        return Tip(1, 10, DIGEST, b"", None)

    def configuration(self) -> Configuration:
        return Configuration(0, "pbft", (), 3, None)

    def limits(self) -> Limits:
        return Limits(1, 1, 1, 1, 1)


class Script:
    """A replica that asks for these actions at the start, and for more on some inputs."""

    def __init__(
        self, *actions: Action, then: dict[type[Any], list[Action]] | None = None
    ) -> None:
        self.actions, self.then = actions, then or {}
        self.seen: list[ReplicaInput] = []

    def handle(self, event: ReplicaInput) -> Sequence[Action]:
        self.seen.append(event)
        return self.actions if isinstance(event, Opened) else self.then.pop(type(event), [])


class Clock:
    """A clock that stands still unless a test moves it."""

    now = NOW

    def now_ms(self) -> int:
        return self.now


class World:
    """A host with its surroundings."""

    def __init__(
        self, *actions: Action, then: dict[type[Any], list[Action]] | None = None
    ) -> None:
        self.chain, self.clock, self.health = Chain(), Clock(), Health()
        self.replica = Script(*actions, then=then)
        self.key = SimpleNamespace(sign=lambda message: b"signature")
        self.metrics = Metrics()
        self.reported: list[ReportEvidence] = []

    def run(self, *until: type[Any], moves: Callable[[], None] | None = None) -> None:
        """Runs the host until inputs of these types were seen, as often as they are named."""

        async def work() -> None:
            threads = Threads(1)
            door = self.door = SimpleNamespace(
                waits=lambda _: True, set_block_limits=lambda _: None, forwards=False
            )
            host = ReplicaHost(
                cast(Any, self.chain), self.replica, cast(Any, Ledger()), cast(Any, self.key),
                threads, self.clock, cast(Any, door), self.health, self.metrics,
            )  # fmt: skip
            self.host, host.on_evidence = host, self.reported.append
            running = asyncio.create_task(host.run())
            try:
                async with asyncio.timeout(60):
                    if moves is not None:
                        await asyncio.sleep(0.05)
                        moves()
                    while not Counter(map(type, self.replica.seen)) >= Counter(until):
                        await asyncio.sleep(0.01)
                        assert not running.done(), running.exception()
                    # What must not happen gets its chance.
                    await asyncio.sleep(0.05)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                threads.close()

        asyncio.run(work())

    def alarms(self) -> set[str]:
        """Codes of the alarms that were raised."""
        return {
            sample.labels["code"]
            for metric in self.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == "bubi_alarms_total" and sample.value > 0
        }

    def answers(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.replica.seen if isinstance(event, kind)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "FULL_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(hosts, "encode_certificate", lambda certificate: b"certificate")
    monkeypatch.setattr(
        applying, "decode_certificate", lambda data: Certificate(REQUEST, ((0, b"s"),))
    )


WRITING = (
    Append(3, 2, b"one"),
    SyncLog(1),
    MirrorGuard(b"guard"),
    Append(2, 2, b"two"),
    SyncLog(2),
)


def test_writes_keep_their_order() -> None:
    world = World(*WRITING, then={})
    world.run(LogSynced, LogSynced)
    writes = [call for call in world.chain.calls if call[0] in WRITES]
    # Appends may come earlier than asked, never later, and in their order.
    assert [call[0] for call in writes if call[0] != "append"] == ["sync", "guard_write", "sync"]
    assert [call[3] for call in writes if call[0] == "append"] == [b"one", b"two"]
    assert writes[0] == ("append", 3, 2, b"one")
    assert [event.number for event in world.answers(LogSynced)] == [1, 2]


def test_a_full_disk_holds_up_everything_behind_it() -> None:
    world = World(*WRITING)
    world.chain.full = 3
    raised: list[bool] = []
    world.run(
        LogSynced,
        LogSynced,
        moves=lambda: raised.append(
            any(one.code == "storage_full" for one in world.health.reasons)
        ),
    )
    assert world.chain.names.index("sync") < world.chain.names.index("guard_write")
    assert [event.number for event in world.answers(LogSynced)] == [1, 2]
    assert world.health.reasons == []
    assert world.chain.full == 0


def check(parent_round: int | None = 0) -> CheckProposal[Any]:
    return CheckProposal(2, DIGEST, b"proposal", (), (), parent_round)


@pytest.mark.parametrize(
    ("block_time", "parent_round", "valid", "untimely"),
    [
        (NOW, 0, True, False),
        (NOW - TOLERANCE, 0, True, False),
        (NOW - TOLERANCE - 1, 0, False, True),
        (NOW - TOLERANCE - 1, None, True, False),
        (NOW + TOLERANCE, 0, True, False),
        (NOW + 10 * TOLERANCE, None, True, False),
    ],
)
def test_the_clock_judges_a_fresh_proposal(
    block_time: int, parent_round: int | None, valid: bool, untimely: bool
) -> None:
    world = World(check(parent_round))
    world.chain.block_time = block_time
    world.run(ProposalChecked)
    (answer,) = world.answers(ProposalChecked)
    assert (answer.valid, answer.untimely) == (valid, untimely)
    assert ("append_bodies" in world.chain.names) is valid


def test_a_proposal_ahead_of_the_clock_is_held_back() -> None:
    world = World(check())
    world.chain.block_time = NOW + TOLERANCE + 200

    def move() -> None:
        assert world.answers(ProposalChecked) == []
        world.clock.now = NOW + 200

    world.run(ProposalChecked, moves=move)
    assert world.answers(ProposalChecked)[0].valid


def test_an_invalid_proposal_leaves_nothing_in_the_log() -> None:
    world = World(check())
    world.chain.refuses["check_proposal"] = "proposal_invalid"
    world.run(ProposalChecked)
    (answer,) = world.answers(ProposalChecked)
    assert not answer.valid
    assert not answer.untimely
    assert "append_bodies" not in world.chain.names


PARTS = BlockParts(2, b"proposal", b"certificate", (b"header",), (b"body",))


def test_a_foreign_block_is_verified_executed_and_committed() -> None:
    world = World(ApplyBlock(PARTS))
    world.run(Committed)
    expected = [
        "check_certificate", "decode_batch", "check_proposal",
        "execute", "append_bodies", "commit",
    ]  # fmt: skip
    assert [name for name in world.chain.names if name in expected] == expected
    assert world.answers(ApplyFailed) == []


@pytest.mark.parametrize("full_at", ["append_bodies", "commit"])
def test_a_full_disk_in_the_middle_of_a_foreign_block_repeats_nothing(full_at: str) -> None:
    world = World(ApplyBlock(PARTS))
    world.chain.full, world.chain.full_at = 2, {full_at}
    world.run(Committed)
    assert world.answers(ApplyFailed) == []
    for name in ("decode_batch", "execute", "append_bodies", "commit"):
        assert world.chain.names.count(name) == 1, name
    assert world.chain.full == 0


@pytest.mark.parametrize(
    ("refusing", "height", "bodies"),
    [
        ("decode_batch", 2, (b"body",)),
        ("check_certificate", 2, (b"body",)),
        ("check_proposal", 2, (b"body",)),
        ("execute", 2, (b"body",)),
        ("", 3, (b"body",)),
        ("", 2, ()),
    ],
)
def test_a_false_block_is_not_committed(
    refusing: str, height: int, bodies: tuple[bytes, ...]
) -> None:
    world = World(ApplyBlock(BlockParts(height, b"proposal", b"certificate", (b"h",), bodies)))
    world.chain.refuses[refusing] = "invalid"
    world.run(ApplyFailed)
    (answer,) = world.answers(ApplyFailed)
    assert not answer.diverged
    assert "commit" not in world.chain.names


def test_another_outcome_than_the_certificate_is_a_divergence() -> None:
    world = World(ApplyBlock(PARTS))
    world.chain.outcome = OTHER
    world.run(ApplyFailed)
    assert world.answers(ApplyFailed)[0].diverged
    assert "commit" not in world.chain.names


def test_a_halted_node_signs_and_commits_nothing_and_reads_on() -> None:
    world = World(
        Halt("diverged", "another outcome"),
        Sign(REQUEST),
        Commit(Certificate(REQUEST, ())),
        ApplyBlock(PARTS),
        ReadBlocks(b"peer", 1, 1, 9, 250),
    )
    world.run(BlocksRead)
    assert world.answers(Signed) == []
    assert "commit" not in world.chain.names
    reason = world.health.blocking()
    assert reason is not None
    assert reason.code == "diverged"
    # As many blocks as fit, and one at least.
    assert [one.height for one in world.answers(BlocksRead)[0].blocks] == [1, 2]


class Group:
    """An admitted group."""

    bytes = 1

    def __len__(self) -> int:
        return 1


def contradiction(
    *outcomes: bytes, digests: tuple[bytes, bytes] = (DIGEST, DIGEST)
) -> ReportEvidence:
    said = [
        VoteMessage(3, replace(REQUEST, digest=digest, outcome=outcome), bytes(64))
        for digest, outcome in zip(digests, outcomes, strict=True)
    ]
    return ReportEvidence(*said)


def test_two_outcomes_of_one_proposal_are_a_divergence_and_no_evidence() -> None:
    world = World(contradiction(OUTCOME, OTHER), check())
    world.run(ProposalChecked)
    assert world.alarms() == {"divergence"}
    assert (world.host.evidence, world.reported) == ([], [])
    assert world.metrics.registry.get_sample_value("bubi_evidence_total") == 0


def test_two_proposals_at_one_place_are_evidence_and_no_divergence() -> None:
    action = contradiction(OUTCOME, OUTCOME, digests=(DIGEST, OTHER))
    world = World(action, check())
    world.run(ProposalChecked)
    assert world.alarms() == {"evidence"}
    assert world.host.evidence == world.reported == [action]
    assert world.metrics.registry.get_sample_value("bubi_evidence_total") == 1


def test_a_group_that_expires_earlier_than_all_others_wakes_the_watch() -> None:
    """An idle node asks for a block as soon as the first transaction is void, not when the
    one that it watched before is."""
    world = World()

    def admit(number: int, lifetime: int) -> None:
        world.door.on_admitted(Entry(number, cast(Any, Group()), NOW + lifetime))

    def moves() -> None:
        admit(1, 600_000)
        loop = asyncio.get_running_loop()
        # The watch sleeps until the first one is void when the others come.
        loop.call_later(0.1, admit, 2, 100)
        loop.call_later(0.1, admit, 3, 300_000)
        world.clock.now = NOW + 150

    world.run(BlockNeeded, moves=moves)
    assert [event.time for event in world.answers(BlockNeeded)] == [NOW + 100]
    assert len(world.answers(PoolChanged)) == 3
