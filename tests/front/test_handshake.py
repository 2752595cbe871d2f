import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request
from websockets.server import ServerProtocol

from front import handshake
from front.handshake import Answer, is_for_us
from front.origins import Origins

from .wire import request


def shake_hands(head: bytes) -> Answer:
    return handshake.shake_hands(head, origins=Origins())


def offering(extensions: str) -> bytes:
    return request().replace(b"\r\n\r\n", f"\r\nSec-WebSocket-Extensions: {extensions}\r\n\r\n".encode())


def test_the_example_of_the_standard() -> None:
    """RFC 6455 §1.3: this key is answered by that."""
    answer = shake_hands(request("/ws?x=1"))
    assert answer.accepted
    assert answer.response.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n" in answer.response


@pytest.mark.parametrize(
    ("head", "ours"),
    [
        (b"GET /ws HTTP/1.1", True),
        (b"GET /ws?", True),
        (b"GET /wsx ", False),
        (b"POST /ws ", False),
        (b"GET / ", False),
    ],
)
def test_whose_it_is(head: bytes, ours: bool) -> None:
    """Only our path is the WebSocket's."""
    assert is_for_us(head) is ours


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (request().replace(b"Version: 13", b"Version: 8"), b"400"),
        (request().replace(b"Version: 13", b"Version: 13, 8"), b"400"),
        (request().replace(b"Upgrade: websocket\r\n", b""), b"426"),
        (request().replace(b"Connection: Upgrade", b"Connection: keep-alive"), b"426"),
        (request().replace(b"dGhl", b"!"), b"400"),
        (request().replace(b"dGhl", b"dGhldGhl"), b"400"),
        (request().replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"), b"400"),
        (request().replace(b"HTTP/1.1", b"HTTP/1.0"), b"400"),
        (request().replace(b"Host: front", b"Connection: keep-alive\r\nHOST: front"), b"101"),
        (request().replace(b"Upgrade: websocket", b"UPGRADE:WebSocket"), b"101"),
    ],
    ids=str,
)
def test_only_a_sound_request_is_accepted(head: bytes, status: bytes) -> None:
    """RFC 6455 §4.2.1: a fault is answered in HTTP, and says so."""
    answer = shake_hands(head)
    assert answer.response.split()[1] == status
    assert answer.accepted is (status == b"101")
    assert answer.accepted or b"Connection: close" in answer.response


@pytest.mark.parametrize(
    ("extensions", "window"),
    [
        ("permessage-deflate", 15),
        ("permessage-deflate; client_max_window_bits", 15),
        ("permessage-deflate; server_max_window_bits=10; client_max_window_bits=9", 10),
        ("x-other, permessage-deflate; server_no_context_takeover", 15),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", 15),
        ("permessage-deflate; server_max_window_bits=8", 0),
        ("permessage-deflate; server_max_window_bits=16", 0),
        ("permessage-deflate; server_max_window_bits=010", 0),
        ("permessage-deflate; server_max_window_bits", 0),
        ("permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", 0),
        ("permessage-deflate; client_no_context_takeover=1", 0),
        ("permessage-deflate; client_max_window_bits=", 0),
        ("permessage-deflate; unheard_of", 0),
        ("x-webkit-deflate-frame", 0),
    ],
)
def test_what_is_agreed_on(extensions: str, window: int) -> None:
    """RFC 7692 §7.1: the first offer we can take, without context; its window is kept to and named."""
    answer = shake_hands(offering(extensions))
    assert (answer.accepted, answer.window) == (True, window)
    assert (b"permessage-deflate; server_no_context_takeover; client_no_context_takeover" in answer.response) is (
        window > 0
    )
    assert (b"server_max_window_bits=10" in answer.response) is (window == 10)


names = st.sampled_from(["Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Host", "X"])
values = st.sampled_from(["websocket", "Upgrade", "upgrade, x", "13", "dGhlIHNhbXBsZSBub25jZQ==", "", " 13 ", "a,b"])


