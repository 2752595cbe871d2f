"""What each hop logs of an action, so that all lines of one can be joined (docs/metrics.md, Logs).

An action is known by its client, lane and number, from the client's own page to the action log in the database. With
FLUXWIRE_LOG_LEVEL=debug every action leaves a line on every hop; else those that were refused or slow do, and of those
no more than a log can take.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from .messages import Action, FrontMessage

MOST = 20
"""Lines a second at most, below debug; the rest is counted."""


class Trail:
    """The lines of one hop.

    Args:
        logger: Where they go.
        slow: An action that took so many seconds or more leaves a line.
        clock: Seconds that only go forward.

    """

    def __init__(self, logger: logging.Logger, *, slow: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._slow = slow
        self._clock = clock
        self._second = 0
        self._lines = 0

    def came(self, messages: Iterable[FrontMessage]) -> None:
        """Messages came to this hop, among them perhaps actions."""
        if self._logger.isEnabledFor(logging.DEBUG):
            for message in messages:
                if isinstance(message, Action):
                    self._say(logging.DEBUG, "came", message, {})

    def went(self, action: Action, status: str, code: str | None, seconds: float) -> None:
        """An action is done with, so many seconds after it came; ``code`` is why it is refused."""
        everything = self._logger.isEnabledFor(logging.DEBUG)
        noteworthy = code is not None or seconds >= self._slow
        if not everything and not (noteworthy and self._has_room()):
            return
        what = status if code is None else f"{status} {code}"
        facts: dict[str, str | int | float] = {"status": status, "milliseconds": round(1000 * seconds, 1)}
        if code is not None:
            facts["code"] = code
        level = logging.INFO if noteworthy else logging.DEBUG
        self._say(level, f"{what} after {facts['milliseconds']} ms", action, facts)

    def _say(self, level: int, what: str, action: Action, facts: dict[str, str | int | float]) -> None:
        fields = {
            "actor": action.actor,
            "client": action.client,
            "lane": action.lane,
            "number": action.number,
            "action": action.name,
            **facts,
        }
        self._logger.log(
            level,
            "action %s of %s, client %s, number %d: %s",
            *(action.name, action.actor, action.client, action.number, what),
            extra={"fields": fields},
        )

    def _has_room(self) -> bool:
        second = int(self._clock())
        if second != self._second:
            unsaid, self._second, self._lines = self._lines - MOST, second, 0
            if unsaid > 0:
                self._logger.info("%d more actions were refused or slow", unsaid)
        self._lines += 1
        return self._lines <= MOST
