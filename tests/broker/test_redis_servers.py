"""The bus keeps its promises on each kind of server that it may be given."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from broker.conformance import Conformance, hear, lead, numbers, parcel, take, until
from broker.redis_bus import RedisFrontBus, RedisMultiplexerBus
from fluxwire.stack import binaries
from tests.services import scratch_folder

from .cluster import RedisCluster
from .servers import guarded, redis_server, with_password, with_tls


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def password(folder: Path) -> Iterator[str]:
    with with_password(folder) as url:
        yield url


@pytest.fixture(scope="module")
def tls(folder: Path) -> Iterator[tuple[str, str]]:
    with with_tls(folder) as urls:
        yield urls


class TestPassword(Conformance):
    """Redis 7 that wants a password."""

    @pytest.fixture
    async def cluster(self, password: str, namespace: str) -> AsyncIterator[RedisCluster]:
        cluster = RedisCluster(password, namespace)
        yield cluster
        await cluster.close()


class TestTls(Conformance):
    """Redis 7 behind TLS, and an account with no more rights than docs/operations.md says."""

    @pytest.fixture
    async def cluster(self, tls: tuple[str, str], namespace: str) -> AsyncIterator[RedisCluster]:
        cluster = RedisCluster(tls[0], namespace, admin=tls[1])
        yield cluster
        await cluster.close()


@pytest.mark.parametrize("kind", ["valkey", "redis"])
async def test_failover(kind: str) -> None:
    """When the server dies its replica is promoted, and both ends go on with that by themselves."""
    program = binaries.valkey() if kind == "valkey" else redis_server()
    with scratch_folder() as folder, guarded(program, folder) as servers:
        front, multiplexer = RedisFrontBus(servers.url, "n", "f"), RedisMultiplexerBus(servers.url, "n", "m")
        await front.start()
        await front.append(parcel(1))
        assert numbers(await take(multiplexer, 1)) == [1]
        await multiplexer.publish(lead(1))
        assert await hear(front, 1) == lead(1)

        servers.kill_first()

        async def again() -> list[object]:
            await front.append(parcel(2))
            await multiplexer.publish(lead(2))
            return [None]

        await until(again, 1)
        assert numbers(await take(multiplexer, 1))[-1] == 2
        assert (await hear(front, 1))[-1:] == lead(2)
        await front.close()
        await multiplexer.close()
