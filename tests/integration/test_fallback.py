"""A client without WebSocket: it sees and does through events and through long polls what others see and do."""

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from fluxwire.chaos.chains import Chains
from fluxwire.check import difference
from fluxwire.client import Client, frames
from fluxwire.client.session import Session
from tests.browser.stage import node_program
from tests.services import scratch_folder

from .test_run import Up, fetch, up

WELCOME = json.dumps({"type": "welcome", "protocol": 1, "actor": "ada", "max_frame": 65_536, "heartbeat_ms": 25_000})
"""Has the session say at once what it would say after the front's."""
MESSAGES = 40
ROUNDS = 12
BODIES = "select array_agg(body order by sent_at) from chat.message where room = 'r' and author = 'ada'"


class Fallback:
    """The protocol of the Python client, over requests that each stand for themselves.

    Args:
        base: Address of any front.
        bearer: The actor's token.

    """

    def __init__(self, base: str, bearer: str) -> None:
        self.session = Session(bearer)
        self.broken: list[str] = []
        self._chains = Chains("fallback", self.broken.append)
        self._base = base

    def said(self) -> str:
        """What a request has to say: who asks, what is held from where, and what has no outcome."""
        self.session.lost()
        self.session.connected()
        self.session.receive(WELCOME, time.monotonic())
        return f"[{','.join(self.session.take_out(time.monotonic()))}]"

    def hear(self, text: str) -> None:
        frame = frames.parse(text)
        if frame is not None:
            self._chains.take(frame)
        if not isinstance(frame, frames.Welcome):
            self.session.receive(text, time.monotonic())

    async def poll(self) -> None:
        """One request; every one is a new connection, which may lead to another front."""
        async with httpx.AsyncClient(base_url=self._base, timeout=60) as http:
            answer = await http.post("/poll", content=self.said(), headers={"Content-Type": "application/json"})
        assert answer.status_code == 200, answer.text
        for frame in answer.json():
            self.hear(json.dumps(frame))

    async def listen(self) -> AsyncIterator[None]:
        """A stream of events; yields after each."""
        async with (
            httpx.AsyncClient(base_url=self._base, timeout=60) as http,
            http.stream("POST", "/events", content=self.said(), headers={"Content-Type": "application/json"}) as answer,
        ):
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    self.hear(line[5:])
                    yield


@pytest.fixture(scope="module")
def stack() -> Iterator[Up]:
    """Two fronts behind one port."""
    with scratch_folder() as folder, up(folder / "data") as running:
        yield running


def test_typescript_clients_without_websocket(stack: Up) -> None:
    """One over events and one over long polls, at whichever front takes the request: every message once, in order."""
    program = node_program()
    script = Path(__file__).parent / "without_websocket.mjs"
    url = f"ws://127.0.0.1:{stack.port}/ws"
    words = [program, str(script), url, stack.bearer("ada"), stack.bearer("bob"), str(MESSAGES)]
    said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0, said.stderr
    held = json.loads(said.stdout)
    assert held["first"] == held["second"]
    bodies = stack.fetch("select array_agg(body order by sent_at) from chat.message where room = 'without'")
    for which in range(2):
        own = [body for body in bodies if body.startswith(f"{which}.")]
        assert own == [f"{which}.{number}" for number in range(MESSAGES)]
    shown = held["first"]["messages"].values()
    assert sorted(message["body"] for message in shown) == sorted(bodies)


def test_rendered_pages_go_on_where_the_server_was(stack: Up) -> None:
    """With React 18 and 19: what a server read over HTTP is what the page shows, and no document comes twice."""
    script = Path(__file__).parent / "rendered.mjs"
    words = [node_program(), str(script), f"http://127.0.0.1:{stack.port}", stack.bearer("ada")]
    said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0, said.stderr
    pages = [json.loads(line) for line in said.stdout.splitlines()]
    assert [page.pop("version").partition(".")[0] for page in pages] == ["18", "19"]
    for count, page in enumerate(pages, start=1):
        assert page == {
            "html": f"<h1>stale: {count} messages</h1>",
            "heard": ["welcome", "subscribed, resumed: true"],
            "after": ["update"],
            "complaints": [],
            "same": True,
        }


async def test_a_client_without_websocket(stack: Up) -> None:
    """Events, then long polls at any front, while others write: an unbroken chain, and no action lost or doubled."""
    base = f"http://127.0.0.1:{stack.port}"

    async with asyncio.timeout(90), Client(f"ws://127.0.0.1:{stack.port}/ws", stack.bearer("bob")) as bob:
        await bob.dispatch("create_room", {"room": "r"})
        await bob.dispatch("join_room", {"room": "r"})
        ada = Fallback(base, stack.bearer("ada"))
        room = ada.session.subscribe("room", {"room": "r"})
        joined = ada.session.dispatch("join_room", {"room": "r"})
        writing = asyncio.create_task(write(bob))

        events = 0
        async for _ in ada.listen():
            events += 1
            if events > MESSAGES // 2:
                break
        posted = []
        for number in range(ROUNDS):
            posted += [
                ada.session.dispatch("post_message", {"room": "r", "body": f"{number}.{place}"}) for place in range(3)
            ]
            # Now and then nobody waits for the answer: the next request says it all again.
            polling = asyncio.create_task(ada.poll())
            if number % 4 == 3:
                await asyncio.wait([polling], timeout=0.002)
                polling.cancel()
                await asyncio.gather(polling, return_exceptions=True)
            else:
                await polling
        await writing
        while ada.session.unanswered:
            await ada.poll()
        await asyncio.gather(joined, *posted)

        newest = bob.subscribe("room", {"room": "r"})
        await newest.ready()
        while room.version < newest.version:
            await ada.poll()
        assert room.document == newest.document
        assert ada.broken == []
        connection = await asyncpg.connect(stack.state()["database_url"])
        assert await difference(connection, newest, 10.0) is None
        await connection.close()
    bodies = await fetch(stack.state()["database_url"], BODIES)
    assert bodies == [f"{number}.{place}" for number in range(ROUNDS) for place in range(3)]


async def write(client: Client) -> None:
    for number in range(MESSAGES * 4):
        await client.dispatch("post_message", {"room": "r", "body": f"bob {number}"})
