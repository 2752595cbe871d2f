"""The chaos checker on a whole cluster: a short run breaks no promise, and every planted violation is caught."""

import json
import os
import subprocess
import sys

import pytest

from tests.integration.test_run import said

SEED = int(os.environ.get("FLUXWIRE_CHAOS_SEED", "20261122"))
PLANTED: dict[str, set[str]] = {
    "Witness": set(),
    "Drops": {"broken"},
    "Doubles": {"broken"},
    "Reorders": {"broken"},
    "Alters": {"diverged"},
    "Loses": {"lost", "early"},
    "Repeats": {"doubled"},
    "Swaps": {"disordered"},
    "Hurries": {"early"},
}
"""What each plant of planted.py has to be found as."""


@pytest.mark.timeout(300)
def test_chaos() -> None:
    """Sixty seconds of faults, judged: no promise is broken."""
    code, out = said("chaos", "--seconds", "60", "--seed", str(SEED), "--json", limit=200.0)
    assert code == 0, out
    figures = json.loads(out.splitlines()[-1])
    assert set(figures) == {"seed", "violations", "faults", "acknowledged", "availability", "recovery_ms"}
    assert set(figures["violations"]) == {"lost", "doubled", "disordered", "broken", "diverged", "early"}
    assert not any(figures["violations"].values())
    assert sum(figures["faults"].values()) >= 5
    assert figures["acknowledged"] > 500
    assert 0.2 < figures["availability"] <= 1


@pytest.mark.timeout(300)
def test_rolling_restart() -> None:
    """All fronts are restarted one after the other, under load: no promise is broken, and it is hardly felt."""
    code, out = said("chaos", "--seconds", "8", "--seed", str(SEED), "--only", "restart_fronts", "--json", limit=200.0)
    assert code == 0, out
    figures = json.loads(out.splitlines()[-1])
    assert not any(figures["violations"].values())
    assert figures["faults"]["restart_fronts"] >= 1
    assert figures["availability"] > 0.5  # how much more is a matter of who else wants the cores


@pytest.mark.timeout(300)
def test_planted() -> None:
    """What is planted is found, and nothing else is."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.adversity.planted"], check=False, capture_output=True, text=True, timeout=200.0
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    found = {verdict.pop("plant"): {kind for kind, count in verdict.items() if count} for verdict in verdicts}
    assert found == PLANTED
