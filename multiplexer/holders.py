"""Which front holds which store, as far as their leases tell.

Derived from the fronts' own renewals and lost with the process: a new multiplexer learns it anew (docs/design.md).
Pure: time comes in as an argument.
"""

from collections.abc import Iterable

from broker.messages import Held


class Holders:
    """Leases of fronts on store keys; all times are in seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._leases: dict[str, dict[str, float]] = {}
        self._behind: dict[str, dict[str, int]] = {}
        self._fronts: dict[str, float] = {}

    def hold(self, front: str, key: str, until: float) -> None:
        """Note that a front holds a store until then."""
        self._leases.setdefault(key, {})[front] = until

    def renew(self, front: str, keys: Iterable[str], until: float) -> None:
        """Note that a front holds these stores until then, and no others."""
        kept = set(keys)
        for key in [key for key, leases in self._leases.items() if front in leases and key not in kept]:
            self._let_go(front, key)
        for key in kept:
            self.hold(front, key, until)
        self._fronts[front] = until

    def sweep(self, now: float) -> None:
        """Forget the fronts that have not renewed in time."""
        for front in [front for front, until in self._fronts.items() if until <= now]:
            self.renew(front, (), now)
            del self._fronts[front]
            self._behind.pop(front, None)

    def _let_go(self, front: str, key: str) -> None:
        del self._leases[key][front]
        if not self._leases[key]:
            del self._leases[key]

    def held(self, key: str, now: float) -> bool:
        """Tell whether any front holds a store."""
        leases = self._leases.get(key)
        if leases is None:
            return False
        for front in [front for front, until in leases.items() if until <= now]:
            del leases[front]
        if not leases:
            del self._leases[key]
        return bool(leases)

    def fronts(self, key: str, now: float) -> set[str]:
        """Tell which fronts hold a store."""
        return set(self._leases[key]) if self.held(key, now) else set()

    def keys(self, now: float) -> list[str]:
        """Tell which stores any front holds."""
        return [key for key in list(self._leases) if self.held(key, now)]

    def stale(self, front: str, held: Iterable[Held], epoch: str, versions: dict[str, int]) -> list[str]:
        """Tell which stores of a front are behind by more than what is on its way.

        An update may be on its way while the front renews, so one that is merely behind is waited for until its next
        renewal. A front that is new here is not waited for: it may have missed what was before this multiplexer's time.

        Args:
            front: The front that renews.
            held: What it says it holds.
            epoch: The epoch of the database.
            versions: The versions in the database, by key.

        Returns:
            Keys of the stores to send it as snapshots.

        """
        stale: list[str] = []
        before = self._behind.get(front)
        behind: dict[str, int] = {}
        for store in held:
            version = versions.get(store.key, 0)
            if store.epoch != epoch:
                stale.append(store.key)
            elif store.version < version:
                if before is None or store.version < before.get(store.key, 0):
                    stale.append(store.key)
                else:
                    behind[store.key] = version
        self._behind[front] = behind
        return stale
