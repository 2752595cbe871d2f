"""All that a front asks of a stranger beside a token, and what it counts of everybody."""

from .limits import Bucket, Ledger, Limits
from .origins import Origins
from .proxies import Proxies
from .refusals import Refusals


class Rules:
    """The rules of one front.

    Args:
        origins: Which web pages are let in.
        cookie: Name of the cookie that may hold a token; "" is none.
        proxies: Whose word about addresses is believed.
        limits: How much anybody may ask for.
        guests: Whether who has no token may read.

    """

    __slots__ = (
        "actors",
        "addresses",
        "cookie",
        "frames",
        "guests",
        "leaving",
        "limits",
        "openings",
        "origins",
        "proxies",
        "refusals",
    )

    def __init__(
        self,
        *,
        origins: Origins | None = None,
        cookie: str = "",
        proxies: Proxies | None = None,
        limits: Limits | None = None,
        guests: bool = False,
    ) -> None:
        self.origins = origins or Origins()
        self.cookie = cookie
        self.proxies = proxies or Proxies()
        self.limits = limits = limits or Limits()
        self.addresses = Ledger(limits.address_connections, limits.address_rate)
        """Connections by address; their rate is that of new ones."""
        self.actors = Ledger(limits.actor_connections, limits.actor_actions)
        """Connections by actor; their rate is that of actions."""
        self.openings = Ledger(0, limits.actor_openings)
        """By actor; their rate is that of stores that the database is asked for."""
        self.frames = Bucket(limits.frames)
        self.refusals = Refusals()
        self.guests = guests
        self.leaving = False
        """Whether the front sends its clients to others, and lets in no more."""
