"""Multiplexer, fronts and HAProxy as operators run them: a process each, every front with a port of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from fluxwire import token
from fluxwire.chaos import balancer
from fluxwire.stack import process
from fluxwire.stack.ports import free_port
from fluxwire.stack.process import Program
from tests.services import START_LIMIT, missing, scratch_folder

ROOT = Path(__file__).parent.parent
HOST = "127.0.0.1"


def answers(port: int, path: str) -> httpx.Response | None:
    """Ask with a connection of its own; None if nobody answers."""
    try:
        return httpx.get(f"http://{HOST}:{port}{path}", timeout=2.0, trust_env=False)
    except httpx.TransportError:
        return None


def ready(port: int) -> bool:
    """Whether clients are served there."""
    answer = answers(port, "/readyz")
    return answer is not None and answer.status_code == 200


@dataclass(slots=True)
class Deployment:
    """What runs, by name.

    Args:
        folder: For logs and the key.
        environment: That of every process.
        fronts: Their ports by name.

    """

    folder: Path
    environment: dict[str, str]
    fronts: dict[str, int] = field(default_factory=dict)
    _running: dict[str, tuple[subprocess.Popen[bytes], Program]] = field(default_factory=dict)

    def start(self, module: str, name: str, *, folder: str = str(ROOT), **environment: str) -> None:
        """Start a front or a multiplexer, of the version that lies in a folder."""
        self.run(
            Program(
                name=name,
                command=(sys.executable, "-W", "error", "-m", module),
                environment={**self.environment, "PYTHONPATH": folder, **environment},
                folder=Path(folder),
                log=self.folder / f"{name}.log",
            )
        )

    def start_fronts(self, *names: str, folder: str = str(ROOT)) -> None:
        """Start fronts, each at its port, and wait until they serve."""
        for name in names:
            port = self.fronts.setdefault(name, free_port())
            self.start("front", name, folder=folder, FLUXWIRE_PORT=str(port))
        for name in names:
            assert process.wait_until(partial(ready, self.fronts[name]), START_LIMIT), self.log(name)

    def start_haproxy(self, **settings: str) -> int:
        """Start HAProxy as it is shipped; the port."""
        port = free_port()
        folder = self.folder / f"haproxy-{port}"
        folder.mkdir()
        program = balancer.program(HOST, port, self.fronts, folder, settings)
        if program is None:
            missing("HAProxy is not installed (Debian's package haproxy).")
        self.run(program, f"haproxy-{port}")

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex((HOST, port)) == 0

        assert process.wait_until(listens, START_LIMIT), program.log.read_text()
        return port

    def run(self, program: Program, name: str | None = None) -> None:
        """Start a program."""
        self._running[name or program.name] = process.start(program), program

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal."""
        self._running[name][0].send_signal(number)

    def ended(self, name: str) -> int:
        """Wait until it has ended, and forget it; its exit code."""
        child, _ = self._running.pop(name)
        return child.wait(START_LIMIT)

    def log(self, name: str) -> str:
        """What it has said."""
        return (self.folder / f"{name}.log").read_text()

    def metric(self, front: str, name: str) -> float:
        """Ask a front for one of its metrics."""
        answer = answers(self.fronts[front], "/metrics")
        assert answer is not None
        (line,) = (line for line in answer.text.splitlines() if line.startswith(f"fluxwire_{name} "))
        return float(line.split()[1])

    def sign(self, actor: str) -> str:
        """Sign a token."""
        return token.sign(token.read_key(self.folder / "key"), actor, lifetime=600, now=time.time())

    def stop(self) -> None:
        """End everything."""
        for child, program in self._running.values():
            child.send_signal(signal.SIGCONT)
            process.ask(child, program)
        for child, program in self._running.values():
            process.reap(child, program)


@contextmanager
def deployment(database: str, redis: str, namespace: str, settings: Mapping[str, str]) -> Iterator[Deployment]:
    """Make a folder and an environment for processes, which are ended at the end.

    Args:
        database: DSN.
        redis: Address.
        namespace: Prefix of Redis keys.
        settings: Of all processes.

    """
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        token.make_key(folder / "key")
        made = Deployment(
            folder,
            {
                **os.environ,
                "DATABASE_URL": database.replace("//fluxwire@", "//fluxwire_multiplexer@"),
                "REDIS_URL": redis,
                "FLUXWIRE_NAMESPACE": namespace,
                "FLUXWIRE_KEY_FILE": str(folder / "key"),
                **settings,
            },
        )
        stack.callback(made.stop)
        yield made
