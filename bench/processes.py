"""Processes that are measured: each on its own core or wherever the kernel puts it, with what was counted for it."""

import atexit
import functools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from .figures import Figure

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


class Broken(Exception):
    """A measurement that is none: something went wrong that the figures would not show."""


@functools.cache
def compiled(name: str) -> Path:
    """Compile one of our C programs, once a run.

    Raises:
        Broken: There is no C compiler.

    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise Broken("a C compiler (cc) is needed: the floors and the load generator are C")
    program = _programs() / name
    subprocess.run([compiler, "-O2", "-o", program, HERE / "native" / f"{name}.c"], check=True)
    return program


@functools.cache
def _programs() -> Path:
    """A folder for compiled programs, which goes when this process does."""
    folder = tempfile.mkdtemp(prefix="fluxwire-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@dataclass(frozen=True, slots=True)
class Cost:
    """What the scheduler counted for a process, in seconds."""

    ran: float
    waited: float
    """For its core, which others had meanwhile."""

    def since(self, before: "Cost") -> "Cost":
        """What was added."""
        return Cost(self.ran - before.ran, self.waited - before.waited)

    def and_also(self, other: "Cost") -> "Cost":
        """Both together."""
        return Cost(self.ran + other.ran, self.waited + other.waited)


def cost(pid: int) -> Cost:
    """What all threads of a process have cost so far."""
    ran = waited = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        on_core, in_line, _ = (thread / "schedstat").read_text().split()
        ran += int(on_core)
        waited += int(in_line)
    return Cost(ran / 1e9, waited / 1e9)


def family(pid: int) -> float:
    """Seconds of processor time that a process, its children, and those that have ended meanwhile have used."""
    ended = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split())[13:15]
    ran = sum(int(ticks) for ticks in ended) / TICKS
    for member in _members(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            ran += cost(member).ran
    return ran


def private(pid: int) -> float:
    """Bytes of memory that a process and its children have each alone: what several share, and files, not counted."""
    return sum(map(_private, _members(pid)))


def _private(pid: int) -> float:
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return 1024.0 * int(line.split()[1])
    return 0.0


def _members(pid: int) -> list[int]:
    """A process and its children."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


class Process:
    """A server or the load generator; it says ``ready`` or answers each order by a line of JSON.

    Args:
        command: The program and its arguments.
        core: Where alone it runs; None leaves it to the kernel.
        end: The signal that ends it.

    """

    def __init__(
        self, command: Sequence[str | Path], *, core: int | None, end: signal.Signals = signal.SIGTERM
    ) -> None:
        self._end = end
        pinned = [] if core is None else ["taskset", "-c", str(core)]
        self._process = subprocess.Popen(
            [*pinned, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE.parent,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def line(self) -> str:
        """The next line it says.

        Raises:
            Broken: It ended instead.

        """
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said:
            raise Broken(f"{self._process.args!r} ended with {self._process.wait()}")
        return said.strip()

    def order(self, words: str) -> dict[str, Any]:
        """Give an order and wait until it is carried out."""
        assert self._process.stdin is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.line())
        if answer.get("lost"):
            raise Broken(f"{words}: {answer}")
        return answer

    def cost(self) -> Cost:
        """What it has cost so far."""
        return cost(self._process.pid)

    def resident(self) -> int:
        """Bytes of memory it occupies."""
        return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * PAGE

    def end(self) -> None:
        """End it and wait for that."""
        self._process.send_signal(self._end)
        self._process.wait(10)
        for pipe in self._process.stdin, self._process.stdout:
            if pipe is not None:
                pipe.close()


class Shares:
    """How busy the load generator was while figures were measured, and how long servers waited for their core."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._load = Cost(0.0, 0.0)
        self._servers = Cost(0.0, 0.0)

    @contextmanager
    def counted(self, *servers: int, load: int) -> Iterator[None]:
        """Count what happens meanwhile in.

        Args:
            servers: Their process ids.
            load: That of the load generator.

        """
        begun = time.monotonic()
        before = [cost(pid) for pid in (load, *servers)]
        yield
        self._seconds += time.monotonic() - begun
        of_load, *of_servers = [cost(pid).since(then) for pid, then in zip((load, *servers), before, strict=True)]
        self._load = self._load.and_also(of_load)
        for each in of_servers:
            self._servers = self._servers.and_also(each)

    @property
    def load(self) -> float:
        """How busy the load generator was, of a core."""
        return self._load.ran / self._seconds

    @property
    def waited(self) -> float:
        """For how much of the time in which they wanted to run others had the servers' core."""
        return self._servers.waited / (self._servers.ran + self._servers.waited)

    def beside(self, figure: Figure) -> Figure:
        """A figure with what was counted."""
        return msgspec.structs.replace(figure, load=round(self.load, 3), waited=round(self.waited, 3))

    def __str__(self) -> str:
        return f"the load generator used {self.load:.0%} of a core, the server waited for its own {self.waited:.0%}"


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Run on one core alone for a while; so does what is started meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def running(
    command: Sequence[str | Path], *, core: int | None, end: signal.Signals = signal.SIGTERM
) -> Iterator[Process]:
    """Run a process for a while."""
    process = Process(command, core=core, end=end)
    try:
        yield process
    finally:
        process.end()
