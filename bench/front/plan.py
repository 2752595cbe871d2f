"""How much of everything the front is measured with."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done."""

    connections: int
    rounds: int
    turns: int
    """Of each server in a fan-out."""
    seconds: float
    """Of each closed loop."""
    ticks: int
    """Broadcasts a round whose last delivery is timed."""
    idle: float
    """Seconds; from the heartbeat on, every connection is asked and answers within it."""
    hold_connections: int
    hold: float
    """Seconds for which connections are held under updates."""
    sizes: int
    """How often connections of a kind are weighed, which repeats to a hundredth."""
    ring: int
    """Seconds in which what a store keeps of its updates gets full, which is no growth."""


FULL = Plan(15_000, 5, 15, 1.0, 15, 26.0, 19_000, 120.0, 3, 45)
QUICK = Plan(1_000, 2, 3, 0.3, 3, 2.0, 1_000, 5.0, 1, 2)
