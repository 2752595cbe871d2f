"""How property tests run here."""

from hypothesis import HealthCheck, settings

# A busy machine is slow at times; that proves nothing about the code.
settings.register_profile("front", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The fuzzers for about fifty minutes: pytest tests/front -m hypothesis --hypothesis-profile=long --timeout=0
settings.register_profile("long", settings.get_profile("front"), max_examples=20_000)
if settings.get_current_profile_name() != "long":
    settings.load_profile("front")
