"""A connection that reads: who may open what, stores as they are, and what commits changed."""

import time
from collections.abc import Awaitable, Callable, Sequence

from broker.messages import Open

from .driver import Connection, Refused, translated
from .engine import Part, Patch, Rendered, Resolved
from .errors import RenderFailed
from .metrics import Metrics
from .rests import Rests

TOGETHER = 20
"""Most stores rendered in one statement: that bounds what one of them can cost the others, in time and in memory."""


class Reader:
    """A connection that reads stores; its owner asks one thing at a time.

    Args:
        connection: The connection.
        most_bytes: Most bytes of a document, or of a patch, that are read.
        metrics: Learns of every render.

    """

    def __init__(self, connection: Connection, *, most_bytes: int, metrics: Metrics) -> None:
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
            with translated():
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
        except Refused as error:
            if error.transient:
                return [None for _ in questions]
            return [await self._open_one(question, ask) for question in questions]

    @staticmethod
    async def _open_one(
        question: Open, ask: Callable[[Sequence[Open]], Awaitable[list[Resolved | None]]]
    ) -> Resolved | None:
        try:
            (resolved,) = await ask([question])
        except Refused as error:
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
            with translated():
                rows = await self._connection.fetch("select * from flux.render_all($1, $2)", keys, self._most_bytes)
        except Refused as error:
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
        with translated():
            notices = await self._connection.fetchval("select flux.patches($1, $2)", transactions, self._most_bytes)
        return [Patch(*notice) for notice in notices]

    async def left(self) -> list[Part]:
        """Look up the commits whose patches nobody has told fronts and forgotten; in the order they began."""
        with translated():
            rows = await self._connection.fetch(
                "select p.tx::text::bigint as tx, p.rings from flux.patch p group by 1, 2 order by 1, 2"
            )
        return [(row["tx"], row["rings"]) for row in rows]

    async def forget(self, parts: Sequence[Part]) -> None:
        """Delete the patches of these commits: they have been published."""
        with translated():
            await self._connection.execute(
                "select flux.forget($1, $2)",
                [transaction for transaction, rings in parts if rings],
                [transaction for transaction, rings in parts if not rings],
            )

    async def versions(self, keys: Sequence[str]) -> tuple[str, dict[str, int]]:
        """Look up the epoch and the versions of stores."""
        with translated():
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
