"""docs/http.md does what it says: its commands are run in one shell after another, and print what stands below them."""

import json
import re
import subprocess
import sys
from pathlib import Path

from front.problems import STATUS
from tests.services import scratch_folder

from .test_run import up

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/http.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```sh\n(.*?)^```$(?:\n\n^```(json|text)\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)


def test_the_page_is_true(tmp_path: Path) -> None:
    """Every command of the page, in its order, against a stack that serves the chat."""
    found = BLOCK.findall(PAGE)
    assert len(found) >= 6
    (tmp_path / "names").touch()
    with scratch_folder() as folder, up(folder / "data") as stack:
        for commands, language, expected in found:
            said = shell(commands, stack.port, stack.data, tmp_path)
            if language == "json":
                assert_like(json.loads(said), json.loads(expected))
            elif language:
                pattern = re.escape(expected.strip()).replace("…", ".*")
                assert re.fullmatch(pattern, said.strip(), re.DOTALL), said


def shell(commands: str, port: int, data: Path, folder: Path) -> str:
    """Run commands as a reader would, at this stack: what they give a name to is there for those that follow."""
    commands = commands.replace("python3 run.py token", f"{sys.executable} -m fluxwire token --data {data}")
    commands = commands.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    named = " ".join(re.findall(r"^([A-Z]+)=", commands, re.MULTILINE))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f". ./names\n{commands}\n{named and f'declare -p {named} >> names'}"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_like(said: object, expected: object) -> None:
    """Compare JSON; the text … stands for anything."""
    if expected == "…":
        return
    if isinstance(expected, dict):
        assert isinstance(said, dict)
        assert said.keys() == expected.keys()
        for name, value in expected.items():
            assert_like(said[name], value)
    elif isinstance(expected, list):
        assert isinstance(said, list)
        assert len(said) == len(expected)
        for one, other in zip(said, expected, strict=True):
            assert_like(one, other)
    else:
        assert said == expected


def test_every_status_is_named() -> None:
    """The table has exactly the codes and statuses that the code knows, and those that are 422."""
    rows = dict(re.findall(r"^\| (\d{3}) \| (.*) \|$", PAGE, re.MULTILINE))
    named = {code: int(status) for status, cell in rows.items() for code in re.findall(r"`([a-z_]+)`", cell)}
    assert {code: status for code, status in named.items() if status != 422} == STATUS
