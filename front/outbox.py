"""What leaves in one tick: one write per client, however many frames it gets (docs/protocol.md §1).

Nearly all there is to send are the updates of a store to everybody who holds it. These are kept once for the whole
crowd, and no client is looked at before its socket is written to: with thousands of clients, each look waits for
memory, and that is most of what Python costs here. Who gets anything else in the same tick is set apart from its crowd
and gets everything in one write, in order. Of a chat that is many crowds in a tick, one a room.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import chain

from .clients import Client, Rope, Wire


class Crowd:
    """Clients that get the same bytes, by what they take compressed."""

    __slots__ = ("_by_window",)

    def __init__(self) -> None:
        self._by_window: dict[int, dict[Client, Wire]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_window.values()))

    def __contains__(self, client: Client) -> bool:
        return client in self._by_window.get(client.window, ())

    def __iter__(self) -> Iterator[Client]:
        return chain.from_iterable(self._by_window.values())

    def add(self, client: Client) -> None:
        """Let a client in."""
        members = self._by_window.get(client.window)
        if members is None:
            members = self._by_window[client.window] = {}
        members[client] = client.wire

    def discard(self, client: Client) -> None:
        """Let a client go, if it is in."""
        self._by_window.get(client.window, {}).pop(client, None)

    def meets(self, other: "Crowd") -> bool:
        """Whether somebody is in both."""
        return any(
            not mine.keys().isdisjoint(members)
            for window, members in other._by_window.items()  # noqa: SLF001 -- it is one of ours
            if (mine := self._by_window.get(window)) is not None
        )

    def wires(self, apart: dict[Client, None]) -> Iterator[tuple[int, Collection[Wire]]]:
        """The ways to all of them but these, by window bits."""
        for window, members in self._by_window.items():
            if apart:
                yield window, [wire for client, wire in members.items() if client not in apart]
            else:
                yield window, members.values()


class Outbox:
    """Collects the frames of one tick.

    Crowds that have nobody in common are kept as crowds. Of those that do the larger one is; frames for the others are
    handed to their clients one by one.
    """

    __slots__ = ("_apart", "_crowds", "_dirty", "_members")

    def __init__(self) -> None:
        self._dirty: list[Client] = []  # with something in `outgoing`, each once
        self._crowds: dict[Crowd, Rope] = {}
        # Of several crowds, with some who may have left; it is not worth making for one.
        self._members: set[Client] = set()
        self._apart: dict[Client, None] = {}  # of a crowd, but with a rope of their own, or in no need of the crowd's

    def send(self, client: Client, data: bytes) -> None:
        """Queue ready frames for a client."""
        self.set_apart(client)
        if client.outgoing is None:
            self._dirty.append(client)
        client.outgoing = (client.outgoing, data)

    def hand_out(self, clients: Iterable[Client], data: bytes) -> None:
        """Queue the same ready frames for many clients, one by one."""
        if self._crowds:
            clients = list(clients)
            for client in clients:
                self.set_apart(client)
        self._add(clients, data)

    def spread(self, crowd: Crowd, data: bytes) -> None:
        """Queue the same ready frames for a whole crowd."""
        rope = self._crowds.get(crowd)
        if rope is not None:
            self._crowds[crowd] = (rope, data)
            self._add([client for client in self._apart if client in crowd], data)
            return
        rivals = self._rivals(crowd)
        if sum(map(len, rivals)) >= len(crowd) or len(self._dirty) > len(crowd):
            self.hand_out(crowd, data)
            return
        for rival in rivals:
            self._dissolve(rival)
        self._keep(crowd, data)

    def set_apart(self, client: Client) -> None:
        """Let a client no longer get what its crowd gets; what the crowd has got so far is its own."""
        self._part(client, self._crowds)

    def excuse(self, client: Client, crowd: Crowd) -> None:
        """A client that joins a crowd has what the crowd has got so far."""
        if crowd in self._crowds:
            self._part(client, [other for other in self._crowds if other is not crowd])
            self._apart[client] = None

    def take(self) -> Iterator[tuple[Rope, int, Collection[Wire]]]:
        """All there is: frames, the window bits of those who get them, and the ways there. Exhaust it at once."""
        crowds, self._crowds = self._crowds, {}
        self._members = set()
        apart, self._apart = self._apart, {}
        dirty, self._dirty = self._dirty, []
        for crowd, rope in crowds.items():
            for window, wires in crowd.wires(apart):
                yield rope, window, wires
        # Those who hold the same stores follow each other, and share a rope.
        for client in dirty:
            own, client.outgoing = client.outgoing, None
            assert own is not None, "a client is dirty from its first frame on"
            yield own, client.window, (client.wire,)

    def _rivals(self, crowd: Crowd) -> list[Crowd]:
        """The crowds that have somebody in common with one that is not kept."""
        if len(self._crowds) > 1 and self._members.isdisjoint(crowd):
            return []
        return [kept for kept in self._crowds if kept.meets(crowd)]

    def _keep(self, crowd: Crowd, data: bytes) -> None:
        if len(self._crowds) == 1:
            self._members.update(*self._crowds)
        if self._crowds:
            self._members.update(crowd)
        self._crowds[crowd] = (None, data)
        # Whoever is apart may have no rope yet.
        own = dict.fromkeys(client for client in chain(self._dirty, self._apart) if client in crowd)
        self._apart.update(own)
        self._add(own, data)

    def _part(self, client: Client, crowds: Iterable[Crowd]) -> None:
        """Give a client what the crowd it is in, of these, has got so far."""
        if client in self._apart:
            return
        for crowd in crowds:
            if client in crowd:
                self._apart[client] = None
                self._dirty.append(client)
                client.outgoing = self._crowds[crowd]
                return

    def _add(self, clients: Iterable[Client], data: bytes) -> None:
        before: Rope | None = None
        rope: Rope = (None, data)
        for client in clients:
            outgoing = client.outgoing
            if outgoing is None:
                self._dirty.append(client)
            # Who has got the same so far goes on sharing it, so that a delivery makes nothing.
            if outgoing is not before:
                before, rope = outgoing, (outgoing, data)
            client.outgoing = rope

    def _dissolve(self, crowd: Crowd) -> None:
        rope = self._crowds.pop(crowd)
        for client in crowd:
            if client not in self._apart:
                self._dirty.append(client)
                client.outgoing = rope
