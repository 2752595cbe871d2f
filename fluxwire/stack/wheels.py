"""Wheels that not everybody needs: installed beside our Python packages, once, when they are first wanted."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from fluxwire.stack.errors import StackError


def install(lock: Path, folder: Path, *, finish: Callable[[], None] = lambda: None) -> None:
    """Install what a lock file names, and nothing if that is there.

    Args:
        lock: With hashes.
        folder: Where to; all that is in it goes.
        finish: What is to be done afterwards for it to be whole.

    Raises:
        StackError: There is no wheel for this machine, or no way to fetch it.

    """
    stamp = folder / lock.name
    if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
        return
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv")
    command = [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
    done = subprocess.run(  # noqa: S603 - the commands are ours
        [*command, "--quiet", "--require-hashes", "--target", str(folder), "-r", str(lock)],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise StackError(f"What {lock.name} names cannot be installed.", done.stdout.strip())
    finish()
    shutil.copyfile(lock, stamp)
