"""All of Fluxwire beside a database, for a benchmark: Valkey, one multiplexer and fronts, each a process.

Nothing is pinned: who runs where is the kernel's choice, as it is for users.
"""

import http.client
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from broker.redis_connection import Connection
from fluxwire import token
from fluxwire.chaos import balancer
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
        doors: Where clients come: there, or at HAProxy.
        redis: The socket of Valkey.
        gate: Signs tokens that the front takes.
        pids: The processes by name; that of Postgres is the parent of all of its own.

    """

    def __init__(
        self, *, ports: Sequence[int], doors: Sequence[int], redis: Path, gate: TokenGate, pids: dict[str, int]
    ) -> None:
        self.ports = ports
        self.doors = doors
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

    async def traffic(self) -> dict[str, int]:
        """Bytes that Valkey has got, ``in``, and given, ``out``, so far."""
        connection = Connection(f"unix://{self.redis}")
        try:
            counted = await connection.run("INFO", "stats")
        finally:
            await connection.close()
        return {way: counted[f"total_net_{way}put_bytes"] for way in ("in", "out")}


@contextmanager
def stack(
    servers: Cluster,
    url: str,
    folder: Path,
    *,
    fronts: int = 1,
    settings: Mapping[str, str] | None = None,
    balanced: bool = False,
) -> Iterator[Stack]:
    """Run the stack over a database of a cluster.

    Args:
        servers: The cluster.
        url: DSN of the database, with the engine and the chat in it.
        folder: For logs, sockets and the key.
        fronts: How many, each on a port of its own, as behind a balancer.
        settings: Of fronts and multiplexer, beside those they need.
        balanced: Whether HAProxy is before them.

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
        doors = [_balance(ports, folder, pids, running)] if balanced else ports
        yield Stack(ports=ports, doors=doors, redis=valkey.socket, gate=gate, pids=pids)


def _balance(ports: Sequence[int], folder: Path, pids: dict[str, int], running: ExitStack) -> int:
    """Start HAProxy; where it listens."""
    port = free_port()
    fronts = {f"front-{number}": at for number, at in enumerate(ports)}
    haproxy = balancer.program("127.0.0.1", port, fronts, folder)
    if haproxy is None:
        raise Broken("HAProxy is not installed")
    pids["haproxy"] = _start(haproxy, running)
    # It lets nobody in before it has asked the fronts.
    if not process.wait_until(partial(_ready, port), START_LIMIT):
        raise Broken((folder / "haproxy.log").read_text())
    return port


def get(port: int, path: str) -> str:
    """What one of these processes answers.

    Args:
        port: Of our machine.
        path: Begins with a slash.

    Raises:
        Broken: Nothing, or no 200.

    """
    # Not urllib: that would ask a proxy of the environment.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_LIMIT)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as exc:
        raise Broken(f"{port}{path}: {exc}") from exc
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise Broken(f"{port}{path}: {answer.status}")
    return text


def _ready(port: int) -> bool:
    try:
        get(port, "/readyz")
    except Broken:
        return False
    return True


def _start(program: Program, running: ExitStack) -> int:
    child = process.start(program)
    running.callback(process.reap, child, program)
    running.callback(process.ask, child, program)
    return child.pid


def listens(port: int) -> bool:
    """Whether somebody does, on a port of our machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
