"""The two buses, each as the two ends that use it, with every guarantee on its method.

``memory_bus`` and ``redis_bus`` implement them; ``broker.conformance`` is what each has to pass. docs/buses.md tells
who wants to write another one what it rests on.

Nothing on a bus needs to survive: actions are sent again until they have an outcome, and stores are compared by
version. A bus must only never reorder or alter what it does deliver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .messages import MultiplexerMessage, Parcel
from .registry import NO_CHANGES, Changes, Directory, FrontRegistry


@dataclass(frozen=True, slots=True)
class Missed:
    """Stands where messages were that the bus no longer had, or never got: ask again whatever matters."""


News = MultiplexerMessage | Missed
"""What a front reads."""


class FrontBus(FrontRegistry, Protocol):
    """A front's end: parcels out by the action bus, messages in by the update bus."""

    async def append(self, parcel: Parcel, changes: Changes = NO_CHANGES) -> None:
        """Put a parcel on the action bus.

        Parcels of one front arrive in the order of their appends, each at least once if this returns.

        Args:
            parcel: What the multiplexer is to have.
            changes: For the registry, which knows them before anybody can receive the parcel: from the moment a
                snapshot is asked for, a store's updates are sent here.

        Raises:
            BusFull: Neither happened: as many parcels wait on the bus as may; call it again after a moment. Many fronts
                may overshoot by a few parcels each.
            BusLost: It may or may not be there; append it again, a second copy does no harm. For the registry see
                :meth:`broker.registry.FrontRegistry.change`.

        """

    async def read(self) -> Sequence[News]:
        """Wait for messages from the multiplexer: those for all fronts and those for this one.

        Begins with what is published after :meth:`start`. Messages of one multiplexer arrive in the order it published
        and sent them. After a loss, reading goes on where it ended, as far as the bus still has it; :class:`Missed`
        stands where something is missing. Returns an empty list now and then when it is quiet.

        Raises:
            BusLost: Call it again after a moment.

        """

    async def tell(self, asker: str, message: MultiplexerMessage) -> None:
        """Put a message on somebody's own stream, as :meth:`MultiplexerBus.send` does: an answer to who asked.

        Args:
            asker: As who he reads, see :meth:`read`.
            message: The answer.

        Raises:
            BusLost: It may or may not be there.

        """

    async def start(self) -> None:
        """Note where the update bus stands, so that nothing published from now on is missed.

        Raises:
            BusLost: Call it again after a moment.

        """

    async def close(self) -> None:
        """Give back what the bus holds; a reader that waits is woken with BusLost."""


class Delivery(Protocol):
    """A parcel in the hands of one multiplexer."""

    @property
    def parcel(self) -> Parcel:
        """What the front appended."""

    @property
    def attempts(self) -> int:
        """How often it was handed out, this time included; 1 for a fresh one."""

    @property
    def appended_at(self) -> float:
        """When it was appended, in seconds since 1970 by the clock of the bus."""


class MultiplexerBus(Directory, Protocol):
    """The multiplexer's end: deliveries in by the action bus, messages out by the update bus."""

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """Wait for up to ``limit`` parcels, in the order they were appended.

        Each is handed to one multiplexer only, until :meth:`acknowledge` or :meth:`take_over`.
        Returns an empty list now and then when it is quiet.

        Raises:
            BusLost: Call it again after a moment.

        """

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Say that these need not be handed out again: what they asked for is committed.

        Raises:
            BusLost: They may be handed out again, which does no harm.

        """

    async def take_over(self, idle: float) -> Sequence[Delivery]:
        """Take what was handed to any multiplexer ``idle`` seconds ago or longer and was not acknowledged.

        In the order it was appended; what this multiplexer was handed counts as well.
        A new leader calls it with 0 before its first :meth:`receive`.

        Raises:
            BusLost: Call it again after a moment.

        """

    async def parcels(self) -> int:
        """Count the parcels on the action bus that were not acknowledged, whoever has them in hand.

        Raises:
            BusLost: Call it again after a moment.

        """

    async def publish(self, messages: Sequence[MultiplexerMessage]) -> None:
        """Put messages on the shared stream, for every front.

        Raises:
            BusLost: Fronts find out that they miss something with the next message that reaches them.

        """

    async def send(
        self,
        messages: Mapping[str, Sequence[MultiplexerMessage]],
        done: Sequence[Delivery] = (),
        *,
        everyone: Sequence[MultiplexerMessage] = (),
    ) -> None:
        """Put messages on the streams of single fronts, in one go.

        A front's stream goes away by itself some time after the last message to it.

        Args:
            messages: By front id.
            done: Deliveries to :meth:`acknowledge` after that.
            everyone: Messages to :meth:`publish` after ``messages``; a front that is sent some of both should read them
                at once.

        Raises:
            BusLost: As for :meth:`publish`.

        """

    async def close(self) -> None:
        """Give back what the bus holds; a waiting receiver is woken with BusLost."""
