"""An issuer's keys from its address (JWKS, RFC 7517 §5): fetched in the background, kept, and fetched again.

Nobody waits for an issuer. Whoever's key is known is let in whatever the issuer does; whoever's is not is told to come
again, and by then the keys are there.
"""

import asyncio
import hashlib
import logging
import ssl
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import httptools

from .gates import KeyUnknown, TokenRefused
from .keys import NO_KEYS, BadKeys, is_signed, read_keys

WITHIN = 5.0
"""Seconds an issuer has to answer."""

MOST_BYTES = 262_144
"""Longest answer."""

AT_MOST_EVERY = 10.0
"""Seconds between two fetches at least, however many unknown keys are named."""

MOST_SEEN = 20_000
"""Tokens that are known to be signed; whoever comes back shows the same one."""

REFRESH = 300.0
"""Seconds after which keys are fetched again though nobody misses one: those that were withdrawn are to go."""

_logger = logging.getLogger("front")


class Jwks:
    """The keys of one issuer.

    Args:
        url: Where they are.
        now: The clock, in seconds.
        fetch: Gets what is there.

    Let :meth:`run` run in the background.

    """

    def __init__(
        self, url: str, *, now: Callable[[], float], fetch: Callable[[str], Awaitable[bytes]] | None = None
    ) -> None:
        self._url = url
        self._now = now
        self._fetch = fetch or fetch_keys
        self._keys = NO_KEYS
        self._seen: dict[bytes, None] = {}  # digests of what these keys have signed; checking costs ten times as much
        self._wanted = asyncio.Event()
        self._fresh_at = float("-inf")  # when the fetch began that succeeded last

    def verify(self, algorithm: str, kid: str | None, signed: bytes, signature: bytes) -> None:
        """Check a signature.

        Args:
            algorithm: The token's ``alg``.
            kid: Its ``kid``, None without.
            signed: What was signed.
            signature: The signature.

        Raises:
            KeyUnknown: The key may be one that was not fetched yet.
            TokenRefused: The signature is not the issuer's.

        """
        digest = hashlib.sha256(signed + b"." + signature).digest()
        if digest in self._seen:
            return
        try:
            key = self._keys.find(algorithm, kid)
        except LookupError as exc:
            raise TokenRefused(str(exc)) from None
        if key is None:
            if self._now() < self._fresh_at + AT_MOST_EVERY:
                raise TokenRefused("the issuer has no such key")
            self._wanted.set()
            raise KeyUnknown("the key is being fetched")
        if not is_signed(key, signed, signature):
            raise TokenRefused("the signature is not the issuer's")
        self._seen[digest] = None
        if len(self._seen) > MOST_SEEN:
            del self._seen[next(iter(self._seen))]

    async def run(self) -> None:
        """Keep the keys fresh until cancelled."""
        said = ""
        while True:
            self._wanted.clear()
            begun_at = self._now()
            try:
                self._keys = read_keys(await self._fetch(self._url))
            except (OSError, TimeoutError, BadKeys, httptools.HttpParserError) as exc:
                # What was known stays good.
                if str(exc) != said:
                    said = str(exc)
                    _logger.warning("= the issuer's keys cannot be fetched: %s", said or type(exc).__name__)
                patience = AT_MOST_EVERY
            else:
                said, self._fresh_at, patience = "", begun_at, REFRESH
                self._seen.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._wanted.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(begun_at + AT_MOST_EVERY - self._now())


async def fetch_keys(url: str) -> bytes:
    """Get what is at an address; a redirection is no answer.

    Raises:
        OSError: Nobody is there.
        TimeoutError: The answer did not come in time.
        BadKeys: It is too long, or not 200.

    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    async with asyncio.timeout(WITHIN):
        reader, writer = await asyncio.open_connection(
            parts.hostname, port, ssl=ssl.create_default_context() if secure else None
        )
        try:
            host = parts.netloc.rpartition("@")[2]
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nConnection: close\r\n\r\n".encode()
            )
            return await _answer(reader)
        finally:
            writer.transport.abort()


class _Answer:
    """What httptools tells of an answer."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.complete = False

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = True


async def _answer(reader: asyncio.StreamReader) -> bytes:
    answer, taken = _Answer(), 0
    parser = httptools.HttpResponseParser(answer)
    while not answer.complete:
        data = await reader.read(65_536)
        taken += len(data)
        if taken > MOST_BYTES:
            raise BadKeys(f"more than {MOST_BYTES} bytes")
        if not data:
            break
        parser.feed_data(data)
    if not taken or parser.get_status_code() != 200:  # noqa: PLR2004 - OK
        raise BadKeys(f"the answer is {parser.get_status_code() if taken else 'empty'}")
    return bytes(answer.body)
