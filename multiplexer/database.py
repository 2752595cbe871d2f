"""The one door to Postgres: every statement the multiplexer sends, and nothing else.

Each method is one call of a function in ``sql/functions``. Whatever a lost connection looks like in the driver
becomes :class:`DatabaseLost`, so that everybody above has one thing to heal from: begin again.
"""

import contextlib
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import asyncpg

from broker.messages import Action, Open

from .errors import DatabaseLost, EngineUnfit, RenderFailed, TermEnded
from .metrics import Metrics
from .rests import Rests

if TYPE_CHECKING:
    # The driver's class takes a parameter in its stubs alone.
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

log = logging.getLogger("multiplexer.database")

ENGINE = 1
"""The version of the calls to the engine that are made here; see sql/functions/engine.sql."""
CONNECT_TIMEOUT = 5.0  # seconds
HEARTBEAT_TIMEOUT = 5.0  # seconds; a half-open connection is noticed by then
LOCK_SHARE = 0.2
"""Of the time a batch has, how much one action may wait for a foreign transaction's lock; it is tried again later."""
SESSION = {
    "search_path": '""',
    "timezone": "UTC",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
}
"""What every session of the engine is set to, and what ``flux.put_back`` goes back to."""
TOGETHER = 20
"""Most stores rendered in one statement: that bounds what one of them can cost the others, in time and in memory."""
DOORBELL = "flux"
DISPATCH = "select * from flux.dispatch($1, $2, $3)"
"""Takes the term, each action as :class:`Sent`, and how many bytes a patch may have; answers with one row.

Its ``outcomes`` are like :class:`Result`, its ``notices`` like :class:`Patch`.
"""
TRANSIENT = re.compile("40|53|57P0|55P03|25006")
"""SQLSTATEs of faults that pass: serialization, deadlock, resources, shutdown, lock timeout, read-only."""


class _TermEnded(asyncpg.PostgresError):
    """flux.dispatch: the term has ended."""

    sqlstate = "FX002"


class _Failed(Exception):
    """The server refused a statement; the connection is whole."""

    def __init__(self, error: asyncpg.PostgresError) -> None:
        super().__init__(f"{error.sqlstate} {error}")
        self.transient = TRANSIENT.match(str(error.sqlstate)) is not None


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except _TermEnded as error:
        raise TermEnded(str(error)) from error
    except (
        asyncpg.PostgresConnectionError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
        asyncpg.AdminShutdownError,
        asyncpg.CrashShutdownError,
        asyncpg.CannotConnectNowError,
        asyncpg.TooManyConnectionsError,
        OSError,
        TimeoutError,
    ) as error:
        raise DatabaseLost(str(error) or type(error).__name__) from error
    except asyncpg.PostgresError as error:
        raise _Failed(error) from error


class Sent(NamedTuple):
    """An action as ``flux.dispatch`` takes it, the type ``flux.sent``; ``claims`` and ``params`` are JSON text."""

    actor: str
    claims: str
    client: str
    lane: int
    number: int
    name: str
    params: str
    refusal: str | None
    """A code to refuse it with instead of running it."""
    at: datetime | None = None
    """The time, the seed and where the sequences stood (JSON text): of an action that is replayed."""
    seed: str | None = None
    positions: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What ``flux.dispatch`` says of one action; ``reply`` and ``stores`` are JSON text."""

    status: str
    reply: str | None
    code: str | None
    message: str | None
    constraint: str | None
    column: str | None
    stores: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A store as it is; ``document`` is JSON text."""

    key: str
    epoch: str
    base: int
    """How often all stores had been touched at once."""
    version: int
    document: str


Part = tuple[int, bool]
"""A transaction, and which of its patches: those a doorbell rings for, or those that came with a batch's outcomes."""


