"""`fluxwire chaos`: start a cluster, strike it, judge it."""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path

from fluxwire.stack.account import Account
from fluxwire.stack.folder import Folder
from fluxwire.stack.up import serve

from .cluster import Cluster, arguments
from .drill import Drill, Plan, Report
from .faults import KINDS

LONGEST_SEED = 2**31


class Drilled(Cluster):
    """A cluster that is struck as soon as it serves, and then stopped.

    Args:
        args: What `fluxwire up` takes.
        folder: The data folder, locked for us.
        account: Who runs Postgres.
        plan: What to do.

    """

    def __init__(self, args: argparse.Namespace, folder: Folder, account: Account | None, plan: Plan) -> None:
        super().__init__(args, folder, account)
        self._plan = plan
        self.report: Report | None = None

    def watch(self) -> None:
        """Watch over the children until the drill is over."""
        self.report = self.loop.run(Drill(self, self._plan).run(), self.supervisor.watch)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire chaos` takes."""
    parser.add_argument("--seconds", type=float, default=60.0, help="how long faults strike (default: 60)")
    parser.add_argument("--seed", type=int, help="which faults, where and how long (default: a random one)")
    parser.add_argument("--only", action="append", choices=list(KINDS), help="strike with this kind alone; repeatable")
    parser.add_argument("--json", action="store_true", help="end with the figures as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Run a drill; the code is 0 if no promise was broken."""
    seed = args.seed if args.seed is not None else random.randrange(LONGEST_SEED)  # noqa: S311 - not secret
    report = perform(Plan(seconds=args.seconds, seed=seed, kinds=tuple(args.only or KINDS)), args.data)
    print(report.summary())
    if args.json:
        print(json.dumps(report.figures()))
    return 1 if any(report.violations.counts().values()) else 0


def perform(plan: Plan, data: Path | None) -> Report:
    """Run a drill on a cluster of its own.

    Args:
        plan: What to do.
        data: A folder that keeps the logs and the database; None for one that is thrown away.

    Raises:
        StackError: The cluster cannot be started.

    """
    if data is None:
        with tempfile.TemporaryDirectory(prefix="fluxwire-chaos-", ignore_cleanup_errors=True) as scratch:
            Path(scratch).chmod(0o755)  # Postgres' account has to enter it
            return perform(plan, Path(scratch) / "data")
    drilled: list[Drilled] = []

    def make(args: argparse.Namespace, folder: Folder, account: Account | None) -> Drilled:
        drilled.append(Drilled(args, folder, account, plan))
        return drilled[0]

    serve(arguments(data), make)
    if drilled[0].report is None:
        raise KeyboardInterrupt
    return drilled[0].report
