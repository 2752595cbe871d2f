"""Whose connections are to end is written down with the transaction that says so, and told by whoever leads."""

import asyncpg
import pytest

from .database import Sent, Sql

KICKS = "select key, kick from flux.patch where kick is not null order by key"
MADE = """
create function actions.ban(who text) returns void language sql as $$ select flux.kick(who, 'Be nice.') $$;
create function actions.regret(who text) returns void language plpgsql as $$
begin
  perform flux.kick(who);
  perform flux.reject('no', 'No.');
end $$;
select flux.refresh();
"""


async def test_a_kick_is_part_of_its_action(sql: Sql) -> None:
    """An action may kick, as the application; one that is refused has not, and no store moves."""
    await sql.connection.execute(MADE)
    assert await sql.statuses(Sent(1, "ban", '{"who": "bob"}'), Sent(2, "regret", '{"who": "cy"}')) == [
        ("ok", None),
        ("refused", "no"),
    ]
    assert [tuple(row) for row in await sql.connection.fetch(KICKS)] == [("bob", "Be nice.")]
    assert await sql.connection.fetchval("select count(*) from flux.patch where kick is null") == 0


async def test_a_kick_needs_somebody(sql: Sql) -> None:
    """Nobody is not everybody."""
    with pytest.raises(asyncpg.NotNullViolationError):
        await sql.connection.execute("select flux.kick(null)")


@pytest.mark.parametrize(("patches", "left"), [(10, 11), (10_001, 1)])
async def test_what_a_lost_leader_left_behind(sql: Sql, patches: int, left: int) -> None:
    """Its successor finds it, unless it is too much to be told; a kick it always finds."""
    await sql.connection.execute(
        "insert into flux.patch (tx, key, from_version, to_version)"
        f" select pg_current_xact_id(), 'room{{}}', i, i + 1 from generate_series(1, {patches}) as i"
    )
    await sql.connection.execute("select flux.kick('ada')")
    await sql.connection.fetchval("select flux.take_lead(term, 'heir') from flux.term")
    assert await sql.connection.fetchval("select count(*) from flux.patch") == left
