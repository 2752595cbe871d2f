"""An identity provider on a real port that says what a test wants, and the keys it signs with."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt.algorithms
import pytest

from .wire import Json

# Only the extra has it.
rsa: Any = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
ec: Any = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
PrivateKey = Any

RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
RSA_NEXT = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
EC = ec.generate_private_key(ec.SECP256R1())
CLAIMS = {"sub": "ada", "aud": "shop", "iss": "https://issuer/"}


def public(key: PrivateKey, kid: str | None, **members: object) -> Json:
    """A key as an issuer publishes it."""
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    listed: Json = json.loads(algorithm.to_jwk(key.public_key()))
    return {name: value for name, value in (listed | {"kid": kid} | members).items() if value is not None}


def listed(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


def signed(key: PrivateKey, kid: str | None = None, *, algorithm: str | None = None, **claims: object) -> str:
    """A token."""
    algorithm = algorithm or ("RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256")
    return jwt.encode(CLAIMS | claims, key, algorithm, headers={"kid": kid} if kid is not None else None)


class Endpoint:
    """Says ``answer``; an answer of None hangs."""

    def __init__(self) -> None:
        self.answer: bytes | None = b""
        self.asked = 0
        self.heads: list[bytes] = []
        self.url = ""
        self._ended = asyncio.Event()

    def says(self, body: bytes, status: str = "200 OK") -> None:
        self.answer = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            self.asked += 1
            if self.answer is None:
                await self._ended.wait()
            else:
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    def end(self) -> None:
        self._ended.set()


@asynccontextmanager
async def endpoint() -> AsyncIterator[Endpoint]:
    """Serve on a free port."""
    end = Endpoint()
    async with await asyncio.start_server(end.serve, "127.0.0.1", 0) as server:
        end.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys?v=1"
        yield end
        end.end()
