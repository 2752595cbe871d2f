"""The multiplexer between a bus in memory and a real Postgres."""

import asyncio
from dataclasses import replace
from typing import Any, cast

import asyncpg
import orjson
import pytest

from broker.bus import MultiplexerBus
from broker.errors import BusLost
from broker.memory_bus import MemoryBus
from broker.messages import (
    Commit,
    Denied,
    Fetch,
    Gone,
    Held,
    Kick,
    Lead,
    Open,
    Opened,
    Outcome,
    Recheck,
    Renew,
    Renewed,
    Snapshot,
)
from broker.registry import Changes
from multiplexer.loop import Multiplexer
from multiplexer.settings import Settings

from .conftest import DEADLINE, Front

ROOM = 'room{"room": "lobby"}'


async def enter(front: Front) -> None:
    """Make the lobby and join it: actions 1 and 2 of client c1."""
    await front.say(
        front.action("create_room", '{"room": "lobby", "title": "Lobby"}'),
        front.action("join_room", '{"room":"lobby"}'),
    )
    await front.outcome(2)


async def test_action_is_committed_and_told(front: Front, database: str) -> None:
    """An action's outcome names the stores it touched with their versions, and what it did is in the database."""
    await enter(front)
    await front.say(front.action("post_message", '{"room": "lobby", "body": "hello"}'))

    outcome = await front.outcome(3)

    assert outcome.status == "ok"
    assert outcome.error is None
    assert outcome.stores == {ROOM: 2}
    connection = await asyncpg.connect(database)
    found = await connection.fetchrow("select id::text, author, body from chat.message")
    await connection.close()
    assert found is not None
    assert (found["author"], found["body"]) == ("ada", "hello")
    assert orjson.loads(outcome.reply or "") == {"id": found["id"]}


async def test_nothing_is_overtaken(front: Front, database: str) -> None:
    """An outcome comes before its update, its store looked up or known, and after what others wrote before."""
    await enter(front)
    await front.outcome(1)
    await front.say(Fetch(ROOM))
    version = (await front.hear(Snapshot)).version
    connection = await asyncpg.connect(database)
    foreign = "insert into chat.message values (gen_random_uuid(), 'lobby', 'cron', 'tick', now())"
    for number in range(3, 9):
        if number % 2:
            await connection.execute(foreign)
        await front.say(front.action("post_message", '{"room": "lobby", "body": "hello"}'))
        reached, is_told = 0, False
        while not is_told or version < reached:
            news = await front.hear_any(Outcome, Commit)
            if isinstance(news, Outcome):
                reached, is_told = news.stores[ROOM], True
                assert version < reached
                continue
            assert isinstance(news, Commit)
            (update,) = news.updates
            if update.to_version > version:
                assert update.from_version == version
                version = update.to_version
    await connection.close()


async def test_sent_again_is_answered_again(front: Front, database: str) -> None:
    """The same action sent twice, in one parcel and in another, takes effect once and is answered each time."""
    await enter(front)
    post = front.action("post_message", '{"room": "lobby", "body": "once"}')
    await front.say(post, post)
    first, second = await front.outcome(3), await front.outcome(3)
    await front.say(post)
    third = await front.outcome(3)

    assert first == second == third
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("select count(*) from chat.message") == 1
    await connection.close()


async def test_store_is_opened_fetched_and_followed(front: Front) -> None:
    """A front opens a store, fetches it, and from then on hears of every commit, in versions without a gap."""
    await enter(front)
    await front.say(Open(7, "room", '{"room": "lobby"}', "bob", "{}"))
    opened = await front.hear(Opened)
    assert (opened.request, opened.key, opened.shared) == (7, ROOM, True)
    await front.say(Fetch(ROOM))
    snapshot = await front.hear(Snapshot)
    for body in ("a", "b", "c"):
        await front.say(front.action("post_message", orjson.dumps({"room": "lobby", "body": body}).decode()))

    version = snapshot.version
    bodies: list[str] = []
    while len(bodies) < 3:
        update = await front.update_from(version)
        assert update.from_version == version
        version = update.to_version
        bodies += [op["value"]["body"] for op in orjson.loads(update.frame)["patch"]]

    # Messages of one commit are one patch, whose operations have no order of their own.
    assert sorted(bodies) == ["a", "b", "c"]
    assert orjson.loads(snapshot.frame)["document"]["room"]["title"] == "Lobby"


