"""Ready frames as server-sent events: made once, like a compressed frame, for all who take them."""

from .frames import payloads

EVENTS = -1
"""In place of a window: this client takes events."""

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


def events(frames: bytes) -> bytes:
    """Turn ready frames that were joined into events. A JSON text has line breaks between its tokens only."""
    return b"".join(event(text) for text in payloads(frames))


def event(text: bytes) -> bytes:
    """One event."""
    return b"data:%b\n\n" % text.translate(_ONE_LINE)
