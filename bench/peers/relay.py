"""Takes orders for a server that takes none: a byte k on the control connection is k updates posted to it over HTTP.

``python -m bench.peers.relay PORT CONTROL_PORT PATH FILE``. It says ``ready`` when the server listens, posts what is in
the file, and ends when the control connection is closed.
"""

import asyncio
import sys
from pathlib import Path

START_LIMIT = 20.0  # seconds
RETRY = 0.05  # seconds


async def main(port: int, control_port: int, path: str, update: bytes) -> None:
    """Pass orders on until there are no more."""
    async with asyncio.timeout(START_LIMIT):
        _, probe = await connected(port)
    probe.close()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    post = f"{head}Content-Length: {len(update)}\r\n\r\n".encode() + update
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def obey(orders: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        answers, writer = None, probe
        try:
            while order := await orders.read(64):
                if answers is None or answers.done():  # servers close what has long said nothing
                    reader, writer = await connected(port)
                    answers = asyncio.create_task(listen(reader))
                writer.write(post * sum(order))
            ended.set_result(None)
        except OSError as exc:
            ended.set_exception(exc)

    async with await asyncio.start_server(obey, "127.0.0.1", control_port):
        print("ready", flush=True)
        await ended


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect as soon as somebody listens."""
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(RETRY)


async def listen(reader: asyncio.StreamReader) -> None:
    """Read answers until the server closes the connection; one that is not good ends all."""
    while status := await reader.readline():
        if status.split()[1][:1] != b"2":
            sys.exit(f"the server answers {status.decode().strip()}")
        size = 0
        while (line := await reader.readline()) not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        await reader.readexactly(size)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]).read_bytes()))
