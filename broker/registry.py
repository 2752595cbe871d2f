"""Who is where: which fronts hold a store, which have connections of an actor, and which can take more.

Every front registers what it holds and whom it serves, under a lease: what a front has registered is forgotten when it
has not renewed for ``LEASE`` seconds, so a crashed one leaves no ghosts. The multiplexer looks up many at once. Both
buses implement both ends; they are part of :class:`broker.bus.FrontBus` and :class:`broker.bus.MultiplexerBus`.

A lookup may name a front that no longer holds a store, or never did (digests are compared): what is sent there is
ignored. It must not leave out one that does, as long as its lease lasts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

LEASE = 10.0
"""For how many seconds what a front has registered counts after its last renewal."""

RENEW = 2.0
"""How often a front renews its lease, in seconds."""

DIGEST_BYTES = 8
"""Two of a million stores have one digest once in 37 million clusters; then a front is sent what it ignores."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is new about what a front holds and whom it serves; nothing is in both of a pair."""

    held: Collection[str] = ()
    """Keys of stores."""
    dropped: Collection[str] = ()
    arrived: Collection[str] = ()
    """Actors."""
    departed: Collection[str] = ()

    def __bool__(self) -> bool:
        """Whether there is anything new."""
        return bool(self.held or self.dropped or self.arrived or self.departed)


NO_CHANGES = Changes()


@dataclass(frozen=True, slots=True)
class Found:
    """What a lookup found."""

    fronts: list[str] = field(default_factory=list)
    """All fronts whose lease lasts."""
    stores: dict[str, list[str]] = field(default_factory=dict)
    """Fronts by the key of a store; those that nobody holds are left out."""
    actors: dict[str, list[str]] = field(default_factory=dict)
    """Fronts by actor; likewise."""


class FrontRegistry(Protocol):
    """A front's end of the registry."""

    async def register(self, stores: Collection[str], actors: Collection[str]) -> None:
        """Register all that this front holds and whom it serves, in place of what was registered before.

        Args:
            stores: Keys of stores.
            actors: Actors.

        Raises:
            BusLost: It may or may not be registered; call it again.

        """

    async def change(self, changes: Changes) -> None:
        """Register what is new since :meth:`register`; see also :meth:`broker.bus.FrontBus.append`.

        Raises:
            BusLost: It may or may not be registered; call :meth:`register`.

        """

    async def renew(self, intake: float) -> bool:
        """Renew the lease, every ``RENEW`` seconds.

        Args:
            intake: Clients a second that this front can take; 0 when it takes none any more.

        Returns:
            Whether all is still registered; if not, call :meth:`register`.

        Raises:
            BusLost: Call it again.

        """

    async def intake_of_others(self) -> float:
        """Tell how many clients a second the other fronts can take, all together, by their last renewals.

        Raises:
            BusLost: Call it again.

        """


class Directory(Protocol):
    """The multiplexer's end of the registry."""

    async def find(self, stores: Collection[str], actors: Collection[str] = ()) -> Found:
        """Look up who holds these stores and serves these actors, all in one go.

        Raises:
            BusLost: Call it again after a moment.

        """


def digest(text: str) -> bytes:
    """What the registry knows a store key or an actor by."""
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()
