"""Going round all clients, a few at a time, so that each has its turn once in a while."""

from collections.abc import Iterator, Mapping

from .clients import Client


class Rounds:
    """Turns of clients.

    Args:
        seconds: How long a round takes.

    """

    __slots__ = ("_at", "_seconds", "_share", "_waiting")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at: float | None = None
        self._share = 0.0
        self._waiting: list[int] = []

    def due(self, clients: Mapping[int, Client], now: float) -> Iterator[Client]:
        """Tell whose turn it is; ask a few times a second.

        Args:
            clients: All there are, by number.
            now: The time, in seconds.

        """
        since = 0.0 if self._at is None else now - self._at
        self._at = now
        self._share = min(self._share + since / self._seconds * len(clients), len(clients))
        while self._share >= 1.0:
            self._share -= 1.0
            if not self._waiting:
                self._waiting = list(clients)
            client = clients.get(self._waiting.pop())
            if client is not None:
                yield client
