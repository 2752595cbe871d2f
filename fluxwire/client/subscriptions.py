"""What a client holds of the stores it subscribed to (docs/protocol.md §3).

A :class:`Subscription` is what the application asked for. A :class:`Replica` is the copy of one store; subscriptions
that the database gave the same key share it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from broker import patch

from .frames import Error, Snapshot, Update, raw


class Refused(Exception):
    """The database or a front said no.

    Args:
        error: Its reason; ``code`` and ``message`` are also attributes of the exception.

    """

    def __init__(self, error: Error) -> None:
        super().__init__(f"{error.code}: {error.message}")
        self.error = error
        self.code = error.code
        self.message = error.message


class Gap(Exception):
    """An update does not continue from what we hold."""


class Replica:
    """Our copy of one store.

    Args:
        key: Its store key.

    """

    __slots__ = ("document", "epoch", "key", "live", "subscriptions", "version", "waiting")

    def __init__(self, key: str) -> None:
        self.key = key
        self.epoch = ""
        self.version = -1
        self.document: Any = None
        self.live = False
        """Whether this connection is subscribed to the key; other frames for it are leftovers."""
        self.waiting = True
        """Whether only a snapshot brings us further."""
        self.subscriptions: set[Subscription] = set()

    def replace(self, snapshot: Snapshot) -> None:
        """Start from a snapshot, whatever was before."""
        self.epoch, self.version, self.document = snapshot.epoch, snapshot.version, snapshot.document
        self.waiting = False

    def apply(self, update: Update) -> bool:
        """Go on by an update.

        Returns:
            Whether it was news.

        Raises:
            Gap: It does not continue from here, or cannot be applied; the document is not to be trusted any more.

        """
        if update.epoch == self.epoch and update.to_version <= self.version:
            return False
        if update.epoch != self.epoch or update.from_version != self.version:
            raise Gap(f"{self.key}: from {update.from_version}, and we are at {self.version}")
        try:
            self.document = patch.apply(self.document, update.patch)
        except patch.PatchError as exc:
            raise Gap(f"{self.key}: {exc}") from exc
        self.version = update.to_version
        return True

    def announce(self) -> None:
        """Wake who waits for a change."""
        for subscription in self.subscriptions:
            subscription.wake()


class Subscription:
    """A store the application asked for.

    Args:
        number: Its id on the connection.
        name: The store's name.
        params: Its parameters.

    """

    def __init__(self, number: int, name: str, params: Mapping[str, object]) -> None:
        self.number = number
        self.name = name
        self.params = raw(params)
        self.replica: Replica | None = None
        self.failure: BaseException | None = None
        """Why it ended, if it did."""
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def held(self) -> bool:
        """Whether there is a document."""
        return self.replica is not None and self.replica.version >= 0

    @property
    def document(self) -> Any:  # noqa: ANN401 - any JSON
        """The store's document, None until there is one; changed in place by the next update."""
        return self.replica.document if self.replica else None

    @property
    def version(self) -> int:
        """The version of the document, -1 until there is one."""
        return self.replica.version if self.replica else -1

    @property
    def epoch(self) -> str:
        """The epoch of the version."""
        return self.replica.epoch if self.replica else ""

    @property
    def key(self) -> str:
        """The store key, empty until the database has told."""
        return self.replica.key if self.replica else ""

    async def ready(self) -> None:
        """Wait until there is a document.

        Raises:
            Refused: The front ended the subscription.
            Stopped: The client has stopped.

        """
        while not self.held:
            await self._wait()
        if self.failure is not None:
            raise self.failure

    async def changed(self, after: int) -> int:
        """Wait until the document is another than that of version ``after``, and return its version.

        Raises:
            Refused: The front ended the subscription.
            Stopped: The client has stopped.

        """
        await self.ready()
        epoch = self.epoch
        while self.version <= after and self.epoch == epoch:
            await self._wait()
        return self.version

    async def versions(self) -> AsyncIterator[int]:
        """Go through the versions as they arrive, beginning with the one that is there; some may be stepped over."""
        await self.ready()
        version = self.version
        while True:
            yield version
            version = await self.changed(version)

    def wake(self) -> None:
        """Let everybody who waits look again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def fail(self, failure: BaseException) -> None:
        """End it for this reason."""
        self.failure = failure
        self.wake()

    async def _wait(self) -> None:
        if self.failure is not None:
            raise self.failure
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter
