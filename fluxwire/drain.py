"""`fluxwire drain`: send clients of a front to the other fronts; all of them, and then the front ends."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from broker.errors import BadAddress, BusLost
from broker.messages import Drain
from broker.redis_bus import RedisMultiplexerBus
from fluxwire.stack import account, state
from fluxwire.stack.errors import StackError
from fluxwire.stack.folder import choose

NAME = "drain"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire drain` takes."""
    parser.add_argument("front", nargs="*", metavar="FRONT", help="its id, as it logs it; with --share none is all")
    parser.add_argument("--share", type=_share, help="only this share of its clients, from 0 to 1; the front stays")


def run(args: argparse.Namespace) -> int:
    """Tell the fronts; the code is 1 if one of them is not there."""
    url = os.environ.get("REDIS_URL") or state.running(choose(args.data, account.for_postgres())).redis_url
    namespace = os.environ.get("FLUXWIRE_NAMESPACE") or "fluxwire"
    try:
        there = asyncio.run(tell(url, namespace, args.front, args.share))
    except (BusLost, BadAddress) as exc:
        raise StackError("Redis cannot be reached.", str(exc)) from exc
    missing = sorted(set(args.front) - set(there))
    if not args.front and args.share is None:
        print("Name a front, or say --share for a part of the clients of all.", file=sys.stderr)
    if missing:
        print(f"There is no front {', '.join(missing)}.", file=sys.stderr)
    if missing or (not args.front and args.share is None):
        print("\n".join(["Fronts:", *(f"  {front}" for front in there)]), file=sys.stderr)
        return 1
    return 0


async def tell(url: str, namespace: str, fronts: Sequence[str], share: float | None) -> list[str]:
    """Tell fronts to send clients away, if they are there.

    Args:
        url: Redis' address.
        namespace: Prefix of every key.
        fronts: Ids of fronts; none: all, if there is a share.
        share: Which share of each one's clients; None: all, and then it ends.

    Returns:
        All fronts there are.

    Raises:
        BusLost: Nobody, or not everybody, was told.

    """
    bus = RedisMultiplexerBus(url, namespace, NAME)
    try:
        there = sorted((await bus.find(())).fronts)
        chosen = fronts if share is None else fronts or there
        if set(chosen) <= set(there):
            await bus.send({front: [Drain(1.0 if share is None else share)] for front in chosen})
    finally:
        await bus.close()
    return there


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError("a share lies between 0 and 1")
    return share
