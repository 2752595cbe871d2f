"""``bench sql``: what ``flux.dispatch`` costs, beside what one would write by hand.

One connection sends batches of chat messages over fifty rooms, full log, durable. The floor is pgbench with 32
clients and a hand-written insert of a message and a log row: no versions, no NOTIFY, nobody to tell.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import asyncpg  # noqa: TID251 -- what is measured is the database, with nobody between
import orjson

from multiplexer.engine import DISPATCH, SESSION, Sent

from .database import Cluster, cluster
from .figures import Figure, alone, compared
from .harness import Options, in_turn
from .processes import cost

if TYPE_CHECKING:
    # The driver's class takes a parameter in its stubs alone.
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

ROOMS, MEMBERS, BATCH = 50, 100, 60
FLOOR_CLIENTS = 32
MOST_BYTES = 8_388_608
"""Of a patch; more than any has here."""
KEPT = 100
"""Messages that the chat shows of a room."""

BY_HAND = """
\\set room random(0, 49)
begin;
insert into by_hand_message
values (gen_random_uuid(), 'r' || :room, 'u1', 'hello, this is a message of usual length', clock_timestamp());
insert into by_hand_log (actor, client, number, name, params, at)
values (
  'u1', 'c' || :client_id, 1, 'post_message',
  '{"room": "r1", "body": "hello, this is a message of usual length"}', clock_timestamp()
);
commit;
"""
BY_HAND_TABLES = """
create table by_hand_message (
  id uuid primary key, room text not null references chat.room, author text not null, body text not null,
  sent_at timestamptz not null
);
create index on by_hand_message (room, sent_at desc, id desc);
create table by_hand_log (
  seq bigint generated always as identity primary key, actor text not null, client text not null,
  number bigint not null, name text not null, params text not null, at timestamptz not null
);
"""
ONE_ACTION_A_TRANSACTION = """
\\set n :n + 1
\\set room random(0, 49)
select * from flux.dispatch(
  (select term from flux.term),
  array[row(
    'u' || :client_id, '{}', 'c' || :seed, 0, :n::bigint, 'post_message',
    '{"room": "r' || :room || '", "body": "hello, this is a message of usual length"}', null, null, null, null
  )::flux.sent],
  8388608
);
"""


WATCHED_AGAIN = """
do $$
declare
  _trigger record;
begin
  for _trigger in
    select tgrelid::regclass as source, tgname from pg_trigger
    where tgrelid in ('chat.message'::regclass, 'chat.room'::regclass) and not tgisinternal
  loop
    execute format('alter table %s enable always trigger %I', _trigger.source, _trigger.tgname);
  end loop;
end $$;
"""
FILL = """
set session_replication_role to replica;
alter table chat.room disable trigger user;
alter table chat.message disable trigger user;
insert into chat.room select 'r' || i, 'r' || i, 'x', now() from generate_series({rooms}, {size}) as i;
insert into flux.version
select flux.key('room', jsonb_build_object('room', 'r' || i)), 1 from generate_series({rooms}, {size}) as i;
insert into chat.message
select
  gen_random_uuid(), 'r' || i % {rooms}, 'u1', 'filling', now() - interval '1 day' + i * interval '1 millisecond'
from generate_series(1, {size}) as i;
insert into flux.action (
  seq, actor, claims, client, lane, number, name, params, at, took, seed, status, link, deployment
)
select
  i, 'u' || i % 1000, '{{}}', 'old', 0, i, 'post_message', '{{}}', now() - interval '1 second', '0', '', 'ok', '', 1
from generate_series(1, {size}) as i;
set session_replication_role to origin;
"""
ROOMS_AND_MEMBERS = """
insert into chat.room select 'r' || i, 'r' || i, 'x', now() from generate_series(0, 49) as i on conflict do nothing;
insert into chat.member select r.room, 'u' || i, 'x', now()
from chat.room r cross join generate_series(0, 99) as i on conflict do nothing;
delete from flux.patch;
"""


class Sender:
    """One connection that dispatches batches, as the multiplexer's does."""

    def __init__(self, connection: "Connection", term: int) -> None:
        self._connection = connection
        self._term = term
        self._numbers = [0] * MEMBERS

    @classmethod
    async def connect(cls, url: str) -> "Sender":
        """Connect and lead, with rooms and members to write to."""
        connection = await asyncpg.connect(url, server_settings=dict(SESSION))
        await connection.execute(ROOMS_AND_MEMBERS)
        return cls(connection, await connection.fetchval("select flux.take_lead(term, 'bench') from flux.term"))

    async def rate(self, batches: int, *, name: str = "post_message", status: str = "ok", room: str = "r") -> float:
        """Dispatch so many batches; returns actions a second, commit included."""
        prepared = [self._batch(batch, name, room) for batch in range(batches)]
        began = time.perf_counter()
        for arguments in prepared:
            row = await self._connection.fetchrow(DISPATCH, *arguments, MOST_BYTES)
            assert row is not None
            assert {outcome["status"] for outcome in row["outcomes"]} == {status}, row["outcomes"][0]
        took = time.perf_counter() - began
        await self._connection.execute("delete from flux.patch")
        return batches * BATCH / took

    async def cost(self, batches: int) -> float:
        """Dispatch so many batches; returns the server's processor time for one action, in microseconds."""
        pid = self._connection.get_server_pid()
        before = cost(pid)
        await self.rate(batches)
        return cost(pid).since(before).ran * 1e6 / (batches * BATCH)

    def _batch(self, batch: int, name: str, room: str) -> tuple[object, ...]:
        who = [(batch * BATCH + i) % MEMBERS for i in range(BATCH)]
        for member in who:
            self._numbers[member] += 1
        params = [
            orjson.dumps(
                {"room": f"{room}{(batch * BATCH + i) % ROOMS}", "body": "hello, this is a message of usual length"}
            ).decode()
            for i in range(BATCH)
        ]
        return self._term, [
            Sent(f"u{member}", "{}", "bench", 0, self._numbers[member], name, text, refusal=None)
            for member, text in zip(who, params, strict=True)
        ]

    async def execute(self, statement: str) -> None:
        """Run a statement beside."""
        await self._connection.execute(statement)

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()


