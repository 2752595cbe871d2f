"""`fluxwire revoke`: ask anew who may read a store; who no longer may loses it at once."""

import argparse

from broker.messages import Recheck
from fluxwire.fronts.bus import Bus, on_bus


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire revoke` takes."""
    parser.add_argument("store", help="""a store's name, or one store's key: 'room{"room": "lobby"}'""")


def run(args: argparse.Namespace) -> int:
    """Have it asked."""

    async def revoke(bus: Bus) -> None:
        await bus.multiplexer.publish([Recheck(args.store)])

    on_bus(args, "revoke", revoke)
    return 0
