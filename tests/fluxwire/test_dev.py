"""Deploying on save."""

import os
import queue
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fluxwire.dev import fingerprint, follow, told
from tests.services import CHAT

DEADLINE = 30.0


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    """A copy of the chat's SQL, to be changed."""
    return Path(shutil.copytree(CHAT / "sql", tmp_path / "sql")).parent


@pytest.fixture
def saves(chat: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Waits for the next save that is noticed in the chat's folder."""
    monkeypatch.setattr("fluxwire.dev.POLL", 0.02)
    noticed: queue.Queue[None] = queue.Queue()
    stop = threading.Event()
    watcher = threading.Thread(target=follow, args=([chat], fingerprint([chat]), lambda: noticed.put(None), stop))
    watcher.start()
    yield lambda: noticed.get(timeout=DEADLINE)
    stop.set()
    watcher.join(DEADLINE)
    assert noticed.empty(), "nothing is deployed twice"


def test_every_kind_of_save_is_noticed(chat: Path, saves: Callable[[], None]) -> None:
    """A changed, a replaced, a new and a removed file are noticed, each once; other files are not."""
    store = chat / "sql/stores/room.sql"
    store.write_text(store.read_text() + "-- changed\n")
    saves()
    draft = chat / "draft"
    draft.write_text(store.read_text())
    draft.replace(store)
    saves()
    (chat / "sql/actions/new.sql").write_text("-- new\n")
    saves()
    (chat / "sql/actions/new.sql").unlink()
    saves()
    (chat / "sql/notes.txt").write_text("not SQL")


def test_same_length_in_the_same_second_is_noticed(chat: Path) -> None:
    """Times are looked at to the nanosecond."""
    file = chat / "sql/stores/room.sql"
    before = fingerprint([chat])
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert fingerprint([chat]) != before


def test_result_is_said_in_words(database18: str, chat: Path) -> None:
    """What was deployed and how fast, or where the error is; and that the old functions are there."""
    store = chat / "sql/stores/room.sql"
    good = store.read_text()
    store.write_text(good.replace("'{}'", '\'{"motd": "hello"}\''))
    assert told(database18, chat).split(" in ")[0][8:] == "  Deployed"
    assert told(database18, chat).endswith(" ms: nothing new")
    store.write_text(good.replace("select '{}'::jsonb", "select '{}'::jsonbb"))
    first, place, *_ = told(database18, chat).split("\n")
    assert first.endswith("Not deployed; what was there before keeps running.")
    assert place == f'{store}:6: type "jsonbb" does not exist'
    store.write_text(good)
    assert told(database18, chat).endswith(" ms: stores/room.sql")


def test_types_follow_the_sql(database18: str, chat: Path, tmp_path: Path) -> None:
    """After a deploy the TypeScript module is that of the new functions; one that is the same is not written."""
    module = tmp_path / "generated.ts"
    action = chat / "sql/actions/leave_room.sql"
    action.write_text(action.read_text() + "create function actions.late() returns void language sql as '';")
    told(database18, chat, module)
    assert "late: defineAction<Record<never, never>, null>('late')" in module.read_text()
    written = module.stat().st_mtime_ns
    told(database18, chat, module)
    assert module.stat().st_mtime_ns == written
