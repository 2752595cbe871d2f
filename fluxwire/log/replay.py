"""`fluxwire replay`: build a database anew out of the action log, through the same door that the actions came by.

Every action runs again with the time and the seed that it had, in its order, refusals among them; what it answers must
be what it answered then. A replay that was interrupted goes on where it ended: its own log tells how far it came.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from datetime import datetime
from pathlib import Path
from typing import Protocol

import uvloop

from fluxwire.deploy import DeployError, deploy
from fluxwire.environment import environment_differs
from fluxwire.log.archive import exported
from fluxwire.log.baseline import restore
from fluxwire.log.command import instant
from fluxwire.log.foreign import ForeignWrite, told
from fluxwire.log.logged import DatabaseLog, Log, Logged, Position, Until
from fluxwire.log.target import Divergence, Target, stop
from fluxwire.stack import account, state
from fluxwire.stack.database import DRIVER_ERRORS, connect, database_url
from fluxwire.stack.errors import StackError
from fluxwire.stack.folder import choose
from fluxwire.stack.progress import gauge

BATCH = 500
"""Actions in one transaction: more than a multiplexer takes, since nobody waits for them or reads beside them."""
SHOW_EVERY = 0.5
"""Seconds between two looks at how far it is."""


class Look(Protocol):
    """Where a replay stops on its way, for a look at the database."""

    def at(self, entry: Logged) -> bool:
        """Whether to stop behind an action."""

    async def now(self, entry: Logged) -> None:
        """Look: the action and all before it are committed, and nothing else is."""


async def replay(
    log: Log,
    target: Target,
    until: Until,
    show: Callable[[int, int], None],
    *,
    diverged: Callable[[Divergence], None] = stop,
    look: Look | None = None,
) -> int:
    """Run a log again, from where the target stands.

    Args:
        log: The log.
        target: The database that is built.
        until: Where to end.
        show: Told where it begins, and then how far it is: the numbers of the action there, and of the last.
        diverged: Told of each action that does not do what it did.
        look: Where to stop on the way, to look at the target.

    Returns:
        The number of the last action that the target has.

    Raises:
        Diverged: An action does not do what it did, unless told otherwise.
        BrokenLog: Something is missing in the log, or was changed.
        StackError: The target's log is not the beginning of this one, or goes beyond where to end.

    """
    position, last = await target.position(), await log.last(until)
    if not until.takes(position):
        raise StackError(
            f"The database to build has all up to action {position.seq} already, which is beyond where to end.",
            "Begin with nothing, or with an earlier baseline: --from BASELINE.",
        )
    show(position.seq, last)
    seq = position.seq
    async with aclosing(_ahead(_checked(log, position, until))) as chunks:
        async for entries in chunks:
            for batch in _batches(entries, look):
                await target.run(batch, diverged)
                seq = batch[-1].seq
                show(seq, last)
                if look is not None and look.at(batch[-1]):
                    await look.now(batch[-1])
    return seq


async def _checked(log: Log, position: Position, until: Until) -> AsyncGenerator[list[Logged], None]:
    """Read a log behind a position, and check that it goes on there."""
    async with aclosing(log.read(position.seq, until)) as chunks:
        async for entries in chunks:
            if entries[0].seq == position.seq:
                if entries[0].link != position.link:
                    raise StackError("The database to build has a log of its own.", "Give an empty one: --into DSN.")
                del entries[0]
            position = position.before(entries)
            if entries:
                yield entries


def _batches(entries: Sequence[Logged], look: Look | None) -> Iterator[Sequence[Logged]]:
    start = 0
    for end, entry in enumerate(entries, 1):
        if end - start == BATCH or end == len(entries) or (look is not None and look.at(entry)):
            yield entries[start:end]
            start = end


async def _ahead(chunks: AsyncGenerator[list[Logged], None]) -> AsyncGenerator[list[Logged], None]:
    """Read and check the next chunk while the one before it is worked on."""
    coming = asyncio.ensure_future(anext(chunks, None))
    try:
        while entries := await coming:
            coming = asyncio.ensure_future(anext(chunks, None))
            yield entries
    finally:
        coming.cancel()
        with suppress(asyncio.CancelledError, StackError):
            await coming
        await chunks.aclose()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire replay` takes."""
    parser.add_argument("--into", required=True, metavar="DSN", help="the database to build; the SQL is deployed to it")
    parser.add_argument(
        "--log",
        action="append",
        metavar="WHERE",
        help="an archive (a folder, s3://…) or an export of the log; several in their order"
        " (default: the log of the running stack's database)",
    )
    add_baseline(parser)
    parser.add_argument(
        "--until", type=until, default=Until(), metavar="SEQ|TIME", help="where to end (default: the end)"
    )
    parser.add_argument(
        "--store",
        metavar="KEY",
        help="only what touched this store, for a look at it: all else keeps its place in the log, and is not run",
    )
    add_application(parser)


