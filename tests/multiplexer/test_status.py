"""What a multiplexer tells of itself on its own port."""

import asyncio
import time
from dataclasses import replace

import httpx
import pytest

from broker.memory_bus import MemoryBus
from broker.messages import Commit, Fetch, Parcel, Renew, Renewed, Snapshot
from multiplexer.__main__ import telling
from multiplexer.errors import SettingsError
from multiplexer.loop import Multiplexer
from multiplexer.settings import Settings
from multiplexer.status import bound
from tests.broker.test_metrics import read

from .conftest import DEADLINE, Front

on_postgres_18 = pytest.mark.parametrize("postgres", ["pg18"], indirect=True, scope="session")
ROOM = 'room{"room": "lobby"}'


async def ask(multiplexer: Multiplexer, path: str) -> httpx.Response:
    """Ask over a real port, which is there for as long as that takes."""
    with bound("127.0.0.1", 0) as port:
        base = f"http://127.0.0.1:{port.getsockname()[1]}"
        async with telling(multiplexer, port), httpx.AsyncClient(base_url=base) as http, asyncio.timeout(DEADLINE):
            return await http.get(path)


@on_postgres_18
async def test_what_it_tells(front: Front, multiplexer: Multiplexer) -> None:
    """Batches, outcomes by code, renders, the bus and the way of a commit are counted as they were."""
    before = time.time()
    await front.say(Fetch(ROOM))
    await front.hear(Snapshot)
    await front.say(
        front.action("create_room", '{"room": "lobby", "title": "Lobby"}'),
        front.action("post_message", '{"room": "lobby", "body": "too soon"}'),
    )
    await front.outcome(2)
    commit = await front.hear(Commit)
    assert before < commit.told_at < time.time()
    assert (await ask(multiplexer, "/healthz")).status_code == 200
    ready = await ask(multiplexer, "/readyz")
    assert (ready.status_code, ready.text) == (200, "leads\n")
    answer = await ask(multiplexer, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    told = read(answer.text)
    ours = {name.removeprefix("fluxwire_multiplexer_"): value for name, value in told.items()}
    assert (ours["leading"], ours["ready"], ours["leads_total"]) == (1, 1, 1)
    assert ours["term"] >= 1
    assert ours['outcomes_total{status="ok",code=""}'] == 1
    assert ours['outcomes_total{status="refused",code="not_a_member"}'] == 1
    assert ours['batches_total{result="committed"}'] == ours["batch_actions_count"] == ours["batch_seconds_count"] == 1
    assert ours["batch_actions_sum"] == 2
    assert 0 < ours["batch_seconds_sum"] < DEADLINE
    assert ours['questions_total{kind="fetch"}'] == 1
    assert ours['renders_total{result="ok"}'] >= 1
    assert (ours["commits_total"], ours["updates_total"]) == (1, 1)
    assert 0 < ours["publish_seconds_sum"] < DEADLINE
    assert (ours["waiting_actions"], ours["held_actions"]) == (0, 0)
    assert told["fluxwire_bus_lag_seconds_count"] == 2
    assert told["fluxwire_bus_parcels"] >= 0


@on_postgres_18
async def test_how_it_stands(settings: Settings) -> None:
    """It is not ready before it reaches the database, nor after that is gone; the standby says that it stands by."""
    bus = MemoryBus(quiet=0.05)
    nowhere = Multiplexer(replace(settings, database_url="postgresql://127.0.0.1:1/none"), bus.multiplexer())
    # So patient that nobody takes the lead from a leader who waits for a core.
    patient = replace(settings, patience=2 * DEADLINE)
    leader, standby = (Multiplexer(replace(patient, name=name), bus.multiplexer()) for name in ("leader", "standby"))
    running = [asyncio.create_task(nowhere.run()), asyncio.create_task(leader.run())]
    try:
        end = bus.front("f")
        await end.start()
        async with asyncio.timeout(DEADLINE):
            while not any(isinstance(news, Renewed) for news in await end.read()):
                await end.append(Parcel("f", [Renew([])]))
        running.append(asyncio.create_task(standby.run()))
        async with asyncio.timeout(DEADLINE):
            while (await ask(standby, "/readyz")).text != "stands by\n":
                pass
        refused = await ask(nowhere, "/readyz")
        assert (refused.status_code, refused.text) == (503, "the database or the bus does not answer\n")
        assert read((await ask(nowhere, "/metrics")).text)["fluxwire_multiplexer_ready"] == 0
        told = read((await ask(standby, "/metrics")).text)
        assert (told["fluxwire_multiplexer_ready"], told["fluxwire_multiplexer_leading"]) == (1, 0)
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)
    assert read((await ask(leader, "/metrics")).text)["fluxwire_multiplexer_leading"] == 0


@pytest.mark.parametrize("port", ["-1", "65536", "x", "٣"])
def test_a_bad_port(port: str) -> None:
    environment = {"DATABASE_URL": "postgresql://", "REDIS_URL": "redis://h", "FLUXWIRE_STATUS_PORT": port}
    with pytest.raises(SettingsError, match="FLUXWIRE_STATUS_PORT must be a number"):
        Settings.from_environment(environment)
