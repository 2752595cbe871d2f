"""The registry on Redis: the commands, and what their answers mean; ``redis_bus`` runs them.

Keys, each after the namespace and a colon:

- ``fronts``: a set of the ids of fronts.
- ``held:<id>``: a set of the digests of the stores that a front holds, and of the empty text, so that it is there as
  long as the front's lease lasts: the lease is its time to live.
- ``actors:<id>``: likewise of the actors whose connections it has.
- ``intake:<id>``: a stream of one entry, how many clients a second it can take. (Accounts may use streams already.)

A front is in ``fronts`` from when it registers until a lookup finds its lease ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from .redis_line import Command
from .registry import Changes, Found, digest

ALIVE = b""
"""A member that every set has, so that it exists."""
INTAKE = b"rate"
"""The one field of an entry."""
TOGETHER = 1000
"""How many members one command names at most."""


class FrontKeys:
    """The commands of one front.

    Args:
        namespace: Prefix of every key.
        front: The front's id.
        lease: How long what it registers counts after its last renewal, in seconds.

    """

    def __init__(self, namespace: str, front: str, lease: float) -> None:
        self._lease_ms = round(1000 * lease)
        self._namespace = namespace
        self._fronts = f"{namespace}:fronts"
        self._front = front
        self._held = f"{namespace}:held:{front}"
        self._actors = f"{namespace}:actors:{front}"

    def change(self, changes: Changes) -> list[Command]:
        """Bring the sets up to date."""
        return [
            *_members("SADD", self._held, changes.held),
            *_members("SREM", self._held, changes.dropped),
            *_members("SADD", self._actors, changes.arrived),
            *_members("SREM", self._actors, changes.departed),
            # They may just have been made, by a server that forgot them.
            *(("PEXPIRE", key, self._lease_ms) for key in (self._held, self._actors) if changes),
        ]

    def register(self, stores: Collection[str], actors: Collection[str]) -> Iterator[list[Command]]:
        """Fill new sets and put them in the place of the old ones, some at a time."""
        held, served = f"{self._held}:new", f"{self._actors}:new"
        yield [
            ("DEL", held, served),
            *(("SADD", key, ALIVE) for key in (held, served)),
            *(("PEXPIRE", key, self._lease_ms) for key in (held, served)),
        ]
        for command in chain(_members("SADD", held, stores), _members("SADD", served, actors)):
            yield [command]
        yield [("RENAME", held, self._held), ("RENAME", served, self._actors), *self._prolong()]

    def renew(self, intake: float) -> list[Command]:
        """Prolong the lease, and tell how many clients a second the front can take; see :meth:`complete`."""
        key = self._intake(self._front)
        return [
            ("SCARD", self._held),
            ("SCARD", self._actors),
            ("XADD", key, "MAXLEN", 1, "*", INTAKE, str(intake)),
            ("PEXPIRE", key, self._lease_ms),
            *self._prolong(),
        ]

    @staticmethod
    def complete(answers: Sequence[int], stores: int, actors: int) -> bool:
        """Tell by the answers to :meth:`renew` whether so many stores and actors are still registered."""
        return answers[0] > stores and answers[1] > actors

    def fronts(self) -> Command:
        """Ask which fronts there are."""
        return ("SMEMBERS", self._fronts)

    def intakes(self, fronts: Iterable[bytes]) -> list[Command]:
        """Ask how many clients the others can take, of the fronts that :meth:`fronts` has answered."""
        others = (front.decode() for front in fronts if front.decode() != self._front)
        return [("XREVRANGE", self._intake(front), "+", "-", "COUNT", 1) for front in others]

    @staticmethod
    def intake(answers: Iterable[Sequence[tuple[bytes, dict[bytes, bytes]]]]) -> float:
        """Tell by the answers to :meth:`intakes` how many those are."""
        return sum(float(fields.get(INTAKE, b"0")) for entries in answers for _, fields in entries)

    def _intake(self, front: str) -> str:
        return f"{self._namespace}:intake:{front}"

    def _prolong(self) -> list[Command]:
        # The lease first: whoever finds a front in `fronts` without one takes it out.
        return [
            ("PEXPIRE", self._held, self._lease_ms),
            ("PEXPIRE", self._actors, self._lease_ms),
            ("SADD", self._fronts, self._front),
        ]


class Lookup:
    """One lookup: fronts are asked in parallel, those known from last time in the first go.

    Args:
        namespace: Prefix of every key.
        known: Fronts of the last lookup.
        stores: Keys of stores.
        actors: Actors.

    """

    def __init__(
        self, namespace: str, known: Collection[str], stores: Collection[str], actors: Collection[str]
    ) -> None:
        self._namespace = namespace
        self._stores, self._actors = list(stores), list(actors)
        self._held = (ALIVE, *map(digest, self._stores))
        self._served = tuple(map(digest, self._actors))
        self._waiting = list(known)
        self._asked: list[str] = []
        self._listed: set[str] | None = None
        self.found = Found()
        """What was found so far."""
        self.dead: list[str] = []
        """Fronts whose lease has ended."""

    @property
    def done(self) -> bool:
        """Whether all have answered."""
        return self._listed is not None and not self._waiting

    def ask(self) -> list[Command]:
        """The next commands; give the answers to :meth:`take`."""
        self._asked, self._waiting = self._waiting, []
        commands: list[Command] = [] if self._listed is not None else [("SMEMBERS", f"{self._namespace}:fronts")]
        for front in self._asked:
            commands.append(("SMISMEMBER", f"{self._namespace}:held:{front}", *self._held))
            if self._served:
                commands.append(("SMISMEMBER", f"{self._namespace}:actors:{front}", *self._served))
        return commands

    def take(self, answers: Iterable[Any]) -> None:
        """Take the answers."""
        rest = iter(answers)
        if self._listed is None:
            self._listed = {front.decode() for front in next(rest)}
            self._waiting = [front for front in self._listed if front not in self._asked]
        for front in self._asked:
            alive, *held = next(rest)
            served = next(rest) if self._served else ()
            if not alive:
                self.dead.append(front)
                continue
            self.found.fronts.append(front)
            _note(front, self._stores, held, self.found.stores)
            _note(front, self._actors, served, self.found.actors)

    def bury(self) -> list[Command]:
        """Take the dead out of the list, and with them what was still meant for them."""
        if not self.dead:
            return []
        return [
            ("SREM", f"{self._namespace}:fronts", *self.dead),
            ("DEL", *(f"{self._namespace}:front:{front}" for front in self.dead)),
        ]


def _note(front: str, texts: Sequence[str], there: Sequence[int], found: dict[str, list[str]]) -> None:
    for text, is_there in zip(texts, there, strict=True):
        if is_there:
            found.setdefault(text, []).append(front)


def _members(command: str, key: str, texts: Collection[str]) -> Iterator[Command]:
    rest = iter(texts)
    while some := [digest(text) for text in islice(rest, TOGETHER)]:
        yield (command, key, *some)
