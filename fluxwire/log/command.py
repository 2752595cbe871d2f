"""`fluxwire log`: the action log, for people or as NDJSON, up to now or as it grows; and dropping its old months."""

import argparse
import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg  # noqa: TID251 - the command line's own look into the log

from fluxwire.log.archive import archive, archived
from fluxwire.log.foreign import Between, Following, ForeignWrite
from fluxwire.log.trim import covered, trim
from fluxwire.stack.database import Connection, connect, database_url
from fluxwire.stack.errors import StackError
from multiplexer.driver import LOST

SHOWN = 50
"""How many actions are shown to a person who does not say how many."""
POLL = 0.25
"""How often to look for more, in seconds."""
CHUNK = 500
"""How many entries are read in one go."""

WIDTHS = {"at": 23, "took": 9, "outcome": 18, "actor": 14, "name": 18}
"""Columns of the table; what follows them takes the rest of the line."""
SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

# What is not asked for is null, and falls out of the plan.
MATCHING = """
from flux.action a
where ($1::text is null or a.actor = $1)
  and ($2::text is null or a.name = $2)
  and ($3::text is null or a.client = $3)
  and ($4::text is null or a.status = $4)
  and ($5::text is null or a.code = $5)
  and ($6::timestamptz is null or a.at >= $6)
  and ($7::timestamptz is null or a.at < $7)
  and ($8::bigint is null or a.seq > $8)
"""
ENTRIES = f"""
select
  e.seq, e.at, extract(epoch from e.took)::float8 * 1000 as took, e.status, e.code, e.message, e.actor, e.name,
  e.params, row_to_json(e)::text as whole
from (select a.* {MATCHING} order by a.seq) as e
"""  # noqa: S608 - put together of nothing but the above
NEWEST = f"select min(n.seq) - 1 from (select a.seq {MATCHING} order by a.seq desc limit $9) as n"  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which actions to show; None is any.

    Args:
        actor: Who dispatched it.
        name: Its name.
        client: The client's id.
        status: ``ok`` or ``refused``.
        code: The code it was refused with.
        since: From when on.
        until: Before when.

    """

    actor: str | None = None
    name: str | None = None
    client: str | None = None
    status: str | None = None
    code: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def values(self) -> tuple[object, ...]:
        """What the queries take, in their order."""
        return (self.actor, self.name, self.client, self.status, self.code, self.since, self.until)

    @property
    def is_all(self) -> bool:
        """Whether all actions of its time are wanted, and with them what was written past them."""
        return not any((self.actor, self.name, self.client, self.status, self.code))

    def has_time_of(self, write: ForeignWrite) -> bool:
        """Whether something was written in its time."""
        return (self.since is None or self.since <= write.written_at) and (
            self.until is None or write.written_at < self.until
        )


async def entries(connection: Connection, wanted: Filter, after: int | None) -> AsyncIterator[asyncpg.Record]:
    """Go through the log, oldest first.

    Args:
        connection: To the database.
        wanted: Which actions.
        after: The number in the log behind which to begin, or None for the beginning.

    """
    async with connection.transaction(readonly=True):
        async for entry in connection.cursor(ENTRIES, *wanted.values, after, prefetch=CHUNK):
            yield entry


async def newest(connection: Connection, wanted: Filter, count: int) -> int | None:
    """Return the number in the log behind which the newest so many begin."""
    found = await connection.fetchval(NEWEST, *wanted.values, None, count)
    return None if found is None else int(found)


def instant(word: str) -> datetime:
    """Read a time: ISO 8601, local unless it says otherwise, or how long ago (``90s``, ``5m``, ``2h``, ``3d``)."""
    if span := SPAN.fullmatch(word):
        try:
            return datetime.now(UTC) - timedelta(**{UNITS[span[2]]: float(span[1])})
        except OverflowError as exc:
            raise argparse.ArgumentTypeError(f"{word} is too long ago") from exc
    try:
        return datetime.fromisoformat(word).astimezone()
    except (ValueError, OverflowError) as exc:
        raise argparse.ArgumentTypeError(f"{word} is no time like 2026-11-22, 2026-11-22T10:30 or 5m") from exc


def line(entry: asyncpg.Record) -> str:
    """Put an entry into a line for a person."""
    cells = {
        "at": entry["at"].astimezone().isoformat(sep=" ", timespec="milliseconds")[:23],
        "took": f"{entry['took']:.1f} ms".rjust(WIDTHS["took"]),
        "outcome": entry["code"] or entry["status"],
        "actor": entry["actor"],
        "name": entry["name"],
    }
    rest = f"{entry['message']} " if entry["message"] else ""
    return "  ".join(
        [*(printable(cells[name]).ljust(width) for name, width in WIDTHS.items()), printable(rest + entry["params"])]
    )


def printable(text: str) -> str:
    """Write what a terminal would obey as escapes: an actor chooses the text."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire log` takes."""
    parser.add_argument("--actor", help="whose actions")
    parser.add_argument("--name", help="which action")
    parser.add_argument("--client", help="of which client")
    parser.add_argument("--status", choices=("ok", "refused"), help="with which outcome")
    parser.add_argument("--code", help="refused with which code")
    parser.add_argument("--since", type=instant, metavar="T", help="from then on: 2026-11-22T10:30, or 5m, 2h, 3d ago")
    parser.add_argument("--until", type=instant, metavar="T", help="before then")
    parser.add_argument(
        "--limit", type=_count, metavar="N", help=f"the newest so many (default: {SHOWN}; with --ndjson all)"
    )
    parser.add_argument("--follow", action="store_true", help="go on with what comes")
    parser.add_argument("--ndjson", action="store_true", help="everything that is known, one JSON object a line")
    commands = parser.add_subparsers(dest="command", metavar="archive|trim")
    keep = commands.add_parser("archive", help="write what is not in an archive yet, and read it back")
    keep.add_argument("--to", required=True, metavar="WHERE", help="a folder, or a bucket: s3://bucket/prefix")
    keep.add_argument("--before", type=instant, metavar="T", help="only actions before then (default: all)")
    keep.add_argument(
        "--trim", action="store_true", help="then drop the log's months that ended by then and are in the archive"
    )
    drop = commands.add_parser("trim", help="drop the log's old months, as far as they are kept elsewhere")
    drop.add_argument(
        "--before", type=instant, required=True, metavar="T", help="drop the months that had ended by then"
    )
    drop.add_argument("--archive", metavar="WHERE", help="where they are kept: a folder, or a bucket")
    drop.add_argument("--baseline", type=Path, metavar="FOLDER", help="a baseline that has what they led to")
    drop.add_argument("--for-good", action="store_true", help="drop also what is kept nowhere else")


