"""Addresses of servers, and the kinds of servers behind them."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio.sentinel import SentinelConnectionPool

from broker.conformance import DEADLINE
from broker.errors import BadAddress, BusLost
from broker.redis_connection import Connection, _client, check_address, is_error


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


async def test_answers_find_who_asked(valkey: str) -> None:
    """Commands of several callers run in the order of the calls, and each gets its own answer; one may be an error."""
    connection = Connection(valkey)
    pushed, refused, listed, asked = await asyncio.gather(
        connection.run("RPUSH", "own", "a", "b"),
        connection.run("XLEN", "own"),
        connection.run_all([("RPUSH", "own", "c"), ("LRANGE", "own", 0, -1)]),
        connection.run("PING"),
        return_exceptions=True,
    )
    assert (pushed, listed, asked) == (2, [3, [b"a", b"b", b"c"]], True)
    assert isinstance(refused, BusLost)
    assert is_error(refused, "WRONGTYPE")
    await connection.close()


async def test_nobody_gets_the_answer_of_who_was_cancelled(valkey: str) -> None:
    """Whoever is cancelled ends, and who asked after him gets his own answer."""
    connection = Connection(valkey)
    await connection.run("PING")
    cancelled = asyncio.create_task(connection.run("ECHO", "one"))
    after = asyncio.create_task(connection.run("ECHO", "two"))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert await after == b"two"
    await connection.close()


async def test_nobody_waits_for_who_was_cancelled(valkey: str) -> None:
    """Where Redis may hold back a command, the next one does not wait for one that nobody waits for any more."""
    connection = Connection(valkey, waits=2 * DEADLINE)
    await connection.run("PING")
    cancelled = asyncio.create_task(connection.run("XREAD", "BLOCK", round(2000 * DEADLINE), "STREAMS", "none", "$"))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    async with asyncio.timeout(DEADLINE):
        assert await connection.run("ECHO", "two") == b"two"
    await connection.close()


async def test_who_is_cancelled_ends(valkey: str) -> None:
    """Wherever it is between connecting and the answer when it is cancelled, it does not go on."""
    turns, answered = 0, False
    while not answered:
        connection = Connection(valkey)
        cancelled = asyncio.create_task(connection.run("PING"))
        for _ in range(turns):
            await asyncio.sleep(0)
        answered = cancelled.done()
        cancelled.cancel()
        if not answered:
            with pytest.raises(asyncio.CancelledError):
                await cancelled
        turns += 1
        await connection.close()


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\n\r\n", b"+OK\r\n+OK\r\n"])
async def test_no_redis(tmp_path: Path, said: bytes) -> None:
    """Who does not speak as Redis, or speaks unasked, is no server."""

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.writelines([said, said])
        writer.close()

    async with await asyncio.start_unix_server(speak, tmp_path / "other.sock"):
        connection = Connection(f"unix://{tmp_path}/other.sock")
        with pytest.raises(BusLost):
            await connection.run("PING")
        await connection.close()
