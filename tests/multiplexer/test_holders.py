"""Who is told, with the registry and time given by hand."""

from collections.abc import Collection

from broker.registry import Found
from multiplexer.holders import REMEMBERED, Holders, is_private

MINE = 'drafts{"@actor": "ada"}'


class Registry:
    """Says the same of every front, and counts."""

    def __init__(self, **stores: list[str]) -> None:
        self.stores = stores
        self.asked: list[list[str]] = []

    async def find(self, stores: Collection[str], actors: Collection[str] = ()) -> Found:
        self.asked.append(sorted(stores))
        return Found(["one", "two"], {key: fronts for key, fronts in self.stores.items() if key in stores})


async def test_what_is_held() -> None:
    """One lookup tells what is held; a shared store is looked up again only after a while, one nobody held at once."""
    now = 0.0
    registry = Registry(a=["one"], b=["two"])
    holders = Holders(registry, lambda: now)
    assert (await holders.find(["a", "b", "c"])).held == {"a", "b"}
    now = REMEMBERED - 1
    registry.stores = {"c": ["one"]}
    assert (await holders.find(["a", "c"])).held == {"a", "c"}
    assert not (await holders.find(["a"])).apart
    now = REMEMBERED
    assert (await holders.find(["a", "c"])).held == {"c"}
    assert registry.asked == [["a", "b", "c"], ["c"], ["a"]]


async def test_a_private_store_is_always_looked_up() -> None:
    """With a private store among them all are looked up: each front is told what it holds."""
    registry = Registry(a=["one", "two"], **{MINE: ["two"]})
    holders = Holders(registry, lambda: 0.0)
    await holders.find(["a"])
    audience = await holders.find(["a", MINE])
    assert audience.apart
    assert audience.found.stores == {"a": ["one", "two"], MINE: ["two"]}
    assert registry.asked[-1] == sorted(["a", MINE])


async def test_actors_alone_are_looked_up() -> None:
    """Somebody is kicked, and no store moves."""
    registry = Registry()
    assert (await Holders(registry, lambda: 0.0).find([], ["ada"])).held == set()
    assert registry.asked == [[]]
    await Holders(registry, lambda: 0.0).find([])
    assert registry.asked == [[]]


def test_what_is_private() -> None:
    """The database puts the actor in; nobody can write a text that looks like it."""
    assert is_private(MINE)
    assert not is_private('room{"room": "\\"@actor\\": "}')
    assert not is_private('room{"room": "@actor"}')