def run(options: Options) -> Iterator[Figure]:
    """Measure the figures of ``sql``."""
    rounds, batches, seconds = (2, 20, 2) if options.quick else (5, 200, 10)
    with cluster() as servers:
        if options.wants("sql.dispatch_per_s", "sql.vs_insert", "sql.vs_pgbench_notify"):
            yield from _throughput(servers, options, rounds, batches, seconds)
        if options.wants("sql.watch.vs_plain", "sql.refused.vs_accepted"):
            yield from _ratios(servers.database(), options, rounds, batches)
        if options.wants("sql.growth"):
            sizes = (1_000, 10_000) if options.quick else (1_000, 100_000, 1_000_000)
            databases = {size: servers.database() for size in sizes}
            yield from _growth(databases, options, rounds, batches)


def _throughput(servers: Cluster, options: Options, rounds: int, batches: int, seconds: int) -> Iterator[Figure]:
    url = servers.database()
    asyncio.run(_prepare(url))
    clients = itertools.count()

    def dispatch() -> float:
        return asyncio.run(_once(url, batches))

    def by_hand() -> float:
        return servers.pgbench(url, BY_HAND, clients=FLOOR_CLIENTS, seconds=seconds)

    def single() -> float:
        script = ONE_ACTION_A_TRANSACTION.replace(":seed", f"{next(clients)}")
        return servers.pgbench(url, script, clients=FLOOR_CLIENTS, seconds=seconds)

    sides = {"dispatch": dispatch, "by hand": by_hand, "one a transaction": single}
    rates = in_turn(sides, rounds=rounds, say=lambda name, rate: options.say(f"  {name} {rate:,.0f}/s"))
    ours = rates["dispatch"]
    yield alone("sql.dispatch_per_s", ours, "actions/s", ">= 25000")
    peer = "pgbench, 32 clients, hand-written insert of message and log row"
    yield compared("sql.vs_insert", ours, "actions/s", peer=peer, peers=rates["by hand"], target=">= 0.9")
    peer = "pgbench, 32 clients, flux.dispatch with one action a transaction"
    single_rates = rates["one a transaction"]
    yield compared("sql.vs_pgbench_notify", ours, "actions/s", peer=peer, peers=single_rates, target=">= 1")


async def _prepare(url: str) -> None:
    sender = await Sender.connect(url)
    await sender.execute("set search_path to public;" + BY_HAND_TABLES)
    await sender.close()


async def _once(url: str, batches: int) -> float:
    sender = await Sender.connect(url)
    await sender.execute("delete from flux.client; truncate flux.action")
    await sender.rate(max(1, batches // 10))  # plans are made, pages are there
    rate = await sender.rate(batches)
    await sender.close()
    return rate


def _ratios(url: str, options: Options, rounds: int, batches: int) -> Iterator[Figure]:
    with asyncio.Runner() as runner:
        sender = runner.run(Sender.connect(url))

        def watched() -> float:
            return 1e6 / runner.run(sender.rate(batches))

        def plain() -> float:
            runner.run(sender.execute("alter table chat.message disable trigger user"))
            taken = watched()
            runner.run(sender.execute(WATCHED_AGAIN))
            return taken

        def refused() -> float:
            return 1e6 / runner.run(sender.rate(batches, status="refused", room="nowhere"))

        sides = {"watched": watched, "plain": plain, "refused": refused}
        runner.run(sender.rate(5))
        taken = in_turn(sides, rounds=rounds, say=lambda name, us: options.say(f"  {name} {us:.0f} us an action"))
        runner.run(sender.close())
    ours = taken["watched"]
    yield compared("sql.watch.vs_plain", ours, "us/action", peer="not watched", peers=taken["plain"], target="<= 1.5")
    yield compared("sql.refused.vs_accepted", taken["refused"], "us/action", peer="accepted", peers=ours, target="<= 1")


def _growth(databases: dict[int, str], options: Options, rounds: int, batches: int) -> Iterator[Figure]:
    """Measure in databases of several sizes in turn: what others do to the machine is done to all of them."""
    with asyncio.Runner() as runner:
        senders = {size: runner.run(_grown(url, size)) for size, url in databases.items()}
        runner.run(next(iter(senders.values())).execute("checkpoint"))
        sides = {f"{size}": lambda sender=sender: runner.run(sender.cost(batches)) for size, sender in senders.items()}
        costs = in_turn(sides, rounds=rounds, say=lambda size, us: options.say(f"  {size} rows: {us:.0f} us"))
        for sender in senders.values():
            runner.run(sender.close())
    least, *others = sides
    for size in others:
        peer = f"the same with {least} rooms, messages and log rows, not {size}"
        unit = "us/action of processor time"
        yield compared(f"sql.growth.{size}", costs[size], unit, peer=peer, peers=costs[least], target="<= 1.2")


async def _grown(url: str, size: int) -> Sender:
    """Fill a database."""
    sender = await Sender.connect(url)
    await sender.execute(FILL.format(rooms=ROOMS, size=size))
    await sender.execute(WATCHED_AGAIN)
    await sender.rate(KEPT * ROOMS // BATCH + 1)  # in all of them windows are full, of messages just written
    await sender.execute("vacuum analyze")
    return sender
