"""Both ends of the bus on a real server, and a look behind it."""

from redis.asyncio import Redis

from broker.bus import FrontBus, MultiplexerBus
from broker.conformance import MANY
from broker.redis_bus import RedisFrontBus, RedisMultiplexerBus
from broker.registry import LEASE


class RedisCluster:
    """Ends on one server, closed at the end of a test.

    Args:
        url: What the ends are given.
        namespace: Prefix of their keys.
        admin: Address for an account that may look at everything, if the one of the ends may not.

    """

    def __init__(self, url: str, namespace: str, admin: str | None = None) -> None:
        self.url = url
        self.namespace = namespace
        self.redis = Redis.from_url(admin or url)
        self.ends: list[FrontBus | MultiplexerBus] = []

    def front(self, front: str, *, most: int = MANY, lease: float = LEASE) -> FrontBus:
        end = RedisFrontBus(self.url, self.namespace, front, most=most, lease=lease)
        self.ends.append(end)
        return end

    def multiplexer(self, name: str) -> MultiplexerBus:
        end = RedisMultiplexerBus(self.url, self.namespace, name)
        self.ends.append(end)
        return end

    async def flush(self) -> None:
        if keys := await self.keys():
            await self.redis.delete(*keys)

    async def keys(self) -> list[bytes]:
        return [key async for key in self.redis.scan_iter(f"{self.namespace}:*")]

    async def length(self, stream: str) -> int:
        return int(await self.redis.xlen(f"{self.namespace}:{stream}"))

    async def close(self) -> None:
        for end in self.ends:
            await end.close()
        await self.flush()
        await self.redis.aclose()
