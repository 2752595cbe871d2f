"""One action, followed by its id through the logs of all hops to the action log, and by its trace to the socket."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Thread
from typing import Any

import asyncpg
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from websockets.asyncio.client import connect

from broker.watching import read_watching
from fluxwire import token
from front.listener import bound_port
from tests.front.running import Client, soon

ROOT = Path(__file__).parent.parent.parent
KEY = "a key of thirty-two bytes or more"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
DEADLINE = 20.0

Span = dict[str, Any]


class Collector:
    """Takes what is sent by OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._arrived = Condition()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def take(self, body: bytes) -> None:
        found = [
            {
                "service": next(a.value.string_value for a in of.resource.attributes if a.key == "service.name"),
                "name": span.name,
                "trace": span.trace_id.hex(),
                "id": span.span_id.hex(),
                "parent": span.parent_span_id.hex(),
                "began": span.start_time_unix_nano,
                "ended": span.end_time_unix_nano,
                **{a.key: a.value.string_value or a.value.int_value for a in span.attributes},
            }
            for of in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in of.scope_spans
            for span in scope.spans
        ]
        with self._arrived:
            self.spans += found
            self._arrived.notify_all()

    def trace(self, trace: str, count: int) -> list[Span]:
        """Wait until so many spans of a trace are here."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self._of(trace)) >= count, DEADLINE), self._of(trace)
            return self._of(trace)

    def _of(self, trace: str) -> list[Span]:
        return [span for span in self.spans if span["trace"] == trace]


@contextmanager
def collector() -> Iterator[Collector]:
    taking = Collector()
    thread = Thread(target=taking.server.serve_forever)
    thread.start()
    try:
        yield taking
    finally:
        taking.server.shutdown()
        taking.server.server_close()
        thread.join()


@asynccontextmanager
async def process(module: str, log: Path, environment: dict[str, str]) -> AsyncIterator[None]:
    with log.open("wb") as stderr:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-m", module), cwd=ROOT, stderr=stderr, env=environment
        )
    try:
        yield
    finally:
        child.terminate()
        assert await soon(child.wait()) == 0


async def ready(base: str) -> None:
    async with httpx.AsyncClient(base_url=base) as http, asyncio.timeout(DEADLINE):
        while True:
            try:
                if (await http.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


async def test_an_action_through_all_hops(database18: str, valkey: str, namespace: str, tmp_path: Path) -> None:
    """Over a WebSocket and over HTTP, with a page that looks on: each hop tells of the same action."""
    (tmp_path / "key").write_text(KEY)
    logs = {role: tmp_path / role for role in ("front", "multiplexer")}
    with bound_port("127.0.0.1", 0, shared=False) as free, bound_port("127.0.0.1", 0, shared=False) as other:
        port, status_port = free.getsockname()[1], other.getsockname()[1]
    with collector() as taken:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "DATABASE_URL": database18,
            "REDIS_URL": valkey,
            "FLUXWIRE_NAMESPACE": namespace,
            "FLUXWIRE_KEY_FILE": str(tmp_path / "key"),
            "FLUXWIRE_PORT": str(port),
            "FLUXWIRE_STATUS_PORT": str(status_port),
            "FLUXWIRE_LOG": "json",
            "FLUXWIRE_LOG_LEVEL": "debug",
            "FLUXWIRE_TRACES": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{taken.server.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        bearer = token.sign(KEY, "ada", lifetime=600, now=time.time())
        async with (
            process("front", logs["front"], environment),
            process("multiplexer", logs["multiplexer"], environment),
        ):
            await ready(f"http://127.0.0.1:{port}")
            await ready(f"http://127.0.0.1:{status_port}")
            async with connect(f"ws://127.0.0.1:{port}/ws") as socket:
                ada = Client(socket)
                await ada.say(type="hello", protocols=[1], token=bearer, client="tab-1")
                await ada.hear()
                for number, name in enumerate(("create_room", "join_room", "no_such_thing"), 1):
                    params = {"room": "lobby"} if number < 3 else {}
                    await ada.say(type="dispatch", number=number, name=name, params=params)
                    assert (await ada.hear())["status"] == ("refused" if number == 3 else "ok")
                await ada.subscribe(1, "room", room="lobby")
                async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
                    answer = await http.post(
                        "/actions/post_message",
                        json={"room": "lobby", "body": "hello"},
                        headers={
                            "Authorization": f"Bearer {bearer}",
                            "Idempotency-Key": "k1",
                            "traceparent": f"00-{TRACE}-{PARENT}-01",
                        },
                    )
                assert answer.status_code == 200
                assert (await ada.hear())["type"] == "update"
            spans = taken.trace(TRACE, 4)
            again = next(span["trace"] for span in taken.spans if span.get("fluxwire.client") == "tab-1")
            assert taken.trace(again, 2)
        assert_a_chain(spans)
    assert_joined(logs, "tab-1", 3, "refused unknown_action")
    assert_joined(logs, "idempotency-key k1", 1, "ok")
    connection = await asyncpg.connect(database18)
    rows = await connection.fetch("select client, number, name, status from flux.action order by seq")
    await connection.close()
    assert [tuple(row) for row in rows] == [
        ("tab-1", 1, "create_room", "ok"),
        ("tab-1", 2, "join_room", "ok"),
        ("tab-1", 3, "no_such_thing", "refused"),
        ("idempotency-key k1", 1, "post_message", "ok"),
    ]
    assert bearer not in "".join(log.read_text() for log in logs.values())


def assert_a_chain(spans: list[Span]) -> None:
    """Frame, commit, telling, delivery: each came of the one before and lies within reason of it."""
    action, commit, publish, deliver = sorted(
        spans, key=lambda span: ["action post_message", "commit", "publish", "deliver"].index(span["name"])
    )
    assert action["parent"] == PARENT
    assert commit["parent"] == action["id"]
    assert publish["parent"] == commit["id"]
    assert deliver["parent"] == publish["id"]
    assert [span["service"] for span in (action, commit, publish, deliver)] == [
        "fluxwire-front",
        "fluxwire-multiplexer",
        "fluxwire-multiplexer",
        "fluxwire-front",
    ]
    assert (action["fluxwire.client"], action["fluxwire.number"]) == ("idempotency-key k1", 1)
    assert (action["fluxwire.status"], commit["fluxwire.status"], commit["fluxwire.batch"]) == ("ok", "ok", 1)
    assert action["began"] <= commit["began"] <= commit["ended"] <= action["ended"]
    assert commit["began"] <= publish["began"] <= deliver["began"] <= deliver["ended"]


def assert_joined(logs: dict[str, Path], client: str, number: int, ended: str) -> None:
    """Both processes have the action's beginning and its end, under one id."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for role, log in logs.items():
        for line in lines(log):
            if (line.get("client"), line.get("number")) == (client, number):
                assert (line["logger"], line["actor"], line["lane"]) == (role, "ada", 0)
                found[role].append(line["message"].rpartition(": ")[2])
    assert found.keys() == logs.keys()
    for said in found.values():
        came, went = said
        assert came == "came"
        assert went.startswith(f"{ended} after ")


def test_nothing_when_off() -> None:
    """What traces is not even loaded by a front or a multiplexer that is not asked for traces."""
    code = "import sys, front.__main__, multiplexer.__main__; sys.exit('broker.otel' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLUXWIRE_TRACES", "yes"),
        ("FLUXWIRE_SLOW_SECONDS", "soon"),
        ("FLUXWIRE_SLOW_SECONDS", "inf"),
        ("FLUXWIRE_LOG", "xml"),
        ("FLUXWIRE_LOG_LEVEL", "loud"),
    ],
)
def test_bad_settings_are_named(name: str, value: str) -> None:
    (fault,) = read_watching({name: value})[1]
    assert fault.startswith(f"{name} must be ")
    assert repr(value) in fault
