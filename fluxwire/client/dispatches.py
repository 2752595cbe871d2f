"""A client's actions on their way: numbered, kept until they have an outcome, sent again (docs/protocol.md §4)."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Generator, Mapping
from typing import Any

from . import frames
from .frames import Outcome
from .subscriptions import Refused

WINDOW = 500
"""How many actions are under way at most; a front refuses more than 1,000 of a connection as ``busy``."""
SEND_AGAIN = {"number_gap", "busy"}
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
"""How long to wait after ``busy`` at most, in seconds: doubled each time in a row, at most so long."""
EXPIRED = "client_expired"


class Dispatched:
    """An action that has a number; await it for its reply.

    Args:
        name: The action's name.
        params: Its named arguments.

    """

    __slots__ = ("_outcome", "name", "number", "params", "sent_at", "settled_at", "uncertain")

    def __init__(self, name: str, params: Mapping[str, object]) -> None:
        self.name = name
        # Sent again it has to be the same, or the number would be one of another action.
        self.params = frames.raw(params)
        self.number = 0
        self.uncertain = False
        """Whether a connection was lost while it was under way: it may have taken effect."""
        self.sent_at: float | None = None
        """When it was first sent, in seconds of the session's clock."""
        self.settled_at: float | None = None
        """When its outcome came."""
        self._outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait for the outcome, and return the reply.

        Raises:
            Refused: The action took no effect.
            Stopped: The client has stopped; the action may or may not have taken effect.

        """
        outcome = yield from asyncio.shield(self._outcome)
        if outcome.status == "ok":
            return outcome.reply
        raise Refused(outcome.error or frames.Error("failed", "No reason was given."))

    def settle(self, outcome: Outcome, now: float) -> None:
        """Take its outcome."""
        self.settled_at = now
        if not self._outcome.done():
            self._outcome.set_result(outcome)

    def fail(self, failure: BaseException) -> None:
        """Give up on an outcome."""
        if not self._outcome.done():
            self._outcome.set_exception(failure)
            self._outcome.exception()  # whoever awaits it learns of it, and nobody has to


class Dispatches:
    """The actions of one lane that have no outcome yet, in order."""

    def __init__(self) -> None:
        self._kept: dict[int, Dispatched] = {}
        self._ready: deque[int] = deque()
        self._in_flight: set[int] = set()
        self._next = 1
        self._progress = False
        self._send_again: str | None = None
        self._pauses = 0  # in a row, with nothing but ``busy`` in between
        self.resume_at: float | None = None
        """When to :meth:`resume`, in seconds of the session's clock."""

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, action: Dispatched) -> None:
        """Give an action the next number."""
        action.number = self._next
        self._next += 1
        self._kept[action.number] = action
        self._ready.append(action.number)

    def restart(self) -> None:
        """Send all that is kept again, on a fresh connection."""
        for number in self._in_flight:
            self._kept[number].uncertain = True
        self._send_all()

    def _send_all(self) -> None:
        self._in_flight.clear()
        self._ready = deque(self._kept)
        self._progress = True
        self._send_again = None
        self.resume_at = None

    def resume(self, now: float) -> None:
        """Go on after a pause, if it is over."""
        if self.resume_at is not None and now >= self.resume_at:
            self._send_all()

    def renumber(self) -> None:
        """Begin at 1, for a new client id.

        What may have taken effect under the old one is not sent again: whoever waits for it is told instead.
        """
        kept = list(self._kept.values())
        self._kept.clear()
        self._next = 1
        for action in kept:
            if action.uncertain:
                action.fail(Refused(frames.Error(EXPIRED, "It is not known whether the action took effect.")))
            else:
                self.add(action)
        self._send_all()

    @property
    def has_next(self) -> bool:
        """Whether one may be sent now."""
        # §4: after a gap or `busy` nothing more is sent until all outcomes are in; then all that is kept goes again.
        return bool(self._ready) and self._send_again is None and len(self._in_flight) < WINDOW

    def take(self, now: float) -> list[Dispatched]:
        """Return what is to be sent now, in order."""
        taken = []
        while self.has_next:
            action = self._kept[self._ready.popleft()]
            self._in_flight.add(action.number)
            action.sent_at = now if action.sent_at is None else action.sent_at
            taken.append(action)
        return taken

    def settle(self, outcome: Outcome, now: float) -> str | None:
        """Take an outcome.

        Returns:
            ``client_expired`` if it cannot go on like this and needs a new client id.

        """
        self._in_flight.discard(outcome.number)
        action = self._kept.get(outcome.number)
        code = outcome.error.code if outcome.error else ""
        if code == EXPIRED and outcome.number > 1 and 1 in self._kept:
            # §6: who keeps its first action was overtaken by a later one, and is not forgotten.
            code = "number_gap"
        if action is not None and outcome.status == "invalid" and code == EXPIRED:
            return code
        if action is not None and outcome.status == "invalid" and code in SEND_AGAIN:
            # The first reason counts: the numbers behind a busy one are gaps.
            self._send_again = self._send_again or code
        elif action is not None:
            del self._kept[outcome.number]
            self._progress = True
            self._pauses = 0
            action.settle(outcome, now)
        if self._send_again is None or self._in_flight:
            return None
        if self._send_again == "busy":
            # §6: a moment later, so that a front that is full is not asked in a circle.
            longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2**self._pauses)
            self._pauses += 1
            self.resume_at = now + longest * random.uniform(0.5, 1)  # noqa: S311 - nobody gains by guessing it
            return None
        if not self._progress:
            # All was sent again, in order, and nothing was taken: numbers before ours are missing for good.
            return EXPIRED
        self._send_all()
        self._progress = False
        return None

    def fail(self, failure: BaseException) -> None:
        """Give up on all of them."""
        for action in self._kept.values():
            action.fail(failure)
        self._kept.clear()
        self._ready.clear()
