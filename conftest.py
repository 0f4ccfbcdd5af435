"""Settings of the property tests, for every folder of tests."""

from hypothesis import HealthCheck, settings

# No clock judges an example: a slow machine is no defect. The same examples in every run: what a
# new one finds is found by whoever looks for it (`--hypothesis-profile=search`), not by chance.
SLOW = (HealthCheck.too_slow,)
settings.register_profile("search", deadline=None, suppress_health_check=SLOW)
settings.register_profile(
    "repeated", deadline=None, suppress_health_check=SLOW, derandomize=True, database=None
)
settings.load_profile("repeated")
