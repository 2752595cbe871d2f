"""Who serves the chat of ``bench chat``, each with all it takes: its processes, its configuration, its database.

All keep a message in Postgres before anybody sees it: one cluster, durable, a database each, the same tables. They
differ in how those who look get to know. Nothing is pinned to a core; each has as many processes as did it most good on
two.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fluxwire.stack import binaries, process
from fluxwire.stack.ports import free_port
from fluxwire.stack.process import Program
from fluxwire.stack.valkey import Valkey

from .contenders import NCHAN, PEERS, centrifugo_missing, centrifugo_program, nchan_missing, node_missing
from .database import CHAT, START_LIMIT, Cluster, execute
from .processes import HERE, Broken
from .stack import listens, stack
from .wires import CentrifugoWire, FluxwireWire, NchanWire, PlainWire, Size, SocketIoWire, Wire

SCRIPTS = PEERS / "chat"
ROOMS_AND_MEMBERS = """
insert into chat.room select 'r' || i, 'r' || i, 'x', now() from generate_series(0, {rooms} - 1) as i;
insert into chat.member
select 'r' || i % {rooms}, 'a' || i, 'a' || i, now() from generate_series(0, {clients} - 1) as i;
"""


class Missing(Exception):
    """A chat cannot be had here; the text says why."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat that is up."""

    called: str
    wire: Wire
    ports: Sequence[int]
    pids: dict[str, int]
    """Its processes by name; of one with children, the parent. Postgres is shared and not among them."""


@contextmanager
def fluxwire(servers: Cluster, folder: Path, size: Size, *, fronts: int = 2) -> Iterator[Chat]:
    """Fronts, a multiplexer and Valkey."""
    url = servers.database()
    _fill(url, size)
    with stack(servers, url, folder, fronts=fronts) as whole:
        yield Chat("Fluxwire", FluxwireWire(whole, size), whole.ports, whole.pids)


@contextmanager
def socketio(servers: Cluster, folder: Path, size: Size, *, processes: int = 2) -> Iterator[Chat]:
    """Socket.IO 4 with its Redis adapter, on a Valkey of its own."""
    valkey = Valkey(server=binaries.valkey(), socket=folder / "valkey.sock", log=folder / "valkey.log")
    with _started(valkey.program(), valkey.ready) as pid:
        command = _node("socketio.mjs", valkey.socket)
        with _each("socket.io", command, processes, folder, _tables(servers, size)) as (ports, pids):
            yield Chat("Socket.IO 4 and pg", SocketIoWire(size), ports, {**pids, "valkey": pid})


@contextmanager
def ws(servers: Cluster, folder: Path, size: Size, *, processes: int = 2) -> Iterator[Chat]:
    """Plain ws, LISTEN and NOTIFY."""
    with _each("ws", _node("ws.mjs"), processes, folder, _tables(servers, size)) as (ports, pids):
        yield Chat("ws and pg", PlainWire(size), ports, pids)


@contextmanager
def websockets(servers: Cluster, folder: Path, size: Size, *, processes: int = 2) -> Iterator[Chat]:
    """The library websockets with its broadcast, LISTEN and NOTIFY."""

    def command(port: int) -> Command:
        return (sys.executable, "-m", "bench.peers.chat.broadcasting", str(port))

    with _each("websockets", command, processes, folder, _tables(servers, size)) as (ports, pids):
        yield Chat("websockets and asyncpg", PlainWire(size), ports, pids)


@contextmanager
def nchan(servers: Cluster, folder: Path, size: Size) -> Iterator[Chat]:
    """Nginx with nchan, two workers, and the poster."""
    if missing := nchan_missing():
        raise Missing(missing)
    with _each("poster", _node("poster.mjs"), 1, folder, _tables(servers, size)) as ((poster,), pids):
        port = free_port()
        written = (SCRIPTS / "nginx.conf").read_text()
        user = "root" if os.geteuid() == 0 else "nobody"
        meanings = {"MODULE": NCHAN, "USER": user, "FOLDER": folder, "POSTER": poster, "PORT": port}
        for word, meaning in meanings.items():
            written = written.replace(word, str(meaning))
        file = folder / "nginx.conf"
        file.write_text(written)
        with _listening("nginx", ("nginx", "-p", folder, "-c", file), folder, port) as pid:
            yield Chat("nchan and a poster", NchanWire(size), [port], {**pids, "nginx": pid})


