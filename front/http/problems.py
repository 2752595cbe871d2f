"""Problems as exceptions of an endpoint, and Starlette's answers to them."""

from http import HTTPStatus

from starlette.responses import Response

from front.frames import Fault
from front.problems import CONTENT_TYPE, details, status_of


class Problem(Exception):
    """A request cannot be answered as it was meant.

    Args:
        fault: Code and message, as in frames.
        members: What else the answer says.

    """

    def __init__(self, fault: Fault, **members: int) -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.members = members

    def response(self) -> Response:
        """The answer."""
        status = status_of(self.fault.code)
        headers = {"Cache-Control": "no-store"}
        if status is HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
            headers["Retry-After"] = "1"
        return Response(details(self.fault, **self.members), status, headers, media_type=CONTENT_TYPE)


def problem(code: str, message: str) -> Problem:
    """A problem of a code of ours."""
    return Problem(Fault(code, message))
