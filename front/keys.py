"""The public keys of an issuer of tokens (RFC 7517), and signatures by them.

Of all that such a list may say, only what is safe is heard: RS256 by an RSA key of a sound length, ES256 by a key on
P-256. The algorithm is a property of the key; what a token says of it has to agree.
"""

from __future__ import annotations

import jwt
import msgspec
from jwt.exceptions import PyJWTError

MOST_KEYS = 100
"""Keys of one list at most."""

_BITS = range(2_048, 8_192 + 1)  # of an RSA key: shorter ones are broken, longer ones take long
_ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}


class BadKeys(Exception):
    """What an issuer said is no list of keys, or none of them is any good."""


class _Key(msgspec.Struct, frozen=True):
    kty: str
    kid: str | None = None
    use: str | None = None
    alg: str | None = None
    key_ops: list[str] | None = None
    crv: str | None = None


class _KeyList(msgspec.Struct, frozen=True):
    keys: list[msgspec.Raw]


class Keys:
    """The keys of one list.

    Args:
        listed: Each with its id, if it has one.

    """

    def __init__(self, listed: list[tuple[str | None, jwt.PyJWK]]) -> None:
        self._by_id = {kid: key for kid, key in listed if kid is not None}
        self._all = [key for _, key in listed]

    def find(self, algorithm: str, kid: str | None) -> jwt.PyJWK | None:
        """The key that a token names; without a name the only one of its algorithm.

        Args:
            algorithm: The token's ``alg``.
            kid: Its ``kid``, None without.

        Raises:
            LookupError: The token does not go with these keys, whatever others there may be.

        """
        if algorithm not in _ALGORITHMS.values():
            raise LookupError("only RS256 and ES256 are taken of an issuer")
        if kid is not None:
            key = self._by_id.get(kid)
            if key is not None and key.algorithm_name != algorithm:
                raise LookupError("alg is not that of the key")
            return key
        keys = [key for key in self._all if key.algorithm_name == algorithm]
        if len(keys) > 1:
            raise LookupError("it names none of several keys")
        return keys[0] if keys else None


NO_KEYS = Keys([])


def read_keys(text: bytes) -> Keys:
    """Read a list of keys; those that are of no use to us are passed over.

    Raises:
        BadKeys: It is none, or has none that is of use.

    """
    try:
        listed = msgspec.json.decode(text, type=_KeyList).keys
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise BadKeys(str(exc)) from None
    if len(listed) > MOST_KEYS:
        raise BadKeys(f"more than {MOST_KEYS} keys")
    read = [key for key in map(_read, listed) if key is not None]
    if not read:
        raise BadKeys("no key for RS256 or ES256")
    return Keys(read)


def _read(raw: msgspec.Raw) -> tuple[str | None, jwt.PyJWK] | None:
    try:
        said = msgspec.json.decode(raw, type=_Key)
        algorithm = _ALGORITHMS.get(said.kty)
        if algorithm is None or said.alg not in {None, algorithm} or said.use not in {None, "sig"}:
            return None
        if said.key_ops is not None and "verify" not in said.key_ops:
            return None
        if said.kty == "EC" and said.crv != "P-256":
            return None
        # Only what a public key is made of: an issuer may have published its private half by mistake.
        members = {name: value for name, value in msgspec.json.decode(raw).items() if name in _PUBLIC}
        key = jwt.PyJWK(members, algorithm)
    # What is no JSON, no number in base64 or no point of the curve.
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError, PyJWTError):
        return None
    if said.kty == "RSA" and key.key.key_size not in _BITS:
        return None
    return said.kid, key


_PUBLIC = frozenset({"kty", "crv", "x", "y", "n", "e"})


def is_signed(key: jwt.PyJWK, signed: bytes, signature: bytes) -> bool:
    """Whether a key made a signature."""
    return key.Algorithm.verify(signed, key.key, signature)
