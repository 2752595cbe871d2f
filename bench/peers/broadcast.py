"""websockets as its documentation broadcasts, on uvloop; no compression, no heartbeat during a run.

``python -m bench.peers.broadcast PORT CONTROL_PORT UPDATE_FILE``
"""

import asyncio
import sys
from pathlib import Path

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve


async def main(port: int, control_port: int, update: str) -> None:
    """Serve until the control connection is closed."""
    connections: set[ServerConnection] = set()
    ended = asyncio.Event()

    async def hold(connection: ServerConnection) -> None:
        connections.add(connection)
        try:
            await connection.wait_closed()
        finally:
            connections.remove(connection)

    async def obey(orders: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while order := await orders.read(64):
            for times in order:
                for _update in range(times):
                    broadcast(connections, update)
        ended.set()

    control = await asyncio.start_server(obey, "127.0.0.1", control_port)
    async with control, serve(hold, "127.0.0.1", port, compression=None, ping_interval=None, backlog=4096):
        print("ready", flush=True)
        await ended.wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]).read_text(encoding="utf-8")))
