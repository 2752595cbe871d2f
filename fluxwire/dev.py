"""`fluxwire dev`: everything `fluxwire up` does, and a deploy whenever a file of SQL is saved."""

import argparse
import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from fluxwire import types
from fluxwire.deploy import DeployError, deploy
from fluxwire.scripts import ENGINE, sql_folder
from fluxwire.stack import up
from fluxwire.stack.account import Account
from fluxwire.stack.database import DRIVER_ERRORS
from fluxwire.stack.errors import StackError
from fluxwire.stack.folder import Folder
from fluxwire.stack.progress import say

POLL = 0.3
"""How often files are looked at, in seconds; a save is deployed when nothing has changed for as long."""

Fingerprint = Mapping[Path, tuple[int, int]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire dev` takes: what `fluxwire up` takes, and more."""
    up.add_arguments(parser)
    parser.add_argument("--types", type=Path, metavar="FILE", help="write TypeScript there after each deploy, too")


def run(args: argparse.Namespace) -> int:
    """Start the stack, and deploy what is saved until a signal comes."""
    return up.serve(args, Developing)


class Developing(up.Stack):
    """A stack whose SQL follows the files."""

    def __init__(self, args: argparse.Namespace, folder: Folder, account: Account | None) -> None:
        super().__init__(args, folder, account)
        self.sql = [ENGINE, *([sql_folder(self.application)] if self.application else [])]
        # Before the first deploy: what is saved while the stack starts is not missed.
        self.files = fingerprint(self.sql)

    def watch(self) -> None:
        """Watch over the children, and over the files in a thread beside."""
        stop = threading.Event()
        if self.args.types:
            types.write(self.args.types, asyncio.run(types.of_database(self.state.database_url)))
        # The supervisor has the main thread: signals come there.
        watcher = threading.Thread(
            target=follow,
            args=(self.sql, self.files, self._saved, stop),
            name="watcher",
        )
        watcher.start()
        try:
            super().watch()
        finally:
            stop.set()
            watcher.join()

    def _saved(self) -> None:
        say(told(self.state.database_url, self.application, self.args.types))


def follow(folders: Sequence[Path], taken: Fingerprint, saved: Callable[[], None], stop: threading.Event) -> None:
    """Call back whenever SQL in the folders was saved, until told to stop.

    Args:
        folders: Where the files are, at any depth.
        taken: How they were when they were taken last.
        saved: Called once the files have stood still.
        stop: Set from elsewhere.

    """
    seen = taken
    while not stop.wait(POLL):
        now = fingerprint(folders)
        # Editors write in several steps, and one change may be several files.
        if now == seen and now != taken:
            taken = now
            saved()
        seen = now


def fingerprint(folders: Sequence[Path]) -> Fingerprint:
    """Note of every SQL file when it was written and how long it is."""
    found: dict[Path, tuple[int, int]] = {}
    for folder in folders:
        for path in folder.rglob("*.sql"):
            with suppress(OSError):  # gone meanwhile
                status = path.stat()
                found[path] = status.st_mtime_ns, status.st_size
    return found


def told(database_url: str, application: Path | None, module: Path | None = None) -> str:
    """Deploy, and say in words what came of it.

    Args:
        database_url: DSN of the database.
        application: Folder of the application, or None.
        module: Where to write TypeScript, or None.

    """
    clock, begun = time.strftime("%H:%M:%S"), time.monotonic()
    try:
        done = asyncio.run(deploy(database_url, application))
        if module is not None:
            types.write(module, asyncio.run(types.of_database(database_url)))
    except StackError as exc:
        return f"{clock}  {exc.problem}\n{exc.hint}"
    except (DeployError, *DRIVER_ERRORS) as exc:
        return f"{clock}  Not deployed; what was there before keeps running.\n{exc}"
    took = (time.monotonic() - begun) * 1000
    what = ", ".join(done.changed) or "nothing new"
    return "\n".join([f"{clock}  Deployed in {took:.0f} ms: {what}", *(f"Warning: {it}" for it in done.warnings)])
