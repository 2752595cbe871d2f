"""The database that a log is replayed into: its position in the log, and running actions again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, NoReturn

import asyncpg  # noqa: TID251 - a replay is the command line's own business with the database
import msgspec

from fluxwire.log.logged import Logged, Position
from fluxwire.stack.database import DRIVER_ERRORS, Connection
from fluxwire.stack.errors import StackError
from multiplexer.engine import DISPATCH, SESSION, Sent

ATTEMPTS = 5
"""How often a batch is tried that meets a transient fault."""
LEADER = "fluxwire replay"
LEFT_OUT = "not_replayed"
"""The code that stands in the target's log for an action that was not to be run again."""

POSITION = "select seq, link, at from flux.latest()"
LEAD = "select l.silence, t.leader from flux.leader() l, flux.term t"
TAKE_LEAD = "select flux.take_lead(term, $1) from flux.term"
# A commit that is waited for takes all that were before it to the disk; one that changes nothing would not.
DURABLE = "begin; set local synchronous_commit to on; update flux.term set leader = leader; commit"
SILENCE = 3.0
"""A database whose leader was heard within so many seconds is in use."""


class Divergence(NamedTuple):
    """An action that does not do again what it did."""

    entry: Logged
    outcome: str
    """The code that it is refused with now, or ``ok``."""
    reply: str | None
    message: str | None

    def __str__(self) -> str:
        """Say what it did and what it does."""
        if self.entry.outcome != self.outcome:
            reason = f": {self.message}" if self.message else "."
            return f"{self.entry} was {self.entry.outcome}, and is {self.outcome} now{reason}"
        return f"{self.entry} answered {self.entry.reply}, and answers {self.reply} now."


class Diverged(StackError):
    """An action does not do again what it did."""


def stop(difference: Divergence) -> NoReturn:
    """What a replay does with an action that does not do what it did: it stops there.

    Raises:
        Diverged: Always.

    """
    raise Diverged(str(difference), "The functions, or what they read beside their arguments, are not what they were.")


class _NotNow(Exception):
    """A transient fault."""


class Target:
    """The database that is built.

    Args:
        connection: To it.
        term: The term that is led.
        store: Key of a store: what did not touch it is not run, and only keeps its place in the log.

    """

    def __init__(self, connection: Connection, term: int, store: str | None = None) -> None:
        self.connection = connection
        self._term = term
        self._store = store

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, store: str | None = None) -> AsyncIterator[Target]:
        """Connect and take the lead.

        Args:
            url: DSN.
            store: Key of the store to which the replay is bounded, or None.

        Raises:
            StackError: It cannot be reached, or a multiplexer works on it.

        """
        try:
            connection = await asyncpg.connect(
                # What a crash loses is replayed again: the log that says how far it came is lost with it.
                url, server_settings={**SESSION, "jit": "off", "synchronous_commit": "off"}
            )  # fmt: skip
        except DRIVER_ERRORS as exc:
            raise StackError("The database to build cannot be reached.", str(exc)) from exc
        try:
            lead = await connection.fetchrow(LEAD)
            assert lead is not None
            if lead["silence"] < SILENCE and lead["leader"] != LEADER:
                raise StackError(
                    "A multiplexer works on the database to build.", "Replay into a database of its own, --into DSN."
                )
            yield cls(connection, await connection.fetchval(TAKE_LEAD, LEADER), store)
        finally:
            connection.terminate()

    async def position(self) -> Position:
        """Tell how far it has come."""
        row = await self.connection.fetchrow(POSITION)
        assert row is not None
        return Position(*row)

    async def make_durable(self) -> None:
        """Have all of it on the disk."""
        await self.connection.execute(DURABLE)

    async def run(self, batch: Sequence[Logged], diverged: Callable[[Divergence], None]) -> None:
        """Run actions again, all of them or none.

        Args:
            batch: The actions, in the order of the log.
            diverged: Told of each that does not do what it did.

        Raises:
            StackError: A fault that does not pass.

        """
        fault = ""
        for _ in range(ATTEMPTS):
            try:
                # As a whole or not at all, or what waits for another try would come behind what was after it.
                async with self.connection.transaction():
                    results = await self._run(batch)
                    for entry, result in zip(batch, results, strict=True):
                        self._compare(entry, result, diverged)
            except _NotNow as exc:
                fault = str(exc)
            else:
                return
        raise StackError("The log meets a fault that does not pass.", f"{fault}. Called again, it goes on there.")

    async def _run(self, batch: Sequence[Logged]) -> Sequence[asyncpg.Record]:
        try:
            sent = [self._sent(entry) for entry in batch]
            row = await self.connection.fetchrow(DISPATCH, self._term, sent, None)
        except DRIVER_ERRORS as exc:
            raise StackError(
                f"{batch[0]}, or one soon after it, cannot be run.",
                f"{exc}. What came before it is there; call it again, and it goes on.",
            ) from exc
        assert row is not None
        outcomes: Sequence[asyncpg.Record] = row["outcomes"]
        return outcomes

    def _sent(self, entry: Logged) -> Sent:
        return Sent(
            actor=entry.actor,
            claims=entry.claims,
            client=entry.client,
            lane=entry.lane,
            number=entry.number,
            name=entry.name,
            params=entry.params,
            refusal=LEFT_OUT if self._leaves_out(entry) else entry.refusal,
            at=entry.at,
            seed=entry.seed,
            positions=entry.positions,
        )

    def _leaves_out(self, entry: Logged) -> bool:
        return self._store is not None and self._store not in msgspec.json.decode(entry.stores)

    def _compare(self, entry: Logged, result: asyncpg.Record, diverged: Callable[[Divergence], None]) -> None:
        if result["status"] == "retry":
            raise _NotNow(f"{entry}: {result['message']}")
        outcome = result["code"] or result["status"]
        if (entry.outcome, entry.reply) != (outcome, result["reply"]) and not self._leaves_out(entry):
            diverged(Divergence(entry, outcome, result["reply"], result["message"]))
