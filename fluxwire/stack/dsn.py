"""`fluxwire dsn`: say where the running stack's database is."""

import argparse

from fluxwire.stack import account, state
from fluxwire.stack.folder import choose


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire dsn` takes: nothing of its own."""


def run(args: argparse.Namespace) -> int:
    """Print the DSN, as psql and drivers take it."""
    print(state.running(choose(args.data, account.for_postgres())).database_url)
    return 0
