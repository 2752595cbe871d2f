"""The page of the engine's functions."""

import asyncpg

from fluxwire.reference import reference
from tests.generated import MAKERS, make


async def test_generated_files_are_current(database: str) -> None:
    """What is committed is what `python -m tests.generated` writes, on each Postgres."""
    made = await make(database)
    assert set(made) == set(MAKERS)
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: run python -m tests.generated"


async def test_functions_are_described_by_their_comments(database: str) -> None:
    """A function has its signature and its comment, plain; generated functions are left out."""
    connection = await asyncpg.connect(database)
    await connection.execute(
        """
        create function flux.odd(a integer default 3, out b text) language sql as 'select ''''';
        comment on function flux.odd(integer) is $$Makes <b>_odd_</b> `<b>` things.$$;
        """
    )
    page = await reference(connection)
    await connection.close()
    assert (
        "\n## flux.odd\n\n```\nflux.odd(a integer DEFAULT 3, OUT b text) → text\n```\n\n"
        "Makes \\<b\\>\\_odd\\_\\</b\\> `<b>` things.\n"
    ) in page
    assert "[odd](#fluxodd)" in page
    assert "## flux.dispatch\n" in page
    assert "flux.action_post_message" not in page
    assert "flux.watch_1" not in page
