"""The data folder: everything one stack keeps between runs, and the lock that gives it to one run."""

import fcntl
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fluxwire.stack.account import Account
from fluxwire.stack.errors import StackError

CHECKOUT = Path(__file__).resolve().parents[2]
# A socket's address holds 104 bytes on macOS and 108 on Linux; Postgres adds a name of 14.
LONGEST_SOCKET_FOLDER = 85


@dataclass(frozen=True, slots=True)
class Folder:
    """Names of what is in a data folder."""

    path: Path

    @property
    def lock(self) -> Path:
        """The file that a running stack holds locked; it also marks the folder as ours."""
        return self.path / "fluxwire.lock"

    @property
    def state(self) -> Path:
        """What a running stack tells about itself."""
        return self.path / "stack.json"

    @property
    def key(self) -> Path:
        """The secret that signs tokens."""
        return self.path / "key"

    @property
    def postgres(self) -> Path:
        """The cluster."""
        return self.path / "postgres"

    @property
    def sockets(self) -> Path:
        """The folder of Postgres' socket; next to it lies Valkey's."""
        if len(os.fsencode(self.path / "sockets")) <= LONGEST_SOCKET_FOLDER:
            return self.path / "sockets"
        return shared_folder(self.path) / "sockets"

    def log(self, name: str) -> Path:
        """The log file of a process."""
        return self.path / f"{name}.log"


def choose(data: Path | None, account: Account | None) -> Folder:
    """Choose the data folder.

    Args:
        data: What the person at the terminal asks for, or None.
        account: Who runs Postgres, and so has to reach it.

    Returns:
        `.fluxwire` in the checkout (installed as a package: where we are), or a folder in
        /var/tmp if Postgres' account cannot enter that, as below root's home.

    """
    if data is not None:
        return Folder(data.absolute())
    home = CHECKOUT if (CHECKOUT / "run.py").exists() else Path.cwd()
    if account is None or account.reaches(home):
        return Folder(home / ".fluxwire")
    return Folder(shared_folder(home) / "data")


def shared_folder(path: Path) -> Path:
    """Make the folder that stands in for `path` when other accounts cannot enter that one.

    Raises:
        StackError: Somebody else made a folder of that name first.

    """
    digest = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]
    folder = Path("/var/tmp") / f"fluxwire-{digest}"  # noqa: S108 - the owner is checked below
    folder.mkdir(mode=0o755, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise StackError(f"{folder} belongs to somebody else.", "Remove it, or choose another folder with --data.")
    folder.chmod(0o755)  # whatever the umask was
    return folder


def take(folder: Folder, account: Account | None) -> IO[bytes]:
    """Make the folder if need be, and lock it for this run.

    Args:
        folder: The folder.
        account: Who runs Postgres, and so has to reach it.

    Returns:
        The lock, held for as long as it is open.

    Raises:
        StackError: The folder is somebody else's, in use, or out of Postgres' reach.

    """
    path = folder.path
    if path.exists() and not folder.lock.exists() and any(path.iterdir()):
        raise StackError(f"{path} holds files that are not Fluxwire's.", "Choose another folder with --data.")
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(0o755 if account else 0o700)  # whatever the umask is
    if account and not account.reaches(path):
        raise StackError(
            f"Postgres runs as the user {account.name}, who cannot enter {path}.",
            "Choose a folder below /var/tmp with --data.",
        )
    lock = folder.lock.open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StackError(
            f"A stack is already running on {path}.", "Stop it first, or choose another folder with --data."
        ) from None
    return lock


def wipe(folder: Folder) -> None:
    """Empty a folder that `take` has locked."""
    for entry in folder.path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry != folder.lock:
            entry.unlink()
