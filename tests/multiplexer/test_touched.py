"""Stores that were only touched, one by one or all at once: fronts are told the difference."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import orjson
import pytest

from broker import patch
from broker.messages import Commit, Fetch, Gone, Held, Recheck, Renew, Renewed, Snapshot, Update

from .conftest import DEADLINE, Front

ROOM = 'room{"room": "lobby"}'
MOTD = """
create or replace function stores.rooms() returns jsonb language sql stable as $$ select '{{"motd": {motd}}}'::jsonb $$;
select flux.touch_all();
"""


@pytest.fixture
async def connection(database: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A foreign writer, and whoever deploys."""
    connected = await asyncpg.connect(database)
    yield connected
    connected.terminate()


class Follower:
    """A front that holds stores, and insists on an unbroken chain."""

    def __init__(self, front: Front, *keys: str) -> None:
        self.front = front
        self.keys = keys
        self.held: dict[str, tuple[str, int, Any]] = {}
        self.updates: list[dict[str, Any]] = []
        self.snapshots = 0

    async def begin(self) -> None:
        """Fetch the stores."""
        await self.front.say(*(Fetch(key) for key in self.keys))
        while len(self.held) < len(self.keys):
            await self.hear()
        await self.renew()

    async def renew(self) -> None:
        held = [Held(key, epoch, version) for key, (epoch, version, _) in self.held.items()]
        await self.front.say(Renew(held))
        await self.front.hear(Renewed)

    async def hear(self) -> None:
        """Take the next message as a front does."""
        message = await self.front.hear_any(Commit, Snapshot, Gone)
        assert not isinstance(message, Gone)
        if isinstance(message, Snapshot):
            frame = orjson.loads(message.frame)
            self.held[message.key] = (message.epoch, message.version, frame["document"])
            self.snapshots += 1
        elif isinstance(message, Commit):
            for update in message.updates:
                self._take(update)

    def _take(self, update: Update) -> None:
        epoch, version, document = self.held[update.key]
        if update.to_version <= version:
            return
        assert (update.epoch, update.from_version) == (epoch, version)
        frame = orjson.loads(update.frame)
        self.updates.append(frame)
        self.held[update.key] = (epoch, update.to_version, patch.apply(document, frame["patch"]))

    async def reach(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Hear until every store is where the database has it, and compare the documents."""
        for key in self.keys:
            row = await connection.fetchrow("select epoch, version, document::text from flux.render($1)", key)
            assert row is not None
            async with asyncio.timeout(DEADLINE):
                while self.held[key][1] < row["version"]:
                    await self.hear()
            assert self.held[key] == (row["epoch"], row["version"], orjson.loads(row["document"]))


async def test_touched_store_becomes_a_patch(front: Front, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """A store that was touched is rendered, and its difference is told: from the first time on."""
    await connection.execute(
        """
        create table public.weather (degrees int); insert into public.weather values (20);
        grant select on public.weather to fluxwire_application;
        create function stores.weather() returns jsonb language sql stable as
          'select jsonb_build_object(''degrees'', degrees) from public.weather';
        select flux.declare_store('weather'), flux.refresh();
        """
    )
    follower = Follower(front, "weather{}")
    await follower.begin()
    for degrees in (21, 22):
        await connection.execute(f"update public.weather set degrees = {degrees}; select flux.touch('weather')")
        await follower.reach(connection)
        assert follower.updates[-1]["patch"] == [{"op": "replace", "path": "/degrees", "value": degrees}]
    assert follower.snapshots == 1


async def test_touched_between_patches(front: Front, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """The difference is that to the document with all patches since."""
    follower = Follower(front, "rooms{}")
    await follower.begin()
    for number in range(3):
        await connection.execute(f"insert into chat.room values ('r{number}', 'x', 'x', now())")
        await connection.execute("select flux.touch('rooms')")
        await follower.reach(connection)
        assert follower.updates[-1]["patch"] == []
    assert follower.snapshots == 1


async def test_a_deploy_is_told_as_the_difference(
    front: Front, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Also of a store that never changed; one that renders as before is told that it moved, and nothing else."""
    follower = Follower(front, "rooms{}", ROOM)
    await follower.begin()
    assert [version for _, version, _ in follower.held.values()] == [0, 0]
    await connection.execute(MOTD.format(motd=1))
    await follower.reach(connection)
    told = {frame["store"]: frame["patch"] for frame in follower.updates}
    assert told == {"rooms{}": [{"op": "add", "path": "/motd", "value": 1}], ROOM: []}
    assert follower.snapshots == 2
    assert {(await front.hear(Recheck)).key, (await front.hear(Recheck)).key} == {"rooms", "room"}


async def test_what_an_action_does_and_touches(front: Front, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Its own patches come with its outcome; that all stores were touched is known at its commit, and rings."""
    await connection.execute(
        """
        create function actions.shake(room text) returns void language plpgsql as $$
        begin
          insert into chat.room values (shake.room, 'x', 'x', now());
          perform flux.touch_all();
        end $$;
        create function stores.size() returns jsonb language sql stable as
          'select jsonb_build_object(''rooms'', count(*)) from chat.room';
        select flux.declare_store('size'), flux.refresh();
        """
    )
    follower = Follower(front, "rooms{}", "size{}")
    await follower.begin()
    for number in (1, 2):
        await front.say(front.action("shake", f'{{"room": "s{number}"}}'))
        assert (await front.outcome(number)).status == "ok"
        await follower.reach(connection)
    assert [op["path"] for frame in follower.updates if frame["store"] == "size{}" for op in frame["patch"]] == [
        "/rooms"
    ] * 2
    assert follower.snapshots == 2


async def test_deploys_among_commits(
    front: Front, connection: "asyncpg.Connection[asyncpg.Record]", database: str
) -> None:
    """Whatever commits at the same moment, the chain has no gap and leads to what is rendered."""
    follower = Follower(front, "rooms{}", ROOM)
    await follower.begin()
    deployer, writer = await asyncpg.connect(database), await asyncpg.connect(database)

    async def write() -> None:
        for number in range(60):
            await writer.execute(f"insert into chat.room values ('r{number}', 'x', 'x', now())")
            await writer.execute("select flux.touch('room', '{\"room\": \"lobby\"}')")

    async def deploy() -> None:
        for motd in range(15):
            await deployer.execute(MOTD.format(motd=motd))

    try:
        await asyncio.gather(write(), deploy())
    finally:
        deployer.terminate()
        writer.terminate()
    await follower.reach(connection)
    assert follower.held["rooms{}"][2]["motd"] == 14
    assert len(follower.held["rooms{}"][2]["rooms"]) == 60
    assert follower.snapshots == 2


async def test_many_stores_are_told_a_few_at_a_time(
    front: Front, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """After a deploy all stores that are held are told, and a commit meanwhile in its turn."""
    follower = Follower(front, "rooms{}", *(f'room{{"room": "r{number}"}}' for number in range(100)))
    await follower.begin()
    await connection.execute(MOTD.format(motd=1))
    await connection.execute("insert into chat.room values ('r99', 'x', 'x', now())")
    await follower.reach(connection)
    assert follower.snapshots == 101


async def test_fetched_after_the_deploy(front: Front, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """A document rendered after the deploy is no ground for a difference to those who hold the one before."""
    await front.hold("rooms{}")
    await front.say(Renew([Held("rooms{}", "from before", 0)]))
    await front.hear(Renewed)
    await connection.execute("select flux.touch('rooms')")
    await connection.execute(MOTD.format(motd=1))
    follower = Follower(front, "rooms{}")
    await follower.begin()
    await follower.reach(connection)
    assert follower.held["rooms{}"][2]["motd"] == 1


async def test_a_store_locked_by_a_deploy_is_rendered_after_it(
    front: Front, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """A table that is being altered makes its stores late, and nobody loses them."""
    follower = Follower(front, "rooms{}")
    await follower.begin()
    await connection.execute("select flux.touch('rooms')")
    await connection.execute("begin; lock table chat.room in access exclusive mode; select flux.touch('rooms')")
    await connection.execute("select pg_sleep(1.5); commit")
    await follower.reach(connection)


async def test_a_partition_that_is_attached(front: Front, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Is seen within a while, and its rows are told as snapshots: versions may have gone by two documents meanwhile."""
    await connection.execute(
        """
        create table public.event (id integer, day integer, primary key (id, day)) partition by range (day);
        create table public.event_1 (id integer not null, day integer not null, primary key (id, day));
        insert into public.event_1 values (1, 1);
        create function stores.day() returns jsonb language sql stable as $$ select '{}'::jsonb $$;
        select flux.declare_store('day');
        select flux.watch(store => 'day', path => '{events}', source => 'public.event', match => '{}', key => 'id');
        grant usage on schema public to fluxwire_application;
        grant select on all tables in schema public to fluxwire_application;
        select flux.refresh();
        """
    )
    follower = Follower(front, "day{}")
    await follower.begin()
    await connection.execute("alter table public.event attach partition public.event_1 for values from (0) to (10)")
    async with asyncio.timeout(DEADLINE):
        epoch = follower.held["day{}"][0]
        while follower.held["day{}"][0] == epoch:
            await follower.hear()
    assert follower.held["day{}"][2]["events"] == {"1": {"id": 1, "day": 1}}
    assert follower.snapshots > 1
