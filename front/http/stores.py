"""``GET /stores/{name}``: a store's document, for server-side rendering, scripts and curl (docs/http.md)."""

import zlib
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import Response

from front.frames import Fault, StoreRequest, Subscribe
from front.gates import Identity
from front.server import Server

from .documents import Document, Documents, Down
from .problems import Problem, problem
from .visits import reader, visit

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]

_down = msgspec.json.Decoder(Down)


def store_endpoint(server: Server) -> Endpoint:
    """Make the endpoint of a front."""
    documents = Documents()

    async def get(request: Request) -> Response:
        identity = reader(server, request)
        wanted = _wanted(request)
        subscribed, document = await _read(server, documents, identity, wanted)
        headers = {
            "ETag": _tag(subscribed),
            "Fluxwire-Epoch": document.epoch,
            "Fluxwire-Version": str(document.version),
            # What only some may read is kept by nobody. The rest may be kept by who asked, but not shown unasked.
            "Cache-Control": "private, no-cache"
            if server.hub.public(wanted.name, bytes(wanted.params).decode())
            else "no-store",
            "Vary": "Authorization, Accept-Encoding",
        }
        if headers["ETag"] in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        body = document.body
        if _takes_gzip(request) and document.compressed is not None:
            body = document.compressed
            headers["Content-Encoding"] = "gzip"
        return Response(body, headers=headers, media_type="application/json")

    return get


async def _read(
    server: Server, documents: Documents, identity: Identity, wanted: StoreRequest
) -> tuple[Down, Document]:
    with visit(server, identity, "reader") as visitor:
        visitor.say(Subscribe([wanted]))
        # What brings a client up to date comes with the answer, in one tick (docs/protocol.md §3).
        answer, *chain = [_down.decode(frame) for frame in await visitor.hear()]
    if answer.type == "unsubscribed":
        assert isinstance(answer.error, Fault), "every refusal has a reason"
        raise Problem(answer.error)
    return answer, documents.at(answer, chain)


def _wanted(request: Request) -> StoreRequest:
    """What is asked for. Values of the query are texts, which the database casts to the types of the arguments."""
    params: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in params:
            raise problem("bad_request", f"{name} is given twice.")
        params[name] = value
    try:
        return StoreRequest(1, request.path_params["name"], Raw(msgspec.json.encode(params)))
    except ValueError as exc:
        raise problem("bad_request", str(exc)) from None


def _tag(subscribed: Down) -> str:
    # Weak: the same document may come compressed. The key is in it, since one address has a document per actor.
    return f'W/"{subscribed.epoch}.{subscribed.version}.{zlib.crc32(subscribed.store.encode()):08x}"'


def _takes_gzip(request: Request) -> bool:
    for offer in request.headers.get("accept-encoding", "").lower().split(","):
        name, *weights = (word.strip() for word in offer.split(";"))
        if name == "gzip":
            return not any(weight.startswith("q=0") and not weight.strip("q=0.") for weight in weights)
    return False
