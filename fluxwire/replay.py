"""`fluxwire replay`: build a database anew out of the action log, through the same door that the actions came by.

Every action runs again with the time and the seed that it had, in its order, refusals among them; what it answers must
be what it answered then. A replay that was interrupted goes on where it ended: its own log tells how far it came.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import NoReturn, TypeAlias

import asyncpg  # noqa: TID251 - a replay is the command line's own business with the database
import msgspec
import uvloop

from fluxwire.deploy import DeployError, deploy
from fluxwire.log import instant
from fluxwire.logged import DatabaseLog, ExportedLog, Logged, Until, value
from fluxwire.stack import account, state
from fluxwire.stack.database import connect, database_url
from fluxwire.stack.errors import StackError
from fluxwire.stack.folder import choose
from fluxwire.stack.progress import gauge
from multiplexer.database import DISPATCH, SESSION, Sent

BATCH = 60
"""Actions in one transaction, as a multiplexer takes them."""
ATTEMPTS = 5
"""How often a batch is tried that meets a transient fault."""
SHOW_EVERY = 0.5
"""Seconds between two looks at how far it is."""
LEADER = "fluxwire replay"

LAST = "select actor, client, lane, number, at from flux.action order by seq desc limit 1"
LEAD = "select l.silence, t.leader from flux.leader() l, flux.term t"
TAKE_LEAD = "select flux.take_lead(term, $1) from flux.term"
SILENCE = 3.0
"""A database whose leader was heard within so many seconds is in use."""

Log = DatabaseLog | ExportedLog
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Diverged(StackError):
    """An action does not do again what it did."""


class _NotNow(Exception):
    """A transient fault."""


class Target:
    """The database that is built.

    Args:
        connection: To it.
        term: The term that is led.

    """

    def __init__(self, connection: Connection, term: int) -> None:
        self._connection = connection
        self._term = term

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Target]:
        """Connect and take the lead.

        Args:
            url: DSN.

        Raises:
            StackError: It cannot be reached, or a multiplexer works on it.

        """
        try:
            connection = await asyncpg.connect(url, server_settings={**SESSION, "jit": "off"})
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
            raise StackError("The database to build cannot be reached.", str(exc)) from exc
        try:
            lead = await connection.fetchrow(LEAD)
            assert lead is not None
            if lead["silence"] < SILENCE and lead["leader"] != LEADER:
                raise StackError(
                    "A multiplexer works on the database to build.", "Replay into a database of its own, --into DSN."
                )
            yield cls(connection, await connection.fetchval(TAKE_LEAD, LEADER))
        finally:
            connection.terminate()

    async def last(self) -> asyncpg.Record | None:
        """Identity and time of the last action that was replayed."""
        return await self._connection.fetchrow(LAST)

    async def run(self, batch: Sequence[Logged], diverged: Callable[[str], None]) -> None:
        """Run actions again.

        Args:
            batch: The actions, in the order of the log.
            diverged: Told of each that does not do what it did.

        Raises:
            StackError: A fault that does not pass.

        """
        for _ in range(ATTEMPTS):
            with suppress(_NotNow):
                # As a whole or not at all, or what waits for another try would come behind what was after it.
                async with self._connection.transaction():
                    results = await self._run(batch)
                    if any(result["status"] == "retry" for result in results):
                        raise _NotNow
                    for entry, result in zip(batch, results, strict=True):
                        if difference := _difference(entry, result):
                            diverged(difference)
                return
        raise StackError(f"{batch[0]}, or one soon after it, meets a fault that does not pass.", "Is somebody writing?")

    async def _run(self, batch: Sequence[Logged]) -> Sequence[asyncpg.Record]:
        try:
            return await self._connection.fetch(DISPATCH, self._term, [_sent(entry) for entry in batch])
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
            raise StackError(f"{batch[0]}, or one soon after it, cannot be run.", str(exc)) from exc


def _sent(entry: Logged) -> Sent:
    return Sent(
        actor=entry.actor,
        claims=entry.claims,
        client=entry.client,
        lane=entry.lane,
        number=entry.number,
        name=entry.name,
        params=entry.params,
        refusal=entry.refusal,
        at=entry.at,
        seed=entry.seed,
        positions=entry.positions and msgspec.json.encode(entry.positions).decode(),
    )


def _difference(entry: Logged, result: asyncpg.Record) -> str | None:
    was, now = entry.code or entry.status, result["code"] or result["status"]
    if was != now:
        return f"{entry} was {was}, and is {now} now."
    if entry.reply != value(result["reply"]):
        return f"{entry} answered {msgspec.json.encode(entry.reply).decode()}, and answers {result['reply']} now."
    return None


def stop(difference: str) -> NoReturn:
    """What a replay does with an action that does not do what it did: it stops there.

    Raises:
        Diverged: Always.

    """
    raise Diverged(difference, "The functions, or what they read beside their arguments, are not what they were.")


async def replay(
    log: Log, target: Target, until: Until, show: Callable[[int, int], None], diverged: Callable[[str], None] = stop
) -> int:
    """Run a log again, from where the target stands.

    Args:
        log: The log.
        target: The database that is built.
        until: Where to end.
        show: Told now and then how many of how many are done.
        diverged: Told of each action that does not do what it did.

    Returns:
        How many actions the target has behind it.

    Raises:
        Diverged: An action does not do what it did, unless told otherwise.
        StackError: The target's log is not the beginning of this one.

    """
    total, done = await log.count(until), 0
    last = await target.last()
    begun = last is None
    batch: list[Logged] = []
    async for entry in log.read(until):
        done += 1
        if not begun:
            assert last is not None
            begun = entry.identity == (last["actor"], last["client"], last["lane"], last["number"])
            continue
        batch.append(entry)
        if len(batch) == BATCH:
            await target.run(batch, diverged)
            batch.clear()
            show(done, total)
    if batch:
        await target.run(batch, diverged)
    if not begun:
        raise StackError("The database to build has a log of its own.", "Give an empty one: --into DSN.")
    show(done, total)
    return done


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire replay` takes."""
    parser.add_argument("--into", required=True, metavar="DSN", help="the database to build; the SQL is deployed to it")
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="an export of the log (default: that of the running stack's database)"
    )
    parser.add_argument(
        "--until", type=until, default=Until(), metavar="SEQ|TIME", help="where to end (default: the end)"
    )
    add_application(parser)


