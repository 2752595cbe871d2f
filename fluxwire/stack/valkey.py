"""A Valkey server of our own: described as a program, and asked whether it is ready."""

import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from fluxwire.stack.process import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Valkey:
    """A server that keeps nothing on disk: what it holds can be made again from Postgres.

    Args:
        server: The program.
        socket: Its Unix socket; keep the path short (see `Folder.sockets`).
        log: File that takes its log.

    """

    server: Path
    socket: Path
    log: Path

    def program(self) -> Program:
        """Describe the server as a program."""
        return Program(
            name="valkey",
            command=(
                str(self.server),
                *("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"),
                *("--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", str(self.socket.parent)),
            ),
            environment=dict(os.environ),
            folder=self.socket.parent,
            log=self.log,
            orphan_signal=signal.SIGKILL,
        )

    def ready(self) -> bool:
        """Tell whether the server answers."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1.0)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    def url(self) -> str:
        """Give the address for clients."""
        return f"unix://{self.socket}"
