"""``POST /actions/{name}``: one action, exactly once however often it is sent (docs/http.md).

The idempotency key becomes a client id of its own, whose first and only action this is: the database keeps its outcome.
"""

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from front.frames import MAX_FRAME, BadFrame, Dispatch, Fault, Outcome, params_of
from front.server import Server

from .problems import Problem, problem
from .visits import bearer, body, visit

LONGEST_KEY = 200  # characters

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]

_outcome = msgspec.json.Decoder(Outcome)


def action_endpoint(server: Server) -> Endpoint:
    """Make the endpoint of a front."""

    async def post(request: Request) -> Response:
        identity = bearer(server, request)
        key = request.headers.get("idempotency-key", "")
        if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
            raise problem(
                "bad_request",
                f"Idempotency-Key is needed: 1 to {LONGEST_KEY} printable characters, new for every action.",
            )
        parent = request.headers.get("traceparent", "")
        action = _action(request.path_params["name"], await body(request, MAX_FRAME), parent)
        # No client of another road has such an id: theirs have at most 64 characters, and are told apart by the blank.
        with visit(server, identity, f"idempotency-key {key}") as visitor:
            visitor.say(action)
            (frame,) = await visitor.hear()
        outcome = _outcome.decode(frame)
        if outcome.status != "ok":
            assert isinstance(outcome.error, Fault), "what did not go well has a reason"
            raise Problem(outcome.error)
        assert isinstance(outcome.reply, msgspec.Raw), "an action that went well has a reply"
        return Response(bytes(outcome.reply), headers={"Cache-Control": "no-store"}, media_type="application/json")

    return post


def _action(name: str, params: bytes, traceparent: str) -> Dispatch:
    try:
        params.decode()
        return Dispatch(number=1, name=name, params=params_of(params.strip()), traceparent=traceparent)
    except (BadFrame, ValueError) as exc:
        raise problem("bad_request", str(exc)) from None
