import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Close, Opcode

from front.codes import CloseCode
from front.connection import TRANSITIONS, Connection, Event, Opened, Refreshed, State
from front.frames import MAX_FRAME, Dispatch, Subscribe, Unsubscribe
from front.gates import Identity, TokenRefused
from front.limits import BURST, Limits
from front.rules import Rules

from .wire import Json, Reader, masked

GOLDEN = Path(__file__).parent.parent / "protocol" / "up.json"
HELLO = b'{"type":"hello","protocols":[1],"token":"good","client":"c"}'


TOKENS = {
    "good": Identity("ada", '{"role":1,"exp":1}', 1.0),
    "fresh": Identity("ada", '{"exp":2,"iat":1,"nbf":1,"jti":"x","role":1}', 2.0),
    "promoted": Identity("ada", '{"role":2,"exp":2}', 2.0),
    "bob": Identity("bob", '{"role":1,"exp":2}', 2.0),
}


def verify(token: str) -> Identity:
    if token not in TOKENS:
        raise TokenRefused("not good")
    return TOKENS[token]


class Client:
    """Drives a connection as a client would, and reads what it says."""

    def __init__(
        self, *, opened: bool = False, window: int = 0, token: str | None = None, rules: Rules | None = None
    ) -> None:
        self.now = 0.0
        self.connection = Connection(verify=verify, rules=rules or Rules(), token=token, window=window)
        self.events: list[Event] = []
        self.frames: list[Json] = []
        self.close: Close | None = None
        self.controls: list[tuple[Opcode, bytes]] = []
        self.ended = False
        self._reader = Reader()
        if opened:
            self.say(HELLO)
            assert self.connection.state is State.OPEN

    def feed(self, data: bytes) -> None:
        self.connection.receive(data, self.now)
        self.collect()

    def say(self, text: bytes) -> None:
        self.feed(masked(text))

    def collect(self) -> None:
        self.events += self.connection.events()
        for data in self.connection.data_to_send():
            assert not self.ended, "nothing follows the end of the stream"
            if not data:
                self.ended = True
            else:
                self._read(data)

    def _read(self, data: bytes) -> None:
        for opcode, payload in self._reader.feed(data):
            assert self.close is None, "nothing follows a close frame"
            if opcode is Opcode.TEXT:
                self.frames.append(json.loads(payload))
            elif opcode is Opcode.CLOSE:
                self.close = Close.parse(payload)
            else:
                self.controls.append((opcode, payload))

    @property
    def code(self) -> int | None:
        return self.close.code if self.close else None


def test_hello_opens() -> None:
    """§2: hello is answered by welcome, and the hub hears who came."""
    client = Client()
    client.say(HELLO)
    assert client.frames == [
        {"type": "welcome", "protocol": 1, "actor": "ada", "max_frame": 65536, "heartbeat_ms": 25000}
    ]
    assert client.events == [Opened(TOKENS["good"], "c")]


@pytest.mark.parametrize("offered", [[1, 2], [2, 1], [3, 1, 2]])
def test_a_client_of_a_later_version(offered: list[int]) -> None:
    """§7: who still offers our version is answered with it."""
    client = Client()
    client.say(json.dumps(json.loads(HELLO) | {"protocols": offered}).encode())
    assert [(frame["type"], frame["protocol"]) for frame in client.frames] == [("welcome", 1)]


def test_no_version_in_common() -> None:
    """§7: the reason says what this front speaks."""
    client = Client()
    client.say(json.dumps(json.loads(HELLO) | {"protocols": [2]}).encode())
    assert client.close is not None
    assert client.close.reason == "this front speaks version 1"


@pytest.mark.parametrize(
    ("hello", "code"),
    [
        ({"protocols": [2, 3]}, CloseCode.NO_COMMON_VERSION),
        ({"protocols": []}, CloseCode.NO_COMMON_VERSION),
        ({"token": None}, CloseCode.NO_TOKEN),
        ({"token": "bad"}, CloseCode.TOKEN_REFUSED),
        ({"token": ""}, CloseCode.TOKEN_REFUSED),
        ({"client": ""}, CloseCode.BAD_FRAME),
    ],
)
def test_a_hello_that_does_not_let_in(hello: Json, code: CloseCode) -> None:
    """§2: each fault of a hello has its code, and the hub hears nothing."""
    client = Client()
    client.say(json.dumps(json.loads(HELLO) | hello).encode())
    assert (client.code, client.events, client.frames, client.ended) == (code, [], [], True)