async def test_foreign_writers_are_heard(front: Front, database: str) -> None:
    """A row written with psql reaches the fronts like any other."""
    await enter(front)
    await front.say(Fetch(ROOM))
    snapshot = await front.hear(Snapshot)
    connection = await asyncpg.connect(database)
    await connection.execute("insert into chat.message values (gen_random_uuid(), 'lobby', 'cron', 'tick', now())")
    await connection.close()

    update = await front.update_from(snapshot.version)

    assert orjson.loads(update.frame)["patch"][0]["value"]["body"] == "tick"


@pytest.mark.parametrize(
    ("name", "params", "code"),
    [
        ("nowhere", "{}", "unknown_store"),
        ("room", "{}", "missing_argument"),
        ("room", '{"room": "x", "rum": 1}', "unknown_argument"),
        ("room", "[]", "invalid_argument"),
        ("room", '{"room": "\\u0000"}', "invalid_argument"),
        ("room", "[" * 60_000, "invalid_argument"),
    ],
)
async def test_bad_questions_are_denied_alone(front: Front, name: str, params: str, code: str) -> None:
    """A bad question is denied with its code, and a good one beside it is answered."""
    await front.say(Open(1, name, params, "bob", "{}"), Open(2, "rooms", "{}", "bob", "{}"))
    assert (await front.hear(Denied)).error.code == code
    assert (await front.hear(Opened)).request == 2


@pytest.mark.parametrize(
    ("name", "params", "code"),
    [
        ("nothing", "{}", "unknown_action"),
        ("post_message", '{"room": "lobby"}', "missing_argument"),
        ("post_message", '{"room": "lobby", "body": "", "extra": 1}', "unknown_argument"),
        ("post_message", '{"room": "lobby", "body": "\\u0000"}', "invalid_argument"),
        ("post_message", '{"room": "lobby", "body": 1e-400000}', "invalid_argument"),
        ("post_message", '"text"', "invalid_argument"),
        ("post_message", '{"room": "elsewhere", "body": ""}', "not_a_member"),
        ("create_room", '{"room": ""}', "constraint"),
        ("pg_sleep", "{}", "unknown_action"),
        ("hang", "{}", "failed"),
        ("break", "{}", "failed"),
        ("complain", "{}", "raised"),
    ],
)
async def test_bad_actions_are_refused_alone(front: Front, database: str, name: str, params: str, code: str) -> None:
    """A bad action is refused with its code, uses its number, and those before and after it take effect."""
    connection = await asyncpg.connect(database)
    await connection.execute(
        """
        create function actions.hang() returns void language sql as 'select pg_sleep(60)';
        create function actions.break() returns void language plpgsql as
          'begin perform x from nowhere; end';
        create function actions.complain() returns void language plpgsql as
          'begin raise exception $m$too late$m$; end';
        select flux.refresh();
        """
    )
    await enter(front)
    good = '{"room": "lobby", "body": "good"}'
    await front.say(
        front.action("post_message", good),
        front.action(name, params),
        front.action("post_message", good),
        front.action("post_message", good, actor="eve", client="c2"),
    )

    assert (await front.outcome(3)).status == "ok"
    bad = await front.outcome(4)
    assert (await front.outcome(5)).status == "ok"
    assert bad.status == "refused"
    assert bad.error is not None
    assert bad.error.code == code
    assert await connection.fetchval("select count(*) from chat.message") == 2
    await connection.close()


async def test_other_lanes_are_invalid(front: Front) -> None:
    """There is only lane 0, and another one costs nobody a number."""
    await front.say(front.action("create_room", '{"room": "x"}', lane=1))
    outcome = await front.outcome(1)
    assert outcome.status == "invalid"
    assert outcome.error is not None
    assert outcome.error.code == "unknown_lane"


