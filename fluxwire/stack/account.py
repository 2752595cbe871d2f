"""The operating system account that Postgres runs under.

Postgres refuses to run as root. Everywhere else it runs as whoever started the stack.
"""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from fluxwire.stack.errors import StackError

# An arbitrary number does not do: initdb wants an account that has a name.
CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A user that root gives a process to."""

    name: str
    uid: int
    gid: int

    def reaches(self, path: Path) -> bool:
        """Tell whether the account may enter the folder `path`, access lists and all."""
        # Asking the kernel as that user knows more than reading mode bits of every parent.
        test = ["/bin/sh", "-c", 'cd "$1"', "sh", str(path)]
        done = subprocess.run(  # noqa: S603 - the command is ours
            test,
            check=False,
            cwd="/",
            stderr=subprocess.DEVNULL,
            user=self.uid,
            group=self.gid,
            extra_groups=[],
        )
        return done.returncode == 0


def for_postgres() -> Account | None:
    """Choose the account for Postgres.

    Returns:
        None for an ordinary user, who runs Postgres himself.

    Raises:
        StackError: Root, on a system without any of the candidates.

    """
    if os.geteuid() != 0:
        return None
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise StackError(
        f"Postgres does not run as root, and there is no user {' or '.join(CANDIDATES)}.",
        "Run as an ordinary user, or set DATABASE_URL.",
    )