@pytest.mark.parametrize(
    ("hello", "code"),
    [({"token": None}, None), ({}, None), ({"token": "bad"}, CloseCode.TOKEN_REFUSED)],
)
def test_a_token_that_came_with_the_request(hello: Json, code: CloseCode | None) -> None:
    """§2: it counts if hello brings none, and for that hello alone."""
    client = Client(token="good")
    client.say(json.dumps({"type": "hello", "protocols": [1], "client": "c"} | hello).encode())
    assert client.code == code


def test_too_many_connections_of_an_actor() -> None:
    """§2: the one too many is closed without a welcome; there is room again when another is gone."""
    rules = Rules(limits=Limits(actor_connections=1))
    rules.actors.enter("ada")
    client = Client(rules=rules)
    client.say(HELLO)
    assert (client.code, client.frames, client.events) == (CloseCode.TOO_MANY, [], [])
    rules.actors.leave("ada")
    assert Client(rules=rules, opened=True).code is None


def test_too_many_frames() -> None:
    """§1: ten seconds' worth may come at once, and then no more than the rate; frames of every kind count."""
    client = Client(opened=True, rules=Rules(limits=Limits(frames=2)))
    for _ in range(int(2 * BURST) - 1):
        client.feed(masked(b"", opcode=Opcode.PING))
    client.now = 1.0
    client.say(b'{"type":"ping"}')
    client.say(b'{"type":"ping"}')
    assert client.code is None
    client.say(b'{"type":"ping"}')
    assert client.code == CloseCode.TOO_FAST


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"refresh","token":"good"}',
        b'{"type":"ping"}',
        b'{"type":"subscribe","stores":[]}',
        b'{"type":"unsubscribe","ids":[]}',
    ],
)
def test_nothing_comes_before_hello(text: bytes) -> None:
    """§2: anything else before welcome closes with 4001."""
    client = Client()
    client.say(text)
    assert (client.code, client.events) == (CloseCode.BAD_FRAME, [])


def test_a_second_hello() -> None:
    """§2: a second hello closes with 4001."""
    client = Client(opened=True)
    client.say(HELLO)
    assert client.code == CloseCode.BAD_FRAME


def test_a_fresh_token() -> None:
    """§2: it is taken without a word, and the hub hears of it."""
    client = Client(opened=True)
    client.say(b'{"type":"refresh","token":"fresh"}')
    assert client.events[1:] == [Refreshed(TOKENS["fresh"])]
    assert (client.frames[1:], client.code) == ([], None)


@pytest.mark.parametrize(
    ("token", "code"),
    [("bad", CloseCode.TOKEN_REFUSED), ("bob", CloseCode.TOKEN_REFUSED), ("promoted", CloseCode.COME_AGAIN)],
)
def test_a_fresh_token_that_is_not_taken(token: str, code: CloseCode) -> None:
    """§2: a wrong one, another actor's, and one with other claims each end the connection with a code."""
    client = Client(opened=True)
    client.say(json.dumps({"type": "refresh", "token": token}).encode())
    assert (client.code, client.events[1:]) == (code, [])


def test_the_table_is_complete() -> None:
    """Every state has its row, and nothing leads out of closed."""
    assert set(TRANSITIONS) == set(State)
    assert TRANSITIONS[State.CLOSED] == {}


def test_ping_is_answered() -> None:
    """§2: a ping gets its pong, before what is said after it."""
    client = Client(opened=True)
    client.feed(masked(b'{"type":"ping"}') + masked(b'{"type":"nonsense"}'))
    assert client.frames[1:] == [{"type": "pong"}]
    assert client.code == CloseCode.BAD_FRAME


def test_frames_become_events() -> None:
    """The hub hears what an open client says, in order, however it is cut into segments."""
    texts = [
        b'{"type":"subscribe","stores":[{"id":1,"name":"a"}]}',
        b'{"type":"dispatch","number":1,"name":"n"}',
        b'{"type":"unsubscribe","ids":[1]}',
    ]
    client = Client(opened=True)
    for byte in b"".join(masked(text) for text in texts):
        client.feed(bytes([byte]))
    assert [type(event) for event in client.events[1:]] == [Subscribe, Dispatch, Unsubscribe]


