"""The SQL files of a folder: which there are, and in what order they are applied."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

ENGINE = next(
    folder
    for folder in (Path(__file__).parent / "sql", Path(__file__).parent.parent / "sql")
    if (folder / "migrations").is_dir()
)

MIGRATIONS = "migrations"
# Applied in this order after the migrations; a missing one is skipped.
REPEATABLE = ("roles.sql", "functions", "triggers.sql", "grants.sql", "actions", "stores", "declarations.sql")


@dataclass(frozen=True, slots=True)
class Script:
    """One SQL file.

    Args:
        path: Where it is.
        name: Its name within the folder, e.g. ``stores/room.sql``; a migration's is its bare name.
        once: Whether it is a migration.
        text: What is in it.

    """

    path: Path
    name: str
    once: bool
    text: str

    @property
    def checksum(self) -> str:
        """The SHA-256 of its text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def sql_folder(application: Path) -> Path:
    """Return where an application's SQL is: in its folder ``sql``, or in itself."""
    nested = application / "sql"
    return nested if nested.is_dir() else application


def scripts(folder: Path) -> list[Script]:
    """List the SQL files of a folder in the order in which they are applied.

    Raises:
        OSError: One cannot be read.
        UnicodeDecodeError: One is not UTF-8.

    """
    found = [
        Script(path, path.stem, once=True, text=path.read_text(encoding="utf-8"))
        for path in sorted((folder / MIGRATIONS).glob("*.sql"))
    ]
    for name in REPEATABLE:
        place = folder / name
        paths = [place] if place.is_file() else sorted(place.glob("*.sql"))
        found += [
            Script(path, path.relative_to(folder).as_posix(), once=False, text=path.read_text(encoding="utf-8"))
            for path in paths
        ]
    return found
