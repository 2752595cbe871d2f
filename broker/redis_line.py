"""An open connection to a Redis server: commands out, answers in, in the same order.

The Redis client makes it, and is not asked again: for a command, its layers take several times the processor time of
all else that is done here. Commands of one turn of the event loop leave in one write, whoever they are of.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

import hiredis

from .errors import BusLost

Command = Sequence[bytes | str | int]
"""A command and its arguments; of the command's own words there may be several, ``XINFO STREAM``."""

_NOTHING = object()


class Line(asyncio.Protocol):
    """One connection, until it is lost.

    Args:
        writer: Its writer, as the event loop makes it; nothing was read that belongs here.

    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        # Kept, since it closes the transport when it goes.
        self._writer = writer
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._asked: deque[tuple[int, asyncio.Future[list[Any]]]] = deque()
        self._answers: list[Any] = []
        self._lost: str | None = None
        writer.transport.set_protocol(self)

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be asked any more."""
        return self._lost is not None

    def ask(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """Send commands; who cancels what he waits for is not told what they led to.

        Returns:
            Their answers, errors among them, or BusLost.

        """
        asked: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._asked.append((len(commands), asked))
        self._writer.write(b"".join([_packed(command) for command in commands]))
        return asked

    def close(self, why: str) -> None:
        """Close it; who waits for answers hears why."""
        if self._lost is None:
            self._lost = why
            self._writer.transport.abort()
            for _, asked in self._asked:
                if not asked.done():
                    asked.set_exception(BusLost(why))

    def data_received(self, data: bytes) -> None:
        """Take answers; called by the event loop."""
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not _NOTHING:
                self._take(answer)
        except (hiredis.ProtocolError, IndexError) as error:
            self.close(f"that is no Redis: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the server is gone; called by the event loop."""
        self.close(f"the connection was lost: {exc or 'closed by the server'}")

    def _take(self, answer: Any) -> None:  # noqa: ANN401 - each command has its own answer
        count, asked = self._asked[0]
        self._answers.append(answer)
        if len(self._answers) == count:
            self._asked.popleft()
            answers, self._answers = self._answers, []
            if not asked.done():
                asked.set_result(answers)


def _packed(command: Command) -> bytes:
    words: tuple[bytes | str | int, ...] = (*str(command[0]).split(), *command[1:])
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type] # its stub takes one alone
    return packed
