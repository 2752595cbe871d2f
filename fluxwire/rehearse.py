"""`fluxwire rehearse`: what would these functions have done to what has been?

Deploys an application's SQL into a scratch database, replays the real log through it, and tells which actions come
out otherwise, and which rows and stores do.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import uvloop

from fluxwire.differences import differences, told
from fluxwire.scratch import replayed
from fluxwire.stack.database import database_url


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire rehearse` takes."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the application whose sql/ is tried")


def run(args: argparse.Namespace) -> int:
    """Rehearse, and say what would be otherwise; the code is 0 if nothing would."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        actions, state = runner.run(rehearse(database_url(args.data), args.folder))
    print("\n".join([*actions, *state, f"{len(actions)} actions and {len(state)} rows and stores would be otherwise"]))
    return 1 if actions or state else 0


async def rehearse(url: str, application: Path) -> tuple[list[str], list[str]]:
    """Replay a database's log through an application's SQL.

    Args:
        url: DSN of the database; it is only read.
        application: The application's folder.

    Returns:
        The actions that come out otherwise, and the rows and stores that do, a sentence each.

    Raises:
        StackError: The SQL cannot be deployed, or the log not be replayed.

    """
    actions: list[str] = []
    async with replayed(url, application, diverged=lambda found: actions.append(str(found))) as both:
        return actions, told(await differences(both.real, both.scratch))
