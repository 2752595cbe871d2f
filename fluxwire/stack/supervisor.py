"""Starts children in order, starts again what dies, and stops all of it in the opposite order."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fluxwire.stack import process
from fluxwire.stack.errors import StackError
from fluxwire.stack.process import Program

# A child that lived this long has not failed to start, in seconds.
SETTLED = 5.0
LONGEST_PAUSE = 5.0
# How often a condition is looked at that nothing announces, in seconds.
LOOK = 0.5
FIRST_PAUSE = 0.2
# After so many failures in a row we say what its log says.
FAILURES_TO_TELL = 3
LOG_LINES = 12


@dataclass(slots=True)
class Child:
    """A program and its current process, if it has one."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    failures: int = 0


class Supervisor:
    """Keeps children running; everything happens in the main thread.

    Args:
        say: Takes a line for the terminal.
        changed: Takes the process numbers of the children by name, whenever one changes.

    """

    def __init__(self, *, say: Callable[[str], None], changed: Callable[[dict[str, int]], None]) -> None:
        self._say = say
        self._changed = changed
        self._waves: list[list[Child]] = []
        # The kernel's word that a child died wakes us up; nothing is polled.
        self._bell, self._rope = os.pipe()
        for end in (self._bell, self._rope):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._rope, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    def start(self, programs: Sequence[Program], ready: Callable[[int], bool], limit: float = 60.0) -> None:
        """Start programs that stand side by side, after all that were started before.

        Args:
            programs: What to start.
            ready: Tells of a process number whether that process does its work.
            limit: How long that may take, in seconds.

        Raises:
            StackError: One ends instead, or takes too long.

        """
        wave = [Child(program) for program in programs]
        self._waves.append(wave)
        for child in wave:
            self._start(child)
        self.wait(lambda: all(child.process is not None and ready(child.process.pid) for child in wave), limit)

    def wait(self, condition: Callable[[], bool], limit: float) -> None:
        """Wait for a condition while tending the children.

        Args:
            condition: What to wait for; looked at now and then.
            limit: For how long, in seconds.

        Raises:
            StackError: A child keeps dying, or time is up.

        """
        deadline = time.monotonic() + limit
        while not condition():
            for child in self._children():
                if child.failures >= FAILURES_TO_TELL:
                    raise StackError(f"{child.program.name} does not start.", _last_words(child))
            if time.monotonic() > deadline:
                names = ", ".join(str(child.program.log) for child in self._waves[-1])
                raise StackError(f"Not ready after {limit:.0f} seconds.", f"See {names}")
            self._sleep(min(self._tend(), 0.05))

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Start again whatever dies, until a signal's handler raises, or until this holds; looked at now and then."""
        while not until():
            self._sleep(min(self._tend(), LOOK))

    def stop(self) -> None:
        """Stop all children, those started last first."""
        for wave in reversed(self._waves):
            for child in wave:
                if child.process is not None:
                    process.ask(child.process, child.program)
            for child in wave:
                if child.process is not None:
                    process.reap(child.process, child.program)
        self._waves.clear()

    def close(self) -> None:
        """Stop listening for signals; call it after `stop`."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._bell)
        os.close(self._rope)

    def _children(self) -> list[Child]:
        return [child for wave in self._waves for child in wave]

    def _start(self, child: Child) -> None:
        child.process = process.start(child.program)
        child.started = time.monotonic()
        self._changed({each.program.name: each.process.pid for each in self._children() if each.process})

    def _tend(self) -> float:
        """Start again what is due, and return the seconds until more is."""
        now = time.monotonic()
        for child in self._children():
            if child.process is not None and child.process.poll() is not None:
                self._bury(child, child.process.returncode, now)
            if child.process is None and child.due <= now:
                self._start(child)
        return min((child.due - now for child in self._children() if child.process is None), default=LONGEST_PAUSE)

    def _bury(self, child: Child, code: int, now: float) -> None:
        child.process = None
        child.failures = 0 if now - child.started > SETTLED else child.failures + 1
        # The first time at once: a crash after a good life is most likely alone.
        pause = 0.0 if child.failures <= 1 else min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (child.failures - 2))
        child.due = now + pause
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        self._say(f"{child.program.name} {how}; starting it again" + (f" in {pause:.1f} s" if pause else ""))
        if child.failures == FAILURES_TO_TELL:
            self._say(_last_words(child))

    def _sleep(self, seconds: float) -> None:
        select.select([self._bell], [], [], max(seconds, 0.0))
        try:
            os.read(self._bell, 4096)
        except BlockingIOError:
            return


def _last_words(child: Child) -> str:
    lines = child.program.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    return "\n".join([f"The end of {child.program.log}:", *(f"  {line}" for line in lines)])
