"""The frames of the protocol as the Python client knows them, and their JSON (docs/protocol.md §2 to §5)."""

from __future__ import annotations

from typing import Any

import msgspec


class ProtocolFault(Exception):
    """A front said something that is no frame of the protocol."""


class Error(msgspec.Struct, frozen=True):
    """§6: a code for programs, a message for developers."""

    code: str
    message: str
    constraint: str | None = None
    column: str | None = None


class Down(msgspec.Struct, frozen=True, tag_field="type", tag=str.lower):
    """Base of what a front says."""


class Welcome(Down, frozen=True):
    """§2: the connection is open."""

    protocol: int
    actor: str
    max_frame: int
    """Longest frame the front takes, in bytes."""
    heartbeat_ms: int


class Pong(Down, frozen=True):
    """§2: the front is there."""


class Subscribed(Down, frozen=True):
    """§3: the next commit that changes this store reaches us."""

    id: int
    store: str
    epoch: str
    version: int
    resumed: bool


class Unsubscribed(Down, frozen=True):
    """§3: the subscription has ended, or never began."""

    id: int
    error: Error


class Snapshot(Down, frozen=True):
    """§3: a whole store."""

    store: str
    epoch: str
    version: int
    document: Any


class Update(Down, frozen=True, rename={"from_version": "from", "to_version": "to"}):
    """§3: a patch of a store."""

    store: str
    epoch: str
    from_version: int
    to_version: int
    patch: list[dict[str, Any]]


class Commit(Down, frozen=True):
    """§5: how many of the next frames belong together."""

    updates: int


class Outcome(Down, frozen=True):
    """§4: what became of an action."""

    number: int
    status: str
    lane: int = 0
    reply: Any = None
    error: Error | None = None
    stores: dict[str, int] = {}


Frame = Welcome | Pong | Subscribed | Unsubscribed | Snapshot | Update | Commit | Outcome

_frames = msgspec.json.Decoder(Frame)
_KNOWN = {"welcome", "pong", "subscribed", "unsubscribed", "snapshot", "update", "commit", "outcome"}


def parse(text: str | bytes) -> Frame | None:
    """Read what a front said.

    Returns:
        The frame, or None if it is of an unknown type, which is ignored (§1).

    Raises:
        ProtocolFault: It is no frame.

    """
    try:
        frame: Frame = _frames.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        if _is_unknown(text):
            return None
        raise ProtocolFault(str(exc)) from exc
    return frame


def _is_unknown(text: str | bytes) -> bool:
    try:
        frame = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return isinstance(frame, dict) and isinstance(frame.get("type"), str) and frame["type"] not in _KNOWN


def raw(value: object) -> msgspec.Raw:
    """Write a part of a frame once and for all, whatever becomes of the value.

    Raises:
        TypeError: It cannot be JSON.
        ValueError: A text is none: it holds half of a surrogate pair.

    """
    return msgspec.Raw(msgspec.json.encode(value))


def write(kind: str, **members: object) -> str:
    """Write a frame for a front.

    Raises:
        TypeError: A member cannot be JSON.
        ValueError: A text is none: it holds half of a surrogate pair.

    """
    return msgspec.json.encode({"type": kind, **members}).decode()