def add_baseline(parser: argparse.ArgumentParser) -> None:
    """Declare how to say where to begin."""
    parser.add_argument(
        "--from",
        dest="baseline",
        type=Path,
        metavar="BASELINE",
        help="a folder that `fluxwire baseline` made (default: begin with nothing)",
    )


def add_application(parser: argparse.ArgumentParser) -> None:
    """Declare how to say which SQL to deploy."""
    parser.add_argument(
        "--application",
        type=Path,
        metavar="DIR",
        help="folder with its sql/ (default: the running stack's application)",
    )


def run(args: argparse.Namespace) -> int:
    """Replay, and say how far it came; the code is 1 if a bounded replay came out otherwise."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_perform(args))


async def _perform(args: argparse.Namespace) -> int:
    otherwise: list[Divergence] = []
    diverged = otherwise.append if args.store else stop
    await prepare(args.into, args.baseline, application_of(args))
    async with Target.open(args.into, args.store) as target:
        began = (await target.position()).seq
        written: list[ForeignWrite] = []
        if args.log:
            for where in args.log:
                log = exported(where)
                done = await replay(log, target, args.until, meter(), diverged=diverged)
                # Two logs may have the same.
                written += [write for write in await log.foreign_writes(began, done) if write not in written]
        else:
            async with (
                connect(database_url(args.data)) as connection,
                connection.transaction(isolation="repeatable_read"),
            ):
                for difference in await environment_differs(connection, target.connection):
                    print(f"warning: {difference}", file=sys.stderr)
                of_database = DatabaseLog(connection)
                done = await replay(of_database, target, args.until, meter(), diverged=diverged)
                written = await of_database.foreign_writes(began, done)
        await target.make_durable()
    if args.store:
        print(
            "\n".join([*map(str, otherwise), f"Replayed what touched {args.store}, {len(otherwise)} of it otherwise."])
        )
        return 1 if otherwise else 0
    print(
        "\n".join(
            [*told(written), f"Replayed up to action {done}, from action {began + 1} on, none of them otherwise."]
        )
    )
    return 0


async def prepare(url: str, baseline: Path | None, application: Path | None) -> None:
    """Bring a database to where a replay begins or goes on: a baseline, if there is one, and the application's SQL.

    Raises:
        StackError: It cannot be.

    """
    if baseline is not None:
        await restore(url, baseline)
    await deploy_to(url, application)


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
    except DRIVER_ERRORS as exc:
        raise StackError("The database to build cannot be reached.", str(exc)) from exc


def meter() -> Callable[[int, int], None]:
    """Make what shows how far it is, not more often than one can read; it is told first where it begins."""
    begun = shown = time.monotonic()
    first: int | None = None

    def show(done: int, total: int) -> None:
        nonlocal first, shown
        now = time.monotonic()
        if first is None:
            first = done
        elif now - shown >= SHOW_EVERY or done == total:
            shown = now
            gauge(done, total, now - begun, "actions", first=first)
            if done == total and sys.stderr.isatty():
                print(file=sys.stderr)

    return show


def until(word: str) -> Until:
    """Read where to end: a number in the log, or a time as `fluxwire log` takes it."""
    if word.isdecimal():
        return Until(seq=int(word))
    found: datetime = instant(word)
    return Until(at=found)
