from http import HTTPStatus

import pytest
from starlette.datastructures import Headers

from front.origins import Origins


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json"}, None),
        ({"content-type": "Application/JSON ; charset=utf-8", "origin": "http://h:8000", "host": "h:8000"}, None),
        ({"content-type": "application/json", "origin": "http://evil", "host": "h"}, HTTPStatus.FORBIDDEN),
        ({"content-type": "application/json", "origin": "null", "host": "null"}, HTTPStatus.FORBIDDEN),
        ({"content-type": "application/json", "origin": "http://", "host": ""}, HTTPStatus.FORBIDDEN),
        ({"content-type": "application/json", "origin": "http://h"}, HTTPStatus.FORBIDDEN),
        ({"content-type": "text/plain"}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
        ({"content-type": "text/plain; application/json"}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
        ({"content-type": "application/x-www-form-urlencoded"}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
        ({}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    ],
    ids=str,
)
def test_what_speaks_against_a_post(headers: dict[str, str], status: HTTPStatus | None) -> None:
    """A page of another site can make a browser post a form, but not JSON and not without its origin."""
    objection = Origins().objection(Headers(headers))
    assert (objection[0] if objection else None) == status
