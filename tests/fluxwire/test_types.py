"""TypeScript out of the catalog."""

import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from fluxwire.__main__ import main
from fluxwire.stack.database import Connection
from fluxwire.types import typescript
from tests.services import CHAT, missing

ROOT = CHAT.parent.parent
GENERATED = CHAT / "web/src/generated.ts"
TSC = ROOT / "node_modules/.bin/tsc"

SHAPES = """
create type public.mood as enum ('fine', 'it''s bad');
create domain public.short as text check (length(value) < 9);
create type public.spot as (x integer, y double precision);
create table public.score (player text primary key, points bigint not null, "when" timestamptz, tags text[] not null);
grant usage on schema public to fluxwire_application;

create function actions.everything(
  a text, b integer, c bigint, d boolean, e jsonb, f public.mood, g public.short, h integer[], i public.spot,
  j public.mood[], "k-l" uuid, m numeric default 1, n text default null
) returns public.spot language sql as 'select null::public.spot';
create function actions.nothing() returns void language sql as '';
create function actions.rows() returns table (id uuid, n integer) language sql as 'select null::uuid, 1';
create function actions.declared() returns jsonb language sql as 'select null::jsonb';
comment on function actions.declared() is $$
Does a thing. */ Not the end.

@reply { id: string; at: Date[] }
$$;
create function actions.outs(a integer, out b integer, out c text) language sql as 'select 1, ''x''';
create function actions.many() returns setof integer language sql as 'select 1';

create function stores.board(size integer default 3) returns jsonb language sql stable as $$ select '{}'::jsonb $$;
comment on function stores.board(integer) is $$The best.
@document { motd: string }$$;
create function stores.bare() returns jsonb language sql stable as $$ select '{}'::jsonb $$;
select flux.declare_store('bare', private => true);
select flux.watch(
  store => 'bare', path => '{top,scores}', source => 'public.score', match => '{"@actor": "player"}', key => 'player',
  columns => '{player, points, when, tags}'
);
select flux.refresh();
"""

EXPECTED = """\
  everything: defineAction<
    { a: string; b: number; c: number | string; d: boolean; e: Json; f: 'fine' | 'it\\'s bad'; g: string; h: number[]; \
i: { x?: number | null; y?: number | null }; j: ('fine' | 'it\\'s bad')[]; 'k-l': string; m?: number | string; \
n?: string | null },
    { x: number | null; y: number | null }
  >('everything'),
  many: defineAction<Record<never, never>, number | null>('many'),
  nothing: defineAction<Record<never, never>, null>('nothing'),
  outs: defineAction<{ a: number }, { b: number | null; c: string | null }>('outs'),
  rows: defineAction<Record<never, never>, { id: string | null; n: number | null } | null>('rows'),
"""


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    """A connection to a database with the engine and the chat."""
    connected = await asyncpg.connect(database)
    yield connected
    await connected.close()


def tsc(project: Path) -> list[str]:
    """Compile, and return what the compiler complains of."""
    if not TSC.exists():
        missing("TypeScript is not installed (npm ci).")
    done = subprocess.run([TSC, "--project", project / "tsconfig.json"], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (done.stdout == "")
    return done.stdout.splitlines()


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A copy of the chat's web client, without its tests, that compiles against the client's sources."""
    copy = Path(shutil.copytree(CHAT / "web/src", tmp_path / "src")).parent
    config = (CHAT / "web/tsconfig.json").read_text()
    sources = {"fluxwire": [f"{ROOT}/client-js/src/index.ts"], "fluxwire/react": [f"{ROOT}/client-js/src/react.ts"]}
    for old, new in {
        '"include": ["src", "tests", "vite.config.ts", "vitest.config.ts"]': '"include": ["src"]',
        '"types": ["vite/client"]': f'"types": ["vite/client"], "paths": {json.dumps(sources)}',
    }.items():
        assert old in config
        config = config.replace(old, new)
    (copy / "tsconfig.json").write_text(config)
    (copy / "node_modules").symlink_to(ROOT / "node_modules")
    return copy


async def test_every_kind_of_type_is_said(connection: Connection) -> None:
    """Scalars, enums, domains, arrays, composites, defaults, several results, declarations and watched columns."""
    await connection.execute(SHAPES)
    written = await typescript(connection)
    for line in EXPECTED.splitlines():
        assert f"{line}\n" in written
    assert "  /** Does a thing. *\\/ Not the end. */\n" in written
    assert "  declared: defineAction<Record<never, never>, { id: string; at: Date[] }>('declared'),\n" in written
    assert "\n  board: { motd: string };\n" in written
    assert "  /** The best. */\n  board: defineStore<Documents['board'], { size?: number }>('board'),\n" in written
    assert (
        "  bare: {\n    top: {\n      scores: Record<string, "
        "{ player: string; points: number; when: string | null; tags: string[] }>;\n    };\n  };\n"
    ) in written
    assert "Private: each actor has its own." in written


async def test_what_is_written_compiles(connection: Connection, web: Path) -> None:
    """The module satisfies the strictest compiler, also next to its user."""
    await connection.execute(SHAPES)
    (web / "src/generated.ts").write_text(await typescript(connection))
    assert tsc(web) == []


async def test_a_renamed_argument_fails_the_build(connection: Connection, web: Path) -> None:
    """Whoever calls an action by an argument's old name is told by the compiler, at the call."""
    assert tsc(web) == []
    await connection.execute(
        "drop function actions.post_message(text, text);"
        "create function actions.post_message(room text, text text) returns jsonb language sql as 'select null::jsonb'"
    )
    (web / "src/generated.ts").write_text(await typescript(connection))
    (complaint, *_) = tsc(web)
    assert "post.ts" in complaint
    assert "'body' does not exist" in complaint


def test_command_writes_a_file(
    database18: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`fluxwire types` prints, `--out` writes."""
    monkeypatch.setenv("DATABASE_URL", database18)
    assert main(["types"]) == 0
    printed = capsys.readouterr().out
    assert main(["types", "--out", str(tmp_path / "made.ts")]) == 0
    assert (tmp_path / "made.ts").read_text() == printed == GENERATED.read_text()


def test_database_without_fluxwire_is_said(
    empty_database18: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bare database is refused in words."""
    monkeypatch.setenv("DATABASE_URL", empty_database18)
    assert main(["types"]) == 1
    assert "no Fluxwire" in capsys.readouterr().err
