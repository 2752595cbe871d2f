"""One child process: started so that it cannot outlive us, recognised, and stopped."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fluxwire.stack.account import Account

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to start, and how to stop it.

    Args:
        name: What the terminal and the state file call it.
        command: The program and its arguments.
        environment: All of its environment.
        folder: Where it runs.
        log: The file that takes both of its output streams.
        account: Who runs it; None is ourselves.
        stop_signal: Asks it to end in good order.
        orphan_signal: What it gets when we die (Linux).
        grace: How long a stop may take before it is killed, in seconds.

    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    grace: float = 10.0


def start(program: Program) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that Ctrl-C reaches us alone.

    Call it from the main thread: Linux sends the orphan signal when the *thread* that started a
    child ends.

    Raises:
        OSError: The program cannot be started.

    """
    account = program.account
    with program.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - the commands are ours
            program.command,
            env=program.environment,
            cwd=program.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            # Runs after the change of user, which would take the setting back.
            preexec_fn=_die_with(os.getpid(), program.orphan_signal),  # noqa: PLW1509 - calls into libc only
        )


def ask(process: subprocess.Popen[bytes], program: Program) -> None:
    """Ask a child to end; call `reap` next."""
    if process.poll() is None:
        process.send_signal(program.stop_signal)


def reap(process: subprocess.Popen[bytes], program: Program) -> None:
    """Wait for a child's end; kill it when its grace is over or the person at the terminal loses patience."""
    try:
        process.wait(program.grace)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()


def birth(pid: int) -> str | None:
    """Say when a process was born, so that a number used again is not taken for the old process.

    Returns:
        A text that no other process with this number ever has, or None if there is none.

    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        done = subprocess.run(["/bin/ps", "-o", "lstart=", "-p", str(pid)], check=False, capture_output=True, text=True)  # noqa: S603
        return done.stdout.strip() or None
    # The name in brackets may hold anything; what follows are plain fields. Z is dead, but not yet collected.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else f"{boot}/{fields[19]}"


def end_orphan(pid: int, born: str | None, grace: float) -> bool:
    """End what a killed supervisor left behind, if it is still the same process.

    Args:
        pid: Its number.
        born: What `birth` said when it was started.
        grace: How long it may take before it is killed, in seconds.

    Returns:
        Whether there was something to end.

    """
    if born is None or birth(pid) != born:
        return False
    # SIGINT is the one signal that all of ours, Postgres too, take for a quick and orderly end.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)
    wait_until(lambda: birth(pid) != born, grace)
    if birth(pid) == born:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: birth(pid) != born, grace)
    return True


def wait_until(condition: Callable[[], bool], limit: float) -> bool:
    """Look at a condition that nothing announces until it holds.

    Args:
        condition: What to wait for.
        limit: For how long, in seconds.

    Returns:
        Whether it held in time.

    """
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _die_with(parent: int, orphan_signal: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None

    def in_child() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, orphan_signal)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return in_child
