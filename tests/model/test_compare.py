"""The Rust core against the model on generated blocks. It needs the built core: `make setup`."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings

from . import compare, generator, keys
from . import values as v
from .bcs import decode, encode

BLOCKS = 120
RUNS_LONG = 10_000
BLOCKS_LONG = 4
LONG_EACH = 100
"""Every so many seeds one run is long enough for codes such as `lots_full`."""
BLOCKS_OF_LONG_RUNS = 60
SUCCESS_LEAST = 0.30
EVERY_CODE = set(v.Code) - {v.Code.INTERNAL}


def check_reach(total: generator.Statistics) -> None:
    """What both sides produced, counted on the receipts of the core."""
    assert set(total.codes) == EVERY_CODE, EVERY_CODE - set(total.codes)
    assert set(total.skips) == set(v.SKIP_REASONS)
    assert total.success >= SUCCESS_LEAST, total.operations


def test_core_and_model_agree() -> None:
    total = generator.Statistics()
    blocks_run = 0
    for profile in generator.PROFILES:
        run, blocks = generator.run(1, profile, BLOCKS)
        differences, outcomes = compare.run_both(run.genesis, blocks)
        assert differences == [], profile.name
        compare.count(total, blocks, outcomes)
        blocks_run += len(outcomes)
    assert blocks_run >= 300
    check_reach(total)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(generator.sequences())
def test_core_and_model_agree_on_what_shrinks(
    run: tuple[bytes, list[generator.BlockInput]],
) -> None:
    assert compare.run_both(*run)[0] == []


@pytest.mark.parametrize("seed", range(30))
def test_core_and_model_agree_on_leaders(seed: int) -> None:
    random = Random(seed)
    members = tuple(
        v.Validator(f"n{number}", "org", key, 1)
        for number, key in enumerate(keys.VALID[: random.randint(1, 7)])
    )
    profile = generator.PROFILES[0]
    genesis: v.Genesis = decode(v.Genesis, generator.run(1, profile, 0)[0].genesis)
    genesis = replace(
        genesis,
        parameters=replace(genesis.parameters, turn_blocks=random.choice([4, 5, 9])),
        validators=v.ValidatorSet(0, "pbft", members, 2, 3),
    )
    steps = [0, 0, 0, 0, 0, 1, 1, 2, 3, 9, 70, 1_500]
    last, rounds = 0, []
    for height in range(1, 120):
        turn_over = height > 2 and (height - 2) % genesis.parameters.turn_blocks == 0
        last += turn_over + random.choice(steps) if height > 1 else 0
        # Now and then a round that lies behind the schedule, which must be ignored.
        rounds.append(last if random.random() < 0.95 else last // 2)
    blocks: list[generator.BlockInput] = [
        (generator.START + height, []) for height in range(1, 120)
    ]
    differences, outcomes = compare.run_both(encode(genesis), blocks, rounds)
    assert differences == []
    assert len({outcome for outcome, *_ in outcomes}) > 5, "the schedule never moved"


@pytest.mark.long
@pytest.mark.timeout(7_200)
def test_core_and_model_agree_on_ten_thousand_runs() -> None:
    total = generator.Statistics()
    for seed in range(RUNS_LONG):
        turn, other = divmod(seed, LONG_EACH)
        # The long runs take turns among the profiles, too.
        profile = generator.PROFILES[(seed if other else turn) % len(generator.PROFILES)]
        count = BLOCKS_LONG if other else BLOCKS_OF_LONG_RUNS
        run, blocks = generator.run(seed, profile, count)
        differences, outcomes = compare.run_both(run.genesis, blocks)
        assert differences == [], f"seed {seed}, {profile.name}"
        compare.count(total, blocks, outcomes)
    check_reach(total)


def test_a_difference_is_found_and_told() -> None:
    """The comparison itself can fail: a changed receipt of the core is seen."""
    run, blocks = generator.run(1, generator.PROFILES[0], 3)
    outcomes = compare.run_core(run.genesis, blocks)
    outcome, receipts, events, skips = outcomes[-1]
    changed = [*receipts[:-1], receipts[-1][:-1] + bytes([receipts[-1][-1] ^ 1])]
    forged = [*outcomes[:-1], (outcome, changed, events, skips)]
    told = compare.differences(forged, compare.run_model(run.genesis, blocks))
    assert told
    assert told[0].startswith("height 3: receipt")
