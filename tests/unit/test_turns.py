"""Whose turn it is: the engines' rule, the ledger's and the model's are one in every epoch."""

from random import Random
from typing import Any

import pytest

from bubi.consensus import engine_named
from bubi.consensus.engine import Certificate, Configuration, Start
from bubi.ledger import LedgerView
from tests.gateway.ledgers import Simulated
from tests.model import values as v
from tests.model.ledger import SCHEDULE, BlockResult, Transaction
from tests.model.test_governance import Chain
from tests.replica.cluster import Checks

TURN = 5
FAILURES = (0, 0, 0, 0, 0, 0, 1, 1, 2, 6)
"""Rounds that end without a decision before a block is decided: one of these."""


class Led(Chain):
    """A chain of the model beside one of the core, decided in rounds that the engines begin.

    `levels` are the strikes that follow from what happened, nothing else: failures since the last
    clean turn.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(turn_blocks=TURN)
        self.random = Random(seed)
        self.network = Simulated(seed, self.genesis, ideal=False)
        self.view = LedgerView(self.network.chain, None)
        self.levels: dict[int, int] = {}
        self.judged = 0
        self.second_in_turn = self.right_after_another = 0
        """Failures at these places."""
        self.epoch = self.view.configuration().epoch
        """Of the newest block."""
        self.owed: tuple[int | None, list[int]] = (None, [])
        """Of the newest block: who had a clean turn before it, and who failed."""
        self.decider: int | None = None
        """Who decided it."""

    def block(self, *transactions: Transaction, after: int = 1) -> BlockResult:
        """The next block, in the model and in the core."""
        self.time += after
        configuration, tip = self.view.configuration(), self.view.tip()
        height = tip.height + 1
        start, parent = first_round(configuration, height, tip.certificate)
        round_ = start + self.random.choice(FAILURES)
        batches = [list(transactions)] if transactions else []
        result = self.ledger.execute(self.time, batches, parent)
        self.network.decide(self.time, batches, parent, round_)
        assert self.network.chain.state_root == result.outcome.state_root
        self.pay(configuration)
        failed = [configuration.leader(one) for one in range(start, round_)]
        first = height - configuration.epoch_start
        self.second_in_turn += first > TURN and first % TURN == 1 and bool(failed)
        self.right_after_another += bool(failed and self.owed[1])
        self.owed = (self.decider if start > parent else None), failed
        self.decider, self.epoch = configuration.leader(round_), configuration.epoch
        return result

    def pay(self, configuration: Configuration) -> None:
        """What the block below led to is in the schedule now, unless it was of another epoch."""
        clean, failed = self.owed
        if configuration.epoch != self.epoch:
            self.levels, self.decider, self.owed = {}, None, (None, [])
        else:
            self.levels.pop(-1 if clean is None else clean, None)
            for member in failed:
                self.levels[member] = min(7, self.levels.get(member, 0) + 1)
            self.judged += len(failed)
        if self.council.validators.epoch != configuration.epoch:
            # The last block of an epoch: the next one begins with nobody struck.
            assert SCHEDULE not in self.ledger.cells
            return
        schedule = self.ledger.cells.get(SCHEDULE, v.Schedule())
        assert {one.validator: one.level for one in schedule.strikes} == self.levels
        assert self.view.configuration().leader(schedule.round) == schedule.leader


def first_round(
    configuration: Configuration, height: int, parent: Certificate | None
) -> tuple[int, int]:
    """In which round the engine in force begins a height, and what a proposal there records."""
    engine: Any = engine_named(configuration.engine, Checks())
    state, _ = engine.step(engine.initial(), Start(height, configuration, parent))
    progress = engine.progress(state)
    assert progress.leader == configuration.leader(progress.round)
    same = parent is not None and parent.request.epoch == configuration.epoch
    return progress.round, parent.request.round if parent is not None and same else 0


@pytest.mark.parametrize("seed", range(3))
def test_turns_are_counted_from_the_first_height_of_each_epoch(seed: int) -> None:
    chain = Led(seed)
    starts, turns = [], 0
    for engine in ("raft", "paxos", "pbft"):
        for _ in range(chain.random.randint(TURN, 3 * TURN)):
            chain.block()
        proposal = chain.propose(v.SetEngine(engine))
        chain.vote(proposal, 0, 1, 2)
        chain.ready(proposal, 0, 1, 2)
        while chain.council.agenda.pending is not None:
            chain.block()
        configuration = chain.view.configuration()
        assert configuration.engine == engine
        starts.append(configuration.epoch_start)
        assert configuration.epoch_start == chain.ledger.height + 1
        turns += sum(configuration.turn_ends(starts[-1] + ahead) for ahead in range(3 * TURN))
    for _ in range(3 * TURN):
        chain.block()
    assert turns == 6
    assert chain.judged > 10
    assert chain.second_in_turn
    assert chain.right_after_another
    assert any(start % TURN != 1 for start in starts), "it would not show"


@pytest.mark.parametrize("seed", range(3))
def test_the_leaders_of_all_rounds_to_come_are_known(seed: int) -> None:
    """An engine is given a few leaders and finds the others, however long nobody decides."""
    chain = Led(seed)
    for _ in range(40):
        chain.block()
        first, leaders = chain.network.chain.leaders(500)
        configuration = chain.view.configuration()
        assert len(configuration.leaders) == len(configuration.members)
        found = [configuration.leader(first + ahead) for ahead in range(500)]
        assert found == leaders
    assert chain.judged
