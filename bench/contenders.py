"""Servers that send one update to many: ours, the floor, and peers, all started and asked in the same way.

Each is a program ``PORT CONTROL_PORT FILE`` that says ``ready``, sends what is in the file to everybody who has
connected as often as a byte on its control connection says, and ends when that is closed. Servers that have no such
connection, because they are programs of others, get it from ``bench.peers.relay``.
"""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fluxwire.stack.ports import free_port

from .processes import HERE, LOAD_CORE, SERVER_CORE, Process, compiled, running
from .sessions import request, text

PEERS = HERE / "peers"
CENTRIFUGO = "FLUXWIRE_BENCH_CENTRIFUGO"
"""Environment variable: the path of Centrifugo, if it is not on PATH."""
NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")


@dataclass(frozen=True, slots=True)
class Contender:
    """A server, and what its clients say."""

    title: str
    """What a figure says it is against."""
    start: Callable[["Ports", Path], list[str | Path]]
    """The program and its arguments; the folder holds ``update`` (JSON) and ``frame`` (the same, framed)."""
    session: str = "plain"
    """The name of what clients say."""
    says: tuple[bytes, ...] = (request("/ws"),)
    """Their request for the upgrade, and what comes after it."""
    frames: int = 0
    """How many text frames a client has read when it has come in."""
    posted: tuple[str, str] | None = None
    """Of a server that neither says ``ready`` nor takes orders: where to and which file of the folder
    ``bench.peers.relay`` posts for it."""
    lines: bool = False
    """Whether messages are lines, several of which may come in one frame."""
    missing: Callable[[], str | None] = lambda: None
    """What to tell whoever waits if it cannot be measured here; may install what it takes."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a server listens."""

    clients: int
    control: int

    def words(self) -> tuple[str, str]:
        """As arguments."""
        return str(self.clients), str(self.control)


@contextmanager
def contending(contender: Contender, folder: Path) -> Iterator[tuple[Process, Process]]:
    """Run a server and a load generator, each on a core of its own.

    Args:
        contender: The server.
        folder: Holds ``update`` and ``frame``.

    """
    ports = Ports(free_port(), free_port())
    with ExitStack() as stack:
        # nginx in one process frees something twice when it is asked to end.
        end = signal.SIGTERM if contender.posted is None else signal.SIGKILL
        server = stack.enter_context(running(contender.start(ports, folder), core=SERVER_CORE, end=end))
        if contender.posted is None:
            server.line()
        else:
            path, file = contender.posted
            relay: list[str | Path] = [sys.executable, "-m", "bench.peers.relay", *ports.words(), path, folder / file]
            stack.enter_context(running(relay, core=LOAD_CORE)).line()
        load = stack.enter_context(running([compiled("load"), *ports.words()], core=LOAD_CORE))
        if contender.lines:
            load.order("lines")
        yield server, load


def _node(script: str, given: str) -> Callable[[Ports, Path], list[str | Path]]:
    return lambda ports, folder: ["node", PEERS / script, *ports.words(), folder / given]


@functools.cache
def node_missing() -> str | None:
    """Install the peers that are written for node, once; what to say if that cannot be."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "node and npm are not on PATH"
    lock, stamp = PEERS / "package-lock.json", PEERS / "node_modules" / "installed"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=PEERS, check=True)
        shutil.copyfile(lock, stamp)
    return None


@functools.cache
def nchan_missing() -> str | None:
    """Install nginx with nchan from Debian, as root; what to say if that cannot be."""
    if NCHAN.exists() and shutil.which("nginx"):
        return None
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return "nginx with nchan is not installed (Debian: apt-get install nginx libnginx-mod-nchan)"
    # At this run level Debian starts no server that it has installed.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ("install", "-y", "--no-install-recommends", "nginx", "libnginx-mod-nchan")
    for words in (("update",), install):
        done = subprocess.run(["apt-get", "-qq", *words], check=False, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            return f"nginx with nchan cannot be installed: {done.stderr.strip()}"
    return None


def _nchan(ports: Ports, folder: Path) -> list[str | Path]:
    configuration = folder / "nginx.conf"
    configuration.write_text(
        (PEERS / "nchan.conf").read_text().format(folder=folder, port=ports.clients, module=NCHAN), encoding="utf-8"
    )
    return ["nginx", "-p", folder, "-c", configuration]


def centrifugo_program() -> str | None:
    """Find Centrifugo, or None."""
    return os.environ.get(CENTRIFUGO) or shutil.which("centrifugo")


def centrifugo_missing() -> str | None:
    """What to say if there is no Centrifugo."""
    return None if centrifugo_program() else f"Centrifugo is neither on PATH nor named by {CENTRIFUGO}"


def centrifugo_settings(port: int) -> dict[str, dict[str, object]]:
    """Of one process without a broker, where everybody may subscribe; no heartbeat during a run."""
    return {
        "http_server": {"address": "127.0.0.1", "port": port},
        "log": {"level": "error"},
        "client": {"insecure": True, "allowed_origins": ["*"], "ping_interval": "1h"},
        "http_api": {"insecure": True},
        "channel": {"without_namespace": {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True}},
    }


def _centrifugo(ports: Ports, folder: Path) -> list[str | Path]:
    configuration = folder / "centrifugo.json"
    configuration.write_text(json.dumps(centrifugo_settings(ports.clients)), encoding="utf-8")
    message = {"channel": "room", "data": json.loads((folder / "update").read_bytes())}
    (folder / "publish.json").write_text(json.dumps(message), encoding="utf-8")
    return [centrifugo_program() or "centrifugo", "--config", configuration]


CONTENDERS = {
    "c": Contender("a C loop of send()", lambda ports, folder: [compiled("floor"), *ports.words(), folder / "frame"]),
    "front": Contender(
        "a front",
        lambda ports, _: [sys.executable, "-m", "bench.served", *ports.words()],
        session="front",
        says=(),  # the crowd has tokens
        frames=3,
    ),
    "node": Contender("node writing ready frames", _node("node.mjs", "frame"), missing=node_missing),
    "socketio": Contender(
        "Socket.IO 4",
        _node("socketio.mjs", "update"),
        session="socketio",
        says=(request("/socket.io/?EIO=4&transport=websocket"), text("40")),
        frames=2,
        missing=node_missing,
    ),
    "ws": Contender("ws, send() to each", _node("ws.mjs", "update"), missing=node_missing),
    "websockets": Contender(
        "websockets.broadcast",
        lambda ports, folder: [sys.executable, "-m", "bench.peers.broadcast", *ports.words(), folder / "update"],
    ),
    "nchan": Contender("nchan in nginx", _nchan, posted=("/publish", "update"), missing=nchan_missing),
    "centrifugo": Contender(
        "Centrifugo",
        _centrifugo,
        session="centrifugo",
        says=(request("/connection/websocket"), text('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"room"}}')),
        frames=2,
        posted=("/api/publish", "publish.json"),
        lines=True,
        missing=centrifugo_missing,
    ),
}
"""By the name that figures have."""
