"""One connection to a Redis server, wherever it is; the only file that knows the Redis client.

An address is one of

- ``unix:///path/to.sock``
- ``redis://[user][:password@]host[:port][/database]``
- ``rediss://…`` the same over TLS; ``?ssl_ca_certs=/path/to/ca.pem`` names who signed the server's certificate
- ``redis+sentinel://[user][:password@]host:port[,host:port…]/name[/database]`` asks these Sentinels where the server
  ``name`` is now, at each connect; ``rediss+sentinel://`` does all of it over TLS. ``?sentinel_username=`` and
  ``?sentinel_password=`` are for Sentinels that want another account than the server.

All may carry further options of the Redis client after ``?``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from hiredis import ReplyError
from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from .errors import BadAddress, BusLost
from .redis_line import Command, Line

ANSWER_SECONDS = 3.0
"""How long an answer may take, beyond what we asked Redis to wait, until the connection counts as lost, in seconds."""
SENTINEL_PORT = 26379


def check_address(url: str) -> None:
    """Make sure that this is an address.

    Raises:
        BadAddress: It is none; the text says why.

    """
    try:
        _client(url, {})
    except ValueError as exc:
        raise BadAddress(str(exc)) from exc


class Connection:
    """One connection to Redis, opened again when it was lost: commands run in the order of the calls.

    Args:
        url: The server's address.
        waits: How long Redis may hold a command back before it answers, in seconds.

    """

    def __init__(self, url: str, waits: float = 0.0) -> None:
        self._redis, self._sentinel = _client(
            url,
            {
                "socket_timeout": ANSWER_SECONDS,
                "socket_connect_timeout": ANSWER_SECONDS,
                # The default retries in silence for up to a minute; whoever calls a bus does that better.
                "retry": Retry(NoBackoff(), 0),
                # Nothing comes but answers.
                "protocol": 2,
            },
        )
        self._waits = waits
        self._patience = waits + ANSWER_SECONDS
        self._turn = asyncio.Lock()
        self._line: Line | None = None
        self._closed = False

    async def run(self, *command: bytes | str | int) -> Any:  # noqa: ANN401 - each command has its own answer
        """Run one command.

        Raises:
            BusLost: There is no answer, or it is an error.

        """
        (answer,) = await self.run_all([command])
        return answer

    async def run_all(self, commands: Sequence[Command], **options: bool) -> list[Any]:
        """Run commands in one go, without a transaction: another client's may come between.

        Args:
            commands: The commands, each with its arguments.
            options: What the Redis client needs to know to parse the answers.

        Raises:
            BusLost: There is no answer, or one of them is an error.

        """
        async with self._turn:
            line = await self._open()
            asked = line.ask(commands)
        given_up = asyncio.get_running_loop().call_later(self._patience, line.close, "there is no answer")
        try:
            answers = await asked
        except asyncio.CancelledError:
            if self._waits:
                # Until Redis lets go of it, the next one would wait, too.
                line.close("nobody waits for its answer any more")
            raise
        finally:
            given_up.cancel()
        try:
            _refuse(answers)
        except BusLost as exc:
            if is_error(exc, "READONLY"):
                # It has become a replica; Sentinels know who is none.
                line.close(str(exc))
            raise
        parsers = self._redis.response_callbacks
        return [
            parsers[name](answer, **options) if (name := str(command[0])) in parsers else answer
            for command, answer in zip(commands, answers, strict=True)
        ]

    async def run_as_one(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands as one: nobody sees what some of them did before he sees what all did.

        Raises:
            BusLost: There is no answer, or one of them is an error.

        """
        *_, answers = await self.run_all([("MULTI",), *commands, ("EXEC",)])
        _refuse(answers)
        return list(answers)

    async def close(self) -> None:
        """Close the connection; a command that waits ends with BusLost."""
        self._closed = True
        if self._line is not None:
            self._line.close("this end was closed")
        if self._sentinel is not None:
            await self._sentinel.aclose()

    async def _open(self) -> Line:
        if not self._closed and (self._line is None or self._line.is_lost):
            self._line = await self._connect()
        if self._closed or self._line is None:
            raise BusLost("this end was closed")
        return self._line

    async def _connect(self) -> Line:
        made = self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            with _heeding_cancellation():
                async with asyncio.timeout(ANSWER_SECONDS):
                    await made.connect()
            line = Line(made._writer)  # noqa: SLF001 -- the client has no door for handing it over
            made._reader = made._writer = None  # noqa: SLF001
        except (RedisError, OSError) as exc:
            raise BusLost(str(exc) or "there is no answer") from exc
        finally:
            await made.disconnect(nowait=True)
        if self._closed:
            line.close("this end was closed")
        return line


@contextmanager
def _heeding_cancellation() -> Iterator[None]:
    """End the task if it was told to: ``asyncio.wait_for``, which the client uses, may swallow that in Python 3.11."""
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    try:
        yield
    finally:
        if task.cancelling() > before:
            raise asyncio.CancelledError


def _refuse(answers: Sequence[Any]) -> None:
    """Make sure that no answer is an error.

    Raises:
        BusLost: One is.

    """
    for answer in answers:
        if isinstance(answer, ReplyError):
            raise BusLost(str(answer)) from answer


def is_error(exc: BusLost, text: str) -> bool:
    """Tell whether Redis answered with this error."""
    return isinstance(exc.__cause__, ReplyError) and text in str(exc)


def _client(url: str, options: dict[str, Any]) -> tuple[Redis, Sentinel | None]:
    """Make a client, and the Sentinels it asks, if it does.

    Raises:
        ValueError: The address is none.

    """
    scheme, _, _ = url.partition("://")
    if not scheme.endswith("+sentinel"):
        return Redis.from_url(url, **options), None
    split = urlsplit(url)
    account, _, hosts = split.netloc.rpartition("@")
    name, _, database = split.path.strip("/").partition("/")
    if not name:
        raise ValueError("the address of Sentinels must end with the name of the server they watch")
    server: dict[str, Any] = dict(
        parse_url(f"{scheme.removesuffix('+sentinel')}://{account}@host/{database}?{split.query}")
    )
    del server["host"]
    # TLS of the same kind for both, an account for each.
    shared: dict[str, Any] = {"ssl": True} if server.pop("connection_class", None) is SSLConnection else {}
    shared |= {option: value for option, value in server.items() if option.startswith("ssl_")}
    theirs = {
        option: server.pop(f"sentinel_{option}")
        for option in ("username", "password")
        if f"sentinel_{option}" in server
    }
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        [_host(one) for one in hosts.split(",")],
        sentinel_kwargs={
            **shared,
            **theirs,
            **{option: value for option, value in options.items() if option in {"retry", "socket_connect_timeout"}},
            "socket_timeout": ANSWER_SECONDS,
        },
    )
    return sentinel.master_for(name, **{**server, **shared, **options}), sentinel


def _host(text: str) -> tuple[str, int]:
    split = urlsplit(f"//{text}")
    if not split.hostname:
        raise ValueError(f"{text!r} is no host of a Sentinel")
    return split.hostname, split.port or SENTINEL_PORT
