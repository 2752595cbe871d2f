"""What the hub knows of one client: what it holds, what it waits for, and what it is about to be sent."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from broker.messages import Action
from broker.traces import Span

from .gates import Identity
from .store_cache import Position

MOST_UNANSWERED = 1_000
"""Actions of one connection under way at most (§6, ``busy``)."""

MOST_UNANSWERED_BYTES = 4 * 1024 * 1024
"""The same for what they weigh: a front's memory is bounded however large the actions are."""

PATIENCE = 5.0
"""After so many seconds without an outcome a connection's actions are sent again; twice as long each time after."""

MOST_PATIENCE = 60.0  # seconds


Rope = tuple["Rope | None", bytes]
"""Frames in order: those before, and the last one. A crowd that gets the same frames shares one rope of them."""


class Wire(Protocol):
    """The way to a client's socket; whoever carries :meth:`Hub.writes` has made it."""

    def send(self, data: bytes, /) -> int:
        """Give the socket what it takes at once; how many bytes that were.

        Raises:
            OSError: It takes nothing.

        """

    def leave(self, rest: bytes) -> None:
        """Take charge of what was not sent."""


@dataclass(slots=True, eq=False)
class Subscription:
    """One ``id`` of one client."""

    client: "Client"
    id: int
    position: Position | None
    """Where the client's document stands from before (§3, resume)."""
    key: str | None = None
    """The store's key, once it is known."""

    @property
    def wanted(self) -> bool:
        """Whether the client has not let go of it."""
        return self.client.subscriptions.get(self.id) is self


@dataclass(slots=True, eq=False)
class Client:
    """One connection that was let in."""

    number: int
    identity: Identity
    client_id: str
    subscriptions: dict[int, Subscription]
    outgoing: Rope | None
    """Frames of this tick, unless they are those of its crowd."""
    wire: Wire
    window: int
    """Window bits of what it takes compressed; 0: nothing."""
    unanswered: "Unanswered | None" = None
    """Its actions under way, from the first one on."""
    blocked: bool = False
    """Whether the socket takes no more for now; frames of stores are then not queued."""
    failed: str | None = None
    """Why the connection must be closed with 4001, if it must."""


class UnderWay(NamedTuple):
    """An action without outcome."""

    action: Action
    since: float
    """When it came, in seconds."""
    span: Span | None
    """From its frame to its outcome, if it is traced."""


class Unanswered:
    """The actions of one client that have no outcome yet, in the order they came."""

    __slots__ = ("_actions", "_patience", "_refused", "_sent_at", "bytes", "count")

    def __init__(self) -> None:
        # Usually one action per number; a client may send a number twice and is owed two outcomes then.
        self._actions: dict[tuple[int, int], list[UnderWay]] = {}
        self._refused: dict[int, int] = {}  # the first number that found no room, by lane
        self.count = 0
        self.bytes = 0
        """Of the parameters of all."""
        self._patience = PATIENCE
        self._sent_at = 0.0

    def __bool__(self) -> bool:
        return bool(self._actions)

    def admits(self, lane: int, number: int, *, room: bool) -> bool:
        """Whether an action may be under way as well.

        Args:
            lane: Its lane.
            number: Its number.
            room: Whether there is room for any client's.

        Returns:
            If not, then no later one of the lane may until it comes again: they would only be gaps.

        """
        room = room and self.count < MOST_UNANSWERED and self.bytes < MOST_UNANSWERED_BYTES
        refused = self._refused.get(lane)
        if refused is not None and number > refused:
            return False
        if room:
            self._refused.pop(lane, None)
        else:
            self._refused[lane] = number
        return room

    def add(self, action: Action, now: float, span: Span | None = None) -> None:
        """Keep an action until its outcome."""
        if not self._actions:
            self._sent_at, self._patience = now, PATIENCE
        self._actions.setdefault((action.lane, action.number), []).append(UnderWay(action, now, span))
        self.count += 1
        self.bytes += len(action.params)

    def answer(self, lane: int, number: int, now: float) -> UnderWay | None:
        """Forget an action whose outcome came; the action, if it was waited for."""
        actions = self._actions.get((lane, number))
        if actions is None:
            return None
        answered = actions.pop(0)
        if not actions:
            del self._actions[lane, number]
        self.count -= 1
        self.bytes -= len(answered.action.params)
        # The loop answers: count the others' time from here.
        self._sent_at, self._patience = now, PATIENCE
        return answered

    def abandon(self) -> None:
        """Nobody is there any more who waits for outcomes."""
        for actions in self._actions.values():
            for one in actions:
                if one.span is not None:
                    one.span.end(status="gone")

    def waits_before(self, lane: int, number: int) -> bool:
        """Whether an earlier number of the lane is unanswered."""
        return any(other == lane and earlier < number for other, earlier in self._actions)

    def overdue(self, now: float, *, moving: bool = False) -> bool:
        """Whether nothing was answered for so long that all is to be sent again.

        Args:
            now: The time, in seconds.
            moving: Whether others' actions are answered: then it waits behind them, and another copy would only be in
                the way of all.

        """
        patience = MOST_PATIENCE if moving else self._patience
        return bool(self._actions) and now - self._sent_at >= patience

    def again(self, now: float) -> list[Action]:
        """All actions, in order, to be sent again."""
        self._sent_at = now
        self._patience = min(2 * self._patience, MOST_PATIENCE)
        return [one.action for actions in self._actions.values() for one in actions]


def frames_of(rope: Rope | None) -> list[bytes]:
    """The frames of a rope, in order."""
    frames: list[bytes] = []
    while rope is not None:
        rope, frame = rope
        frames.append(frame)
    frames.reverse()
    return frames
