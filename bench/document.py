"""Pages that say what was measured: what stands between marks is made from the kept results, all else by hand.

A mark is ``<!-- bench: KIND NAME… -->``, and what follows it up to ``<!-- end -->`` is made:

- ``targets``: the targets of all figures, or of those named, and how far each was reached;
- ``unmeasured``: which figures of ``SET`` are not kept;
- ``figures``: what was measured of the figures named (``front``, ``front.hold``), and when;
- ``machine``: on what;
- ``plan``: what ``fluxwire plan`` says, with the options that follow.
"""

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from fluxwire.plan import command, units
from fluxwire.plan.sheet import sheet
from fluxwire.plan.table import table as sheet_table

from . import table
from .results import CHECKOUT, FULL, Kept, Results, groups, read

PAGES = CHECKOUT / "docs"
MARKED = re.compile(r"(<!-- bench: (\w+)((?: [\w.-]+)*) -->\n).*?(<!-- end -->)", re.DOTALL)

SET = [
    f"{group}.{name}"
    for group, names in {
        "front": "fanout.vs_c fanout.vs_socketio fanout.vs_node fanout.vs_ws fanout.vs_websockets fanout.vs_nchan"
        " fanout.vs_centrifugo tick10.vs_c tick10.vs_socketio tick10.vs_node last_p99.vs_c last_p99.vs_socketio"
        " memory_kb memory_deflate_kb idle_us_per_s collection_ms sessions_per_s storm.vs_first",
        "actions": "vs_insert per_s latency_p50.vs_bare latency_p99_ms",
        "sql": "dispatch_per_s vs_insert vs_pgbench_notify watch.vs_plain",
        "replay": "per_s vs_insert",
        "client": "apply_ms core_kb react_kb",
    }.items()
    for name in names.split()
]
"""Figures that had a target before they were measured: who stops measuring one does not get rid of it."""


def documented(page: str, results: Sequence[Results]) -> str:
    """A page with what is kept now.

    Args:
        page: Its text.
        results: Of all groups.

    Raises:
        ValueError: A mark is of a kind there is not.

    """

    def made(mark: re.Match[str]) -> str:
        head, kind, names, foot = mark.groups()
        if kind == "plan":
            return f"{head}\n{_plan(names.split())}\n\n{foot}"
        if kind not in KINDS:
            raise ValueError(f"there are marks for {', '.join([*KINDS, 'plan'])}, not for {kind!r}")
        chosen = [_only(of_group, names.split()) for of_group in results]
        chosen = [of_group for of_group in chosen if of_group.figures]
        text = KINDS[kind](chosen) if chosen else f"Nothing is kept yet; `python3 run.py bench{names}` measures it."
        return f"{head}\n{text}\n\n{foot}"

    return MARKED.sub(made, page)


def pages() -> list[Path]:
    """The pages that have marks."""
    return [page for page in sorted(PAGES.glob("*.md")) if MARKED.search(page.read_text(encoding="utf-8"))]


def kept() -> list[Results]:
    """What is kept of all groups."""
    return [read(FULL, group) for group in groups(FULL)]


def _plan(words: Sequence[str]) -> str:
    """A command and what it says."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    found = units.read()
    said = sheet_table(sheet(command.workload(parser.parse_args(words)), found), found)
    return f"```console\n$ fluxwire plan {' '.join(words)}\n{said}\n```"


def _only(results: Results, names: Sequence[str]) -> Results:
    """What is kept of some figures of a group."""
    figures = [
        one
        for one in results.figures
        if not names or any(f"{one.figure.name}.".startswith(f"{name}.") for name in names)
    ]
    return Results(results.runs, figures)


def _targets(chosen: Sequence[Results]) -> str:
    return table.targets([one.figure for results in chosen for one in results.figures])


def _unmeasured(chosen: Sequence[Results]) -> str:
    measured = {one.figure.name for results in chosen for one in results.figures}
    missing = [f"`{name}`" for name in SET if name not in measured]
    return (
        f"Not measured: {', '.join(missing)}." if missing else "Every figure that had a target from the first is there."
    )


def _figures(chosen: Sequence[Results]) -> str:
    figures = [one for results in chosen for one in results.figures]
    parts = [table.measured([one.figure for one in figures])]
    parts += [_taken(results) for results in chosen]
    if words := _shares(figures):
        parts.append(words)
    return "\n\n".join(parts)


def _taken(results: Results) -> str:
    """When figures were taken, which need not have been at once."""
    sentences = []
    runs = [run for run in results.runs if any(one.run == run.began for one in results.figures)]
    for run in runs:
        of_run = [f"`{one.figure.name}`" for one in results.figures if one.run == run.began]
        which = "Taken" if len(runs) == 1 else f"{', '.join(of_run)}: taken"
        day, time = run.began[:-4].split("T")
        taken = "" if run.stolen is None else f" and {run.stolen:.1%} of the cores taken away"
        sentences.append(
            f"{which} on {day} at {time} UTC at commit {run.commit}, with a load of {run.load_before:g} before and"
            f" {run.load_after:g} after{taken}."
        )
    return "\n".join(sentences)


def _shares(figures: Iterable[Kept]) -> str:
    """How busy the load generator was, and how long ours waited."""
    loads = [one.figure.load for one in figures if one.figure.load is not None]
    waits = [one.figure.waited for one in figures if one.figure.waited is not None]
    words = []
    if loads:
        words.append(f"The load generator used {_range(loads)} of a core meanwhile.")
    if waits:
        words.append(f"What is measured waited for its core for {_range(waits)} of the time in which it wanted to run.")
    return " ".join(words)


def _range(shares: Sequence[float]) -> str:
    low, high = (round(100 * share) for share in (min(shares), max(shares)))
    return f"{low} %" if low == high else f"{low} to {high} %"


def _machine(chosen: Sequence[Results]) -> str:
    """On what all was measured; more than one if results of several are kept."""
    machines = {str(run.machine): run.machine for results in chosen for run in results.runs}
    return "\n".join(
        f"{one.cores} cores of {one.processor}, {one.memory_gb:g} GB, {one.kernel}; "
        + ", ".join(f"{name} {version}" for name, version in one.versions.items())
        + "."
        for _, one in sorted(machines.items())
    )


KINDS = {"targets": _targets, "unmeasured": _unmeasured, "figures": _figures, "machine": _machine}


def write() -> list[Path]:
    """Make all pages anew; those that changed."""
    changed, results = [], kept()
    for page in pages():
        text = page.read_text(encoding="utf-8")
        made = documented(text, results)
        if made != text:
            page.write_text(made, encoding="utf-8")
            changed.append(page)
    return changed
