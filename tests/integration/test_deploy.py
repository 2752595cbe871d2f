"""Deploys while clients are connected."""

import asyncio
import shutil
from pathlib import Path

from fluxwire.client import Client
from tests.services import CHAT, scratch_folder

from .test_run import LIMIT, said, up


async def test_connected_clients_see_a_changed_store(tmp_path: Path) -> None:
    """After a deploy a client has the difference, on the connection it had, and goes on from there."""
    application = tmp_path / "chat"
    shutil.copytree(CHAT / "sql", application / "sql")
    with scratch_folder() as folder, up(folder / "data", "--application", str(application)) as stack:
        bearer = stack.bearer("ada")
        async with asyncio.timeout(LIMIT), Client(f"ws://127.0.0.1:{stack.port}/ws", bearer) as client:
            await client.dispatch("create_room", {"room": "den"})
            rooms = client.subscribe("rooms")
            await rooms.ready()
            assert "motd" not in rooms.document
            epoch, version, document = rooms.epoch, rooms.version, rooms.document

            assert (await asyncio.to_thread(said, "deploy", "--data", str(stack.data)))[0] == 0
            store = application / "sql/stores/rooms.sql"
            store.write_text(store.read_text().replace("'{}'", '\'{"motd": "hello"}\''))
            code, out = await asyncio.to_thread(said, "deploy", "--data", str(stack.data))
            assert code == 0, out
            await rooms.changed(version)
            # Its document is the one it had, patched.
            assert rooms.epoch == epoch
            assert rooms.document is document
            assert rooms.document["motd"] == "hello"
            assert list(rooms.document["rooms"]) == ["den"]

            version = rooms.version
            await client.dispatch("create_room", {"room": "attic"})
            await rooms.changed(version)
            assert sorted(rooms.document["rooms"]) == ["attic", "den"]
            assert client.connects == 1
