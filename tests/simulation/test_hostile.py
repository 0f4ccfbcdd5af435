"""Attacks on scenarios of twins: crashes, slow keys, members that lie about everything."""

from collections import Counter
from dataclasses import replace

import pytest

from bubi.consensus import pbft
from bubi.consensus.pbft_state import PbftState
from bubi.simulation import hostile, twins

ENGINES = ["pbft", "raft", "paxos"]


def judge(engine: str, numbers: range) -> Counter[str]:
    """Plays attacks; nothing may fail. How often each act and each crash struck."""
    struck: Counter[str] = Counter()
    for number in numbers:
        run = hostile.Run(hostile.draw(1, number), engine)
        assert run.run().violations == (), f"attack {number}"
        struck.update(run.injected)
    return struck


@pytest.mark.parametrize("engine", ENGINES)
def test_attacks(engine: str) -> None:
    count = 300
    struck = judge(engine, range(count))
    assert {*hostile.ACTS, "mute_leader", "crash"} == {name for name in struck if struck[name]}
    assert struck["crash"] > count


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("engine", ENGINES)
def test_many_attacks(engine: str) -> None:
    judge(engine, range(1_000, 6_000))


def test_same_attack_same_outcome() -> None:
    attack = hostile.draw(1, 2)
    first, again = hostile.Run(attack, "pbft"), hostile.Run(attack, "pbft")
    assert first.run() == again.run()
    assert first.injected == again.injected


def test_a_batch_goes_on_with_the_same_attacks() -> None:
    totals = twins.run_batch(twins.Batch(1, 0, 3, "pbft", hostile=True))
    assert (totals.scenarios, totals.details) == (3, [])


class _Forgetful(pbft._Rules):
    """A member that takes up nothing of what it had prepared."""

    __slots__ = ()

    def _restore(self, prepared: object) -> None:
        pass


class ForgetfulPbft(pbft.PbftEngine):
    def _rules(self, state: PbftState) -> pbft._Rules:
        return _Forgetful(self._signatures, state)


def test_crashes_find_who_forgets_what_it_had_prepared() -> None:
    found = False
    for number in range(400):
        attack = replace(hostile.draw(3, number), acts=())
        outcome = hostile.Run(attack, "", ForgetfulPbft).run()
        found = any(text.startswith("votes_are_safe") for text in outcome.violations)
        if found:
            break
    assert found


class _Obeying(pbft._Rules):
    """A member that accepts a proposal from anybody."""

    __slots__ = ()

    def _is_leaders(self, message: object) -> bool:
        return True


class ObeyingPbft(pbft.PbftEngine):
    def _rules(self, state: PbftState) -> pbft._Rules:
        return _Obeying(self._signatures, state)


def test_usurpers_find_who_obeys_anybody() -> None:
    found = False
    for number in range(400):
        attack = replace(hostile.draw(3, number), acts=("usurp",), crashes=())
        outcome = hostile.Run(attack, "", ObeyingPbft).run()
        found = any(text.startswith("accepted_proposals_hold") for text in outcome.violations)
        if found:
            break
    assert found
