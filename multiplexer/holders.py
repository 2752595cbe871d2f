"""Who is to be told of what a commit changed, as the registry says: what nobody holds is neither rendered nor told.

A shared store goes to all fronts by one entry. A private one is the business of the one or two fronts that hold it,
so a batch of commits with any is told to each front apart: what it holds of it, in the order of the commits.

The registry answers for keys that it is asked for. When all stores have moved, those are asked for that fronts have
named lately.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from math import inf

from broker.registry import Directory, Found

REMEMBERED = 20.0
"""For how long a shared store that somebody held is taken for held, in seconds: a busy one is not looked up each time.
Nobody misses anything by that, and whoever begins to hold one is found at once."""

MOST_REMEMBERED = 10_000

NAMED_FOR = 120.0
"""After so many seconds without being named a key is forgotten: a front names all it holds several times as often."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who holds the stores of a batch of commits."""

    held: Collection[str]
    """Those that anybody holds."""
    found: Found
    """Who holds them, if they are told apart; who serves the actors asked for."""
    apart: bool
    """Whether each front is told apart."""


class Holders:
    """Looks up who holds stores.

    Args:
        directory: The registry.
        clock: Seconds of a monotonic clock.

    """

    def __init__(self, directory: Directory, clock: Callable[[], float]) -> None:
        self._directory = directory
        self._clock = clock
        self._held_until: dict[str, float] = {}
        self._named_at: dict[str, float] = {}
        self._forget_at = 0.0

    async def fronts(self, stores: Collection[str]) -> dict[str, list[str]]:
        """Find which fronts hold these stores; those that nobody holds are left out.

        Raises:
            BusLost: Ask again after a moment.

        """
        return (await self._directory.find(stores)).stores

    def named(self, keys: Iterable[str]) -> None:
        """Note that a front has named these stores, to fetch or to compare them."""
        now = self._clock()
        self._named_at.update(dict.fromkeys(keys, now))
        if now >= self._forget_at:
            self._forget_at = now + NAMED_FOR
            self._named_at = {key: at for key, at in self._named_at.items() if at > now - NAMED_FOR}

    def all_named(self) -> list[str]:
        """Tell which stores may be held."""
        return list(self._named_at)

    def know(self, key: str) -> bool:
        """Whether this is a shared store that is taken for held, so that all are told of it without a lookup."""
        return self._held_until.get(key, -inf) > self._clock() and not is_private(key)

    async def find(self, stores: Collection[str], actors: Collection[str] = ()) -> Audience:
        """Find the audience of these stores and actors, in one lookup.

        Raises:
            BusLost: Ask again after a moment.

        """
        apart = any(is_private(key) for key in stores)
        now = self._clock()
        known = set() if apart else {key for key in stores if self.know(key)}
        unknown = [key for key in stores if key not in known]
        found = await self._directory.find(unknown, actors) if unknown or actors else Found()
        if len(self._held_until) > MOST_REMEMBERED:
            self._held_until.clear()
        self._held_until.update(dict.fromkeys(found.stores, now + REMEMBERED))
        return Audience(known.union(found.stores), found, apart)


def is_private(key: str) -> bool:
    """Tell whether a store key is one actor's own: the database has put him in.

    A text among the parameters cannot say the same: its quotation marks are escaped.
    """
    return '"@actor": ' in key
