"""A real front over a bus that answers by itself: what is measured is the front, not Redis or Postgres.

``python -m bench.served PORT CONTROL_PORT [BYTES]``; the last are those of an update's JSON. A byte k on the control
connection is a tick of k updates of one store; the bytes in ``ASK`` are questions, answered by a JSON object on a line.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Collection, Sequence

import uvloop

from broker.messages import Commit, Fetch, MultiplexerMessage, Open, Opened, Parcel, Renew, Renewed, Snapshot, Update
from broker.registry import NO_CHANGES, Changes
from front.collector import settle
from front.gates import TokenGate
from front.http import application
from front.hub import Hub
from front.listener import bound_port, listener
from front.server import Server

KEY = b"a key for the benchmark, of thirty-two bytes or more"
EPOCH = "5f0c11d2"
FIRST_VERSION = 1_000_000  # so that every update has the same length
MESSAGE = 150
"""Bytes of an update's JSON."""

NEXT_STORE = 253
"""One update of one store, another each time."""

ASK_COLLECTION = 254
ASK_RENDERS = 255


def update(key: str, version: int, size: int = MESSAGE) -> bytes:
    """The JSON of an update to a version, of so many bytes."""
    head = f'{{"type":"update","store":{json.dumps(key)},"epoch":"{EPOCH}","from":{version - 1},"to":{version},'
    head += '"patch":[{"op":"replace","path":"/x","value":"'
    return (head + "x" * (size - len(head) - 4) + '"}]}').encode()


def snapshot(key: str, version: int) -> bytes:
    """The JSON of a snapshot at a version, about a kilobyte of it."""
    document = {"x": "x" * 900}
    frame = {"type": "snapshot", "store": key, "epoch": EPOCH, "version": version, "document": document}
    return json.dumps(frame).encode()


class Bus:
    """A front's end of a bus behind which everything is known at once."""

    def __init__(self, size: int = MESSAGE) -> None:
        self._size = size
        self._messages: asyncio.Queue[Sequence[MultiplexerMessage]] = asyncio.Queue()
        self._versions: dict[str, int] = {}
        self.renders = 0

    def tick(self, updates: int) -> None:
        """Change every store so often, one commit each."""
        commits: list[MultiplexerMessage] = []
        for key in self._versions:
            for _ in range(updates):
                version = self._versions[key]
                self._versions[key] = after = version + 1
                commits.append(Commit([Update(key, EPOCH, version, after, update(key, after, self._size))]))
        self._messages.put_nowait(commits)

    def change_next(self) -> None:
        """Change one store, in turn."""
        key, version = next(iter(self._versions.items()))
        del self._versions[key]
        self._versions[key] = after = version + 1
        self._messages.put_nowait([Commit([Update(key, EPOCH, version, after, update(key, after, self._size))])])

    async def start(self) -> None:
        """Nothing to be noted."""

    async def register(self, stores: Collection[str], actors: Collection[str]) -> None:
        """Nobody asks."""

    async def change(self, changes: Changes) -> None:
        """Nobody asks."""

    async def renew(self, intake: float) -> bool:  # noqa: ARG002 - the bus' signature
        """Nothing is forgotten."""
        return True

    async def tell(self, asker: str, message: MultiplexerMessage) -> None:
        """Nobody asks."""

    async def intake_of_others(self) -> float:
        """There are none."""
        return 0.0

    async def append(self, parcel: Parcel, changes: Changes = NO_CHANGES) -> None:  # noqa: ARG002 - the bus' signature
        """Answer what was asked."""
        answers: list[MultiplexerMessage] = []
        for message in parcel.messages:
            match message:
                case Open():
                    answers.append(Opened(message.request, message.name, shared=True, ttl_ms=3_600_000))
                case Fetch():
                    self.renders += 1
                    version = self._versions.setdefault(message.key, FIRST_VERSION)
                    answers.append(Snapshot(message.key, EPOCH, version, snapshot(message.key, version)))
                case Renew():
                    answers.append(Renewed(1))
                case _:
                    raise NotImplementedError(message)
        self._messages.put_nowait(answers)

    async def read(self) -> Sequence[MultiplexerMessage]:
        """Wait for the next messages."""
        return await self._messages.get()

    async def close(self) -> None:
        """Nothing to be given back."""


class Control(asyncio.Protocol):
    """The connection that asks for ticks."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def data_received(self, data: bytes) -> None:
        """One order a byte."""
        for order in data:
            if order == ASK_COLLECTION:
                begun = time.process_time()
                gc.collect()
                print(json.dumps({"seconds": time.process_time() - begun}), flush=True)
            elif order == ASK_RENDERS:
                print(json.dumps({"renders": self._bus.renders}), flush=True)
            elif order == NEXT_STORE:
                self._bus.change_next()
            else:
                self._bus.tick(order)


async def run(port: int, control_port: int, size: int) -> None:
    """Serve until told to end."""
    gate, bus = TokenGate(KEY), Bus(size)
    server = Server(hub=Hub(front="bench"), bus=bus, verify=gate.verify)
    http = application(server=server, gate=gate, web=None, guests=False)
    with bound_port("127.0.0.1", port, shared=True) as bound:
        bound.listen(4096)
        await asyncio.get_running_loop().create_server(lambda: Control(bus), "127.0.0.1", control_port)
        work = asyncio.create_task(server.run())
        settle()
        print("ready", flush=True)
        await listener(http=http, accept=server.accept).serve(sockets=[bound])
        work.cancel()


if __name__ == "__main__":
    uvloop.run(run(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else MESSAGE))  # noqa: PLR2004 -- is there a third?
