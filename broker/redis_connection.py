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
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from .errors import BadAddress, BusLost

T = TypeVar("T")
Command = Sequence[bytes | str | int]

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
    """One connection to Redis: commands run one at a time, in the order of the calls.

    Args:
        url: The server's address.
        waits: How long Redis may hold a command back before it answers, in seconds.

    """

    def __init__(self, url: str, waits: float = 0.0) -> None:
        self._redis, self._sentinel = _client(
            url,
            {
                "socket_timeout": waits + ANSWER_SECONDS,
                "socket_connect_timeout": ANSWER_SECONDS,
                # The default retries in silence for up to a minute; whoever calls a bus does that better.
                "retry": Retry(NoBackoff(), 0),
                "max_connections": 1,
            },
        )
        self._turn = asyncio.Lock()
        self._running: asyncio.Task[Any] | None = None
        self._closed = False

    async def run(self, *command: bytes | str | int) -> Any:  # noqa: ANN401 - each command has its own answer
        """Run one command.

        Raises:
            BusLost: There is no answer, or it is an error.

        """
        return await self._do(self._redis.execute_command(*command))  # type: ignore[no-untyped-call]

    async def run_all(self, commands: Sequence[Command], **options: bool) -> list[Any]:
        """Run commands in one go, without a transaction: another client's may come between.

        Args:
            commands: The commands, each with its arguments.
            options: What the Redis client needs to know to parse the answers.

        Raises:
            BusLost: There is no answer, or one of them is an error.

        """
        if len(commands) == 1:
            # For one command a pipeline is twice the work.
            return [await self._do(self._redis.execute_command(*commands[0], **options))]  # type: ignore[no-untyped-call]
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command, **options)
        return await self._do(pipeline.execute())

    async def close(self) -> None:
        """Close the connection; a command that waits ends with BusLost."""
        self._closed = True
        if self._running is not None:
            self._running.cancel()
        await self._redis.aclose()
        if self._sentinel is not None:
            await self._sentinel.aclose()

    async def _do(self, command: Coroutine[Any, Any, T]) -> T:
        task = asyncio.current_task()
        assert task is not None, "awaited in a task"
        before = task.cancelling()
        try:
            async with self._turn:
                if self._closed:
                    raise BusLost("this end was closed")
                self._running = task
                result = await command
        except (RedisError, OSError) as exc:
            raise (BusLost(str(exc)) if task.cancelling() == before else self._cancelled(task)) from exc
        except asyncio.CancelledError:
            raise self._cancelled(task) from None
        else:
            if task.cancelling() > before:
                # The client swallows a cancellation that comes together with the answer (wait_for in Python 3.11).
                raise self._cancelled(task)
            return result
        finally:
            self._running = None
            command.close()

    def _cancelled(self, task: asyncio.Task[Any]) -> BusLost | asyncio.CancelledError:
        # The client has no other way to stop a command that waits: `close` cancels the task that runs it.
        if self._closed and task is self._running and task.uncancel() == 0:
            return BusLost("this end was closed")
        return asyncio.CancelledError()


def is_error(exc: BusLost, text: str) -> bool:
    """Tell whether Redis answered with this error."""
    return isinstance(exc.__cause__, ResponseError) and text in str(exc.__cause__)


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
