"""`fluxwire check`: do subscribers see what the database holds, and does that hold what was played?

The first question goes to any database: every store that everybody shares is subscribed to, held for a while if
asked, and compared with its render. Patches applied to a stale document must lead to what a fresh render gives.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg  # noqa: TID251 - a check is the command line's own look into the database
import rfc8785
import uvloop

from fluxwire import plays, token, trace
from fluxwire.client import Client, Refused, Stopped
from fluxwire.client.subscriptions import Subscription
from fluxwire.play import TOKEN_SECONDS, door
from fluxwire.stack import account, state
from fluxwire.stack.errors import StackError
from fluxwire.stack.folder import choose

CHECKER = "fluxwire-check"
"""The actor who subscribes."""
SHOWN = 20
"""How many differences are printed."""
PATIENCE = 15.0
"""How long a subscriber may take to reach the database's version, in seconds."""

# What ever changed, and what has no parameters; a private store is its actor's alone.
STORES = """
select v.key from flux.version v join flux.declared_store d on d.name = flux.key_store(v.key) where not d.private
union
select d.name || '{}' from flux.declared_store d
join pg_catalog.pg_proc p on p.pronamespace = 'stores'::regnamespace and p.proname = d.name
where not d.private and p.pronargs = 0
order by 1
"""
RENDER = "select epoch, version, document from flux.render($1)"
# A hash over hashes: one that joined bodies would not see a border that moved.
MESSAGES = """
select room, author, count(*) as count,
       encode(sha256(string_agg(sha256(convert_to(body, 'UTF8')), ''::bytea order by sent_at, id)), 'hex') as digest
from chat.message
where room = any($1)
group by room, author
"""


@dataclass(slots=True)
class Findings:
    """What a check found.

    Args:
        stores: How many stores were compared.
        forbidden: How many stores the checker may not read.
        authors: How many pairs of room and author were compared.
        messages: How many messages the recorded plays posted.
        differences: What is not as it should be, one sentence each.

    """

    stores: int = 0
    forbidden: int = 0
    authors: int = 0
    messages: int = 0
    differences: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Say it in a few lines, beginning with the first differences."""
        shown = self.differences[:SHOWN]
        more = len(self.differences) - len(shown)
        return "\n".join(
            [
                *shown,
                *([f"... and {more} more"] if more else []),
                f"stores compared            {self.stores}",
                *([f"stores not to be read      {self.forbidden}"] if self.forbidden else []),
                f"rooms and authors compared {self.authors}",
                f"messages played            {self.messages}",
                f"{len(self.differences)} differences",
            ]
        )


async def check(
    url: str, bearer: str, database: str, recorded: Callable[[], list[plays.Play]], *, hold: float = 0.0
) -> Findings:
    """Compare subscribers with the database, and the database with the traces.

    Args:
        url: Address of a front's WebSocket.
        bearer: Token of the actor who subscribes.
        database: DSN.
        recorded: Tells what was played on it; asked when the stores have been compared.
        hold: How long to hold the stores before they are compared, in seconds, while others write.

    """
    findings = Findings()
    connection = await asyncpg.connect(database)
    try:
        await _compare_stores(Client(url, bearer), connection, findings, hold)
        if played := recorded():
            await _compare_messages(connection, findings, played)
    finally:
        await connection.close()
    return findings


async def difference(connection: asyncpg.Connection, subscription: Subscription, patience: float) -> str | None:
    """Compare a subscriber's document with the database's at the same version; while somebody writes, both move.

    Args:
        connection: A connection to the database.
        subscription: What the subscriber holds.
        patience: How long it may take to reach the database's version, in seconds.

    Returns:
        What is not as it should be, or None.

    Raises:
        Refused: The subscriber may not hold the store.

    """
    try:
        async with asyncio.timeout(patience):
            await subscription.ready()
            while True:
                row = await connection.fetchrow(RENDER, subscription.key)
                assert row is not None
                # The render may be of a version ahead of us; then ours comes.
                while subscription.epoch == row["epoch"] and subscription.version < row["version"]:
                    await subscription.changed(subscription.version)
                if (subscription.epoch, subscription.version) == (row["epoch"], row["version"]):
                    break
        if digest(subscription.document) != digest(json.loads(row["document"])):
            return f"version {row['version']} is not what the database renders"
    except TimeoutError:
        return (
            f"after {patience:.0f} s at version {subscription.version} of epoch {subscription.epoch!r},"
            " which the database is not at"
        )
    except (Stopped, asyncpg.PostgresError, rfc8785.CanonicalizationError) as exc:
        return str(exc)
    return None


def digest(document: Any) -> str:  # noqa: ANN401 - any JSON
    """Return the SHA-256 of a document's canonical JSON (RFC 8785), in hex."""
    return hashlib.sha256(rfc8785.dumps(document)).hexdigest()


