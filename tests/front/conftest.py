"""How property tests run here."""

from hypothesis import HealthCheck, settings

# A busy machine is slow at times; that proves nothing about the code.
settings.register_profile("front", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("front")
