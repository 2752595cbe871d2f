import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import UNSET, Raw
from websockets.frames import Frame, Opcode

from broker.messages import Error
from broker.messages import Outcome as OutcomeMessage
from front.frames import (
    MAX_FRAME,
    BadFrame,
    Commit,
    Dispatch,
    DownFrame,
    Fault,
    Hello,
    Ping,
    Pong,
    Refresh,
    StoreRequest,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
    UpFrame,
    Welcome,
    build,
    outcome,
    parse,
    unsubscribed,
    websocket_frame,
)

from .wire import Json, texts

GOLDEN = Path(__file__).parent.parent / "protocol"


def golden(direction: str, *, valid: bool) -> list[Any]:
    cases = json.loads((GOLDEN / f"{direction}.json").read_text(encoding="utf-8"))
    return [pytest.param(case, id=case["name"]) for case in cases if case["valid"] is valid]


def normalised(frame: UpFrame) -> Json:
    """A frame as the golden files write it down."""
    match frame:
        case Hello():
            return {"type": "hello", "protocols": frame.protocols, "token": frame.token, "client": frame.client}
        case Refresh():
            return {"type": "refresh", "token": frame.token}
        case Subscribe():
            return {"type": "subscribe", "stores": [normalised_store(store) for store in frame.stores]}
        case Unsubscribe():
            return {"type": "unsubscribe", "ids": frame.ids}
        case Dispatch():
            params = json.loads(bytes(frame.params))
            return {
                "type": "dispatch",
                "lane": frame.lane,
                "number": frame.number,
                "name": frame.name,
                "params": params,
            }
        case Ping():
            return {"type": "ping"}


def normalised_store(store: StoreRequest) -> Json:
    value: Json = {"id": store.id, "name": store.name, "params": json.loads(bytes(store.params))}
    if store.epoch is not None:
        value |= {"epoch": store.epoch, "version": store.version}
    return value


def down_frame(value: Json) -> DownFrame:
    """The frame that has this value."""
    body = {name: member for name, member in value.items() if name != "type"}
    match value["type"]:
        case "welcome":
            return Welcome(**body)
        case "pong":
            return Pong()
        case "subscribed":
            return Subscribed(body["id"], body["store"], body["epoch"], body["version"], body["resumed"])
        case "unsubscribed":
            return unsubscribed(body["id"], Error(**body["error"]))
        case "commit":
            return Commit(body["updates"])
    error = Error(**body["error"]) if "error" in body else None
    reply = json.dumps(body["reply"]) if body.get("reply") is not None else None
    message = OutcomeMessage(1, body["lane"], body["number"], body["status"], reply, error, {"not held": 1})
    return outcome(message, body["stores"])


@pytest.mark.parametrize("case", golden("up", valid=True))
def test_golden_frames_are_read(case: Json) -> None:
    """Every golden frame of a client is read as written down, defaults included."""
    assert normalised(parse(case["text"].encode())) == case["value"]


@pytest.mark.parametrize("case", [case for case in golden("up", valid=False) if case.values[0]["close"] == 4001])
def test_golden_faults_are_refused(case: Json) -> None:
    """Every golden fault that closes with 4001 is no frame."""
    with pytest.raises(BadFrame):
        parse(case["text"].encode())


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in golden("down", valid=True)
        # Ready frames come from the multiplexer; what is ignored is not ours to write.
        if case.values[0]["value"] and case.values[0]["value"]["type"] not in {"snapshot", "update"}
    ],
)
def test_golden_frames_are_written(case: Json) -> None:
    """What a front writes for a value reads back as exactly that value."""
    assert texts(build(down_frame(case["value"]))) == [case["value"]]


def test_params_stay_as_written() -> None:
    """The payload of an action is passed on letter by letter, whatever JSON could have it mean."""
    params = '{ "n": 1.0, "big": 1e400,"n":2, "s": "\\u00e9\\ud83d\\ude00\\u0000é" }'
    frame = parse(f'{{"type":"dispatch","number":1,"name":"a","params": {params} }}'.encode())
    assert isinstance(frame, Dispatch)
    assert bytes(frame.params).decode() == params


@pytest.mark.parametrize(
    ("written", "passed_on"),
    [
        (r'{"a":"\ud83d"}', r'{"a":"\u0000"}'),
        (r'{"a":"\ude00 \uDBFFx \ud83d\ude00"}', r'{"a":"\u0000 \u0000x \ud83d\ude00"}'),
        (r'{"a":"\\ud83d \\\ud83d"}', r'{"a":"\\ud83d \\\u0000"}'),
    ],
)
def test_lone_surrogates_are_for_postgres_to_refuse(written: str, passed_on: str) -> None:
    """Half of an emoji in an action costs its sender an error of that action, not the connection."""
    frame = parse(f'{{"type":"dispatch","number":1,"name":"a","params":{written}}}'.encode())
    assert isinstance(frame, Dispatch)
    assert bytes(frame.params).decode() == passed_on


@given(st.text(max_size=300).map(str.encode))
@example(b'{"type":"dispatch","number":1,"name":"\\ud800"}')
@example(b'{"a":' * 10_000)
@example(b'{"type":"ping","x":' + b"[" * 20_000 + b"]" * 20_000 + b"}")
@example(b'{"type":"ping","x":"\\ud8"}')
def test_any_text_is_a_frame_or_not(data: bytes) -> None:
    """Whatever the text, it is read or refused, and nothing else happens."""
    with suppress(BadFrame):
        parse(data)


scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=6)
values = (
    scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.sampled_from(["id", "name", "params", "x"]), scalars)
)
members = st.sampled_from(
    ["type", "number", "name", "params", "lane", "stores", "ids", "protocols", "client", "token", "id"]
)
kinds = st.sampled_from(["hello", "subscribe", "unsubscribe", "dispatch", "ping", "welcome"])


@given(kinds, st.dictionaries(members, values, max_size=5))
def test_any_object_is_a_frame_or_not(kind: str, others: Json) -> None:
    """The same for objects that come close to a frame."""
    with suppress(BadFrame):
        parse(json.dumps(others | {"type": kind}).encode())


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_framing_is_that_of_rfc_6455(length: int) -> None:
    """Our frames are byte for byte those of the reference implementation."""
    payload = b"x" * length
    assert websocket_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_only_what_belongs_stands_in_an_outcome() -> None:
    """§4: a reply comes with ok and with nothing else, an error never with ok; a constraint only where there is one."""
    ok = outcome(OutcomeMessage(1, 0, 7, "ok", None, None, {}), {})
    refused = outcome(OutcomeMessage(1, 0, 8, "refused", None, Error("failed", "m"), {}), {})
    assert (ok.reply, ok.error) == (Raw(b"null"), UNSET)
    assert (refused.reply, refused.error) == (UNSET, Fault("failed", "m"))
    assert b"constraint" not in build(refused)
    assert isinstance(unsubscribed(1, Error("a", "b")), Unsubscribed)


def test_the_golden_limit_is_ours() -> None:
    """The golden files and the code agree on the longest frame."""
    too_large = [case for case in golden("up", valid=False) if case.values[0]["close"] == 4002]
    assert [len(case.values[0]["text"].encode()) > MAX_FRAME for case in too_large] == [True]
