"""Redis-compatible servers of the kinds that a cluster may be given: with passwords, behind TLS, under Sentinel."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from fluxwire.stack import process
from fluxwire.stack.ports import free_port
from fluxwire.stack.process import Program
from tests.services import START_LIMIT, debian_redis, missing, running

PASSWORD = "correct horse:battery/staple"
QUOTED = "correct%20horse%3Abattery%2Fstaple"
TOKEN = "battery-staple"
RIGHTS = "-@all +@stream +@set +@connection +del +expire +pexpire +rename +multi +exec"
"""What docs/operations.md says a front and a multiplexer need."""


def redis_server() -> Path:
    """Debian's Redis, or a skip."""
    found = debian_redis()
    if found is None:
        missing("Redis is not installed (Debian's package redis-server).")
    return found


def server(program: Path, folder: Path, name: str, *arguments: str) -> Program:
    """Describe a server that keeps nothing on disk."""
    return Program(
        name=name,
        command=(str(program), *arguments),
        environment=dict(os.environ),
        folder=folder,
        log=folder / f"{name}.log",
        orphan_signal=signal.SIGKILL,
    )


def options(port: int, folder: Path) -> tuple[str, ...]:
    """What all servers here are started with."""
    return (
        *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--daemonize", "no"),
        *("--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"),
    )


def answers(url: str) -> bool:
    """Whether a server is there."""
    try:
        with Redis.from_url(url, socket_timeout=1) as client:
            return bool(client.ping())
    except (RedisError, OSError):
        return False


@contextmanager
def with_password(folder: Path) -> Iterator[str]:
    """Redis 7 that wants a password."""
    port = free_port()
    url = f"redis://:{QUOTED}@127.0.0.1:{port}"
    program = server(redis_server(), folder, "password", *options(port, folder), "--requirepass", PASSWORD)
    with running(program, lambda _pid: answers(url)):
        yield url


@contextmanager
def with_tls(folder: Path) -> Iterator[tuple[str, str]]:
    """Redis 7 that speaks TLS alone and knows an account with no more rights than needed.

    Yields:
        The addresses for that account, and for one that may do everything.

    """
    certificate, key = certificates(folder)
    port = free_port()
    accounts = folder / "accounts.conf"
    accounts.write_text(f"user fluxwire on >{TOKEN} ~test-* {RIGHTS}\nuser default on >{TOKEN} ~* +@all\n")
    program = server(
        *(redis_server(), folder, "tls", str(accounts)),
        *(*options(0, folder), "--tls-port", str(port), "--tls-auth-clients", "no"),
        *("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate)),
    )
    rest = f"127.0.0.1:{port}/0?ssl_ca_certs={certificate}"
    all_rights = f"rediss://default:{TOKEN}@{rest}"
    with running(program, lambda _pid: answers(all_rights)):
        yield f"rediss://fluxwire:{TOKEN}@{rest}", all_rights


def certificates(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        missing("There is no openssl to make a certificate with.")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


class Guarded:
    """A server and its replica under a Sentinel, all with a password."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._ports = free_port(), free_port()
        self._sentinel = free_port()
        self.url = f"redis+sentinel://:{QUOTED}@127.0.0.1:{self._sentinel}/fluxwire?sentinel_password={QUOTED}"
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        first, second = self._ports
        shared = ("--requirepass", PASSWORD, "--masterauth", PASSWORD)
        self._run("first", first, *options(first, self._folder), *shared)
        self._run("second", second, *options(second, self._folder), *shared, "--replicaof", f"127.0.0.1 {first}")
        settings = self._folder / "sentinel.conf"
        settings.write_text(
            f'port {self._sentinel}\nbind 127.0.0.1\ndir {self._folder}\nrequirepass "{PASSWORD}"\n'
            f"sentinel monitor fluxwire 127.0.0.1 {first} 1\n"
            f'sentinel auth-pass fluxwire "{PASSWORD}"\n'
            "sentinel down-after-milliseconds fluxwire 500\n"
            "sentinel failover-timeout fluxwire 2000\n"
        )
        self._run("sentinel", self._sentinel, str(settings), "--sentinel")
        # A Sentinel finds the replica when it asks the server the next time: once in ten seconds.
        assert process.wait_until(self._knows_replica, START_LIMIT), self.logs()

    def kill_first(self) -> None:
        """End the server that is written to, without a word."""
        self._children[0].kill()
        self._children[0].wait()

    def stop(self) -> None:
        for child in reversed(self._children):
            child.kill()
            child.wait()

    def logs(self) -> str:
        return "\n".join(log.read_text() for log in self._folder.glob("*.log"))

    def _run(self, name: str, port: int, *arguments: str) -> None:
        self._children.append(process.start(server(self._program, self._folder, name, *arguments)))
        url = f"redis://:{QUOTED}@127.0.0.1:{port}"
        assert process.wait_until(lambda: answers(url), START_LIMIT), self.logs()

    def _knows_replica(self) -> bool:
        try:
            with Redis.from_url(f"redis://:{QUOTED}@127.0.0.1:{self._sentinel}") as client:
                replicas = client.sentinel_slaves("fluxwire")
        except (RedisError, OSError):
            return False
        assert isinstance(replicas, list)
        return any(replica["master-link-status"] == "ok" for replica in replicas)


@contextmanager
def guarded(program: Path, folder: Path) -> Iterator[Guarded]:
    """Run a server, its replica and a Sentinel."""
    servers = Guarded(program, folder)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()
