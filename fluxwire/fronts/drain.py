"""`fluxwire drain`: send clients of a front to the other fronts; all of them, and then the front ends."""

import argparse
import sys
from collections.abc import Sequence

from broker.messages import Drain
from fluxwire.fronts.bus import Bus, on_bus


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire drain` takes."""
    parser.add_argument("front", nargs="*", metavar="FRONT", help="its id, as it logs it; with --share none is all")
    parser.add_argument("--share", type=_share, help="only this share of its clients, from 0 to 1; the front stays")


def run(args: argparse.Namespace) -> int:
    """Tell the fronts; the code is 1 if one of them is not there."""
    there = on_bus(args, "drain", lambda bus: tell(bus, args.front, args.share))
    missing = sorted(set(args.front) - set(there))
    if not args.front and args.share is None:
        print("Name a front, or say --share for a part of the clients of all.", file=sys.stderr)
    if missing:
        print(f"There is no front {', '.join(missing)}.", file=sys.stderr)
    if missing or (not args.front and args.share is None):
        print("\n".join(["Fronts:", *(f"  {front}" for front in there)]), file=sys.stderr)
        return 1
    return 0


async def tell(bus: Bus, fronts: Sequence[str], share: float | None) -> list[str]:
    """Tell fronts to send clients away, if they are there.

    Args:
        bus: The way to them.
        fronts: Ids of fronts; none: all, if there is a share.
        share: Which share of each one's clients; None: all, and then it ends.

    Returns:
        All fronts there are.

    Raises:
        BusLost: Nobody, or not everybody, was told.

    """
    there = sorted((await bus.multiplexer.find(())).fronts)
    chosen = fronts if share is None else fronts or there
    if set(chosen) <= set(there):
        await bus.multiplexer.send({front: [Drain(1.0 if share is None else share)] for front in chosen})
    return there


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError("a share lies between 0 and 1")
    return share
