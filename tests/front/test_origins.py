import pytest
from hypothesis import given
from hypothesis import strategies as st

from front.origins import Origins


def head(method: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} /poll HTTP/1.1", *headers]).encode()


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        (["Host: h:8000"], True),
        (["Host: h:8000", "Origin: http://h:8000"], True),
        (["origin:\thttps://app.example.com ", "Host: h"], True),
        (["Host: h", "Origin: http://evil.example"], False),
        (["Host: h", "Origin: http://evil.example, http://h"], False),
        (["Host: h", "Origin: http://h", "Origin: http://evil.example"], False),
        (["Host: evil.example", "Origin: http://evil.example", "Host: h"], False),
        (["Host: null", "Origin: null"], False),
        (["Host:", "Origin:"], False),
        (["Host:", "Origin: http://"], False),
        (["Origin: http://h"], False),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "GETX"])
def test_who_may_change_something(method: str, headers: list[str], admitted: bool) -> None:
    """A page of another site can make a browser post a form, but not without telling its origin."""
    assert Origins(["https://app.example.com"]).admit_http(head(method, *headers)) is admitted


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_may_read(method: str) -> None:
    """Whoever asks; a browser does not show the answer to a page of another origin."""
    assert Origins().admit_http(head(method, "Host: h", "Origin: http://evil.example"))


@given(st.binary())
def test_any_head(data: bytes) -> None:
    """Whatever comes is let in or not."""
    assert Origins().admit_http(b"POST / HTTP/1.1" + data) in {True, False}
