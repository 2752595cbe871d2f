"""`fluxwire connections`: what connections an actor has, and on which fronts."""

import argparse
import asyncio
import json
import secrets
import sys
from collections.abc import Collection

from msgspec.structs import asdict

from broker.bus import FrontBus
from broker.messages import Connected, Present, WhoIs
from broker.redis_bus import RedisFrontBus
from fluxwire.fronts.bus import Bus, on_bus
from fluxwire.stack.errors import StackError

WITHIN = 5.0
"""How long fronts have for their answer, in seconds."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire connections` takes."""
    parser.add_argument("actor", help="whose")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Print his connections; the code is 1 if he has none."""
    found = [one for one in on_bus(args, "connections", lambda bus: ask(bus, args.actor)) if one.connections]
    for present in found:
        for connection in present.connections:
            if args.json:
                print(json.dumps({"front": present.front, **asdict(connection)}))
            else:
                print(f"{present.front}  {_line(connection)}")
    if not found:
        print(f"{args.actor} has no connection.", file=sys.stderr)
    return 0 if found else 1


def _line(connection: Connected) -> str:
    blocked = ", blocked" if connection.blocked else ""
    return (
        f"{connection.over:<9}  {connection.seconds:>7.0f} s  {connection.stores:>5} stores{blocked}"
        f"  client {connection.client}  from {connection.address or 'this machine'}"
    )


async def ask(bus: Bus, actor: str) -> list[Present]:
    """Ask every front that serves an actor.

    Args:
        bus: The way to them.
        actor: Whose connections.

    Raises:
        BusLost: Redis cannot be reached.
        StackError: A front does not answer.

    """
    asker = f"asker-{secrets.token_hex(8)}"
    ear = RedisFrontBus(bus.url, bus.namespace, asker)
    try:
        await ear.start()
        fronts = (await bus.multiplexer.find((), [actor])).actors.get(actor, [])
        await bus.multiplexer.send({front: [WhoIs(actor, asker)] for front in fronts})
        return await _answers(ear, fronts)
    finally:
        await ear.close()


async def _answers(ear: FrontBus, fronts: Collection[str]) -> list[Present]:
    answers: dict[str, Present] = {}
    try:
        async with asyncio.timeout(WITHIN):
            while not answers.keys() >= set(fronts):
                answers |= {news.front: news for news in await ear.read() if isinstance(news, Present)}
    except TimeoutError:
        silent = ", ".join(sorted(set(fronts) - answers.keys()))
        raise StackError(f"No answer from {silent} in {WITHIN:g} seconds.") from None
    return [answers[front] for front in sorted(answers)]
