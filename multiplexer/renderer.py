"""Stores as ready frames: snapshots, and patches as their ``update`` frames."""

import logging

import orjson

from broker import patch
from broker.messages import Error, Gone, Snapshot, Update

from .engine import Rendered
from .errors import RenderFailed
from .numbers import unfit

log = logging.getLogger("multiplexer.renderer")

SMALL = 4096
"""So long a difference is told even of a document that is shorter, in bytes."""
REASONS = {"failed": "The store cannot be rendered.", "store_too_large": "The store is too large."}
"""What clients are told of a store that is gone, by code (docs/protocol.md §6)."""


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


def difference(before: Rendered, after: Rendered) -> Update | Snapshot:
    """Frame how a store came from one document to a later one; whole, where that is much shorter."""
    ops = orjson.dumps(patch.difference(orjson.loads(before.document), orjson.loads(after.document)))
    if len(ops) > max(len(after.document), SMALL):
        return snapshot(after)
    return update(after.key, after.epoch, before.version, after.version, ops)


def fit(rendered: Rendered | RenderFailed) -> Rendered | Gone | None:
    """Tell whether a store can be shown: as it is, as gone, or nothing as long as that is not known."""
    if isinstance(rendered, Rendered):
        if number := unfit(rendered.document.encode()):
            return gone(rendered.key, f"no client can hold the number {number}")
        return rendered
    if rendered.transient:
        log.warning("cannot render %s just now: %s", rendered.key, rendered.reason)
        return None
    return gone(rendered.key, rendered.reason, rendered.code)


def gone(key: str, reason: object, code: str = "failed") -> Gone:
    """Say that a store cannot be rendered; the reason is for the log alone."""
    log.warning("cannot render %s: %s", key, reason)
    return Gone(key, Error(code, REASONS[code]))
