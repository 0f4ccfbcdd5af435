"""The Rust core against the model on generated blocks. Skipped where the core is not built."""

import pytest
from hypothesis import HealthCheck, given, settings

from . import compare, generator

pytestmark = pytest.mark.skipif(not compare.available(), reason="the core is not built")


@pytest.mark.parametrize("profile", generator.PROFILES, ids=lambda profile: profile.name)
@pytest.mark.parametrize("seed", range(1))
def test_core_and_model_agree(seed: int, profile: generator.Profile) -> None:
    run, blocks = generator.run(seed, profile, 50)
    assert compare.run_both(run.genesis, blocks) == []


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(generator.sequences())
def test_core_and_model_agree_on_what_shrinks(
    run: tuple[bytes, list[generator.BlockInput]],
) -> None:
    assert compare.run_both(*run) == []


@pytest.mark.long
@pytest.mark.timeout(7_200)
def test_core_and_model_agree_on_ten_thousand_runs() -> None:
    total = generator.Statistics()
    for seed in range(10_000):
        profile = generator.PROFILES[seed % len(generator.PROFILES)]
        run, blocks = generator.run(seed, profile, 4)
        assert compare.run_both(run.genesis, blocks) == [], f"seed {seed}, {profile.name}"
        total.operations += run.statistics.operations
    assert total.success >= 0.30
