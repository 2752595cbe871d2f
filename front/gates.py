"""Who may come in: tokens are JSON Web Tokens (docs/protocol.md §2), signed with our key or by an issuer's."""

import binascii
import hmac
import math
import time
from dataclasses import dataclass
from typing import Any, Protocol

import jwt
import msgspec

ALGORITHM = "HS256"
AUDIENCE = "fluxwire"
SHORTEST_KEY = 32  # bytes; RFC 7518 §3.2 asks for as much as the hash is long

LEEWAY = 5.0
"""Seconds by which the clocks of an issuer and of a front may differ."""


class TokenRefused(Exception):
    """A token that is not ours, is expired, or names no actor that a database can hold."""


class KeyUnknown(TokenRefused):
    """A token that may be good: its key is not known yet, and is being fetched."""


class Issuer(Protocol):
    """Somebody else who signs tokens, with keys of their own."""

    def verify(self, algorithm: str, kid: str | None, signed: bytes, signature: bytes) -> None:
        """Check a signature.

        Raises:
            TokenRefused: It is not theirs.

        """


@dataclass(frozen=True, slots=True)
class Trust:
    """An issuer, and what its tokens have to say."""

    issuer: Issuer
    audience: str = AUDIENCE
    """Their ``aud``, or one of it."""
    name: str = ""
    """Their ``iss``; "" is any."""


class Identity(msgspec.Struct, frozen=True, gc=False):
    """Who a verified token speaks for; every connection has one, so the collector need not look at it."""

    actor: str
    claims: str
    """All claims of the token, a JSON object as text."""
    good_until: float = math.inf
    """When it ends, in seconds since 1970."""


NOBODY = Identity("", "{}")
"""Who reads without a token, where guests may; no token is anybody's without a name."""


class TokenGate:
    """Verifies tokens, and signs those of guests.

    Args:
        key: The shared secret, at least 32 bytes; None if there is none, and only the issuer's tokens are good.
        trust: The issuer whose tokens are good as well.

    """

    def __init__(self, key: bytes | None, trust: Trust | None = None) -> None:
        if key is not None and len(key) < SHORTEST_KEY:
            raise ValueError(f"the key has {len(key)} bytes, it needs at least {SHORTEST_KEY}")
        self._key = key
        self._hmac = hmac.new(key, digestmod="sha256") if key is not None else None  # a copy is ready to be fed
        self._trust = trust
        self._header = b""  # as it was written last; an issuer's tokens begin all alike

    def verify(self, token: str) -> Identity:
        """Check a token's signature, audience and times.

        Raises:
            KeyUnknown: It may, once its key has been fetched (4205).
            TokenRefused: It does not let anybody in (close code 4101).

        """
        try:
            claims, audience = self._open(token)
            good_until = _check(claims, audience, time.time())
            text = msgspec.json.encode(claims).decode()
        # What is no base64, no JSON or no Unicode; claims nested too deeply.
        except (ValueError, msgspec.MsgspecError, RecursionError) as exc:
            raise TokenRefused(str(exc)) from None
        actor = claims["sub"]
        # Postgres holds no NUL in a text, and one actor must not spoil the batch of others.
        if not actor or "\\u0000" in text:
            raise TokenRefused("sub is empty, or a claim holds a NUL")
        return Identity(actor, text, good_until)

    def _open(self, token: str) -> tuple[dict[str, Any], str]:
        """The claims of a token that was signed by us or by the issuer, and whom they have to be for."""
        signed, _, encoded = token.encode("ascii").rpartition(b".")
        signature = _base64(encoded)
        header, _, payload = signed.partition(b".")
        # First of all: nothing of a stranger's token is looked at.
        if self._hmac is not None and hmac.compare_digest(_signature(self._hmac, signed), signature):
            if header != self._header:
                said = _HEADERS.decode(_base64(header))
                if said.alg != ALGORITHM or said.crit is not None:
                    raise TokenRefused(f"only {ALGORITHM} is taken, and no critical extension")
                self._header = header
            return _CLAIMS.decode(_base64(payload)), AUDIENCE
        if self._trust is None:
            raise TokenRefused("the signature is not ours")
        said = _HEADERS.decode(_base64(header))
        if said.crit is not None:
            raise TokenRefused("no critical extension is taken")
        # Our key is never tried for what is signed by theirs, nor theirs for HS256.
        self._trust.issuer.verify(said.alg, said.kid, signed, signature)
        claims = _CLAIMS.decode(_base64(payload))
        if self._trust.name and claims.get("iss") != self._trust.name:
            raise TokenRefused(f"iss is not {self._trust.name}")
        return claims, self._trust.audience

    def sign(self, actor: str, *, now: float, lifetime: float) -> str:
        """A token for an actor.

        Args:
            actor: The token's ``sub``.
            now: Time of signing, in seconds since 1970.
            lifetime: For how long it is good, in seconds.

        Raises:
            ValueError: There is no key of ours.

        """
        if self._key is None:
            raise ValueError("there is no key to sign with")
        claims = {"sub": actor, "aud": AUDIENCE, "iat": int(now), "exp": int(now + lifetime)}
        return jwt.encode(claims, self._key, ALGORITHM)


def _signature(keyed: hmac.HMAC, signed: bytes) -> bytes:
    signing = keyed.copy()
    signing.update(signed)
    return signing.digest()


class _Header(msgspec.Struct):
    alg: str
    kid: str | None = None
    crit: list[str] | None = None


_HEADERS = msgspec.json.Decoder(_Header)
_CLAIMS = msgspec.json.Decoder(dict[str, Any])


def _check(claims: dict[str, Any], wanted: str, now: float) -> float:
    """RFC 7519 §4.1: for us, and good now; until when."""
    audience = claims.get("aud")
    if audience != wanted and not (isinstance(audience, list) and wanted in audience):
        raise TokenRefused(f"aud is not {wanted}")
    if not isinstance(claims.get("sub"), str):
        raise TokenRefused("sub is no text")
    good_until = _moment(claims, "exp") + LEEWAY if "exp" in claims else math.inf
    if good_until <= now:
        raise TokenRefused("expired")
    for name in ("nbf", "iat"):
        if name in claims and _moment(claims, name) > now + LEEWAY:
            raise TokenRefused(f"{name} is in the future")
    return good_until


def _moment(claims: dict[str, Any], name: str) -> float:
    moment = claims[name]
    if type(moment) is int or type(moment) is float:
        return moment
    raise TokenRefused(f"{name} is no number")


def same_but_for_times(one: Identity, other: Identity) -> bool:
    """Whether two tokens say the same of the same actor, and differ at most in when they were made and are good."""
    return _lasting(one) == _lasting(other)


def _lasting(identity: Identity) -> dict[str, Any]:
    return {name: value for name, value in _CLAIMS.decode(identity.claims).items() if name not in _PASSING}


_PASSING = frozenset({"exp", "iat", "nbf", "jti"})


def _base64(part: bytes) -> bytes:
    """RFC 7515 §2: base64 in the alphabet for URLs, without padding."""
    return binascii.a2b_base64(part.translate(_ALPHABET) + b"=" * (-len(part) % 4), strict_mode=True)


_ALPHABET = bytes.maketrans(b"-_", b"+/")
