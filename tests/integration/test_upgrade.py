"""A rolling upgrade by one version: fronts and multiplexers of two versions on one bus and one database."""

import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxwire.chaos.chains import Chains
from fluxwire.chaos.load import Witness
from fluxwire.stack.process import wait_until
from tests.deployment import HOST, ROOT, Deployment, deployment
from tests.services import START_LIMIT, Cluster

HINT = """

class Hint(Message, frozen=True):
    \"\"\"A kind of message that only this version has.\"\"\"

    text: str


"""


def later_version(folder: Path) -> Path:
    """Make the next version: every message on the bus has a field more, and there is a kind of message more."""
    for package in ("broker", "front", "multiplexer", "fluxwire"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    messages = folder / "broker" / "messages.py"
    text = messages.read_text()
    text, count = re.subn(
        r"(^class \w+\(Message, frozen=True\):\n(?:(?: .*)?\n)+?)(?=\n*^\S)",
        lambda found: found[1].rstrip() + '\n    later: str = "later"\n',
        text,
        flags=re.MULTILINE,
    )
    assert count > 15
    text, count = re.subn(r"^(FrontMessage|MultiplexerMessage) = \(?\s*", r"\g<0>Hint | ", text, flags=re.MULTILINE)
    assert count == 2
    text = text.replace("\n\nFrontMessage =", HINT + "FrontMessage =")
    messages.write_text(text)
    codec = folder / "broker" / "codec.py"
    codec.write_text(
        codec.read_text()
        .replace("return _encode(parcel)", 'return _encode(Parcel(parcel.front, [Hint("x"), *parcel.messages]))')
        .replace(
            "return _encode(batch)",
            'return _encode(Batch(batch.writer, batch.order, batch.number, [Hint("x"), *batch.messages]))',
        )
        .replace("from .messages import Action,", "from .messages import Action, Hint,")
    )
    assert codec.read_text().count('Hint("x")') == 2
    return folder


@pytest.fixture
def cluster(postgres18: Cluster, valkey: str, namespace: str) -> Iterator[Deployment]:
    with (
        postgres18.database(deployed=True) as database,
        deployment(database, valkey, namespace, {"FLUXWIRE_NOTICE_SECONDS": "0"}) as made,
    ):
        yield made


async def test_one_version_step(cluster: Deployment) -> None:
    """Old fronts with a new multiplexer, and new fronts with an old one: everything goes on, and nothing is skipped."""
    later = str(later_version(cluster.folder / "later"))
    cluster.start("multiplexer", "old-multiplexer")
    cluster.start_fronts("old-front")
    cluster.start_fronts("new-front", folder=later)
    breaks: list[str] = []
    clients = [
        Witness([f"ws://{HOST}:{port}/ws"], cluster.sign(front), Chains(front, breaks.append))
        for front, port in cluster.fronts.items()
    ]
    held = [client.subscribe("room", {"room": "upgrade"}) for client in clients]
    bodies: list[str] = []

    async def post(version: str) -> None:
        for number, client in enumerate(clients):
            bodies.append(f"{version} {number}")
            await client.dispatch("post_message", {"room": "upgrade", "body": bodies[-1]})

    try:
        for client in clients:
            await client.connect()
        await clients[0].dispatch("create_room", {"room": "upgrade"})
        for client in clients:
            await client.dispatch("join_room", {"room": "upgrade"})
        await post("old")
        cluster.start("multiplexer", "new-multiplexer", folder=later)
        assert wait_until(lambda: "stands by" in cluster.log("new-multiplexer"), START_LIMIT)
        cluster.signal("old-multiplexer", signal.SIGTERM)
        await post("new")
        assert "leads term" in cluster.log("new-multiplexer")
        for subscription in held:
            while len((subscription.document or {}).get("messages", {})) < len(bodies):
                await subscription.changed(subscription.version)
            assert {one["body"] for one in subscription.document["messages"].values()} == set(bodies)
    finally:
        for client in clients:
            await client.close()
    assert breaks == []
    for name in ("old-front", "new-front", "old-multiplexer", "new-multiplexer"):
        assert not re.search(r"skipped|Traceback| ERROR ", cluster.log(name)), cluster.log(name)