def expected(played: list[plays.Play]) -> dict[tuple[str, str], tuple[int, str]]:
    """Return how many messages each author should have in each room, and the hash of their hashes, in order."""
    hashes: dict[tuple[str, str], Any] = defaultdict(hashlib.sha256)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for play in played:
        for event in trace.read(Path(play.trace), play.limit):
            if event.posts:
                hashes[event.room, event.actor].update(hashlib.sha256(event.body.encode()).digest())
                counts[event.room, event.actor] += 1
    return {pair: (count, hashes[pair].hexdigest()) for pair, count in counts.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire check` takes."""
    parser.add_argument("--url", help="a front's WebSocket (default: that of the running stack)")
    parser.add_argument(
        "--hold",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="hold all stores for so long while others write, then compare (default: 0)",
    )


def run(args: argparse.Namespace) -> int:
    """Check, and say what was found."""
    folder = choose(args.data, account.for_postgres())
    database = os.environ.get("DATABASE_URL") or state.running(folder).database_url
    url, key = door(args.url, args.data)
    bearer = token.sign(key, CHECKER, lifetime=TOKEN_SECONDS, now=time.time())
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            findings = runner.run(check(url, bearer, database, partial(plays.recorded, folder.path), hold=args.hold))
    except asyncpg.PostgresError as exc:
        raise StackError(f"The database cannot be compared: {exc}.", f"It was asked as {database}.") from None
    print(findings.summary())
    return 1 if findings.differences else 0


async def _compare_stores(client: Client, connection: asyncpg.Connection, findings: Findings, hold: float) -> None:
    keys = [row["key"] for row in await connection.fetch(STORES)]
    try:
        async with asyncio.timeout(PATIENCE):
            await client.connect()
        held = [(key, client.subscribe(*_asked_for(key))) for key in keys]
        await asyncio.sleep(hold)
        for key, subscription in held:
            await _compare_store(client, connection, findings, key, subscription)
    except (TimeoutError, Stopped) as exc:
        findings.differences.append(f"no front lets us in: {type(exc).__name__} {exc}".rstrip())
    finally:
        await client.close()


def _asked_for(key: str) -> tuple[str, dict[str, object]]:
    """Return the name and the parameters in a store key."""
    name, _, _ = key.partition("{")
    return name, json.loads(key[len(name) :])


async def _compare_store(
    client: Client, connection: asyncpg.Connection, findings: Findings, key: str, subscription: Subscription
) -> None:
    findings.stores += 1
    try:
        found = await difference(connection, subscription, PATIENCE)
    except Refused as exc:
        if exc.code == "forbidden":
            findings.stores -= 1
            findings.forbidden += 1
            return
        found = str(exc)
    finally:
        client.unsubscribe(subscription)
    if found is not None:
        findings.differences.append(f"{key}: {found}")


async def _compare_messages(connection: asyncpg.Connection, findings: Findings, played: list[plays.Play]) -> None:
    wanted = expected(played)
    rows = await connection.fetch(MESSAGES, sorted({room for room, _ in wanted}))
    present = {(row["room"], row["author"]): (row["count"], row["digest"]) for row in rows}
    findings.messages = sum(count for count, _ in wanted.values())
    findings.authors = len(wanted | present)
    for pair in sorted(wanted.keys() | present.keys()):
        want, have = wanted.get(pair, (0, "")), present.get(pair, (0, ""))
        who = f"{pair[1]!r} in {pair[0]!r}"
        if want[0] != have[0]:
            findings.differences.append(f"{who}: {want[0]} messages were played, {have[0]} are in the database")
        elif want[1] != have[1]:
            findings.differences.append(f"{who}: the messages are others, or in another order")
