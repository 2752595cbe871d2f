"""The opening handshake of RFC 6455 §4.2 and RFC 7692 §7.1: the bytes of a request in, those of the answer out."""

import binascii
import hashlib
import re
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from .credentials import cookie_token
from .deflate import LARGEST_WINDOW, SMALLEST_WINDOW
from .origins import REFUSAL, Origins

PATH = "/ws"

SUBPROTOCOL = b"fluxwire"
"""What a client offers that shows its token as another offered subprotocol."""

TOKEN_PROTOCOL = b"token."
"""Before such a token."""

MAX_HEAD = 16_384
"""Longest head of a request, in bytes."""

END_OF_HEAD = b"\r\n\r\n"

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES = 16
_REQUEST = re.compile(rb"GET [!-~]+ HTTP/1\.1\r\n")
# Only what matters is picked out: a browser sends a dozen more.
_HEADERS = re.compile(
    rb"\r\n(upgrade|connection|host|origin|cookie|sec-websocket-(?:key|version|extensions|protocol)):"
    rb"[ \t]*([^\r\n]*)",
    re.IGNORECASE,
)
_SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What to say to a request for an upgrade."""

    response: bytes
    accepted: bool
    window: int = 0
    """Window bits of what we compress for this client; 0: it takes nothing compressed."""
    token: str | None = None
    """That came with the request."""
    status: HTTPStatus = HTTPStatus.SWITCHING_PROTOCOLS


def is_for_us(head: bytes) -> bool:
    """Whether a request is for the WebSocket; any other is plain HTTP."""
    return head.startswith((b"GET /ws ", b"GET /ws?"))


def shake_hands(head: bytes, *, origins: Origins, cookie: str = "") -> Answer:
    """Answer a request (docs/protocol.md §1, §2).

    Args:
        head: The request up to and with the blank line.
        origins: Which web pages are let in.
        cookie: Name of the cookie that may hold a token; empty if none may.

    """
    headers: dict[bytes, bytes] = {}
    for written, ended in _HEADERS.findall(head):
        name, value = written.lower(), ended.rstrip(b" \t")
        if name in headers:
            # Lists may be spread over several headers of one name; a second key joins to what is none.
            value = headers[name] + (b";" if name == b"cookie" else b",") + value
        headers[name] = value
    refused = _check(head, headers)
    if refused is not None:
        return refused
    if not origins.admit(_text(headers, b"origin"), _text(headers, b"host")):
        return _refused(HTTPStatus.FORBIDDEN, REFUSAL)
    offered = headers.get(b"sec-websocket-protocol")
    protocols = [protocol.strip() for protocol in offered.split(b",")] if offered else []
    token = _token(protocols)
    if not token and cookie:
        token = cookie_token(headers.get(b"cookie", b"").decode("latin-1"), cookie)
    digest = hashlib.sha1(headers[b"sec-websocket-key"] + _GUID, usedforsecurity=False).digest()
    response = _SWITCHING + binascii.b2a_base64(digest, newline=False)
    if SUBPROTOCOL in protocols:
        response += b"\r\nSec-WebSocket-Protocol: " + SUBPROTOCOL
    offer = _first_offer(headers.get(b"sec-websocket-extensions", b""))
    if offer is None:
        return Answer(response + END_OF_HEAD, accepted=True, token=token)
    # Neither side keeps a context: one compressed frame serves everybody, and no connection holds a window of memory.
    response += (
        b"\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    )
    if offer.named:
        response += f"; server_max_window_bits={offer.window}".encode()
    return Answer(response + END_OF_HEAD, accepted=True, window=offer.window, token=token)


def refusal(status: HTTPStatus, words: str, headers: bytes = b"") -> bytes:
    """The bytes of an answer in plain HTTP, after which the connection ends."""
    body = f"{words}\n".encode()
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
    ).encode() + (headers + b"\r\n" + body)


def _refused(status: HTTPStatus, words: str, headers: bytes = b"") -> Answer:
    return Answer(refusal(status, words, headers), accepted=False, status=status)


def _check(head: bytes, headers: dict[bytes, bytes]) -> Answer | None:
    """What is wrong with a request, if anything is."""
    if not _REQUEST.match(head):
        return _refused(HTTPStatus.BAD_REQUEST, "HTTP/1.1 is expected.")
    if not _names(headers, b"upgrade", b"websocket") or not _names(headers, b"connection", b"upgrade"):
        return _refused(HTTPStatus.UPGRADE_REQUIRED, "This is a WebSocket.", b"Upgrade: websocket\r\n")
    if headers.get(b"sec-websocket-version") != b"13":
        return _refused(HTTPStatus.BAD_REQUEST, "Version 13 is expected.", b"Sec-WebSocket-Version: 13\r\n")
    if not _is_key(headers.get(b"sec-websocket-key", b"")):
        return _refused(HTTPStatus.BAD_REQUEST, "Sec-WebSocket-Key is malformed.")
    return None


def _names(headers: dict[bytes, bytes], name: bytes, token: bytes) -> bool:
    """Whether a header's list has a token in it."""
    value = headers.get(name, b"").lower()
    return value == token or token in (word.strip() for word in value.split(b","))


def _text(headers: dict[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return value.decode("latin-1") if value is not None else None


def _token(protocols: list[bytes]) -> str | None:
    """The token among the subprotocols that a client offers: what a page can say in an upgrade, and no log has."""
    for protocol in protocols:
        if protocol.startswith(TOKEN_PROTOCOL):
            return protocol[len(TOKEN_PROTOCOL) :].decode("latin-1")
    return None


def _is_key(key: bytes) -> bool:
    try:
        return len(binascii.a2b_base64(key, strict_mode=True)) == _KEY_BYTES
    except binascii.Error:
        return False


class _Offer(NamedTuple):
    """An offer of permessage-deflate that we can take."""

    window: int
    named: bool
    """Whether the client named the window, and must be told that we keep to it."""


def _first_offer(extensions: bytes) -> _Offer | None:
    for words in extensions.lower().split(b",") if extensions else ():
        name, *parameters = (part.strip() for part in words.split(b";"))
        offer = _offer(parameters) if name == b"permessage-deflate" else None
        if offer is not None:
            return offer
    return None


def _offer(parameters: list[bytes]) -> _Offer | None:
    """RFC 7692 §5.1: an offer with a parameter that is unknown, doubled or senseless is to be declined."""
    given: dict[bytes, bytes] = {}
    for parameter in parameters:
        name, equals, value = parameter.partition(b"=")
        if name in given or value not in _VALUES.get(name, ()) or (equals and not value):
            return None
        given[name] = value
    window = given.get(b"server_max_window_bits")
    return _Offer(int(window) if window else LARGEST_WINDOW, window is not None)


_VALUES: dict[bytes, frozenset[bytes]] = {
    b"server_no_context_takeover": frozenset({b""}),
    b"client_no_context_takeover": frozenset({b""}),
    b"server_max_window_bits": frozenset(str(n).encode() for n in range(SMALLEST_WINDOW, LARGEST_WINDOW + 1)),
    # A hint of what the client can do; RFC 7692 knows windows from 8 on.
    b"client_max_window_bits": frozenset({b"", *(str(n).encode() for n in range(8, LARGEST_WINDOW + 1))}),
}
