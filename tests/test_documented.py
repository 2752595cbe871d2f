"""What the pages say is so: their SQL runs, their links lead somewhere, and nothing public is left out."""

import asyncio
import re
from pathlib import Path

import asyncpg
import pytest

from fluxwire.deploy import deploy
from front.settings import read_settings
from tests.sql.database import Sent, Sql

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
CODE = [path for folder in ("broker", "front", "multiplexer", "fluxwire") for path in (ROOT / folder).rglob("*.py")]


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def engine_database(empty_database: str) -> str:
    asyncio.run(deploy(empty_database))
    return empty_database


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file."""
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_files_of_the_road_exist() -> None:
    """Every hop of ARCHITECTURE.md names a file."""
    (road,) = blocks("ARCHITECTURE.md", "")[:1]
    files = re.findall(r"^ *\d+ +(\S+\.\w+)", road, re.MULTILINE)
    assert len(files) >= 15
    assert [file for file in files if not (ROOT / file).is_file()] == []


async def test_the_readme_is_an_application(engine_database: str) -> None:
    """The README's SQL, run as it stands, makes a shop whose store follows its actions."""
    async with Sql.connect(engine_database) as sql:
        for block in blocks("README.md", "sql"):
            await sql.connection.execute(block)
        await sql.connection.execute("select flux.refresh()")
        shelf = 'shelf{"shelf": "tea"}'
        await sql.follow(shelf)
        added, _, refused = await sql.dispatch(
            Sent(1, "add_article", '{"shelf": "tea", "title": "Lapsang Souchong", "stock": 12}'),
            Sent(2, "add_article", '{"shelf": "tea", "title": "Sencha"}'),
            Sent(3, "add_article", '{"shelf": "tea", "title": "' + 201 * "x" + '"}'),
        )
        (sold, oversold) = await sql.dispatch(
            Sent(4, "sell", f'{{"id": {added["reply"].split(": ")[1][:-1]}}}'),
            Sent(5, "sell", f'{{"id": {added["reply"].split(": ")[1][:-1]}, "pieces": 99}}'),
        )
        await sql.assert_followed()
        articles = sql.documents[shelf][1]["articles"].values()
        assert {article["title"]: article["stock"] for article in articles} == {"Lapsang Souchong": 11, "Sencha": 1}
        assert (refused["code"], sold["status"]) == ("too_long", "ok")
        assert (oversold["code"], oversold["constraint_name"]) == ("constraint", "stock_is_never_negative")


async def test_the_sql_page_runs(database: str) -> None:
    """The declarations of docs/sql.md run on the chat, once there are the functions they name."""
    connection = await asyncpg.connect(database)
    await connection.execute(
        """
        create function stores.drafts() returns jsonb language sql stable as $$ select '{}'::jsonb $$;
        create function stores.board() returns jsonb language sql stable as $$ select '{}'::jsonb $$;
        create schema board;
        create function board.may_read(actor text, params jsonb) returns boolean language sql as 'select true';
        """
    )
    found = blocks("docs/sql.md", "sql")
    assert found
    for block in found:
        await connection.execute(block)
    await connection.close()


async def test_every_function_of_the_engine_is_named(database18: str) -> None:
    """docs/sql.md names each function of schema flux, and none that there is not."""
    connection = await asyncpg.connect(database18)
    rows = await connection.fetch(
        "select distinct proname from pg_proc where pronamespace = 'flux'::regnamespace"
        " and proname !~ '^(action|bind|store|watch_[0-9]+)_'"
    )
    await connection.close()
    named = set(re.findall(r"`flux\.(\w+)", (ROOT / "docs/sql.md").read_text(encoding="utf-8")))
    tables = {"action"}
    assert named - tables == {row["proname"] for row in rows}


def section(page: str, title: str) -> str:
    """One section of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (found,) = (part for part in text.split("\n## ") if part.startswith(f"{title}\n"))
    return found


READ = re.compile(r"\"(FLUXWIRE_(?!HAPROXY_)[A-Z_]+|DATABASE_URL|REDIS_URL)\"")
READERS = {"front": "front", "multiplexer": "multiplexer", "fluxwire": "command line"}


def settings_table() -> dict[str, list[str]]:
    """The settings of docs/operations.md: who reads one, its default, its unit and its meaning."""
    rows = re.findall(r"^\| `([A-Z_]+)` \|(.*)\|$", section("docs/operations.md", "Settings"), re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split(" |")] for name, cells in rows}


def test_every_setting_is_named() -> None:
    """docs/operations.md has exactly the settings that the code reads, and who reads them."""
    read: dict[str, set[str]] = {}
    for path in CODE:
        for name in READ.findall(path.read_text(encoding="utf-8")):
            package = path.relative_to(ROOT).parts[0]
            # What stands in broker is for both.
            who = {"front", "multiplexer"} if package == "broker" else {READERS[package]}
            read.setdefault(name, set()).update(who)
    # The stack tells its children.
    of_children = {"FLUXWIRE_PORT", "FLUXWIRE_SHARED_PORT", "FLUXWIRE_WEB"}
    documented = {name: set(cells[0].split(", ")) for name, cells in settings_table().items()}
    assert {name: who - {"command line"} if name in of_children else who for name, who in read.items()} == {
        name: who | ({"front", "multiplexer"} if name in {"DATABASE_URL", "REDIS_URL"} else set())
        for name, who in documented.items()
    }


def test_every_default_is_true(tmp_path: Path) -> None:
    """A front that is told a default is the front that is told nothing; what has no default has a number nowhere."""
    key = tmp_path / "key"
    key.write_text(32 * "k")
    least = {"REDIS_URL": "redis://h", "FLUXWIRE_KEY_FILE": str(key)}
    untold = read_settings(least)
    defaults = {name: cells[1].strip("`") for name, cells in settings_table().items() if cells[1]}
    assert len(defaults) > 15
    assert read_settings(least | defaults) == untold
    for name, default in defaults.items():
        if default.isdigit() and name != "FLUXWIRE_PORT":
            other = str(1 - int(default)) if default in {"0", "1"} else str(int(default) + 1)
            assert read_settings(least | {name: other}) != untold, f"{name} is read"


def test_every_setting_of_haproxy_is_named() -> None:
    """docs/operations.md has exactly the variables that its configuration reads."""
    configuration = (ROOT / "docker/haproxy/haproxy.cfg").read_text(encoding="utf-8")
    page = section("docs/operations.md", "HAProxy")
    assert set(re.findall(r"FLUXWIRE_HAPROXY_\w+", configuration)) == set(re.findall(r"FLUXWIRE_HAPROXY_\w+", page))


def test_what_operators_see_is_said() -> None:
    """Words of ours that the table of failures quotes stand in the code, but for what HAProxy says."""
    code = "".join(path.read_text(encoding="utf-8") for path in CODE)
    seen = [
        quoted
        for row in section("docs/operations.md", "What you see, what it means, what to do").splitlines()
        if row.startswith("| ") and not row.startswith("| HAProxy")
        for quoted in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]
    assert len(seen) >= 10
    for quoted in seen:
        words = re.sub(r"^[A-Z_]+ |:? ?….*", "", quoted)
        assert words in code or words.removeprefix("= ") in code, quoted


def test_every_command_is_named() -> None:
    """The README's table has exactly the commands of the command line, and `test`."""
    from fluxwire.__main__ import COMMANDS  # noqa: PLC0415 -- the only test here that needs it

    page = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `python3 run\.py \[?(\w+)", page, re.MULTILINE))
    assert named == {*COMMANDS, "test", "bench"}
