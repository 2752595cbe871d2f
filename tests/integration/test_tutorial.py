"""docs/tutorial.md does what it says: its files are written, its commands and its SQL are run, in their order."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fluxwire.client import Client, Refused
from tests.browser.stage import Stage
from tests.services import missing, scratch_folder

from .test_run import LIMIT, Up, fetch, up

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs/tutorial.md"
BLOCK = re.compile(r"^(?:`(?P<file>[^`\n]+)`:\n\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAM = "python3 fluxwire/run.py "


@dataclass(slots=True)
class Reader:
    """Somebody who does what the tutorial says, block by block.

    Args:
        folder: An empty folder.
        data: The data folder of the stack.

    """

    folder: Path
    data: Path
    blocks: list[re.Match[str]] = field(default_factory=lambda: list(BLOCK.finditer(PAGE.read_text(encoding="utf-8"))))
    stack: Up | None = None
    printed: str = ""

    def go_on(self, exit_stack: ExitStack) -> None:
        """Do the next block."""
        block = self.blocks.pop(0)
        if block["file"]:
            (self.folder / block["file"]).write_text(block["text"], encoding="utf-8")
        elif block["language"] == "sql":
            assert self.stack is not None
            asyncio.run(fetch(self.stack.state()["database_url"], block["text"]))
        else:
            assert block["language"] == "sh"
            for command in block["text"].splitlines():
                self._run(command, exit_stack)

    def _run(self, command: str, exit_stack: ExitStack) -> None:
        if command == f"{PROGRAM}dev --application tally":
            self.stack = exit_stack.enter_context(
                up(self.data, "--application", str(self.folder / "tally"), command="dev")
            )
            return
        words = f"{sys.executable} -m fluxwire "
        done = subprocess.run(
            command.replace(PROGRAM, words) + (f" --data {self.data}" if PROGRAM in command else ""),
            shell=True,
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        self.printed = done.stdout


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[tuple[Reader, ExitStack]]:
    """A reader whose stack serves what the tutorial has them write."""
    if not (ROOT / "client-js/dist/index.js").exists():
        missing("The TypeScript client is not built (npm run build).")
    (tmp_path / "fluxwire").symlink_to(ROOT)
    with scratch_folder() as folder, ExitStack() as exit_stack:
        somebody = Reader(tmp_path, folder / "data")
        while somebody.stack is None:
            somebody.go_on(exit_stack)
        yield somebody, exit_stack


async def test_the_tutorial_makes_a_poll(reader: tuple[Reader, ExitStack]) -> None:
    """Step by step, a client sees what the tutorial says it sees."""
    somebody, exit_stack = reader
    assert somebody.stack is not None

    async def go_on() -> None:
        await asyncio.to_thread(somebody.go_on, exit_stack)

    async with (
        asyncio.timeout(LIMIT),
        Client(f"ws://127.0.0.1:{somebody.stack.port}/ws", somebody.stack.bearer("ada")) as client,
    ):
        poll = client.subscribe("poll", {"poll": "lunch"})
        await poll.ready()
        assert poll.document == {"title": "Lunch", "choices": {}}
        assert await client.dispatch("vote", {"poll": "lunch", "choice": "soup"}) == 1
        await poll.changed(0)
        with pytest.raises(Refused, match="three votes"):
            await client.dispatch("vote", {"poll": "lunch", "choice": "soup", "votes": 4})

        version = poll.version
        await go_on()  # the insert
        await poll.changed(version)
        assert {choice: row["votes"] for choice, row in poll.document["choices"].items()} == {"soup": 40, "salad": 2}

        version = poll.version
        await go_on()  # the better title is saved
        await poll.changed(version)
        assert poll.document["title"] == "What shall we have for lunch?"
        assert client.connects == 1

        await go_on()
        assert "too_many" in somebody.printed
        await go_on()
        await go_on()
        assert somebody.blocks == []
    types = (somebody.folder / "tally/web/fluxwire.ts").read_text()
    assert "vote: defineAction<{ poll: string; choice: string; votes?: number }, number>('vote')" in types
    assert "poll: { title: string } & {\n" in types


@pytest.mark.browser
def test_the_tutorials_page_updates(reader: tuple[Reader, ExitStack], stage: Stage) -> None:
    """In two windows of a real browser: a vote, a row from outside and a new title show at once, without a reload."""
    somebody, exit_stack = reader
    assert somebody.stack is not None
    stage.play("tutorial", somebody.stack.lines[-1], answers={"next": lambda: somebody.go_on(exit_stack)})
