"""Writers and watchers: what a run is about. Each is a client like any other, whose frames are judged on the way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress

import asyncpg  # noqa: TID251 - the second pair of eyes has to look past everything that is tried

from fluxwire.check import difference, digest
from fluxwire.client import Client, Dispatched, Refused, Stopped, frames
from fluxwire.client.dispatches import EXPIRED
from fluxwire.client.subscriptions import Subscription
from fluxwire.stack.database import DRIVER_ERRORS

from .chains import Chains
from .history import OK, REFUSED, UNKNOWN, Attempt, History

PIPELINE = 8
"""How many actions of a writer are under way at most."""
PAUSE = 0.08
"""How long a writer thinks between two actions at most, in seconds."""
FOREIGN = "foreign"
"""Who writes past Fluxwire, straight into the table."""
SAMPLE = 16
"""At every so many versions the documents of all who hold the store are compared."""
AGAIN = 0.1
"""When to ask the database again after it was away, in seconds."""

ROWS = "select author, body from chat.message where room = any($1) order by sent_at, id"
SEEN = "select id::text from chat.message where id = any($1::uuid[])"
INSERT = """
insert into chat.message (id, room, author, body, sent_at) values (gen_random_uuid(), $1, $2, $3, clock_timestamp())
"""


class Witness(Client):
    """A client whose frames are judged before it takes them."""

    def __init__(self, urls: Sequence[str], token: str, chains: Chains) -> None:
        super().__init__(urls, token)
        self._chains = chains

    def _hear(self, message: str | bytes) -> None:
        frame = frames.parse(message)
        if frame is not None:
            self._chains.take(frame)
        super()._hear(message)


MakeClient = Callable[[Sequence[str], str, Chains], Client]
"""Makes a client of the fronts' addresses, a token, and the chains it tells of."""


