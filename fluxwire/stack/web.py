"""The web client: its packages installed and its pages built, when their sources have changed."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from fluxwire.stack.node import Node

WORKSPACES = ("client-js", "examples/chat/web")
MADE = {"node_modules", "dist"}


def install(checkout: Path, node: Node) -> None:
    """Install what package-lock.json names, if that has changed.

    Raises:
        StackError: npm says no.

    """
    stamp = checkout / "node_modules" / ".fluxwire-installed"
    wanted = _digest([checkout / "package-lock.json", *(checkout / each / "package.json" for each in WORKSPACES)])
    if not _is(stamp, wanted):
        node.run(checkout, "ci", "--no-audit", "--no-fund", "--loglevel=error")
        stamp.write_text(wanted)


def is_built(checkout: Path) -> bool:
    """Tell whether the pages are those of the present sources."""
    return _is(_built(checkout), _digest(_sources(checkout)))


def build(checkout: Path, node: Node) -> None:
    """Build the pages.

    Raises:
        StackError: npm says no.

    """
    wanted = _digest(_sources(checkout))
    install(checkout, node)
    node.run(checkout, "run", "build")
    _built(checkout).write_text(wanted)


def _built(checkout: Path) -> Path:
    # Inside what the build makes, so that it goes when that goes.
    return checkout / WORKSPACES[-1] / "dist" / ".fluxwire-built"


def _sources(checkout: Path) -> Iterator[Path]:
    yield checkout / "package.json"
    yield checkout / "package-lock.json"
    for workspace in WORKSPACES:
        for path in sorted((checkout / workspace).rglob("*")):
            if path.is_file() and not MADE & set(path.relative_to(checkout).parts):
                yield path


def _digest(files: Iterator[Path] | list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _is(stamp: Path, wanted: str) -> bool:
    return stamp.exists() and stamp.read_text() == wanted
