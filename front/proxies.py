"""Whose connection it is: a proxy in front of us knows, and is believed if the settings name it.

A proxy says so in ``X-Forwarded-For``, or in a header before the request (the PROXY protocol, versions 1 and 2).
"""

import functools
import ipaddress
import re
import socket
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_FORWARDED = re.compile(rb"\r\nx-forwarded-for:[ \t]*([^\r\n]*)", re.IGNORECASE)

_VERSION_1 = b"PROXY "
_WORDS_1 = 6  # PROXY, the family, two addresses, two ports
_LONGEST_1 = 107  # bytes, with the end of the line
_VERSION_2 = b"\r\n\r\n\0\r\nQUIT\n"
_HEAD_2 = 16
_LOCAL, _PROXIED = 0x20, 0x21
_ADDRESSES_2 = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}


class BadProxy(Exception):
    """What claims to be the PROXY protocol and is not."""


class Proxies:
    """The proxies that are believed.

    Args:
        trusted: Their networks.

    """

    def __init__(self, trusted: Iterable[Network] = ()) -> None:
        self._trusted = tuple(trusted)
        self._trusts = functools.lru_cache(maxsize=1_000)(self._is_trusted)

    def trusts(self, address: str) -> bool:
        """Whether a connection from this address is a proxy's."""
        return bool(self._trusted) and self._trusts(address)

    def client(self, address: str, head: bytes) -> str:
        """Who is behind a proxy.

        Args:
            address: The proxy's.
            head: That of the request.

        Returns:
            The last address on the way that is not a trusted proxy's: whatever stands before it, anybody may have
            written. The proxy's own if it says nothing.

        """
        way = b",".join(_FORWARDED.findall(head)).decode("latin-1").split(",")
        for hop in reversed([hop.strip() for hop in way]):
            plain = _without_port(hop)
            if plain is None:
                break
            address = plain
            if not self.trusts(address):
                break
        return address

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
        return any((mapped or parsed) in network for network in self._trusted)


def announced(data: bytes) -> tuple[str | None, int] | None:
    """Read the PROXY protocol's header, of either version, off the first bytes of a connection.

    Args:
        data: What has come so far of a trusted proxy's connection.

    Returns:
        The client's address (None: the proxy speaks for itself, or there is no header) and how many bytes to take
        off; None if more has to come.

    Raises:
        BadProxy: It begins like such a header and is none.

    """
    if data.startswith(_VERSION_1):
        line, end, _ = data[:_LONGEST_1].partition(b"\r\n")
        if not end:
            if len(data) >= _LONGEST_1:
                raise BadProxy("a line without end")
            return None
        return _version_1(line.split(b" ")), len(line) + 2
    if data.startswith(_VERSION_2):
        if len(data) < _HEAD_2:
            return None
        size = _HEAD_2 + int.from_bytes(data[14:16], "big")
        return (_version_2(data[:size]), size) if len(data) >= size else None
    if _VERSION_1.startswith(data) or _VERSION_2.startswith(data):
        return None
    return None, 0


def _version_1(words: list[bytes]) -> str | None:
    if words[1] == b"UNKNOWN":
        return None
    sound = len(words) == _WORDS_1 and words[1] in {b"TCP4", b"TCP6"}
    address = _plain(words[2].decode("latin-1")) if sound else None
    if address is None:
        raise BadProxy("no address")
    return address


def _version_2(header: bytes) -> str | None:
    if header[12] == _LOCAL:  # the proxy looks whether we are there
        return None
    family, size = _ADDRESSES_2.get(header[13], (None, 0))
    if header[12] != _PROXIED or family is None or len(header) < _HEAD_2 + 2 * size + 4:
        raise BadProxy("no address")
    return socket.inet_ntop(family, header[_HEAD_2 : _HEAD_2 + size])


def _without_port(hop: str) -> str | None:
    """An address as some proxies write it, with a port."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    return _plain(hop)


def _plain(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def counted_as(address: str) -> str | None:
    """Under what an address is counted; None: not at all, since it is this machine's own.

    Whoever has one address of IPv6 has the 2^64 of its network.
    """
    if ":" not in address:
        return None if address.startswith("127.") else address
    try:
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except OSError:
        return address
    if packed.startswith(_MAPPED):
        return counted_as(socket.inet_ntop(socket.AF_INET, packed[12:]))
    return None if packed == _LOOPBACK else socket.inet_ntop(socket.AF_INET6, packed[:8] + bytes(8))


_MAPPED = bytes(10) + b"\xff\xff"
_LOOPBACK = bytes(15) + b"\x01"
