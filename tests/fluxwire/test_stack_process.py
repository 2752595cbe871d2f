"""One child process: it cannot outlive us, is recognised, and stops."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fluxwire.stack import process
from fluxwire.stack.process import Program

LIMIT = 10.0
WAITS = "import signal, sys; print('up', flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"


def program(folder: Path, code: str, **changes: object) -> Program:
    """Describe a child that runs this Python code."""
    fields = {
        "name": "child",
        "command": (sys.executable, "-c", code),
        "environment": dict(os.environ),
        "folder": folder,
        "log": folder / "child.log",
        **changes,
    }
    return Program(**fields)  # type: ignore[arg-type]


def started(described: Program) -> subprocess.Popen[bytes]:
    """Start a child and wait until it says that it is up."""
    child = process.start(described)
    assert process.wait_until(lambda: "up" in described.log.read_text(), LIMIT)
    return child


def test_child_leaves_when_asked(tmp_path: Path) -> None:
    """A child that obeys ends by the stop signal."""
    described = program(tmp_path, WAITS)
    child = started(described)
    process.ask(child, described)
    process.reap(child, described)
    assert child.returncode == -signal.SIGTERM


def test_stubborn_child_is_killed(tmp_path: Path) -> None:
    """A child that ignores the stop signal is killed when its grace is over."""
    described = program(tmp_path, STUBBORN, grace=0.1)
    child = started(described)
    process.ask(child, described)
    process.reap(child, described)
    assert child.returncode == -signal.SIGKILL


def test_ctrl_c_does_not_reach_a_child(tmp_path: Path) -> None:
    """A child has a session of its own, which the terminal's signals do not reach."""
    described = program(tmp_path, WAITS)
    child = started(described)
    try:
        assert os.getsid(child.pid) == child.pid
    finally:
        child.kill()
        child.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells children that their parent died.")
def test_child_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    """A SIGKILL for the parent ends the child, by the signal that the program names."""
    told = tmp_path / "told"
    code = f"""
import pathlib, signal
def end(*_):
    pathlib.Path({str(told)!r}).write_text("told")
    raise SystemExit
signal.signal(signal.SIGINT, end)
{WAITS}
"""
    parent_code = f"""
import os, pathlib, signal, sys
from fluxwire.stack import process
described = process.Program(
    name="child", command=(sys.executable, "-c", {code!r}), environment=dict(os.environ),
    folder=pathlib.Path({str(tmp_path)!r}), log=pathlib.Path({str(tmp_path / "child.log")!r}),
    orphan_signal=signal.SIGINT)
child = process.start(described)
process.wait_until(lambda: "up" in described.log.read_text(), {LIMIT})
print(child.pid, flush=True)
signal.pause()
"""
    parent = subprocess.Popen([sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
    assert process.birth(pid) is not None
    parent.kill()
    parent.wait()
    assert process.wait_until(lambda: process.birth(pid) is None, LIMIT)
    assert told.read_text() == "told"


def test_birth_tells_processes_apart(tmp_path: Path) -> None:
    """The same process has one birth; another has another; none has none."""
    described = program(tmp_path, WAITS)
    child = started(described)
    born = process.birth(child.pid)
    assert born is not None
    assert process.birth(child.pid) == born
    assert process.birth(os.getpid()) != born
    child.kill()
    assert process.wait_until(lambda: process.birth(child.pid) is None, LIMIT), "dead, though not collected yet"
    child.wait()


def test_orphan_is_ended_only_if_it_is_ours(tmp_path: Path) -> None:
    """A process with the right number and another birth is left alone; the right one is ended."""
    described = program(tmp_path, WAITS)
    child = started(described)
    try:
        assert not process.end_orphan(child.pid, "another birth", LIMIT)
        assert not process.end_orphan(child.pid, None, LIMIT)
        assert child.poll() is None
        assert process.end_orphan(child.pid, process.birth(child.pid), LIMIT)
    finally:
        child.kill()
        child.wait()
    assert child.returncode != -signal.SIGKILL, "SIGINT was enough"
