"""`fluxwire at`: a store as it was, rendered from the log up to then."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

import asyncpg  # noqa: TID251 - for the names of its errors
import uvloop

from fluxwire.log.logged import Until
from fluxwire.log.replay import add_application, application_of, until
from fluxwire.log.scratch import replayed
from fluxwire.stack.database import database_url
from fluxwire.stack.errors import StackError

RENDER = "select r.document::text from flux.render(flux.bound_key($1, $2)) as r"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire at` takes."""
    parser.add_argument("until", type=until, metavar="SEQ|TIME", help="a number in the log, or a time")
    parser.add_argument("store", help="the store's name")
    parser.add_argument("params", nargs="?", default="{}", help="its parameters, as JSON (default: {})")
    add_application(parser)


def run(args: argparse.Namespace) -> int:
    """Print the document."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        text = runner.run(document(database_url(args.data), application_of(args), args.until, args.store, args.params))
    print(json.dumps(json.loads(text), indent=2, ensure_ascii=False))
    return 0


async def document(url: str, application: Path | None, then: Until, store: str, params: str) -> str:
    """Render a store as it was.

    Args:
        url: DSN of the database.
        application: Folder of the application whose SQL it has.
        then: Up to where the log is replayed.
        store: The store's name.
        params: Its parameters, JSON text.

    Raises:
        StackError: The log cannot be replayed, or the store not be rendered.

    """
    async with replayed(url, application, until=then) as both:
        try:
            return str(await both.scratch.fetchval(RENDER, store, params))
        except asyncpg.PostgresError as exc:
            raise StackError(f"{store} cannot be rendered.", str(exc)) from exc
