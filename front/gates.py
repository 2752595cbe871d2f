"""Who may come in: tokens are JSON Web Tokens signed with HS256 (docs/protocol.md §2)."""

from dataclasses import dataclass

import jwt
import msgspec

ALGORITHM = "HS256"
AUDIENCE = "fluxwire"
SHORTEST_KEY = 32  # bytes; RFC 7518 §3.2 asks for as much as the hash is long


class TokenRefused(Exception):
    """A token that is not ours, is expired, or names no actor that a database can hold."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a verified token speaks for."""

    actor: str
    claims: str
    """All claims of the token, a JSON object as text."""


class TokenGate:
    """Verifies tokens, and signs those of guests.

    Args:
        key: The shared secret, at least 32 bytes.

    """

    def __init__(self, key: bytes) -> None:
        if len(key) < SHORTEST_KEY:
            raise ValueError(f"the key has {len(key)} bytes, it needs at least {SHORTEST_KEY}")
        self._key = key

    def verify(self, token: str) -> Identity:
        """Check a token's signature, audience and times.

        Raises:
            TokenRefused: It does not let anybody in (close code 4101).

        """
        try:
            claims = jwt.decode(token, self._key, [ALGORITHM], audience=AUDIENCE, options={"require": ["sub", "aud"]})
            text = msgspec.json.encode(claims).decode()
        # Beside PyJWT's own errors: a header or claims nested too deeply, numbers without end, lone surrogates.
        except (jwt.InvalidTokenError, ValueError, ArithmeticError, RecursionError, TypeError) as exc:
            raise TokenRefused(str(exc)) from None
        actor = claims["sub"]
        # Postgres holds no NUL in a text, and one actor must not spoil the batch of others.
        if not actor or "\\u0000" in text:
            raise TokenRefused("sub is empty, or a claim holds a NUL")
        return Identity(actor, text)

    def sign(self, actor: str, *, now: float, lifetime: float) -> str:
        """A token for an actor.

        Args:
            actor: The token's ``sub``.
            now: Time of signing, in seconds since 1970.
            lifetime: For how long it is good, in seconds.

        """
        claims = {"sub": actor, "aud": AUDIENCE, "iat": int(now), "exp": int(now + lifetime)}
        return jwt.encode(claims, self._key, ALGORITHM)
