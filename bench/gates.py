"""``bench gates``: what verifying a token and passing the gates adds to a session, of the front's processor time.

Sessions go through a front's doorway, sockets and hub in this process, without a network, as far as ``welcome``: some
past all gates, each with a token, an origin, an address and an actor of its own that is counted; others, in turn with
them, where everybody is let in whatever he shows and nothing is counted.
"""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from front.gates import AUDIENCE, Identity, KeyUnknown, TokenGate, Trust
from front.hub import Hub
from front.jwks import Jwks
from front.limits import Limits
from front.origins import ANY, Origins
from front.rules import Rules
from front.server import Server

from .figures import Figure, alone
from .harness import Options
from .processes import SERVER_CORE, Broken, pinned
from .served import KEY, Bus
from .sessions import request, text

SESSIONS, QUICK_SESSIONS = 2_000, 200
TURN = 16
"""Sessions that begin in one turn of the event loop."""

ROUNDS, QUICK_ROUNDS = 9, 2
LIFETIME = 86_400  # seconds
FIRST_ADDRESS = IPv4Address("10.0.0.1")

Verify = Callable[[str], Identity]


def run(options: Options) -> Iterator[Figure]:
    """Measure what is wanted."""
    with pinned(SERVER_CORE):
        yield from _figures(options)


def _figures(options: Options) -> Iterator[Figure]:
    count, rounds = (QUICK_SESSIONS, QUICK_ROUNDS) if options.quick else (SESSIONS, ROUNDS)
    actors = [f"actor {number}" for number in range(count)]
    if options.wants("gates.hs256_us"):
        ours = TokenGate(KEY)
        tokens = [ours.sign(actor, now=time.time(), lifetime=LIFETIME) for actor in actors]
        values = [asyncio.run(_added(ours.verify, tokens)) for _ in range(rounds)]
        yield alone("gates.hs256_us", values, "us", "<= 40")
    for algorithm, key in (
        ("RS256", rsa.generate_private_key(public_exponent=65_537, key_size=2_048)),
        ("ES256", ec.generate_private_key(ec.SECP256R1())),
    ):
        names = [f"gates.{algorithm.lower()}_{sight}_us" for sight in ("first", "seen")]
        if options.wants(*names):
            claims = {"aud": AUDIENCE, "exp": int(time.time()) + LIFETIME}
            tokens = [jwt.encode({"sub": actor} | claims, key, algorithm) for actor in actors]
            taken = [asyncio.run(_added_by_issuer(algorithm, key, tokens)) for _ in range(rounds)]
            for place, name in enumerate(names):
                yield alone(name, [both[place] for both in taken], "us", "<= 40")


async def _added_by_issuer(algorithm: str, key: Any, tokens: Sequence[str]) -> tuple[float, float]:  # noqa: ANN401
    """The same for an issuer's tokens, that were not seen before and that were."""
    published = (jwt.algorithms.RSAAlgorithm if algorithm == "RS256" else jwt.algorithms.ECAlgorithm).to_jwk(
        key.public_key()
    )

    async def fetch(_: str) -> bytes:
        return f'{{"keys":[{published}]}}'.encode()

    issuer = Jwks("https://issuer.example", now=asyncio.get_running_loop().time, fetch=fetch)
    following = asyncio.create_task(issuer.run())
    gate = TokenGate(None, Trust(issuer))
    before, *rest = tokens
    while True:
        try:
            gate.verify(before)
            break
        except KeyUnknown:
            await asyncio.sleep(0)
    taken = await _added(gate.verify, rest), await _added(gate.verify, rest)
    following.cancel()
    return taken


async def _added(verify: Verify, tokens: Sequence[str]) -> float:
    """How much longer a session takes past all gates than past none, in microseconds."""
    identities = iter([Identity(f"actor {number}", "{}") for number in range(len(tokens))])
    uncounted = Rules(origins=Origins([ANY]), limits=Limits(0, 0, 0, 0, 0, 0))
    without = await _seconds(lambda _: next(identities), uncounted, ["127.0.0.1"] * len(tokens), tokens)
    with_all = await _seconds(verify, Rules(), [str(FIRST_ADDRESS + number) for number in range(len(tokens))], tokens)
    return 1e6 * (with_all - without) / len(tokens)


async def _seconds(verify: Verify, rules: Rules, addresses: Sequence[str], tokens: Sequence[str]) -> float:
    """Processor time of sessions as far as ``welcome``."""
    server = Server(hub=Hub(front="bench", rules=rules), bus=Bus(), verify=verify, rules=rules)
    head = request("/ws")
    hellos = [text(json.dumps({"type": "hello", "protocols": [1], "token": token, "client": "c"})) for token in tokens]
    seconds = 0.0
    with Wire() as wire:
        for start in range(0, len(tokens), TURN):
            transports = [Transport(wire, address) for address in addresses[start : start + TURN]]
            begun = time.process_time()
            for transport in transports:
                transport.begin(server.accept(http=asyncio.Protocol, connections=set()))
            for transport in transports:
                transport.get_protocol().data_received(head)
            for transport, hello in zip(transports, hellos[start:], strict=False):
                transport.get_protocol().data_received(hello)
            await asyncio.sleep(0)  # for the flush
            seconds += time.process_time() - begun
            if wire.heard() != len(transports):
                raise Broken("not everybody was let in")
            for transport in transports:
                transport.get_protocol().connection_lost(None)
    return seconds


class Wire:
    """Where all clients of this process listen, so that nobody has to be connected."""

    def __init__(self) -> None:
        self.front, self._clients = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._clients.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.front.close()
        self._clients.close()

    def heard(self) -> int:
        """How many were welcomed since the last time."""
        count = 0
        with contextlib.suppress(BlockingIOError):
            while b'"welcome"' in self._clients.recv(4_096):
                count += 1
        return count


class Transport(asyncio.Transport):
    """A client's connection as far as a front sees it.

    Args:
        wire: Where its clients listen.
        address: Whose connection it is.

    """

    def __init__(self, wire: Wire, address: str) -> None:
        super().__init__({"peername": (address, 50_000), "socket": wire.front})
        self._protocol: Any = None

    def begin(self, protocol: asyncio.Protocol) -> None:
        """Connect."""
        self._protocol = protocol
        protocol.connection_made(self)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Have another protocol from here on."""
        self._protocol = protocol

    def get_protocol(self) -> Any:  # noqa: ANN401 - asyncio.Protocol, of which asyncio knows less
        """The protocol."""
        return self._protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever kept."""

    def is_closing(self) -> bool:
        """Never."""
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Drop the answer to the upgrade."""