def test_what_came_before_a_fault_counts() -> None:
    """An action is not lost because the next frame in its segment is bad; what comes after the fault is not heard."""
    action = masked(b'{"type":"dispatch","number":1,"name":"n"}')
    client = Client(opened=True)
    client.feed(action + masked(b"{") + action)
    assert [type(event) for event in client.events[1:]] == [Dispatch]


def test_fragments_make_one_message() -> None:
    """A message may come in fragments, with control frames between them."""
    client = Client(opened=True)
    client.feed(masked(b'{"type":', fin=False))
    client.feed(masked(b"x", opcode=Opcode.PING))
    client.feed(masked(b'"ping"', opcode=Opcode.CONT, fin=False) + masked(b"}", opcode=Opcode.CONT))
    assert client.frames[1:] == [{"type": "pong"}]
    assert client.controls == [(Opcode.PONG, b"x")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (masked(b"{}", opcode=Opcode.BINARY), 4001),
        (masked(b"{", opcode=Opcode.BINARY, fin=False), 4001),
        (masked(b'{"type":"ping","x":"\xff"}'), 1007),
        (masked(b'{"type":"ping","x":"\xed\xa0\x80"}'), 1007),
        (masked(b"x" * (MAX_FRAME + 1)), 4002),
        (masked(b"x" * MAX_FRAME), 4001),
        (masked(b"x" * MAX_FRAME, fin=False) + masked(b"x", opcode=Opcode.CONT), 4002),
        (b"\x81\xff" + (2**62).to_bytes(8, "big") + b"mask", 4002),
        (b"\x81\x02{}", 1002),
        (b"\x83\x80mask", 1002),
        (masked(b"", opcode=Opcode.CONT), 1002),
    ],
    ids=[
        "binary",
        "fragment of a binary",
        "no UTF-8",
        "surrogate in UTF-8",
        "one byte too large",
        "as large as may be, but no JSON",
        "too large in fragments",
        "a length beyond all measure",
        "not masked",
        "unknown opcode",
        "continuation of nothing",
    ],
)
def test_each_fault_has_its_code(data: bytes, code: int) -> None:
    """§1, RFC 6455: what is no frame of ours closes with the code that says so, and the stream ends."""
    client = Client(opened=True)
    client.feed(data)
    assert (client.code, client.ended, client.connection.state) == (code, True, State.CLOSED)


@pytest.mark.parametrize(
    "case", [c for c in json.loads(GOLDEN.read_text(encoding="utf-8")) if not c["valid"]], ids=lambda c: str(c["name"])
)
def test_golden_faults(case: Json) -> None:
    """Every golden fault closes with the code written down for it."""
    client = Client(opened=True)
    client.say(case["text"].encode())
    assert client.code == case["close"]


