"""The record of what was played on a stack, so that `fluxwire check` knows what to look for."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "plays.ndjson"


@dataclass(frozen=True, slots=True)
class Play:
    """A trace that was played.

    Args:
        trace: Absolute path of the trace.
        limit: How many of its lines were played, None for all.

    """

    trace: str
    limit: int | None


def record(folder: Path, play: Play) -> None:
    """Add a play; before its first action, so that one that was killed is looked for as well."""
    with (folder / NAME).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(play)) + "\n")


def recorded(folder: Path) -> list[Play]:
    """Return what was played, in order."""
    try:
        lines = (folder / NAME).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [Play(**json.loads(line)) for line in lines]
