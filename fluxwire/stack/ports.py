"""Ports for servers of a moment: those of `chaos`, of tests and of benchmarks."""

import random
import socket

# Below what Linux, macOS and IANA give to connections on their way out.
FIRST, BEYOND = 10_000, 32_000
TRIES = 100


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody has just now, and that no connection on its way out is given while its server restarts.

    Args:
        host: The address it is to be free on.

    Raises:
        OSError: None was found.

    """
    for _ in range(TRIES):
        port = random.randrange(FIRST, BEYOND)  # noqa: S311 -- not to be guessed by nobody
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError(f"there is no free port on {host}")
