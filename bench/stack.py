"""All of Fluxwire beside a database, for a benchmark: Valkey, one multiplexer and fronts, each a process.

Nothing is pinned: who runs where is the kernel's choice, as it is for users.
"""

import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from broker.redis_connection import Connection
from fluxwire import token
from fluxwire.stack import binaries, process
from fluxwire.stack.ports import free_port
from fluxwire.stack.process import Program
from fluxwire.stack.valkey import Valkey
from front.gates import TokenGate

from .database import START_LIMIT, Cluster
from .processes import HERE, Broken, cost, family, private


class Stack:
    """What runs, and what it has cost.

    Args:
        ports: Where the fronts listen.
        redis: The socket of Valkey.
        gate: Signs tokens that the front takes.
        pids: The processes by name; that of Postgres is the parent of all of its own.

    """

    def __init__(self, *, ports: Sequence[int], redis: Path, gate: TokenGate, pids: dict[str, int]) -> None:
        self.ports = ports
        self.port = ports[0]
        self.redis = redis
        self.gate = gate
        self.pids = pids

    def costs(self) -> dict[str, float]:
        """Seconds of processor time that each has used so far."""
        return {name: family(pid) if name == "postgres" else cost(pid).ran for name, pid in self.pids.items()}

    def memory(self) -> dict[str, float]:
        """Bytes of memory that each has for itself alone: what processes share, and files, not counted."""
        return {name: private(pid) for name, pid in self.pids.items()}

    async def commands(self) -> dict[str, int]:
        """How often Valkey has run each command so far."""
        connection = Connection(f"unix://{self.redis}")
        try:
            counted = await connection.run("INFO", "commandstats")
        finally:
            await connection.close()
        return {name.removeprefix("cmdstat_"): figures["calls"] for name, figures in counted.items()}


@contextmanager
def stack(
    servers: Cluster, url: str, folder: Path, *, fronts: int = 1, settings: Mapping[str, str] | None = None
) -> Iterator[Stack]:
    """Run the stack over a database of a cluster.

    Args:
        servers: The cluster.
        url: DSN of the database, with the engine and the chat in it.
        folder: For logs, sockets and the key.
        fronts: How many, each on a port of its own, as behind a balancer.
        settings: Of fronts and multiplexer, beside those they need.

    """
    ports = [free_port() for _ in range(fronts)]
    valkey = Valkey(server=binaries.valkey(), socket=folder / "valkey.sock", log=folder / "valkey.log")
    token.make_key(folder / "key")
    environment = {
        **os.environ,
        "DATABASE_URL": url.replace("//fluxwire@", "//fluxwire_multiplexer@"),
        "REDIS_URL": valkey.url(),
        "FLUXWIRE_HOST": "127.0.0.1",
        "FLUXWIRE_SHARED_PORT": "1",
        "FLUXWIRE_KEY_FILE": str(folder / "key"),
        # All clients come from one address.
        "FLUXWIRE_ADDRESS_CONNECTIONS": "0",
        "FLUXWIRE_ADDRESS_RATE": "0",
        **(settings or {}),
    }
    with ExitStack() as running:
        pids = {"postgres": servers.pid}
        pids["valkey"] = _start(valkey.program(), running)
        if not process.wait_until(valkey.ready, START_LIMIT):
            raise Broken("Valkey does not start")
        places = [("multiplexer", "multiplexer", "0")]
        places += [
            ("front" if not number else f"front {number}", "front", str(port)) for number, port in enumerate(ports)
        ]
        for name, module, port in places:
            program = Program(
                name=name,
                command=(sys.executable, "-m", module),
                environment={**environment, "FLUXWIRE_PORT": port},
                folder=HERE.parent,
                log=folder / f"{name}.log",
            )
            pids[name] = _start(program, running)
        for name, _, port in places[1:]:
            if not process.wait_until(partial(listens, int(port)), START_LIMIT):
                raise Broken((folder / f"{name}.log").read_text())
        gate = TokenGate((folder / "key").read_bytes())
        yield Stack(ports=ports, redis=valkey.socket, gate=gate, pids=pids)


def _start(program: Program, running: ExitStack) -> int:
    child = process.start(program)
    running.callback(process.reap, child, program)
    running.callback(process.ask, child, program)
    return child.pid


def listens(port: int) -> bool:
    """Whether somebody does, on a port of our machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