async def test_renewal_tells_what_is_newer(front: Front) -> None:
    """A front hears where the database stands for what it holds, if that is elsewhere."""
    await enter(front)
    await front.say(Fetch(ROOM))
    snapshot = await front.hear(Snapshot)
    await front.say(
        Renew([Held(ROOM, "an old epoch", 99)]),
        Renew([Held(ROOM, snapshot.epoch, snapshot.version - 1)]),
        Renew([Held(ROOM, snapshot.epoch, snapshot.version)]),
    )
    answers = [await front.hear(Renewed) for _ in range(3)]
    assert {answer.term for answer in answers} == {(await front.hear(Lead)).term}
    there = Held(ROOM, snapshot.epoch, snapshot.version)
    assert [answer.newer for answer in answers] == [[there], [there], []]


async def test_a_store_that_is_gone_is_said_to_be(front: Front) -> None:
    """Fetching a store that cannot be rendered answers Gone, and others are served."""
    await front.say(Fetch("nowhere{}"), Fetch("rooms{}"))
    assert (await front.hear(Gone)).key == "nowhere{}"
    assert (await front.hear(Snapshot)).key == "rooms{}"


class Severed:
    """A multiplexer's end of a bus that can be cut off from it."""

    def __init__(self, end: MultiplexerBus) -> None:
        self._end = end
        self.cut = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the end has it
        if self.cut:
            raise BusLost("cut off")
        return getattr(self._end, name)


async def test_who_cannot_reach_the_bus_gives_up_the_lead(settings: Settings, memory_bus: MemoryBus) -> None:
    """A leader that lost the bus makes room for one that has not; alone, it leads again when the bus is back."""
    severed = Severed(memory_bus.multiplexer())
    one = asyncio.create_task(Multiplexer(settings, cast("MultiplexerBus", severed)).run())
    bus = memory_bus.front("f1")
    await bus.start()
    front = Front(bus, "f1")
    await enter(front)
    severed.cut = True
    await front.say(front.action("rename_room", '{"room": "lobby", "title": "Two"}'))
    other = Multiplexer(replace(settings, name="two"), memory_bus.multiplexer())
    two = asyncio.create_task(other.run())
    assert (await front.outcome(3)).status == "ok"
    two.cancel()
    await asyncio.wait([two])
    severed.cut = False
    await front.say(front.action("rename_room", '{"room": "lobby", "title": "Three"}'))
    assert (await front.outcome(4)).status == "ok"
    one.cancel()
    await asyncio.wait([one])


async def test_successor_takes_over(
    front: Front, settings: Settings, memory_bus: MemoryBus, multiplexer: Multiplexer, database: str
) -> None:
    """When a leader falls silent another one leads a higher term, and what was not acknowledged is done once."""
    await enter(front)
    first = await front.hear(Lead)
    heir = Multiplexer(
        Settings(database_url=settings.database_url, redis_url="", name="two", heartbeat=0.05, patience=-1.0),
        memory_bus.multiplexer(),
    )
    running = asyncio.create_task(heir.run())
    second = await front.hear(Lead, lambda lead: lead.term > first.term)
    await front.say(front.action("post_message", '{"room": "lobby", "body": "to the heir"}'))
    assert (await front.hear(Outcome, lambda outcome: outcome.number == 3)).status == "ok"
    assert second.term > first.term
    running.cancel()
    await asyncio.wait([running])


async def test_a_lost_database_is_begun_with_again(front: Front, multiplexer: Multiplexer, database: str) -> None:
    """When all connections are ended the multiplexer leads again by itself, and goes on where it was."""
    await enter(front)
    first = await front.hear(Lead)
    connection = await asyncpg.connect(database)
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'fluxwire %'"
        " and datname = current_database()"
    )
    await connection.close()
    second = await front.hear(Lead)
    await front.say(front.action("post_message", '{"room": "lobby", "body": "still here"}'))
    assert (await front.outcome(3)).status == "ok"
    assert second.term == first.term + 1