class Eyes:
    """Looks for rows on a connection of its own, the moment they are acknowledged.

    Args:
        database_url: DSN, past all links.

    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._wanted: dict[str, Attempt] = {}
        self._some = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()

    def look(self, row: str, attempt: Attempt) -> None:
        """See whether a row is there, and note it in the attempt."""
        self._wanted[row] = attempt
        self._some.set()
        self._none.clear()

    async def finish(self) -> None:
        """Wait until everything was looked for."""
        await self._none.wait()

    async def run(self) -> None:
        """Look, for ever; while the database is away, wait."""
        while True:
            with suppress(*DRIVER_ERRORS):
                await self._look(await asyncpg.connect(self._database_url))
            await asyncio.sleep(AGAIN)

    async def _look(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        try:
            while True:
                await self._some.wait()
                wanted = list(self._wanted)
                found = {row["id"] for row in await connection.fetch(SEEN, wanted)}
                for row in wanted:
                    self._wanted.pop(row).seen = row in found
                if not self._wanted:
                    self._some.clear()
                    self._none.set()
        finally:
            connection.terminate()


class Load:
    """All clients of a run.

    Args:
        urls: The fronts' WebSockets, in the order in which somebody tries them.
        database_url: DSN, past all links.
        sign: Signs a token for an actor.
        history: Takes what happens.
        clock: Seconds that only go forward.
        rng: Where and when they write.
        witness: Makes a client.
        pause: How long a writer thinks between two actions at most, in seconds.

    """

    def __init__(
        self,
        *,
        urls: Sequence[str],
        database_url: str,
        sign: Callable[[str], str],
        history: History,
        clock: Callable[[], float],
        rng: random.Random,
        witness: MakeClient = Witness,
        pause: float = PAUSE,
    ) -> None:
        self._urls = urls
        self._database_url = database_url
        self._sign = sign
        self._history = history
        self._clock = clock
        self._rng = rng
        self._witness = witness
        self._pause = pause
        self._eyes = Eyes(database_url)
        self._rooms: list[str] = []
        self._clients: list[Client] = []
        self._held: list[tuple[str, Subscription]] = []
        self._digests: dict[tuple[str, str, int], str] = {}
        self._stopping = asyncio.Event()
        self._background: list[asyncio.Task[None]] = []
        self._writing: list[asyncio.Task[None]] = []
        self._settling: set[asyncio.Task[None]] = set()

    async def start(self, *, rooms: Sequence[str], writers: Sequence[str], watchers: int) -> None:
        """Make the rooms, subscribe everybody, and begin to write.

        Args:
            rooms: The rooms' names.
            writers: The names of those who write; each holds its room, too.
            watchers: How many only look, each at two rooms and the list of rooms.

        """
        self._rooms = list(rooms)
        self._background.append(asyncio.create_task(self._eyes.run()))
        async with Client(self._urls, self._sign("host")) as host:
            for room in self._rooms:
                with suppress(Refused):  # it is there from before
                    await host.dispatch("create_room", {"room": room, "title": room})
        for number in range(watchers):
            name = f"watcher-{number}"
            client = self._client(name, number)
            self._hold(name, client.subscribe("rooms"))
            for room in self._rng.sample(self._rooms, k=min(2, len(self._rooms))):
                self._hold(name, client.subscribe("room", {"room": room}))
        for number, name in enumerate(writers):
            self._writing.append(asyncio.create_task(self._write(name, self._rooms[number % len(rooms)], number)))
        self._writing.append(asyncio.create_task(self._write_past(self._rooms[0])))

    async def stop(self, patience: float) -> None:
        """Stop writing, and wait for what has no outcome yet.

        Args:
            patience: For how long, in seconds.

        """
        self._stopping.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await asyncio.gather(*self._writing)
                await asyncio.gather(*self._settling)
                await self._eyes.finish()

    async def compare(self, patience: float) -> None:
        """Compare every document that is held with what the database renders.

        Args:
            patience: How long a subscriber may take to reach the database's version, in seconds.

        """
        connection = await asyncpg.connect(self._database_url)
        try:
            for name, subscription in self._held:
                if found := await difference(connection, subscription, patience):
                    self._history.divergences.append(f"{name}: {found}")
        finally:
            await connection.close()

    async def rows(self) -> list[tuple[str, int]]:
        """Writer and place of every message in the rooms, in the order in which they were committed."""
        connection = await asyncpg.connect(self._database_url)
        try:
            return [(row["author"], int(row["body"])) for row in await connection.fetch(ROWS, self._rooms)]
        finally:
            await connection.close()

    async def close(self) -> None:
        """Let go of everything."""
        tasks = [*self._background, *self._writing, *self._settling]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(client.close() for client in self._clients))

    def _client(self, name: str, number: int) -> Client:
        # Each begins with another front.
        shift = number % len(self._urls)
        urls = [*self._urls[shift:], *self._urls[:shift]]
        client = self._witness(urls, self._sign(name), Chains(name, self._history.breaks.append))
        client.start()
        self._clients.append(client)
        return client

    def _hold(self, name: str, subscription: Subscription) -> None:
        self._held.append((name, subscription))
        self._background.append(asyncio.create_task(self._sample(name, subscription)))

    async def _sample(self, name: str, subscription: Subscription) -> None:
        with suppress(Stopped):
            async for version in subscription.versions():
                if version % SAMPLE:
                    continue
                key = (subscription.key, subscription.epoch, version)
                found = digest(subscription.document)
                if self._digests.setdefault(key, found) != found:
                    self._history.divergences.append(f"{name}: {key} is not what another client holds")

    async def _write(self, name: str, room: str, number: int) -> None:
        client = self._client(name, number)
        self._hold(name, client.subscribe("room", {"room": room}))
        await client.dispatch("join_room", {"room": room, "name": name})
        turns = asyncio.Semaphore(PIPELINE)
        place = 0
        while not self._stopping.is_set():
            await turns.acquire()
            place += 1
            attempt = Attempt(name, place, self._clock())
            self._history.attempts.append(attempt)
            action = client.dispatch("post_message", {"room": room, "body": str(place)})
            task = asyncio.create_task(self._settle(attempt, action))
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)
            task.add_done_callback(lambda _task: turns.release())
            await self._wait(self._rng.uniform(0, self._pause))

    async def _settle(self, attempt: Attempt, action: Dispatched) -> None:
        reply = None
        try:
            reply = await action
            attempt.outcome = OK
        except Refused as refused:
            attempt.outcome = UNKNOWN if refused.code == EXPIRED else REFUSED
            attempt.code = refused.code
        attempt.settled_at = self._clock()
        if reply is not None:
            self._eyes.look(reply["id"], attempt)

    async def _write_past(self, room: str) -> None:
        """Write straight into the table, as other programs do."""
        place = 0
        while not self._stopping.is_set():
            with suppress(*DRIVER_ERRORS):
                connection = await asyncpg.connect(self._database_url)
                try:
                    while not self._stopping.is_set():
                        place += 1
                        attempt = Attempt(FOREIGN, place, self._clock(), outcome=UNKNOWN)
                        self._history.attempts.append(attempt)
                        await connection.execute(INSERT, room, FOREIGN, str(place))
                        attempt.outcome, attempt.seen, attempt.settled_at = OK, True, self._clock()
                        await self._wait(self._rng.uniform(0, 4 * self._pause))
                finally:
                    connection.terminate()
            await self._wait(AGAIN)

    async def _wait(self, seconds: float) -> None:
        """Wait, unless it is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
