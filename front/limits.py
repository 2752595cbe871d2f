"""How much one address, one actor and one connection may ask for (docs/operations.md, Limits).

No clock is read here; time comes in as an argument, in seconds.
"""

from dataclasses import dataclass

BURST = 10.0
"""Seconds' worth of a rate that may come at once by whoever was silent for so long before."""

_FORGET = 1_000  # entries from which on the forgettable ones are looked for


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed; 0 is no limit. Rates are per second."""

    address_connections: int = 1_000
    """Of one address at once; FLUXWIRE_ADDRESS_CONNECTIONS."""
    address_rate: int = 100
    """New connections of one address; FLUXWIRE_ADDRESS_RATE."""
    actor_connections: int = 200
    """Of one actor at once; FLUXWIRE_ACTOR_CONNECTIONS."""
    actor_actions: int = 1_000
    """Actions of one actor; FLUXWIRE_ACTOR_ACTIONS."""
    actor_openings: int = 500
    """Stores that one actor has the database asked for; FLUXWIRE_ACTOR_OPENINGS."""
    frames: int = 2_000
    """Frames of one connection; FLUXWIRE_FRAMES."""
    subscriptions: int = 10_000
    """Of one connection at once; FLUXWIRE_SUBSCRIPTIONS."""


class Bucket:
    """A rate that may be exceeded for a while: a token bucket that is kept as the one time at which it is full again.

    Args:
        rate: So many a second in the long run; 0 is no limit.

    """

    __slots__ = ("_each",)

    def __init__(self, rate: float) -> None:
        self._each = 1 / rate if rate else 0.0

    def spend(self, full_at: float, now: float) -> float | None:
        """Take one out.

        Args:
            full_at: What the last call returned, 0 at first.
            now: The time.

        Returns:
            What to keep; None if there was none to be taken, and then nothing has changed.

        """
        after = max(full_at, now) + self._each
        return after if after - now <= BURST else None


class Ledger:
    """Who is here how often, and how fast they go. "" is nobody in particular, and not counted.

    Args:
        most: Of one of them at once; 0 is no limit.
        rate: What one of them may do a second; 0 is no limit.

    """

    __slots__ = ("_bucket", "_counts", "_forget_at", "_full_at", "_most")

    def __init__(self, most: int, rate: int) -> None:
        self._most = most
        self._bucket = Bucket(rate)
        self._counts: dict[str, int] = {}
        self._full_at: dict[str, float] = {}  # of those who have done something lately
        self._forget_at = _FORGET

    def has_room(self, who: str) -> bool:
        """Whether one more of theirs may come."""
        return not self._most or not who or self._counts.get(who, 0) < self._most

    def enter(self, who: str) -> None:
        """One more of theirs is here."""
        self._counts[who] = self._counts.get(who, 0) + 1

    def leave(self, who: str) -> None:
        """One of theirs is gone."""
        left = self._counts[who] - 1
        if left:
            self._counts[who] = left
        else:
            del self._counts[who]

    def spend(self, who: str, now: float) -> bool:
        """Whether they may do one more thing now; it counts if they may."""
        after = self._bucket.spend(self._full_at.get(who, 0.0), now)
        if after is None:
            return False
        self._full_at[who] = after
        if len(self._full_at) >= self._forget_at:
            self._full_at = {one: full_at for one, full_at in self._full_at.items() if full_at > now}
            self._forget_at = max(_FORGET, 2 * len(self._full_at))
        return True
