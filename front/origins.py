"""Which web pages may talk to a front.

A browser sends its user's cookies along whatever page it shows, and lets every page open a WebSocket to everywhere. It
also says whose page it is (``Origin``), which no page can change; what is no browser says nothing.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus

ANY = "*"
"""Instead of an origin: all of them."""

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Origins:
    """The pages that are let in: those of the host that was asked, and those that are listed.

    Args:
        listed: Origins as browsers write them, ``https://app.example.com``; :data:`ANY` lets in every page.

    """

    def __init__(self, listed: Iterable[str] = ()) -> None:
        self._listed = frozenset(origin.lower() for origin in listed)

    def admit(self, origin: str | None, host: str | None) -> bool:
        """Whether a request may be heard, of whatever kind: an upgrade, a POST, a stream, a GET with cookies.

        Args:
            origin: Its header ``Origin``, None without.
            host: Its header ``Host``, None without.

        """
        if origin is None or ANY in self._listed:
            return True
        origin = origin.lower()
        scheme, _, authority = origin.partition("://")
        if not authority or not host:
            return origin in self._listed
        port = _DEFAULT_PORTS.get(scheme, "")
        return authority.removesuffix(port) == host.lower().removesuffix(port) or origin in self._listed

    def objection(self, headers: Mapping[str, str]) -> tuple[HTTPStatus, str] | None:
        """What speaks against a request that changes something over HTTP (``POST``), if anything does.

        A form of another page can be sent without asking, but not as JSON, and not without telling its origin. To be
        called before the body is read or a cookie is believed; everything that takes a POST obeys.

        Args:
            headers: The request's, in lower case or without regard to it, as Starlette has them.

        Returns:
            The status to answer with, and words for the developer.

        """
        if not self.admit(headers.get("origin"), headers.get("host")):
            return HTTPStatus.FORBIDDEN, "Pages of this origin are not let in (FLUXWIRE_ORIGINS)."
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Type: application/json is expected."
        return None
