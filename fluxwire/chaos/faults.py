"""Every kind of fault: how it strikes, and how it heals.

Each is a coroutine function of the cluster and the run's random numbers; it returns when the fault is healed, with what
it hit. What comes after, the cluster has to manage alone.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from functools import partial

import asyncpg  # noqa: TID251 - it ends sessions
import redis.asyncio as redis  # noqa: TID251 - it empties the server

from fluxwire.stack.process import wait_until

from . import balancer
from .cluster import FRONTS, MULTIPLEXERS, Cluster

Fault = Callable[[Cluster, random.Random], Awaitable[str]]

SHORT = (0.3, 2.0)
LONG = (2.0, 5.0)
"""How long a process is paused or a link stalled, in seconds; the long one is longer than a leader may be silent."""
RESTART = 30.0
"""How long a front may take to send its clients away and to serve again, in seconds."""
END_SESSIONS = """
select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and usename like 'fluxwire%'
"""


def _front(rng: random.Random) -> str:
    return f"front-{rng.randint(1, FRONTS)}"


def _multiplexer(rng: random.Random) -> str:
    return f"multiplexer-{rng.randint(1, MULTIPLEXERS)}"


async def _standby(cluster: Cluster) -> str:
    leader = await cluster.leader()
    return next(name for name in (f"multiplexer-{n + 1}" for n in range(MULTIPLEXERS)) if name != leader)


async def _pause(cluster: Cluster, name: str, seconds: float) -> str:
    cluster.signal(name, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        cluster.signal(name, signal.SIGCONT)
    return name


async def _stall(cluster: Cluster, name: str, seconds: float) -> str:
    cluster.links[name].stall()
    try:
        await asyncio.sleep(seconds)
    finally:
        cluster.links[name].heal()
    return name


def _cut(cluster: Cluster, name: str) -> str:
    cluster.links[name].cut()
    return name


def _serves_again(cluster: Cluster, name: str, before: int) -> bool:
    return cluster.state.pids.get(name) not in {before, None} and cluster.ready()


def _end(cluster: Cluster, name: str, number: signal.Signals = signal.SIGKILL) -> str:
    cluster.signal(name, number)
    return name


async def kill_front(cluster: Cluster, rng: random.Random) -> str:
    """A front dies."""
    return _end(cluster, _front(rng))


async def drain_front(cluster: Cluster, rng: random.Random) -> str:
    """A front is told to end, and sends its clients to the others first."""
    return _end(cluster, _front(rng), signal.SIGTERM)


async def restart_fronts(cluster: Cluster, rng: random.Random) -> str:  # noqa: ARG001 - as all
    """All fronts are restarted, each when the one before serves again: what a rolling upgrade is."""
    for number in range(1, FRONTS + 1):
        name = f"front-{number}"
        pid = cluster.pid(name)
        cluster.signal(name, signal.SIGTERM)
        again = partial(_serves_again, cluster, name, pid)
        if not await asyncio.to_thread(wait_until, again, RESTART):
            raise TimeoutError(f"{name} does not serve again")
    return "front-1..3"


async def kill_leader(cluster: Cluster, rng: random.Random) -> str:  # noqa: ARG001 - as all
    """The multiplexer that leads dies."""
    return _end(cluster, await cluster.leader())


async def kill_standby(cluster: Cluster, rng: random.Random) -> str:  # noqa: ARG001 - as all
    """A multiplexer that stands by dies."""
    return _end(cluster, await _standby(cluster))


async def kill_database(cluster: Cluster, rng: random.Random) -> str:  # noqa: ARG001 - as all
    """Postgres dies, and recovers from its log."""
    return _end(cluster, "postgres")


async def restart_database(cluster: Cluster, rng: random.Random) -> str:  # noqa: ARG001 - as all
    """Postgres is told to end, and is started again."""
    return _end(cluster, "postgres", signal.SIGINT)


async def kill_balancer(cluster: Cluster, rng: random.Random) -> str:  # noqa: ARG001 - as all
    """HAProxy dies, where there is one, and all connections of clients with it."""
    return _end(cluster, balancer.NAME)


async def kill_bus(cluster: Cluster, rng: random.Random) -> str:  # noqa: ARG001 - as all
    """Valkey dies, and comes back empty."""
    return _end(cluster, "valkey")


async def empty_bus(cluster: Cluster, rng: random.Random) -> str:  # noqa: ARG001 - as all
    """Somebody empties Valkey."""
    client = redis.Redis.from_url(cluster.state.redis_url)
    try:
        await client.flushall()
    finally:
        await client.aclose()
    return "valkey"


async def end_sessions(cluster: Cluster, rng: random.Random) -> str:  # noqa: ARG001 - as all
    """Somebody ends all sessions of the database."""
    connection = await asyncpg.connect(cluster.state.database_url)
    try:
        await connection.execute(END_SESSIONS)
    finally:
        connection.terminate()
    return "postgres"


async def pause_front(cluster: Cluster, rng: random.Random) -> str:
    """A front stands still."""
    return await _pause(cluster, _front(rng), rng.uniform(*LONG))


async def pause_leader(cluster: Cluster, rng: random.Random) -> str:
    """The multiplexer that leads stands still, is replaced, and goes on as if it led."""
    return await _pause(cluster, await cluster.leader(), rng.uniform(*LONG))


async def pause_database(cluster: Cluster, rng: random.Random) -> str:
    """Postgres stands still."""
    return await _pause(cluster, "postgres", rng.uniform(*SHORT))


async def pause_bus(cluster: Cluster, rng: random.Random) -> str:
    """Valkey stands still."""
    return await _pause(cluster, "valkey", rng.uniform(*SHORT))


async def cut_clients(cluster: Cluster, rng: random.Random) -> str:
    """All connections of a front's clients are cut."""
    return _cut(cluster, f"clients>{_front(rng)}")


