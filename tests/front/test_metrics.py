import asyncio
import re
import time
from pathlib import Path

import httpx

from broker.messages import Commit, Update
from front.http import application
from front.metrics import MOST_CODES, Histogram, Metrics, Standing, exposition

from .running import GATE, Running, running, soon
from .truth import update_frame

NOTHING = Standing(clients=0, subscriptions=0, stores=0, blocked=0, queued=0, under_way=0)
SAMPLE = re.compile(r'(fluxwire_[a-z_]+)((?:\{[a-z_]+="(?:[^"\\\n]|\\.)*"\})?) (\S+)')


def read(page: str) -> dict[str, float]:
    """The samples of a page, each of which has to be one, under a header of its own metric."""
    samples: dict[str, float] = {}
    metric = ""
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            metric = line.split()[2]
        elif not line.startswith("# HELP "):
            found = SAMPLE.fullmatch(line)
            assert found, line
            assert found[1].startswith(metric)
            samples[found[1] + found[2]] = float(found[3])
    return samples


async def scraped(front: Running) -> dict[str, float]:
    async with httpx.AsyncClient(base_url=front.http) as http:
        answer = await soon(http.get("/metrics"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return read(answer.text)


def test_a_histogram() -> None:
    """Buckets are cumulative, and a bound belongs to its own."""
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 7.0):
        histogram.observe(value)
    assert [(suffix, dict(labels), value) for suffix, labels, value in histogram.samples()] == [
        ("_bucket", {"le": "1.0"}, 2),
        ("_bucket", {"le": "2.0"}, 3),
        ("_bucket", {"le": "+Inf"}, 4),
        ("_sum", {}, 10.0),
        ("_count", {}, 4),
    ]


def test_codes_are_bounded_and_escaped() -> None:
    """An application makes its own codes; not even one that makes them up at random fills the memory."""
    metrics = Metrics()
    metrics.refuse('a"b\\c\nd')
    for number in range(2 * MOST_CODES):
        metrics.refuse(f"code_{number}")
    samples = read(exposition(metrics, NOTHING, front="f", ready=True, closed={4001: 2}))
    refusals = {name: value for name, value in samples.items() if "refusals_total" in name}
    assert len(refusals) == MOST_CODES + 1
    assert sum(refusals.values()) == 2 * MOST_CODES + 1
    assert samples['fluxwire_closes_total{code="4001"}'] == 2


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
    assert 0.3 <= after["fluxwire_lag_seconds_sum"] < 20


async def test_off_unless_asked_for() -> None:
    """It is for operators; they say so."""
    async with running() as front:
        quiet = application(server=front.server, gate=GATE, web=None, guests=False)
        transport = httpx.ASGITransport(app=quiet)
        async with httpx.AsyncClient(transport=transport, base_url="http://front") as http:
            assert (await asyncio.wait_for(http.get("/metrics"), 20)).status_code == 404


def test_every_metric_is_documented() -> None:
    """docs/operations.md has exactly the metrics that there are."""
    page = (Path(__file__).parent.parent.parent / "docs/operations.md").read_text(encoding="utf-8")
    section = page.partition("## Metrics\n")[2].partition("\n## ")[0]
    cells = " ".join(re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE))
    told = exposition(Metrics(), NOTHING, front="f", ready=True, closed={})
    assert set(re.findall(r"`([a-z_]+)", cells)) == set(re.findall(r"# TYPE fluxwire_(\w+)", told))
