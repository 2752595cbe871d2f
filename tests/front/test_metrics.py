import asyncio
import time

import httpx

from broker.messages import Commit, Update
from front.http import application
from tests.broker.test_metrics import read

from .running import GATE, Running, running, soon
from .truth import update_frame


async def scraped(front: Running) -> dict[str, float]:
    async with httpx.AsyncClient(base_url=front.http) as http:
        answer = await soon(http.get("/metrics"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return read(answer.text)


async def test_what_a_front_tells() -> None:
    """Connections, deliveries, actions, refusals and lag are what they were."""
    async with running() as front, front.client() as one, front.client() as other:
        await one.subscribe(1, "a")
        await other.subscribe(1, "a")
        before = await scraped(front)
        update = Update("a{}", "e", 0, 1, update_frame("a{}", "e", 0, 1))
        front.multiplexer.truth.versions["a{}"] = 1
        await front.multiplexer.publish(Commit([update], told_at=time.time() - 0.3))
        for client in (one, other):
            assert (await client.hear())["to"] == 1
        await one.say(type="dispatch", number=1, name="b", params={})
        assert (await one.hear())["status"] == "ok"
        front.multiplexer.truth.denied = "too_long"
        await one.say(type="dispatch", number=2, name="b", params={})
        assert (await one.hear())["status"] == "refused"
        async with httpx.AsyncClient(base_url=front.http) as http:
            assert (await soon(http.get("/stores/a"))).status_code == 401
        after = await scraped(front)
    assert (after["fluxwire_connections"], after["fluxwire_subscriptions"], after["fluxwire_stores"]) == (2, 2, 1)
    # The update for two, two outcomes for one.
    assert after["fluxwire_deliveries_total"] - before["fluxwire_deliveries_total"] == 4
    assert after["fluxwire_bytes_total"] > before["fluxwire_bytes_total"] + 2 * len(update.frame)
    assert after["fluxwire_actions_total"] == 2
    assert after['fluxwire_outcomes_total{status="ok"}'] == after['fluxwire_outcomes_total{status="refused"}'] == 1
    assert after['fluxwire_refusals_total{code="too_long"}'] == 1
    assert after['fluxwire_closes_total{code="401"}'] == 1
    assert after['fluxwire_lag_seconds_bucket{le="0.25"}'] == 0
    assert after["fluxwire_lag_seconds_count"] == 1
    assert after["fluxwire_action_seconds_count"] == 2
    assert 0 < after["fluxwire_action_seconds_sum"] < 20
    assert 0.3 <= after["fluxwire_lag_seconds_sum"] < 20


async def test_off_unless_asked_for() -> None:
    """It is for operators; they say so."""
    async with running() as front:
        quiet = application(server=front.server, gate=GATE, web=None, guests=False)
        transport = httpx.ASGITransport(app=quiet)
        async with httpx.AsyncClient(transport=transport, base_url="http://front") as http:
            assert (await asyncio.wait_for(http.get("/metrics"), 20)).status_code == 404
