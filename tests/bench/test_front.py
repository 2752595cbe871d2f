import shutil

import pytest

from bench import front
from bench.figures import Figure
from bench.front import run
from bench.front.plan import Plan
from bench.harness import Options


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "QUICK", Plan(20, 1, 1, 0.1, 1, 0.1, 20, 0.2, 1, 1))


def measured(*names: str) -> dict[str, Figure]:
    return {figure.name: figure for figure in run(Options(names, quick=True, say=lambda _: None))}


@pytest.mark.usefixtures("_few")
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler for the load generator")
def test_the_front_can_be_measured() -> None:
    """Real processes: sessions are counted, nothing is rendered twice, connections hold under updates."""
    figures = measured("front.storm", "front.hold", "front.memory_deflate_kb", "front.memory_events")
    assert figures["front.storm.renders"].value == 1
    assert figures["front.sessions_per_s"].value > 0
    assert figures["front.hold.core"].value > 0
    assert [curve.x for curve in figures["front.hold.growth_kb"].curves] == ["seconds"]
    assert figures["front.memory_deflate_kb"].runs == 1
    assert figures["front.memory_events.vs_websocket"].ratio is not None


@pytest.mark.usefixtures("_few")
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler for the load generator")
def test_a_peer_in_turn() -> None:
    """A floor and a peer are served by the same load generator, whose own share is stated."""
    floor, peer = measured("front.fanout.vs_c", "front.fanout.vs_websockets").values()
    assert (floor.against, peer.against) == ("a C loop of send()", "websockets.broadcast")
    assert floor.value == peer.value > 0
    assert floor.load is not None
    assert 0 < floor.load < 1
