"""A Postgres cluster of our own: made, described as a program, and asked whether it is ready."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from fluxwire.stack.account import Account
from fluxwire.stack.errors import StackError
from fluxwire.stack.process import Program

ROLE = "fluxwire"
DATABASE = "fluxwire"
SETTINGS: Mapping[str, str] = {
    "max_connections": "50",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",  # an acknowledged action is committed
    "timezone": "UTC",
}
# From here on Postgres brings its own C.UTF-8, the same on every system.
BUILTIN_LOCALE_SINCE = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A cluster, reached by a Unix socket alone.

    Everybody who can enter the socket folder is let in, so that folder is open to one account.

    Args:
        programs: Folder with `initdb` and `postgres`.
        data: The cluster's folder.
        sockets: Folder of its socket; keep its path short (see `Folder.sockets`).
        log: File that takes its log.
        account: Who runs it; None is ourselves.
        settings: Settings beside, or instead of, the usual ones.

    """

    programs: Path
    data: Path
    sockets: Path
    log: Path
    account: Account | None
    settings: Mapping[str, str] = field(default_factory=dict)

    def create(self) -> None:
        """Make the cluster, its one role and its one database, unless it is there.

        Raises:
            StackError: Postgres says no; its words are in the hint.

        """
        self._own(self.sockets)
        major = self._major()
        if self.data.exists():
            made_by = (self.data / "PG_VERSION").read_text().strip()
            if made_by != str(major):
                raise StackError(
                    f"The data in {self.data} were made by Postgres {made_by}, and this is {major}.",
                    "Start anew with --fresh, or choose another folder with --data.",
                )
            return
        # Made beside its place and then renamed, so that a cluster is whole or not there.
        draft = self.data.with_name(f"{self.data.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        self._own(draft)
        self._run("initdb", "-D", draft, "-U", ROLE, "-A", "trust", "--no-sync", "-E", "UTF8", *_locale(major))
        # Single-user mode needs neither a running server nor a driver.
        self._run("postgres", "--single", "-D", draft, "postgres", given=f"create database {DATABASE}\n")
        draft.rename(self.data)

    def program(self) -> Program:
        """Describe the server as a program. It is Postgres' own process that is started, not a wrapper."""
        settings = {**SETTINGS, **self.settings}
        return Program(
            name="postgres",
            command=(
                str(self.programs / "postgres"),
                *("-D", str(self.data), "-k", str(self.sockets), "-h", ""),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ),
            environment=self._environment(),
            folder=self.data,
            log=self.log,
            account=self.account,
            stop_signal=signal.SIGINT,
            orphan_signal=signal.SIGINT,
        )

    def ready(self, pid: int) -> bool:
        """Tell whether the server with this process number takes connections."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        # What pg_ctl reads: line 1 is the process, line 8 its state. A killed server leaves the file behind.
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() in ("ready", "standby")  # noqa: PLR2004

    def url(self, database: str = DATABASE, *, role: str = ROLE) -> str:
        """Give the DSN of one of its databases, for one of its roles."""
        return f"postgresql://{role}@/{database}?host={quote(str(self.sockets), safe='/')}"

    def _own(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        if self.account:
            os.chown(folder, self.account.uid, self.account.gid)

    def _major(self) -> int:
        found = re.search(r"\d+", self._run("postgres", "--version"))
        if found is None:
            raise StackError(f"{self.programs / 'postgres'} does not say its version.")
        return int(found[0])

    def _environment(self) -> dict[str, str]:
        # PGDATA, PGPORT and the like of the person at the terminal mean another server.
        ours = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {**ours, "HOME": str(self.data), "LC_ALL": "C", "TZ": "UTC"}

    def _run(self, program: str, *arguments: str | Path, given: str = "") -> str:
        account = self.account
        done = subprocess.run(  # noqa: S603 - the commands are ours
            [self.programs / program, *arguments],
            check=False,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment(),
            cwd=self.sockets,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
        if done.returncode != 0:
            raise StackError(f"{program} failed.", done.stdout.strip())
        return done.stdout


def _locale(major: int) -> list[str]:
    if major >= BUILTIN_LOCALE_SINCE:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C.UTF-8"]
