"""Stores that took long and could not be shown: they rest, so that asking for one again and again costs others little.

Pure: time comes in as an argument, in seconds.
"""

from .errors import RenderFailed

COSTLY = 0.1
"""Who took less does not rest, in seconds: what raises at once may be asked for at any time."""
TIMES = 5
"""A store rests so many times as long as it took."""
MOST = 1000
"""Most stores that rest; who began longest ago is let go first."""


class Rests:
    """Who rests, and why."""

    def __init__(self) -> None:
        self._until: dict[str, tuple[float, RenderFailed]] = {}

    def why(self, key: str, now: float) -> RenderFailed | None:
        """What a store that rests is answered with."""
        until, failed = self._until.get(key, (now, None))
        if failed is not None and until <= now:
            del self._until[key]
            return None
        return failed

    def add(self, failed: RenderFailed, took: float, now: float) -> None:
        """Let a store rest, if it took long to fail."""
        if took >= COSTLY and not failed.transient:
            self._until.pop(failed.key, None)
            self._until[failed.key] = (now + TIMES * took, failed)
            if len(self._until) > MOST:
                del self._until[next(iter(self._until))]
