"""The supervisor: what dies is started again, and all stops in order."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fluxwire.stack.errors import StackError
from fluxwire.stack.process import Program
from fluxwire.stack.supervisor import Supervisor

LIMIT = 20.0
# Writes down when it starts and when it is asked to stop.
DIARY = """
import pathlib, signal, sys
diary = open({diary!r}, "a", buffering=1)
def end(*_):
    diary.write("{name} stops\\n")
    raise SystemExit
signal.signal(signal.SIGTERM, end)
diary.write("{name} starts\\n")
while True:
    signal.pause()
"""


@dataclass(slots=True)
class Desk:
    """A supervisor with children that keep a diary."""

    folder: Path
    lines: list[str] = field(default_factory=list)
    pids: dict[str, int] = field(default_factory=dict)

    @property
    def diary(self) -> list[str]:
        path = self.folder / "diary"
        return path.read_text().splitlines() if path.exists() else []

    def program(self, name: str, code: str = DIARY) -> Program:
        return Program(
            name=name,
            command=(sys.executable, "-c", code.format(name=name, diary=str(self.folder / "diary"))),
            environment=dict(os.environ),
            folder=self.folder,
            log=self.folder / f"{name}.log",
        )

    def wrote(self, line: str, times: int = 1) -> Callable[[], bool]:
        return lambda: self.diary.count(line) >= times


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def supervisor(desk: Desk) -> Iterator[Supervisor]:
    made = Supervisor(say=desk.lines.append, changed=desk.pids.update)
    yield made
    made.stop()
    made.close()


def started(name: str, desk: Desk) -> Callable[[int], bool]:
    wrote = desk.wrote(f"{name} starts")
    return lambda _pid: wrote()


def test_dead_child_is_started_again(desk: Desk, supervisor: Supervisor) -> None:
    """A killed child comes back under a new number, with a line that says so."""
    supervisor.start([desk.program("a")], started("a", desk))
    first = desk.pids["a"]
    os.kill(first, signal.SIGKILL)
    supervisor.wait(desk.wrote("a starts", times=2), LIMIT)
    assert desk.pids["a"] != first
    assert desk.lines == ["a was ended by SIGKILL; starting it again"]


def test_all_stop_in_the_opposite_order(desk: Desk, supervisor: Supervisor) -> None:
    """What was started last is stopped first."""
    for name in ("a", "b", "c"):
        supervisor.start([desk.program(name)], started(name, desk))
    supervisor.stop()
    assert desk.diary == ["a starts", "b starts", "c starts", "c stops", "b stops", "a stops"]


def test_child_that_never_starts_is_reported_with_its_last_words(desk: Desk, supervisor: Supervisor) -> None:
    """A child that fails again and again ends the start, and its log is shown."""
    with pytest.raises(StackError, match="bad does not start") as caught:
        supervisor.start([desk.program("bad", "raise SystemExit('I have no {name} luck')")], lambda _pid: False, LIMIT)
    assert "I have no bad luck" in caught.value.hint
    assert str(desk.folder / "bad.log") in caught.value.hint
    assert desk.lines[0] == "bad ended with code 1; starting it again"


def test_pauses_grow(desk: Desk, supervisor: Supervisor) -> None:
    """The first restart is at once, each later one waits longer."""
    with pytest.raises(StackError):
        supervisor.start([desk.program("bad", "raise SystemExit(3)")], lambda _pid: False, LIMIT)
    assert [line.removeprefix("bad ended with code 3; ") for line in desk.lines if "code 3" in line] == [
        "starting it again",
        "starting it again in 0.2 s",
        "starting it again in 0.4 s",
    ]


def test_not_ready_in_time(desk: Desk, supervisor: Supervisor) -> None:
    """A child that lives and is never ready is an error that names its log."""
    with pytest.raises(StackError, match="Not ready") as caught:
        supervisor.start([desk.program("a")], lambda _pid: False, 0.3)
    assert str(desk.folder / "a.log") in caught.value.hint