@given(st.lists(st.tuples(names, values), max_size=8))
def test_what_we_accept_others_accept(headers: list[tuple[str, str]]) -> None:
    """Whatever headers come: we let nobody in whom websockets' own handshake would not let in."""
    head = "GET /ws HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
    if shake_hands(head.encode()).accepted:
        oracle = ServerProtocol(extensions=[ServerPerMessageDeflateFactory()])
        oracle.receive_data(head.encode())
        (event,) = oracle.events_received()
        assert isinstance(event, Request)
        assert oracle.accept(event).status_code == 101


@given(st.binary(max_size=200))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    """No head, however strange, breaks it."""
    assert shake_hands(b"GET /ws " + data + b"\r\n\r\n").response.startswith(b"HTTP/1.1 ")


def saying(*headers: str) -> bytes:
    return request().replace(b"\r\n\r\n", "".join(f"\r\n{header}" for header in headers).encode() + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("origin", "admitted"),
    [
        ("http://front", True),
        ("https://front", True),
        ("HTTP://FRONT", True),
        ("http://front:80", True),
        ("https://front:443", True),
        ("http://front:443", False),
        ("http://front:8000", False),
        ("http://front.evil.example", False),
        ("http://evil.example", False),
        ("null", False),
        ("", False),
        ("front", False),
        ("http://front, http://evil.example", False),
        ("https://app.example.com", True),
        ("https://app.example.com.evil.example", False),
        ("http://app.example.com", False),
    ],
)
def test_pages_of_other_origins(origin: str, admitted: bool) -> None:
    """Cross-site WebSocket hijacking: only pages of the same host, and those that are listed, are let in."""
    listed = Origins(["https://app.example.com"])
    answer = handshake.shake_hands(saying(f"Origin: {origin}"), origins=listed)
    assert answer.response.split()[1] == (b"101" if admitted else b"403")
    assert answer.accepted is admitted


def test_origins_that_are_not_asked_for() -> None:
    """What is no browser sends no Origin and is let in; "*" lets in every page; a second Origin makes none."""
    assert shake_hands(request()).accepted
    any_page = Origins(["*"])
    assert handshake.shake_hands(saying("Origin: http://evil.example"), origins=any_page).accepted
    assert not shake_hands(saying("Origin: http://front", "Origin: http://front")).accepted


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        (["Sec-WebSocket-Protocol: fluxwire, token.a.b-_.c"], "a.b-_.c"),
        (["Sec-WebSocket-Protocol: token.a.b.c", "Sec-WebSocket-Protocol:fluxwire"], "a.b.c"),
        (["Sec-WebSocket-Protocol: fluxwire"], None),
        (["Sec-WebSocket-Protocol: fluxwire, token.first", "Cookie: session=second"], "first"),
        (["Cookie: a=1; session=a.b.c; b=2"], "a.b.c"),
        (["Cookie: a=1", "Cookie: session=a.b.c"], "a.b.c"),
        (['Cookie: session="a.b.c"'], "a.b.c"),
        (["Cookie: session=long; session=short"], "long"),
        (["Cookie: xsession=a.b.c; Session=x; session"], ""),
        (["Cookie: " + "x=1; " * 2_000 + "session=late"], "late"),
        (["Authorization: Bearer a.b.c"], None),
    ],
    ids=lambda value: str(value)[:60],
)
def test_where_tokens_are_found(headers: list[str], token: str | None) -> None:
    """§2: among the subprotocols, or in the cookie that the settings name."""
    answer = handshake.shake_hands(saying(*headers), origins=Origins(), cookie="session")
    assert (answer.accepted, answer.token) == (True, token)
    assert (b"\r\nSec-WebSocket-Protocol: fluxwire\r\n" in answer.response) is ("fluxwire" in "".join(headers))
    assert b"a.b" not in answer.response, "what answers is logged on the way"


def test_cookies_without_the_setting_and_urls() -> None:
    """A cookie that no setting names is none, and a token in an address never is."""
    head = saying("Cookie: session=a.b.c; =x").replace(b"/ws", b"/ws?token=a.b.c")
    assert shake_hands(head).token is None
