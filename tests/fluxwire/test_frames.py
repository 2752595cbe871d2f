"""The client reads the golden frames of fronts, and writes frames that fronts read."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxwire.client import frames
from fluxwire.client.frames import ProtocolFault

DOWN = json.loads((Path(__file__).parent.parent / "protocol" / "down.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", DOWN, ids=lambda case: case["name"])
def test_golden(case: dict[str, Any]) -> None:
    """§1 to §6: a golden frame is read as it is meant, and one of an unknown type is ignored."""
    assert case["valid"]
    frame = frames.parse(case["text"])
    if case["value"] is None:
        assert frame is None
        return
    read = msgspec.to_builtins(frame)
    if read.get("error"):
        read["error"] = {name: value for name, value in read["error"].items() if value is not None}
    assert {name: read[name] for name in case["value"]} == case["value"]
    assert not any(value for name, value in read.items() if name not in case["value"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "1",
        "{}",
        '{"type": 1}',
        '{"type": "welcome"}',
        '{"type": "commit", "updates": "2"}',
        '{"type": "snapshot", "store": "s", "epoch": "e", "version": true, "document": {}}',
        "[" * 100_000,
    ],
)
def test_no_frame(text: str) -> None:
    """What is no frame of the protocol is a fault of the front."""
    with pytest.raises(ProtocolFault):
        frames.parse(text)


@given(st.binary() | st.text())
def test_any_text(text: str | bytes) -> None:
    """Whatever a front says is a frame, ignored or a ProtocolFault."""
    try:
        frames.parse(text)
    except ProtocolFault:
        return


def test_write() -> None:
    """A frame is one JSON object with its type, and text that is none is refused."""
    assert json.loads(frames.write("dispatch", number=1, params={"body": 'é "\\'})) == {
        "type": "dispatch",
        "number": 1,
        "params": {"body": 'é "\\'},
    }
    with pytest.raises(ValueError, match="surrogates"):
        frames.write("dispatch", params={"body": "\ud800"})
