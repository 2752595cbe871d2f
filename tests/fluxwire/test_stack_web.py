"""The web client is built when its sources changed, and only then."""

import os
from pathlib import Path

import pytest

from fluxwire.stack import node, web
from fluxwire.stack.errors import StackError
from fluxwire.stack.node import Node

NPM = """#!/bin/sh
echo "$@" >> npm.log
mkdir -p node_modules examples/chat/web/dist
"""


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def npm(tmp_path: Path) -> Node:
    """A node whose npm only takes notes."""
    return Node((str(script(tmp_path / "npm", NPM)),), os.environ["PATH"])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    made = tmp_path / "checkout"
    for name in ("package.json", "package-lock.json", *(f"{each}/package.json" for each in web.WORKSPACES)):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text("{}")
    (made / "client-js" / "index.ts").write_text("one")
    return made


def ran(checkout: Path) -> list[str]:
    return [line.split()[0] for line in (checkout / "npm.log").read_text().splitlines()]


def test_changed_source_is_built_again(checkout: Path, npm: Node) -> None:
    """Pages are current after a build, until a source changes; packages are installed once."""
    assert not web.is_built(checkout)
    web.build(checkout, npm)
    assert web.is_built(checkout)
    (checkout / "client-js" / "index.ts").write_text("two")
    assert not web.is_built(checkout)
    web.build(checkout, npm)
    assert web.is_built(checkout)
    assert ran(checkout) == ["ci", "run", "run"]


def test_changed_lock_is_installed_again(checkout: Path, npm: Node) -> None:
    """Another package-lock.json means another npm ci."""
    web.install(checkout, npm)
    web.install(checkout, npm)
    (checkout / "package-lock.json").write_text("{ }")
    web.install(checkout, npm)
    assert ran(checkout) == ["ci", "ci"]


def test_what_npm_makes_is_no_source(checkout: Path, npm: Node) -> None:
    """Packages and built files do not make a build stale."""
    web.build(checkout, npm)
    for place in ("client-js/node_modules", "client-js/dist"):
        (checkout / place).mkdir()
        (checkout / place / "made.js").touch()
    assert web.is_built(checkout)


def test_failing_npm_is_quoted(checkout: Path, tmp_path: Path) -> None:
    """When npm fails, its words are in the hint."""
    broken = Node((str(script(tmp_path / "npm", "#!/bin/sh\necho 'no luck'; exit 1\n")),), os.environ["PATH"])
    with pytest.raises(StackError, match="npm run build failed") as caught:
        broken.run(checkout, "run", "build")
    assert caught.value.hint == "no luck"


@pytest.mark.parametrize(
    ("version", "good"), [("v20.19.0", True), ("v24.1.0", True), ("v20.18.3", False), ("v18.20.8", False), ("", False)]
)
def test_node_must_be_new_enough(version: str, good: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older node than Vite's oldest is as good as none."""
    script(tmp_path / "node", f"#!/bin/sh\necho {version}\n")
    script(tmp_path / "npm", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (node.on_path() is not None) is good
