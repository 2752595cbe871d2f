import json

from broker.messages import Snapshot, Update
from front.store_cache import MERGED, RING_BYTES, Position, StoreCache

from .wire import Json, texts


def snapshot(version: int, *, epoch: str = "e", padding: int = 0) -> Snapshot:
    frame = {"type": "snapshot", "store": "s", "epoch": epoch, "version": version, "document": {"x": "x" * padding}}
    return Snapshot("s", epoch, version, json.dumps(frame).encode())


def update(start: int, end: int, *, epoch: str = "e", padding: int = 0) -> Update:
    patch = [{"op": "add", "path": "/x", "value": "x" * padding}]
    frame = {"type": "update", "store": "s", "epoch": epoch, "from": start, "to": end, "patch": patch}
    return Update("s", epoch, start, end, json.dumps(frame).encode())


def steps(data: bytes | None) -> list[str]:
    """Frames in short: ``=4`` for a snapshot at 4, ``4>5`` for an update."""
    assert data is not None
    return [_step(frame) for frame in texts(data)]


def _step(frame: Json) -> str:
    return f"={frame['version']}" if frame["type"] == "snapshot" else f"{frame['from']}>{frame['to']}"


def filled(*updates: Update, version: int = 0) -> StoreCache:
    """A cache with a snapshot and updates after it."""
    cache = StoreCache()
    cache.take_snapshot(snapshot(version))
    for each in updates:
        assert cache.take_update(each)
    return cache


def test_an_empty_cache_has_nothing() -> None:
    """Before the first snapshot nobody can be served."""
    cache = StoreCache()
    assert (cache.position, cache.whole(), cache.since(Position("e", 0)), cache.awaits_snapshot) == (
        None,
        None,
        None,
        False,
    )


def test_the_chain_grows() -> None:
    """Each next update goes to holders and is there for newcomers."""
    cache = filled(update(0, 1), update(1, 4))
    assert cache.position == Position("e", 4)
    assert steps(cache.whole()) == ["=0", "0>4"]


def test_everybody_gets_the_same_bytes() -> None:
    """Frames are made once: whoever comes while the chain stands still gets the same object."""
    cache = filled(update(0, 1), update(1, 2))
    assert cache.whole() is cache.whole()
    first, second = cache.since(Position("e", 0)), cache.since(Position("e", 0))
    assert first is not None
    assert first is second


def test_what_is_known_is_dropped() -> None:
    """An update at or below our version changes nothing."""
    cache = filled(update(0, 2))
    assert cache.take_update(update(0, 1)) == b""
    assert cache.take_update(update(0, 2)) == b""
    assert not cache.awaits_snapshot


def test_a_resume_continues_where_it_ended() -> None:
    """§3: within the ring the updates after a position, at the end none, elsewhere no answer."""
    cache = filled(update(0, 1), update(1, 4), update(4, 5))
    since = {version: cache.since(Position("e", version)) for version in range(7)}
    assert [steps(data) if data is not None else None for data in since.values()] == [
        ["0>5"],
        ["1>5"],
        None,
        None,
        ["4>5"],
        [],
        None,
    ]
    assert cache.since(Position("other", 1)) is None


def test_updates_wait_for_their_snapshot() -> None:
    """What comes while a snapshot is on its way is held, and what the snapshot covers is dropped."""
    cache = StoreCache()
    for each in (update(3, 4), update(4, 5), update(5, 6)):
        assert cache.take_update(each) == b""
    assert cache.awaits_snapshot
    assert steps(cache.take_snapshot(snapshot(5))) == ["=5", "5>6"]
    assert cache.position == Position("e", 6)
    assert not cache.awaits_snapshot


def test_a_gap_waits_for_a_snapshot() -> None:
    """An update beyond our version is not sent; the snapshot that closes the gap starts from anew for everybody."""
    cache = filled()
    assert cache.take_update(update(2, 3)) == b""
    assert cache.take_update(update(3, 4)) == b""
    assert steps(cache.take_snapshot(snapshot(3))) == ["=3", "3>4"]


def test_what_was_overtaken_closes_the_gap() -> None:
    """A link that comes late is the next one still, and what waited for it follows."""
    cache = filled()
    for each in (update(3, 4), update(2, 3), update(1, 2)):
        assert cache.take_update(each) == b""
    assert steps(cache.take_update(update(0, 1))) == ["0>1"]
    assert steps(cache.follows()) == ["1>2", "2>3", "3>4"]
    assert not cache.awaits_snapshot
    assert cache.take_snapshot(snapshot(1)) == b"", "it was asked for meanwhile"
    assert steps(cache.whole()) == ["=0", "0>4"]


