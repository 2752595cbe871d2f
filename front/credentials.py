"""Tokens that come with a request and not in a frame; never in an address, since addresses are logged."""

from collections.abc import Mapping


def bearer_token(authorization: str) -> str | None:
    """The token of a header ``Authorization``, None if it holds none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def cookie_token(cookies: str, name: str) -> str | None:
    """RFC 6265 §4.2: a cookie's value; of several the first, whose path is the longest. None if there is none."""
    for pair in cookies.split(";"):
        key, _, value = pair.partition("=")
        if key.strip() == name:
            return value.strip(' \t"')
    return None


def token_with(headers: Mapping[str, str], cookie: str) -> str | None:
    """The token that came with a request in plain HTTP.

    A browser sends its user's cookies along for whatever page asks. A page that may not have been let in does not get
    its cookie believed: one that was shows by its ``Origin``, which was looked at before, and a page of the same host,
    which sends none with what only reads, by ``Sec-Fetch-Site``. What is no browser has ``Authorization``.

    Args:
        headers: By lower-case name.
        cookie: Name of the cookie that may hold a token; "" if none may.

    """
    token = bearer_token(headers.get("authorization", ""))
    if token is None and cookie and ("origin" in headers or headers.get("sec-fetch-site") == "same-origin"):
        token = cookie_token(headers.get("cookie", ""), cookie)
    return token
