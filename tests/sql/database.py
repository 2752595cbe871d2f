"""Short words for what SQL tests do with a database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import jsonpatch
import orjson

from multiplexer import engine
from multiplexer.engine import DISPATCH, SESSION

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]


class Sent(NamedTuple):
    """An action as ``flux.dispatch`` takes it."""

    number: int
    name: str
    params: str
    actor: str = "ada"
    client: str = "c1"
    refusal: str | None = None


class Sql:
    """A connection that dispatches, and follows stores by their patches as a client does."""

    def __init__(self, connection: "Connection", url: str) -> None:
        self.connection = connection
        self.url = url
        self.term = 0
        self.documents: dict[str, tuple[int, Any]] = {}

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str) -> AsyncIterator["Sql"]:
        connection = await asyncpg.connect(url, server_settings=dict(SESSION))
        try:
            sql = cls(connection, url)
            sql.term = await connection.fetchval("select flux.take_lead(term, 'test') from flux.term")
            yield sql
        finally:
            connection.terminate()

    async def dispatch(self, *batch: Sent, term: int | None = None) -> Sequence[asyncpg.Record]:
        outcomes: Sequence[asyncpg.Record] = (await self.answer(*batch, term=term))["outcomes"]
        return outcomes

    async def answer(self, *batch: Sent, term: int | None = None, most_bytes: int | None = 1_000_000) -> asyncpg.Record:
        row = await self.connection.fetchrow(
            DISPATCH,
            self.term if term is None else term,
            [
                engine.Sent(sent.actor, "{}", sent.client, 0, sent.number, sent.name, sent.params, refusal=sent.refusal)
                for sent in batch
            ],
            most_bytes,
        )
        assert row is not None
        return row

    async def statuses(self, *batch: Sent) -> list[tuple[str, str | None]]:
        return [(row["status"], row["code"]) for row in await self.dispatch(*batch)]

    async def render(self, key: str) -> tuple[int, Any]:
        row = await self.connection.fetchrow("select version, document::text from flux.render($1)", key)
        assert row is not None
        return row["version"], orjson.loads(row["document"])

    async def follow(self, *keys: str) -> None:
        """Begin to hold stores, as a client that subscribes."""
        for key in keys:
            self.documents[key] = await self.render(key)

    async def catch_up(self) -> None:
        """Apply every patch since, each exactly where the last one ended; then there are none left."""
        rows = await self.connection.fetch(
            "with taken as (delete from flux.patch returning *)"
            " select key, from_version, to_version, ops::text from taken order by key, from_version"
        )
        if any(row["key"] == "" for row in rows):
            await self.follow(*self.documents)
            return
        for row in rows:
            if row["key"] not in self.documents:
                continue
            version, document = self.documents[row["key"]]
            assert row["from_version"] == version, "an unbroken chain"
            assert row["to_version"] > version
            if row["ops"] is None:
                self.documents[row["key"]] = await self.render(row["key"])
                continue
            document = jsonpatch.apply_patch(document, orjson.loads(row["ops"]))
            self.documents[row["key"]] = (row["to_version"], document)

    async def assert_followed(self) -> None:
        """Promise 4: what a client holds by patches is what the store renders at that version."""
        await self.catch_up()
        for key, held in self.documents.items():
            assert held == await self.render(key), key
