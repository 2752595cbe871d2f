"""`fluxwire kick`: end all connections of an actor, on whatever front they are."""

import argparse
import sys

from broker.messages import Kick
from fluxwire.fronts.bus import Bus, on_bus


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire kick` takes."""
    parser.add_argument("actor", help="who")
    parser.add_argument("--reason", default="", help="what his clients show him")


def run(args: argparse.Namespace) -> int:
    """Kick him; the code is 1 if he is not there."""

    async def kick(bus: Bus) -> list[str]:
        fronts = (await bus.multiplexer.find((), [args.actor])).actors.get(args.actor, [])
        await bus.multiplexer.send({front: [Kick(args.actor, args.reason)] for front in fronts})
        return fronts

    if on_bus(args, "kick", kick):
        return 0
    print(f"{args.actor} has no connection.", file=sys.stderr)
    return 1
