"""The stack under test: several of everything that may be several, and a link between any two that talk."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import asyncpg  # noqa: TID251 - who leads is asked past all links
import uvloop

from fluxwire.stack import folder as folders
from fluxwire.stack.account import Account
from fluxwire.stack.folder import Folder
from fluxwire.stack.ports import free_port
from fluxwire.stack.process import Program
from fluxwire.stack.up import Stack

from . import balancer
from .link import Address, Link

T = TypeVar("T")

MULTIPLEXERS = 2
FRONTS = 3
DATABASE_SOCKET = ".s.PGSQL.5432"


class Loop:
    """An event loop in a thread of its own: the main one watches over the processes."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], wait: Callable[[Callable[[], bool]], None] = lambda _done: None) -> T:
        """Run a coroutine in the loop.

        Args:
            work: The coroutine.
            wait: Gets something done until it is done.

        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            wait(future.done)
            return future.result()
        finally:
            future.cancel()

    def close(self) -> None:
        """End the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Cluster(Stack):
    """A stack whose processes reach each other over links only.

    Args:
        args: What `fluxwire up` takes.
        folder: The data folder, locked for us.
        account: Who runs Postgres.

    """

    def __init__(self, args: argparse.Namespace, folder: Folder, account: Account | None) -> None:
        super().__init__(args, folder, account)
        self.loop = Loop()
        self.links: dict[str, Link] = {}
        """By ``who>whom``; clients are ``clients``."""
        self.urls: list[str] = []
        """Where clients knock: at HAProxy, or where there is none at each front, in any case over its link."""
        self._ports: list[int] = []

    def run(self) -> None:
        """Start all, in order, and watch; see :meth:`Stack.run`."""
        try:
            super().run()
        finally:
            self.loop.run(self._unlink())
            self.loop.close()

    def engine(self) -> tuple[list[Program], list[Program]]:
        """Describe the multiplexers and the fronts, each with addresses of its own."""
        multiplexers, fronts = super().engine()
        return self.loop.run(self._linked(multiplexers, fronts), self.supervisor.watch)

    def ready(self) -> bool:
        """Tell whether all fronts serve."""
        return all(self.says_ready(port) for port in self._ports)

    def pid(self, name: str) -> int:
        """The process number of one of the children; ProcessLookupError if it is between two lives."""
        try:
            return self.state.pids[name]
        except KeyError:
            raise ProcessLookupError(name) from None

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one of the children; to all processes of a database server."""
        pid = self.pid(name)
        os.kill(pid, number)
        if number in (signal.SIGSTOP, signal.SIGCONT):
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                os.kill(int(child), number)

    async def leader(self) -> str:
        """The name of the multiplexer that leads."""
        connection = await asyncpg.connect(self.state.database_url)
        try:
            name = await connection.fetchval("select leader from flux.term")
        finally:
            await connection.close()
        number = int(str(name).rsplit("-", 2)[1])
        return next((child for child, pid in self.state.pids.items() if pid == number), "multiplexer-1")

    async def _linked(self, multiplexers: list[Program], fronts: list[Program]) -> tuple[list[Program], list[Program]]:
        redis = Path(self.state.redis_url.removeprefix("unix://"))
        database = self.folder.sockets / DATABASE_SOCKET
        near = self.folder.sockets.parent
        linked_multiplexers, linked_fronts, linked_ports = [], [], {}
        for program in multiplexers:
            sockets = near / program.name
            sockets.mkdir(exist_ok=True)
            await self._link(f"{program.name}>database", database, sockets / DATABASE_SOCKET)
            bus = await self._link(f"{program.name}>bus", redis, sockets / "bus.sock")
            url = self.state.multiplexer_url.partition("host=")[0] + "host=" + quote(str(sockets), safe="/")
            linked_multiplexers.append(_told(program, DATABASE_URL=url, REDIS_URL=f"unix://{bus}"))
        for program in fronts:
            bus = await self._link(f"{program.name}>bus", redis, near / f"{program.name}.sock")
            port = free_port(self.host)
            self._ports.append(port)
            _, linked_ports[program.name] = await self._link(
                f"clients>{program.name}", (self.host, port), (self.host, 0)
            )
            linked_fronts.append(
                _told(program, REDIS_URL=f"unix://{bus}", FLUXWIRE_PORT=str(port), FLUXWIRE_SHARED_PORT="0")
            )
        haproxy = balancer.program(self.host, self.args.port, linked_ports, near)
        doors = list(linked_ports.values())
        if haproxy is not None:
            linked_fronts.append(haproxy)
            doors = [self.args.port]
            self._ports += doors
        self.urls = [f"ws://{self.host}:{port}/ws" for port in doors]
        return linked_multiplexers, linked_fronts

    async def _unlink(self) -> None:
        for link in self.links.values():
            await link.close()

    async def _link(self, name: str, target: Address, address: Address) -> Any:  # noqa: ANN401 - as it was given
        if isinstance(address, Path):
            address.unlink(missing_ok=True)
        link = self.links[name] = Link(target)
        return await link.open(address)


def arguments(data: Path) -> argparse.Namespace:
    """What `fluxwire up` would be told for it.

    Args:
        data: The data folder.

    """
    return argparse.Namespace(
        data=data,
        port=free_port("127.0.0.1"),
        fronts=FRONTS,
        multiplexers=MULTIPLEXERS,
        fresh=True,
        application=folders.CHECKOUT / "examples" / "chat",
    )


def _told(program: Program, **environment: str) -> Program:
    return dataclasses.replace(program, environment={**program.environment, **environment})
