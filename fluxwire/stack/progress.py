"""Lines for the person at the terminal: what is being done, and how long it took."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def step(name: str) -> Iterator[None]:
    """Show a step while it runs, and its time in seconds when it is done."""
    begun = time.monotonic()
    print(f"{name:<38}", end="", flush=True)
    try:
        yield
    except BaseException:
        print()
        raise
    print(f"{time.monotonic() - begun:6.1f} s", flush=True)


def say(line: str) -> None:
    """Show a line; a terminal that was closed is no reason to stop."""
    with suppress(OSError):
        print(line, flush=True)


BAR = 30


def gauge(done: int, total: int, seconds: float, what: str, *, first: int = 0) -> None:
    """Show how far something is: on a terminal in place, elsewhere as a line.

    Args:
        done: How many are done.
        total: How many there are.
        seconds: How long it has taken so far.
        what: What they are.
        first: How many were done before.

    """
    share = done / total if total else 1.0
    bar = ("#" * round(BAR * share)).ljust(BAR, ".")
    text = f"[{bar}] {done}/{total} {what}, {(done - first) / max(seconds, 1e-9):.0f}/s"
    terminal = sys.stderr.isatty()
    print(f"\r{text} " if terminal else text, end="" if terminal else "\n", file=sys.stderr, flush=True)
