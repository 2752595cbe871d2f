"""Applies patches in place, and finds them: RFC 6902 with ``add``, ``remove`` and ``replace`` (docs/protocol.md §3).

The jsonpatch package copies and parses so much that a process of a few hundred subscribers did little else: it takes
thirty times as long as this, and what it finds has moves and copies in it. It is what the tests compare with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_INDEX = re.compile(r"0|[1-9][0-9]*", re.ASCII)


class PatchError(Exception):
    """The patch is none, or does not fit the document."""


def apply(document: Any, patch: Sequence[Mapping[str, Any]]) -> Any:  # noqa: ANN401 - any JSON
    """Apply a patch.

    Args:
        document: Any JSON value; it is changed in place, and half changed when this raises.
        patch: The operations; their values become part of the document.

    Returns:
        The document, which is another one if an operation replaced its root.

    Raises:
        PatchError: The patch is none, or does not fit the document.

    """
    try:
        for operation in patch:
            document = _apply_one(document, operation)
    except (KeyError, IndexError, TypeError, AttributeError) as exc:
        raise PatchError(f"{type(exc).__name__}: {exc}") from exc
    return document


def difference(before: Any, after: Any, path: str = "") -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON
    """Find a patch that makes one document another.

    Args:
        before: Any JSON value.
        after: Likewise; the operations share its parts.
        path: JSON pointer to where both stand, if they are parts of documents.

    Returns:
        The operations, none if both are the same JSON. Of two objects it names the members that differ; of two arrays,
        what lies between their common beginning and end.

    """
    if isinstance(before, dict) and isinstance(after, dict):
        ops = [{"op": "remove", "path": f"{path}/{_escape(name)}"} for name in before if name not in after]
        for name, value in after.items():
            place = f"{path}/{_escape(name)}"
            if name in before:
                ops += difference(before[name], value, place)
            else:
                ops.append({"op": "add", "path": place, "value": value})
        return ops
    if isinstance(before, list) and isinstance(after, list):
        return _difference_of_arrays(before, after, path)
    return [] if _same(before, after) else [{"op": "replace", "path": path, "value": after}]


def _difference_of_arrays(before: list[Any], after: list[Any], path: str) -> list[dict[str, Any]]:
    both = min(len(before), len(after))
    start = next((i for i in range(both) if not _same(before[i], after[i])), both)
    both -= start
    end = next((i for i in range(both) if not _same(before[-1 - i], after[-1 - i])), both)
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    ops: list[dict[str, Any]] = []
    for index, (one, other) in enumerate(zip(old, new, strict=False), start):
        ops += difference(one, other, f"{path}/{index}")
    ops += [{"op": "remove", "path": f"{path}/{start + i}"} for i in range(len(old) - 1, len(new) - 1, -1)]
    ops += [{"op": "add", "path": f"{path}/{start + i}", "value": new[i]} for i in range(len(old), len(new))]
    return ops


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one) == len(other) and all(name in other and _same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    # Python's True is 1, JSON's is not.
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _apply_one(document: Any, operation: Mapping[str, Any]) -> Any:  # noqa: ANN401
    kind, path = operation["op"], operation["path"]
    if kind not in {"add", "remove", "replace"}:
        raise PatchError(f"unknown operation {kind!r}")
    if path == "":
        if kind == "remove":
            raise PatchError("the root cannot be removed")
        return operation["value"]
    start, *tokens = path.split("/")
    if start:
        raise PatchError(f"{path!r} is no JSON pointer")
    if "~" in path:
        # RFC 6901 §4: in this order.
        tokens = [token.replace("~1", "/").replace("~0", "~") for token in tokens]
    parent = document
    for token in tokens[:-1]:
        parent = parent[_index(token)] if isinstance(parent, list) else parent[token]
    if isinstance(parent, dict):
        _change_object(parent, tokens[-1], operation)
    elif isinstance(parent, list):
        _change_array(parent, tokens[-1], operation)
    else:
        raise PatchError(f"{path!r} leads into a value that has no members")
    return document


def _change_object(parent: dict[str, Any], name: str, operation: Mapping[str, Any]) -> None:
    if operation["op"] == "remove":
        del parent[name]
        return
    if operation["op"] == "replace" and name not in parent:
        raise PatchError(f"there is no member {name!r} to replace")
    parent[name] = operation["value"]


def _change_array(parent: list[Any], token: str, operation: Mapping[str, Any]) -> None:
    if operation["op"] == "add":
        index = len(parent) if token == "-" else _index(token)  # noqa: S105 - no password
        if index > len(parent):
            raise PatchError(f"index {index} is beyond the end")
        parent.insert(index, operation["value"])
    elif operation["op"] == "remove":
        del parent[_index(token)]
    else:
        parent[_index(token)] = operation["value"]


def _index(token: str) -> int:
    if not _INDEX.fullmatch(token):
        raise PatchError(f"{token!r} is no index of an array")
    return int(token)