async def test_a_stranger_with_a_lock_delays_one_client(front: Front, database: str) -> None:
    """A row that a foreign transaction holds lets its own client wait, and nobody else."""
    await enter(front)
    stranger = await asyncpg.connect(database)
    await stranger.execute("begin; update chat.room set title = 'held' where room = 'lobby'")
    await front.say(
        front.action("join_room", '{"room": "lobby"}', client="c2"),
        front.action("rename_room", '{"room": "lobby", "title": "waits"}'),
        front.action("post_message", '{"room": "lobby", "body": "after"}'),
        front.action("create_room", '{"room": "other"}', client="c2"),
    )
    assert (await front.outcome(2, "c2")).status == "ok"
    await stranger.execute("rollback")
    await stranger.close()
    renamed, posted = await front.hear(Outcome, lambda one: one.number == 3), await front.outcome(4)
    assert (renamed.status, posted.status) == ("ok", "ok")


async def test_a_hundred_messages_are_one_version(front: Front, settings: Settings) -> None:
    """What one batch does to a store is one version, one patch and one frame, however many actions did it."""
    await enter(front)
    await front.say(Fetch(ROOM))
    snapshot = await front.hear(Snapshot)
    posts = [front.action("post_message", '{"room": "lobby", "body": "many"}') for _ in range(settings.batch)]
    await front.say(*posts)
    update = await front.update_from(snapshot.version)
    assert update.to_version == snapshot.version + 1
    assert len(orjson.loads(update.frame)["patch"]) == settings.batch


async def test_a_patch_with_a_number_nobody_can_hold(front: Front, database: str) -> None:
    """A number beyond a double's reach ends the store for its holders, and never the writer's transaction."""
    connection = await asyncpg.connect(database)
    await connection.execute(
        """
        create table public.counter (id integer primary key, total bigint);
        grant usage on schema public to fluxwire_application;
        grant select on public.counter to fluxwire_application;
        create function stores.counters() returns jsonb language sql stable as $$ select '{}'::jsonb $$;
        select flux.declare_store('counters'), flux.refresh();
        select flux.watch(
          store => 'counters', path => '{all}', source => 'public.counter', match => '{}', key => 'id'
        );
        """
    )
    await front.say(Fetch("counters{}"))
    await front.hear(Snapshot)
    await connection.execute("insert into public.counter values (1, 9007199254740993)")
    await connection.close()
    assert (await front.hear(Gone)).key == "counters{}"


async def test_a_revocation_comes_before_what_it_hides(front: Front, database: str) -> None:
    """A change of a permission table is told before the updates of its commit, and the next verdict knows it."""
    connection = await asyncpg.connect(database)
    await connection.execute(
        """
        create function public.is_member(actor text, params jsonb) returns boolean language sql stable as
          $$ select exists (
            select from chat.member m where m.room = params ->> 'room' and m.actor = is_member.actor
          ) $$;
        grant usage on schema public to fluxwire_application;
        select flux.declare_store('room', permit => 'public.is_member');
        select flux.watch_permission(store => 'room', source => 'chat.member', match => '{"room": "room"}');
        """
    )
    await enter(front)
    await front.say(Open(1, "room", '{"room": "lobby"}', "ada", "{}"), Fetch(ROOM))
    assert (await front.hear(Opened)).key == ROOM
    version = (await front.hear(Snapshot)).version
    await connection.execute("delete from chat.member where actor = 'ada'")
    await connection.close()
    seen: list[object] = []
    while not any(isinstance(one, Commit) and one.updates[0].to_version > version for one in seen):
        seen.append(await front.hear_any(Recheck, Commit))
    assert Recheck(ROOM) in seen[:-1]
    await front.say(Open(2, "room", '{"room": "lobby"}', "ada", "{}"))
    assert (await front.hear(Denied)).error.code == "forbidden"


