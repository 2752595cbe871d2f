"""What is asked for: how many users, where they are, and what they say."""

from __future__ import annotations

from dataclasses import dataclass


class BadWorkload(Exception):
    """There is no such workload; the text names every fault, one a line."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A chat, or what is like one: rooms that users look at, and messages into them.

    Args:
        users: Clients that are connected at once.
        rooms: How many rooms there are.
        members: How many users look at a room at once; a user may look at several.
        rate: Messages a second into each room, at random times.
        tick: How far apart writes and parcels of a front are at least, in seconds; 0: each turn of its loop
            (`FLUXWIRE_TICK_MS`, and its default).
        length: Bytes of a message's text, as JSON.
        private: Private stores that each user holds beside.
        storm: Within how many seconds all users come back after all were cut off.
        fronts: How many fronts; None: as many as it takes.
        busy: How busy a process is to be at most, of its core.
        clients: How many clients a front is to hold at most.

    Raises:
        BadWorkload: That makes no sense.

    """

    users: int
    rooms: int
    members: int
    rate: float
    tick: float = 0.004
    length: int = 100
    private: int = 0
    storm: float = 60.0
    fronts: int | None = None
    busy: float = 0.7
    clients: int = 20_000

    def __post_init__(self) -> None:
        faults = [
            f"{name} must be {least:g} or more, not {value:g}"
            for name, value, least in (
                ("users", self.users, 1),
                ("rooms", self.rooms, 1),
                ("members", self.members, 1),
                ("rate", self.rate, 0),
                ("length", self.length, 0),
                ("private", self.private, 0),
                ("clients", self.clients, 1),
                ("fronts", 1 if self.fronts is None else self.fronts, 1),
            )
            # So that what is no number is no good, either.
            if not least <= value < float("inf")
        ]
        if not 0 <= self.tick <= 1:
            faults.append(f"tick must be from 0 to 1000 ms, not {1000 * self.tick:g}")
        if not 0 < self.storm < float("inf"):
            faults.append(f"storm must be more than 0 seconds, not {self.storm:g}")
        if not 0 < self.busy <= 1:
            faults.append(f"busy must be more than 0 and at most 1, not {self.busy:g}")
        if self.members > self.users:
            faults.append(f"a room of {self.members:,} members takes as many users; there are {self.users:,}")
        if faults:
            raise BadWorkload("\n".join(faults))

    @property
    def actions(self) -> float:
        """Messages a second in all rooms together."""
        return self.rooms * self.rate

    @property
    def rooms_each(self) -> float:
        """How many rooms a user looks at, on average."""
        return self.rooms * self.members / self.users

    @property
    def deliveries(self) -> float:
        """Messages a second that reach somebody: each counts once for each member of its room."""
        return self.actions * self.members
