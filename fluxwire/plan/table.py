"""A sheet for people."""

from __future__ import annotations

from collections.abc import Sequence

from .sheet import Sheet
from .units import Units

NAMES = ("", "k", "M", "G", "T", "P")
STEP = 1000


def table(sheet: Sheet, units: Units) -> str:
    """Write a sheet down.

    Args:
        sheet: What was computed.
        units: What it was computed from.

    """
    asked = sheet.workload
    lines = [
        f"{asked.users:,} users, {asked.rooms:,} rooms of {asked.members:,}, {asked.rate:g} messages/s in each",
        f"tick {1000 * asked.tick:g} ms, {asked.length} bytes a message, {asked.private} private stores a user",
        "",
        *sheet.verdicts,
        *([""] if sheet.verdicts else []),
        *_parts(sheet),
        "",
        *_flows(sheet),
        "",
        f"Full at, in messages a second{_of_each(sheet)}:",
        *columns(("", "", ""), [(limit.part, f"{limit.at:,.0f}", limit.why) for limit in sheet.limits]),
        "",
        "What the tick does:",
        *_ticks(sheet),
        "",
        f"From figures of {units.measured} on {units.machine}. A core is one of these.",
    ]
    return "\n".join(lines)


def _of_each(sheet: Sheet) -> str:
    return f", of each of {sheet.stacks}" if sheet.stacks > 1 else ""


def _parts(sheet: Sheet) -> list[str]:
    rows = [
        (
            part.name,
            f"{part.processes:,}",
            f"{part.busy:.0%}",
            f"{part.cores:,.1f}",
            f"{short(part.memory)}B",
            f"{part.files:,}",
        )
        for part in sheet.parts
    ]
    return columns(("", "processes", "busy", "cores", "memory", "files each"), rows)


def _flows(sheet: Sheet) -> list[str]:
    each, storm = sheet.flows, sheet.storm
    snapshots = f"{short(storm.first)}B of snapshots if they come with nothing"
    renders = f"{storm.render_seconds:,.1f} s of renders, " if storm.renders else ""
    rows = [
        (
            f"actions{_of_each(sheet)}",
            f"{each.actions:,.0f}/s in batches of {each.batch:.1f}, {each.updates:,.0f} updates/s",
        ),
        (
            f"Redis{_of_each(sheet)}",
            f"{each.commands:,.0f} commands/s, {short(each.redis_in)}B/s in, {short(each.redis_out)}B/s out",
        ),
        ("deliveries", f"{short(sheet.workload.deliveries)}/s, {each.joined:.1f} in a write"),
        ("network", f"{short(8 * sheet.network)}bit/s to clients"),
        (
            "disk",
            f"a day {short(sheet.wal)}B of write-ahead log, {short(sheet.log)}B of log, {short(sheet.table)}B of texts",
        ),
        ("all come back", f"{storm.seconds:,.1f} s of the fronts' work, {renders}{snapshots}"),
    ]
    return columns(("", ""), rows)


def _ticks(sheet: Sheet) -> list[str]:
    rows = [
        (
            f"{1000 * tick.tick:g} ms",
            f"{tick.fronts:,}",
            f"{tick.cores:,.1f}",
            short(tick.writes),
            f"{tick.joined:,.1f}",
            f"{short(8 * tick.network)}bit/s",
        )
        for tick in sheet.ticks
    ]
    return columns(("tick", "fronts", "their cores", "writes/s", "messages a write", "network"), rows)


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table; numbers end at the right, the first column and a last one without a head begin at the left."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 or (place == len(head) - 1 and not head[place]) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in ((head, *rows) if any(head) else rows)
    ]


def short(number: float) -> str:
    """A number of three digits, with k, M, G for thousands of thousands."""
    for name in NAMES:
        if abs(number) < STEP or name == NAMES[-1]:
            return f"{number:.3g} {name}" if number < STEP else f"{number:,.0f} {name}"
        number /= STEP
    raise AssertionError
