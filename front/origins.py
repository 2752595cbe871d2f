"""Which web pages may talk to a front.

A browser sends its user's cookies along whatever page it shows, and lets every page open a WebSocket to everywhere. It
also says whose page it is (``Origin``), which no page can change; what is no browser says nothing.
"""

import re
from collections.abc import Iterable

ANY = "*"
"""Instead of an origin: all of them."""

REFUSAL = "Pages of this origin are not let in (FLUXWIRE_ORIGINS)."

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_ORIGIN = re.compile(rb"\r\norigin:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n|$)", re.IGNORECASE)
_HOST = re.compile(rb"\r\nhost:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n|$)", re.IGNORECASE)


class Origins:
    """The pages that are let in: those of the host that was asked, and those that are listed.

    Args:
        listed: Origins as browsers write them, ``https://app.example.com``; :data:`ANY` lets in every page.

    """

    def __init__(self, listed: Iterable[str] = ()) -> None:
        self.listed = frozenset(origin.lower() for origin in listed)
        """As browsers write them."""

    def admit(self, origin: str | None, host: str | None) -> bool:
        """Whether a request of a page may be heard.

        Args:
            origin: Its header ``Origin``, None without.
            host: Its header ``Host``, None without.

        """
        if origin is None or ANY in self.listed:
            return True
        origin = origin.lower()
        scheme, _, authority = origin.partition("://")
        if not authority or not host:
            return origin in self.listed
        port = _DEFAULT_PORTS.get(scheme, "")
        return authority.removesuffix(port) == host.lower().removesuffix(port) or origin in self.listed

    def admit_http(self, head: bytes) -> bool:
        """Whether a request in plain HTTP may be heard.

        What only reads may always: it changes nothing, and no page of another origin gets to see the answer. All else
        has to come from a page that is let in, before anything of it is believed.

        Args:
            head: The request up to the blank line.

        """
        return head.startswith((b"GET ", b"HEAD ")) or self.admit_page(head)

    def admit_page(self, head: bytes) -> bool:
        """Whether a request in plain HTTP comes from no page, or from one that is let in.

        Args:
            head: The request up to the blank line.

        """
        origins, hosts = _ORIGIN.findall(head), _HOST.findall(head)
        if not origins:
            return True
        if len(origins) > 1 or len(hosts) > 1:
            return False
        return self.admit(origins[0].decode("latin-1"), hosts[0].decode("latin-1") if hosts else None)

    def shared_with(self, origin: str | None) -> bytes:
        """Header lines that let a page of another origin see the answer; none for who needs none.

        Args:
            origin: Header ``Origin`` of a request that was admitted, None without.

        """
        if origin is None:
            return b""
        if ANY in self.listed:
            return b"Access-Control-Allow-Origin: *\r\n"
        return (
            b"Access-Control-Allow-Origin: %b\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n"
            % origin.encode("latin-1")
        )
