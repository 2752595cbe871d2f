"""What HTTP says when it refuses: problem details of RFC 9457, with the codes of docs/protocol.md §6."""

from http import HTTPStatus

import msgspec
from msgspec import UNSET

from .codes import CloseCode
from .frames import Fault

CONTENT_TYPE = "application/problem+json"

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
    "no_hello": 408,
    "constraint": 409,
    "number_gap": 409,
    "client_expired": 409,
    "outcome_expired": 410,
    "too_large": 413,
    "not_json": 415,
    "busy": 429,
    "failed": 500,
    "store_too_large": 500,
    "poison": 500,
    "unavailable": 503,
}
"""The status that goes with a code; whatever else an action says is its own refusal."""

REFUSED = 422

CLOSED = {
    CloseCode.NO_TOKEN: "no_token",
    CloseCode.TOKEN_REFUSED: "token_refused",
    CloseCode.NO_HELLO: "no_hello",
    CloseCode.FRAME_TOO_LARGE: "too_large",
    CloseCode.INTERNAL_ERROR: "failed",
    CloseCode.TOO_MANY: "busy",
    CloseCode.TOO_FAST: "busy",
}
"""What a connection that is closed before it was opened is told; 4200 and more: to come back; else: bad_request."""

COME_BACK = 4200


def status_of(code: str) -> HTTPStatus:
    """The status of a problem."""
    return HTTPStatus(STATUS.get(code, REFUSED))


def details(fault: Fault, **members: int) -> bytes:
    """The body of a refusal.

    Args:
        fault: What is wrong.
        members: Whatever else a program may want to know.

    """
    status = status_of(fault.code)
    body: dict[str, str | int] = {
        "title": status.phrase,
        "status": int(status),
        "code": fault.code,
        "detail": fault.message,
        **members,
    }
    for name in ("constraint", "column"):
        value = getattr(fault, name)
        if value is not UNSET:
            body[name] = value
    return msgspec.json.encode(body)


def fault_of(close: int, reason: str) -> Fault:
    """The fault that a connection would have been closed for."""
    code = CLOSED.get(CloseCode(close), "unavailable" if close >= COME_BACK else "bad_request")
    return Fault(code, reason or "An error of ours.")
