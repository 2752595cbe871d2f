"""Writing past a transport is safe: nothing is overtaken, and no descriptor outlives its client (both event loops)."""

import asyncio
import json
import os
import socket
import stat
import struct
from collections.abc import Callable

import pytest
from websockets.frames import Opcode

from front.client_socket import Socket

from .running import Running, on_both_loops, plain_client, read_raw, running, turn_until
from .wire import masked

SUBSCRIBE = masked(b'{"type":"subscribe","stores":[{"id":1,"name":"a"}]}')


def _say_goodbye(front: Running, writer: asyncio.StreamWriter) -> None:
    writer.write(masked(b"\x03\xe8", opcode=Opcode.CLOSE))


def _reset(front: Running, writer: asyncio.StreamWriter) -> None:
    plain = writer.get_extra_info("socket")
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _break_the_protocol(front: Running, writer: asyncio.StreamWriter) -> None:
    writer.write(masked(b"nonsense"))
    writer.write_eof()


def _be_cut(front: Running, writer: asyncio.StreamWriter) -> None:
    for one in front.sockets:
        if one._client is not None and one._client.identity.actor == "slow":
            assert one._transport is not None
            one._transport.abort()


@on_both_loops
@pytest.mark.parametrize("end", [_say_goodbye, _reset, _break_the_protocol, _be_cut])
async def test_a_descriptor_is_left_before_it_is_closed(
    end: Callable[[Running, asyncio.StreamWriter], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However a client ends, nothing goes to whoever has its descriptor next."""
    lost: list[tuple[bool, int]] = []
    connection_lost = Socket.connection_lost

    def watched(self: Socket, exc: Exception | None) -> None:
        assert self._transport is not None
        descriptor, wire = self._transport.get_extra_info("socket").fileno(), self._wire
        open_still = stat.S_ISSOCK(os.fstat(descriptor).st_mode)
        connection_lost(self, exc)
        lost.append((open_still, -1 if wire is None else wire.fileno()))

    monkeypatch.setattr(Socket, "connection_lost", watched)
    async with running() as front, front.client() as witness:
        await witness.subscribe(1, "a")
        async with plain_client(front) as (reader, writer):
            writer.write(SUBSCRIBE)
            for _ in range(2):
                await read_raw(reader)
            end(front, writer)
            await front.multiplexer.commit("a")
            await witness.hear()
            await turn_until(lambda: lost != [])
            assert lost[0] == (True, -1)
            async with front.client() as heir:
                await front.multiplexer.commit("a")
                await witness.hear()
                await heir.say(type="ping")
                assert await heir.hear() == {"type": "pong"}, "nothing came before it"


@on_both_loops
async def test_nothing_is_overtaken() -> None:
    """Whatever waits in the transport, of a large update and of answers to pings: all frames come whole, in order."""
    async with running() as front, front.client() as quick:
        await quick.subscribe(1, "a")
        async with plain_client(front, receive_buffer=4096) as (reader, writer):
            writer.write(SUBSCRIBE)
            for _ in range(2):
                await read_raw(reader)
            parted = 0
            for turn in range(30):
                await front.multiplexer.commit("a", padding=60_000)
                await quick.hear()
                (slow,) = [one for one in front.sockets if one._client and one._client.identity.actor == "slow"]
                assert slow._wire is not None
                parted += slow._wire.fileno() == -1
                writer.write(masked(b"%d" % turn, opcode=Opcode.PING))
            pongs: list[int] = []
            version, end = 0, front.multiplexer.truth.versions["a{}"]
            while len(pongs) < 30 or version < end:
                opcode, payload = await read_raw(reader)
                if opcode == Opcode.PONG:
                    pongs.append(int(payload))
                    continue
                frame = json.loads(payload)
                assert frame.get("from", version) == version
                version = frame["to"] if frame["type"] == "update" else frame["version"]
            assert pongs == list(range(30))
            assert 0 < parted < 30, "it went past the transport, and then it had to wait"
            await turn_until(lambda: slow._wire is not None and slow._wire.fileno() != -1)
            await front.multiplexer.commit("a")
            assert json.loads((await read_raw(reader))[1])["to"] == end + 1, "and past it again"
