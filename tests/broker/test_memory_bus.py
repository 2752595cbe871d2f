"""The bus inside one process keeps the promises of a bus."""

import subprocess
import sys

import pytest

from broker.bus import FrontBus, Missed, MultiplexerBus
from broker.conformance import MANY, Conformance, lead
from broker.memory_bus import MemoryBus
from broker.registry import LEASE


class MemoryCluster:
    def __init__(self) -> None:
        self.bus = MemoryBus(quiet=0.05)

    def front(self, front: str, *, most: int = MANY, lease: float = LEASE) -> FrontBus:
        return self.bus.front(front, most=most, lease=lease)

    def multiplexer(self, name: str) -> MultiplexerBus:
        return self.bus.multiplexer()

    async def flush(self) -> None:
        self.bus.flush()


class TestMemoryBus(Conformance):
    @pytest.fixture
    def cluster(self) -> MemoryCluster:
        return MemoryCluster()


async def test_trimming() -> None:
    """A front that lags behind finds the newest entries, in order."""
    bus = MemoryBus(max_entries=3)
    front, multiplexer = bus.front("f"), bus.multiplexer()
    await front.start()
    for term in range(5):
        await multiplexer.publish(lead(term))
    assert await front.read() == [Missed(), *lead(2, 3, 4)]


def test_the_suite_needs_no_pytest() -> None:
    """It ships with the package, and whoever writes a bus brings what runs it."""
    script = "import sys; sys.modules['pytest'] = None; import broker.conformance"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
