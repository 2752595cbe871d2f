"""The chat in a real Chromium, on a stack as a user starts it."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from fluxwire.stack import node
from fluxwire.stack.errors import StackError
from tests.integration.test_run import up
from tests.services import missing, scratch_folder

CHECKOUT = Path(__file__).parent.parent.parent
SCENARIO = Path(__file__).parent / "chat.mjs"
LOOKS = Path(__file__).parent / "looks.mjs"


def node_program() -> str:
    """Path of Node, the machine's or the one from the wheel, with the packages of the scenario."""
    try:
        found = node.on_path() or node.from_wheel(CHECKOUT)
    except StackError as exc:
        missing(exc.problem)
    program = shutil.which("node", path=found.path)
    if program is None or not (CHECKOUT / "node_modules" / "playwright-core").is_dir():
        missing("playwright-core is not installed (npm ci).")
    return program


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_two_people_chat(chromium: str) -> None:
    """Two browsers see each other's messages at once, through renames, a reload and the death of all servers; and axe
    finds nothing, in light, dark and on a telephone."""
    program = node_program()
    with scratch_folder() as folder, up(folder / "data") as stack:
        child = subprocess.Popen(
            [program, str(SCENARIO), stack.lines[-1], chromium],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert child.stdout is not None
        assert child.stdin is not None
        said: list[str] = []
        try:
            for line in child.stdout:
                said.append(line.rstrip())
                if line.startswith('{"restart"'):
                    for pid in stack.state()["pids"].values():
                        os.kill(pid, signal.SIGKILL)
                    child.stdin.write("done\n")
                    child.stdin.flush()
        finally:
            child.kill()
            code = child.wait()
            child.stdin.close()
            child.stdout.close()
        assert code == 0, "\n".join(said)
        looks = subprocess.run(
            [program, str(LOOKS), stack.lines[-1], chromium],
            check=False,
            stdout=subprocess.PIPE,
            text=True,
            timeout=120,
        )
    assert looks.returncode == 0, looks.stdout
    assert json.loads(said[-1])["step"] == "no page had a fault"
