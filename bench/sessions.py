"""What clients of a benchmark say, as bytes for the wire."""

import struct
from collections.abc import Iterable

from websockets.frames import Frame, Opcode


def request(path: str, *, deflate: bool = False) -> bytes:
    """The request for the upgrade."""
    extension = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" if deflate else ""
    # As long as a browser's, since parsing it costs.
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nConnection: Upgrade\r\nPragma: no-cache\r\n"
        "Cache-Control: no-cache\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:148.0) Gecko/20100101 Firefox/148.0\r\n"
        "Upgrade: websocket\r\nOrigin: http://127.0.0.1:8000\r\nSec-WebSocket-Version: 13\r\n"
        "Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\n"
        f"{extension}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


def posted(path: str, body: str) -> bytes:
    """A request that says all at once."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nOrigin: http://127.0.0.1:8000\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:148.0) Gecko/20100101 Firefox/148.0\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def text(frame: str) -> bytes:
    """A frame of the protocol as a client puts it on the wire."""
    return Frame(Opcode.TEXT, frame.encode()).serialize(mask=True)


def packed(records: Iterable[bytes]) -> bytes:
    """What our C clients read: the request for the upgrade, and what connections say after it, in turn."""
    return b"".join(struct.pack("<I", len(record)) + record for record in records)
