import asyncio
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.asyncio.server import ServerConnection, serve

from bench import chat, chats
from bench.chat import Plan, Side, Try, run
from bench.chats import Chat
from bench.contenders import CENTRIFUGO, PEERS
from bench.database import Cluster
from bench.harness import Options
from bench.processes import compiled, running
from bench.wires import PlainWire, Size

FEW = Plan(
    size=Size(2, 6),
    rounds=1,
    warm=0.1,
    seconds=0.4,
    wait=1.0,
    begin=40.0,
    stride=2.0,
    step=1.2,
    tries=1,
    chances=1,
    limit=5000.0,
    searched=("fluxwire", "websockets"),
)
"""Of a chat that is over soon, and lasts long enough for a busy machine."""

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler for the clients")


class Fake:
    """A chat in the words of `PlainWire`, which may do everything wrong."""

    def __init__(self, *, times: int = 1, forgets: int = 0, rooms_told: str = "own") -> None:
        self._times = times
        self._forgets = forgets
        self._rooms_told = rooms_told
        self._rooms: defaultdict[str, list[ServerConnection]] = defaultdict(list)

    async def serve(self, client: ServerConnection) -> None:
        """Join, and say what is said to all."""
        assert client.request is not None
        (room,) = parse_qs(urlsplit(client.request.path).query)["room"]
        self._rooms[room].append(client)
        async with asyncio.timeout(10):
            await (await client.ping())  # whose answer is told from others by what it holds
        await client.send('{"type":"joined"}')
        async for said in client:
            for member in self._told(room):
                for _ in range(self._times):
                    await member.send(json.dumps({"type": "message", "body": json.loads(said)["body"]}))

    def _told(self, room: str) -> Iterable[ServerConnection]:
        if self._rooms_told == "all":
            return [member for members in self._rooms.values() for member in members]
        return self._rooms[room][self._forgets :]


async def tried(fake: Fake, folder: Path) -> Try:
    """What the clients find out about a chat."""
    async with serve(fake.serve, "127.0.0.1", 0) as server:
        (port,) = {socket.getsockname()[1] for socket in server.sockets}
        served = Chat("fake", PlainWire(FEW.size), [port], {})

        def clients() -> Try:
            with running([compiled("chat"), "2", str(port)], core=None) as load:
                side = Side(chat=served, load=load, folder=folder, plan=FEW, postgres=os.getpid())
                return side.try_out(60, seed=1)

        return await asyncio.to_thread(clients)


async def test_clients_count_every_delivery(tmp_path: Path) -> None:
    """30 messages, of which the first ones do not count, to three clients each."""
    found = await tried(Fake(), tmp_path)
    assert not found.faults
    assert found.latencies.missing == 0
    assert 60 <= found.latencies.bins.total() < 90
    assert 0 < found.latencies.quantile(0.5) <= found.p99 < FEW.limit
    assert found.cpu["postgres"] > 0


@pytest.mark.parametrize(
    ("fake", "fault"),
    [
        (Fake(forgets=1), "30 never came"),
        (Fake(times=2), "90 came twice"),
        (Fake(rooms_told="all"), "90 came to somebody else"),
    ],
)
async def test_clients_see_what_a_chat_does_wrong(fake: Fake, fault: str, tmp_path: Path) -> None:
    """Too little, too much, and at the wrong place."""
    assert (await tried(fake, tmp_path)).faults == (fault,)


def test_chats_can_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real processes and a real database; every message reaches every member once, or there is no figure."""
    peers = ["websockets", "ws"] if (PEERS / "node_modules").is_dir() else ["websockets"]
    monkeypatch.setattr(chat, "QUICK", FEW)
    measured = {f"chat.{what}vs_{peer}" for peer in peers for what in ("cpu_us_per_delivery.", "memory_mb.")}
    names = ("chat.rate", "chat.vs_websockets", *measured)
    said: list[str] = []
    figures = {figure.name: figure for figure in run(Options(names, quick=True, say=said.append))}
    assert set(figures) == set(names), said
    assert figures["chat.vs_websockets"].value == pytest.approx(40)
    # Of one whose highest rate is not searched for nothing is known but at the common one.
    curves = figures["chat.rate"].curves
    assert [curve.name for curve in curves] == ["Fluxwire", "websockets and asyncpg"]
    assert all(curve.points for curve in curves)
    for peer in peers:
        assert figures[f"chat.cpu_us_per_delivery.vs_{peer}"].value > 0
        assert figures[f"chat.memory_mb.vs_{peer}"].value > 10


def test_who_cannot_be_had_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said so, and why."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(CENTRIFUGO, raising=False)
    with pytest.raises(chats.Missing, match=CENTRIFUGO), chats.centrifugo(cast("Cluster", None), Path(), FEW.size):
        pass
