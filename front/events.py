"""Ready frames as server-sent events: made once, like a compressed frame, for all who take them."""

import msgspec

from .frames import payloads

EVENTS = -1
"""In place of a window: this client takes events."""

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


class _Place(msgspec.Struct):
    """Where a frame takes a store."""

    type: str = ""
    epoch: str = ""
    version: int = 0
    to: int = 0


_place = msgspec.json.Decoder(_Place)


def events(frames: bytes) -> bytes:
    """Turn ready frames that were joined into events. A JSON text has line breaks between its tokens only."""
    return b"".join(event(text, _id_of(text)) for text in payloads(frames))


def event(text: bytes, identifier: bytes = b"") -> bytes:
    """One event."""
    return b"data:%b\n%b\n" % (text.translate(_ONE_LINE), identifier)


def _id_of(text: bytes) -> bytes:
    """The line that lets a browser say where it was when it comes back: epoch and version of a store."""
    place = _place.decode(text)
    if place.type not in {"snapshot", "update"}:
        return b""
    return b"id:%b.%d\n" % (place.epoch.encode(), place.version or place.to)
