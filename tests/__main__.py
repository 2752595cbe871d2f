"""`python3 run.py test`: everything Fluxwire can prove, Python, TypeScript and a real browser.

Arguments go to pytest. As root on Debian, what is missing is installed with apt; elsewhere what had to be skipped is
said at the end. With CI=true nothing may be skipped.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from fluxwire.stack import node, web
from fluxwire.stack.errors import StackError
from tests.services import BROWSERS, debian_postgres, debian_redis

CHECKOUT = Path(__file__).parent.parent
# Tests start their own servers, and must not meet those of the person at the terminal.
FOREIGN = ("DATABASE_URL", "REDIS_URL", "FLUXWIRE_", "PG")
WORKERS = "2"
"""Of pytest. With three on two cores leaders wait for a core until they are deposed."""


@dataclass(slots=True)
class Report:
    """What happened, told at the end."""

    lines: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def step(self, name: str, work: Callable[[], str | None]) -> None:
        """Do one step, and go on whatever comes of it.

        Args:
            name: What the summary calls it.
            work: Returns what went wrong in words to show, or None.

        """
        print(f"── {name}", flush=True)
        begun = time.monotonic()
        trouble = work()
        if trouble is not None:
            self.failed.append(name)
            print(trouble, flush=True)
        self.lines.append(f"{name:<20}{time.monotonic() - begun:7.1f} s  {'ok' if trouble is None else 'FAILED'}")

    def finish(self) -> int:
        """Print the summary; the exit code."""
        print("\n" + "\n".join(self.lines))
        if self.skipped:
            print("\nSKIPPED, and so not proved here:")
            print("\n".join(f"  {reason}" for reason in self.skipped))
            if os.environ.get("CI") == "true":
                self.failed.append("skipped (CI=true)")
        print("\n" + (f"FAILED: {', '.join(self.failed)}" if self.failed else "All green."), flush=True)
        return 1 if self.failed else 0


def main(arguments: Sequence[str]) -> int:
    """Run all steps."""
    # A shell that starts this in the background has children ignore what tests end processes by.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in list(os.environ):
        if name.startswith(FOREIGN):
            del os.environ[name]
    report = Report()
    if wanted := missing_packages():
        report.step("apt", lambda: apt(wanted))
    tools = Path(sys.executable).parent
    report.step("ruff check", lambda: call(tools / "ruff", "check", "--quiet", "--output-format=concise"))
    report.step("ruff format", lambda: call(tools / "ruff", "format", "--quiet", "--check"))
    report.step("mypy", lambda: call(tools / "mypy"))
    report.step("import-linter", lambda: call(tools / "lint-imports"))
    typescript(report)
    python(report, arguments)
    return report.finish()


def typescript(report: Report) -> None:
    """Check, test and build what is written in TypeScript."""
    try:
        npm = node.on_path() or node.from_wheel(CHECKOUT)
    except StackError as exc:
        report.skipped.append(f"TypeScript: {exc.problem} {exc.hint}")
        return
    report.step("npm ci", lambda: attempt(lambda: web.install(CHECKOUT, npm)))
    report.step("tsc", lambda: attempt(lambda: npm.run(CHECKOUT, "run", "check")))
    if not has_browser():
        report.skipped.append("TypeScript in a browser (client-js/tests/browser): there is no Chromium.")
    report.step("vitest", lambda: attempt(lambda: npm.run(CHECKOUT, "test")))
    report.step("web build", lambda: attempt(lambda: web.build(CHECKOUT, npm)))


def python(report: Report, arguments: Sequence[str]) -> None:
    """Run pytest, and learn from its report what it skipped."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-n", WORKERS, f"--junitxml={results}", *arguments]

        def work() -> str | None:
            code = subprocess.run(command, check=False, cwd=CHECKOUT).returncode
            return None if code == 0 else f"pytest ended with code {code}."

        report.step("pytest", work)
        if results.exists():
            report.skipped += skips(results)


def skips(results: Path) -> list[str]:
    """Read the reasons for skips, each once, with the number of tests."""
    counts: dict[str, int] = {}
    for skip in ET.parse(results).getroot().iter("skipped"):
        if skip.get("type") == "pytest.skip":  # and not an expected failure
            reason = skip.get("message", "")
            counts[reason] = counts.get(reason, 0) + 1
    return [f"{count} tests: {reason}" for reason, count in counts.items()]


def has_browser() -> bool:
    """Tell whether there is a Chromium or Chrome."""
    return any(shutil.which(name) for name in BROWSERS)


def missing_packages() -> list[str]:
    """Name the Debian packages that tests want and that we could install."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return []
    wanted = []
    if not has_browser():
        wanted.append("chromium")
    if debian_postgres(15) is None:
        wanted.append("postgresql-15")
    if debian_redis() is None:
        wanted.append("redis-server")
    wanted += [name for name in ("curl", "haproxy", "openssl") if shutil.which(name) is None]
    return wanted


def apt(packages: Sequence[str]) -> str | None:
    """Install Debian packages. A failure here shows later, as skips."""
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    install = ("apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages)
    return call("apt-get", "update", "-qq") or call(*install)


def call(*command: str | Path) -> str | None:
    """Run a command; what it said if it failed."""
    done = subprocess.run(
        command, check=False, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return None if done.returncode == 0 else done.stdout.strip()


def attempt(work: Callable[[], None]) -> str | None:
    """Do something of the stack's; what was wrong if it failed."""
    try:
        work()
    except StackError as exc:
        return f"{exc.problem}\n{exc.hint}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