@dataclass(frozen=True, slots=True)
class Patch:
    """How a commit changed a store; without ``ops`` (JSON text) it has to be rendered.

    With ``recheck`` the store did not change, but who may read it may have; ``key`` is then a key or a name alone.
    With ``kick`` no store did: ``key`` is an actor, and it says why his connections end.
    Without a ``key`` all stores moved, and ``to_version`` is the base of their versions now.
    """

    tx: int
    key: str
    epoch: str
    from_version: int
    to_version: int
    ops: str | None
    recheck: bool = False
    kick: str | None = None
    rings: bool = True
    """Whether a doorbell rings for it; without, it came with the outcomes of its batch."""

    @property
    def is_change(self) -> bool:
        """Whether it says that a store has moved, or all have."""
        return not self.recheck and self.kick is None


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What a batch led to: the results in its order, and what fronts are to be told.

    Its own patches build upon what others have committed, which is told first.
    """

    results: Sequence[Result]
    others: Sequence[Part]
    patches: Sequence[Patch]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The key of a store, or the code and message of why an actor may not open it."""

    key: str | None
    shared: bool
    code: str | None
    message: str | None


class BatchFailed(Exception):
    """A batch was rolled back as a whole, by a fault that no subtransaction catches.

    Args:
        reason: What Postgres said; for the log.
        transient: Whether the same batch can go well the next time (a lock, a full disk), or something in it
            does not let it (a timeout, above all).

    """

    def __init__(self, reason: str, *, transient: bool) -> None:
        super().__init__(reason)
        self.transient = transient


class Reader:
    """A connection that reads stores; its owner asks one thing at a time.

    Args:
        connection: The connection.
        most_bytes: Most bytes of a document, or of a patch, that are read.
        metrics: Learns of every render.

    """

    def __init__(self, connection: "Connection", *, most_bytes: int, metrics: Metrics) -> None:
        self._connection = connection
        self._most_bytes = most_bytes
        self._metrics = metrics
        self._rests = Rests()

    async def open(self, questions: Sequence[Open]) -> list[Resolved | None]:
        """Find the keys of stores and whether these actors may read them; answers come in order.

        None is a question that cannot be answered just now.

        Raises:
            DatabaseLost: Ask again.

        """
        statement = """
            select o.* from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality
              as q (name, params, actor, claims, position)
            cross join lateral flux.open(q.name, q.params, q.actor, q.claims) as o
            order by q.position
        """

        async def ask(some: Sequence[Open]) -> list[Resolved | None]:
            with _translated():
                rows = await self._connection.fetch(
                    statement,
                    [question.name for question in some],
                    [question.params for question in some],
                    [question.actor for question in some],
                    [question.claims for question in some],
                )
            return [Resolved(*row) for row in rows]

        try:
            return await ask(questions)
        except _Failed as error:
            if error.transient:
                return [None for _ in questions]
            return [await self._open_one(question, ask) for question in questions]

    @staticmethod
    async def _open_one(
        question: Open, ask: Callable[[Sequence[Open]], Awaitable[list[Resolved | None]]]
    ) -> Resolved | None:
        try:
            (resolved,) = await ask([question])
        except _Failed as error:
            if error.transient:
                return None
            return Resolved(None, shared=False, code="failed", message="The store could not be opened.")
        return resolved

    async def render(self, keys: Sequence[str]) -> list[Rendered | RenderFailed]:
        """Render stores as they are now; those that took long to fail a short while ago are not tried.

        Raises:
            DatabaseLost: Ask again.

        """
        now = time.monotonic()
        resting = {key: failed for key in keys if (failed := self._rests.why(key, now)) is not None}
        rendered: list[Rendered | RenderFailed] = [*resting.values()]
        awake = [key for key in keys if key not in resting]
        for start in range(0, len(awake), TOGETHER):
            rendered += await self._render(awake[start : start + TOGETHER])
        return rendered

    async def _render(self, keys: Sequence[str]) -> list[Rendered | RenderFailed]:
        began = time.monotonic()
        rendered = await self._ask_for(keys)
        failed = sum(isinstance(one, RenderFailed) for one in rendered)
        self._metrics.rendered(len(rendered) - failed, failed, time.monotonic() - began)
        if len(keys) > 1 and any(isinstance(one, RenderFailed) and not one.transient for one in rendered):
            # Which of them took long shows when each is rendered alone.
            return [one for key in keys for one in await self._render([key])]
        for one in rendered:
            if isinstance(one, RenderFailed):
                now = time.monotonic()
                self._rests.add(one, now - began, now)
        return rendered

    async def _ask_for(self, keys: Sequence[str]) -> list[Rendered | RenderFailed]:
        try:
            with _translated():
                rows = await self._connection.fetch("select * from flux.render_all($1, $2)", keys, self._most_bytes)
        except _Failed as error:
            return [RenderFailed(key, str(error), transient=error.transient) for key in keys]
        return [
            Rendered(row["key"], row["epoch"], row["base"], row["version"], row["document"])
            if row["document"] is not None
            else RenderFailed(row["key"], f"{row['size']} bytes are too many", code="store_too_large")
            for row in rows
        ]

    async def patches(self, transactions: Sequence[int]) -> list[Patch]:
        """Read the patches of these commits, in the order given; what is not there (any more) is left out.

        One of more bytes than a document may have comes without its ``ops``. That all stores moved comes first.
        """
        with _translated():
            notices = await self._connection.fetchval("select flux.patches($1, $2)", transactions, self._most_bytes)
        return [Patch(*notice) for notice in notices]

    async def left(self) -> list[Part]:
        """Look up the commits whose patches nobody has told fronts and forgotten; in the order they began."""
        with _translated():
            rows = await self._connection.fetch(
                "select p.tx::text::bigint as tx, p.rings from flux.patch p group by 1, 2 order by 1, 2"
            )
        return [(row["tx"], row["rings"]) for row in rows]

    async def forget(self, parts: Sequence[Part]) -> None:
        """Delete the patches of these commits: they have been published."""
        with _translated():
            await self._connection.execute(
                "select flux.forget($1, $2)",
                [transaction for transaction, rings in parts if rings],
                [transaction for transaction, rings in parts if not rings],
            )

    async def versions(self, keys: Sequence[str]) -> tuple[str, dict[str, int]]:
        """Look up the epoch and the versions of stores."""
        with _translated():
            rows = await self._connection.fetch(
                """
                select e.epoch, k.key, e.base + coalesce(v.version, 0) as version
                from flux.epoch e
                left join unnest($1::text[]) as k (key) on true
                left join flux.version v on v.key = k.key
                """,
                keys,
            )
        return rows[0]["epoch"], {row["key"]: row["version"] for row in rows if row["key"] is not None}


