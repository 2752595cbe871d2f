import shutil

import pytest

from bench import actions
from bench.actions import Plan, run
from bench.harness import Options


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(rounds=1, seconds=1, writers=15, flight=2, few=2, many=4, hops=3)
    monkeypatch.setattr(actions, "QUICK", plan)


@pytest.mark.usefixtures("_few")
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler for the load generator")
def test_actions_can_be_measured() -> None:
    """Real processes: every action gets its outcome, every writer sees its own words, or the run is none."""
    figures = {figure.name: figure for figure in run(Options(("actions",), quick=True, say=lambda _: None))}
    assert figures["actions.per_s"].value > 0
    assert figures["actions.cpu.postgres"].value > figures["actions.cpu.clients"].value > 0
    latency = figures["actions.latency_p50.vs_bare"]
    assert latency.ratio is not None
    assert latency.ratio > 1
    assert latency.value <= figures["actions.latency_p99_ms"].value
    assert figures["actions.redis"].value > 0
