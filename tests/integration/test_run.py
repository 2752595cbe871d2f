"""`fluxwire up` as its user meets it: started, refused, interrupted, killed, and started again."""

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from fluxwire import token
from fluxwire.stack import process
from fluxwire.stack.ports import free_port
from tests.services import scratch_folder

LIMIT = 60.0
CHILDREN = ("postgres", "valkey", "multiplexer", "front-1", "front-2")


@dataclass(slots=True)
class Up:
    """A `fluxwire up` that serves."""

    child: subprocess.Popen[str]
    data: Path
    port: int
    lines: list[str]

    def state(self) -> dict[str, Any]:
        found = json.loads((self.data / "stack.json").read_text())
        assert isinstance(found, dict)
        return found

    def gets(self, path: str) -> int | None:
        """Ask a front; the status, or None if none answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5.0)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()

    def bearer(self, actor: str) -> str:
        """Sign a token of ten minutes for an actor."""
        return token.sign(token.read_key(self.data / "key"), actor, lifetime=600, now=time.time())

    def kill(self, of: str = "") -> None:
        """Kill all servers whose names begin so, as nothing can be caught."""
        for name, pid in self.state()["pids"].items():
            if name.startswith(of):
                os.kill(pid, signal.SIGKILL)

    def ready(self) -> bool:
        return all(self.gets("/readyz") == 200 for _ in range(8))

    def fetch(self, query: str) -> Any:  # noqa: ANN401 - whatever Postgres has
        return asyncio.run(fetch(self.state()["database_url"], query))


async def fetch(url: str, query: str) -> Any:  # noqa: ANN401 - whatever Postgres has
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def fluxwire(*words: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "REDIS_", "FLUX"))}
    return subprocess.Popen(
        [sys.executable, "-m", "fluxwire", *words],
        env={**ours, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(*words: str, limit: float = LIMIT) -> tuple[int, str]:
    """Run a command to its end: code and output."""
    child = fluxwire(*words)
    out, _ = child.communicate(timeout=limit)
    return child.returncode, out


@contextmanager
def up(data: Path, *words: str, environment: Mapping[str, str] | None = None, command: str = "up") -> Iterator[Up]:
    port = free_port()
    child = fluxwire(command, "--port", str(port), "--data", str(data), *words, environment=environment)
    assert child.stdout is not None
    lines: list[str] = []
    try:
        for line in child.stdout:
            lines.append(line.rstrip())
            if line.startswith("http://"):
                break
        else:
            pytest.fail("It did not start:\n" + "\n".join(lines))
        yield Up(child, data, port, lines)
    finally:
        child.send_signal(signal.SIGTERM)
        child.stdout.read()
        child.stdout.close()
        child.wait(LIMIT)


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder / "data"


@pytest.fixture(scope="module")
def running(data: Path) -> Iterator[Up]:
    with up(data) as stack:
        yield stack


def test_address_is_the_last_line_and_answers(running: Up) -> None:
    """When the address is printed, the stack is ready and healthy, and its example is deployed."""
    assert running.lines[-1] == f"http://127.0.0.1:{running.port}"
    assert running.gets("/readyz") == 200
    assert running.gets("/healthz") == 200
    assert running.fetch("select count(*) >= 0 from chat.message")


def test_dsn_tells_where_the_database_is(running: Up) -> None:
    """`fluxwire dsn` prints a DSN that drivers take as it is."""
    code, out = said("dsn", "--data", str(running.data))
    assert code == 0
    assert asyncio.run(fetch(out.strip(), "select current_database()")) == "fluxwire"


def test_deploy_goes_to_the_running_stack(running: Up) -> None:
    """`fluxwire deploy` can be repeated while the stack runs."""
    code, out = said("deploy", "--data", str(running.data))
    assert code == 0, out


def test_second_stack_on_the_same_folder_is_refused(running: Up) -> None:
    """Two stacks never share a data folder."""
    code, out = said("up", "--port", str(free_port()), "--data", str(running.data))
    assert code == 1
    assert "already running" in out
    assert "Traceback" not in out


def test_taken_port_is_named(running: Up, tmp_path: Path) -> None:
    """A port in use is refused by its number, also if it is another stack's, and nothing is wiped for it."""
    with scratch_folder() as folder:
        code, out = said("up", "--fresh", "--port", str(running.port), "--data", str(folder / "data"))
    assert code == 1
    assert f"Port {running.port} " in out
    assert "Traceback" not in out


@pytest.mark.parametrize("name", CHILDREN)
def test_killed_child_comes_back(running: Up, name: str) -> None:
    """Whichever process is killed, it is started again and the stack is ready again."""
    killed = running.state()["pids"][name]
    os.kill(killed, signal.SIGKILL)
    assert process.wait_until(lambda: running.state()["pids"][name] != killed, LIMIT)
    assert process.wait_until(running.ready, LIMIT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_everything(data: Path, number: signal.Signals) -> None:
    """Ctrl-C, a service manager's TERM and a closed terminal end all processes, with exit code 0."""
    with scratch_folder() as folder, up(folder / "data") as stack:
        pids = stack.state()["pids"]
        assert tuple(pids) == CHILDREN
        stack.child.send_signal(number)
        assert stack.child.wait(LIMIT) == 0
        assert [name for name, pid in pids.items() if process.birth(pid)] == []
        assert not (stack.data / "stack.json").exists()


def test_killed_supervisor_hinders_nobody() -> None:
    """After a SIGKILL of the supervisor the next run starts on the same folder, with the same state."""
    with scratch_folder() as folder:
        with up(folder / "data") as stack:
            stack.fetch("create table kept as select 42 as it")
            pids = stack.state()["pids"]
            stack.child.kill()
            stack.child.wait(LIMIT)
        with up(folder / "data") as again:
            assert again.fetch("select it from kept") == 42
            assert [name for name, pid in pids.items() if process.birth(pid)] == []
        with up(folder / "data", "--fresh") as fresh:
            assert fresh.fetch("select to_regclass('kept')") is None


def test_own_servers_are_used(empty_database18: str, valkey: str, namespace: str) -> None:
    """With DATABASE_URL and REDIS_URL, no server is started and the given ones are used."""
    environment = {"DATABASE_URL": empty_database18, "REDIS_URL": valkey, "FLUXWIRE_NAMESPACE": namespace}
    with scratch_folder() as folder, up(folder / "data", "--fronts", "1", environment=environment) as stack:
        assert tuple(stack.state()["pids"]) == ("multiplexer", "front-1")
        assert stack.state()["database_url"] == empty_database18
        assert stack.fetch("select to_regnamespace('flux') is not null")


def test_unreachable_database_is_said_plainly() -> None:
    """A DATABASE_URL that leads nowhere ends the start with a sentence."""
    with scratch_folder() as folder:
        child = fluxwire(
            *("up", "--port", str(free_port()), "--data", str(folder / "data")),
            environment={"DATABASE_URL": f"postgresql://nobody@/none?host={folder}"},
        )
        out, _ = child.communicate(timeout=LIMIT)
    assert child.returncode == 1
    assert "The database cannot be reached." in out
    assert "Traceback" not in out
