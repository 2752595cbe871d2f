"""What cannot be replayed is named at the deploy, with function, file and line; nothing else is."""

import shutil
from pathlib import Path

from fluxwire.deploy import deploy
from tests.services import CHAT

TABLE = """
create table chat.note (
  id uuid primary key default gen_random_uuid(),
  number bigint generated always as identity,
  at timestamptz not null default now(),
  seen_at timestamptz default current_timestamp
);
comment on column chat.note.seen_at is 'only for the eye @replays';
create function chat.stamp() returns trigger language plpgsql as $$
begin
  new.at := clock_timestamp();
  return new;
end $$;
create trigger stamp before insert on chat.note for each row execute function chat.stamp();
"""
HELPER = """
create or replace function chat.chance() returns double precision language sql as $$ select random() $$;
create or replace function chat.nightly() returns timestamptz language sql as $$ select now() $$;
"""
ACTION = """
create or replace function actions.note(body text) returns void language plpgsql as $$
begin
  -- now() in a comment, and 'random()' in a text, are words.
  perform flux.now(), flux.random(), flux.uuid(), 'random()', chat.chance();
  /* clock_timestamp() */
  perform pg_catalog.clock_timestamp();  -- @replays: nobody sees it
  perform now() - interval '1 day',
    current_date;
end $$;
"""
DYNAMIC = """
create or replace function actions.dynamic() returns void language plpgsql as $$
begin
  execute 'select gen_random_uuid()';
end $$;
"""


async def test_named(empty_database18: str, tmp_path: Path) -> None:
    """Actions, helpers that they call, triggers and defaults are looked at; what no action runs is not."""
    assert (await deploy(empty_database18, CHAT)).warnings == []
    shutil.copytree(CHAT / "sql", tmp_path / "sql")
    files = {
        "migrations/9000_note.sql": TABLE,
        "functions/helper.sql": HELPER,
        "actions/note.sql": ACTION,
        "actions/dynamic.sql": DYNAMIC,
    }
    (tmp_path / "sql" / "functions").mkdir(exist_ok=True)
    for name, text in files.items():
        (tmp_path / "sql" / name).write_text(text)
    warnings = [
        line.replace(f"{tmp_path}/sql/", "").partition(", or say")[0]
        for line in (await deploy(empty_database18, tmp_path)).warnings
    ]
    replayed = "will not be the same when the log is replayed"
    assert sorted(warnings) == [
        "The default of chat.note.at has now(): take flux.now() in the action",
        "The default of chat.note.id has gen_random_uuid(): take flux.uuid() in the action",
        f"actions/dynamic.sql:4: gen_random_uuid() {replayed}: take flux.uuid()",
        f"actions/note.sql:8: now() {replayed}: take flux.now()",
        f"actions/note.sql:9: current_date {replayed}: take flux.now()",
        f"functions/helper.sql:2: random() {replayed}: take flux.random()",
        f"migrations/9000_note.sql:11: clock_timestamp() {replayed}: take flux.now()",
    ]
