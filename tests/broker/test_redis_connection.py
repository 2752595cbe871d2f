"""Addresses of servers, and the kinds of servers behind them."""

import asyncio

import pytest
from redis.asyncio.sentinel import SentinelConnectionPool

from broker.errors import BadAddress
from broker.redis_connection import Connection, _client, check_address


@pytest.mark.parametrize(
    "url",
    [
        "unix:///tmp/valkey.sock",
        "redis://localhost",
        "redis://:secret@localhost:7000/3",
        "rediss://user:secret@cache.example.org/0?ssl_ca_certs=/etc/ca.pem",
        "redis+sentinel://a:1,b,[::1]:3/main",
        "rediss+sentinel://user:secret@a:1/main/2?ssl_ca_certs=/etc/ca.pem&sentinel_password=other",
    ],
)
def test_addresses(url: str) -> None:
    """Each kind of address is one."""
    check_address(url)


@pytest.mark.parametrize(
    "url",
    ["", "localhost", "http://localhost", "redis+sentinel://a:1", "redis+sentinel:///main", "amqp+sentinel://a/m"],
)
def test_no_addresses(url: str) -> None:
    """What is none is said to be."""
    with pytest.raises(BadAddress):
        check_address(url)


def test_sentinels_and_server_have_accounts_of_their_own() -> None:
    """A password before the @ is the server's; Sentinels get the one meant for them, and the same TLS."""
    url = "rediss+sentinel://ada:one@a:1,b/main/2?ssl_ca_certs=/etc/ca.pem&sentinel_password=two"
    server, sentinel = _client(url, {})
    assert sentinel is not None
    asked = [one.connection_pool.connection_kwargs for one in sentinel.sentinels]
    assert [(one["host"], one["port"], one["password"], one["ssl_ca_certs"]) for one in asked] == [
        ("a", 1, "two", "/etc/ca.pem"),
        ("b", 26379, "two", "/etc/ca.pem"),
    ]
    told = server.connection_pool.connection_kwargs
    assert (told["username"], told["password"], told["db"], told["ssl_ca_certs"]) == ("ada", "one", 2, "/etc/ca.pem")
    assert isinstance(server.connection_pool, SentinelConnectionPool)
    assert server.connection_pool.service_name == "main"


async def test_no_cancellation_is_lost(valkey: str) -> None:
    """Whoever is cancelled ends, whatever the client does with the cancellation."""
    connection, begun = Connection(valkey), asyncio.Event()

    async def swallow(answer: Exception | None) -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if answer is not None:
                raise answer from None
        return "answer"

    for answer in (None, OSError("lost")):
        begun.clear()
        task = asyncio.create_task(connection._do(swallow(answer)))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await connection.close()
