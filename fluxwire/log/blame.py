"""`fluxwire blame`: which action last changed something in a store."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import asyncpg  # noqa: TID251 - the command line's own look into a scratch database
import msgspec
import uvloop

from fluxwire.log.at import add_store
from fluxwire.log.logged import Logged
from fluxwire.log.replay import Look, add_application, add_baseline, application_of
from fluxwire.log.scratch import replayed
from fluxwire.stack.database import Connection, database_url
from fluxwire.stack.errors import StackError

KEY = "select flux.bound_key($1, $2)"
VALUE = "select (r.document #> $2)::text from flux.render($1) as r"
NOTHING = "nothing"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire blame` takes."""
    add_baseline(parser)
    add_application(parser)
    add_store(parser)
    parser.add_argument(
        "params",
        nargs="?",
        default="{}",
        help='its parameters, as JSON; of a private store with its "@actor" (default: {})',
    )
    parser.add_argument("path", help="a JSON pointer into the document: /messages/17/body")


def run(args: argparse.Namespace) -> int:
    """Say which action it was; the code is 1 if none of the log was."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(
            blame(
                database_url(args.data),
                application_of(args),
                args.name,
                args.params,
                args.path,
                baseline=args.baseline,
            )
        )
    if found.entry is None:
        print(f"No action in the log has changed it; it is {found.here or NOTHING}.")
        return 1
    print(f"{found.entry}, {found.entry.at:%Y-%m-%d %H:%M:%S}Z\n  {found.entry.name} {found.entry.params}")
    print(f"  was {found.before or NOTHING}\n  is  {found.after or NOTHING}")
    if found.here != found.after:
        print(f"In the database it is {found.here or NOTHING} now, which no action has done: fluxwire verify")
    return 0


class Blame(Look):
    """Looks at a place in a store behind every action that touched it.

    Args:
        connection: To the scratch database.
        key: Of the store.
        path: The steps to the place.

    """

    def __init__(self, connection: Connection, key: str, path: list[str]) -> None:
        self._connection = connection
        self._key = key
        self._path = path
        self.entry: Logged | None = None
        """The last action that changed what is there, JSON text before and after it; None for nothing."""
        self.before: str | None = None
        self.after: str | None = None
        self.here: str | None = None
        """What is there in the real database."""

    def at(self, entry: Logged) -> bool:
        """Whether an action touched the store."""
        return self._key in msgspec.json.decode(entry.stores)

    async def value(self, connection: Connection) -> str | None:
        """Read what is there in a database."""
        found: str | None = await connection.fetchval(VALUE, self._key, self._path)
        return found

    async def now(self, entry: Logged) -> None:
        """Compare what is there with what was there before."""
        found = await self.value(self._connection)
        if found != self.after:
            self.entry, self.before, self.after = entry, self.after, found


async def blame(
    url: str, application: Path | None, store: str, params: str, path: str, *, baseline: Path | None = None
) -> Blame:
    """Find the action that last changed something in a store.

    Args:
        url: DSN of the database.
        application: Folder of the application whose SQL it has.
        store: The store's name.
        params: Its parameters, JSON text.
        path: A JSON pointer.
        baseline: Where to begin; None for the log's beginning.

    Raises:
        StackError: The log cannot be replayed, or there is no such store or place.

    """
    if path and not path.startswith("/"):
        raise StackError(f"{path} is no JSON pointer.", "It begins with a slash: /messages/17/body")
    steps = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]
    made: list[Blame] = []

    async def prepared(scratch: Connection) -> Blame:
        try:
            look = Blame(scratch, await scratch.fetchval(KEY, store, params), steps)
            look.after = await look.value(scratch)
        except asyncpg.PostgresError as exc:
            raise StackError(f"{store} cannot be rendered.", str(exc)) from exc
        made.append(look)
        return look

    async with replayed(url, application, baseline=baseline, prepared=prepared) as both:
        (found,) = made
        found.here = await found.value(both.real)
        return found