def test_a_client_that_says_goodbye() -> None:
    """RFC 6455: a close frame is answered with its code, and the stream ends."""
    client = Client(opened=True)
    client.feed(masked(Close(1000, "bye").serialize(), opcode=Opcode.CLOSE))
    assert (client.code, client.ended, client.connection.state) == (1000, True, State.CLOSED)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        *((code.to_bytes(2, "big"), code) for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012)),
        *((code.to_bytes(2, "big"), code) for code in (3000, 3999, 4000, 4999)),
        *((code.to_bytes(2, "big"), 1002) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000)),
        (b"\xff\xff", 1002),
        (b"\x03", 1002),
        (b"\x03\xe8" + b"x" * 123, 1000),
        (b"\x03\xe8" + "é".encode(), 1000),
        (b"\x03\xe8\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", 1007),
    ],
)
def test_how_a_client_may_close(payload: bytes, code: int) -> None:
    """Autobahn's chapter 7: its code comes back, unless it is none that may be sent, or the reason is no UTF-8."""
    client = Client(opened=True)
    client.feed(masked(payload, opcode=Opcode.CLOSE))
    assert (client.code, client.ended) == (code, True)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        *((text.encode(), True) for text in ("κόσμε", "\x7f", "\u0080", "\u07ff", "\u0800", "\uffff", "\ufffe")),
        *((text.encode(), True) for text in ("\ud7ff", "\ue000", "\ufffd", "\U00010000", "\U0010ffff", "\U0001fffe")),
        *((bytes([lead]) + rest, False) for lead in (0x80, 0xBF, 0xC0, 0xC1, 0xFE, 0xFF) for rest in (b"", b"\x80")),
        *((lead, False) for lead in (b"\xc3", b"\xe1\x80", b"\xf1\x80\x80")),
        *((lead + b" ", False) for lead in (b"\xc3", b"\xe1\x80", b"\xf1\x80\x80")),
        *((long, False) for long in (b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf")),
        *((half, False) for half in (b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80")),
        *((beyond, False) for beyond in (b"\xf4\x90\x80\x80", b"\xf7\xbf\xbf\xbf", b"\xfc\x84\x80\x80\x80\x80")),
    ],
)
def test_what_is_utf_8(text: bytes, valid: bool) -> None:
    """Autobahn's chapter 6, in one frame and in fragments that cut characters: 1007, or just no frame of ours."""
    for frames in (
        masked(text),
        masked(text[:1], fin=False) + masked(text[1:], opcode=Opcode.CONT),
    ):
        client = Client(opened=True)
        client.feed(frames)
        assert client.code == (4001 if valid else 1007)


def test_a_client_that_vanishes() -> None:
    """The end of the stream closes the connection at any time."""
    for client in (Client(), Client(opened=True)):
        client.connection.receive_eof()
        client.collect()
        assert client.connection.state is State.CLOSED


def test_our_own_close() -> None:
    """A front that goes away says so; a long reason is cut between characters; nothing is heard or said any more."""
    client = Client(opened=True)
    client.connection.close(CloseCode.GOING_AWAY, "é" * 200)
    client.connection.close(CloseCode.BLOCKED)
    client.connection.ping()
    client.feed(masked(b'{"type":"ping"}'))
    assert client.close == Close(4200, "é" * 61)
    assert client.frames[1:] == []


def test_heartbeat() -> None:
    """A ping of ours goes out as a WebSocket ping."""
    client = Client(opened=True)
    client.connection.ping()
    client.collect()
    assert client.controls == [(Opcode.PING, b"")]


cuts = st.lists(st.integers(1, 60), max_size=20)


@given(st.booleans(), st.binary(max_size=400), cuts)
@example(False, b"\r\n\r\n", [])
@example(True, masked(b"", opcode=Opcode.CLOSE) * 2, [])
def test_any_bytes_have_an_orderly_end(opened: bool, data: bytes, lengths: list[int]) -> None:
    """Whatever bytes come, whole or cut, before or after hello: no exception, and the same is heard."""
    _same_in_pieces(Client(opened=opened), Client(opened=opened), data, lengths)


messages = st.lists(
    st.builds(
        masked,
        st.binary(max_size=40)
        | st.sampled_from([HELLO, b'{"type":"ping"}', b'{"type":"dispatch","number":1,"name":"n"}', b"\xff"]),
        opcode=st.sampled_from([Opcode.TEXT, Opcode.CONT, Opcode.BINARY]),
        fin=st.booleans(),
    )
    | st.builds(masked, st.binary(max_size=9), opcode=st.sampled_from([Opcode.PING, Opcode.PONG, Opcode.CLOSE])),
    max_size=6,
).map(b"".join)


@given(st.booleans(), messages, cuts)
def test_any_messages_have_an_orderly_end(opened: bool, data: bytes, lengths: list[int]) -> None:
    """The same for sequences of WebSocket frames."""
    _same_in_pieces(Client(opened=opened), Client(opened=opened), data, lengths)


def _same_in_pieces(whole: Client, pieces: Client, data: bytes, lengths: list[int]) -> None:
    whole.feed(data)
    for length in lengths:
        if data:
            pieces.feed(data[:length])
            data = data[length:]
    if data:
        pieces.feed(data)
    for client in (whole, pieces):
        client.connection.receive_eof()
        client.collect()
        assert client.connection.closed
    assert [type(event) for event in whole.events] == [type(event) for event in pieces.events]
    # Of two faults in one segment the later may be found first, and then answers to what came before it are not sent.
    assert (whole.code is None) is (pieces.code is None)
    assert whole.frames == pieces.frames[: len(whole.frames)]
    assert pieces.controls == whole.controls[: len(pieces.controls)]