class Database:
    """The connections of one multiplexer while it leads; none ever waits for another.

    Use :meth:`connect`. ``asking`` is for what fronts ask, ``telling`` for what they are told of commits.
    """

    def __init__(
        self,
        *,
        dispatching: "Connection",
        leading: "Connection",
        following: "Connection",
        asking: Reader,
        telling: Reader,
        most_bytes: int,
    ) -> None:
        self._dispatching = dispatching
        self._leading = leading
        self._following = following
        self._most_bytes = most_bytes
        self.asking = asking
        self.telling = telling

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(
        cls, url: str, *, name: str, action_timeout: float, render_timeout: float, most_bytes: int, metrics: Metrics
    ) -> AsyncIterator["Database"]:
        """Open all connections; they are closed at the end, however it comes.

        Args:
            url: DSN.
            name: The multiplexer's name, by which a successor finds its backend.
            action_timeout: How long a batch may run, in seconds.
            render_timeout: How long a query that opens or renders may take, in seconds.
            most_bytes: Most bytes of a document.
            metrics: Learns of every render.

        Raises:
            DatabaseLost: The database cannot be reached.

        """
        async with contextlib.AsyncExitStack() as opened:

            async def connection(role: str, statement_timeout: float) -> "Connection":
                with _translated():
                    made = await asyncpg.connect(
                        url,
                        timeout=CONNECT_TIMEOUT,
                        # The server ends what takes too long; who has not heard of it by then never will.
                        command_timeout=2 * statement_timeout,
                        server_settings={
                            "application_name": f"fluxwire {role} {name}",
                            "statement_timeout": str(round(statement_timeout * 1000)),
                            # An acknowledged action is durable, whatever the database's default is.
                            "synchronous_commit": "on" if role == "dispatch" else "off",
                            "jit": "off",
                            "lock_timeout": str(round(LOCK_SHARE * statement_timeout * 1000)),
                            **SESSION,
                        },
                    )
                opened.callback(made.terminate)
                return made

            yield cls(
                dispatching=await connection("dispatch", action_timeout),
                leading=await connection("lead", HEARTBEAT_TIMEOUT),
                following=await connection("follow", render_timeout),
                asking=Reader(await connection("ask", render_timeout), most_bytes=most_bytes, metrics=metrics),
                telling=Reader(await connection("tell", render_timeout), most_bytes=most_bytes, metrics=metrics),
                most_bytes=most_bytes,
            )

    async def check_engine(self) -> None:
        """Make sure that the engine in the database serves this multiplexer.

        Raises:
            EngineUnfit: It does not, or there is none; the text says what to do.

        """
        try:
            with _translated():
                there = await self._leading.fetchval("select to_regprocedure('flux.engine()') is not null")
                row = await self._leading.fetchrow("select version, oldest from flux.engine()") if there else None
        except _Failed as error:
            raise EngineUnfit(str(error)) from error
        if row is None:
            raise EngineUnfit("the database has no Fluxwire in it; bring it there: fluxwire deploy")
        if row["version"] < ENGINE:
            raise EngineUnfit(
                f"the database has version {row['version']} of the engine, and this multiplexer needs {ENGINE};"
                " bring it there: fluxwire deploy"
            )
        if row["oldest"] > ENGINE:
            raise EngineUnfit(
                f"the database has version {row['version']} of the engine, which serves multiplexers of version"
                f" {row['oldest']} and later, and this one is of version {ENGINE}; start a newer one"
            )

    async def leader(self) -> tuple[int, float, str]:
        """Tell who leads: the term, for how many seconds it has been silent, and the leader's name."""
        with _translated():
            row = await self._leading.fetchrow("select l.*, t.leader from flux.leader() l, flux.term t")
        assert row is not None
        return row["term"], row["silence"], row["leader"]

    async def take_lead(self, seen_term: int, name: str) -> int | None:
        """Lead the next term, if ``seen_term`` is still the last; returns the new term, or None."""
        with _translated():
            term: int | None = await self._leading.fetchval("select flux.take_lead($1, $2)", seen_term, name)
            if term is not None:
                await self._leading.execute(
                    "update flux.term set backend = $1 where term = $2", self._dispatching.get_server_pid(), term
                )
        return term

    async def beat(self, term: int) -> None:
        """Give a sign of life.

        Raises:
            TermEnded: Another multiplexer leads.

        """
        with _translated():
            alive = await self._leading.fetchval("select flux.beat($1)", term, timeout=HEARTBEAT_TIMEOUT)
        if not alive:
            raise TermEnded(f"term {term} has ended")

    async def follow(self) -> None:
        """Take notice of partitions of watched tables that have come or gone."""
        try:
            with _translated():
                followed = await self._following.fetchval("select flux.follow()")
        except _Failed as error:
            # Somebody writes to the table, or it belongs to somebody else than who deployed.
            log.warning("cannot watch new partitions: %s", error)
        else:
            if followed:
                log.info("partitions or children have come or gone: %s", ", ".join(followed))

    async def listen(self, ring: Callable[[str], None]) -> None:
        """Call ``ring`` with the payload of every doorbell from now on."""
        with _translated():
            await self._leading.add_listener(DOORBELL, lambda _connection, _pid, _channel, payload: ring(str(payload)))

    async def dispatch(self, term: int, actions: Sequence[Action], refusals: Sequence[str | None]) -> Dispatched:
        """Run a batch in one transaction.

        Args:
            term: The term this multiplexer leads.
            actions: The batch.
            refusals: For each action a code to refuse it with instead of running it, or None.

        Raises:
            TermEnded: Nothing was done, nor will be.
            BatchFailed: Nothing was done; smaller batches may be.
            DatabaseLost: It is not known whether it was done.

        """
        try:
            with _translated():
                row = await self._dispatching.fetchrow(
                    DISPATCH,
                    term,
                    [
                        Sent(
                            actor=action.actor,
                            claims=action.claims,
                            client=action.client,
                            lane=action.lane,
                            number=action.number,
                            name=action.name,
                            params=action.params,
                            refusal=refusal,
                        )
                        for action, refusal in zip(actions, refusals, strict=True)
                    ],
                    self._most_bytes,
                )
        except _Failed as error:
            raise BatchFailed(str(error), transient=error.transient) from error
        assert row is not None
        return Dispatched(
            [Result(*outcome) for outcome in row["outcomes"]],
            [(transaction, True) for transaction in row["rung"]],
            [Patch(*notice) for notice in row["notices"]],
        )
