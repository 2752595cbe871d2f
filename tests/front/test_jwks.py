import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httptools
import pytest

from front import jwks
from front.gates import KeyUnknown, TokenGate, TokenRefused, Trust
from front.jwks import Jwks, fetch_keys
from front.keys import BadKeys, is_signed

from .issuer import EC, RSA, RSA_NEXT, Endpoint, endpoint, listed, public, signed
from .running import running, soon, turn_until
from .wire import KEY


@asynccontextmanager
async def following(end: Endpoint) -> AsyncIterator[TokenGate]:
    """A gate whose issuer is at an endpoint."""
    keys = Jwks(end.url, now=asyncio.get_running_loop().time)
    work = asyncio.create_task(keys.run())
    try:
        yield TokenGate(KEY, Trust(keys, "shop", "https://issuer/"))
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


def admits(gate: TokenGate, token: str) -> bool:
    with suppress(KeyUnknown):
        return gate.verify(token).actor == "ada"
    return False


async def test_keys_are_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token of a new key is told to come again, and then let in; the old key is gone with its list."""
    monkeypatch.setattr(jwks, "AT_MOST_EVERY", 0.1)
    async with endpoint() as end:
        end.says(listed(public(RSA, "old")))
        async with following(end) as gate:
            await turn_until(lambda: admits(gate, signed(RSA, "old")))
            end.says(listed(public(RSA_NEXT, "new"), public(EC, "e")))
            await turn_until(lambda: _quietly(gate, signed(RSA_NEXT, "new")))
            assert admits(gate, signed(EC, "e"))
            with pytest.raises(TokenRefused):
                gate.verify(signed(RSA, "old"))
        assert end.heads[0].startswith(b"GET /keys?v=1 HTTP/1.1\r\nHost: 127.0.0.1:")


def _quietly(gate: TokenGate, token: str) -> bool:
    with suppress(TokenRefused):
        return gate.verify(token).actor == "ada"
    return False


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"", "200 OK"),
        (b"<html>", "200 OK"),
        (listed(), "200 OK"),
        (listed(public(RSA_NEXT, "evil")), "302 Found"),
        (listed(public(RSA_NEXT, "evil")), "500 Internal Server Error"),
        (b" " * 300_000 + listed(public(RSA_NEXT, "evil")), "200 OK"),
        (None, ""),
    ],
    ids=["empty", "no JSON", "no keys", "elsewhere", "broken", "endless", "hangs"],
)
async def test_an_issuer_that_hangs_or_lies(
    answer: bytes | None, status: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever's key is known is let in all the while; whoever's is not comes again; the log is not filled."""
    monkeypatch.setattr(jwks, "AT_MOST_EVERY", 0.02)
    monkeypatch.setattr(jwks, "REFRESH", 0.02)
    monkeypatch.setattr(jwks, "WITHIN", 0.05)
    async with endpoint() as end:
        end.says(listed(public(RSA, "r")))
        async with following(end) as gate:
            await turn_until(lambda: _quietly(gate, signed(RSA, "r")))
            if answer is None:
                end.answer = None
            else:
                end.says(answer, status)
            asked = end.asked
            await turn_until(lambda: end.asked >= asked + 4)
            assert admits(gate, signed(RSA, "r"))
            with pytest.raises(TokenRefused):
                gate.verify(signed(RSA_NEXT, "evil"))
        assert len(caplog.records) <= 2


async def test_unknown_keys_do_not_become_requests() -> None:
    """However many unknown keys are named, the issuer is asked at most once in ten seconds."""
    async with endpoint() as end:
        end.says(listed(public(RSA, "r")))
        async with following(end) as gate:
            token = signed(RSA, "r")
            await turn_until(lambda: admits(gate, token))
            for number in range(100):
                with pytest.raises(TokenRefused):
                    gate.verify(signed(EC, f"guess {number}"))
                await asyncio.to_thread(os.sched_yield)
            assert end.asked == 1


@pytest.mark.parametrize(
    "answer",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 300_000, b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000],
    ids=["nothing", "no HTTP", "too long", "an endless head"],
)
async def test_what_is_no_answer(answer: bytes) -> None:
    """It is a fault with a name."""
    async with endpoint() as end:
        end.answer = answer
        with pytest.raises((BadKeys, httptools.HttpParserError, OSError)):
            await soon(fetch_keys(end.url))


async def test_answers_in_chunks() -> None:
    """As many servers write them."""
    async with endpoint() as end:
        end.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n1\r\n \r\n0\r\n\r\n"
        assert await soon(fetch_keys(end.url)) == b"{} "


async def test_on_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    """4205 for a token whose key is being fetched; the client comes again and is let in."""
    monkeypatch.setattr(jwks, "AT_MOST_EVERY", 0.05)
    async with endpoint() as end, running() as front:
        end.answer = None
        async with following(end) as gate:
            front.server.verify = gate.verify
            async with front.client(hello=False) as early:
                await early.say(type="hello", protocols=[1], token=signed(RSA, "r"), client="c")
                assert await early.code() == 4205
            end.says(listed(public(RSA, "r")))
            end.end()
            await turn_until(lambda: _quietly(gate, signed(RSA, "r")))
            async with front.client(hello=False) as again:
                await again.say(type="hello", protocols=[1], token=signed(RSA, "r"), client="c")
                assert (await again.hear())["actor"] == "ada"


async def test_tokens_that_were_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is checked once; a forged one is never taken for it, and no more are kept than may be."""
    monkeypatch.setattr(jwks, "MOST_SEEN", 2)
    checked: list[bytes] = []

    def check(key: object, text: bytes, signature: bytes) -> bool:
        checked.append(text)
        return is_signed(key, text, signature)  # type: ignore[arg-type]

    monkeypatch.setattr(jwks, "is_signed", check)
    async with endpoint() as end:
        end.says(listed(public(EC, "e")))
        async with following(end) as gate:
            one, two, three = (signed(EC, "e", n=number) for number in range(3))
            await turn_until(lambda: admits(gate, one))
            assert admits(gate, one)
            assert len(checked) == 1
            forged = one.rpartition(".")[0] + "." + two.rpartition(".")[2]
            with pytest.raises(TokenRefused):
                gate.verify(forged)
            assert all(admits(gate, token) for token in (two, three, two, three))
            assert len(checked) == 4
            assert admits(gate, one)
            assert len(checked) == 5
