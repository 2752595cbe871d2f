"""A chain that is broken is told of once; one that is whole never."""

import pytest

from fluxwire.chaos.chains import Chains
from fluxwire.client.frames import Frame, Snapshot, Subscribed, Update, Welcome

WELCOME = Welcome(protocol=1, actor="ada", max_frame=65536, heartbeat_ms=25000)


def subscribed(*, resumed: bool = False, store: str = "room") -> Subscribed:
    return Subscribed(id=1, store=store, epoch="e", version=1, resumed=resumed)


def snapshot(version: int, epoch: str = "e") -> Snapshot:
    return Snapshot(store="room", epoch=epoch, version=version, document={})


def update(before: int, after: int, epoch: str = "e", store: str = "room") -> Update:
    return Update(store=store, epoch=epoch, from_version=before, to_version=after, patch=[])


BEGIN = (WELCOME, subscribed(), snapshot(1))


@pytest.mark.parametrize(
    ("frames", "breaks"),
    [
        ((update(1, 2), update(2, 5), update(5, 6)), 0),
        ((update(1, 2), snapshot(7), update(7, 8)), 0),
        ((update(1, 2), snapshot(0, "f"), update(0, 1, "f")), 0),
        ((update(1, 2), WELCOME, subscribed(resumed=True), update(2, 3)), 0),
        ((update(1, 2), WELCOME, subscribed(), snapshot(9), update(9, 10)), 0),
        ((update(1, 2), subscribed(resumed=True), update(2, 3)), 0),
        ((update(1, 2), subscribed(), snapshot(2), update(2, 3)), 0),
        ((update(4, 5, store="another"),), 0),
        ((WELCOME, update(7, 8)), 0),
        ((update(1, 2), update(1, 2)), 1),
        ((update(1, 2), update(3, 4), update(4, 5)), 1),
        ((update(2, 3), update(1, 2), update(3, 4)), 3),
        ((update(1, 2, "f"),), 1),
        ((update(1, 1),), 1),
        ((WELCOME, subscribed(), update(1, 2), snapshot(2)), 1),
        ((WELCOME, subscribed(resumed=True), update(0, 1)), 1),
        ((WELCOME, subscribed(resumed=True, store="never held")), 1),
    ],
)
def test_chain(frames: tuple[Frame, ...], breaks: int) -> None:
    """Each update continues what its subscriber holds, also over connections; a snapshot begins anew."""
    broken: list[str] = []
    chains = Chains("ada", broken.append)
    for frame in (*BEGIN, *frames):
        chains.take(frame)
    assert len(broken) == breaks, broken
