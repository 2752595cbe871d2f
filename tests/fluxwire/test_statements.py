"""SQL in statements, as the server divides it."""

import pytest

from fluxwire.scripts import ENGINE, scripts
from fluxwire.statements import statements

ATOMIC = """create or replace function one(n integer) returns integer language sql
begin atomic
  select case when n > 0 then 1 end;
  select 2;
end;"""


@pytest.mark.parametrize(
    "parts",
    [
        ["select 1;", "select 2;"],
        ["select ';', ''';', \";\"\";\", E'\\';';", "select 2"],
        ["select 1 -- not; here\n;", "select 2;"],
        ["select /* ; /* nested; */ ; */ 1;", "select 2;"],
        ["do $$ begin; $a$ ; $a$ end $$;", "select $a$ $$ ; $a$;"],
        ["select a$b$ from t;", "select $1 from c$b$;"],
        ["create rule r as on insert to t do (select 1; select 2);", "select 3;"],
        [ATOMIC, "begin;", "end;"],
    ],
)
def test_semicolons_end_statements_where_the_server_sees_them(parts: list[str]) -> None:
    """Quotes, comments, parentheses and atomic bodies keep their semicolons."""
    assert [statement.text for statement in statements("\n".join(parts))] == parts


def test_lines_are_those_of_the_file() -> None:
    """A statement begins behind the comments and blank lines before it."""
    first, second = statements("-- one\n\nselect\n  1;\n\n/* five */ do $$\nbegin\nend $$;\n")
    assert (first.line, second.line) == (3, 6)
    assert second.line_at(second.text.index("begin")) == 7


def test_body_line_is_where_the_body_opens() -> None:
    """PL/pgSQL counts lines from there."""
    (statement,) = statements("\ndo\nlanguage plpgsql\n$$\nbegin\nend $$;")
    assert statement.body_line() == 4
    (plain,) = statements("\nselect 1;")
    assert plain.body_line() == 2


def test_nothing_is_no_statement() -> None:
    """Comments and blanks alone make none."""
    assert list(statements("-- nothing\n  /* at all */\n")) == []


def test_nothing_of_our_own_scripts_is_lost() -> None:
    """The engine's files are made of their statements, comments and blanks."""
    for script in scripts(ENGINE):
        rest = script.text
        for statement in statements(script.text):
            before, _, rest = rest.partition(statement.text)
            assert all(not line.strip() or line.lstrip().startswith("--") for line in before.split("\n")), before
        assert not rest.strip()
