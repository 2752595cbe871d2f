"""``python3 run.py bench [NAME…] [--quick] [--seconds S] [--json]``: measure, always beside a floor or a peer.

A NAME is a figure (``front.memory_kb``) or the beginning of one (``front``). With --json standard output holds one
object per figure and line, and nothing else.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

import msgspec

from .harness import Benchmark, Figure, Options

BENCHMARKS = {
    "actions": "bench.actions",
    "client": "bench.client",
    "front": "bench.front",
    "gates": "bench.gates",
    "sql": "bench.sql",
    "replay": "bench.replay",
    "registry": "bench.registry",
}
"""The first part of a figure's name, and the module whose ``run`` measures it."""


def main(words: Sequence[str] | None = None) -> int:
    """Run benchmarks. A missed target is a figure, not a failure: the exit code is 0.

    Args:
        words: The arguments; None takes those of the process.

    """
    parser = argparse.ArgumentParser(prog="run.py bench", description="Measure, always beside a floor or a peer.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"figures or groups ({', '.join(BENCHMARKS)}); all")
    parser.add_argument("--quick", action="store_true", help="a short run, to see that all works")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long front.hold holds; else two minutes")
    parser.add_argument("--json", action="store_true", help="one JSON object per figure and line")
    arguments = parser.parse_args(words)
    unknown = [name for name in arguments.names if name.partition(".")[0] not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    options = Options(
        tuple(arguments.names),
        quick=arguments.quick,
        seconds=arguments.seconds,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    for group, module in BENCHMARKS.items():
        if not any(name.partition(".")[0] == group for name in options.names or (group,)):
            continue
        run: Benchmark = importlib.import_module(module).run
        for figure in run(options):
            print(msgspec.json.encode(figure).decode() if arguments.json else line(figure), flush=True)
    return 0


def line(figure: Figure) -> str:
    """A figure for a person."""
    low, high = figure.spread
    compared = "" if figure.ratio is None else f"  {figure.ratio:g} x {figure.against}"
    judged = "met" if figure.met else "MISSED"
    return (
        f"{figure.name:<26} {figure.value:>10g} {figure.unit:<12}{compared}  [{low:g} to {high:g}, {figure.runs} runs]"
        f"  {figure.target} {judged}"
    )


if __name__ == "__main__":
    sys.exit(main())
