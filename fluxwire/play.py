"""`fluxwire play`: a chat trace through the front door, with a real connection for each user and room."""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import uvloop

from fluxwire import plays, token, trace
from fluxwire.client import Client, Dispatched, Refused, Stopped
from fluxwire.stack import account, state
from fluxwire.stack.errors import StackError
from fluxwire.stack.folder import choose
from fluxwire.stack.progress import gauge
from fluxwire.trace import Event

PIPELINE = 16
"""How many actions of one connection are under way at most."""
ROOM_PIPELINE = 64
"""How many actions of one room are under way at most."""
TOKEN_SECONDS = 86_400.0
PROGRESS_SECONDS = {True: 0.2, False: 10.0}
"""How often progress is told, on a terminal and elsewhere, in seconds."""


@dataclass(slots=True)
class Score:
    """What came of a play.

    Args:
        events: How many lines of the trace were played.
        actions: How many actions have an outcome.
        refused: How many were refused, by code.
        latencies: From the first sending to the outcome, in seconds, one an action.
        reconnects: How often a connection came back.
        connections: How many there were.
        seconds: How long it took.

    """

    events: int = 0
    actions: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    reconnects: int = 0
    connections: int = 0
    seconds: float = 0.0

    def count(self, action: Dispatched, code: str | None) -> None:
        """Count an action that has its outcome."""
        self.actions += 1
        if code is not None:
            self.refused[code] += 1
        if action.sent_at is not None and action.settled_at is not None:
            self.latencies.append(action.settled_at - action.sent_at)

    def summary(self) -> str:
        """Say it in a few lines."""
        ordered = sorted(self.latencies)
        codes = ", ".join(f"{code} {count}" for code, count in self.refused.most_common())
        rate = self.actions / self.seconds if self.seconds else 0.0
        return "\n".join(
            [
                f"events          {self.events}",
                f"connections     {self.connections}",
                f"actions         {self.actions}",
                f"refused         {self.refused.total()}" + (f" ({codes})" if codes else ""),
                f"seconds         {self.seconds:.1f}",
                f"actions/s       {rate:.0f}",
                f"latency p50     {quantile(ordered, 0.5) * 1000:.1f} ms",
                f"latency p99     {quantile(ordered, 0.99) * 1000:.1f} ms",
                f"reconnects      {self.reconnects}",
            ]
        )


def quantile(ordered: list[float], share: float) -> float:
    """Return the value that a share of them does not exceed, 0.0 of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


class Seat:
    """One user in one room: a connection, and the actions of theirs that are under way."""

    def __init__(self, client: Client, room: str, score: Score, room_turns: asyncio.Semaphore) -> None:
        self._client = client
        self._room = room
        self._score = score
        self._turns = asyncio.Semaphore(PIPELINE)
        self._room_turns = room_turns
        self._under_way: set[asyncio.Task[None]] = set()
        self._joined = False
        self._stopped: Stopped | None = None
        client.start()
        client.subscribe("room", {"room": room})

    async def play(self, event: Event) -> None:
        """Send what the event asks for; return when it is on its way, not when it has its outcome."""
        match event.kind:
            case "part":
                # Somebody who was never seen before has to come in to leave.
                await self._join(event)
                await self._send("leave_room", {})
                self._joined = False
            case "join":
                self._joined = False
                await self._join(event)
            case "nick":
                await self._join(event)
                await self._send("rename_member", {"name": member_name(event.to)})
            case "message":
                await self._join(event)
                await self._send("post_message", {"body": event.body})

    async def finish(self) -> None:
        """Wait for all outcomes.

        Raises:
            Stopped: Some will not come.

        """
        if self._under_way:
            await asyncio.gather(*self._under_way)
        if self._stopped is not None:
            raise self._stopped

    async def leave(self) -> None:
        """Close the connection; what has no outcome by now gets none."""
        self._score.reconnects += max(0, self._client.connects - 1)
        await self._client.close()

    async def _join(self, event: Event) -> None:
        if not self._joined:
            await self._send("join_room", {"name": member_name(event.actor)})
            self._joined = True

    async def _send(self, name: str, params: Mapping[str, str]) -> None:
        await self._room_turns.acquire()
        await self._turns.acquire()
        if self._stopped is not None:
            raise self._stopped
        task = asyncio.create_task(self._settle(self._client.dispatch(name, {"room": self._room, **params})))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _settle(self, action: Dispatched) -> None:
        code = None
        try:
            await action
        except Refused as refused:
            code = refused.code
        except Stopped as stopped:
            self._stopped = stopped
            return
        finally:
            self._turns.release()
            self._room_turns.release()
        self._score.count(action, code)


class Stage:
    """Plays rooms on a cluster.

    Args:
        url: Address of the fronts' WebSocket.
        key: The secret that signs tokens.
        speed: How many times as fast as it was, None for as fast as outcomes come back.
        rooms_at_once: How many rooms are played at the same time.

    """

    def __init__(self, url: str, key: str, *, speed: float | None, rooms_at_once: int) -> None:
        self.score = Score()
        self._url = url
        self._key = key
        self._speed = speed
        self._rooms = asyncio.Semaphore(rooms_at_once)

    async def knock(self) -> None:
        """See whether a front lets us in; waits until one is there.

        Raises:
            Stopped: It does not.

        """
        async with self._client(trace.NOBODY):
            self.score.connections -= 1

    async def play(self, events: Iterable[Event]) -> Score:
        """Play a trace whose rooms come one after the other."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for room, of_room in groupby(events, key=lambda event: event.room):
                await self._rooms.acquire()
                # Read before the next room is, since both come from one file.
                group.create_task(self._play_room(room, list(of_room)))
        self.score.seconds = time.monotonic() - begun
        return self.score

    async def _play_room(self, room: str, events: list[Event]) -> None:
        seats: dict[str, Seat] = {}
        turns = asyncio.Semaphore(ROOM_PIPELINE)
        try:
            await self._create(room, events[0].actor)
            begun = time.monotonic()
            for event in events:
                if self._speed is not None:
                    due = begun + (event.t - events[0].t) / self._speed
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                seat = seats.get(event.actor)
                if seat is None:
                    seat = seats[event.actor] = Seat(self._client(event.actor), room, self.score, turns)
                await seat.play(event)
                self.score.events += 1
            await asyncio.gather(*(seat.finish() for seat in seats.values()))
        finally:
            await asyncio.gather(*(seat.leave() for seat in seats.values()))
            self._rooms.release()

    async def _create(self, room: str, actor: str) -> None:
        async with self._client(actor) as client:
            action = client.dispatch("create_room", {"room": room, "title": room})
            code = None
            try:
                await action
            except Refused as refused:
                code = refused.code
            self.score.count(action, code)

    def _client(self, actor: str) -> Client:
        self.score.connections += 1
        return Client(self._url, token.sign(self._key, actor, lifetime=TOKEN_SECONDS, now=time.time()))


