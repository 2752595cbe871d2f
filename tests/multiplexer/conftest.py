"""A multiplexer on a real database and a bus in memory, and a front's end to talk to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pytest

from broker.bus import FrontBus, Missed
from broker.memory_bus import MemoryBus
from broker.messages import Action, Commit, Fetch, FrontMessage, MultiplexerMessage, Outcome, Parcel, Update
from broker.registry import Changes
from multiplexer.loop import Multiplexer
from multiplexer.settings import Settings

M = TypeVar("M", bound=MultiplexerMessage)
DEADLINE = 15.0


class Front:
    """A front as the multiplexer sees it: parcels in, messages out."""

    def __init__(self, bus: FrontBus, name: str) -> None:
        self.bus = bus
        self.name = name
        self._held: set[str] = set()
        self._numbers: dict[tuple[str, str], int] = {}
        self._seen: list[MultiplexerMessage] = []

    async def say(self, *messages: FrontMessage) -> None:
        held = {message.key for message in messages if isinstance(message, Fetch)} - self._held
        self._held |= held
        await self.bus.append(Parcel(self.name, list(messages)), Changes(held=held))

    async def hold(self, key: str) -> None:
        """Hold a store without having fetched it from this multiplexer."""
        self._held.add(key)
        await self.bus.change(Changes(held=[key]))

    async def hear(self, kind: type[M], matches: Callable[[M], bool] = lambda _: True) -> M:
        """Wait for a message of a kind that matches; others are kept for later."""
        async with asyncio.timeout(DEADLINE):
            while True:
                for index, message in enumerate(self._seen):
                    if isinstance(message, kind) and matches(message):
                        del self._seen[index]
                        return message
                self._seen += [news for news in await self.bus.read() if not isinstance(news, Missed)]

    async def hear_any(self, *kinds: type[MultiplexerMessage]) -> MultiplexerMessage:
        """Wait for the next message of one of these kinds."""
        async with asyncio.timeout(DEADLINE):
            while True:
                for index, message in enumerate(self._seen):
                    if isinstance(message, kinds):
                        return self._seen.pop(index)
                self._seen += [news for news in await self.bus.read() if not isinstance(news, Missed)]

    def action(self, name: str, params: str, *, actor: str = "ada", client: str = "c1", lane: int = 0) -> Action:
        number = self._numbers[actor, client] = self._numbers.get((actor, client), 0) + 1
        return Action(
            connection=1, actor=actor, claims="{}", client=client, lane=lane, number=number, name=name, params=params
        )

    async def outcome(self, number: int, client: str = "c1") -> Outcome:
        return await self.hear(Outcome, lambda outcome: outcome.number == number)

    async def update_from(self, version: int) -> Update:
        """Wait for the one update of the next commit beyond a version; others were on their way before."""
        commit = await self.hear(Commit, lambda commit: commit.updates[0].to_version > version)
        (update,) = commit.updates
        return update


@pytest.fixture
def memory_bus() -> MemoryBus:
    return MemoryBus(quiet=0.05)


@pytest.fixture
def settings(database: str) -> Settings:
    return Settings(
        database_url=database, redis_url="", name="one", action_timeout=1.0, heartbeat=0.1, patience=0.5, follow=0.2
    )


@pytest.fixture
async def multiplexer(settings: Settings, memory_bus: MemoryBus) -> AsyncIterator[Multiplexer]:
    one = Multiplexer(settings, memory_bus.multiplexer())
    running = asyncio.create_task(one.run())
    yield one
    running.cancel()
    await asyncio.wait([running])


@pytest.fixture
async def front(memory_bus: MemoryBus, multiplexer: Multiplexer) -> Front:
    bus = memory_bus.front("f1")
    await bus.start()
    await bus.register([], [])
    return Front(bus, "f1")
