"""`fluxwire rehearse`: what would these functions have done to what has been?

Deploys an application's SQL into a scratch database, replays the real log or a part of it through it, and tells which
actions come out otherwise, and which rows and stores do.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from fluxwire.log.baseline import Baseline
from fluxwire.log.differences import Difference, differences, told
from fluxwire.log.logged import DatabaseLog, Until
from fluxwire.log.replay import add_application, add_baseline, application_of, deploy_to, meter, replay, until
from fluxwire.log.scratch import LAST, replayed
from fluxwire.log.target import Divergence, Target
from fluxwire.stack.database import connect, database_url


@dataclass(slots=True)
class Rehearsal:
    """What would be otherwise.

    Args:
        first: The number of the action behind which the functions that are tried begin.
        last: And of the last one.
        actions: Those that come out otherwise.
        state: The rows and stores that do.

    """

    first: int = 0
    last: int = 0
    actions: list[Divergence] = field(default_factory=list)
    state: list[Difference] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """Say all of it, a line each: every action, some rows of each table, every store, and how many of what."""
        kinds = Counter(
            f"{found.entry.name}: {found.entry.outcome} → {found.outcome}"
            if found.entry.outcome != found.outcome
            else f"{found.entry.name}: another reply"
            for found in self.actions
        )
        return [
            *map(str, self.actions),
            *told(self.state, "rehearsed"),
            *(f"{kind}, {count} times" for kind, count in kinds.most_common()),
            (
                f"Of actions {self.first + 1} to {self.last}, {len(self.actions)} would come out otherwise,"
                f" and {len(self.state)} rows and stores."
            ),
        ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire rehearse` takes."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the application whose sql/ is tried")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--last", type=int, metavar="N", help="only the newest so many actions")
    begin.add_argument("--since", type=until, metavar="SEQ|TIME", help="only what came behind (default: all)")
    parser.add_argument(
        "--until", type=until, default=Until(), metavar="SEQ|TIME", help="where to end (default: the end)"
    )
    add_baseline(parser)
    add_application(parser)


def run(args: argparse.Namespace) -> int:
    """Rehearse, and say what would be otherwise; the code is 0 if nothing would."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(_perform(args))
    print("\n".join(found.lines))
    return 1 if found.actions or found.state else 0


async def _perform(args: argparse.Namespace) -> Rehearsal:
    url = database_url(args.data)
    since = args.since
    if args.last is not None:
        async with connect(url) as connection:
            since = Until(seq=max(0, await connection.fetchval(LAST) - args.last))
    return await rehearse(
        url, args.folder, since=since, end=args.until, application=application_of(args), baseline=args.baseline
    )


async def rehearse(
    url: str,
    folder: Path,
    *,
    since: Until | None = None,
    end: Until | None = None,
    application: Path | None = None,
    baseline: Path | None = None,
) -> Rehearsal:
    """Replay a database's log through an application's SQL.

    Args:
        url: DSN of the database; it is only read.
        folder: Of the application that is tried.
        since: Behind what it is tried; before that, the application runs as it is. None tries it from the beginning.
        end: Where to end; None for the log's end.
        application: Folder of the application as it is, for a part of the log.
        baseline: Where to begin to replay; None for the log's beginning.

    Raises:
        StackError: The SQL cannot be deployed, or the log not be replayed.

    """
    found, end = Rehearsal(), end or Until()
    start = since or Until(seq=Baseline.read(baseline).seq if baseline else 0)
    async with AsyncExitStack() as opened:
        tried = await opened.enter_async_context(
            replayed(url, application if since else folder, until=start, baseline=baseline)
        )
        found.first = tried.last
        if since:
            await deploy_to(tried.url, folder)
        async with Target.open(tried.url) as target:
            found.last = await replay(DatabaseLog(tried.real), target, end, meter(), diverged=found.actions.append)
        real = tried.real
        if end != Until():
            # As it was then.
            then = replayed(url, application, until=Until(seq=found.last), baseline=baseline)
            real = (await opened.enter_async_context(then)).scratch
        found.state = await differences(real, tried.scratch)
    return found