def member_name(name: str) -> str:
    """Return a name as the chat takes it: 1 to 80 characters, no NUL."""
    return name.replace("\0", "\ufffd")[: trace.LONGEST_NAME] or "-"


def by_room(events: Iterable[Event]) -> Iterator[Event]:
    """Bring each room's events together, in order, rooms in the order in which they began."""
    rooms: dict[str, list[Event]] = {}
    for event in events:
        rooms.setdefault(event.room, []).append(event)
    for of_room in rooms.values():
        yield from of_room


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire play` takes."""
    parser.add_argument("trace", type=Path, help="a trace, .ndjson or .ndjson.gz (docs/trace.md)")
    parser.add_argument(
        "--speed", type=_speed, default=None, metavar="X", help="X times as fast as it was, or max (default)"
    )
    parser.add_argument("--limit", type=_count, metavar="N", help="play the first N lines only")
    parser.add_argument("--rooms-at-once", type=_count, default=4, metavar="N", help="rooms at a time (default: 4)")
    parser.add_argument("--url", help="a front's WebSocket (default: that of the running stack)")


def run(args: argparse.Namespace) -> int:
    """Play a trace."""
    folder = choose(args.data, account.for_postgres())
    path = args.trace.absolute()
    events = list(by_room(trace.read(path, args.limit)))
    url, key = door(args.url, args.data)
    _allow_many_sockets()
    stage = Stage(url, key, speed=args.speed, rooms_at_once=args.rooms_at_once)

    def begin() -> None:
        # Without a stack of ours there is nobody to check it later.
        if folder.path.is_dir():
            plays.record(folder.path, plays.Play(str(path), args.limit))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        score = runner.run(_perform(stage, events, begin))
    print(score.summary())
    return 0


def door(url: str | None, data: Path | None) -> tuple[str, str]:
    """Find where to knock, and the secret that signs tokens.

    Args:
        url: Address of a WebSocket, None for that of the running stack.
        data: The data folder, None for the usual one.

    Raises:
        StackError: No stack is running, and not both are given in other words.

    """
    key_file = os.environ.get("FLUXWIRE_KEY_FILE")
    if url is not None and key_file:
        return url, token.read_key(Path(key_file))
    running = state.running(choose(data, account.for_postgres()))
    return url or f"ws://127.0.0.1:{running.port}/ws", token.read_key(Path(key_file or running.key_file))


async def _perform(stage: Stage, events: list[Event], begin: Callable[[], None]) -> Score:
    telling = asyncio.create_task(_tell(lambda: stage.score.events, len(events)))
    try:
        await stage.knock()
        begin()
        return await stage.play(events)
    except* Stopped as stopped:
        raise StackError(
            f"The front sent us away: {stopped.exceptions[0]}.", "docs/protocol.md §6 lists the codes."
        ) from None
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _tell(done: Callable[[], int], total: int) -> None:
    """Show how far it is, on the terminal in place, elsewhere a line now and then."""
    terminal = sys.stderr.isatty()
    begun = time.monotonic()
    try:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS[terminal])
            gauge(done(), total, time.monotonic() - begun, "events")
    finally:
        if terminal:
            gauge(done(), total, time.monotonic() - begun, "events")
            print(file=sys.stderr)


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    speed = float(text)
    if not speed > 0 or math.isinf(speed):
        raise argparse.ArgumentTypeError("a speed is a number above 0, or max")
    return speed


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return count


def _allow_many_sockets() -> None:
    """Raise the soft limit of descriptors to the hard one: each connection needs one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
