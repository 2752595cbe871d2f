"""The chat on a stack as a user starts it, and what scenarios ask of it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest

from fluxwire.client import Client
from tests.integration.test_run import Up, up
from tests.services import scratch_folder

Answers = Mapping[str, Callable[..., object]]


@pytest.fixture(scope="session")
def stack() -> Iterator[Up]:
    """Two fronts behind one port."""
    with scratch_folder() as folder, up(folder / "data") as running:
        yield running


@pytest.fixture
def answers(stack: Up) -> Answers:
    """What only somebody beside the browser can do."""

    async def post(actor: str, room: str, texts: list[str]) -> None:
        async with Client(f"ws://127.0.0.1:{stack.port}/ws", stack.bearer(actor)) as client:
            await client.dispatch("join_room", {"room": room})
            await asyncio.gather(*(client.dispatch("post_message", {"room": room, "body": text}) for text in texts))

    async def shown(actor: str, room: str) -> list[str]:
        """Tell a room's newest messages, in order, as the Python client has them."""
        async with Client(f"ws://127.0.0.1:{stack.port}/ws", stack.bearer(actor)) as client:
            store = client.subscribe("room", {"room": room})
            await store.ready()
            messages = store.document["messages"].values()
            return [message["body"] for message in sorted(messages, key=lambda message: str(message["sent_at"]))]

    return {
        "kill": stack.kill,
        "sql": stack.fetch,
        "post": lambda *given: asyncio.run(post(*given)),
        "shown": lambda *given: asyncio.run(shown(*given)),
    }
