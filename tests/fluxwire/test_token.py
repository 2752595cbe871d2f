"""The key file and the tokens it signs."""

import time
from pathlib import Path

import jwt
import pytest

from fluxwire import token
from fluxwire.stack.errors import StackError


def test_key_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    """A second start finds the key of the first, and nobody else may read it."""
    path = tmp_path / "key"
    token.make_key(path)
    key = token.read_key(path)
    token.make_key(path)
    assert token.read_key(path) == key
    assert len(bytes.fromhex(key)) >= 32
    assert path.stat().st_mode & 0o077 == 0


def test_token_says_who_until_when(tmp_path: Path) -> None:
    """A token carries sub, iat, exp and aud, and verifies with the key alone."""
    now = time.time()
    signed = token.sign("k" * 32, "ada", lifetime=60, now=now)
    claims = jwt.decode(signed, "k" * 32, algorithms=["HS256"], audience="fluxwire")
    assert claims == {"sub": "ada", "aud": "fluxwire", "iat": int(now), "exp": int(now + 60)}
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(signed, "x" * 32, algorithms=["HS256"], audience="fluxwire")


def test_no_key_is_said_plainly(tmp_path: Path) -> None:
    """Before the first start there is no key, and the hint says what makes one."""
    with pytest.raises(StackError, match="no key") as caught:
        token.read_key(tmp_path / "key")
    assert "run.py" in caught.value.hint
