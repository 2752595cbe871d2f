#!/usr/bin/env python3
"""Set Fluxwire up in .venv, once, and hand over to it.

python3 run.py              everything, embedded, at http://127.0.0.1:8000
python3 run.py test         all tests
python3 run.py bench NAME   a benchmark
python3 run.py --help       the other commands

Standard library only, and in the syntax of Python 3.8, so that an old Python can at least say what is missing.
"""

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator

OLDEST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")
CHECKOUT = Path(__file__).resolve().parent
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = CHECKOUT / "requirements.lock"
STAMP = VENV / "fluxwire-lock"


def main() -> None:
    """Find a Python, make the environment, become the program."""
    if os.name != "posix":
        sys.exit("Fluxwire's own stack runs on Linux and macOS. On Windows, use WSL.")
    if sys.version_info < OLDEST:
        become_newer_python()
    with one_at_a_time():
        wanted = fingerprint()
        if not is_current(wanted):
            make_environment(wanted)
    words = sys.argv[1:]
    if words[:1] in (["test"], ["bench"]):
        os.chdir(str(CHECKOUT))  # they are about this checkout; all else takes paths from where one is
        module, words = {"test": "tests", "bench": "bench"}[words[0]], words[1:]
    else:
        module = "fluxwire"
    # -P: a folder named like one of our packages, where one happens to be, is not it.
    os.execv(str(PYTHON), [str(PYTHON), "-P", "-m", module, *words])


def become_newer_python() -> None:
    """Start again with the newest Python on PATH, or say what is needed."""
    for name in NEWER:
        path = shutil.which(name)
        # A version manager's stand-in may be on PATH and yet start nothing.
        if path and subprocess.call([path, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            os.execv(path, [path, str(CHECKOUT / "run.py"), *sys.argv[1:]])
    sys.exit(
        "Fluxwire needs Python {0}.{1} or newer; this is {2}.{3}, and there is no newer one on PATH.\n"
        "With uv: uv run --no-project --python 3.13 run.py".format(*OLDEST, *sys.version_info[:2])
    )


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait while another run makes the environment."""
    import fcntl  # noqa: PLC0415 - there is none on Windows

    with LOCK.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fingerprint() -> str:
    """Say what the environment depends on: what is installed, and where it lies."""
    return hashlib.sha256(LOCK.read_bytes() + str(CHECKOUT).encode()).hexdigest()


def is_current(wanted: str) -> bool:
    """Tell whether the environment is whole and of this lock file."""
    try:
        return STAMP.read_text() == wanted and os.access(str(PYTHON), os.X_OK)
    except OSError:
        return False


def make_environment(wanted: str) -> None:
    """Make .venv with what requirements.lock names and nothing else."""
    begun = time.monotonic()
    print(f"{'Python packages installed (once)':<38}", end="", flush=True)
    # The one behind an environment: .venv itself may be what we run in.
    python = getattr(sys, "_base_executable", sys.executable)
    shutil.rmtree(str(VENV), ignore_errors=True)
    uv = shutil.which("uv")
    if uv:
        call(uv, "venv", "--quiet", "--python", python, str(VENV))
        call(uv, "pip", "install", "--quiet", "--python", str(PYTHON), "--require-hashes", "-r", str(LOCK))
    else:
        if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
            install_venv()
        call(python, "-m", "venv", str(VENV))
        pip = (str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input")
        # Compiling all of it takes a quarter of the time, and most of it is never imported.
        call(*pip, "install", "--quiet", "--no-compile", "--require-hashes", "-r", str(LOCK))
    join_checkout()
    STAMP.write_text(wanted)
    print(f"{time.monotonic() - begun:6.1f} s", flush=True)


def install_venv() -> None:
    """Install Debian's missing half of Python, as root, or say how."""
    package = "python{}.{}-venv".format(*sys.version_info[:2])
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"\nPython's venv module is missing. On Debian and Ubuntu: sudo apt-get install {package}")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    call("apt-get", "update", "-qq")
    call("apt-get", "install", "-qq", "-y", "--no-install-recommends", package)


def join_checkout() -> None:
    """Let the environment import from this checkout, and give it the command `fluxwire`."""
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.check_output([str(PYTHON), "-c", ask], universal_newlines=True).strip())
    (site / "fluxwire.pth").write_text(f"{CHECKOUT}\n")
    script = VENV / "bin" / "fluxwire"
    script.write_text(f"#!{PYTHON}\nimport sys\nfrom fluxwire.__main__ import main\nsys.exit(main())\n")
    script.chmod(0o755)


def call(*command: str) -> None:
    """Run a command quietly; if it fails, show what it said and end."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"\n{done.stdout.strip()}\nfailed: {' '.join(command)}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
