"""A Chromium in which tests play the scenarios that lie here, one after the other."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from fluxwire.stack import node
from fluxwire.stack.errors import StackError
from tests.services import missing

CHECKOUT = Path(__file__).parent.parent.parent
SCRIPT = Path(__file__).parent / "stage.mjs"


@dataclass(slots=True)
class Stage:
    """What drives the browser.

    Args:
        child: `stage.mjs`, which takes scenarios on its input.

    """

    child: subprocess.Popen[str]

    def play(self, scenario: str, *words: str, answers: Mapping[str, Callable[..., object]] | None = None) -> None:
        """Play a scenario to its end, and fail if a step of it does not hold.

        Args:
            scenario: The name of a file here, without its ending.
            words: What it is called with, after the browser.
            answers: What it may ask for: each is called with what was given, and returns JSON or nothing.

        """
        assert self.child.stdout is not None
        said: list[str] = []
        self._say({"play": scenario, "words": words})
        for line in self.child.stdout:
            said.append(line.rstrip())
            # What is no JSON is a complaint of Node's.
            told = json.loads(line) if line.startswith("{") else {}
            if "ask" in told:
                self._say((answers or {})[told["ask"]](*told["given"]))
            elif "done" in told:
                return
            elif "error" in told:
                break
        pytest.fail("\n".join(said), pytrace=False)

    def _say(self, value: object) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(f"{json.dumps(value)}\n")
        self.child.stdin.flush()


def node_program() -> str:
    """Path of Node, the machine's or the one from the wheel, with the packages of the scenarios."""
    try:
        found = node.on_path() or node.from_wheel(CHECKOUT)
    except StackError as exc:
        missing(exc.problem)
    program = shutil.which("node", path=found.path)
    if program is None or not (CHECKOUT / "node_modules" / "playwright-core").is_dir():
        missing("playwright-core is not installed (npm ci).")
    return program


@contextmanager
def opened(chromium: str) -> Iterator[Stage]:
    """Run a stage with this Chromium."""
    child = subprocess.Popen(
        [node_program(), str(SCRIPT), chromium],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with child:
        try:
            yield Stage(child)
        finally:
            # It closes its browser at the end of its input.
            assert child.stdin is not None
            child.stdin.close()
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()


@pytest.fixture(scope="session")
def stage(chromium: str) -> Iterator[Stage]:
    """The one browser of all tests that need one."""
    with opened(chromium) as found:
        yield found
