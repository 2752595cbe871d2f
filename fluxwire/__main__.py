"""The command line: `fluxwire COMMAND`, and `fluxwire` alone is `fluxwire up`.

Each command's module offers `add_arguments` and `run`, and is imported only when it is called.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from broker.secret_files import with_secrets
from fluxwire.stack.errors import StackError

# Name → module, and the line in the overview.
COMMANDS = {
    "up": ("fluxwire.stack.up", "start everything and keep it running (also without any command)"),
    "dev": ("fluxwire.dev", "the same, and deploy the application's SQL whenever it is saved"),
    "token": ("fluxwire.token", "print a token for an actor"),
    "dsn": ("fluxwire.stack.dsn", "print where the running stack's database is"),
    "deploy": ("fluxwire.stack.apply", "apply the SQL to DATABASE_URL or to the running stack"),
    "doctor": (
        "fluxwire.doctor.command",
        "look at all that fronts and multiplexers need, and say what is wrong",
    ),
    "drain": ("fluxwire.fronts.drain", "send a front's clients to the other fronts, and end it"),
    "connections": ("fluxwire.fronts.connections", "print what connections an actor has, and on which fronts"),
    "kick": ("fluxwire.fronts.kick", "end all connections of an actor"),
    "revoke": ("fluxwire.fronts.revoke", "ask anew who may read a store, and take it from who no longer may"),
    "log": ("fluxwire.log.command", "show the action log, follow, export or archive it, or drop its old months"),
    "baseline": ("fluxwire.log.baseline", "take the database as it is, for a replay to begin from"),
    "replay": ("fluxwire.log.replay", "build a database anew out of the action log"),
    "verify": ("fluxwire.log.verify", "replay into a scratch database, and compare every table and every store"),
    "rehearse": ("fluxwire.log.rehearse", "replay the log through other functions, and tell what would be otherwise"),
    "at": ("fluxwire.log.at", "print a store as it was at some time"),
    "blame": ("fluxwire.log.blame", "tell which action last changed something in a store"),
    "plan": ("fluxwire.plan.command", "compute what a workload takes, from measured unit costs"),
    "types": ("fluxwire.types", "write TypeScript for every action and store"),
    "trace": ("fluxwire.trace", "make a synthetic chat trace"),
    "play": ("fluxwire.play", "play a chat trace through the front door"),
    "chaos": ("fluxwire.chaos.command", "strike a cluster of its own with faults, and judge what it promised"),
    "check": ("fluxwire.check", "compare what subscribers see with what the database holds"),
}


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        words: The arguments; None takes those of the process.

    Returns:
        The exit code.

    """
    words = sys.argv[1:] if words is None else list(words)
    if words[:1] in (["-h"], ["--help"]):
        print(_overview())
        return 0
    name, rest = (words[0], words[1:]) if words and not words[0].startswith("-") else ("up", words)
    if name not in COMMANDS:
        print(f"There is no command {name}.\n\n{_overview()}", file=sys.stderr)
        return 2
    module_name, summary = COMMANDS[name]
    module = importlib.import_module(module_name)
    parser = argparse.ArgumentParser(prog=f"fluxwire {name}", description=summary)
    parser.add_argument("--data", type=Path, metavar="DIR", help="the data folder (default: .fluxwire in the checkout)")
    module.add_arguments(parser)
    try:
        _take_secrets()
        return int(module.run(parser.parse_args(rest)))
    except StackError as exc:
        print("\n".join(filter(None, [f"fluxwire: {exc.problem}", exc.hint])), file=sys.stderr)
        return 1
    except OSError as exc:  # no access, no space: it names the file itself
        print(f"fluxwire: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _take_secrets() -> None:
    """Whatever asks for DATABASE_URL finds it, also if it stands in a file."""
    environment, faults = with_secrets(os.environ)
    if faults:
        raise StackError("\n".join(faults))
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)


def _overview() -> str:
    lines = [f"  {name:<8} {summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(["usage: fluxwire [COMMAND] [OPTIONS]", "", *lines, "", "fluxwire COMMAND --help tells more."])


if __name__ == "__main__":
    sys.exit(main())