@contextmanager
def centrifugo(servers: Cluster, folder: Path, size: Size) -> Iterator[Chat]:
    """Centrifugo, one process, whose publish proxy is the poster."""
    program = centrifugo_program()
    if program is None:
        raise Missing(centrifugo_missing())
    with _each("poster", _node("poster.mjs"), 1, folder, _tables(servers, size)) as ((poster,), pids):
        port = free_port()
        rights = {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True}
        publish = {"endpoint": f"http://127.0.0.1:{poster}/centrifugo", "timeout": "30s"}
        settings = {
            "http_server": {"address": "127.0.0.1", "port": port},
            "log": {"level": "error"},
            "client": {"insecure": True, "allowed_origins": ["*"]},
            "channel": {
                "proxy": {"publish": publish},
                "without_namespace": {"publish_proxy_enabled": True, **rights},
            },
        }
        file = folder / "centrifugo.json"
        file.write_text(json.dumps(settings))
        with _listening("centrifugo", (program, "--config", file), folder, port) as pid:
            yield Chat("Centrifugo and a poster", CentrifugoWire(size), [port], {**pids, "centrifugo": pid})


Serving = Callable[[Cluster, Path, Size], AbstractContextManager[Chat]]
CHATS: dict[str, Serving] = {
    "fluxwire": fluxwire,
    "socketio": socketio,
    "ws": ws,
    "nchan": nchan,
    "websockets": websockets,
    "centrifugo": centrifugo,
}
"""By the last part of their figures' names: what has each up for a while."""

Command = tuple[str | Path, ...]


def _node(script: str, *arguments: str | Path) -> Callable[[int], Command]:
    """A JavaScript peer, by its port."""
    if missing := node_missing():
        raise Missing(missing)
    return lambda port: ("node", SCRIPTS / script, str(port), *arguments)


def _tables(servers: Cluster, size: Size) -> Mapping[str, str]:
    """A database with the chat's tables and nothing of ours; by the variables that Postgres' clients read."""
    url = servers.empty()
    execute(url, (CHAT / "sql" / "migrations" / "0001_chat.sql").read_text())
    _fill(url, size)
    name, _, place = url.partition("@/")[2].partition("?host=")
    return {"PGHOST": place, "PGUSER": "fluxwire", "PGDATABASE": name}


def _fill(url: str, size: Size) -> None:
    execute(url, ROOMS_AND_MEMBERS.format(rooms=size.rooms, clients=size.clients))


@contextmanager
def _each(
    name: str, command: Callable[[int], Command], processes: int, folder: Path, environment: Mapping[str, str]
) -> Iterator[tuple[list[int], dict[str, int]]]:
    """So many processes of a kind, as behind a balancer: the port of each, and their numbers by name."""
    ports = [free_port() for _ in range(processes)]
    with ExitStack() as up:
        pids = {}
        for number, port in enumerate(ports):
            called = f"{name} {number}" if number else name
            pids[called] = up.enter_context(_listening(called, command(port), folder, port, environment))
        yield ports, pids


@contextmanager
def _listening(
    name: str, command: Command, folder: Path, port: int, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    program = Program(
        name=name,
        command=tuple(map(str, command)),
        environment={**os.environ, **(environment or {})},
        folder=HERE.parent,
        log=folder / f"{name}.log",
    )
    with _started(program, lambda: listens(port)) as pid:
        yield pid


@contextmanager
def _started(program: Program, ready: Callable[[], bool]) -> Iterator[int]:
    child = process.start(program)
    try:
        if not process.wait_until(ready, START_LIMIT):
            raise Broken(f"{program.name} does not start: {program.log.read_text()}")
        yield child.pid
    finally:
        process.ask(child, program)
        process.reap(child, program)
