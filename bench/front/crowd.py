"""Many clients of one server: what they say, and how they come."""

import itertools
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.contenders import CONTENDERS, contending
from bench.processes import Broken, Process
from bench.served import EPOCH, FIRST_VERSION, KEY, update
from bench.sessions import packed, request, text
from front.frames import websocket_frame
from front.gates import TokenGate

ROOM = "room"
FLIGHT = 256  # connections being opened at a time


class Crowd:
    """Clients of fronts and of their peers.

    Args:
        connections: How many come, unless another number is asked for.
        most: The largest number that will be asked for.
        folder: For what they say.

    """

    def __init__(self, *, connections: int, most: int, folder: Path) -> None:
        self.connections = connections
        self._folder = folder
        (folder / "update").write_bytes(update(ROOM, FIRST_VERSION))
        (folder / "frame").write_bytes(websocket_frame(update(ROOM, FIRST_VERSION)))
        gate, now = TokenGate(KEY), time.time()
        self.tokens = [gate.sign(f"actor {number}", now=now, lifetime=86_400) for number in range(most)]
        """One for each, every one another actor."""
        for contender in CONTENDERS.values():
            if contender.says:
                self.write(contender.session, contender.says)
        self.write("front", [request("/ws"), *self.hellos(subscribe([ROOM]))])

    def write(self, session: str, records: Sequence[bytes]) -> None:
        """Write down what clients of a kind say: the request for the upgrade, then a record each, in turn."""
        (self._folder / session).write_bytes(packed(records))

    def hellos(self, *subscribes: bytes) -> list[bytes]:
        """What each says after the handshake, with these subscriptions in turn."""
        hello = '{"type":"hello","protocols":[1],"token":"%s","client":"%016x"}'
        return [
            text(hello % (token, number)) + wish
            for number, (token, wish) in enumerate(zip(self.tokens, itertools.cycle(subscribes), strict=False))
        ]

    @contextmanager
    def before(self, name: str) -> Iterator[tuple[Process, Process]]:
        """Run one of ``CONTENDERS`` and a load generator before it; nobody has come yet."""
        with contending(CONTENDERS[name], self._folder) as both:
            yield both

    def come(self, load: Process, session: str, frames: int, *, connections: int | None = None) -> float:
        """Open all connections, and wait until each has read so many text frames.

        Args:
            load: Where they come from.
            session: What they say.
            frames: How many.
            connections: Another number than usual.

        Returns:
            The seconds that took.

        Raises:
            Broken: Not all came in.

        """
        wanted = connections or self.connections
        load.order(f"sessions {self._folder / session}")
        answer = load.order(f"open {wanted} {FLIGHT} {frames}")
        if answer["opened"] != wanted:
            raise Broken(f"{session}: {answer}")
        return float(answer["seconds"])


def ask(load: Process, server: Process, question: int) -> dict[str, float]:
    """Ask the front something over the load generator's control connection."""
    load.order(f"ask {question}")
    answer: dict[str, float] = json.loads(server.line())
    return answer


def subscribe(rooms: list[str], *, version: int | None = None) -> bytes:
    """A subscription as it goes over the wire, to what one has at a version or to all of it."""
    return text(subscription(rooms, version=version))


def subscription(rooms: list[str], *, version: int | None = None) -> str:
    """The same as the protocol has it."""
    position = "" if version is None else f',"epoch":"{EPOCH}","version":{version}'
    stores = ",".join(f'{{"id":{number},"name":"{room}"{position}}}' for number, room in enumerate(rooms, 1))
    return f'{{"type":"subscribe","stores":[{stores}]}}'
