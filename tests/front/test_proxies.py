import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from front.proxies import BadProxy, Proxies, announced, counted_as

PROXIES = Proxies([ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")])
VERSION_2 = b"\r\n\r\n\0\r\nQUIT\n"


def head(*headers: str) -> bytes:
    return "\r\n".join(["GET /ws HTTP/1.1", "Host: h", *headers]).encode()


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        (["X-Forwarded-For: 203.0.113.7"], "203.0.113.7"),
        (["x-forwarded-for:203.0.113.7:4711"], "203.0.113.7"),
        (["X-Forwarded-For: [2001:db8::7]:4711"], "2001:db8::7"),
        (["X-Forwarded-For: 198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        (["X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 203.0.113.7, 10.0.0.9"], "203.0.113.7"),
        (["X-Forwarded-For: 10.0.0.7, 10.0.0.8"], "10.0.0.7"),
        (["X-Forwarded-For: 203.0.113.7, unknown"], "10.0.0.1"),
        (["X-Forwarded-For: 203.0.113.7, <script>, fd00::1"], "fd00::1"),
        (["X-Forwarded-For:"], "10.0.0.1"),
        ([], "10.0.0.1"),
        (["Y: X-Forwarded-For: 203.0.113.7"], "10.0.0.1"),
    ],
    ids=str,
)
def test_whose_connection_it_is(headers: list[str], client: str) -> None:
    """The last address that no trusted proxy has counts; what stands before it, a client can write itself."""
    assert PROXIES.client("10.0.0.1", head(*headers)) == client


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("fd00::1", True),
        ("11.1.2.3", False),
        ("::1", False),
        ("", False),
    ],
)
def test_who_is_believed(address: str, trusted: bool) -> None:
    """Those of the settings, and without a setting nobody."""
    assert PROXIES.trusts(address) is trusted
    assert not Proxies().trusts(address)


def version_2(command: int, family: int, addresses: bytes) -> bytes:
    return VERSION_2 + bytes((command, family)) + len(addresses).to_bytes(2, "big") + addresses


V4 = socket.inet_aton("203.0.113.7") + bytes(8)
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + bytes(20)


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n", "203.0.113.7"),
        (b"PROXY TCP6 2001:db8::7 fd00::1 4711 80\r\n", "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN whatever else\r\n", None),
        (version_2(0x21, 0x11, V4), "203.0.113.7"),
        (version_2(0x21, 0x21, V6), "2001:db8::7"),
        (version_2(0x21, 0x11, V4 + b"\x03\x00\x04abcd"), "203.0.113.7"),
        (version_2(0x20, 0x00, b""), None),
    ],
    ids=str,
)
def test_the_proxy_protocol(header: bytes, address: str | None) -> None:
    """Both versions are read, however they are cut, and what follows is left."""
    for cut in range(len(header)):
        assert announced(header[:cut]) is None
    assert announced(header + b"GET /") == (address, len(header))


@pytest.mark.parametrize("data", [b"GET /ws HTTP/1.1\r\n", b"POST", b"PUT", b"\r\nGET"])
def test_requests_without_such_a_header(data: bytes) -> None:
    """Plain requests are left as they are."""
    assert announced(data) == (None, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY TCP4 203.0.113.7\r\n",
        b"PROXY TCP4 a b c d\r\n",
        b"PROXY UNIX 203.0.113.7 10.0.0.1 1 2\r\n",
        b"PROXY " + b"x" * 200,
        version_2(0x21, 0x31, bytes(216)),
        version_2(0x21, 0x11, b"abc"),
        version_2(0x31, 0x11, V4),
        version_2(0x22, 0x11, V4),
    ],
    ids=str,
)
def test_what_is_none(data: bytes) -> None:
    """A header that names no address is refused: the connection would count as the proxy's."""
    with pytest.raises(BadProxy):
        announced(data)


@given(st.binary(max_size=60), st.sampled_from([b"", b"PROXY ", VERSION_2, VERSION_2 + b"\x21\x11"]))
def test_any_bytes(data: bytes, before: bytes) -> None:
    """Whatever comes is a header, none, more to come, or refused."""
    try:
        announced(before + data)
    except BadProxy:
        return


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("127.0.0.1", None),
        ("127.9.9.9", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("no:address", "no:address"),
    ],
)
def test_what_is_counted(address: str, counted: str | None) -> None:
    """A network of IPv6 is one address; this machine is not counted at all."""
    assert counted_as(address) == counted
