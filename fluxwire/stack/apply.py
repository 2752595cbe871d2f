"""`fluxwire deploy`: apply the engine's SQL and an application's to a database."""

import argparse
import asyncio
import os
from pathlib import Path

from fluxwire.deploy import deploy
from fluxwire.stack import account, state
from fluxwire.stack.folder import choose
from fluxwire.stack.progress import step


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire deploy` takes."""
    parser.add_argument(
        "--application", type=Path, metavar="DIR", help="folder whose sql/ is applied too (default: the running one's)"
    )


def run(args: argparse.Namespace) -> int:
    """Deploy to DATABASE_URL if that is set, else to the running stack."""
    database_url, application = os.environ.get("DATABASE_URL"), args.application
    if not database_url:
        running = state.running(choose(args.data, account.for_postgres()))
        database_url = running.database_url
        if application is None and running.application is not None:
            application = Path(running.application)
    with step("Deploying the SQL"):
        asyncio.run(deploy(database_url, application))
    return 0
