"""`fluxwire plan`: what a workload takes, from measured unit costs."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import msgspec

from fluxwire.stack.errors import StackError

from . import units
from .sheet import sheet
from .table import table
from .workload import BadWorkload, Workload

EXAMPLES = {
    "article": Workload(users=1_000_000, rooms=100, members=10_000, rate=100),
    "stream": Workload(users=5_000_000, rooms=1, members=5_000_000, rate=3),
}
"""The article's million users, and Stream's five million in one channel (docs/million-users.md)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire plan` takes."""
    usual = Workload(users=1, rooms=1, members=1, rate=0)
    parser.description = (
        "Compute processes, cores, memory, disk and network for a workload, which part is full first, and what a tick"
        " does. Unit costs are measured (bench plan); docs/million-users.md says how far they are to be trusted."
    )
    parser.add_argument("--example", choices=EXAMPLES, help="begin with a workload others have published")
    for name, kind, metavar, text in (
        ("users", int, "N", "clients connected at once"),
        ("rooms", int, "N", "rooms (stores that many look at)"),
        ("members", int, "N", "users who look at a room (default: each user looks at one)"),
        ("rate", float, "R", "messages a second into each room"),
        ("tick", float, "MS", f"FLUXWIRE_TICK_MS of the fronts (default: {1000 * usual.tick:g})"),
        ("length", int, "BYTES", f"text of a message (default: {usual.length})"),
        ("private", int, "N", f"private stores of each user (default: {usual.private})"),
        ("storm", float, "S", f"seconds in which all who were cut off are to be back (default: {usual.storm:g})"),
        ("fronts", int, "N", "fronts (default: as many as it takes)"),
        ("busy", float, "SHARE", f"of its core that a process is to use at most (default: {usual.busy:g})"),
        ("clients", int, "N", f"most clients of a front (default: {usual.clients:,})"),
    ):
        parser.add_argument(f"--{name}", type=kind, metavar=metavar, help=text)
    parser.add_argument("--units", type=Path, metavar="FILE", help="other unit costs than those that come with this")
    parser.add_argument("--json", action="store_true", help="print the sheet as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the sheet."""
    try:
        measured = units.read(args.units or units.FILE)
    except msgspec.MsgspecError as exc:
        raise StackError(f"{args.units} does not hold unit costs: {exc}.") from None
    made = sheet(workload(args), measured)
    print(json.dumps(dataclasses.asdict(made), indent=2) if args.json else table(made, measured))
    return 0


def workload(args: argparse.Namespace) -> Workload:
    """The workload that is asked for.

    Raises:
        StackError: There is no such workload.

    """
    fields = [field.name for field in dataclasses.fields(Workload)]
    told = {name: value for name in fields if (value := getattr(args, name)) is not None}
    if "tick" in told:
        told["tick"] /= 1000
    try:
        if args.example:
            return dataclasses.replace(EXAMPLES[args.example], **told)
        missing = [f"--{name}" for name in ("users", "rooms", "rate") if name not in told]
        if missing:
            raise StackError(
                f"{' and '.join(missing)} must be told, or --example.",
                "For instance: fluxwire plan --users 50000 --rooms 250 --rate 0.5 --tick 40",
            )
        return Workload(**{"members": max(1, told["users"] // max(1, told["rooms"])), **told})
    except BadWorkload as exc:
        raise StackError(str(exc)) from None
