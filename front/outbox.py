"""What leaves in one tick: one write per client, however many frames it gets (docs/protocol.md §1).

Nearly all there is to send are the updates of a store to everybody who holds it. These are kept once for the whole
crowd, and no client is looked at before its socket is written to: with thousands of clients, each look waits for
memory, and that is most of what Python costs here. Who gets anything else in the same tick is set apart from its crowd
and gets everything in one write, in order.
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

    def wires(self, apart: dict[Client, None]) -> Iterator[tuple[int, Collection[Wire]]]:
        """The ways to all of them but these, by window bits."""
        for window, members in self._by_window.items():
            if apart:
                yield window, [wire for client, wire in members.items() if client not in apart]
            else:
                yield window, members.values()


class Outbox:
    """Collects the frames of one tick.

    At most one crowd is kept as a crowd, the largest; frames for others are handed to their clients one by one.
    """

    __slots__ = ("_apart", "_crowd", "_dirty", "_rope")

    def __init__(self) -> None:
        self._dirty: list[Client] = []  # with something in `outgoing`, each once
        self._crowd: Crowd | None = None
        self._rope: Rope = (None, b"")  # for the crowd
        self._apart: dict[Client, None] = {}  # of the crowd, but with a rope of their own, or in no need of the crowd's

    def send(self, client: Client, data: bytes) -> None:
        """Queue ready frames for a client."""
        if self._crowd is not None:
            self.set_apart(client)
        if client.outgoing is None:
            self._dirty.append(client)
        client.outgoing = (client.outgoing, data)

    def hand_out(self, clients: Iterable[Client], data: bytes) -> None:
        """Queue the same ready frames for many clients, one by one."""
        if self._crowd is not None:
            clients = list(clients)
            for client in clients:
                self.set_apart(client)
        self._add(clients, data)

    def spread(self, crowd: Crowd, data: bytes) -> None:
        """Queue the same ready frames for a whole crowd."""
        if crowd is self._crowd:
            self._rope = (self._rope, data)
            self._add([client for client in self._apart if client in crowd], data)
            return
        if self._crowd is not None and len(self._crowd) < len(crowd):
            self._dissolve(self._crowd)
        if self._crowd is not None or len(self._dirty) > len(crowd):
            self.hand_out(crowd, data)
            return
        self._crowd, self._rope = crowd, (None, data)
        self._apart = dict.fromkeys(client for client in self._dirty if client in crowd)
        self._add(self._apart, data)

    def set_apart(self, client: Client) -> None:
        """Let a client no longer get what its crowd gets; what the crowd has got so far is its own."""
        if self._crowd is not None and client not in self._apart and client in self._crowd:
            self._apart[client] = None
            self._dirty.append(client)
            client.outgoing = self._rope

    def excuse(self, client: Client, crowd: Crowd) -> None:
        """A client that joins a crowd has what the crowd has got so far."""
        if crowd is self._crowd:
            self._apart[client] = None

    def take(self) -> Iterator[tuple[Rope, int, Collection[Wire]]]:
        """All there is: frames, the window bits of those who get them, and the ways there. Exhaust it at once."""
        crowd, self._crowd = self._crowd, None
        apart, self._apart = self._apart, {}
        dirty, self._dirty = self._dirty, []
        if crowd is not None:
            for window, wires in crowd.wires(apart):
                yield self._rope, window, wires
        # Those who hold the same stores follow each other, and share a rope.
        for client in dirty:
            rope, client.outgoing = client.outgoing, None
            assert rope is not None, "a client is dirty from its first frame on"
            yield rope, client.window, (client.wire,)

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
        for client in crowd:
            if client not in self._apart:
                self._dirty.append(client)
                client.outgoing = self._rope
        self._crowd = None
        self._apart.clear()
