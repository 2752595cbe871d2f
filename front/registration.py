"""What this front holds and whom it serves, and what of it the registry does not know yet (``broker.registry``)."""

from collections.abc import Collection

from broker.registry import Changes


class Registration:
    """Gathers what changes between two appends; what comes and goes in between is no change."""

    __slots__ = ("_actors", "_arrivals", "_store_changes")

    def __init__(self) -> None:
        self._actors: dict[str, int] = {}  # connections
        # What the registry does not know: whether it has come (True) or gone.
        self._store_changes: dict[str, bool] = {}
        self._arrivals: dict[str, bool] = {}

    def hold(self, key: str) -> None:
        """A store is held from now on."""
        _note(self._store_changes, key, came=True)

    def drop(self, key: str) -> None:
        """A store is held no longer."""
        _note(self._store_changes, key, came=False)

    def arrive(self, actor: str) -> None:
        """A connection of an actor was opened."""
        count = self._actors[actor] = self._actors.get(actor, 0) + 1
        if count == 1:
            _note(self._arrivals, actor, came=True)

    def depart(self, actor: str) -> None:
        """A connection of an actor was closed."""
        self._actors[actor] -= 1
        if not self._actors[actor]:
            del self._actors[actor]
            _note(self._arrivals, actor, came=False)

    def __bool__(self) -> bool:
        """Whether there are changes."""
        return bool(self._store_changes or self._arrivals)

    def take(self) -> Changes:
        """The changes, which the registry is about to know."""
        stores, self._store_changes = self._store_changes, {}
        actors, self._arrivals = self._arrivals, {}
        return Changes(
            held=[key for key, came in stores.items() if came],
            dropped=[key for key, came in stores.items() if not came],
            arrived=[actor for actor, came in actors.items() if came],
            departed=[actor for actor, came in actors.items() if not came],
        )

    def take_all(self) -> Collection[str]:
        """All actors, which the registry is about to know together with all stores; then there are no changes."""
        self.take()
        return list(self._actors)


def _note(changes: dict[str, bool], text: str, *, came: bool) -> None:
    # The opposite of what the registry has not heard of yet is nothing new to it.
    if changes.pop(text, came) == came:
        changes[text] = came
