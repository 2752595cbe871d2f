"""The connections of the multiplexer that leads: what it writes, and who leads.

Each method is one call of a function in ``sql/functions``; what is read is asked through a :class:`Reader`.
"""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence

from broker.messages import Action

from .driver import Connection, Refused, connect, translated
from .engine import DISPATCH, ENGINE, Dispatched, Patch, Result, Sent
from .errors import BatchFailed, EngineUnfit, TermEnded
from .metrics import Metrics
from .reader import Reader

log = logging.getLogger("multiplexer.database")

HEARTBEAT_TIMEOUT = 5.0  # seconds; a half-open connection is noticed by then
DOORBELL = "flux"


class Database:
    """The connections of one multiplexer while it leads; none ever waits for another.

    Use :meth:`connect`. ``asking`` is for what fronts ask, ``telling`` for what they are told of commits.
    """

    def __init__(
        self,
        *,
        dispatching: Connection,
        leading: Connection,
        following: Connection,
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

            async def connection(role: str, statement_timeout: float) -> Connection:
                # An acknowledged action is durable.
                made = await connect(
                    url,
                    name=f"fluxwire {role} {name}",
                    statement_timeout=statement_timeout,
                    durable=role == "dispatch",
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
            with translated():
                there = await self._leading.fetchval("select to_regprocedure('flux.engine()') is not null")
                row = await self._leading.fetchrow("select version, oldest from flux.engine()") if there else None
        except Refused as error:
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
        with translated():
            row = await self._leading.fetchrow("select l.*, t.leader from flux.leader() l, flux.term t")
        assert row is not None
        return row["term"], row["silence"], row["leader"]

    async def take_lead(self, seen_term: int, name: str) -> int | None:
        """Lead the next term, if ``seen_term`` is still the last; returns the new term, or None."""
        with translated():
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
        with translated():
            alive = await self._leading.fetchval("select flux.beat($1)", term, timeout=HEARTBEAT_TIMEOUT)
        if not alive:
            raise TermEnded(f"term {term} has ended")

    async def follow(self) -> None:
        """Take notice of partitions of watched tables that have come or gone."""
        try:
            with translated():
                followed = await self._following.fetchval("select flux.follow()")
        except Refused as error:
            # Somebody writes to the table, or it belongs to somebody else than who deployed.
            log.warning("cannot watch new partitions: %s", error)
        else:
            if followed:
                log.info("partitions or children have come or gone: %s", ", ".join(followed))

    async def listen(self, ring: Callable[[str], None]) -> None:
        """Call ``ring`` with the payload of every doorbell from now on."""
        with translated():
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
            with translated():
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
        except Refused as error:
            raise BatchFailed(str(error), transient=error.transient) from error
        assert row is not None
        return Dispatched(
            [Result(*outcome) for outcome in row["outcomes"]],
            [(transaction, True) for transaction in row["rung"]],
            [Patch(*notice) for notice in row["notices"]],
        )
