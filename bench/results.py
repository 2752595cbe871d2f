"""The figures that are kept: ``bench/results/<group>.json``, each with the run it is of.

A run replaces the figures it measured, and leaves the others of its group with their own run and date. A quick run has
a folder of its own: its figures show that all works, and little else.
"""

import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from .figures import Figure
from .machine import Machine, load, machine, stolen

CHECKOUT = Path(__file__).parent.parent
FULL = CHECKOUT / "bench" / "results"
QUICK = FULL / "quick"
"""Which git does not keep."""


class Run(msgspec.Struct):
    """When, how and on what figures were measured."""

    began: str
    """In UTC, to the second; what a figure names its run by."""
    command: str
    commit: str
    """Of git; ends with ``+`` if there was more in the checkout than that."""
    quick: bool
    machine: Machine
    load_before: float
    """How many processes wanted to run, on average over the minute before."""
    load_after: float = 0.0
    stolen: float | None = None
    """Which part of the cores' time the machine's host gave to others; None: nobody looked."""
    seconds: float = 0.0


class Kept(msgspec.Struct, frozen=True):
    """A figure, and the run it is of."""

    run: str
    figure: Figure


class Results(msgspec.Struct):
    """What is known of a group of figures."""

    runs: list[Run]
    figures: list[Kept]

    def run_of(self, kept: Kept) -> Run:
        """The run that a figure is of."""
        (found,) = (run for run in self.runs if run.began == kept.run)
        return found


def read(folder: Path, group: str) -> Results:
    """What is kept of a group in a folder; nothing if there is no such file."""
    path = folder / f"{group}.json"
    return msgspec.json.decode(path.read_bytes(), type=Results) if path.exists() else Results([], [])


def groups(folder: Path) -> list[str]:
    """The groups of which something is kept in a folder."""
    return sorted(path.stem for path in folder.glob("*.json"))


def recorded(
    group: str, figures: Iterable[Figure], *, folder: Path, command: Sequence[str], quick: bool, began: datetime
) -> Iterator[Figure]:
    """Pass a group's figures on, and keep what has come of them, however it ends.

    Args:
        group: The first part of their names.
        figures: As they are measured.
        folder: Where they are kept.
        command: What was asked for.
        quick: Whether it was a short run.
        began: Now, in UTC.

    """
    run = Run(
        began=began.strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=" ".join(("python3 run.py bench", *command)),
        commit=_commit(),
        quick=quick,
        machine=machine(),
        load_before=load(),
    )
    begun, stolen_before = time.monotonic(), stolen()
    measured: list[Figure] = []
    try:
        for figure in figures:
            measured.append(figure)
            yield figure
    finally:
        seconds = time.monotonic() - begun
        run.load_after, run.seconds = load(), round(seconds, 1)
        run.stolen = round((stolen() - stolen_before) / seconds, 3)
        if measured:
            _write(folder, group, _merged(read(folder, group), run, measured))


def _merged(before: Results, run: Run, measured: Sequence[Figure]) -> Results:
    """Put measured figures in the place of those of the same name; runs of which nothing is left are forgotten."""
    new = {figure.name: Kept(run.began, figure) for figure in measured}
    kept = [new.pop(old.figure.name, old) for old in before.figures]
    figures = [*kept, *new.values()]
    named = {one.run for one in figures}
    return Results([one for one in [*before.runs, run] if one.began in named], figures)


def _write(folder: Path, group: str, results: Results) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{group}.json"
    new = path.with_suffix(".new")
    runs, figures = (
        ",\n".join(msgspec.json.encode(one).decode() for one in part) for part in (results.runs, results.figures)
    )
    # A line each: what changed is to be seen, and points need no line of their own.
    new.write_text(f'{{"runs": [\n{runs}\n], "figures": [\n{figures}\n]}}\n', encoding="utf-8")
    new.replace(path)


def _commit() -> str:
    """What of this checkout is measured; what benchmarks write does not count."""
    changes = _git("status", "--porcelain", "--untracked-files=no", "--", ":!bench/results", ":!docs")
    return _git("rev-parse", "--short", "HEAD") + ("+" if changes else "")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=CHECKOUT, check=False, capture_output=True, text=True)
    return done.stdout.strip()