async def make_drafts(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Make a private store that follows a table."""
    await connection.execute(
        """
        create table public.draft (actor text primary key, body text);
        grant usage on schema public to fluxwire_application;
        grant select on public.draft to fluxwire_application;
        create function stores.drafts() returns jsonb language sql stable as $$ select '{}'::jsonb $$;
        select flux.declare_store('drafts', private => true), flux.refresh();
        select flux.watch(
          store => 'drafts', path => '{mine}', source => 'public.draft', match => '{"@actor": "actor"}',
          columns => '{body}'
        );
        """
    )


async def other_front(bus: MemoryBus, name: str) -> Front:
    end = bus.front(name)
    await end.start()
    await end.register([], [])
    return Front(end, name)


async def test_a_private_store_is_told_to_its_front_alone(front: Front, memory_bus: MemoryBus, database: str) -> None:
    """Who does not hold it is not sent it; what the same commit did to a shared store comes with it, or alone."""
    connection = await asyncpg.connect(database)
    await make_drafts(connection)
    other = await other_front(memory_bus, "f2")
    mine = 'drafts{"@actor": "ada"}'
    await enter(front)
    for one, keys in (front, (mine, ROOM)), (other, (ROOM,)):
        await one.say(*(Fetch(key) for key in keys))
        found = {snapshot.key: snapshot.version for snapshot in [await one.hear(Snapshot) for _ in keys]}
    room = found[ROOM]
    both = "insert into public.draft values ('ada', 'x'); update chat.room set title = 'new' where room = 'lobby'"
    async with connection.transaction():
        await connection.execute(both)
    commit = await front.hear(Commit, lambda commit: len(commit.updates) > 1)
    assert {update.key for update in commit.updates} == {mine, ROOM}
    assert (await other.update_from(room)).key == ROOM
    await connection.execute("update public.draft set body = 'y'")
    await connection.execute("update chat.room set title = 'newer' where room = 'lobby'")
    await front.hear(Commit, lambda commit: [update.key for update in commit.updates] == [mine])
    assert (await front.update_from(room + 1)).key == ROOM
    assert (await other.update_from(room + 1)).key == ROOM
    await connection.close()


async def test_a_kick_reaches_the_fronts_of_the_actor(front: Front, memory_bus: MemoryBus, database: str) -> None:
    """A kick is told when it is committed, to the fronts that serve the actor; one that was rolled back never."""
    connection = await asyncpg.connect(database)
    await connection.execute(
        """
        create function actions.ban(who text) returns void language sql as $$ select flux.kick(who, 'Be nice.') $$;
        create function actions.regret(who text) returns void language plpgsql as $$
        begin
          perform flux.kick(who);
          perform flux.reject('no', 'No.');
        end $$;
        select flux.refresh();
        """
    )
    other = await other_front(memory_bus, "f2")
    await front.bus.change(Changes(arrived=["ada", "bob", "cy"]))
    await other.bus.change(Changes(arrived=["bob"]))
    await front.say(front.action("regret", '{"who": "cy"}'), front.action("ban", '{"who": "bob"}'))
    assert (await front.outcome(2)).status == "ok"
    assert await front.hear(Kick) == Kick("bob", "Be nice.")
    assert await other.hear(Kick) == Kick("bob", "Be nice.")
    await connection.execute("select flux.kick('ada', null)")
    assert await front.hear(Kick) == Kick("ada", "")
    # What was told is deleted right after.
    async with asyncio.timeout(DEADLINE):
        while await connection.fetchval("select exists (select from flux.patch where kick is not null)"):
            pass
    await connection.close()


async def test_what_rang_while_nobody_listened(settings: Settings, memory_bus: MemoryBus, database: str) -> None:
    """A new leader tells what was committed without one."""
    connection = await asyncpg.connect(database)
    await connection.execute("select flux.kick('ada', 'late')")
    front = await other_front(memory_bus, "f1")
    await front.bus.change(Changes(arrived=["ada"]))
    running = asyncio.create_task(Multiplexer(settings, memory_bus.multiplexer()).run())
    assert await front.hear(Kick) == Kick("ada", "late")
    running.cancel()
    await asyncio.wait([running])
    await connection.close()