async def cut_front(cluster: Cluster, rng: random.Random) -> str:
    """A front's connections to the buses are cut."""
    return _cut(cluster, f"{_front(rng)}>bus")


async def cut_multiplexer(cluster: Cluster, rng: random.Random) -> str:
    """A multiplexer's connections to the buses are cut."""
    return _cut(cluster, f"{_multiplexer(rng)}>bus")


async def cut_database(cluster: Cluster, rng: random.Random) -> str:
    """A multiplexer's connections to the database are cut."""
    return _cut(cluster, f"{_multiplexer(rng)}>database")


async def stall_clients(cluster: Cluster, rng: random.Random) -> str:
    """Nothing passes between a front and its clients."""
    return await _stall(cluster, f"clients>{_front(rng)}", rng.uniform(*SHORT))


async def stall_front(cluster: Cluster, rng: random.Random) -> str:
    """Nothing passes between a front and the buses."""
    return await _stall(cluster, f"{_front(rng)}>bus", rng.uniform(*LONG))


async def stall_multiplexer(cluster: Cluster, rng: random.Random) -> str:
    """Nothing passes between the leader and the buses."""
    return await _stall(cluster, f"{await cluster.leader()}>bus", rng.uniform(*LONG))


async def stall_database(cluster: Cluster, rng: random.Random) -> str:
    """Nothing passes between the leader and the database, LISTEN included: half-open, as after a lost host."""
    return await _stall(cluster, f"{await cluster.leader()}>database", rng.uniform(*LONG))


KINDS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        kill_front,
        drain_front,
        restart_fronts,
        kill_leader,
        kill_standby,
        kill_database,
        restart_database,
        kill_balancer,
        kill_bus,
        empty_bus,
        end_sessions,
        pause_front,
        pause_leader,
        pause_database,
        pause_bus,
        cut_clients,
        cut_front,
        cut_multiplexer,
        cut_database,
        stall_clients,
        stall_front,
        stall_multiplexer,
        stall_database,
    )
}
