"""Lines for the person at the terminal: what is being done, and how long it took."""

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