def add_application(parser: argparse.ArgumentParser) -> None:
    """Declare how to say which SQL to deploy."""
    parser.add_argument(
        "--application",
        type=Path,
        metavar="DIR",
        help="folder with its sql/ (default: the running stack's application)",
    )


def run(args: argparse.Namespace) -> int:
    """Replay, and say how far it came."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_perform(args))
    return 0


async def _perform(args: argparse.Namespace) -> None:
    await deploy_to(args.into, application_of(args))
    async with Target.open(args.into) as target:
        if args.log is not None:
            done = await replay(ExportedLog(args.log), target, args.until, meter())
        else:
            async with (
                connect(database_url(args.data)) as connection,
                connection.transaction(isolation="repeatable_read"),
            ):
                done = await replay(DatabaseLog(connection), target, args.until, meter())
    print(f"{done} actions replayed, none of them otherwise.")


def application_of(args: argparse.Namespace) -> Path | None:
    """Tell which application's SQL to deploy: the one asked for, or the running stack's."""
    if args.application is not None or os.environ.get("DATABASE_URL"):
        folder: Path | None = args.application
        return folder
    running = state.running(choose(args.data, account.for_postgres()))
    return Path(running.application) if running.application else None


async def deploy_to(url: str, application: Path | None) -> None:
    """Deploy to the database that is built.

    Raises:
        StackError: It says no, or cannot be reached.

    """
    try:
        await deploy(url, application)
    except DeployError as exc:
        raise StackError("The SQL cannot be deployed to the database to build.", str(exc)) from exc
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        raise StackError("The database to build cannot be reached.", str(exc)) from exc


def meter() -> Callable[[int, int], None]:
    """Make what shows how far it is, not more often than one can read."""
    begun = shown = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= SHOW_EVERY or done == total:
            shown = now
            gauge(done, total, now - begun, "actions")

    return show


def until(word: str) -> Until:
    """Read where to end: a number in the log, or a time as `fluxwire log` takes it."""
    if word.isdecimal():
        return Until(seq=int(word))
    found: datetime = instant(word)
    return Until(at=found)