def test_a_snapshot_before_the_gap_does_not_close_it() -> None:
    """Then the next one is waited for."""
    cache = filled()
    cache.take_update(update(2, 3))
    assert steps(cache.take_snapshot(snapshot(1))) == ["=1"]
    assert cache.awaits_snapshot
    assert steps(cache.take_snapshot(snapshot(2))) == ["=2", "2>3"]


def test_a_late_link_of_another_epoch_is_let_go() -> None:
    """What an old epoch still says neither blocks the new one nor is asked after for ever."""
    cache = filled(update(0, 1))
    assert cache.take_update(update(7, 8, epoch="old")) == b""
    assert steps(cache.take_update(update(1, 2))) == ["1>2"]
    assert cache.follows() == b""
    assert cache.awaits_snapshot
    assert cache.take_snapshot(snapshot(2)) == b""
    assert not cache.awaits_snapshot


def test_another_epoch_replaces() -> None:
    """A snapshot of another epoch is news at any version."""
    cache = filled(update(0, 9))
    assert steps(cache.take_snapshot(snapshot(1, epoch="new"))) == ["=1"]
    assert cache.position == Position("new", 1)


def test_old_news_is_dropped() -> None:
    """A snapshot at or below our version is not sent."""
    cache = filled(update(0, 2))
    assert cache.take_snapshot(snapshot(1)) == b""
    assert cache.take_snapshot(snapshot(2)) == b""
    assert steps(cache.whole()) == ["=0", "0>2"]


def test_the_ring_is_capped() -> None:
    """Old updates go; who is still in reach is served, a newcomer needs a new snapshot, which connects to the ring."""
    size = RING_BYTES // 4
    cache = filled(*(update(n, n + 1, padding=size) for n in range(6)))
    assert cache.whole() is None
    assert cache.since(Position("e", 2)) is None
    assert cache.since(Position("e", 4)) is not None
    assert cache.take_snapshot(snapshot(1)) == b"", "out of the ring's reach"
    assert cache.whole() is None
    assert cache.take_snapshot(snapshot(5)) == b"", "holders have it already"
    assert steps(cache.whole()) == ["=5", "5>6"]


def test_what_cannot_be_merged_is_let_go() -> None:
    """A patch that an application said badly reaches holders as it is; who lags gets the next snapshot instead."""
    bad = Update("s", "e", 1, 2, update(1, 2).frame.replace(b'"add"', b'"test"'))
    cache = filled(update(0, 1), bad, update(2, 3))
    assert cache.since(Position("e", 1)) is None
    assert cache.whole() is None
    assert cache.since(Position("e", 3)) == b""
    assert cache.take_snapshot(snapshot(3)) == b""
    assert cache.take_update(update(3, 4))
    assert steps(cache.whole()) == ["=3", "3>4"]


def test_few_merged_updates_are_kept() -> None:
    """Of the versions that somebody comes back with, those of late."""
    cache = filled(*(update(n, n + 1) for n in range(MERGED + 2)))
    first = cache.since(Position("e", 0))
    for version in range(1, MERGED + 1):
        cache.since(Position("e", version))
    assert len(cache._merged) == MERGED
    assert cache.since(Position("e", 0)) is not first
    assert cache.since(Position("e", 0)) == first


def test_what_waited_may_be_more_than_the_ring() -> None:
    """With the snapshot it has to reach everybody, all the same."""
    cache = filled()
    assert cache.take_update(update(1, 2, padding=2 * RING_BYTES)) == b""
    assert steps(cache.take_snapshot(snapshot(1))) == ["=1", "1>2"]
    assert cache.whole() is None


def test_a_large_store_gets_a_large_ring() -> None:
    """Patches may weigh twice what the snapshot does."""
    cache = StoreCache()
    cache.take_snapshot(snapshot(0, padding=RING_BYTES))
    for number in range(3):
        cache.take_update(update(number, number + 1, padding=RING_BYTES // 2))
    assert steps(cache.whole()) == ["=0", "0>3"]


def test_an_update_larger_than_the_ring_moves_the_chain() -> None:
    """It reaches holders; who comes later needs a snapshot."""
    cache = filled()
    assert cache.take_update(update(0, 1, padding=2 * RING_BYTES))
    assert cache.whole() is None
    assert cache.since(Position("e", 1)) is not None


def test_what_waits_is_capped() -> None:
    """A snapshot that does not come does not cost memory without end."""
    cache = StoreCache()
    for number in range(100):
        cache.take_update(update(number, number + 1, padding=RING_BYTES // 10))
    assert steps(cache.take_snapshot(snapshot(0))) == ["=0"]
    assert cache.awaits_snapshot, "the oldest were let go of, so there is a gap"
    assert steps(cache.take_snapshot(snapshot(99))) == ["=99", "99>100"]
