"""`fluxwire doctor`: connect to everything, look at it, and give a verdict."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from broker.errors import BadAddress
from broker.redis_connection import check_address
from fluxwire.stack import account, state
from fluxwire.stack.errors import StackError
from fluxwire.stack.folder import choose

from . import bus, database, machine, settings
from .findings import Finding, Verdict, report

ROLES = ("front", "multiplexer")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire doctor` takes."""
    parser.add_argument("--role", choices=ROLES, help="what is to run here (default: both)")


def run(args: argparse.Namespace) -> int:
    """Print what was found; the code is 1 if there is a fault."""
    findings = asyncio.run(examine(environment(args.data), [args.role] if args.role else ROLES))
    print(report(findings))
    return 1 if any(finding.verdict is Verdict.FAULT for finding in findings) else 0


def environment(data: Path | None) -> dict[str, str]:
    """What fronts and multiplexers are started with here: the environment, or the running stack's.

    Args:
        data: The data folder the person at the terminal asks for, or None.

    """
    if os.environ.get("DATABASE_URL") or os.environ.get("REDIS_URL"):
        return dict(os.environ)
    try:
        running = state.running(choose(data, account.for_postgres()))
    except StackError:
        return dict(os.environ)
    return {
        **os.environ,
        "DATABASE_URL": running.multiplexer_url,
        "REDIS_URL": running.redis_url,
        "FLUXWIRE_PORT": str(running.port),
        "FLUXWIRE_KEY_FILE": running.key_file,
    }


async def examine(told: Mapping[str, str], roles: Collection[str] = ROLES) -> list[Finding]:
    """Look at everything.

    Args:
        told: What fronts and multiplexers are started with.
        roles: Which of them are to run here.

    """
    findings = list(settings.examine(told, roles))
    url, redis = told.get("DATABASE_URL", ""), told.get("REDIS_URL", "")
    if url and "multiplexer" in roles:
        findings += await database.examine(url)
    try:
        check_address(redis)
    except BadAddress:
        pass  # that was said
    else:
        findings += await bus.examine(redis, told.get("FLUXWIRE_NAMESPACE") or "fluxwire")
    port = told.get("FLUXWIRE_PORT") or "8000"
    if "front" in roles and port.isdigit():
        findings += machine.of_fronts(told.get("FLUXWIRE_HOST") or "127.0.0.1", int(port))
    findings += machine.free_space(Path.cwd())
    return findings
