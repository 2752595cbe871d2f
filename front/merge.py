"""Patches of a chain made into one, for who lags (docs/protocol.md §3): it is applied once and rendered once.

Operations that follow each other are a patch, whatever the document; values are carried as the text they are. What a
later operation overwrites is left out: a number that changed a thousand times costs a slow client one operation.
"""

import math
import re
from collections.abc import Container, Sequence

import msgspec
from msgspec import Raw

from .frames import Operation, Update, build

_decoder = msgspec.json.Decoder(Update)

# A step that may lead into a list: what it names depends on what stands before it there.
_INTO_A_LIST = re.compile(r"/(?:-|[0-9]+)(?:/|$)")


class Unmergeable(Exception):
    """An update has operations that are none of the protocol's: the application said the patch itself, and badly."""


def merged(updates: Sequence[bytes]) -> bytes:
    """Make one update of several.

    Args:
        updates: JSON of ``update`` frames, each continuing the one before.

    Returns:
        The frame that takes a document from where the first begins to where the last ends, ready for the wire.

    Raises:
        Unmergeable: It cannot be said.

    """
    try:
        chain = [_decoder.decode(update) for update in updates]
    except msgspec.MsgspecError as exc:
        raise Unmergeable(str(exc)) from None
    first, last = chain[0], chain[-1]
    patch = _what_counts([operation for update in chain for operation in update.patch])
    return build(Update(first.store, first.epoch, first.from_version, last.to_version, patch))


def _what_counts(operations: Sequence[Operation]) -> list[Operation]:
    """Leave out what is overwritten later; it comes to the same on every document on which all of them can be done."""
    kept: list[Operation] = []
    # From the last to the first: what later operations do to the places they name, and how deep the highest of them is.
    later: dict[str, str] = {}
    highest = math.inf
    for operation in reversed(operations):
        op, path = operation.op, operation.path
        depth = path.count("/")
        if depth > highest and _is_within(path, later):
            continue
        done = later.get(path)
        if done is not None:
            if done == "add" or op == "replace":
                continue
            if done == "remove" and op == "add":
                # Whether it was there before is not known, and it has to be there to be removed.
                operation = Operation("add", path, _NULL)  # noqa: PLW2901 - the one that is kept
        kept.append(operation)
        if not _INTO_A_LIST.search(path):
            later[path] = op
            highest = min(highest, depth)
    kept.reverse()
    return kept


def _is_within(path: str, places: Container[str]) -> bool:
    """Whether a place is part of one of these."""
    while path:
        path = path[: path.rfind("/")]
        if path in places:
            return True
    return False


_NULL = Raw(b"null")
