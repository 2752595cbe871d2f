"""``python3 run.py bench [NAME…] [--quick] [--json] …``: measure beside floors and peers, and keep what was measured.

A NAME is a figure (``front.memory_kb``) or the beginning of one (``front``). With --json standard output holds one
object per figure and line, and nothing else.
"""

import argparse
import importlib
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from . import results
from .figures import Figure
from .harness import Benchmark, Options
from .table import line

BENCHMARKS = {
    "actions": "bench.actions",
    "client": "bench.client",
    "front": "bench.front",
    "gates": "bench.gates",
    "sql": "bench.sql",
    "replay": "bench.replay",
    "registry": "bench.registry",
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
    parser = argparse.ArgumentParser(prog="run.py bench", description="Measure, always beside a floor or a peer.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"figures or groups ({', '.join(BENCHMARKS)}); all")
    parser.add_argument("--quick", action="store_true", help="a short run, to see that all works")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long front.hold holds (120) and soak (1800)")
    parser.add_argument("--json", action="store_true", help="one JSON object per figure and line")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER", help="where figures are kept; else bench/results, or its quick/"
    )
    arguments = parser.parse_args(words)
    unknown = [name for name in arguments.names if name.partition(".")[0] not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    options = Options(tuple(arguments.names), quick=arguments.quick, seconds=arguments.seconds, say=say)
    folder = arguments.results or (results.QUICK if options.quick else results.FULL)
    wanted = [name for name in BENCHMARKS if not options.names or any(_group(asked) == name for asked in options.names)]
    measured: list[Figure] = []
    broken: list[str] = []
    for group in wanted:
        say(f"{group}:")
        begun = time.monotonic()
        run: Benchmark = importlib.import_module(BENCHMARKS[group]).run
        try:
            for figure in results.recorded(
                group, run(options), folder=folder, command=words, quick=options.quick, began=datetime.now(UTC)
            ):
                measured.append(figure)
                print(msgspec.json.encode(figure).decode() if arguments.json else line(figure), flush=True)
        except Exception:  # noqa: BLE001 -- the other groups are worth as much
            traceback.print_exc()
            broken.append(group)
        say(f"{group}: {time.monotonic() - begun:.0f} s")
    say(f"{len(measured)} figures kept in {folder}")
    if broken:
        say(f"not measured to the end: {', '.join(broken)}")
    return 1 if broken else 0


def say(words: str) -> None:
    """Tell whoever waits how things go."""
    print(words, file=sys.stderr, flush=True)


def _group(name: str) -> str:
    return name.partition(".")[0]


if __name__ == "__main__":
    sys.exit(main())
