"""What happened during a run: every attempt to write with its outcome, every broken chain, every fault."""

from __future__ import annotations

from dataclasses import dataclass, field

OK = "ok"
REFUSED = "refused"
UNKNOWN = "unknown"
"""The client was told that nobody can say whether it took effect."""


@dataclass(slots=True)
class Attempt:
    """One message that a writer wants to have written. Times are in seconds of one clock.

    Args:
        writer: Who writes.
        place: Its place among all that this writer writes, from 1 on; it is the message's text, too.
        sent_at: When it was dispatched.
        settled_at: When its outcome was there.
        outcome: `OK`, `REFUSED`, `UNKNOWN`, or None while there is none.
        code: Why it was refused.
        seen: Whether its row was there, for another connection to the database, when its outcome was; None while
            nobody has looked.

    """

    writer: str
    place: int
    sent_at: float
    settled_at: float | None = None
    outcome: str | None = None
    code: str = ""
    seen: bool | None = None


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault: its kind, what it hit, and from when until when, in seconds."""

    kind: str
    target: str
    began_at: float
    healed_at: float


@dataclass(slots=True)
class History:
    """All of it, in the order in which it was noticed.

    Args:
        attempts: What was to be written.
        strikes: The faults.
        breaks: Where an update did not continue what its subscriber held, a sentence each.
        divergences: Where a subscriber's document is not what the database renders, a sentence each.

    """

    attempts: list[Attempt] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)
    breaks: list[str] = field(default_factory=list)
    divergences: list[str] = field(default_factory=list)