def run(args: argparse.Namespace) -> int:
    """Show the log, or trim it."""
    work = {"trim": _trim, "archive": _archive}.get(args.command, _show)(args)
    try:
        asyncio.run(work)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


async def _show(args: argparse.Namespace) -> None:
    wanted = Filter(**{name: getattr(args, name) for name in Filter.__slots__})
    write: Callable[[Any], None] = _whole if args.ndjson else _Table()
    async with connect(database_url(args.data)) as connection:
        await connection.execute("set timezone to 'UTC'")
        limit = args.limit or (None if args.ndjson else SHOWN)
        after = await newest(connection, wanted, limit) if limit else None
        following = Following(connection, after or 0) if args.ndjson and wanted.is_all else None
        try:
            while True:
                news = await following.news() if following else []
                between = Between(filter(wanted.has_time_of, news))
                async for entry in entries(connection, wanted, after):
                    sys.stdout.write(between.before(entry["seq"]))
                    write(entry)
                    after = entry["seq"]
                sys.stdout.write(between.rest())
                sys.stdout.flush()
                if not args.follow:
                    return
                await asyncio.sleep(POLL)
        except BrokenPipeError:
            raise
        except (*LOST, ConnectionError) as exc:
            raise StackError("The database went away.", str(exc)) from exc


async def _trim(args: argparse.Namespace) -> None:
    async with connect(database_url(args.data)) as connection:
        kept = None
        if not args.for_good:
            in_archive = await archived(connection, args.archive) if args.archive else 0
            kept = max(in_archive, await covered(connection, args.baseline) if args.baseline else 0)
        _say_dropped(await trim(connection, args.before, kept))


async def _archive(args: argparse.Namespace) -> None:
    before = args.before or datetime.now(UTC)
    async with connect(database_url(args.data)) as connection:
        last = await archive(connection, args.to, before, print)
        print(f"{args.to} has the log up to action {last}.")
        if args.trim:
            _say_dropped(await trim(connection, before, last))


def _say_dropped(months: int) -> None:
    print(f"{months} month{'' if months == 1 else 's'} of the action log dropped.")


class _Table:
    """Writes lines below a heading, cut to the width of the terminal, if it is one."""

    def __init__(self) -> None:
        self._width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        self._headed = False

    def __call__(self, entry: asyncpg.Record) -> None:
        if not self._headed:
            self._headed = True
            self._write("  ".join([*(name.ljust(width) for name, width in WIDTHS.items()), "parameters"]))
        self._write(line(entry))

    def _write(self, text: str) -> None:
        sys.stdout.write(text[: self._width].rstrip() + "\n")


def _whole(entry: asyncpg.Record) -> None:
    sys.stdout.write(entry["whole"] + "\n")


def _count(word: str) -> int:
    count = int(word)
    if count < 1:
        raise argparse.ArgumentTypeError("at least one is needed")
    return count
