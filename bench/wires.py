"""What the clients of ``bench chat`` say, to each contender in its own words."""

import json
import secrets
import time
from dataclasses import dataclass
from typing import Protocol

from .sessions import request, text
from .stack import Stack

DAY = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Size:
    """Of the chat; client i is actor ``ai`` and a member of room ``r`` and i modulo ``rooms``."""

    rooms: int
    clients: int

    def room(self, client: int) -> str:
        """The room of a client."""
        return f"r{client % self.rooms}"


class Wire(Protocol):
    """What a contender's clients say."""

    @property
    def greetings(self) -> int:
        """How many text frames a client gets before it is in its room."""

    def opening(self, client: int) -> tuple[bytes, bytes]:
        """The request for the upgrade, and what follows it."""

    def post(self, client: int, body: str) -> bytes:
        """A message into the client's room."""


class FluxwireWire:
    """docs/protocol.md: hello, subscribe, dispatch."""

    greetings = 3  # welcome, subscribed, snapshot

    def __init__(self, whole: Stack, size: Size) -> None:
        self._whole = whole
        self._size = size
        self._numbers = [0] * size.clients

    def opening(self, client: int) -> tuple[bytes, bytes]:
        """Every connection is a new client of its actor, whose actions are numbered from 1."""
        self._numbers[client] = 0
        token = self._whole.gate.sign(f"a{client}", now=time.time(), lifetime=DAY)
        hello = {"type": "hello", "protocols": [1], "token": token, "client": secrets.token_hex(8)}
        store = {"id": 1, "name": "room", "params": {"room": self._size.room(client)}}
        said = text(json.dumps(hello)) + text(json.dumps({"type": "subscribe", "stores": [store]}))
        return request("/ws"), said

    def post(self, client: int, body: str) -> bytes:
        """An action."""
        self._numbers[client] += 1
        params = {"room": self._size.room(client), "body": body}
        action = {"type": "dispatch", "number": self._numbers[client], "name": "post_message", "params": params}
        return text(json.dumps(action))


@dataclass(frozen=True, slots=True)
class SocketIoWire:
    """Engine.IO 4 and Socket.IO 5: who one is comes with CONNECT, a message is an EVENT with an acknowledgement."""

    size: Size
    greetings: int = 3  # OPEN, CONNECT, 'joined'

    def opening(self, client: int) -> tuple[bytes, bytes]:
        """CONNECT."""
        auth = json.dumps({"room": self.size.room(client), "actor": f"a{client}"})
        return request("/socket.io/?EIO=4&transport=websocket"), text(f"40{auth}")

    def post(self, client: int, body: str) -> bytes:  # noqa: ARG002 - the wire knows who says it
        """EVENT."""
        return text(f"420{json.dumps(['post', {'body': body}])}")


@dataclass(frozen=True, slots=True)
class PlainWire:
    """The chats on ws and websockets: who one is stands in the address."""

    size: Size
    greetings: int = 1  # joined

    def opening(self, client: int) -> tuple[bytes, bytes]:
        """Nothing follows."""
        return request(f"/?room={self.size.room(client)}&actor=a{client}"), b""

    def post(self, client: int, body: str) -> bytes:  # noqa: ARG002 - the wire knows who says it
        """A number by which the answer is known, and the text."""
        return text(json.dumps({"number": 1, "body": body}))


@dataclass(frozen=True, slots=True)
class NchanWire:
    """A location a room, which is published to and subscribed on one connection."""

    size: Size
    greetings: int = 0

    def opening(self, client: int) -> tuple[bytes, bytes]:
        """Nothing follows."""
        return request(f"/room/{self.size.room(client)}"), b""

    def post(self, client: int, body: str) -> bytes:
        """What the poster gets."""
        return text(json.dumps({"room": self.size.room(client), "author": f"a{client}", "body": body}))


@dataclass(frozen=True, slots=True)
class CentrifugoWire:
    """Centrifugo's JSON protocol; its clients may put several commands into a frame, and are answered so."""

    size: Size
    greetings: int = 1

    def opening(self, client: int) -> tuple[bytes, bytes]:
        """Connect and subscribe."""
        commands = ({"id": 1, "connect": {}}, {"id": 2, "subscribe": {"channel": self.size.room(client)}})
        return request("/connection/websocket"), text("\n".join(map(json.dumps, commands)))

    def post(self, client: int, body: str) -> bytes:
        """Publish; the publish proxy is asked first."""
        data = {"author": f"a{client}", "body": body}
        return text(json.dumps({"id": 3, "publish": {"channel": self.size.room(client), "data": data}}))
