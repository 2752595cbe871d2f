"""Stores as ready frames: snapshots for fronts that ask, and patches as their ``update`` frames.

A store that was only touched says that it moved and not how: it is rendered, and the difference to the document
rendered last is its patch. jsonpatch finds it.
"""

import logging
from collections.abc import Sequence

import jsonpatch
import orjson

from broker.messages import Error, Gone, Snapshot, Update

from .database import Reader, Rendered
from .errors import RenderFailed
from .numbers import unfit

log = logging.getLogger("multiplexer.renderer")

REMEMBERED = 256
"""Most touched stores whose last document is kept for the next difference."""


def snapshot(store: Rendered) -> Snapshot:
    """Frame a whole store (docs/protocol.md §3); its document goes in as Postgres wrote it."""
    frame = b'{"type":"snapshot","store":%b,"epoch":%b,"version":%d,"document":%b}' % (
        orjson.dumps(store.key),
        orjson.dumps(store.epoch),
        store.version,
        store.document.encode(),
    )
    return Snapshot(store.key, store.epoch, store.version, frame)


def update(key: str, epoch: str, from_version: int, to_version: int, ops: bytes) -> Update:
    """Frame a patch (docs/protocol.md §3); ``ops`` is its JSON text, made once for everybody."""
    frame = b'{"type":"update","store":%b,"epoch":%b,"from":%d,"to":%d,"patch":%b}' % (
        orjson.dumps(key),
        orjson.dumps(epoch),
        from_version,
        to_version,
        ops,
    )
    return Update(key, epoch, from_version, to_version, frame)


async def snapshots(keys: Sequence[str], reader: Reader) -> dict[str, Snapshot | Gone]:
    """Render stores as they are after this call began, each once; the answers are by key."""
    if not keys:
        return {}
    return {rendered.key: _answer(rendered) for rendered in await reader.render(keys)}


def gone(key: str, reason: object) -> Gone:
    """Say that a store cannot be rendered; the reason is for the log alone."""
    log.warning("cannot render %s: %s", key, reason)
    return Gone(key, Error("failed", "The store cannot be rendered."))


def _answer(rendered: Rendered | RenderFailed) -> Snapshot | Gone:
    if isinstance(rendered, RenderFailed):
        return gone(rendered.key, rendered.reason)
    if number := unfit(rendered.document.encode()):
        return gone(rendered.key, f"no client can hold the number {number}")
    return snapshot(rendered)


class Differ:
    """Finds how touched stores have changed since they were rendered last.

    Args:
        reader: Where they are rendered.

    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._last: dict[str, Rendered] = {}

    def forget(self, key: str) -> None:
        """Note that a store moved by a patch: the document rendered last is no longer what fronts hold."""
        self._last.pop(key, None)

    async def difference(self, key: str, to_version: int) -> Update | Snapshot | Gone | None:
        """Render a touched store and compare.

        Returns:
            An update from the version rendered last; a snapshot if there is none; nothing if it was told already.

        """
        before = self._last.pop(key, None)
        if before is not None and before.version >= to_version:
            self._last[key] = before
            return None
        (after,) = await self._reader.render([key])
        answer = _answer(after)
        if isinstance(answer, Gone) or isinstance(after, RenderFailed):
            return answer
        self._last[key] = after
        if len(self._last) > REMEMBERED:
            del self._last[next(iter(self._last))]
        if before is None or before.epoch != after.epoch:
            return answer
        ops = jsonpatch.make_patch(orjson.loads(before.document), orjson.loads(after.document)).patch
        return update(key, after.epoch, before.version, after.version, orjson.dumps(ops))
