"""The data folder: one stack at a time, and never somebody else's files."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fluxwire.stack import folder as folders
from fluxwire.stack import process, state
from fluxwire.stack.errors import StackError
from fluxwire.stack.folder import Folder


def test_two_stacks_cannot_share_a_folder(tmp_path: Path) -> None:
    """The second is refused, and may start once the first has gone."""
    folder = Folder(tmp_path / "data")
    with folders.take(folder, None), pytest.raises(StackError, match="already running"):
        folders.take(folder, None)
    folders.take(folder, None).close()


def test_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    """A folder with files and without our mark is refused, so that --fresh never wipes it."""
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(StackError, match="not Fluxwire's"):
        folders.take(Folder(tmp_path), None)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_wipe_keeps_the_lock_and_follows_no_link(tmp_path: Path) -> None:
    """A wiped folder holds its lock alone; what a link in it points to stays."""
    folder, outside = Folder(tmp_path / "data"), tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    with folders.take(folder, None):
        folder.postgres.mkdir()
        (folder.postgres / "file").touch()
        folder.key.touch()
        (folder.path / "link").symlink_to(outside)
        folders.wipe(folder)
        assert list(folder.path.iterdir()) == [folder.lock]
    assert (outside / "file").exists()


def test_socket_paths_stay_short(tmp_path: Path) -> None:
    """However deep the data folder lies, its sockets can be bound."""
    deep = Folder(tmp_path.joinpath(*["a-rather-long-name"] * 6))
    path = deep.sockets / ".s.PGSQL.5432"
    try:
        path.parent.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
        assert deep.sockets != Folder(deep.path / "x").sockets, "each data folder has its own"
    finally:
        path.unlink(missing_ok=True)
        for folder in (deep.sockets, deep.sockets.parent, Folder(deep.path / "x").sockets.parent):
            if folder.exists():
                folder.rmdir()


def test_state_of_a_dead_supervisor_is_no_state(tmp_path: Path) -> None:
    """Commands believe stack.json only while the supervisor that wrote it lives."""
    folder = Folder(tmp_path)
    with pytest.raises(StackError, match="No stack is running"):
        state.running(folder)
    written = a_state(supervisor=process.birth(os.getpid()))
    written.write(folder)
    assert state.running(folder) == written
    a_state(supervisor="long ago").write(folder)
    with pytest.raises(StackError, match="No stack is running"):
        state.running(folder)


def test_state_file_keeps_its_contract(tmp_path: Path) -> None:
    """Others read these names from stack.json; and nobody else may, as a DSN can hold a password."""
    folder = Folder(tmp_path)
    a_state(supervisor=None).write(folder)
    content = json.loads(folder.state.read_text())
    assert {"database_url", "redis_url", "port", "key_file", "application", "pids"} <= content.keys()
    assert folder.state.stat().st_mode & 0o077 == 0


def test_orphans_of_no_run_and_of_another_version(tmp_path: Path) -> None:
    """Without a state, or with one that we cannot read, there is nothing to end."""
    folder = Folder(tmp_path)
    assert state.end_orphans(folder) == []
    folder.state.write_text('{"unknown": 1}')
    assert state.end_orphans(folder) == []


def test_orphans_are_ended_last_started_first(tmp_path: Path) -> None:
    """What a killed supervisor left is ended by the next run, and what has another birth is left alone."""
    folder, sleeper = Folder(tmp_path), [sys.executable, "-c", "import signal; signal.pause()"]
    children = {name: subprocess.Popen(sleeper, start_new_session=True) for name in ("first", "second", "stranger")}
    try:
        left = a_state(supervisor="long ago")
        left.pids = {name: child.pid for name, child in children.items()}
        left.births = {name: process.birth(child.pid) for name, child in children.items()} | {"stranger": "other"}
        left.write(folder)
        assert state.end_orphans(folder) == ["second", "first"]
        assert children["stranger"].poll() is None
        assert not folder.state.exists()
    finally:
        for child in children.values():
            child.kill()
            child.wait()


def a_state(*, supervisor: str | None) -> state.State:
    return state.State(
        multiplexer_url="",
        database_url="postgresql:///",
        redis_url="unix:///",
        port=8000,
        key_file="key",
        application=None,
        supervisor=os.getpid(),
        births={"supervisor": supervisor},
    )
