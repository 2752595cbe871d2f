"""Pages of the chat's history: docs/sql.md, Pages."""

import orjson

from .database import Sql

ROWS = """
    insert into chat.room values ('den', 'den', 'x', now());
    insert into chat.message
    select lpad(to_hex(n), 32, '0')::uuid, 'den', 'ada', n::text, timestamptz '2026-01-01' + n / 2 * interval '1 second'
    from generate_series(1, 250) n
"""


async def page(sql: Sql, cursor: int, *, later: bool) -> tuple[list[int], bool]:
    """The numbers of the messages beside one of them, and whether there are more."""
    # As a client has it: out of a document.
    document = await sql.connection.fetchval(
        """
        select stores.history('den', (to_jsonb(m.sent_at) #>> '{}')::timestamptz, m.id, later => $2)
        from chat.message m
        where m.body = $1
        """,
        str(cursor),
        later,
    )
    found = orjson.loads(document)
    return sorted(int(message["body"]) for message in found["messages"].values()), found["more"]


async def test_pages_adjoin(sql: Sql) -> None:
    """Earlier ones end before their cursor, later ones begin with it; times that are the same part no page wrongly."""
    await sql.connection.execute(ROWS)
    assert await page(sql, 250, later=False) == (list(range(150, 250)), True)
    assert await page(sql, 150, later=False) == (list(range(50, 150)), True)
    assert await page(sql, 50, later=False) == (list(range(1, 50)), False)
    assert await page(sql, 1, later=False) == ([], False)
    assert await page(sql, 1, later=True) == (list(range(1, 101)), True)
    assert await page(sql, 151, later=True) == (list(range(151, 251)), False)
    assert await page(sql, 250, later=True) == ([250], False)
