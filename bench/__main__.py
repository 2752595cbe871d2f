"""``python3 run.py bench [NAME…] [--quick] [--json] …``: measure beside floors and peers, and keep what was measured.

A NAME is a figure (``front.memory_kb``) or the beginning of one (``front``). How it goes is told on standard error; on
standard output are the figures at last, or with --json one object per figure and line as they come.
"""

import argparse
import importlib
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from fluxwire.stack.errors import StackError

from . import document, plot, results
from .figures import Figure
from .harness import Benchmark, Options
from .table import line, lines

BENCHMARKS = {
    "actions": "bench.actions",
    "chat": "bench.chat",
    "client": "bench.client",
    "front": "bench.front",
    "gates": "bench.gates",
    "sql": "bench.sql",
    "replay": "bench.replay",
    "registry": "bench.registry",
    "plan": "bench.plan",
    "scale": "bench.scale",
    "soak": "bench.soak",
}
"""The first part of a figure's name, and the module whose ``run`` measures it."""


def main(words: Sequence[str] | None = None) -> int:
    """Run benchmarks. A missed target is a figure, not a failure; a group that could not be measured is one.

    Args:
        words: The arguments; None takes those of the process.

    Returns:
        0, or 1 if a group broke off.

    """
    words = sys.argv[1:] if words is None else words
    arguments = parsed(words)
    return write_pages() if arguments.document else run_all(arguments, words)


def write_pages() -> int:
    """Draw all that is kept of full runs, and write the pages that tell of it."""
    for group in results.groups(results.FULL):
        drawn(group, results.FULL)
    for page in document.write():
        say(f"{page} written")
    return 0


def run_all(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    """Measure what is wanted, and print it; 1 if some could not be measured."""
    options = Options(tuple(arguments.names), quick=arguments.quick, seconds=arguments.seconds, say=say)
    folder = arguments.results or (results.QUICK if options.quick else results.FULL)
    wanted = [name for name in BENCHMARKS if not options.names or any(_group(asked) == name for asked in options.names)]
    measured: list[Figure] = []

    def take(figure: Figure) -> None:
        measured.append(figure)
        if arguments.json:
            print(msgspec.json.encode(figure).decode(), flush=True)
        else:
            say(line(figure))

    done: list[str] = []
    try:
        for group in wanted:
            if measure(group, options, folder=folder, command=words, take=take):
                done.append(group)  # noqa: PERF401 -- those that were done count, whatever becomes of the others
    except KeyboardInterrupt:
        say("broken off")
    if not arguments.json:
        print(lines(measured))
    say(f"kept in {folder}; `python3 run.py bench --document` writes the pages from {results.FULL}")
    broken = [group for group in wanted if group not in done]
    if broken:
        say(f"not measured to the end: {', '.join(broken)}")
    return 1 if broken else 0


def measure(
    group: str, options: Options, *, folder: Path, command: Sequence[str], take: Callable[[Figure], None]
) -> bool:
    """Measure a group, keep its figures and draw them.

    Args:
        group: The first part of the figures' names.
        options: What was asked for.
        folder: Where they are kept.
        command: The arguments of the process.
        take: Takes each figure as it comes.

    Returns:
        Whether it came to its end.

    """
    say(f"{group}:")
    begun = time.monotonic()
    run: Benchmark = importlib.import_module(BENCHMARKS[group]).run
    kept = results.recorded(
        group, run(options), folder=folder, command=command, quick=options.quick, began=datetime.now(UTC)
    )
    try:
        for figure in kept:
            take(figure)
    except Exception:  # noqa: BLE001 -- the other groups are worth as much
        traceback.print_exc()
        return False
    finally:
        drawn(group, folder)
        say(f"{group}: {time.monotonic() - begun:.0f} s")
    return True


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command line, or its end with what is wrong with them."""
    parser = argparse.ArgumentParser(prog="run.py bench", description="Measure, always beside a floor or a peer.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"figures or groups ({', '.join(BENCHMARKS)}); all")
    parser.add_argument("--quick", action="store_true", help="a short run, to see that all works")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long front.hold holds (120) and soak (1800)")
    parser.add_argument("--json", action="store_true", help="one JSON object per figure and line")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER", help="where figures are kept; else bench/results, or its quick/"
    )
    parser.add_argument(
        "--document", action="store_true", help="measure nothing; draw bench/results and write docs from it"
    )
    arguments = parser.parse_args(words)
    unknown = [name for name in arguments.names if _group(name) not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    return arguments


def drawn(group: str, folder: Path) -> None:
    """Draw what is kept of a group, or say why not."""
    figures = [one.figure for one in results.read(folder, group).figures]
    try:
        plot.draw(figures, group=group, folder=folder)
    except StackError as exc:
        say(f"nothing is drawn: {exc.problem} {exc.hint}")


def say(words: str) -> None:
    """Tell whoever waits how things go."""
    print(words, file=sys.stderr, flush=True)


def _group(name: str) -> str:
    return name.partition(".")[0]


if __name__ == "__main__":
    # Whoever ends it by a signal gets what was measured, and no server is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
