import json
import math
import time
from base64 import urlsafe_b64encode

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from front.gates import LEEWAY, TokenGate, TokenRefused

from .wire import KEY

GATE = TokenGate(KEY)
NOW = 2_000_000_000.0


def token(claims: object, *, key: bytes = KEY, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, key, algorithm)  # type: ignore[arg-type]


def test_a_signed_token_lets_in() -> None:
    """What we sign we accept; the actor is the token's sub, and its claims are passed on whole."""
    identity = GATE.verify(GATE.sign("ada", now=time.time(), lifetime=60))
    assert identity.actor == "ada"
    assert json.loads(identity.claims)["aud"] == "fluxwire"


def test_claims_of_the_application_are_passed_on() -> None:
    """Claims that only the application knows reach the database."""
    identity = GATE.verify(token({"sub": "ada", "aud": "fluxwire", "roles": ["é", {"a": None}]}))
    assert json.loads(identity.claims)["roles"] == ["é", {"a": None}]


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(token({"sub": "ada", "aud": "fluxwire"}, key=b"x" * 32), id="another key"),
        pytest.param(token({"sub": "ada", "aud": "other"}), id="another audience"),
        pytest.param(token({"sub": "ada"}), id="no audience"),
        pytest.param(token({"aud": "fluxwire"}), id="no sub"),
        pytest.param(token({"sub": "", "aud": "fluxwire"}), id="empty sub"),
        pytest.param(token({"sub": "a\0", "aud": "fluxwire"}), id="NUL in sub"),
        pytest.param(token({"sub": "a", "aud": "fluxwire", "x": ["\0"]}), id="NUL in a claim"),
        pytest.param(token({"sub": "a", "aud": "fluxwire", "x": "\ud800"}), id="lone surrogate"),
        pytest.param(token({"sub": "a", "aud": "fluxwire", "exp": 1}), id="expired"),
        pytest.param(token({"sub": "a", "aud": "fluxwire", "exp": float("inf")}), id="expires at infinity"),
        pytest.param(token({"sub": "a", "aud": "fluxwire", "nbf": 2**40}), id="not yet good"),
        pytest.param(
            token({"sub": "ada", "aud": "fluxwire"}, key=b"x" * 64, algorithm="HS512"), id="another algorithm"
        ),
        pytest.param(jwt.encode({"sub": "ada", "aud": "fluxwire"}, "", "none"), id="not signed"),
        pytest.param(urlsafe_b64encode(b'{"a":' + b"[" * 30_000).decode() + ".e30.AA", id="nested header"),
        pytest.param("", id="empty"),
        pytest.param("..", id="dots"),
        pytest.param("é.é.é", id="not ASCII"),
        pytest.param("\ud800", id="not even text"),
    ],
)
def test_other_tokens_are_refused(bad: str) -> None:
    """§2: a token that is not ours, not good now or not fit for the database is refused, and nothing worse happens."""
    with pytest.raises(TokenRefused):
        GATE.verify(bad)


@pytest.mark.parametrize(
    ("times", "good"),
    [
        ({"exp": NOW - LEEWAY + 1}, True),
        ({"exp": NOW - LEEWAY}, False),
        ({"nbf": NOW + LEEWAY}, True),
        ({"nbf": NOW + LEEWAY + 1}, False),
        ({"iat": NOW + LEEWAY}, True),
        ({"iat": NOW + LEEWAY + 1}, False),
    ],
)
def test_clocks_may_differ_a_little(times: dict[str, float], good: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """§2: five seconds are allowed for, and no more."""
    monkeypatch.setattr("time.time", lambda: NOW)
    shown = token({"sub": "ada", "aud": "fluxwire", **times})
    if good:
        assert GATE.verify(shown).good_until == times.get("exp", math.inf) + LEEWAY
        return
    with pytest.raises(TokenRefused):
        GATE.verify(shown)


@given(st.text())
def test_no_text_breaks_the_gate(text: str) -> None:
    """Any text is refused in an orderly way."""
    with pytest.raises(TokenRefused):
        GATE.verify(text)


def test_a_short_key_is_refused() -> None:
    """A key that could be guessed is no key."""
    with pytest.raises(ValueError, match="31 bytes"):
        TokenGate(b"x" * 31)
