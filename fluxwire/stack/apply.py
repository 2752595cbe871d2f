"""`fluxwire deploy`: apply the engine's SQL and an application's to a database."""

import argparse
import asyncio
import os
from pathlib import Path

from fluxwire.deploy import DeployError, deploy
from fluxwire.stack import account, state
from fluxwire.stack.database import DRIVER_ERRORS
from fluxwire.stack.errors import StackError
from fluxwire.stack.folder import choose
from fluxwire.stack.progress import say, step


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire deploy` takes."""
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="DIR",
        help="folder whose sql/ is applied too (default: the running stack's application)",
    )
    parser.add_argument("--application", type=Path, metavar="DIR", help="the same, as the other commands have it")


def run(args: argparse.Namespace) -> int:
    """Deploy to DATABASE_URL if that is set, else to the running stack."""
    database_url, application = os.environ.get("DATABASE_URL"), args.folder or args.application
    if not database_url:
        running = state.running(choose(args.data, account.for_postgres()))
        database_url = running.database_url
        if application is None and running.application is not None:
            application = Path(running.application)
    apply(database_url, application)
    return 0


def apply(database_url: str, application: Path | None) -> None:
    """Deploy, and show it as a step.

    Args:
        database_url: DSN of the database.
        application: Folder of the application's SQL, or None for the engine alone.

    Raises:
        StackError: The database is out of reach, or says no.

    """
    with step("SQL deployed"):
        try:
            deployed = asyncio.run(deploy(database_url, application))
        except DeployError as exc:
            raise StackError("The SQL is not deployed, and the database is as it was.", str(exc)) from exc
        except DRIVER_ERRORS as exc:
            raise StackError("The database cannot be reached.", str(exc)) from exc
    for warning in deployed.warnings:
        say(f"Warning: {warning}")
