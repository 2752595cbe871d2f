"""`fluxwire verify`: does the log lead to what the database holds?

Replays into a scratch database beside the real one, and compares every table of the application and every store. What
differs is named with both values, with the first action after which they part, and with what was written past the
actions, which the log does not know of.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from fluxwire.environment import environment_differs
from fluxwire.log import foreign
from fluxwire.log.differences import Difference, differences
from fluxwire.log.differences import told as told_differences
from fluxwire.log.foreign import ForeignWrite, foreign_writes
from fluxwire.log.logged import Until
from fluxwire.log.parting import follow, parting
from fluxwire.log.replay import add_application, add_baseline, application_of
from fluxwire.log.scratch import Both, replayed
from fluxwire.log.target import Divergence
from fluxwire.stack.database import database_url

SHOWN = 10
"""How many actions that come out otherwise are told."""
ACTION = "select seq, name, number, actor, at, deployment from flux.action where seq = $1"


@dataclass(slots=True)
class Verdict:
    """What a verification found.

    Args:
        actions: How many the log has.
        otherwise: The actions that do not do again what they did.
        differences: The rows and stores that differ.
        parting: The first action after which they part, in words; None where no action did it, or none is known.
        written: What was written past the actions.
        environment: What the databases differ in beside.

    """

    actions: int = 0
    otherwise: list[Divergence] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    parting: str | None = None
    written: list[ForeignWrite] = field(default_factory=list)
    environment: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """Say all of it, a line each."""
        lines = [*self.environment, *map(str, self.otherwise[:SHOWN])]
        if len(self.otherwise) > SHOWN:
            lines.append(f"{len(self.otherwise) - SHOWN} more actions come out otherwise.")
        lines += told_differences(self.differences)
        if self.parting:
            lines.append(f"They part after {self.parting}.")
        lines += foreign.told(self.written)
        count = len(self.otherwise) + len(self.differences)
        return [*lines, f"{self.actions} actions replayed: {count} differences"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire verify` takes."""
    parser.add_argument("--keep", action="store_true", help="leave the scratch database there, to look at")
    add_baseline(parser)
    add_application(parser)


def run(args: argparse.Namespace) -> int:
    """Verify, and say what differs; the code is 0 if nothing does."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        verdict = runner.run(
            verify(database_url(args.data), application_of(args), baseline=args.baseline, keep=args.keep)
        )
    print("\n".join(verdict.lines))
    return 1 if verdict.otherwise or verdict.differences else 0


async def verify(url: str, application: Path | None, *, baseline: Path | None = None, keep: bool = False) -> Verdict:
    """Replay a database's log, and tell what differs from the database.

    Args:
        url: DSN.
        application: Folder of the application whose SQL the database has.
        baseline: Where to begin; None for the log's beginning.
        keep: Leave the scratch database there.

    Raises:
        StackError: The log cannot be replayed.

    """
    verdict = Verdict()
    async with replayed(url, application, baseline=baseline, diverged=verdict.otherwise.append, keep=keep) as both:
        verdict.environment = await environment_differs(both.real, both.scratch)
        verdict.differences = await differences(both.real, both.scratch)
        verdict.actions = both.last - both.first
        verdict.written = await foreign_writes(both.real, both.first, both.last)
    if any(difference.kind == "table" and difference.key for difference in verdict.differences):
        verdict.parting = await _parting(url, application, baseline, both, verdict.differences)
    return verdict


async def _parting(
    url: str, application: Path | None, baseline: Path | None, both: Both, found: list[Difference]
) -> str | None:
    async with replayed(
        url,
        application,
        until=Until(seq=both.last),
        baseline=baseline,
        diverged=lambda _: None,
        prepared=lambda scratch: follow(scratch, found),
    ) as again:
        seq = await parting(again.scratch)
        if seq is None:
            return None
        row = await again.real.fetchrow(ACTION, seq)
        assert row is not None
        return (
            f"action {row['seq']}, {row['name']} (number {row['number']} of {row['actor']!r},"
            f" {row['at']:%Y-%m-%d %H:%M:%S}Z, deployment {row['deployment']})"
        )
