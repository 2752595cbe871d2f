"""What plain HTTP says when it refuses: problem details of RFC 9457, with the codes of docs/protocol.md §6."""

from http import HTTPStatus

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from front.frames import Fault

STATUS = {
    "bad_request": 400,
    "unknown_argument": 400,
    "missing_argument": 400,
    "invalid_argument": 400,
    "no_token": 401,
    "token_refused": 401,
    "forbidden": 403,
    "unknown_action": 404,
    "unknown_store": 404,
    "constraint": 409,
    "number_gap": 409,
    "client_expired": 409,
    "outcome_expired": 410,
    "too_large": 413,
    "not_json": 415,
    "busy": 429,
    "failed": 500,
    "poison": 500,
    "unavailable": 503,
}
"""The status that goes with a code; whatever else an action says is its own refusal."""

REFUSED = 422


class Problem(Exception):
    """A request cannot be answered as it was meant.

    Args:
        fault: Code and message, as in frames.

    """

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault

    def response(self) -> Response:
        """The answer: a body of type ``application/problem+json``."""
        status = STATUS.get(self.fault.code, REFUSED)
        body: dict[str, str | int] = {
            "title": HTTPStatus(status).phrase,
            "status": status,
            "code": self.fault.code,
            "detail": self.fault.message,
        }
        for name in ("constraint", "column"):
            value = getattr(self.fault, name)
            if value is not UNSET:
                body[name] = value
        headers = {"Cache-Control": "no-store"}
        if status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
            headers["Retry-After"] = "1"
        return Response(msgspec.json.encode(body), status, headers, media_type="application/problem+json")


def problem(code: str, message: str) -> Problem:
    """A problem of a code of ours."""
    return Problem(Fault(code, message))


async def answer(_: Request, exc: Exception) -> Response:
    """Starlette's handler of problems."""
    assert isinstance(exc, Problem)
    return exc.response()
