"""`fluxwire at`: a store as it was, rendered from the log up to then."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

import asyncpg  # noqa: TID251 - for the names of its errors
import uvloop

from fluxwire.log.command import instant
from fluxwire.log.logged import Until
from fluxwire.log.replay import add_application, add_baseline, application_of
from fluxwire.log.scratch import replayed
from fluxwire.stack.database import database_url
from fluxwire.stack.errors import StackError

RENDER = "select r.document::text from flux.render(flux.bound_key($1, $2)) as r"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire at` takes."""
    then = parser.add_mutually_exclusive_group(required=True)
    then.add_argument("--seq", type=int, metavar="N", help="behind the action of this number in the log")
    then.add_argument("--time", type=instant, metavar="T", help="at a time: 2026-11-22T10:30, or 5m, 2h, 3d ago")
    add_baseline(parser)
    add_application(parser)
    add_store(parser)
    parser.add_argument("params", nargs="?", default="{}", help="its parameters, as JSON (default: {})")


def add_store(parser: argparse.ArgumentParser) -> None:
    """Declare how to say which store it is about."""
    parser.add_argument("kind", choices=("store",), metavar="store", help="the word store")
    parser.add_argument("name", help="the store's name")


def run(args: argparse.Namespace) -> int:
    """Print the document."""
    then = Until(seq=args.seq, at=args.time)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        text = runner.run(
            document(
                database_url(args.data), application_of(args), then, args.name, args.params, baseline=args.baseline
            )
        )
    print(json.dumps(json.loads(text), indent=2, ensure_ascii=False))
    return 0


async def document(
    url: str, application: Path | None, then: Until, store: str, params: str, *, baseline: Path | None = None
) -> str:
    """Render a store as it was.

    Args:
        url: DSN of the database.
        application: Folder of the application whose SQL it has.
        then: Up to where the log is replayed.
        store: The store's name.
        params: Its parameters, JSON text.
        baseline: Where to begin; None for the log's beginning.

    Raises:
        StackError: The log cannot be replayed, or does not go so far, or the store cannot be rendered.

    """
    async with replayed(url, application, until=then, baseline=baseline) as both:
        if then.seq is not None and both.last < then.seq:
            raise StackError(f"The log ends with action {both.last}; there is no action {then.seq} yet.")
        try:
            return str(await both.scratch.fetchval(RENDER, store, params))
        except asyncpg.PostgresError as exc:
            raise StackError(f"{store} cannot be rendered.", str(exc)) from exc
